// The program files-shared shows that several processes may use one store at the same time, without locks:
// it starts some of itself, which all store under the same names.
//
//	files-shared [PLACE]     a folder, perhaps on a mount, or nfs://host/export; else a temporary folder
//
// Under names that all give the same content, all succeed. Where each brings another content one wins,
// and the others are told.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/sugarlabs/beamrider/nfsstore"
)

const (
	processes = 4
	names     = 10
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "files-shared:", err)
		stop()
		os.Exit(1)
	}
}

// workerEnv makes the program one of those that write.
const workerEnv = "FILES_SHARED_WORKER"

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	if id := os.Getenv(workerEnv); id != "" && len(args) == 1 {
		return write(ctx, args[0], id, out)
	}
	if len(args) > 1 {
		return errors.New("use it as: files-shared [PLACE]")
	}
	place := strings.Join(args, "")
	if place == "" {
		if place, err = os.MkdirTemp("", "files-shared"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(place)) }()
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var mu sync.Mutex
	won, refused := 0, 0
	var errs []error
	var all sync.WaitGroup
	for id := range processes {
		all.Go(func() {
			cmd := exec.CommandContext(ctx, self, place)
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", workerEnv, id))
			cmd.Stderr = os.Stderr
			said, err := cmd.Output()
			mu.Lock()
			defer mu.Unlock()
			won += strings.Count(string(said), "won\n")
			refused += strings.Count(string(said), "taken\n")
			errs = append(errs, err)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d processes stored under %d names: each was won by one (%d in all), and %d were told that it was taken.\n", processes, names, won, refused)
	return err
}

// write stores under all names, in this process.
func write(ctx context.Context, place, id string, out io.Writer) (err error) {
	store, err := nfsstore.Open(ctx, place, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for n := range names {
		same := []byte("what everybody has")
		if err := store.Put(ctx, fmt.Sprintf("same/%d", n), bytes.NewReader(same), int64(len(same)), nil); err != nil {
			return err
		}
		own := fmt.Appendf(nil, "what process %s has", id)
		err := store.Put(ctx, fmt.Sprintf("own/%d", n), bytes.NewReader(own), int64(len(own)), nil)
		word := "won"
		if errors.Is(err, fs.ErrExist) {
			word = "taken"
		} else if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, word); err != nil {
			return err
		}
	}
	return nil
}
