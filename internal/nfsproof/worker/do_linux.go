package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/beamrider/internal/nfsproof"
	"github.com/sugarlabs/beamrider/nfsstore"
)

// do makes calls of a store, in words with a comma between calls: put NAME, link FROM TO, remove NAME,
// list, or sweep AGE. It prints how each went.
func do(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("do", flag.ExitOnError)
	url := flags.String("url", "", "the `place` of the store")
	if err := flags.Parse(args); err != nil {
		return err
	}
	store, err := nfsstore.Open(ctx, *url, nil)
	if err != nil {
		return print(os.Stdout, nfsproof.CallResult{Kind: kindOf(err), Error: err.Error()})
	}
	for words := flags.Args(); err == nil && len(words) > 0; {
		n := slices.Index(words, ",")
		if n < 0 {
			n = len(words)
		}
		var r nfsproof.CallResult
		if err := call(ctx, store, words[:n], &r); err != nil {
			r.Kind, r.Error = kindOf(err), err.Error()
		}
		err = print(os.Stdout, r)
		words = words[min(n+1, len(words)):]
	}
	return errors.Join(err, store.Close())
}

func call(ctx context.Context, store *nfsstore.Store, words []string, r *nfsproof.CallResult) error {
	words = append(slices.Clone(words), "", "", "")
	switch words[0] {
	case "put":
		content, err := nfsproof.Content(words[1])
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		return store.Put(ctx, words[1], bytes.NewReader(content), int64(len(content)), sum[:])
	case "link":
		return store.Link(ctx, words[1], words[2])
	case "remove":
		return store.Remove(ctx, words[1])
	case "list":
		for info, err := range store.List(ctx, "") {
			if err != nil {
				return err
			}
			r.Names = append(r.Names, info.Name)
		}
		return nil
	case "sweep":
		age, err := time.ParseDuration(words[1])
		if err != nil {
			return err
		}
		r.Swept, err = store.Sweep(ctx, age)
		return err
	}
	return fmt.Errorf("there is no call %q", words[0])
}

func kindOf(err error) string {
	for kind, sentinel := range map[string]error{
		"no space": nfsstore.ErrNoSpace, "read-only": nfsstore.ErrReadOnly, "unavailable": nfsstore.ErrUnavailable, "changed": nfsstore.ErrChanged,
		"absent": fs.ErrNotExist, "exists": fs.ErrExist,
	} {
		if errors.Is(err, sentinel) {
			return kind
		}
	}
	return "other"
}

// read opens a file of a store and reads its beginning. When it is told to go on, by a signal, it
// makes the kernel forget what it has of the file, reads the rest, and prints how that went.
func read(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("read", flag.ExitOnError)
	url := flags.String("url", "", "the `place` of the store")
	name := flags.String("name", "", "of the `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	store, err := nfsstore.Open(ctx, *url, &nfsstore.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	f, err := store.Open(ctx, *name)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	head := make([]byte, 1000)
	_, err = io.ReadFull(f, head)
	goOn := make(chan os.Signal, 1)
	signal.Notify(goOn, syscall.SIGUSR1)
	if err == nil {
		_, err = fmt.Println("open", os.Getpid())
	}
	if err == nil {
		select {
		case <-goOn:
		case <-ctx.Done():
		}
		err = forget()
	}
	if err == nil {
		var r nfsproof.CallResult
		if err := nfsproof.Verify(*name, io.MultiReader(bytes.NewReader(head), f)); err != nil {
			r.Kind, r.Error = kindOf(err), err.Error()
		}
		err = print(os.Stdout, r)
	}
	return errors.Join(err, f.Close(), store.Close())
}

// quota gives a user of a file system, which must have the feature, that much and no more.
func quota(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("quota", flag.ExitOnError)
	device := flags.String("device", "", "the `file` of the disk")
	uid := flags.Int("uid", 0, "the `user`")
	size := flags.Uint64("bytes", 0, "how much the files of the user may hold")
	if err := flags.Parse(args); err != nil {
		return err
	}
	at, err := unix.BytePtrFromString(*device)
	if err != nil {
		return err
	}
	const user, switchOn, set, blockLimits = 0, 0x800002, 0x800008, 1
	do := func(what int, id int, arg unsafe.Pointer) error {
		_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL, uintptr(what<<8|user), uintptr(unsafe.Pointer(at)), uintptr(id), uintptr(arg), 0, 0)
		if errno != 0 {
			return fmt.Errorf("quotactl %#x: %w", what, errno)
		}
		return nil
	}
	// struct if_dqblk of linux/quota.h; limits are in units of 1024 bytes.
	limits := struct {
		hard, soft, space, filesHard, filesSoft, files, spaceTime, filesTime uint64
		valid                                                                uint32
	}{hard: *size / 1024, soft: *size / 1024, valid: blockLimits}
	return errors.Join(do(switchOn, 1, nil), do(set, *uid, unsafe.Pointer(&limits)))
}
