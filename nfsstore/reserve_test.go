package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore/memvol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// Files are stored until what is kept free is reached, by many at once, and not beyond. What makes room
// works on.
func TestReserve(t *testing.T) {
	const size, keep = 64 << 10, 3 << 20
	for name, c := range map[string]struct {
		place func(t *testing.T) string
		o     Options
		says  string
	}{
		"bytes":  {func(t *testing.T) string { return mountSmall(t, "size=8m") }, Options{Reserve: keep}, "are kept free, so a file of 65536 does not fit"},
		"inodes": {func(t *testing.T) string { return mountSmall(t, "size=64m,nr_inodes=100") }, Options{ReserveFiles: 40}, "more files (inodes)"},
		"export": {func(t *testing.T) string { return testnfs.Ganesha(t, &testnfs.Options{Size: 8 << 20}).URL() }, Options{Reserve: keep}, "are kept free, so a file of 65536 does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), c.place(t), &c.o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			var stored atomic.Int64
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for {
						n := stored.Add(1)
						err := put(t.Context(), s, fmt.Sprint("d/", n), content(uint64(n), size))
						if err == nil && n < 1000 {
							continue
						}
						stored.Add(-1)
						if !errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), c.says) {
							t.Errorf("after %d files: %v, want ErrNoSpace", n, err)
						}
						return
					}
				})
			}
			wg.Wait()
			room, err := s.Room(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			// What was being stored counts twice for a moment, and folders cost something too.
			lowBytes, lowFiles := c.o.Reserve-(64<<10), c.o.ReserveFiles-3
			highBytes, highFiles := c.o.Reserve+9*size, c.o.ReserveFiles+9
			if c.o.Reserve > 0 && (room.Free < lowBytes || room.Free > highBytes) || c.o.ReserveFiles > 0 && (room.FreeFiles < lowFiles || room.FreeFiles > highFiles) {
				t.Errorf("after %d files there is room for %+v, want about %+v", stored.Load(), room, c.o)
			}

			small := []byte("small")
			if err := s.Repair(t.Context(), Expected{"repaired", 5, sumOf(small)}, bytes.NewReader(small)); err != nil {
				t.Errorf("a small repair: %v", err)
			}
			large := content(1, repairSmall+1)
			if err := s.Repair(t.Context(), Expected{"large", int64(len(large)), sumOf(large)}, bytes.NewReader(large)); c.o.Reserve > 0 && !errors.Is(err, ErrNoSpace) {
				t.Errorf("a large repair: %v, want ErrNoSpace", err)
			}
			if _, err := s.Sweep(t.Context(), 0); err != nil {
				t.Errorf("Sweep: %v", err)
			}
			mustPut(t, s, "repaired", small) // it is there
			if err := s.Link(t.Context(), "repaired", "link"); err != nil {
				t.Errorf("Link: %v", err)
			}
			for n := int64(1); n <= 20; n++ {
				if err := s.Remove(t.Context(), fmt.Sprint("d/", n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("Remove: %v", err)
				}
			}
			if names := trashed(t, s); names != nil {
				t.Errorf("in the trash of a full disk is %q", names)
			}
			until(t, "storing after something was removed", func() error { return put(t.Context(), s, "d/new", content(1, size)) })
		})
	}
}

// Room that is taken but not yet used counts, and so does what was stored since it was last asked for.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		mem := memvol.New(&memvol.Options{Bytes: 10_000, Files: 100})
		s, err := New(&hookVolume{Vol: mem, space: func() error { asked++; return nil }}, &Options{Reserve: 1000, ReserveFiles: 10})
		if err != nil {
			t.Fatal(err)
		}
		b := s.budget
		claim := func(size int64, fits bool) (release func(bool)) {
			t.Helper()
			release, err := b.claim(t.Context(), s, size)
			if fits != (err == nil) || err != nil && !errors.Is(err, ErrNoSpace) {
				t.Fatalf("a file of %d bytes: %v, want that it fits: %v", size, err, fits)
			}
			return release
		}
		claim(9001, false)
		first := claim(5000, true)
		claim(4001, false)
		second := claim(4000, true)
		claim(1, false)
		second(false) // it was not stored
		first(true)
		claim(4001, false) // though the volume has not heard of the first
		claim(4000, true)(false)
		if asked != 1 {
			t.Errorf("within a moment the room was asked for %d times, want once", asked)
		}
		<-time.After(roomAge)
		claim(9000, true)(false) // the volume has not got any
		if asked != 2 {
			t.Errorf("after a while the room was asked for %d times, want twice", asked)
		}
		for range 90 {
			claim(0, true)(true)
		}
		claim(0, false)
		if !errors.Is(s.Close(), nil) {
			t.Error("Close failed")
		}
	})
}

func TestReserveRefusesAndKnowsNothing(t *testing.T) {
	for _, o := range []Options{{Reserve: -1}, {ReserveFiles: -1}} {
		if s, err := Open(t.Context(), t.TempDir(), &o); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%+v: %v, %v, want fs.ErrInvalid", o, s, err)
		}
	}
	// Where nobody can be asked files are stored; where the one who was asked does not answer, not.
	for _, c := range []struct{ err, want error }{{errors.ErrUnsupported, nil}, {io.ErrUnexpectedEOF, ErrUnavailable}} {
		s, err := New(&hookVolume{Vol: memvol.New(nil), space: func() error { return c.err }}, &Options{Reserve: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := put(t.Context(), s, "a", nil); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("when asking fails with %v: %v, want %v", c.err, err, c.want)
		}
		if err := s.Remove(t.Context(), "a"); err != nil && c.want == nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	// A file system that counts no files has room for them.
	s, err := New(uncounted{memvol.New(nil)}, &Options{ReserveFiles: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a", nil)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// An uncounted volume does not count files.
type uncounted struct{ *memvol.Vol }

func (v uncounted) Space(ctx context.Context) (vol.Space, error) {
	s, err := v.Vol.Space(ctx)
	s.FreeFiles, s.TotalFiles = 0, 0
	return s, err
}
