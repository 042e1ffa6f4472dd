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
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

func TestPutAndOpen(t *testing.T) { onDisk(t, testPutAndOpen) }

func testPutAndOpen(t *testing.T, p place) {
	s := p.open(t, nil)
	for i, size := range []int{0, 1, 1000, bufferSize - 1, bufferSize, bufferSize + 1, 3*bufferSize + 7} {
		b := content(uint64(i), size)
		name := fmt.Sprintf("uploads/%d/file-%d.xo", i, size)
		mustPut(t, s, name, b)
		mustHold(t, s, name, b)
		undeclared := fmt.Sprintf("plain-%d", i)
		if err := s.Put(t.Context(), undeclared, iotest.OneByteReader(bytes.NewReader(b)), int64(size), nil); err != nil {
			t.Fatal(err)
		}
		mustHold(t, s, undeclared, b)
	}
	p.noTemps(t)
}

func TestOpenedFile(t *testing.T) { onDisk(t, testOpenedFile) }

func testOpenedFile(t *testing.T, p place) {
	s := p.open(t, nil)
	mustPut(t, s, "a", []byte("0123456789"))
	f, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !p.export() {
		if err := s.Remove(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 3)
	if _, err := f.(io.ReaderAt).ReadAt(buf, 4); err != nil || string(buf) != "456" {
		t.Errorf("ReadAt gave %q, %v", buf, err)
	}
	if _, err := f.(io.Seeker).Seek(-2, io.SeekEnd); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(f); err != nil || string(rest) != "89" {
		t.Errorf("after Seek: %q, %v", rest, err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 10 || info.Mode().Perm() != 0o444 {
		t.Errorf("Stat gave %v, %v", info, err)
	}
	if !p.export() {
		return
	}
	// NFS of this version knows no open files. What is not there must not look like an end.
	if err := s.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.(io.ReaderAt).ReadAt(buf, 0); err != nil && !errors.Is(err, ErrUnavailable) || err == nil && string(buf) != "012" {
		t.Errorf("after Remove, ReadAt gave %q, %v", buf, err)
	}
}

func TestPutAgain(t *testing.T) { onDisk(t, testPutAgain) }

func testPutAgain(t *testing.T, p place) {
	s := p.open(t, nil)
	b := content(1, 5000)
	mustPut(t, s, "x/a", b)
	before, err := s.vol.Stat(t.Context(), "x/a")
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "x/a", b)
	if err := s.Put(t.Context(), "x/a", bytes.NewReader(b), int64(len(b)), nil); err != nil {
		t.Errorf("the same content without its sum: %v", err)
	}
	// The content is there: what the reader does is of no interest.
	if err := s.Put(t.Context(), "x/a", iotest.ErrReader(errors.New("cut")), int64(len(b)), sumOf(b)); err != nil {
		t.Errorf("the same content from a broken reader: %v", err)
	}
	for _, other := range [][]byte{content(2, 5000), content(1, 4999), nil} {
		err := put(t.Context(), s, "x/a", other)
		if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "other content") {
			t.Errorf("other content: %v, want fs.ErrExist", err)
		}
		if err := s.Put(t.Context(), "x/a", bytes.NewReader(other), int64(len(other)), nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("other content without its sum: %v, want fs.ErrExist", err)
		}
	}
	after, err := s.vol.Stat(t.Context(), "x/a")
	if err != nil || !s.vol.Same(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("the file was written anew (%v)", err)
	}
	mustHold(t, s, "x/a", b)
	p.noTemps(t)
}

func TestPutRefuses(t *testing.T) { onDisk(t, testPutRefuses) }

func testPutRefuses(t *testing.T, p place) {
	s := p.open(t, nil)
	b := content(1, 3000)
	wrong := sumOf(content(2, 3000))
	cut := errors.New("the connection was cut")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		size int64
		sum  []byte
		want error
	}{
		"longer":        {r: bytes.NewReader(b), size: 2999, want: ErrCorrupt},
		"shorter":       {r: bytes.NewReader(b), size: 3001, want: ErrCorrupt},
		"empty":         {r: bytes.NewReader(nil), size: 1, want: ErrCorrupt},
		"wrong sum":     {r: bytes.NewReader(b), size: 3000, sum: wrong, want: ErrCorrupt},
		"negative size": {r: bytes.NewReader(b), size: -1, want: fs.ErrInvalid},
		"short sum":     {r: bytes.NewReader(b), size: 3000, sum: wrong[:31], want: fs.ErrInvalid},
		"empty sum":     {r: bytes.NewReader(b), size: 3000, sum: []byte{}, want: fs.ErrInvalid},
		"cut":           {r: io.MultiReader(bytes.NewReader(b[:500]), iotest.ErrReader(cut)), size: 3000, want: cut},
		"cut as HTTP":   {r: io.MultiReader(bytes.NewReader(b), iotest.ErrReader(io.ErrUnexpectedEOF)), size: 3000, want: io.ErrUnexpectedEOF},
		"no progress":   {r: idle{}, size: 3000, want: io.ErrNoProgress},
		"canceled":      {ctx: canceled, r: bytes.NewReader(b), size: 3000, sum: sumOf(b), want: context.Canceled},
		"timeout":       {r: iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(b))), size: 3000, want: iotest.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			if c.ctx == nil {
				c.ctx = t.Context()
			}
			err := s.Put(c.ctx, "dir/a", c.r, c.size, c.sum)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if _, err := s.Open(t.Context(), "dir/a"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("afterwards Open gives %v", err)
			}
			p.noTemps(t)
		})
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// A context that ends in the middle of a Put must stop it and leave nothing.
func TestPutIsGivenUp(t *testing.T) { onDisk(t, testPutIsGivenUp) }

