package filestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/remora"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openFiles(t testing.TB, c Config) *Files {
	t.Helper()
	f, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// content returns size bytes that depend on seed.
func content(seed, size int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%d, ", seed), size/3+1)[:size]
}

func uploadName(b []byte) string { return remora.UploadName(sha256.Sum256(b)) }

func put(ctx context.Context, f *Files, name string, b []byte) error {
	sum := sha256.Sum256(b)
	return f.Put(ctx, name, bytes.NewReader(b), int64(len(b)), sum[:])
}

// publish stores and offers a bundle, as the catalog does.
func publish(ctx context.Context, f *Files, name string, b []byte) error {
	if err := put(ctx, f, uploadName(b), b); err != nil {
		return err
	}
	return f.Link(ctx, uploadName(b), name)
}

func mustPublish(t testing.TB, f *Files, name string, b []byte) {
	t.Helper()
	if err := publish(t.Context(), f, name, b); err != nil {
		t.Fatal(err)
	}
}

func readAll(ctx context.Context, f *Files, name string) ([]byte, error) {
	file, err := f.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(file)
	return b, errors.Join(err, file.Close())
}

// mustHold checks what a folder has under a name; nil: nothing.
func mustHold(t testing.TB, dir, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, name))
	if want == nil {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s in %s: %d bytes, %v; there should be nothing", name, dir, len(got), err)
		}
		return
	}
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s in %s has %d bytes, %v; want %d", name, dir, len(got), err, len(want))
	}
}

// mustFail checks an error of a place that is away.
func mustFail(t testing.TB, what string, err error, code string) {
	t.Helper()
	e, ok := errors.AsType[*remora.Error](err)
	if !ok || e.Kind != remora.KindUnavailable || e.Code != code {
		t.Errorf("%s: %v, want that files are unavailable, code %q", what, err, code)
	}
}

// again does what fails because a server is away, until the server was found again.
func again(t testing.TB, do func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for give := time.Now().Add(time.Minute); ; <-tick.C {
		err := do()
		if err == nil {
			return
		}
		if remora.KindOf(err) != remora.KindUnavailable || time.Now().After(give) {
			t.Fatal(err)
		}
	}
}

const public = "public/files/100001/dance-1.xo"

// What is stored is in both places, and what is withdrawn in neither.
func TestTwoPlaces(t *testing.T) {
	main, second := t.TempDir(), t.TempDir()
	f := openFiles(t, Config{Main: main, Second: second})
	b := content(1, 300_000)
	if err := put(t.Context(), f, "icons/some.svg", b); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{main, second} {
		mustHold(t, dir, "icons/some.svg", b)
	}
	for _, what := range []string{"the first time", "again"} {
		if err := publish(t.Context(), f, public, b); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for _, dir := range []string{main, second} {
			mustHold(t, dir, uploadName(b), b)
			mustHold(t, dir, public, b)
		}
	}
	if err := put(t.Context(), f, public, content(2, 10)); remora.KindOf(err) != remora.KindConflict {
		t.Errorf("other content under the name: %v", err)
	}
	sum := sha256.Sum256(b)
	err := f.Put(t.Context(), "uploads/other", bytes.NewReader(b[1:]), int64(len(b)), sum[:])
	if remora.KindOf(err) != remora.KindCorrupt {
		t.Errorf("content that is not whole: %v", err)
	}
	for _, dir := range []string{main, second} {
		mustHold(t, dir, "uploads/other", nil)
	}
	if err := f.Remove(t.Context(), public); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{main, second} {
		mustHold(t, dir, public, nil)
	}
	if err := f.Remove(t.Context(), public); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is in neither: %v", err)
	}
}

