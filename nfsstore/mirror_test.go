package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

func change(name string, b []byte) Change {
	return Change{Name: name, Size: int64(len(b)), SHA256: sumOf(b)}
}

// mirrored runs a mirror over changes, to their end.
func mirrored(t *testing.T, dst, src *Store, o MirrorOptions, changes ...Change) MirrorStats {
	t.Helper()
	c := make(chan Change, len(changes))
	for _, change := range changes {
		c <- change
	}
	close(c)
	var stats MirrorStats
	o.Progress = func(s MirrorStats) { stats = s }
	if err := Mirror(t.Context(), dst, src, c, &o); err != nil {
		t.Fatal(err)
	}
	return stats
}

// rot changes a byte of a file, or cuts it.
func rot(t *testing.T, dir, name string, cut bool) {
	t.Helper()
	p := filepath.Join(dir, name)
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if cut {
		b = b[:len(b)-1]
	}
	if err := errors.Join(os.Remove(p), os.WriteFile(p, b, 0o444)); err != nil {
		t.Fatal(err)
	}
}

func TestMirror(t *testing.T) {
	src, dst := openStore(t, t.TempDir(), nil), openStore(t, t.TempDir(), nil)
	var changes []Change
	var bytes int64
	for i := range 50 {
		name, b := fmt.Sprintf("public/files/%d/a-%d.xo", i%7, i), content(uint64(i), i*1000)
		mustPut(t, src, name, b)
		changes = append(changes, change(name, b))
		bytes += int64(len(b))
	}
	check := func(what string, got, want MirrorStats) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		noTemps(t, dst.dir)
	}
	check("the first time", mirrored(t, dst, src, MirrorOptions{}, changes...), MirrorStats{Copied: 50, Bytes: bytes})
	for i, c := range changes {
		mustHold(t, dst, c.Name, content(uint64(i), i*1000))
	}
	check("again", mirrored(t, dst, src, MirrorOptions{Concurrency: 1}, changes...), MirrorStats{Skipped: 50})

	// Damage of the copy: of another size it is seen always, else when asked for.
	rot(t, dst.dir, changes[9].Name, true)
	rot(t, dst.dir, changes[8].Name, false)
	check("a copy of the wrong size", mirrored(t, dst, src, MirrorOptions{}, changes...), MirrorStats{Skipped: 49, Copied: 1, Bytes: 9000})
	check("a damaged copy", mirrored(t, dst, src, MirrorOptions{Verify: true}, changes...), MirrorStats{Skipped: 49, Copied: 1, Bytes: 8000})
	mustHold(t, dst, changes[8].Name, content(8, 8000))
	mustHold(t, dst, changes[9].Name, content(9, 9000))

	check("withdrawal", mirrored(t, dst, src, MirrorOptions{},
		Change{Name: changes[3].Name, Gone: true}, Change{Name: "never/was", Gone: true}), MirrorStats{Removed: 2})
	if _, err := read(t.Context(), dst, changes[3].Name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after its withdrawal: %v", err)
	}
	check("nonsense", mirrored(t, dst, src, MirrorOptions{}, Change{Name: "../x", Gone: true}, Change{Name: "a", Size: -1},
		Change{Name: "b", Size: 1, SHA256: []byte("x")}, changes[3]), MirrorStats{Failed: 3, Copied: 1, Bytes: 3000})
	if files, _ := tree(t, dst.dir); len(files) != 50 {
		t.Errorf("there are %d files: %q", len(files), files)
	}
}

// A file that the source has not, or damaged, is tried some times and does not keep up the others.
// A good copy of the mirror is not lost to a bad one of the source.
func TestMirrorOfDamagedSource(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		src, dst := openStore(t, dirs[0], nil), openStore(t, dirs[1], nil)
		bad, short, good, late := content(1, 1000), content(2, 2000), content(3, 3000), content(4, 4000)
		for name, b := range map[string][]byte{"bad": bad, "short": short, "good": good} {
			mustPut(t, src, name, b)
		}
		rot(t, src.dir, "bad", false)
		rot(t, src.dir, "short", true)
		rotten := bytes.Clone(short)
		rotten[7] ^= 1
		mustPut(t, dst, "short", rotten)

		var log strings.Builder
		put := false
		changes := make(chan Change, 5)
		for _, c := range []Change{change("bad", bad), change("short", short), change("none", bad), change("late", late), change("good", good)} {
			changes <- c
		}
		close(changes)
		var stats MirrorStats
		err := Mirror(t.Context(), dst, src, changes, &MirrorOptions{Verify: true, Concurrency: 2, Logger: textLogger(&log), Progress: func(s MirrorStats) {
			stats = s
			if s.Copied == 1 && !put { // good came through before the others were given up
				put = true
				if s.Failed != 0 {
					t.Errorf("%d files were given up before the good one was copied", s.Failed)
				}
				mustPut(t, src, "late", late)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(MirrorStats{Copied: 2, Bytes: 7000, Failed: 3}, stats); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		mustHold(t, dst, "good", good)
		mustHold(t, dst, "late", late)
		mustHold(t, dst, "short", rotten)
		files, temps := tree(t, dst.dir)
		if !slices.Equal(files, []string{"good", "late", "short"}) || len(temps) > 0 {
			t.Errorf("the mirror holds %q %q", files, temps)
		}
		for _, want := range []string{"the copy in " + src.dir + " is damaged", "1999 bytes, not 2000", "there is no such file", "given up"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, log.String())
			}
		}
	})
}

// A volume that is away fails in everything.
type awayVolume struct {
	vol.Vol
	mu   sync.Mutex
	away bool
}

func (v *awayVolume) set(away bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.away = away
}

