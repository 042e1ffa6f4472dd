package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/nfsstore/faultvol"
	"github.com/sugarlabs/beamrider/nfsstore/memvol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

func TestRepair(t *testing.T) { onDisk(t, testRepair) }

func testRepair(t *testing.T, p place) {
	s := p.open(t, nil)
	b := content(1, bufferSize+10)
	e := Expected{"a/b", int64(len(b)), sumOf(b)}
	repair := func(r io.Reader) error { return s.Repair(t.Context(), e, r) }
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		mustHold(t, s, "a/b", b)
		p.noTemps(t)
	}
	must("of what is missing", repair(bytes.NewReader(b)))
	must("of what is sound", repair(iotest.ErrReader(errors.New("not to be read"))))
	if names := trashed(t, s); names != nil {
		t.Errorf("in the trash is %q, want nothing", names)
	}
	p.flip(t, "a/b", b, 77)
	must("of a flipped bit", repair(bytes.NewReader(b)))
	p.cut(t, "a/b", b[:100])
	must("of a file that is cut", repair(bytes.NewReader(b)))
	if diff := cmp.Diff([]string{"a,b", "a,b"}, trashed(t, s)); diff != "" {
		t.Errorf("in the trash (-want +got):\n%s", diff)
	}

	// What is not right does not take the place of what is wrong.
	wrong := content(2, len(b))
	p.spoil(t, "a/b", wrong)
	for name, r := range map[string]io.Reader{
		"other":  bytes.NewReader(content(3, len(b))),
		"short":  bytes.NewReader(b[1:]),
		"long":   io.MultiReader(bytes.NewReader(b), bytes.NewReader(b)),
		"broken": io.MultiReader(bytes.NewReader(b[:10]), iotest.ErrReader(io.ErrClosedPipe)),
	} {
		want := ErrCorrupt
		if name == "broken" {
			want = io.ErrClosedPipe
		}
		if err := repair(r); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		mustHold(t, s, "a/b", wrong)
		p.noTemps(t)
	}
	must("in the end", repair(bytes.NewReader(b)))

	p.overwrite(t, "folder/x", nil)
	for name, c := range map[string]struct {
		e    Expected
		want error
	}{
		"a name":             {Expected{"../x", 0, sumOf(nil)}, ErrName},
		"an unknown size":    {Expected{"a/b", -1, sumOf(b)}, fs.ErrInvalid},
		"an unknown content": {Expected{"a/b", 5, nil}, fs.ErrInvalid},
		"a folder":           {Expected{"folder", 0, sumOf(nil)}, fs.ErrExist},
	} {
		if err := s.Repair(t.Context(), c.e, bytes.NewReader(nil)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	ro := p.open(t, &Options{ReadOnly: true})
	if err := ro.Repair(t.Context(), e, bytes.NewReader(b)); !errors.Is(err, ErrReadOnly) {
		t.Errorf("in a store that was opened read-only: %v, want ErrReadOnly", err)
	}
}

// A bad spot of the disk under a file is no reason not to repair it; a disk that is gone is.
func TestRepairOfWhatCannotBeRead(t *testing.T) {
	b := content(1, 1000)
	for gone, want := range map[bool]error{false: nil, true: ErrUnavailable} {
		s := openStore(t, t.TempDir(), nil)
		mustPut(t, s, "a", content(2, 1000))
		bad := true
		s.vol = &hookVolume{
			Vol: s.vol,
			after: func(_ string, f vol.File) vol.File {
				if bad {
					return readFile{f, iotest.ErrReader(syscall.EIO)}
				}
				return f
			},
			space: func() error {
				if gone {
					return syscall.EIO
				}
				return nil
			},
		}
		if err := s.Repair(t.Context(), Expected{"a", 1000, sumOf(b)}, bytes.NewReader(b)); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("gone: %v: %v, want %v", gone, err, want)
		}
		bad = false
		if want == nil {
			mustHold(t, s, "a", b)
		} else {
			mustHold(t, s, "a", content(2, 1000))
		}
	}
}

