package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/nfsstore/faultvol"
	"github.com/sugarlabs/beamrider/nfsstore/memvol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// symlink makes a symbolic link, where there are such.
func (p place) symlink(t testing.TB, to, name string) {
	t.Helper()
	if p.mem != nil {
		return
	}
	if err := os.Symlink(to, filepath.Join(p.dir, name)); err != nil {
		t.Fatal(err)
	}
}

func TestStat(t *testing.T) { onDisk(t, testStat) }

func testStat(t *testing.T, p place) {
	s := p.open(t, nil)
	mustPut(t, s, "a/b", []byte("four"))
	if err := s.Link(t.Context(), "a/b", "c"); err != nil {
		t.Fatal(err)
	}
	got, err := s.Stat(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	there, err := s.vol.Stat(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "a/b" || got.Size != 4 || got.Links != 2 || !got.ModTime.Equal(there.ModTime()) {
		t.Errorf("Stat gave %+v, want a/b of 4 bytes with 2 names of %v", got, there.ModTime())
	}
	p.symlink(t, "c", "symlink")
	for _, name := range []string{"a", "absent", "a/b/c", "x/y", "symlink"} {
		if _, err := s.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat of %s: %v, want fs.ErrNotExist", name, err)
		}
	}
	if _, err := s.Stat(t.Context(), "../a"); !errors.Is(err, ErrName) {
		t.Errorf("Stat of ../a: %v, want ErrName", err)
	}
}

// list returns the names, or fails.
func list(t testing.TB, s *Store, dir string) (names []string) {
	t.Helper()
	for info, err := range s.List(t.Context(), dir) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}

func TestList(t *testing.T) { onDisk(t, testList) }

func testList(t *testing.T, p place) {
	s := p.open(t, nil)
	for _, name := range []string{"b/z", "b-c", "b/c/d", "b/c-e", "a", "Z/1", "b.c"} {
		mustPut(t, s, name, []byte(name))
	}
	for _, name := range []string{".hidden/x", "b/.nfs0001", "b/with space", "empty/.x", strings.Repeat("d/", maxElements) + "deep"} {
		p.overwrite(t, name, nil)
	}
	p.symlink(t, "b", "symlink")
	all := []string{"Z/1", "a", "b/c/d", "b/c-e", "b/z", "b-c", "b.c"}
	for dir, want := range map[string][]string{".": all, "": all, "b": {"b/c/d", "b/c-e", "b/z"}, "b/c": {"b/c/d"}, "empty": nil} {
		if diff := cmp.Diff(want, list(t, s, dir)); diff != "" {
			t.Errorf("List of %q (-want +got):\n%s", dir, diff)
		}
	}
	for info, err := range s.List(t.Context(), ".") {
		if want, serr := s.Stat(t.Context(), info.Name); err != nil || serr != nil || !cmp.Equal(info, want) {
			t.Errorf("List gave %+v, %v, and Stat %+v, %v", info, err, want, serr)
		}
	}
	for range s.List(t.Context(), ".") {
		break
	}
	for dir, want := range map[string]error{"absent": fs.ErrNotExist, "a": fs.ErrNotExist, "../x": ErrName, ".hidden": ErrName} {
		n := 0
		for _, err := range s.List(t.Context(), dir) {
			n++
			if !errors.Is(err, want) {
				t.Errorf("List of %s: %v, want %v", dir, err, want)
			}
		}
		if n != 1 {
			t.Errorf("List of %s yielded %d times", dir, n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range s.List(ctx, ".") {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("after the end of its context List ended with %v", last)
	}
}

// Names that go meanwhile are no error, and the others are there once.
func TestListWhileFilesGo(t *testing.T) { onDisk(t, testListWhileFilesGo) }

func testListWhileFilesGo(t *testing.T, p place) {
	s := p.open(t, nil)
	mustPut(t, s, "seed", []byte("x"))
	const files = 10_000
	var want []string
	at := func(i int) string { return fmt.Sprintf("d%d/%05d", i%2, i) }
	p.overwrite(t, "d0/x", nil)
	p.overwrite(t, "d1/x", nil)
	for i := range files {
		var err error
		if p.mem != nil {
			err = p.mem.Link(t.Context(), "seed", at(i))
		} else {
			err = os.Link(filepath.Join(p.dir, "seed"), filepath.Join(p.dir, at(i)))
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%4 != 0 {
			want = append(want, at(i))
		}
	}
	want = append(want, "d0/x", "d1/x")
	slices.Sort(want)
	other := p.open(t, nil) // and not directly: a server keeps what it knows of its folders
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; i < files; i += 4 {
			if err := other.vol.Remove(t.Context(), at(i)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 3 {
		var got []string
		for info, err := range s.List(t.Context(), ".") {
			if err != nil {
				t.Fatal(err)
			}
			var i int
			if _, err := fmt.Sscanf(path.Base(info.Name), "%d", &i); err == nil && i%4 != 0 || path.Base(info.Name) == "x" {
				got = append(got, info.Name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("files that stay (-want +got):\n%s", diff)
		}
	}
	wg.Wait()
	if got := list(t, s, "."); !slices.Equal(got, append(want, "seed")) {
		t.Errorf("in the end there are %d names, want %d", len(got), len(want)+1)
	}
}

// A folder that goes before it is looked into is no error, wherever the server notices.
func TestListWhileFoldersGo(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOENT, syscall.ENOTDIR, syscall.ESTALE, syscall.EIO} {
		for _, verb := range []string{"opendir", "readdir"} {
			mem := memvol.New(nil)
			s, err := New(mem, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"a", "b/c", "d"} {
				mustPut(t, s, name, nil)
			}
			s.vol = faultvol.New(mem, func(op faultvol.Op) faultvol.Fault {
				if op.Verb != verb || op.Name != "b" {
					return faultvol.Fault{}
				}
				if errno != syscall.EIO {
					if err := errors.Join(mem.Remove(t.Context(), "b/c"), mem.Remove(t.Context(), "b")); err != nil {
						t.Error(err)
					}
				}
				return faultvol.Fault{Err: &fs.PathError{Op: verb, Path: "b", Err: errno}}
			})
			var names []string
			var last error
			for info, err := range s.List(t.Context(), "") {
				if last = err; err == nil {
					names = append(names, info.Name)
				}
			}
			want, wantErr := []string{"a", "d"}, error(nil)
			if errno == syscall.EIO {
				want, wantErr = want[:1], ErrUnavailable
			}
			if !slices.Equal(names, want) || !errors.Is(last, wantErr) || wantErr == nil && last != nil {
				t.Errorf("%v at %s: %q, %v", errno, verb, names, last)
			}
			// A scrub goes on with the others.
			var found []Problem
			stats, err := s.Scrub(t.Context(), &ScrubOptions{Found: func(p Problem) error { found = append(found, p); return nil }})
			if err != nil || errno != syscall.EIO && (len(found) > 0 || stats.Files != 2) ||
				errno == syscall.EIO && (len(found) != 1 || found[0].Name != "b" || found[0].Kind != ProblemUnreadable || stats.Files != 3) {
				t.Errorf("%v at %s: Scrub found %v in %+v, %v", errno, verb, found, stats, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A folderVolume has one folder of those names.
type folderVolume struct {
	vol.Vol
	names []string
}

func (v *folderVolume) OpenDir(context.Context, string) (vol.Dir, error) {
	return &namesFolder{names: v.names}, nil
}

type namesFolder struct{ names []string }

func (d *namesFolder) ReadDir(n int) (entries []fs.DirEntry, err error) {
	if len(d.names) == 0 {
		return nil, io.EOF
	}
	for len(d.names) > 0 && len(entries) < n {
		entries = append(entries, fs.FileInfoToDirEntry(viewInfo{name: d.names[0]}))
		d.names = d.names[1:]
	}
	return entries, nil
}

func (d *namesFolder) Close() error { return nil }

// Whatever the order in which a folder gives its names, and if it gives some twice, they come once,
// in order and a bounded number at a time.
func TestSomeOfAFolder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching(`[ab.+]{1,4}`), 0, 200).Draw(t, "names")
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		s := &Store{vol: &folderVolume{names: names}, gate: newGate(1, false)}
		var got []string
		for after, more := "", true; more; {
			var entries []entry
			var err error
			entries, more, err = s.some(context.Background(), ".", after, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(entries) > limit || cap(entries) > 4*limit+16 {
				t.Fatalf("%d entries (room for %d) with a limit of %d", len(entries), cap(entries), limit)
			}
			if more && len(entries) < limit {
				t.Fatalf("%d entries of %d, though there are more", len(entries), limit)
			}
			for _, e := range entries {
				got = append(got, e.name)
				after = e.name
			}
		}
		var want []string
		for _, name := range names {
			if CheckName(name) == nil {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		if want = slices.Compact(want); !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func TestFS(t *testing.T) { onDisk(t, testFS) }

func testFS(t *testing.T, p place) {
	s := p.open(t, nil)
	files := []string{"a.txt", "files/1/dance-3.xo", "files/1/dance-4.xo", "files/2/x", "uploads/sha256/ab/cd"}
	for i, name := range files {
		mustPut(t, s, name, content(uint64(i), 1000*i))
	}
	p.overwrite(t, "empty/.x", nil)
	p.overwrite(t, ".hidden/x", nil)
	p.symlink(t, "a.txt", "symlink")
	fsys := s.FS(t.Context())
	if err := fstest.TestFS(fsys, append(files, "empty")...); err != nil {
		t.Error(err)
	}
	sub, err := fs.Sub(fsys, "files/1")
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(sub, "dance-3.xo", "dance-4.xo"); err != nil {
		t.Error(err)
	}
	if b, err := fs.ReadFile(sub, "dance-3.xo"); err != nil || !bytes.Equal(b, content(1, 1000)) {
		t.Errorf("ReadFile gave %d bytes, %v", len(b), err)
	}
	var names []string
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if diff := cmp.Diff(list(t, s, "."), names); err != nil || diff != "" {
		t.Errorf("a walk: %v, other than List (-List +walk):\n%s", err, diff)
	}
	for name, want := range map[string]error{
		"absent": fs.ErrNotExist, ".hidden": fs.ErrNotExist, "symlink": fs.ErrNotExist, "a.txt/x": fs.ErrNotExist, "../x": fs.ErrInvalid, "/x": fs.ErrInvalid,
	} {
		_, openErr := fsys.Open(name)
		_, statErr := fs.Stat(fsys, name)
		_, dirErr := fs.ReadDir(fsys, name)
		for call, err := range map[string]error{"Open": openErr, "Stat": statErr, "ReadDir": dirErr} {
			var pe *fs.PathError
			if !errors.Is(err, want) || !errors.As(err, &pe) || pe.Path != name {
				t.Errorf("%s of %s: %v, want %v in a PathError", call, name, err, want)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fs.ReadFile(s.FS(ctx), "a.txt"); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
}
