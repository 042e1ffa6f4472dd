package filestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/remora"
)

// An offer is an activity with its bundle, its icon and a screenshot.
type offer struct {
	activity             remora.Activity
	bundle, icon, screen []byte
}

func newOffer(id int) offer {
	o := offer{bundle: content(id, 5000), icon: content(id+1000, 500), screen: content(id+2000, 800)}
	o.activity = remora.Activity{
		ID: int64(id), Icon: sha256.Sum256(o.icon),
		Versions:    []remora.Version{{Filename: fmt.Sprintf("a-%d.xo", id), Size: int64(len(o.bundle)), SHA256: sha256.Sum256(o.bundle)}},
		Screenshots: []remora.Image{{SHA256: sha256.Sum256(o.screen), Size: int64(len(o.screen))}},
	}
	return o
}

func (o *offer) public() string {
	return remora.PublicName(o.activity.ID, o.activity.Versions[0].Filename)
}

// files returns what there is to be of it, by name.
func (o *offer) files() map[string][]byte {
	return map[string][]byte{
		o.public():                                o.bundle,
		remora.IconName(o.activity.Icon):          o.icon,
		remora.ImageName(sha256.Sum256(o.screen)): o.screen,
	}
}

// store puts the files of an activity where they belong.
func (o *offer) store(ctx context.Context, f *Files) error {
	err := publish(ctx, f, o.public(), o.bundle)
	for name, b := range o.files() {
		if name != o.public() {
			err = errors.Join(err, put(ctx, f, name, b))
		}
	}
	return err
}

