package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// trashPrefix is how many bytes stand before what something was called.
const trashPrefix = len(trashTime) + 1 + 26 + 1

// trashed lists what is in the trash of a store, by the names that it had.
func trashed(t testing.TB, s *Store) (names []string) {
	t.Helper()
	var files []string
	below := func(dir string) (names []string) {
		err := s.readDir(t.Context(), dir, func(batch []fs.DirEntry) error {
			for _, e := range batch {
				names = append(names, path.Join(dir, e.Name()))
			}
			return nil
		})
		if err != nil && !vol.Absent(err) {
			t.Fatal(err)
		}
		return names
	}
	for _, day := range below(trashDir) {
		files = append(files, below(day)...)
	}
	slices.Sort(files)
	for _, file := range files {
		base := path.Base(file)
		at, ok := trashedAt(base)
		if day := path.Base(path.Dir(file)); !ok || time.Since(at).Abs() > time.Hour || day != at.Format(trashDay) {
			t.Errorf("in the trash is %s", file)
			continue
		}
		names = append(names, base[trashPrefix:])
	}
	return names
}

func TestTrash(t *testing.T) { onDisk(t, testTrash) }

func testTrash(t *testing.T, p place) {
	s := p.open(t, nil)
	b := content(1, 5000)
	mustPut(t, s, "files/1/dance-3.xo", b)
	if err := s.Link(t.Context(), "files/1/dance-3.xo", "uploads/x"); err != nil {
		t.Fatal(err)
	}
	f, err := s.Open(t.Context(), "files/1/dance-3.xo")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := s.Remove(t.Context(), "files/1/dance-3.xo"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"files,1,dance-3.xo"}, trashed(t, s)); diff != "" {
		t.Errorf("the trash (-want +got):\n%s", diff)
	}
	// Who reads it goes on, on an export too.
	got := make([]byte, len(b))
	if n, err := f.Read(got); err != nil || !bytes.Equal(got[:n], b[:n]) {
		t.Errorf("what reads the file got %d bytes, %v", n, err)
	}
	for range 2 {
		if err := s.Remove(t.Context(), "files/1/dance-3.xo"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Remove again: %v, want fs.ErrNotExist", err)
		}
	}
	// The name may be used and removed again the same day, and nothing of it is to be seen.
	mustPut(t, s, "files/1/dance-3.xo", nil)
	if err := s.Remove(t.Context(), "files/1/dance-3.xo"); err != nil {
		t.Fatal(err)
	}
	if n := len(trashed(t, s)); n != 2 {
		t.Errorf("there are %d files in the trash, want 2", n)
	}
	if diff := cmp.Diff([]string{"uploads/x"}, list(t, s, "")); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	long := strings.Repeat("d/", 10) + strings.Repeat("x", 250)
	mustPut(t, s, long, nil)
	if err := s.Remove(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	if n := len(trashed(t, s)); n != 3 {
		t.Errorf("there are %d files in the trash, want 3", n)
	}
	mustHold(t, s, "uploads/x", b)
}

// What the trash does not take is removed all the same.
func TestTrashTakesNothing(t *testing.T) { onDisk(t, testTrashTakesNothing) }

func testTrashTakesNothing(t *testing.T, p place) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EXDEV, syscall.EMLINK, syscall.EPERM, syscall.EACCES, syscall.ENAMETOOLONG} {
		sub := p.sub(t)
		s, v := faulty(t, sub, -1, &os.LinkError{Op: "renameat", Err: errno}, false)
		mustPut(t, s, "a/b", nil)
		v.ops, v.at = nil, 5
		if err := s.Remove(t.Context(), "a/b"); err != nil {
			t.Errorf("%v: %v", errno, err)
		}
		if v.ops[5] != "rename a/b → .trash/DAY/a,b" || !cmp.Equal(v.ops[6:], []string{"remove a/b", "persist the absence of a/b"}) {
			t.Errorf("%v: after a rename that failed: %q", errno, v.ops)
		}
		if names := trashed(t, s); len(names) > 0 {
			t.Errorf("%v: in the trash is %q", errno, names)
		}
	}
	sub := p.sub(t)
	sub.overwrite(t, trashDir, nil)
	s := sub.open(t, nil)
	mustPut(t, s, "a/b", nil)
	if err := s.Remove(t.Context(), "a/b"); err != nil {
		t.Errorf("with a file for a trash: %v", err)
	}
	if _, err := s.Stat(t.Context(), "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat: %v", err)
	}
}