func testPutIsGivenUp(t *testing.T, p place) {
	s := p.open(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	b := content(1, 4*bufferSize)
	r := io.MultiReader(bytes.NewReader(b[:2*bufferSize]), readFunc(func(p []byte) (int, error) {
		cancel()
		return copy(p, b), nil
	}))
	if err := s.Put(ctx, "a", r, int64(len(b)), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if files, temps := p.tree(t); len(files)+len(temps) > 0 {
		t.Errorf("left: %q %q", files, temps)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestNamesAreChecked(t *testing.T) { onDisk(t, testNamesAreChecked) }

func testNamesAreChecked(t *testing.T, p place) {
	s := p.open(t, nil)
	mustPut(t, s, "a", nil)
	for _, bad := range []string{"", "../a", "/etc/passwd", ".hidden", "a/../a"} {
		_, openErr := s.Open(t.Context(), bad)
		for call, err := range map[string]error{
			"Put": put(t.Context(), s, bad, nil), "Open": openErr, "Remove": s.Remove(t.Context(), bad),
			"Link from": s.Link(t.Context(), bad, "b"), "Link to": s.Link(t.Context(), "a", bad),
		} {
			if !errors.Is(err, ErrName) {
				t.Errorf("%s of %q: %v, want ErrName", call, bad, err)
			}
		}
	}
}

func TestLink(t *testing.T) { onDisk(t, testLink) }

func testLink(t *testing.T, p place) {
	s := p.open(t, nil)
	b := content(1, 2000)
	mustPut(t, s, "uploads/a", b)
	for range 2 {
		if err := s.Link(t.Context(), "uploads/a", "public/files/1/a.xo"); err != nil {
			t.Fatal(err)
		}
	}
	one, err1 := s.vol.Stat(t.Context(), "uploads/a")
	two, err2 := s.vol.Stat(t.Context(), "public/files/1/a.xo")
	if err1 != nil || err2 != nil || !s.vol.Same(one, two) {
		t.Errorf("they are not one file: %v %v", err1, err2)
	}
	mustPut(t, s, "uploads/same", b)
	if err := s.Link(t.Context(), "uploads/same", "public/files/1/a.xo"); err != nil {
		t.Errorf("a to of the same content in another file: %v", err)
	}
	if err := s.Link(t.Context(), "uploads/a", "uploads/a"); err != nil {
		t.Errorf("to itself: %v", err)
	}
	mustPut(t, s, "uploads/other", content(2, 2000))
	if err := s.Link(t.Context(), "uploads/other", "public/files/1/a.xo"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("other content: %v, want fs.ErrExist", err)
	}
	for _, absent := range []string{"uploads/none", "none/a", "uploads/a/b", "uploads"} {
		if err := s.Link(t.Context(), absent, "public/new"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("from %s: %v, want fs.ErrNotExist", absent, err)
		}
	}
	if err := s.Remove(t.Context(), "uploads/a"); err != nil {
		t.Fatal(err)
	}
	mustHold(t, s, "public/files/1/a.xo", b)
	p.noTemps(t)
}

func TestRemove(t *testing.T) { onDisk(t, testRemove) }

func testRemove(t *testing.T, p place) {
	s := p.open(t, nil)
	mustPut(t, s, "a/b", []byte("x"))
	if err := s.Remove(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/b", "a", "c/d/e"} {
		if err := s.Remove(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Remove of %s: %v, want fs.ErrNotExist", name, err)
		}
		if _, err := s.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of %s: %v, want fs.ErrNotExist", name, err)
		}
	}
	mustPut(t, s, "a/b", []byte("other"))
	mustHold(t, s, "a/b", []byte("other"))
}

// A directory that is known to the store may be taken away by somebody else.
func TestDirectoryVanishes(t *testing.T) { onDisk(t, testDirectoryVanishes) }

func testDirectoryVanishes(t *testing.T, p place) {
	s := p.open(t, nil)
	mustPut(t, s, "a/b/c", []byte("1"))
	mustPut(t, s, "x", []byte("2"))
	for _, again := range []func() error{
		func() error { return put(t.Context(), s, "a/b/c", []byte("3")) },
		func() error { return s.Link(t.Context(), "x", "a/b/d") },
	} {
		p.removeAll(t, "a")
		if err := again(); err != nil {
			t.Error(err)
		}
	}
}

func TestKnownDirectoriesAreBounded(t *testing.T) {
	s := &Store{vol: nullVolume{}, gate: newGate(1, false), known: make(map[string]struct{})}
	for i := range 3 * maxKnown {
		if err := s.makeDir(t.Context(), fmt.Sprintf("a/%d", i)); err != nil {
			t.Fatal(err)
		}
		if len(s.known) > maxKnown {
			t.Fatalf("%d directories are kept", len(s.known))
		}
	}
}

// nullVolume makes and syncs directories at no cost.
type nullVolume struct{ vol.Vol }

func (nullVolume) Mkdir(context.Context, string) error         { return nil }
func (nullVolume) Persist(context.Context, string, bool) error { return nil }

func TestConcurrentPutsOfOneName(t *testing.T) { onDisk(t, testConcurrentPutsOfOneName) }

func testConcurrentPutsOfOneName(t *testing.T, p place) {
	stores := []*Store{p.open(t, nil), p.open(t, &Options{Concurrency: 2})}
	for round := range 20 {
		name := fmt.Sprintf("shared/%d/a.xo", round)
		same, other := content(uint64(round), 100_000), content(uint64(round+1000), 100_000)
		var wins [2]atomic.Int32 // of same and other
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				b := same
				if i%4 == 3 {
					b = other
				}
				err := put(t.Context(), stores[i%2], name, b)
				switch {
				case err == nil:
					wins[i%4/3].Add(1)
				case !errors.Is(err, fs.ErrExist):
					t.Errorf("put: %v", err)
				}
			})
		}
		wg.Wait()
		if a, b := wins[0].Load(), wins[1].Load(); !(a == 6 && b == 0) && !(a == 0 && b == 2) {
			t.Errorf("%d puts of one content and %d of the other succeeded", a, b)
		}
	}
	p.noTemps(t)
}

