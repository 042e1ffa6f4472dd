package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/internal/nfsproof"
	"github.com/sugarlabs/beamrider/nfsstore"
)

// hang calls a store with deadlines until its time is over, whatever the server does, and tells how long
// calls took and how much was held. What has to work at the end is tried then.
func hang(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("hang", flag.ExitOnError)
	url := flags.String("url", "", "the `place` of the store")
	span := flags.Duration("for", time.Minute, "how `long` it calls")
	slots := flags.Int("slots", 16, "how many calls may be in the file system at a time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	store, err := nfsstore.Open(ctx, *url, &nfsstore.Options{Concurrency: *slots})
	if err != nil {
		return err
	}
	h := &hanging{store: store}
	if err := h.put(ctx, "first"); err != nil {
		return err
	}
	before := runtime.NumGoroutine()
	fmt.Println("ready")
	var all sync.WaitGroup
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; time.Since(h.began()) < *span; n++ {
		if n%4 == 0 {
			all.Go(func() { h.call(ctx, func(ctx context.Context) error { return h.put(ctx, fmt.Sprint("put", n)) }) })
		} else {
			all.Go(func() { h.call(ctx, func(ctx context.Context) error { return h.read(ctx, "first") }) })
		}
		h.mu.Lock()
		h.r.Goroutines = max(h.r.Goroutines, runtime.NumGoroutine()-before-h.running)
		h.mu.Unlock()
		<-tick.C
	}
	all.Wait()
	// What hung may take a moment to return, now that the server is back.
	last, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := errors.Join(h.put(last, "last"), h.read(last, "first"), h.read(last, "last"))
		if err == nil {
			break
		}
		if last.Err() != nil {
			return fmt.Errorf("it does not work again: %w", err)
		}
	}
	if err := store.Close(); err != nil {
		return err
	}
	return print(os.Stdout, h.r)
}

type hanging struct {
	store *nfsstore.Store
	mu    sync.Mutex
	start time.Time
	// running calls are goroutines of ours.
	running int
	r       nfsproof.HangResult
}

func (h *hanging) began() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.start.IsZero() {
		h.start = time.Now()
	}
	return h.start
}

func (h *hanging) call(ctx context.Context, f func(context.Context) error) {
	h.mu.Lock()
	h.running++
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, nfsproof.HangDeadline)
	defer cancel()
	began := time.Now()
	err := f(ctx)
	took := time.Since(began)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
	h.r.Calls++
	h.r.Slowest = max(h.r.Slowest, took)
	if err != nil {
		h.r.Failed++
		if !errors.Is(err, nfsstore.ErrUnavailable) && h.r.Other == "" {
			h.r.Other = err.Error()
		}
	}
}

func (h *hanging) put(ctx context.Context, name string) error {
	content := bytes.Repeat([]byte(name), 1000)
	sum := sha256.Sum256(content)
	return h.store.Put(ctx, name, bytes.NewReader(content), int64(len(content)), sum[:])
}

func (h *hanging) read(ctx context.Context, name string) error {
	f, err := h.store.Open(ctx, name)
	if err != nil {
		return err
	}
	// Reads of an open file have no deadline of the caller; this one is looked at by itself.
	_, err = io.CopyN(io.Discard, f, 10)
	return errors.Join(err, f.Close())
}
