// The program files keeps files in a place as package nfsstore does: whole and safe, or not at all.
//
//	files put PLACE NAME FILE     stores what FILE holds under NAME; "-" is the standard input
//	files get PLACE NAME          writes it to the standard output
//	files list PLACE [FOLDER]     what is there, with size and time
//
// A place is a folder, perhaps on a mount, or an export of an NFS server: nfs://10.0.0.11/srv/files.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "files:", err)
		stop()
		os.Exit(1)
	}
}

var errUsage = errors.New("use it as: files put PLACE NAME FILE | files get PLACE NAME | files list PLACE [FOLDER]")

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) (err error) {
	if len(args) < 2 {
		return errUsage
	}
	verb, place, rest := args[0], args[1], args[2:]
	store, err := nfsstore.Open(ctx, place, &nfsstore.Options{ReadOnly: verb != "put"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	switch {
	case verb == "put" && len(rest) == 2:
		return put(ctx, store, rest[0], rest[1], in)
	case verb == "get" && len(rest) == 1:
		return get(ctx, store, rest[0], out)
	case verb == "list" && len(rest) == 0:
		return list(ctx, store, "", out)
	case verb == "list" && len(rest) == 1:
		return list(ctx, store, rest[0], out)
	}
	return errUsage
}

// put needs the size before it begins, and the SHA-256 so that bytes that change on the way are found: what
// comes from a pipe is kept in a file until then.
func put(ctx context.Context, store *nfsstore.Store, name, file string, in io.Reader) (err error) {
	var f *os.File
	if file == "-" {
		if f, err = os.CreateTemp("", "files"); err == nil {
			defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
			_, err = io.Copy(f, in)
		}
	} else {
		f, err = os.Open(file)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	return store.Put(ctx, name, io.NewSectionReader(f, 0, size), size, sum.Sum(nil))
}

func get(ctx context.Context, store *nfsstore.Store, name string, out io.Writer) error {
	f, err := store.Open(ctx, name)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, f) // one that comes short is an error
	return errors.Join(err, f.Close())
}

func list(ctx context.Context, store *nfsstore.Store, dir string, out io.Writer) error {
	for info, err := range store.List(ctx, dir) {
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%10d  %s  %s\n", info.Size, info.ModTime.UTC().Format(time.DateTime), info.Name); err != nil {
			return err
		}
	}
	return nil
}