// A name that comes between two looks of a Put is not taken for something strange.
func TestNameComesMeanwhile(t *testing.T) { onDisk(t, testNameComesMeanwhile) }

func testNameComesMeanwhile(t *testing.T, p place) {
	s, v := faulty(t, p, -1, &fs.PathError{Op: "openat", Path: "a", Err: syscall.ENOENT}, false)
	mustPut(t, s, "a", []byte("x"))
	v.ops, v.at = nil, 0
	mustPut(t, s, "a", []byte("x"))
	v.ops, v.at = nil, 0
	if err := put(t.Context(), s, "a", []byte("y")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("other content: %v, want fs.ErrExist", err)
	}
	p.noTemps(t)
}

func TestReadersSeeNothingByHalf(t *testing.T) { onDisk(t, testReadersSeeNothingByHalf) }

func testReadersSeeNothingByHalf(t *testing.T, p place) {
	s := p.open(t, nil)
	b := content(7, 300_000)
	ctx, cancel := context.WithCancel(t.Context())
	var seen atomic.Int32
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				got, err := read(context.WithoutCancel(ctx), s, "d/a")
				switch {
				case errors.Is(err, fs.ErrNotExist):
				case (errors.Is(err, ErrUnavailable) || errors.Is(err, ErrChanged)) && p.export(): // removed while it was read
				case err != nil:
					t.Error(err)
					return
				case !bytes.Equal(got, b):
					t.Errorf("a reader saw %d bytes that are not the content", len(got))
					return
				default:
					seen.Add(1)
				}
			}
		})
	}
	for i := 0; (i < 60 || seen.Load() == 0) && i < 10_000; i++ {
		if err := put(t.Context(), s, "d/a", b); err != nil {
			t.Error(err)
		}
		if err := s.Remove(t.Context(), "d/a"); err != nil {
			t.Error(err)
		}
	}
	cancel()
	wg.Wait()
	if seen.Load() == 0 {
		t.Error("no reader ever saw the file")
	}
}

