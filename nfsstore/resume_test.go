package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// A breaking volume is a source whose files can be read for so many bytes, all together, and then
// break. It counts what is read.
type breakingVolume struct {
	vol.Vol
	mu     sync.Mutex
	breaks []int64 // bytes until the next break
	read   int64
	reads  func(total int64) // unless nil; called after each read
}

func (v *breakingVolume) Open(ctx context.Context, name string) (vol.File, error) {
	f, err := v.Vol.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return &breakingFile{f, v}, nil
}

type breakingFile struct {
	vol.File
	v *breakingVolume
}

func (f *breakingFile) Read(p []byte) (int, error) {
	v := f.v
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.breaks) > 0 {
		if v.breaks[0] <= 0 {
			v.breaks = v.breaks[1:]
			return 0, &fs.PathError{Op: "read", Path: "x", Err: syscall.EIO}
		}
		p = p[:min(int64(len(p)), v.breaks[0])]
	}
	n, err := f.File.Read(p)
	v.read += int64(n)
	if len(v.breaks) > 0 {
		v.breaks[0] -= int64(n)
	}
	if v.reads != nil {
		v.reads(v.read)
	}
	return n, err
}

// partFiles returns what lies in the folder of parts.
func partFiles(t testing.TB, s *Store) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.dir, partsDir, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func noParts(t testing.TB, s *Store) {
	t.Helper()
	if found := partFiles(t, s); len(found) > 0 {
		t.Errorf("parts are left: %q", found)
	}
}

// However often a copy breaks off, it goes on where it stopped: no byte is read twice that came to
// the part, and the whole is right.
func TestMirrorResumes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, 3<<20).Draw(rt, "size")
		breaks := rapid.SliceOfN(rapid.Int64Range(0, 1<<20), 0, mirrorTries-1).Draw(rt, "breaks")
		dirs := [2]string{t.TempDir(), t.TempDir()}
		synctest.Test(t, func(t *testing.T) {
			src, dst := openStore(t, dirs[0], nil), openStore(t, dirs[1], nil)
			b := content(uint64(size), size)
			mustPut(t, src, "a/file", b)
			source := &breakingVolume{Vol: src.vol, breaks: breaks}
			src.vol = source
			stats := mirrored(t, dst, src, MirrorOptions{}, change("a/file", b))
			if stats.Copied != 1 || stats.Failed != 0 || stats.Bytes != int64(size) {
				t.Errorf("got %+v", stats)
			}
			mustHold(t, dst, "a/file", b)
			noTemps(t, filepath.Join(dst.dir, "a"))
			noParts(t, dst)
			// Only what was not worth a part is read again.
			if again := source.read - int64(size); again < 0 || again > partWorth*int64(len(breaks)) {
				t.Errorf("%d bytes of %d were read with breaks after %v", source.read, size, breaks)
			}
		})
	})
}

// A part that is damaged is thrown away, and the copy begun anew.
func TestMirrorOfADamagedPart(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"a flipped byte": func(b []byte) []byte { b[1000] ^= 1; return b },
		"longer than the whole": func(b []byte) []byte {
			return append(b, make([]byte, 4<<20)...)
		},
		"zeros at its end, as after a power cut": func(b []byte) []byte {
			clear(b[len(b)/2:])
			return b
		},
		"empty": func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dirs := [2]string{t.TempDir(), t.TempDir()}
			synctest.Test(t, func(t *testing.T) {
				src, dst := openStore(t, dirs[0], nil), openStore(t, dirs[1], nil)
				b := content(1, 2<<20)
				mustPut(t, src, "file", b)
				part := filepath.Join(dst.dir, newPart(sumOf(b), time.Now()))
				if err := errors.Join(os.Mkdir(filepath.Dir(part), 0o755), os.WriteFile(part, spoil(bytes.Clone(b[:1<<20])), 0o444)); err != nil {
					t.Fatal(err)
				}
				stats := mirrored(t, dst, src, MirrorOptions{}, change("file", b))
				if diff := cmp.Diff(MirrorStats{Copied: 1, Bytes: 2 << 20}, stats); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				mustHold(t, dst, "file", b)
				noParts(t, dst)
			})
		})
	}
}

// A whole that only lacks its name, because the process was killed before it had it, is not read again.
func TestMirrorOfAWholePart(t *testing.T) {
	src, dst := openStore(t, t.TempDir(), nil), openStore(t, t.TempDir(), nil)
	b := content(1, 2<<20)
	mustPut(t, src, "a/file", b)
	part := filepath.Join(dst.dir, newPart(sumOf(b), time.Now()))
	if err := errors.Join(os.Mkdir(filepath.Dir(part), 0o755), os.WriteFile(part, b, 0o444)); err != nil {
		t.Fatal(err)
	}
	source := &breakingVolume{Vol: src.vol}
	src.vol = source
	stats := mirrored(t, dst, src, MirrorOptions{}, change("a/file", b))
	if diff := cmp.Diff(MirrorStats{Copied: 1, Bytes: 2 << 20, Resumed: 2 << 20}, stats); diff != "" || source.read != 0 {
		t.Errorf("%d bytes were read (-want +got):\n%s", source.read, diff)
	}
	mustHold(t, dst, "a/file", b)
	noParts(t, dst)
}