// What one place has alone, because the other failed or was not there yet, is brought into both by
// doing it again.
func TestTwoPlacesHeal(t *testing.T) {
	main, second := t.TempDir(), t.TempDir()
	b := content(1, 100_000)
	for name, alone := range map[string]string{"in the first": main, "in the second": second} {
		t.Run(name, func(t *testing.T) {
			one := openFiles(t, Config{Main: alone})
			name := strings.ReplaceAll(public, "dance", strings.ReplaceAll(name, " ", "-"))
			mustPublish(t, one, name, b)
			f := openFiles(t, Config{Main: main, Second: second})
			mustPublish(t, f, name, b)
			mustHold(t, main, name, b)
			mustHold(t, second, name, b)
		})
	}
	t.Run("stored before there was a second", func(t *testing.T) {
		one, b := openFiles(t, Config{Main: main}), content(7, 1000)
		if err := put(t.Context(), one, uploadName(b), b); err != nil {
			t.Fatal(err)
		}
		f := openFiles(t, Config{Main: main, Second: second})
		if err := f.Link(t.Context(), uploadName(b), public); err != nil {
			t.Error(err)
		}
		mustHold(t, second, uploadName(b), b)
		mustHold(t, second, public, b)
		if err := f.Link(t.Context(), uploadName(content(8, 10)), public); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what is nowhere: %v", err)
		}
	})
	t.Run("withdrawn in one", func(t *testing.T) {
		f := openFiles(t, Config{Main: main, Second: second})
		if err := errors.Join(os.Remove(filepath.Join(main, public)), f.Remove(t.Context(), public)); err != nil {
			t.Error(err)
		}
		mustHold(t, second, public, nil)
	})
}

