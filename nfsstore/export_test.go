package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
	b := content(9, 3*exportWindow+12345)
	for _, at := range []int{100_000, exportWindow + 300_000, 3*exportWindow + 12000} {
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

func TestReadAhead(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	s := openStore(t, server.URL(), nil)
	b := content(4, 5*aheadChunk+777)
	mustPut(t, s, "a", b)
	x := s.vol.(*export)
	open := func() fs.File {
		t.Helper()
		f, err := s.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	small := content(5, 300)
	mustPut(t, s, "small", small)
	f, err := s.Open(t.Context(), "small")
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(f, small); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	f = open()
	for _, c := range []struct {
		off  int64
		size int
	}{{0, 10}, {10, aheadChunk}, {aheadChunk - 3, 7}, {3*aheadChunk + 1, 2 * aheadChunk}, {5, 1}, {5*aheadChunk + 770, 7}} {
		got := make([]byte, c.size)
		if _, err := f.(io.Seeker).Seek(c.off, io.SeekStart); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, b[c.off:c.off+int64(c.size)]) {
			t.Errorf("%d bytes from %d on are wrong, %v", c.size, c.off, err)
		}
	}
	if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	// More readers than may read ahead, all in the middle of it.
	files := make([]fs.File, maxAhead+10)
	for i := range files {
		files[i] = open()
		if got, err := io.ReadAll(io.LimitReader(files[i], aheadChunk+10)); err != nil || !bytes.Equal(got, b[:aheadChunk+10]) {
			t.Fatalf("reader %d got %d bytes, %v", i, len(got), err)
		}
	}
	if n := len(x.ahead); n == 0 || n > maxAhead {
		t.Errorf("%d chunks are read ahead, want 1 to %d", n, maxAhead)
	}
	for i, f := range files {
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, b[aheadChunk+10:]) {
			t.Errorf("reader %d got %d bytes more, %v", i, len(got), err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := f.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("a closed file: %v", err)
		}
	}
	if n := len(x.ahead); n != 0 {
		t.Errorf("%d chunks are not given back", n)
	}
}

// A file that has become shorter is damaged. That must not look like its end.
func TestFileIsCutOnTheServer(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	s := openStore(t, server.URL(), nil)
	b := content(4, 3*aheadChunk)
	mustPut(t, s, "a", b)
	f, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(server.Dir(), "a"), 2*aheadChunk+5); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("%d bytes were read, and then %v; want io.ErrUnexpectedEOF and ErrUnavailable", len(got), err)
	}
	if _, err := f.(io.ReaderAt).ReadAt(make([]byte, 100), 2*aheadChunk); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("ReadAt: %v, want io.ErrUnexpectedEOF", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// The file of a fence does not grow for ever, and may be swept away by others.
func TestFence(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	s := openStore(t, server.URL(), nil)
	mustPut(t, s, "a", []byte("x"))
	f := &s.vol.(*export).fence
	temps := func() (n int) {
		t.Helper()
		entries, err := os.ReadDir(server.Dir())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if _, ok := tempTime(e.Name()); ok {
				n++
			}
		}
		return n
	}
	first := f.name
	f.size = maxFence
	mustPut(t, s, "b", []byte("y"))
	if f.name == first || f.size != 1 || temps() != 1 {
		t.Errorf("after a full fence there is %s of %d bytes, before it was %s; %d temporary files", f.name, f.size, first, temps())
	}
	if n, err := s.Sweep(t.Context(), 0); err != nil || n != 0 {
		t.Errorf("its own Sweep took %d files, %v", n, err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if i%5 == 0 {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := f.raise(ctx); !errors.Is(err, context.Canceled) && err != nil {
					t.Error(err)
				}
				return
			}
			if err := f.raise(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := temps(); n != 0 {
		t.Errorf("after Close, %d temporary files are left", n)
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

func TestBytesOf(t *testing.T) {
	for _, c := range []struct{ blocks, size, want uint64 }{
		{0, 4096, 0}, {3, 4096, 12288}, {1 << 60, 4096, 1<<63 - 1}, {1 << 51, 4096, 1<<63 - 1}, {1<<51 - 1, 4096, 1<<63 - 4096},
	} {
		if got := bytesOf(c.blocks, c.size); got != int64(c.want) {
			t.Errorf("bytesOf(%d, %d) = %d, want %d", c.blocks, c.size, got, c.want)
		}
	}
}