// Where another file system is mounted in the mirror, what was copied beside it is copied once more.
func TestMirrorAcrossFileSystems(t *testing.T) {
	src, dst := openStore(t, t.TempDir(), nil), openStore(t, t.TempDir(), nil)
	b := content(1, 1<<20)
	mustPut(t, src, "a/file", b)
	dst.vol = &apartVolume{dst.vol}
	for i, want := range []MirrorStats{{Copied: 1, Bytes: 1 << 20}, {Copied: 1, Bytes: 1 << 20}} {
		if diff := cmp.Diff(want, mirrored(t, dst, src, MirrorOptions{}, change("a/file", b))); diff != "" {
			t.Errorf("%d (-want +got):\n%s", i, diff)
		}
		mustHold(t, dst, "a/file", b)
		noParts(t, dst)
		rot(t, dst.dir, "a/file", true)
	}
}

// An apart volume has another file system in each folder.
type apartVolume struct{ vol.Vol }

func (v *apartVolume) Link(ctx context.Context, from, to string) error {
	if filepath.Dir(from) != filepath.Dir(to) {
		return &fs.PathError{Op: "link", Path: to, Err: syscall.EXDEV}
	}
	return v.Vol.Link(ctx, from, to)
}

func (v *apartVolume) Rename(ctx context.Context, from, to string) error {
	if filepath.Dir(from) != filepath.Dir(to) {
		return &fs.PathError{Op: "rename", Path: to, Err: syscall.EXDEV}
	}
	return v.Vol.Rename(ctx, from, to)
}

// What a part was of may not be offered any more, or never come again: Sweep removes it when it is old,
// and nothing else in its folder.
func TestSweepOfParts(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	sum := sumOf([]byte("x"))
	old, young, live := newPart(sum, time.Now().Add(-25*time.Hour)), newPart(sum, time.Now().Add(-time.Hour)), newPart(sum, time.Now().Add(-25*time.Hour))
	for _, name := range []string{old, young, live, partsDir + "/.what-else"} {
		path := filepath.Join(s.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o444)); err != nil {
			t.Fatal(err)
		}
	}
	s.setTemp(live, true)
	if n, err := s.Sweep(t.Context(), 24*time.Hour); n != 1 || err != nil {
		t.Errorf("%d were swept, %v", n, err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, old)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old part: %v", err)
	}
	if found := partFiles(t, s); len(found) != 3 {
		t.Errorf("there are %q", found)
	}
}

// A withdrawal ends the copy of its name at once, and nothing is left of it.
func TestMirrorEndsTheCopyOfWhatIsWithdrawn(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		src, dst := openStore(t, dirs[0], nil), openStore(t, dirs[1], nil)
		b := content(1, 4<<20)
		mustPut(t, src, "file", b)
		changes := make(chan Change, 2)
		source := &breakingVolume{Vol: src.vol}
		withdrawn := false
		source.reads = func(total int64) {
			if total >= 1<<20 && !withdrawn {
				withdrawn = true
				changes <- Change{Name: "file", Gone: true}
				close(changes)
			}
		}
		src.vol = source
		changes <- change("file", b)
		var stats MirrorStats
		// A copy at this pace takes more than an hour.
		err := Mirror(t.Context(), dst, src, changes, &MirrorOptions{Bandwidth: 1 << 10, Progress: func(s MirrorStats) { stats = s }})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(MirrorStats{Removed: 1}, stats); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if source.read >= 2<<20 {
			t.Errorf("%d bytes were read", source.read)
		}
		noParts(t, dst)
	})
}

// The bandwidth is that of all copies together.
func TestMirrorKeepsToItsBandwidth(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		src, dst := openStore(t, dirs[0], nil), openStore(t, dirs[1], nil)
		var changes []Change
		for i := range 8 {
			b := content(uint64(i), 100_000)
			mustPut(t, src, fmt.Sprint(i), b)
			changes = append(changes, change(fmt.Sprint(i), b))
		}
		start := time.Now()
		mirrored(t, dst, src, MirrorOptions{Bandwidth: 10_000, Concurrency: 4}, changes...)
		if took := time.Since(start); took < 78*time.Second || took > 81*time.Second {
			t.Errorf("800,000 bytes at 10,000 a second took %v", took)
		}
		start = time.Now()
		mirrored(t, dst, src, MirrorOptions{Bandwidth: 10_000, Verify: true}, changes...)
		if took := time.Since(start); took != 0 {
			t.Errorf("what is there already took %v", took)
		}
	})
}