// With the second place away nothing is stored or offered, downloads go on, and all is made up for when
// it is back.
func TestTheSecondPlaceIsAway(t *testing.T) {
	t.Parallel()
	main := t.TempDir()
	server := testnfs.Ganesha(t, nil)
	f := openFiles(t, Config{Main: main, Second: server.URL() + "&timeout=1s"})
	old, b := content(1, 1000), content(2, 100_000)
	mustPublish(t, f, public, old)
	if err := put(t.Context(), f, uploadName(b), b); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	next := strings.ReplaceAll(public, "1.xo", "2.xo")
	late := content(3, 100_000)
	mustFail(t, "an upload", put(t.Context(), f, uploadName(late), late), "files.second")
	mustFail(t, "offering", f.Link(t.Context(), uploadName(b), next), "files.second")
	mustHold(t, main, next, nil)
	mustFail(t, "a look at it", f.TrySecond(t.Context()), "")
	if err := f.Try(t.Context()); err != nil {
		t.Errorf("a look at the first place: %v", err)
	}
	if got, err := readAll(t.Context(), f, public); err != nil || !bytes.Equal(got, old) {
		t.Errorf("a download: %d bytes, %v", len(got), err)
	}
	mustFail(t, "a withdrawal", f.Remove(t.Context(), public), "files.second")
	mustHold(t, main, public, nil) // it is not offered any more, though

	server.Start()
	again(t, func() error { return publish(t.Context(), f, next, late) })
	if err := f.Remove(t.Context(), public); err != nil {
		t.Errorf("the withdrawal again: %v", err)
	}
	plain, err := OpenPlain(t.Context(), server.URL(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if got, err := readAll(t.Context(), plain, next); err != nil || !bytes.Equal(got, late) {
		t.Errorf("in the second place: %d bytes, %v", len(got), err)
	}
	if _, err := readAll(t.Context(), plain, public); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was withdrawn, in the second place: %v", err)
	}
}

// The machine with the first place is lost right after an upload was acknowledged: everything that was
// acknowledged is in the second, and can be read.
func TestTheFirstPlaceIsLost(t *testing.T) {
	t.Parallel()
	second := t.TempDir()
	server := testnfs.Ganesha(t, nil)
	f := openFiles(t, Config{Main: server.URL() + "&timeout=1s", Second: second})
	type bundle struct {
		name string
		b    []byte
	}
	var mu sync.Mutex
	var acknowledged []bundle
	enough := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				b := content(w*1_000_000+i, 200_000)
				name := fmt.Sprintf("public/files/%d/a-%d.xo", w, i)
				if publish(ctx, f, name, b) != nil {
					continue // it was not acknowledged
				}
				mu.Lock()
				if acknowledged = append(acknowledged, bundle{name, b}); len(acknowledged) == 20 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	server.Kill()
	cancel()
	writers.Wait()
	for _, a := range acknowledged {
		mustHold(t, second, uploadName(a.b), a.b)
		mustHold(t, second, a.name, a.b)
	}
	last := acknowledged[len(acknowledged)-1]
	if got, err := readAll(t.Context(), f, last.name); err != nil || !bytes.Equal(got, last.b) {
		t.Errorf("a download without the first place: %d bytes, %v", len(got), err)
	}
	t.Logf("%d were acknowledged", len(acknowledged))
}

// Everything moves to the second place, and is in one place from then on.
func TestMoveToTheSecondPlace(t *testing.T) {
	main, second := t.TempDir(), t.TempDir()
	f := openFiles(t, Config{Main: main, Second: second})
	b := content(1, 1000)
	mustPublish(t, f, public, b)
	if err := f.Move(t.Context(), second, f.log); err != nil {
		t.Fatal(err)
	}
	if f.Twofold() {
		t.Error("there are two places still")
	}
	next := strings.ReplaceAll(public, "1.xo", "2.xo")
	mustPublish(t, f, next, b)
	mustHold(t, main, next, nil)
	mustHold(t, second, next, b)
}

func TestOnePlaceIsNotTwo(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, second := range []string{dir, dir + "/", link, "file://" + link} {
		_, err := Open(t.Context(), Config{Main: dir, Second: second})
		if e, ok := errors.AsType[*remora.Error](err); !ok || e.Kind != remora.KindInvalid || !strings.Contains(e.Message, dir) {
			t.Errorf("%s as a second place of %s: %v", second, dir, err)
		}
	}
}

// However much each of two takes of what is read once, both get all they ask for, and the first fault
// ends both.
func TestBoth(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(0, 300_000).Draw(rt, "size")
		b := content(1, size)
		var r io.Reader = bytes.NewReader(b)
		switch rapid.IntRange(0, 3).Draw(rt, "reader") {
		case 1:
			r = iotest.HalfReader(r)
		case 2:
			r = iotest.DataErrReader(r)
		}
		broken := errors.New("broken")
		breaks := rapid.Bool().Draw(rt, "breaks")
		if breaks {
			r = io.MultiReader(r, iotest.ErrReader(broken))
		}
		failed := errors.New("failed")
		taker := func(label string) func(context.Context, io.Reader) error {
			take := rapid.IntRange(0, 400_000).Draw(rt, label)
			fails := rapid.IntRange(0, 3).Draw(rt, label+" fails") == 0
			return func(_ context.Context, r io.Reader) error {
				got, err := io.ReadAll(io.LimitReader(r, int64(take)))
				if fails {
					return failed
				}
				if err == nil && !bytes.Equal(got, b[:min(take, len(b))]) {
					return fmt.Errorf("%s has %d other bytes", label, len(got))
				}
				return err
			}
		}
		err := both(t.Context(), r, taker("one"), taker("other"))
		if err != nil && !errors.Is(err, failed) && !errors.Is(err, context.Canceled) && (!breaks || !errors.Is(err, broken)) {
			rt.Fatal(err)
		}
		if errors.Is(err, context.Canceled) {
			rt.Fatalf("the fault of the other is lost: %v", err)
		}
	})
}

// What is kept free of a disk no upload takes, and the rest goes on.
func TestReserve(t *testing.T) {
	main := t.TempDir()
	b := content(1, 1000)
	name := uploadName(b)
	if err := put(t.Context(), openFiles(t, Config{Main: main}), name, b); err != nil {
		t.Fatal(err)
	}
	f := openFiles(t, Config{Main: main, Copy: t.TempDir(), Reserve: 1 << 60})
	var e *remora.Error
	if err := put(t.Context(), f, uploadName(content(2, 10)), content(2, 10)); !errors.As(err, &e) || e.Kind != remora.KindUnavailable || !strings.Contains(e.Message, "space") {
		t.Errorf("Put: %v, want that there is no space", err)
	}
	if err := errors.Join(put(t.Context(), f, name, b), f.Link(t.Context(), name, "public/x"), f.Remove(t.Context(), "public/x")); err != nil {
		t.Error(err)
	}
}
