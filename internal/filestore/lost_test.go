package filestore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// A second place that is not there when the process begins, as a folder whose disk is gone, stops no
// download and no withdrawal, and gets everything when it is back.
func TestTheSecondPlaceIsLostAtTheStart(t *testing.T) {
	main, at := t.TempDir(), t.TempDir()
	second := filepath.Join(at, "disk", "files")
	one := openFiles(t, Config{Main: main})
	kept, gone := newOffer(1), newOffer(2)
	for _, o := range []offer{kept, gone} {
		if err := o.store(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	var c catalog
	c.add(kept)
	if err := os.WriteFile(filepath.Dir(second), nil, 0o600); err != nil { // where root makes no folder either
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f := openFiles(t, Config{Main: main, Second: second})
		if !f.Twofold() {
			t.Error("a second place that is lost is none that was never asked for")
		}
		if got, err := readAll(ctx, f, kept.public()); err != nil || !bytes.Equal(got, kept.bundle) {
			t.Errorf("a download: %d bytes, %v", len(got), err)
		}
		late := newOffer(3)
		mustFail(t, "an upload", late.store(ctx, f), "files.second")
		mustFail(t, "offering", f.Link(ctx, uploadName(kept.bundle), late.public()), "files.second")
		mustFail(t, "a look at it", f.TrySecond(ctx), "files.second")
		err := f.Remove(ctx, gone.public())
		mustFail(t, "a withdrawal", err, "files.second")
		if m := remora.MessageOf(err); !strings.Contains(m, "gone from the first place") {
			t.Errorf("a withdrawal: %s", m)
		}
		mustHold(t, main, gone.public(), nil)
		mustHold(t, main, late.public(), nil)

		ended := make(chan error, 1)
		go func() { ended <- f.KeepSecond(ctx, &c, slog.New(slog.DiscardHandler)) }()
		if err := os.Remove(filepath.Dir(second)); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * secondRetry) // in virtual time
		synctest.Wait()
		until(t, second, nil, kept)
		if err := late.store(ctx, f); err != nil {
			t.Errorf("an upload when it is back: %v", err)
		}
		mustHold(t, second, late.public(), late.bundle)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// What stores something looks for a lost place itself, but not each time anew.
func TestALostPlaceIsLookedForByWriters(t *testing.T) {
	main, at := t.TempDir(), t.TempDir()
	second := filepath.Join(at, "disk", "files")
	if err := os.WriteFile(filepath.Dir(second), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		f := openFiles(t, Config{Main: main, Second: second})
		o := newOffer(1)
		mustFail(t, "an upload", o.store(t.Context(), f), "files.second")
		if err := os.Remove(filepath.Dir(second)); err != nil {
			t.Fatal(err)
		}
		mustFail(t, "an upload right after it", o.store(t.Context(), f), "files.second")
		<-time.After(lostFor) // in virtual time
		if err := o.store(t.Context(), f); err != nil {
			t.Errorf("an upload when it is back: %v", err)
		}
		mustHold(t, second, o.public(), o.bundle)
	})
}

// A place that hangs holds up who stores something for a while only, and is never opened twice at a time.
func TestALostPlaceThatHangs(t *testing.T) {
	main, at := t.TempDir(), t.TempDir()
	second := filepath.Join(at, "disk", "files")
	if err := os.WriteFile(filepath.Dir(second), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		f := openFiles(t, Config{Main: main, Second: second})
		if err := os.Remove(filepath.Dir(second)); err != nil {
			t.Fatal(err)
		}
		hung := &attempt{done: make(chan struct{})}
		f.search.now = hung
		o := newOffer(1)
		for range 3 {
			start := time.Now()
			mustFail(t, "an upload", o.store(t.Context(), f), "files.second")
			if took := time.Since(start); took > 2*lostPatience {
				t.Errorf("it took %v", took)
			}
			if f.search.now != hung {
				t.Fatal("it was opened once more while that was under way")
			}
			<-time.After(lostFor) // in virtual time
		}
		hung.store, hung.err = f.open(t.Context(), second, false)
		close(hung.done)
		if err := o.store(t.Context(), f); err != nil {
			t.Errorf("an upload when it answers: %v", err)
		}
		mustHold(t, second, o.public(), o.bundle)
	})
}

// What is opened too late is closed.
func TestALostPlaceThatComesAfterTheEnd(t *testing.T) {
	f := openFiles(t, Config{Main: t.TempDir()})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.open(t.Context(), t.TempDir(), false); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("opened after the end: %v", err)
	}
}

// What can never be a second place is refused at once.
func TestNoSecondPlaceAtAll(t *testing.T) {
	_, err := Open(t.Context(), Config{Main: t.TempDir(), Second: "nfs://192.0.2.1/srv/files"})
	if err == nil || remora.MessageOf(err) == "" {
		t.Errorf("a public address: %v", err)
	}
}