// killedMirrorEnv makes the test binary mirror from one folder to another, separated by a colon,
// slowly, until it is killed.
const killedMirrorEnv = "BEAMRIDER_TEST_MIRROR"

func mirrorForever(dirs string) error {
	from, to, _ := strings.Cut(dirs, ":")
	ctx := context.Background()
	src, err := Open(ctx, from, nil)
	if err != nil {
		return err
	}
	dst, err := Open(ctx, to, nil)
	if err != nil {
		return err
	}
	changes := make(chan Change, 1)
	changes <- change("file", content(1, 8<<20))
	return Mirror(ctx, dst, src, changes, &MirrorOptions{Bandwidth: 1 << 20})
}

// A mirror that was killed goes on where it stopped.
func TestMirrorThatWasKilled(t *testing.T) {
	t.Parallel()
	src, dst := openStore(t, t.TempDir(), nil), openStore(t, t.TempDir(), nil)
	b := content(1, 8<<20)
	mustPut(t, src, "file", b)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), killedMirrorEnv+"="+src.dir+":"+dst.dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var have int64
	for have < 1<<20 {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("it does not begin")
		}
		for _, part := range partFiles(t, dst) {
			if info, err := os.Stat(part); err == nil {
				have = info.Size()
			}
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("it was not killed")
	}
	if _, err := read(t.Context(), dst, "file"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before it is whole: %v", err)
	}
	source := &breakingVolume{Vol: src.vol}
	src.vol = source
	stats := mirrored(t, dst, src, MirrorOptions{}, change("file", b))
	if stats.Copied != 1 || stats.Resumed < have || source.read != int64(len(b))-stats.Resumed {
		t.Errorf("with a part of %d bytes, %d were read: %+v", have, source.read, stats)
	}
	mustHold(t, dst, "file", b)
	noParts(t, dst)
}

// The server of the source is killed in the middle of a large file, and returns when that was noticed:
// the copy goes on.
func TestMirrorResumesFromAnExport(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	src, dst := openStore(t, server.URL()+"&timeout=1s", nil), openStore(t, t.TempDir(), nil)
	b := content(1, 6<<20)
	mustPut(t, src, "file", b)
	changes := make(chan Change, 1)
	changes <- change("file", b)
	close(changes)
	var stats MirrorStats
	var away sync.Once
	noticed, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		// The pace leaves time to kill the server before all of it is here.
		ended <- Mirror(t.Context(), dst, src, changes, &MirrorOptions{Bandwidth: 4 << 20, Progress: func(s MirrorStats) {
			if stats = s; s.Away {
				away.Do(func() { close(noticed) })
			}
		}})
	}()
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		if found := partFiles(t, dst); len(found) == 1 {
			if info, err := os.Stat(found[0]); err == nil && info.Size() >= 1<<20 {
				tick.Stop()
				break
			}
		}
	}
	server.Kill()
	<-noticed
	server.Start()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if stats.Copied != 1 || stats.Failed != 0 || stats.Resumed < 1<<20 {
		t.Errorf("%+v", stats)
	}
	mustHold(t, dst, "file", b)
	noParts(t, dst)
}

// The mirror is an export.
func TestMirrorResumesOnAnExport(t *testing.T) {
	t.Parallel()
	src, dst := openStore(t, t.TempDir(), nil), openStore(t, testnfs.Ganesha(t, nil).URL(), nil)
	b := content(1, 6<<20)
	mustPut(t, src, "file", b)
	source := &breakingVolume{Vol: src.vol, breaks: []int64{1<<20 + 1000, 3 << 20}}
	src.vol = source
	stats := mirrored(t, dst, src, MirrorOptions{}, change("file", b))
	if diff := cmp.Diff(MirrorStats{Copied: 1, Bytes: 6 << 20, Resumed: 4<<20 + 1000}, stats); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	mustHold(t, dst, "file", b)
	err := dst.readDir(t.Context(), partsDir, func(batch []fs.DirEntry) error {
		for _, e := range batch {
			return errors.New(e.Name())
		}
		return nil
	})
	if err != nil {
		t.Errorf("a part is left: %v", err)
	}
}

func TestPartNames(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 7_000_000, time.UTC)
	name := newPart(sumOf([]byte("x")), at)
	base := strings.TrimPrefix(name, partsDir+"/")
	got, sum, ok := partOf(base)
	if !ok || !got.Equal(at) || sum != fmt.Sprintf("%x", sumOf([]byte("x"))) {
		t.Errorf("%s: %v %s %v", name, got, sum, ok)
	}
	for _, bad := range []string{"", base[1:], base + "0", base[:len(base)-1] + "g", strings.Replace(base, "-", "_", 1), strings.Replace(base, "Z-", "ZZ", 1), "x" + base[1:]} {
		if _, _, ok := partOf(bad); ok {
			t.Errorf("%q is the name of a part", bad)
		}
	}
}
