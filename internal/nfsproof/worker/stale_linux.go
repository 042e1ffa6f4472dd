package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/sugarlabs/beamrider/internal/nfsproof"
	"github.com/sugarlabs/beamrider/nfsstore"
)

// stale opens files, reads the beginning of each, says ready, waits for the file go, reads them to their
// ends and prints how that went.
func stale(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("stale", flag.ExitOnError)
	url := flags.String("url", "", "the `place` of the store")
	signal := flags.String("go", "", "the `file` to wait for")
	if err := flags.Parse(args); err != nil {
		return err
	}
	store, err := nfsstore.Open(ctx, *url, nil)
	if err != nil {
		return err
	}
	files := make([]fs.File, flags.NArg())
	heads := make([][]byte, len(files))
	for i, name := range flags.Args() {
		if files[i], err = store.Open(ctx, name); err != nil {
			return err
		}
		heads[i] = make([]byte, 1000)
		if _, err := io.ReadFull(files[i], heads[i]); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		if _, err := os.Stat(*signal); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for i, name := range flags.Args() {
		sum := sha256.New()
		sum.Write(heads[i])
		n, err := io.Copy(sum, files[i])
		r := nfsproof.StaleResult{Name: name, Read: n + int64(len(heads[i])), Sum: fmt.Sprintf("%x", sum.Sum(nil))}
		if err != nil {
			r.Error = err.Error()
			r.Changed, r.Unavailable = errors.Is(err, nfsstore.ErrChanged), errors.Is(err, nfsstore.ErrUnavailable)
		}
		if err := errors.Join(files[i].Close(), print(os.Stdout, r)); err != nil {
			return err
		}
	}
	return store.Close()
}
