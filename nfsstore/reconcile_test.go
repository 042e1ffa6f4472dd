package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// told is what a catalog would say: everything, as it is now.
type told struct {
	mu    sync.Mutex
	all   map[string]Change
	calls int
	fail  error // unless nil, at the end of what is said
}

func (c *told) set(changes ...Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]Change{}
	}
	for _, change := range changes {
		if change.Gone {
			delete(c.all, change.Name)
		} else {
			c.all[change.Name] = change
		}
	}
}

func (c *told) everything(context.Context) iter.Seq2[Change, error] {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	var list []Change
	for _, change := range c.all {
		list = append(list, change)
	}
	slices.SortFunc(list, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	err := c.fail
	return func(yield func(Change, error) bool) {
		for _, change := range list {
			if !yield(change, nil) {
				return
			}
		}
		if err != nil {
			yield(Change{}, err)
		}
	}
}

// A watched mirror runs in a bubble, and shows its statistics.
type watchedMirror struct {
	mu      sync.Mutex
	stats   MirrorStats
	changes chan Change
	ended   chan error
}

func startMirror(t *testing.T, dst, src *Store, o MirrorOptions) *watchedMirror {
	m := &watchedMirror{changes: make(chan Change), ended: make(chan error, 1)}
	o.Progress = func(s MirrorStats) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.stats = s
	}
	go func() { m.ended <- Mirror(t.Context(), dst, src, m.changes, &o) }()
	return m
}

func (m *watchedMirror) now() MirrorStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

func (m *watchedMirror) end(t *testing.T) {
	t.Helper()
	close(m.changes)
	if err := <-m.ended; err != nil {
		t.Error(err)
	}
}

// After a month away a mirror removes what should not be there any more, and finds what is missing.
func TestMirrorReconciles(t *testing.T) {
	src, dst := openStore(t, t.TempDir(), nil), openStore(t, t.TempDir(), nil)
	var want told
	var names []string
	for i := range 30 {
		name, b := fmt.Sprintf("public/%d/file", i), content(uint64(i), 1000)
		mustPut(t, src, name, b)
		if i%2 == 0 {
			mustPut(t, dst, name, b)
		}
		if i%3 != 0 {
			want.set(change(name, b))
			names = append(names, name)
		}
	}
	mustPut(t, dst, "uploads/mine", content(1, 10)) // in no folder of the mirror's
	if err := os.WriteFile(filepath.Join(dst.dir, "public", ".hidden"), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	stats := mirrored(t, dst, src, MirrorOptions{Reconcile: want.everything, Within: []string{"public", "previews"}})
	if diff := cmp.Diff(MirrorStats{Copied: 10, Bytes: 10_000, Skipped: 10, Removed: 5, Reconciled: 1}, stats); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	files, _ := tree(t, dst.dir)
	names = append(names, "uploads/mine")
	slices.Sort(names)
	if diff := cmp.Diff(names, files); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A catalog that has nothing at all was mistaken for another: it empties no mirror.
func TestMirrorIsNotEmptied(t *testing.T) {
	src, dst := openStore(t, t.TempDir(), nil), openStore(t, t.TempDir(), nil)
	mustPut(t, dst, "public/file", content(1, 10))
	var log strings.Builder
	stats := mirrored(t, dst, src, MirrorOptions{Logger: textLogger(&log), Reconcile: new(told).everything, Within: []string{"."}})
	if diff := cmp.Diff(MirrorStats{Reconciled: 1}, stats); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	mustHold(t, dst, "public/file", content(1, 10))
	if !strings.Contains(log.String(), "left alone") {
		t.Errorf("the log does not say so:\n%s", log.String())
	}
}

// What is heard while everything is compared counts more than what the comparison says.
func TestMirrorHeedsWhatIsNewer(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		src, dst := openStore(t, dirs[0], nil), openStore(t, dirs[1], nil)
		b := content(1, 1000)
		for _, name := range []string{"withdrawn", "published", "steady"} {
			mustPut(t, src, name, b)
		}
		mustPut(t, dst, "stray", b)
		again := make(chan struct{})
		calls := 0
		// Both times it says what was true when it began.
		stale := func(context.Context) iter.Seq2[Change, error] {
			return func(yield func(Change, error) bool) {
				if calls++; calls == 1 {
					<-again
				}
				_ = yield(change("withdrawn", b), nil) && yield(change("steady", b), nil)
			}
		}
		m := startMirror(t, dst, src, MirrorOptions{Reconcile: stale, Within: []string{"."}})
		m.changes <- change("published", b)
		m.changes <- Change{Name: "withdrawn", Gone: true}
		synctest.Wait()
		mustHold(t, dst, "published", b)
		close(again)
		synctest.Wait()
		files, _ := tree(t, dst.dir)
		if diff := cmp.Diff([]string{"published", "steady"}, files); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		m.end(t)
	})
}