// The folder of the day was known, and somebody has taken it away.
func TestTrashVanishes(t *testing.T) { onDisk(t, testTrashVanishes) }

func testTrashVanishes(t *testing.T, p place) {
	s := p.open(t, nil)
	for i := range 2 {
		name := fmt.Sprint("f", i)
		mustPut(t, s, name, nil)
		if err := s.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if n := len(trashed(t, s)); n != 1 {
			t.Errorf("there are %d files in the trash, want 1", n)
		}
		// By the volume and not directly: a server keeps what it knows of its folders.
		removeAll(t, p.open(t, nil), trashDir)
	}
}

// removeAll takes a folder away, with all that is in it.
func removeAll(t testing.TB, s *Store, dir string) {
	t.Helper()
	err := s.readDir(t.Context(), dir, func(batch []fs.DirEntry) error {
		for _, e := range batch {
			if name := path.Join(dir, e.Name()); e.IsDir() {
				removeAll(t, s, name)
			} else if err := s.vol.Remove(t.Context(), name); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, s.vol.Remove(t.Context(), dir)); err != nil {
		t.Fatal(err)
	}
}

// On a disk that is nearly full, what is removed makes room.
func TestTrashOfAFullDisk(t *testing.T) {
	for name, c := range map[string]struct {
		mount string
		fill  int // bytes
		files int
		want  int // files in the trash
	}{
		"room":      {"size=1m", 500_000, 0, 1},
		"no bytes":  {"size=1m", 1_000_000, 0, 0},
		"no inodes": {"size=16m,nr_inodes=100", 0, 93, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := mountSmall(t, c.mount)
			if err := os.WriteFile(filepath.Join(dir, "fill"), content(1, c.fill), 0o644); err != nil {
				t.Fatal(err)
			}
			for i := range c.files {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("f", i)), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			s, err := Open(t.Context(), dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Remove(t.Context(), "fill"); err != nil {
				t.Error(err)
			}
			if names := trashed(t, s); len(names) != c.want {
				t.Errorf("in the trash is %q, want %d", names, c.want)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSweepOfTheTrash(t *testing.T) { onDisk(t, testSweepOfTheTrash) }

func testSweepOfTheTrash(t *testing.T, p place) {
	s := p.open(t, nil)
	mustPut(t, s, "a", []byte("x"))
	now := time.Now()
	leave := func(name string) string {
		t.Helper()
		p.overwrite(t, name, nil)
		p.aged(t, name) // times of files mean nothing
		return name
	}
	there := func(name string) bool { return p.exists(t, name) }
	day := func(ago time.Duration) string { return path.Join(trashDir, now.Add(-ago).UTC().Format(trashDay)) }
	const h = time.Hour
	young, middle := leave(newTrash("young", now.Add(-23*h))), leave(newTrash("middle", now.Add(-25*h)))
	old := make([]string, dirBatch+2)
	for i := range old {
		old[i] = leave(newTrash(fmt.Sprint(i), now.Add(-100*h)))
	}
	mixed := leave(newTrash("mixed", now.Add(-200*h)))
	foreign := []string{leave(day(200*h) + "/notes"), leave(trashDir + "/notes/" + path.Base(old[0])), leave(trashDir + "/notes.txt"), leave("b/" + path.Base(old[0]))}
	sweep := func(olderThan time.Duration, want int) {
		t.Helper()
		if n, err := s.Sweep(t.Context(), olderThan); err != nil || n != want {
			t.Errorf("Sweep(%v) = %d, %v, want %d", olderThan, n, err, want)
		}
	}
	sweep(300*h, 0)
	sweep(150*h, 1)
	if there(mixed) || !there(day(200*h)) {
		t.Errorf("after the first Sweep: %s is there: %v; its folder with something else: %v", mixed, there(mixed), there(day(200*h)))
	}
	sweep(0, len(old)+1)
	sweep(0, 0)
	if there(middle) || !there(young) || there(day(100*h)) || !there(path.Dir(young)) {
		t.Errorf("of 25 hours ago: %v, of 23 hours: %v, the folder of 100 hours ago: %v", there(middle), there(young), there(day(100*h)))
	}
	for _, name := range foreign {
		if !there(name) {
			t.Errorf("%s was swept", name)
		}
	}
	mustHold(t, s, "a", []byte("x"))
}

// A changedInfo was changed at another time.
type changedInfo struct {
	fs.FileInfo
	at time.Time
}

func (i changedInfo) Changed() time.Time { return i.at }

func TestSweepOfLeftovers(t *testing.T) { onDisk(t, testSweepOfLeftovers) }

func testSweepOfLeftovers(t *testing.T, p place) {
	s := p.open(t, nil)
	const serverAhead = 1000 * time.Hour // nobody says that clocks agree
	now := time.Now().Add(serverAhead)
	changed := map[string]time.Time{}
	leave := func(name string, ago time.Duration) string {
		t.Helper()
		p.overwrite(t, name, nil)
		p.aged(t, name) // what it holds is from long ago
		changed[name] = now.Add(-ago)
		return name
	}
	const h = time.Hour
	gone := []string{leave(".nfs000000000000abcd00000001", 25*h), leave("a/b/.nfs000000000000abcd00000002", 999*h), leave(".trash/20200101/.nfs000000000000abcd00000003", 48*h)}
	stays := []string{leave(".nfs000000000000abcd00000004", 23*h), leave("a/.nfs000000000000abcd00000005", -h), leave(".nfsabcd", 99*h), leave(".nfs-000000000000abcd00000001", 99*h), leave("a/.snapshot/.nfs000000000000abcd00000001", 99*h)}
	s.vol = &statVolume{s.vol, func(name string, info fs.FileInfo) fs.FileInfo {
		at, ok := changed[name]
		if !ok {
			at = now
		}
		return changedInfo{info, at}
	}}
	if n, err := s.Sweep(t.Context(), time.Hour); err != nil || n != len(gone) {
		t.Errorf("Sweep = %d, %v, want %d", n, err, len(gone))
	}
	for _, name := range gone {
		if p.exists(t, name) {
			t.Errorf("%s stays", name)
		}
	}
	for _, name := range stays {
		if !p.exists(t, name) {
			t.Errorf("%s was swept", name)
		}
	}
}

// On a real file system a rename counts as a change, and times that somebody set do not.
func TestSweepLeavesWhatWasJustRemoved(t *testing.T) { onDisk(t, testSweepLeavesWhatWasJustRemoved) }

func testSweepLeavesWhatWasJustRemoved(t *testing.T, p place) {
	s := p.open(t, nil)
	const left = ".nfs000000000000abcd00000001"
	p.overwrite(t, left, nil)
	p.aged(t, left)
	if n, err := s.Sweep(t.Context(), 0); err != nil || n != 0 {
		t.Errorf("Sweep = %d, %v, want 0", n, err)
	}
	if _, temps := p.tree(t); !cmp.Equal(temps, []string{left}) {
		t.Errorf("there are %q, want %s alone", temps, left)
	}
}

// aged makes what a file holds look a year old, where that can be done.
func (p place) aged(t testing.TB, name string) {
	t.Helper()
	if p.mem != nil {
		return
	}
	if err := os.Chtimes(filepath.Join(p.dir, name), time.Time{}, time.Now().AddDate(-1, 0, 0)); err != nil {
		t.Fatal(err)
	}
}

// A statVolume changes what is told of files.
type statVolume struct {
	vol.Vol
	change func(name string, info fs.FileInfo) fs.FileInfo
}

func (v *statVolume) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	info, err := v.Vol.Stat(ctx, name)
	if err == nil {
		info = v.change(name, info)
	}
	return info, err
}

func TestTrashNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._~+!-]{0,120}(/[A-Za-z0-9][A-Za-z0-9._~+!-]{0,120}){0,5}`).Draw(t, "name")
		now := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "now"))
		dir, base := path.Split(newTrash(name, now))
		if at, ok := trashedAt(base); !ok || !at.Equal(now) || dir != trashDir+"/"+now.UTC().Format(trashDay)+"/" {
			t.Fatalf("%s%s is of %v, want %v", dir, base, at, now)
		}
		was := strings.ReplaceAll(base[trashPrefix:], ",", "/")
		if len(base) > maxElement || !strings.HasSuffix(name, was) || len(was) < min(len(name), 150) {
			t.Fatalf("%q has become %q", name, base)
		}
	})
	for _, bad := range []string{"", "notes", "20260203T040506.789Z", "20260203T040506.789Z_x", "20261303T040506.789Z-x", ".nfs000000000000abcd00000001"} {
		if at, ok := trashedAt(bad); ok {
			t.Errorf("trashedAt(%q) = %v", bad, at)
		}
	}
}
