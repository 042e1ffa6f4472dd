package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/faultvol"
	"github.com/sugarlabs/beamrider/nfsstore/memvol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// onMemory returns a store on a volume that can lose its power and have faults.
func onMemory(t *testing.T, o *Options) (*Store, *faultvol.Vol, *memvol.Vol) {
	t.Helper()
	m := memvol.New(nil)
	v := faultvol.New(m, nil)
	s, err := New(v, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, v, m
}

// A server that was restarted has forgotten its open files. Reading goes on when the file is the same.
func TestOpenFileIsForgotten(t *testing.T) {
	b := content(1, 300_000)
	for _, apart := range []bool{false, true} {
		for _, c := range []struct {
			name   string
			before int // bytes read before
			change func(t *testing.T, s *Store)
			want   error
			then   []byte // what is read afterwards when there is no error
		}{
			{"the same file", 1000, func(*testing.T, *Store) {}, nil, b[1000:]},
			{"the same file from its start", 0, func(*testing.T, *Store) {}, nil, b},
			{"another file", 1000, func(t *testing.T, s *Store) { replace(t, s, content(2, 300_000)) }, ErrChanged, nil},
			{"another size", 0, func(t *testing.T, s *Store) { replace(t, s, content(2, 10)) }, ErrChanged, nil},
			{"another file before anybody has seen a byte", 0, func(t *testing.T, s *Store) { replace(t, s, content(2, 300_000)) }, nil, content(2, 300_000)},
			{"gone", 1000, func(t *testing.T, s *Store) { remove(t, s, "d/a") }, ErrUnavailable, nil},
		} {
			synctest.Test(t, func(t *testing.T) {
				s, _, m := onMemory(t, nil)
				s.gate.apart = apart
				mustPut(t, s, "d/a", b)
				f, err := s.Open(t.Context(), "d/a")
				if err != nil {
					t.Fatal(err)
				}
				head := make([]byte, c.before)
				if _, err := io.ReadFull(f, head); err != nil || !bytes.Equal(head, b[:c.before]) {
					t.Fatalf("%s: before: %v", c.name, err)
				}
				m.PowerLoss()
				<-after(t, 1) // files that are made anew have another time
				c.change(t, s)
				got, err := io.ReadAll(f)
				if !errors.Is(err, c.want) || c.want == nil && !bytes.Equal(got, c.then) {
					t.Errorf("%s, apart %v: %d bytes, %v; want %d bytes, %v", c.name, apart, len(got), err, len(c.then), c.want)
				}
				if errors.Is(err, ErrChanged) && errors.Is(err, ErrUnavailable) {
					t.Errorf("%s: %v is two kinds", c.name, err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A partial file gives what the client has still, along with the error.
type partialVolume struct {
	vol.Vol
	opened int
}

func (v *partialVolume) Open(ctx context.Context, name string) (vol.File, error) {
	f, err := v.Vol.Open(ctx, name)
	if v.opened++; v.opened > 1 || err != nil {
		return f, err
	}
	return partialFile{f}, nil
}

type partialFile struct{ vol.File }

func (f partialFile) ReadAt(p []byte, off int64) (int, error) {
	const has = 5000
	if off >= has {
		return 0, syscall.ESTALE
	}
	n, err := f.File.ReadAt(p[:min(int64(len(p)), has-off)], off)
	if err == nil && n < len(p) {
		err = syscall.ESTALE
	}
	return n, err
}

func (f partialFile) Read(p []byte) (int, error) {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	n, err := f.ReadAt(p, at)
	if _, serr := f.Seek(int64(n), io.SeekCurrent); serr != nil {
		return n, serr
	}
	return n, err
}

func TestOpenFileIsForgottenInTheMiddle(t *testing.T) {
	b := content(1, 300_000)
	for _, apart := range []bool{false, true} {
		for _, at := range []bool{false, true} {
			s, _, _ := onMemory(t, nil)
			mustPut(t, s, "a", b)
			s.vol, s.gate.apart = &partialVolume{Vol: s.vol}, apart
			f, err := s.Open(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(b))
			var n int
			if at {
				n, err = f.(io.ReaderAt).ReadAt(got, 0)
			} else {
				n, err = io.ReadFull(f, got)
			}
			if err != nil || !bytes.Equal(got, b) {
				t.Errorf("apart %v, ReadAt %v: %d bytes, %v", apart, at, n, err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func remove(t *testing.T, s *Store, name string) {
	t.Helper()
	if err := s.Remove(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, s *Store, b []byte) {
	t.Helper()
	remove(t, s, "d/a")
	mustPut(t, s, "d/a", b)
}

// Many readers of one open file find it forgotten at the same time.
func TestOpenFileIsForgottenByMany(t *testing.T) {
	s, _, m := onMemory(t, nil)
	b := content(1, 100_000)
	mustPut(t, s, "a", b)
	f, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	m.PowerLoss()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			p := make([]byte, 1000)
			off := int64(i) * 5000
			if _, err := f.(io.ReaderAt).ReadAt(p, off); err != nil || !bytes.Equal(p, b[off:off+1000]) {
				t.Errorf("at %d: %v", off, err)
			}
		})
	}
	wg.Go(func() {
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
	wg.Wait()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for op, err := range map[string]error{"Close": f.Close(), "Read": second(f.Read(nil)), "Seek": second(f.(io.Seeker).Seek(0, 0)), "Stat": second(f.Stat())} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Close: %v, want fs.ErrClosed", op, err)
		}
	}
}

// On a mount that hangs, reads of open files come back in time, hold no more than their slots, and
// work again when the mount does.
func TestOpenFileOnHangingMount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 4
		s, v, _ := onMemory(t, &Options{Concurrency: slots, ReadTimeout: 5 * time.Second})
		s.gate.apart = true
		b := content(1, 200_000)
		mustPut(t, s, "a", b)
		files := make([]fs.File, 2*slots)
		for i := range files {
			var err error
			if files[i], err = s.Open(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		}
		back := make(chan struct{})
		v.Plan(func(faultvol.Op) faultvol.Fault { return faultvol.Fault{Hold: back, Deaf: true} })
		began := time.Now()
		var wg sync.WaitGroup
		for _, f := range files {
			wg.Go(func() {
				if _, err := f.Read(make([]byte, 10)); !errors.Is(err, ErrUnavailable) {
					t.Errorf("a read on a mount that hangs: %v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("the reads took %v, want the 5 s of the option", took)
		}
		if n := len(s.gate.slots); n != slots {
			t.Errorf("%d slots are taken, want %d", n, slots)
		}
		<-after(t, 10)
		// Nobody waits any more for what will not come.
		began = time.Now()
		if _, err := s.Open(t.Context(), "a"); !errors.Is(err, ErrUnavailable) || time.Since(began) != 0 {
			t.Errorf("a call while all hang: %v after %v", err, time.Since(began))
		}
		// Nor does closing.
		if err := files[0].Close(); !errors.Is(err, ErrUnavailable) || time.Since(began) > closeWait {
			t.Errorf("closing: %v after %v", err, time.Since(began))
		}
		ended := make(chan error)
		go func() { ended <- second(files[1].Read(make([]byte, 10))) }()
		synctest.Wait()
		if err := files[1].Close(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("closing a file that is being read: %v", err)
		}
		if err := <-ended; !errors.Is(err, fs.ErrClosed) && !errors.Is(err, ErrUnavailable) {
			t.Errorf("a read of a file that is closed: %v", err)
		}
		close(back)
		synctest.Wait()
		if n := len(s.gate.slots); n != 0 {
			t.Errorf("%d slots are taken still", n)
		}
		for _, f := range files[2:] {
			if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, b) {
				t.Errorf("with the mount back, %d bytes, %v", len(got), err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// What a read that was left behind brings in the end must not reach the caller's buffer.
func TestLateReadIsThrownAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v, _ := onMemory(t, nil)
		s.gate.apart = true
		mustPut(t, s, "a", []byte("content"))
		f, err := s.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		back := make(chan struct{})
		v.Plan(func(faultvol.Op) faultvol.Fault { return faultvol.Fault{Hold: back, Deaf: true} })
		p := []byte("-------")
		if _, err := f.Read(p); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(back)
		synctest.Wait()
		if string(p) != "-------" {
			t.Errorf("the buffer holds %q", p)
		}
		if got, err := io.ReadAll(f); err != nil || string(got) != "content" {
			t.Errorf("afterwards: %q, %v", got, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A local disk hands out files of the system, which net/http sends without copying; a mount does not.
func TestHandOut(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	mustPut(t, s, "a", content(3, 400_000))
	for _, apart := range []bool{false, true} {
		s.gate.apart = apart
		f, err := s.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if _, plain := f.(*os.File); plain == apart {
			t.Errorf("apart %v: it is a %T", apart, f)
		}
		p := make([]byte, 300_000)
		if n, err := f.(io.ReaderAt).ReadAt(p, 200_000); n != 200_000 || err != io.EOF || !bytes.Equal(p[:n], content(3, 400_000)[200_000:]) {
			t.Errorf("apart %v: ReadAt gave %d bytes, %v", apart, n, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