func TestOpenMakesParents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a/b/c")
	s := openStore(t, dir, nil)
	mustPut(t, s, "x", []byte("x"))
	if got, _ := tree(t, dir); !cmp.Equal(got, []string{"x"}) {
		t.Errorf("the folder holds %q", got)
	}
	noTemps(t, dir)
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	absent := filepath.Join(t.TempDir(), "absent")
	for name, c := range map[string]struct {
		dir  string
		o    *Options
		want error
	}{
		"no directory":         {"", nil, fs.ErrInvalid},
		"negative concurrency": {absent, &Options{Concurrency: -1}, fs.ErrInvalid},
		"a file":               {file, nil, fs.ErrExist},
		"below a file":         {filepath.Join(file, "x"), nil, fs.ErrExist},
		"read-only and absent": {absent, &Options{ReadOnly: true}, fs.ErrNotExist},
		"proc":                 {"/proc/self", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), c.dir, c.o)
			if err == nil {
				t.Fatalf("it was opened: %v", s.Close())
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	if _, err := os.Stat(absent); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused Open made the folder: %v", err)
	}
}

func TestReadOnlyStore(t *testing.T) { onDisk(t, testReadOnlyStore) }

func testReadOnlyStore(t *testing.T, p place) {
	mustPut(t, p.open(t, nil), "a", []byte("x"))
	s := p.open(t, &Options{ReadOnly: true})
	mustHold(t, s, "a", []byte("x"))
	_, sweepErr := s.Sweep(t.Context(), 0)
	for call, err := range map[string]error{
		"Put": put(t.Context(), s, "b", nil), "Link": s.Link(t.Context(), "a", "b"),
		"Remove": s.Remove(t.Context(), "a"), "Sweep": sweepErr,
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", call, err)
		}
	}
}

func TestClose(t *testing.T) { onDisk(t, testClose) }

func testClose(t *testing.T, p place) {
	s := p.open(t, nil)
	mustPut(t, s, "a", []byte("x"))
	f, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	switch b, err := io.ReadAll(f); {
	case p.export() && !errors.Is(err, fs.ErrClosed):
		t.Errorf("a file that was open on a closed export gives %q, %v", b, err)
	case !p.export() && (err != nil || string(b) != "x"):
		t.Errorf("a file that was open gives %q, %v", b, err)
	}
	_, openErr := s.Open(t.Context(), "a")
	_, sweepErr := s.Sweep(t.Context(), 0)
	for call, err := range map[string]error{
		"Put": put(t.Context(), s, "b", nil), "Open": openErr, "Link": s.Link(t.Context(), "a", "b"),
		"Remove": s.Remove(t.Context(), "a"), "Sweep": sweepErr,
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v, want fs.ErrClosed", call, err)
		}
	}
}

