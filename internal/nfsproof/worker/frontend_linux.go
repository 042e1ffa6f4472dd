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
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/nfsproof"
	"github.com/sugarlabs/beamrider/nfsstore"
)

// frontend is one of two machines on one store: it stores files, waits for each one of the other, and
// reads whatever it comes across.
func frontend(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("frontend", flag.ExitOnError)
	dir := flags.String("dir", "", "the `folder` of the store")
	id := flags.String("id", "a", "the `name` of this one")
	peer := flags.String("peer", "b", "the `name` of the other")
	files := flags.Int("files", 5000, "how many files each stores")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// The kernel's server makes names safe by itself, which a store is to be told.
	store, err := nfsstore.Open(ctx, "file://"+*dir+"?names=server", nil)
	if err != nil {
		return err
	}
	f := &frontEnd{store: store, r: nfsproof.FrontEndResult{Published: map[string]int64{}, Seen: map[string][2]int64{}}}
	const writers = 4
	var all errgroup.Group
	var listing sync.WaitGroup
	stop := make(chan struct{})
	var listed error
	listing.Go(func() { listed = f.list(ctx, *dir, "/"+*peer, stop) })
	for w := range writers {
		all.Go(func() error { return f.publish(ctx, fmt.Sprint(*id, w), *files/writers) })
		all.Go(func() error { return f.await(ctx, fmt.Sprint(*peer, w), *files/writers) })
	}
	err = all.Wait()
	close(stop)
	listing.Wait()
	if err := errors.Join(err, listed, store.Close()); err != nil {
		return err
	}
	return print(os.Stdout, f.r)
}

type frontEnd struct {
	store *nfsstore.Store
	mu    sync.Mutex
	r     nfsproof.FrontEndResult
}

// smallSize is that of most files of a front end: many names are what counts, and some whose writing
// takes a while.
func smallSize(n int) int {
	if n%100 == 50 {
		return 300_000
	}
	return 1000 + n%100
}

func (f *frontEnd) publish(ctx context.Context, id string, files int) error {
	for n := range files {
		name := nfsproof.Name(id, n, smallSize(n))
		content, err := nfsproof.Content(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		if err := f.store.Put(ctx, name, bytes.NewReader(content), int64(len(content)), sum[:]); err != nil {
			return err
		}
		at := time.Now().UnixNano()
		f.mu.Lock()
		f.r.Published[name] = at
		f.mu.Unlock()
	}
	return nil
}

// await looks for each name before it is there, which a kernel may remember.
func (f *frontEnd) await(ctx context.Context, id string, files int) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := range files {
		name := nfsproof.Name(id, n, smallSize(n))
		began := time.Now().UnixNano()
		for {
			file, err := f.store.Open(ctx, name)
			if err == nil {
				at := time.Now().UnixNano()
				f.mu.Lock()
				f.r.Seen[name] = [2]int64{began, at}
				f.mu.Unlock()
				if err := f.verify(name, file); err != nil {
					return err
				}
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func (f *frontEnd) verify(name string, r io.ReadCloser) error {
	err := errors.Join(nfsproof.Verify(name, r), r.Close())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.r.Read++
	if errors.Is(err, nfsproof.ErrDamaged) {
		f.r.Partial++
		return nil
	}
	return err
}

// list reads every name of the other that it finds, once, until it is told to stop.
func (f *frontEnd) list(ctx context.Context, dir, peer string, stop <-chan struct{}) error {
	seen := make(map[string]bool)
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case path != dir && strings.HasPrefix(e.Name(), "."):
				if e.IsDir() {
					return filepath.SkipDir
				}
				return nil
			case e.IsDir(), seen[path], !strings.Contains(path, peer):
				return nil
			}
			select {
			case <-stop:
				return filepath.SkipAll
			default:
			}
			seen[path] = true
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			return f.verify(path, file)
		})
		if err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case <-again.C:
		}
	}
}
