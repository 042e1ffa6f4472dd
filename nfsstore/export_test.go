package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sugarlabs/beamrider/internal/testnfs"
)

// patience is how long a test waits for what must come, before it fails.
const patience = 60 * time.Second

// until calls f until it succeeds.
func until(t *testing.T, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// The server is killed again and again while files are stored. What was acknowledged is there and
// whole, and what was not can be stored by doing the same again.
func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	s := openStore(t, server.URL(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var acked, failed atomic.Int64
	var mu sync.Mutex
	var names []int
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1))
				name, b := crashFile(i)
				public := "public/" + filepath.Base(name)
				for {
					err := put(t.Context(), s, name, b)
					if err == nil {
						err = s.Link(t.Context(), name, public)
					}
					if err == nil {
						break
					}
					failed.Add(1)
					if !errors.Is(err, ErrUnavailable) {
						t.Errorf("%s: %v", name, err)
						return
					}
					if t.Context().Err() != nil {
						return
					}
				}
				mu.Lock()
				names = append(names, i)
				mu.Unlock()
				acked.Add(1)
			}
		})
	}
	const kills = 5
	for range kills {
		want := acked.Load() + 15
		until(t, "storing files", func() error {
			if n := acked.Load(); n < want {
				return fmt.Errorf("%d of %d files were stored", n, want)
			}
			return nil
		})
		server.Kill()
		server.Start()
	}
	last := acked.Load() + 5
	until(t, "storing files after the last restart", func() error {
		if n := acked.Load(); n < last {
			return fmt.Errorf("%d of %d files were stored", n, last)
		}
		return nil
	})
	cancel()
	wg.Wait()
	for _, i := range names {
		name, b := crashFile(i)
		mustHold(t, s, name, b)
		mustHold(t, s, "public/"+filepath.Base(name), b)
	}
	t.Logf("%d files were stored through %d kills; %d calls failed and were repeated", len(names), kills, failed.Load())
}

// A server that restarts in the middle of one file has forgotten what it had not flushed.
func TestServerRestartsInTheMiddleOfAFile(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	s := openStore(t, server.URL(), nil)
	const window = 1 << 20 // what the volume writes before it flushes
	b := content(9, 3*window+12345)
	for _, at := range []int{100_000, window + 300_000, 3*window + 12000} {
		name := fmt.Sprint("file-", at)
		done := false
		restart := readFunc(func([]byte) (int, error) {
			if !done {
				done = true
				server.Kill()
				server.Start()
			}
			return 0, io.EOF
		})
		r := io.MultiReader(bytes.NewReader(b[:at]), restart, bytes.NewReader(b[at:]))
		until(t, "storing over a restart", func() error {
			return s.Put(t.Context(), name, io.MultiReader(r, iotest.ErrReader(io.EOF)), int64(len(b)), sumOf(b))
		})
		if !done {
			t.Error("the server was not restarted")
		}
		mustHold(t, s, name, b)
	}
}

// Calls keep their deadlines while the server is frozen, and go on when it is not.
func TestServerIsFrozen(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	s := openStore(t, server.URL(), nil)
	b := content(1, 100_000)
	mustPut(t, s, "a/b", b)
	f, err := s.Open(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	var wg sync.WaitGroup
	for name, call := range map[string]func(context.Context) error{
		"Put":    func(ctx context.Context) error { return put(ctx, s, "a/c", b) },
		"Open":   func(ctx context.Context) error { _, err := s.Open(ctx, "a/b"); return err },
		"Link":   func(ctx context.Context) error { return s.Link(ctx, "a/b", "a/d") },
		"Remove": func(ctx context.Context) error { return s.Remove(ctx, "a/x") },
		"Space":  func(ctx context.Context) error { _, _, err := s.Space(ctx); return err },
		"Stat":   func(ctx context.Context) error { _, err := s.Stat(ctx, "a/b"); return err },
		"List": func(ctx context.Context) (last error) {
			for _, err := range s.List(ctx, "a") {
				last = err
			}
			return last
		},
		"FS":    func(ctx context.Context) error { _, err := fs.ReadFile(s.FS(ctx), "a/b"); return err },
		"Scrub": func(ctx context.Context) error { _, err := s.Scrub(ctx, nil); return err },
		"Scrub of a list": func(ctx context.Context) error {
			_, err := s.Scrub(ctx, &ScrubOptions{Expected: expect(slices.Repeat([]Expected{{"a/b", -1, nil}}, 10)...)})
			return err
		},
		"Repair": func(ctx context.Context) error {
			return s.Repair(ctx, Expected{"a/b", 1, sumOf([]byte("x"))}, strings.NewReader("x"))
		},
		"Health": func(ctx context.Context) error { _, err := s.Health(ctx); return err },
		"Sweep":  func(ctx context.Context) error { _, err := s.Sweep(ctx, 0); return err },
	} {
		wg.Go(func() {
			const limit = 500 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			if err := call(ctx); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want ErrUnavailable and context.DeadlineExceeded", name, err)
			}
			if took := time.Since(began); took > 5*limit {
				t.Errorf("%s took %v with a deadline of %v", name, took, limit)
			}
		})
	}
	// A read has no context; closing the file ends it.
	read := make(chan error)
	go func() {
		_, err := io.ReadAll(f)
		read <- err
	}()
	wg.Wait()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; err == nil {
		t.Error("a read of a frozen server has succeeded")
	}
	server.Cont()
	until(t, "storing after the server went on", func() error { return put(t.Context(), s, "a/c", b) })
	mustHold(t, s, "a/b", b)
	mustHold(t, s, "a/c", b)
}

// That a server is away is no reason not to open; its store works as soon as the server does.
func TestServerComesLater(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	server.Kill()
	s := openStore(t, server.URL(), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := put(ctx, s, "a", []byte("x")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Put without a server: %v, want ErrUnavailable", err)
	}
	if _, err := read(ctx, s, "a"); !errors.Is(err, ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open without a server: %v, want ErrUnavailable", err)
	}
	server.Start()
	until(t, "storing", func() error { return put(t.Context(), s, "a", []byte("x")) })
	mustHold(t, s, "a", []byte("x"))

	// What a server that is there refuses is an error at once.
	at := strings.Replace(server.URL(), "/export", "/export/absent", 1)
	if s, err := Open(t.Context(), at, nil); err == nil {
		t.Errorf("an export that does not exist was opened: %v", s.Close())
	} else if !strings.Contains(err.Error(), "does not let us use this export") {
		t.Errorf("an export that does not exist: %v", err)
	}
}

func TestSpace(t *testing.T) { onDisk(t, testSpace) }

func testSpace(t *testing.T, p place) {
	s := p.open(t, nil)
	free, total, err := s.Space(t.Context())
	if err != nil || free <= 0 || total < free {
		t.Errorf("Space gave %d of %d, %v", free, total, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Space(t.Context()); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v, want fs.ErrClosed", err)
	}
}