func TestSweep(t *testing.T) { onDisk(t, testSweep) }

func testSweep(t *testing.T, p place) {
	s := p.open(t, nil)
	mustPut(t, s, "a/b/keep", []byte("x"))
	mustPut(t, s, "c", []byte("y"))
	now := time.Now()
	leave := func(name string) string {
		t.Helper()
		p.overwrite(t, name, []byte("left"))
		return name
	}
	old := now.Add(-25 * time.Hour)
	for range dirBatch + 3 {
		leave(newTemp("a/b", old))
	}
	leave(newTemp(".", old))
	young := leave(newTemp("a", now.Add(-time.Hour)))
	future := leave(newTemp("a", now.Add(time.Hour)))
	foreign := []string{leave(".nfs00000000deadbeef"), leave("a/.nfsstore-notes"), leave(newTemp(".snapshot", old))}
	mine := leave(newTemp("a", old))
	s.setTemp(mine, true)

	sweep := func(olderThan time.Duration, want int) {
		t.Helper()
		if n, err := s.Sweep(t.Context(), olderThan); err != nil || n != want {
			t.Errorf("Sweep(%v) = %d, %v, want %d", olderThan, n, err, want)
		}
	}
	sweep(48*time.Hour, 0)
	sweep(24*time.Hour, dirBatch+4)
	sweep(24*time.Hour, 0)
	s.setTemp(mine, false)
	sweep(24*time.Hour, 1)
	sweep(-time.Hour, 1) // the young one
	for _, name := range append(foreign, future) {
		if !p.exists(t, name) {
			t.Errorf("%s was swept", name)
		}
	}
	if p.exists(t, young) {
		t.Errorf("%s is still there", young)
	}
	mustHold(t, s, "a/b/keep", []byte("x"))
	mustHold(t, s, "c", []byte("y"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sweep(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// When calls hang in the kernel, further ones must give up rather than take more threads.
func TestHangingFileSystem(t *testing.T) {
	dir := t.TempDir()
	mustPut(t, openStore(t, dir, nil), "a", []byte("x"))
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), dir, &Options{Concurrency: 3})
		if err != nil {
			t.Fatal(err)
		}
		hung := &hungVolume{Vol: s.vol, back: make(chan struct{})}
		s.vol = hung
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				f, err := s.Open(context.Background(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				f.Close()
			})
		}
		synctest.Wait()
		if _, err := s.Open(t.Context(), "a"); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "hangs") {
			t.Errorf("a call beyond the bound: %v, want ErrUnavailable", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := put(ctx, s, "b", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call with a deadline: %v, want context.DeadlineExceeded", err)
		}
		if n := hung.calls.Load(); n != 3 {
			t.Errorf("%d calls are in the file system, want 3", n)
		}
		close(hung.back) // the server is back
		wg.Wait()
		if _, err := read(t.Context(), s, "a"); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

type hungVolume struct {
	vol.Vol
	back  chan struct{}
	calls atomic.Int32
}

func (v *hungVolume) Open(ctx context.Context, name string) (vol.File, error) {
	v.calls.Add(1)
	<-v.back // whatever becomes of ctx
	return v.Vol.Open(ctx, name)
}

// On a mount that hangs, a call with a deadline keeps it, and leaves behind no more than its slot.
func TestDeadlineOnHangingMount(t *testing.T) {
	dir := t.TempDir()
	mustPut(t, openStore(t, dir, nil), "a", []byte("x"))
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), dir, &Options{Concurrency: 3})
		if err != nil {
			t.Fatal(err)
		}
		s.gate.apart = true
		hung := &hungVolume{Vol: s.vol, back: make(chan struct{})}
		s.vol = hung
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := s.Open(ctx, "a")
			cancel()
			if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want ErrUnavailable and context.DeadlineExceeded", err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := s.Open(ctx, "a"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want context.Canceled alone", err)
		}
		if n := hung.calls.Load(); n != 3 {
			t.Errorf("%d calls are in the file system, want 3", n)
		}
		close(hung.back)
		synctest.Wait() // the calls that were left behind end, or this test does not
		if n := len(s.gate.slots); n != 0 {
			t.Errorf("%d slots are taken still", n)
		}
		mustHold(t, s, "a", []byte("x"))
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// mountSmall mounts a file system of that many bytes and inodes.
func mountSmall(t *testing.T, options string) string {
	t.Helper()
	mount, umount := require.Tool(t, "mount"), require.Tool(t, "umount")
	dir := t.TempDir()
	if out, err := command(t, mount, "-t", "tmpfs", "-o", options, "tmpfs", dir); err != nil {
		require.Skip(t, "a small file system cannot be mounted, which needs root: "+strings.TrimSpace(out))
	}
	t.Cleanup(func() {
		if out, err := command(t, umount, dir); err != nil {
			t.Error(err, out)
		}
	})
	return dir
}