func (v *awayVolume) err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.away {
		return &fs.PathError{Op: "away", Path: "x", Err: syscall.EIO}
	}
	return nil
}

func (v *awayVolume) Open(ctx context.Context, name string) (vol.File, error) {
	if err := v.err(); err != nil {
		return nil, err
	}
	return v.Vol.Open(ctx, name)
}

func (v *awayVolume) Space(ctx context.Context) (vol.Space, error) {
	if err := v.err(); err != nil {
		return vol.Space{}, err
	}
	return v.Vol.Space(ctx)
}

// While the source is away withdrawals are carried out; copying goes on when it is back.
func TestMirrorWaitsForTheSource(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		src, dst := openStore(t, dirs[0], nil), openStore(t, dirs[1], nil)
		a, b := content(1, 1000), content(2, 2000)
		mustPut(t, src, "a", a)
		mustPut(t, src, "b", b)
		mustPut(t, dst, "old", a)
		away := &awayVolume{Vol: src.vol, away: true}
		src.vol = away
		changes := make(chan Change)
		var mu sync.Mutex
		var stats MirrorStats
		now := func() MirrorStats {
			mu.Lock()
			defer mu.Unlock()
			return stats
		}
		done := make(chan error)
		go func() {
			done <- Mirror(t.Context(), dst, src, changes, &MirrorOptions{Concurrency: 2, Progress: func(s MirrorStats) {
				mu.Lock()
				defer mu.Unlock()
				stats = s
			}})
		}()
		changes <- change("a", a)
		changes <- change("b", b)
		changes <- change("old", a)
		changes <- Change{Name: "old", Gone: true}
		changes <- Change{Name: "b", Gone: true} // it came and went
		synctest.Wait()
		// There may be a look at the source under way when changes come, but it ends at once.
		if got := now(); !got.Away || got.Behind != 1 || got.Copied != 0 {
			t.Errorf("with the source away: %+v", got)
		}
		if _, err := read(t.Context(), dst, "old"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that was withdrawn while the source is away: %v", err)
		}
		// For hours nothing is given up.
		<-after(t, 7200)
		if got := now(); !got.Away || got.Behind != 1 || got.Failed != 0 {
			t.Errorf("after two hours: %+v", got)
		}
		away.set(false)
		<-after(t, 60)
		if got := now(); got.Away || got.Behind != 0 || got.Copied != 1 {
			t.Errorf("with the source back: %+v", got)
		}
		mustHold(t, dst, "a", a)
		close(changes)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A full mirror waits for room and does not give up.
func TestMirrorIsFull(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		src, dst := openStore(t, dirs[0], nil), openStore(t, dirs[1], nil)
		a := content(1, 1000)
		mustPut(t, src, "a", a)
		full := &fullVolume{Vol: dst.vol, left: 20}
		dst.vol = full
		if got := mirrored(t, dst, src, MirrorOptions{}, change("a", a)); got.Copied != 1 || got.Failed != 0 {
			t.Errorf("got %+v", got)
		}
		if full.left >= 0 {
			t.Error("there was room all the time")
		}
		mustHold(t, dst, "a", a)
	})
}

// fullVolume has no room for some tries.
type fullVolume struct {
	vol.Vol
	left int
}

func (v *fullVolume) Create(ctx context.Context, name string) (vol.Writer, error) {
	if v.left--; v.left >= 0 {
		return nil, &fs.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
	}
	return v.Vol.Create(ctx, name)
}

func TestMirrorEndsWithItsContext(t *testing.T) {
	src, dst := openStore(t, t.TempDir(), nil), openStore(t, t.TempDir(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- Mirror(ctx, dst, src, make(chan Change), nil) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	ro := openStore(t, dst.dir, &Options{ReadOnly: true})
	err := Mirror(t.Context(), ro, src, make(chan Change), &MirrorOptions{Concurrency: -1})
	if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), "-1") {
		t.Errorf("got %v, want both mistakes", err)
	}
	if err := Mirror(t.Context(), nil, src, nil, nil); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("without stores: %v", err)
	}
}

// The server of the source is killed under the mirror and returns; a mirror that was ended resumes.
func TestMirrorOfAnExport(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	src, dst := openStore(t, server.URL(), nil), openStore(t, t.TempDir(), nil)
	const n = 40
	file := func(i int) (string, []byte) {
		return fmt.Sprintf("public/files/%d/a.xo", i), content(uint64(i), 200_000)
	}
	for i := range n {
		name, b := file(i)
		mustPut(t, src, name, b)
	}
	// The first mirror is ended in the middle.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	feed := func(ctx context.Context) chan Change {
		c := make(chan Change)
		go func() {
			defer close(c)
			for i := range n {
				name, b := file(i)
				select {
				case c <- change(name, b):
				case <-ctx.Done():
					return
				}
			}
		}()
		return c
	}
	var copied int64
	err := Mirror(ctx, dst, src, feed(ctx), &MirrorOptions{Progress: func(s MirrorStats) {
		if copied = s.Copied; copied == n/4 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || copied < n/4 {
		t.Fatalf("after %d files: %v, want context.Canceled", copied, err)
	}
	noTemps(t, dst.dir)

	var stats MirrorStats
	killed := false
	err = Mirror(t.Context(), dst, src, feed(t.Context()), &MirrorOptions{Progress: func(s MirrorStats) {
		stats = s
		if s.Copied > n/4 && !killed {
			killed = true
			server.Kill()
			server.Start()
		}
	}})
	if err != nil || !killed || stats.Failed != 0 || stats.Copied+stats.Skipped != n || stats.Skipped < n/4 {
		t.Errorf("the second mirror: %+v, %v", stats, err)
	}
	for i := range n {
		name, b := file(i)
		mustHold(t, dst, name, b)
	}
}