// Several who repair one file, while others read it: nobody sees anything by half.
func TestConcurrentRepairs(t *testing.T) { onDisk(t, testConcurrentRepairs) }

func testConcurrentRepairs(t *testing.T, p place) {
	stores := []*Store{p.open(t, nil), p.open(t, nil)}
	b, wrong := content(1, 50_000), content(2, 50_000)
	for range 10 {
		if err := stores[0].Remove(t.Context(), "a"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		mustPut(t, stores[0], "a", wrong)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if err := stores[i%2].Repair(t.Context(), Expected{"a", int64(len(b)), sumOf(b)}, bytes.NewReader(b)); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				switch got, err := read(t.Context(), stores[i%2], "a"); {
				case err == nil && !bytes.Equal(got, b) && !bytes.Equal(got, wrong):
					t.Errorf("a reader got %d bytes of neither content", len(got))
				case err != nil:
					t.Errorf("a reader: %v", err) // it is never missing
				}
			})
		}
		wg.Wait()
		mustHold(t, stores[0], "a", b)
		p.noTemps(t)
	}
}

// The power is lost at every operation of every call, and before and after it. What the call was about
// is as it was, or as it was to be, and what was removed is in the trash if it is not in its place.
func TestPowerLossAnywhere(t *testing.T) {
	for name, c := range calls {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			ops := 1
			for at := -1; at < ops; at++ { // -1: nothing happens, but the operations are counted
				for _, done := range []bool{false, true} {
					p := place{mem: memvol.New(nil)}
					s := p.open(t, nil)
					if c.prepare != nil {
						if err := c.prepare(ctx, s); err != nil {
							t.Fatal(err)
						}
					}
					s.vol = faultvol.New(s.vol, func(op faultvol.Op) faultvol.Fault {
						ops = max(ops, op.N+1)
						return faultvol.Fault{Crash: op.N == at, Done: done}
					})
					what := fmt.Sprintf("at operation %d of %d, after it: %v", at, ops, done)
					err := c.call(ctx, s)
					p.mem.PowerLoss()
					after := p.open(t, nil)
					got, rerr := read(ctx, after, c.name)
					kept := keeps(t, after, c.name)
					is := bytes.Equal(got, faultContent) && rerr == nil
					was := rerr == nil && c.was != nil && bytes.Equal(got, c.was)
					none := errors.Is(rerr, fs.ErrNotExist)
					switch {
					case rerr != nil && !none, !none && !is && !was:
						t.Errorf("%s: by half: %d bytes, %v", what, len(got), rerr)
					case err == nil && (is == c.gone || was):
						t.Errorf("%s: acknowledged, and then %d bytes, %v", what, len(got), rerr)
					case none && c.gone && !kept(faultContent), none && name == "Repair":
						t.Errorf("%s: it is neither in its place nor in the trash", what)
					case is && name == "Repair" && !kept(c.was):
						t.Errorf("%s: what was there is not in the trash", what)
					}
					if err := c.call(ctx, after); err != nil {
						t.Errorf("%s: again: %v", what, err)
					}
					if _, err := read(ctx, after, c.name); c.gone != errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s: in the end: %v", what, err)
					}
				}
			}
			if ops < 3 {
				t.Errorf("only %d operations were seen", ops)
			}
		})
	}
}

// keeps returns what tells whether the trash has a file of that name and of a content.
func keeps(t testing.TB, s *Store, name string) func(b []byte) bool {
	var there [][]byte
	each := func(dir string, f func(name string)) {
		err := s.readDir(t.Context(), dir, func(batch []fs.DirEntry) error {
			for _, e := range batch {
				f(dir + "/" + e.Name())
			}
			return nil
		})
		if err != nil && !vol.Absent(err) {
			t.Fatal(err)
		}
	}
	each(trashDir, func(day string) {
		each(day, func(at string) {
			f, _, err := s.open(context.Background(), at)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(f)
			if err = errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			there = append(there, b)
		})
	})
	return func(b []byte) bool {
		for _, got := range there {
			if bytes.Equal(got, b) {
				return true
			}
		}
		return false
	}
}