// With the queue of copies full and the source away, a withdrawal is carried out at once; what could not
// be remembered is copied when the source is back.
func TestMirrorWithAFullQueueFollowsWithdrawals(t *testing.T) {
	const n, pending = 150, 100
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		src, dst := openStore(t, dirs[0], nil), openStore(t, dirs[1], nil)
		b := content(1, 10)
		mustPut(t, src, "one", b)
		mustPut(t, dst, "old", b)
		away := &awayVolume{Vol: src.vol, away: true}
		src.vol = away
		var want told
		want.set(change("old", b))
		m := startMirror(t, dst, src, MirrorOptions{Reconcile: want.everything, Within: []string{"."}, Pending: pending})
		began := time.Now()
		for i := range n {
			name := fmt.Sprintf("new/%d", i)
			if err := src.Link(t.Context(), "one", name); err != nil {
				t.Fatal(err)
			}
			want.set(change(name, b))
			m.changes <- change(name, b)
		}
		synctest.Wait()
		if got := m.now(); !got.Away || got.Behind != n || got.Left != 10*pending || !got.Oldest.Equal(began) {
			t.Errorf("with the source away: %+v, want %d behind", got, n)
		}
		<-after(t, 3600)
		want.set(Change{Name: "old", Gone: true})
		m.changes <- Change{Name: "old", Gone: true}
		synctest.Wait()
		if _, err := read(t.Context(), dst, "old"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what was withdrawn: %v", err)
		}
		// One that waits in the queue, and one that was forgotten.
		for _, name := range []string{"new/7", fmt.Sprintf("new/%d", n-1)} {
			want.set(Change{Name: name, Gone: true})
			m.changes <- Change{Name: name, Gone: true}
		}
		away.set(false)
		<-after(t, 60)
		got := m.now()
		if got.Copied != n-2 || got.Behind != 0 || got.Left != 0 || !got.Oldest.IsZero() || got.Reconciled < 2 {
			t.Errorf("with the source back: %+v, want %d copied", got, n-2)
		}
		if files, _ := tree(t, filepath.Join(dst.dir, "new")); len(files) != n-2 {
			t.Errorf("there are %d files, want %d", len(files), n-2)
		}
		m.end(t)
	})
}

// Copies that take long do not hold up a withdrawal, however many there are.
func TestMirrorThatCopiesFollowsWithdrawals(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		src, dst := openStore(t, dirs[0], nil), openStore(t, dirs[1], nil)
		mustPut(t, dst, "old", content(1, 10))
		m := startMirror(t, dst, src, MirrorOptions{Bandwidth: 100, Concurrency: 2})
		for i := range 5 {
			b := content(uint64(i), 100_000)
			mustPut(t, src, fmt.Sprint(i), b)
			m.changes <- change(fmt.Sprint(i), b)
		}
		<-after(t, 60)
		m.changes <- Change{Name: "old", Gone: true}
		synctest.Wait()
		if got := m.now(); got.Removed != 1 || got.Copied != 0 || got.Behind != 5 {
			t.Errorf("got %+v", got)
		}
		m.end(t)
		if got := m.now(); got.Copied != 5 {
			t.Errorf("in the end %+v", got)
		}
	})
}

// A catalog that does not answer is asked again; what it said before it broke off removes nothing.
func TestMirrorAsksAgain(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		src, dst := openStore(t, dirs[0], nil), openStore(t, dirs[1], nil)
		b := content(1, 10)
		mustPut(t, src, "b", b)
		mustPut(t, dst, "c", b)
		want := &told{fail: errors.New("broken off")}
		want.set(change("b", b))
		var log bytes.Buffer
		m := startMirror(t, dst, src, MirrorOptions{Logger: textLogger(&log), Reconcile: want.everything, Within: []string{"."}})
		<-after(t, 3600)
		if got := m.now(); got.Reconciled != 0 || got.Removed != 0 || got.Behind == 0 || want.calls < 5 {
			t.Errorf("without an answer: %+v after %d calls", got, want.calls)
		}
		want.mu.Lock()
		want.fail = nil
		want.mu.Unlock()
		<-after(t, 600)
		if diff := cmp.Diff(MirrorStats{Copied: 1, Bytes: 10, Removed: 1, Reconciled: 1}, m.now()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		// A day later it looks again.
		mustPut(t, dst, "d", b)
		<-after(t, 25*3600)
		if got := m.now(); got.Reconciled != 2 || got.Removed != 2 {
			t.Errorf("a day later: %+v", got)
		}
		m.end(t)
		if n := strings.Count(log.String(), "could not be compared"); n != 1 {
			t.Errorf("the log says it %d times", n)
		}
	})
}

// The size of a file need not be known.
func TestMirrorOfUnknownSizes(t *testing.T) {
	src, dst := openStore(t, t.TempDir(), nil), openStore(t, t.TempDir(), nil)
	b := content(1, 1000)
	mustPut(t, src, "icon", b)
	unknown := change("icon", b)
	unknown.Size = -1
	for i, want := range []MirrorStats{{Copied: 1, Bytes: 1000}, {Skipped: 1}} {
		if diff := cmp.Diff(want, mirrored(t, dst, src, MirrorOptions{Verify: true}, unknown)); diff != "" {
			t.Errorf("%d (-want +got):\n%s", i, diff)
		}
	}
	rot(t, dst.dir, "icon", true)
	if diff := cmp.Diff(MirrorStats{Copied: 1, Bytes: 1000}, mirrored(t, dst, src, MirrorOptions{Verify: true}, unknown)); diff != "" {
		t.Errorf("damaged (-want +got):\n%s", diff)
	}
	mustHold(t, dst, "icon", b)
}

func TestMirrorOptionsAreChecked(t *testing.T) {
	src, dst := openStore(t, t.TempDir(), nil), openStore(t, t.TempDir(), nil)
	err := Mirror(t.Context(), dst, src, make(chan Change), &MirrorOptions{Concurrency: -1, Bandwidth: -2, Pending: -3, Within: []string{"../x"}})
	for _, want := range []string{"-1", "-2", "-3", "../x", "Reconcile"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("the error does not speak of %s: %v", want, err)
		}
	}
	if !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("it is no ErrInvalid: %v", err)
	}
}