// A keeper keeps a copy until the test ends.
func keep(t testing.TB, f *Files, feed remora.Feed) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.KeepCopy(ctx, feed, slog.New(slog.DiscardHandler)) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// listed returns the names of all files below a folder but hidden ones and uploads.
func listed(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		}
		if err == nil && d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "uploads") {
			return fs.SkipDir
		}
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			rel, _ := filepath.Rel(dir, path) // it is below dir
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// until waits until the folder has exactly the files of some activities, and those of others that stay.
func until(t testing.TB, dir string, stay []string, offers ...offer) {
	t.Helper()
	want := slices.Clone(stay)
	for _, o := range offers {
		for name := range o.files() {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for give := time.Now().Add(time.Minute); ; <-tick.C {
		got := listed(t, dir)
		slices.Sort(got)
		if slices.Equal(got, want) {
			break
		}
		if time.Now().After(give) {
			t.Fatalf("the copy does not become what it should be (-want +got):\n%s", cmp.Diff(want, got))
		}
	}
	for _, o := range offers {
		for name, b := range o.files() {
			mustHold(t, dir, name, b)
		}
	}
}

func feedOf(offers ...offer) *catalogtest.Feed {
	var list []remora.Activity
	for _, o := range offers {
		list = append(list, o.activity)
	}
	return catalogtest.NewFeed(slices.Values(list))
}

// The copy follows what is published and withdrawn, also what was while nobody kept it; it ends with its
// context.
func TestKeepCopy(t *testing.T) {
	main, copied := t.TempDir(), t.TempDir()
	f := openFiles(t, Config{Main: main, Copy: copied})
	a, b, c := newOffer(1), newOffer(2), newOffer(3)
	for _, o := range []offer{a, b, c} {
		if err := o.store(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	feed := feedOf(a, b)
	stop := keep(t, f, feed)
	until(t, copied, nil, a, b)
	feed.Put(c.activity)
	until(t, copied, nil, a, b, c)
	icon := func(o offer) string { return remora.IconName(o.activity.Icon) } // icons stay
	feed.Remove(b.activity.ID)
	until(t, copied, []string{icon(b)}, a, c)
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		if files, oldest := f.Behind(); files == 0 && oldest.IsZero() {
			tick.Stop()
			break
		}
	}
	stop()

	// A month later.
	feed.Remove(a.activity.ID)
	feed.Put(b.activity)
	write(t, copied, "public/files/7/never-offered.xo", []byte("x"))
	stop = keep(t, f, feed)
	until(t, copied, []string{icon(a)}, b, c)
	stop()

	// What was a second place keeps what is not offered.
	write(t, copied, uploadName(a.bundle), a.bundle)
	shot := remora.ImageName(sha256.Sum256(a.screen))
	write(t, copied, shot, a.screen)
	write(t, copied, a.public(), a.bundle)
	keep(t, f, feed)
	until(t, copied, []string{icon(a), shot}, b, c)
	mustHold(t, copied, uploadName(a.bundle), a.bundle)
	mustHold(t, main, a.public(), a.bundle) // where everything is, nothing is touched
}

// What is withdrawn while the main place is away goes from the copy at once; what was published meanwhile,
// icons and all, is there as soon as the place is back, without another change.
func TestKeepCopyWithTheMainPlaceAway(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	copied := t.TempDir()
	f := openFiles(t, Config{Main: server.URL() + "&timeout=1s", Copy: copied})
	a, b, c := newOffer(1), newOffer(2), newOffer(3)
	for _, o := range []offer{a, b, c} {
		if err := o.store(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	feed := feedOf(a, b)
	keep(t, f, feed)
	until(t, copied, nil, a, b)
	server.Kill()
	feed.Put(c.activity)
	feed.Remove(b.activity.ID)
	icon := remora.IconName(b.activity.Icon)
	until(t, copied, []string{icon}, a)
	if files, oldest := f.Behind(); files == 0 || oldest.IsZero() || time.Since(oldest) > time.Minute {
		t.Errorf("it is %d files behind since %v", files, oldest)
	}
	if got, err := readAll(t.Context(), f, a.public()); err != nil || !bytes.Equal(got, a.bundle) {
		t.Errorf("a download meanwhile: %d bytes, %v", len(got), err)
	}
	server.Start()
	until(t, copied, []string{icon}, a, c)
}

// The copy goes on with the place that everything moved to.
func TestKeepCopyWhenFilesMove(t *testing.T) {
	next, copied := t.TempDir(), t.TempDir()
	f := openFiles(t, Config{Main: t.TempDir(), Copy: copied})
	a, b := newOffer(1), newOffer(2)
	if err := a.store(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	feed := feedOf(a)
	keep(t, f, feed)
	until(t, copied, nil, a)
	if err := f.Move(t.Context(), next, f.log); err != nil {
		t.Fatal(err)
	}
	if err := b.store(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	feed.Put(b.activity)
	until(t, copied, nil, a, b)
}

// A second place is a copy as well, from which nothing is removed that is only not offered yet.
func TestKeepCopyInTheSecondPlace(t *testing.T) {
	main, second := t.TempDir(), t.TempDir()
	a, b := newOffer(1), newOffer(2)
	if err := a.store(t.Context(), openFiles(t, Config{Main: main})); err != nil {
		t.Fatal(err)
	}
	f := openFiles(t, Config{Main: main, Copy: second, Second: second})
	shot := remora.ImageName(sha256.Sum256(b.screen))
	if err := put(t.Context(), f, shot, b.screen); err != nil {
		t.Fatal(err)
	}
	write(t, second, "public/files/7/withdrawn.xo", []byte("x"))
	keep(t, f, feedOf(a))
	until(t, second, []string{shot}, a)
}

// A copy that is the main place by another way would be emptied of what is not offered.
func TestKeepCopyInTheMainPlace(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	f := openFiles(t, Config{Main: server.URL(), Copy: server.URL() + "&timeout=2s"})
	a, b := newOffer(1), newOffer(2)
	for _, o := range []offer{a, b} {
		if err := o.store(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	var log lockedBuffer
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.KeepCopy(ctx, feedOf(a), slog.New(slog.NewTextHandler(&log, nil))) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for give := time.Now().Add(time.Minute); !strings.Contains(log.String(), "same place"); <-tick.C {
		if time.Now().After(give) {
			t.Fatalf("the log does not say so:\n%s", log.String())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, o := range []offer{a, b} {
		for name, want := range o.files() {
			if got, err := readAll(t.Context(), f, name); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Old parts and temporary files of the copy are its keeper's to remove.
func TestTheCopyIsTidiedUp(t *testing.T) {
	copied := t.TempDir()
	old := ".nfsstore-20200102T030405.678Z-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	write(t, copied, old, []byte("x"))
	f := openFiles(t, Config{Main: t.TempDir(), Copy: copied})
	keep(t, f, feedOf())
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for give := time.Now().Add(time.Minute); ; <-tick.C {
		if _, err := os.Stat(filepath.Join(copied, old)); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if time.Now().After(give) {
			t.Fatal("it stays")
		}
	}
}

// A damaged file of the copy is not given to anybody, and is replaced from where everything is.
func TestADamagedCopyIsMended(t *testing.T) {
	main, copied := t.TempDir(), t.TempDir()
	f := openFiles(t, Config{Main: main, Copy: copied})
	a := newOffer(1)
	if err := a.store(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	keep(t, f, feedOf(a))
	until(t, copied, nil, a)
	bad := bytes.Clone(a.bundle)
	bad[7] ^= 1
	if err := os.Remove(filepath.Join(copied, a.public())); err != nil {
		t.Fatal(err)
	}
	write(t, copied, a.public(), bad)
	sum := sha256.Sum256(a.bundle)
	file, err := f.OpenSum(t.Context(), a.public(), int64(len(a.bundle)), sum[:])
	if got, err := read(t, file, err); err != nil || !bytes.Equal(got, a.bundle) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for give := time.Now().Add(time.Minute); ; <-tick.C {
		got, err := os.ReadFile(filepath.Join(copied, a.public()))
		if err == nil && bytes.Equal(got, a.bundle) {
			break
		}
		if time.Now().After(give) {
			t.Fatalf("it stays damaged: %d bytes, %v", len(got), err)
		}
	}
}

// What was withdrawn while it was mended does not come back.
func TestMendingBringsNothingBack(t *testing.T) {
	main, copied := t.TempDir(), t.TempDir()
	f := openFiles(t, Config{Main: main, Copy: copied})
	b := content(1, 1000)
	sum := sha256.Sum256(b)
	if err := f.mend(t.Context(), damaged{public, sum[:]}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is withdrawn: %v", err)
	}
	mustHold(t, copied, public, nil)
	write(t, main, public, b)
	if err := f.mend(t.Context(), damaged{public, sum[:]}); err != nil {
		t.Error(err)
	}
	mustHold(t, copied, public, b)
}