func TestDiskFull(t *testing.T) {
	for name, options := range map[string]string{"bytes": "size=1m", "inodes": "size=64m,nr_inodes=20"} {
		t.Run(name, func(t *testing.T) {
			dir := mountSmall(t, options)
			s, err := Open(t.Context(), dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			b := func(i int) []byte { return content(uint64(i), 100_000) }
			stored := 0
			for ; stored < 100; stored++ {
				if err = put(t.Context(), s, fmt.Sprintf("d/%d", stored), b(stored)); err != nil {
					break
				}
			}
			if !errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), "make room") || stored == 0 {
				t.Fatalf("after %d files: %v, want ErrNoSpace", stored, err)
			}
			files, temps := tree(t, dir)
			if len(files) != stored || len(temps) != 0 {
				t.Errorf("%d files were stored, there are %q and %q", stored, files, temps)
			}
			full, err := Open(t.Context(), dir, nil)
			if err != nil {
				t.Fatalf("a full file system cannot be read: %v", err)
			}
			mustHold(t, full, "d/0", b(0))
			if err := full.Close(); err != nil {
				t.Error(err)
			}
			if err := s.Remove(t.Context(), "d/0"); err != nil {
				t.Fatal(err)
			}
			mustPut(t, s, fmt.Sprintf("d/%d", stored), b(stored))
			for i := 1; i <= stored; i++ {
				mustHold(t, s, fmt.Sprintf("d/%d", i), b(i))
			}
		})
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	dir := mountSmall(t, "size=1m")
	mount := require.Tool(t, "mount")
	s, err := Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	mustPut(t, s, "a", []byte("x"))
	if out, err := command(t, mount, "-o", "remount,ro", dir); err != nil {
		t.Fatal(err, out)
	}
	for call, err := range map[string]error{
		"Put": put(t.Context(), s, "b", nil), "Link": s.Link(t.Context(), "a", "b"), "Remove": s.Remove(t.Context(), "a"),
	} {
		if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "mounted read-only") {
			t.Errorf("%s: %v, want ErrReadOnly", call, err)
		}
	}
	mustHold(t, s, "a", []byte("x"))
	if _, err := Open(t.Context(), dir, nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Open: %v, want ErrReadOnly", err)
	}
	ro, err := Open(t.Context(), dir, &Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	mustHold(t, ro, "a", []byte("x"))
	if err := ro.Close(); err != nil {
		t.Error(err)
	}
}

// A file system that is mounted below the store cannot be linked into: the content is copied.
func TestLinkAcrossFileSystems(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	b := content(1, 5000)
	mustPut(t, s, "a", b)
	sub := filepath.Join(s.dir, "public")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := command(t, require.Tool(t, "mount"), "-t", "tmpfs", "-o", "size=1m", "tmpfs", sub); err != nil {
		require.Skip(t, "a file system cannot be mounted, which needs root: "+strings.TrimSpace(out))
	}
	defer func() {
		if out, err := command(t, require.Tool(t, "umount"), sub); err != nil {
			t.Error(err, out)
		}
	}()
	for range 2 {
		if err := s.Link(t.Context(), "a", "public/b"); err != nil {
			t.Fatal(err)
		}
	}
	mustHold(t, s, "public/b", b)
}
