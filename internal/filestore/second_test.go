package filestore

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// A catalog of some offers.
type catalog struct {
	mu   sync.Mutex
	kept []sqlstore.KeptFile
	err  error
	told func() // after each answer; nil: nothing
}

func (c *catalog) Kept(context.Context) ([]sqlstore.KeptFile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told != nil {
		defer c.told()
	}
	return slices.Clone(c.kept), c.err
}

func (c *catalog) add(o offer) {
	for name, b := range o.files() {
		k := sqlstore.KeptFile{Name: name, Size: int64(len(b)), SHA256: sha256.Sum256(b)}
		if name == o.public() {
			k.Name, k.Public = uploadName(b), []string{name}
		} else {
			k.Size = -1
		}
		c.kept = append(c.kept, k)
	}
}

// One file that was lost does not have all others looked at again and again.
func TestKeepSecondRests(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		f := openFiles(t, Config{Main: dirs[0], Second: dirs[1]})
		var c catalog
		c.add(newOffer(1))
		times := 0
		c.told = func() { times++ }
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Hour) // of the bubble
		defer cancel()
		if err := f.KeepSecond(ctx, &c, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
		if times < 4 || times > 2*7 {
			t.Errorf("the catalog was asked %d times within six hours", times)
		}
	})
}

// A second place that is new gets everything, and bundles in it are one file with two names.
func TestKeepSecond(t *testing.T) {
	main, second := t.TempDir(), t.TempDir()
	one := openFiles(t, Config{Main: main})
	a, b := newOffer(1), newOffer(2)
	for _, o := range []offer{a, b} {
		if err := o.store(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	var c catalog
	c.add(a)
	c.add(b)
	f := openFiles(t, Config{Main: main, Second: second})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.KeepSecond(ctx, &c, slog.New(slog.DiscardHandler)) }()
	until(t, second, nil, a, b)
	for _, o := range []offer{a, b} {
		public, perr := os.Stat(filepath.Join(second, o.public()))
		upload, uerr := os.Stat(filepath.Join(second, uploadName(o.bundle)))
		if err := errors.Join(perr, uerr); err != nil || !os.SameFile(public, upload) {
			t.Errorf("%s is no link: %v", o.public(), err)
		}
	}
	// There is no second any more when everything moves there.
	if err := f.Move(t.Context(), second, f.log); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What is withdrawn while a second place is filled, which may take hours, gets no public name there.
func TestKeepSecondWhileOneIsWithdrawn(t *testing.T) {
	main, second := t.TempDir(), t.TempDir()
	one := openFiles(t, Config{Main: main})
	a, gone := newOffer(1), newOffer(2)
	for _, o := range []offer{a, gone} {
		if err := o.store(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	f := openFiles(t, Config{Main: main, Second: second})
	var c catalog
	c.add(a)
	c.add(gone)
	c.told = func() {
		for i := range c.kept {
			c.kept[i].Public = slices.DeleteFunc(slices.Clone(c.kept[i].Public), func(name string) bool { return name == gone.public() })
		}
		if err := f.Remove(t.Context(), gone.public()); err != nil && remora.KindOf(err) != remora.KindNotFound {
			t.Error(err)
		}
	}
	if err := f.fillSecond(t.Context(), f.homes.Load(), &c, f.log); err != nil {
		t.Error(err)
	}
	mustHold(t, second, a.public(), a.bundle)
	mustHold(t, second, gone.public(), nil)
}

// One file that is nowhere keeps no other from its place, and is told of.
func TestKeepSecondWithALoss(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		f := openFiles(t, Config{Main: dirs[0], Second: dirs[1]})
		a := newOffer(1)
		if err := a.store(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dirs[1]); err != nil {
			t.Fatal(err)
		}
		f = openFiles(t, Config{Main: dirs[0], Second: dirs[1]})
		var c catalog
		for i := range 20 {
			c.add(newOffer(2 + i)) // of which nothing is stored
		}
		c.add(a)
		err := f.fillSecond(t.Context(), f.homes.Load(), &c, f.log)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
		if err != nil && (len(err.Error()) > 1000 || !strings.Contains(err.Error(), " 20 could ")) {
			t.Errorf("it is said in %d bytes: %v", len(err.Error()), err)
		}
		for name, b := range a.files() {
			mustHold(t, dirs[1], name, b)
		}
	})
}

// A catalog that does not answer is asked again.
func TestKeepSecondWithoutACatalog(t *testing.T) {
	var log lockedBuffer
	f := openFiles(t, Config{Main: t.TempDir(), Second: t.TempDir()})
	c := &catalog{err: errors.New("away")}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.KeepSecond(ctx, c, slog.New(slog.NewTextHandler(&log, nil))) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for give := time.Now().Add(time.Minute); log.String() == ""; <-tick.C {
		if time.Now().After(give) {
			t.Fatal("nothing is logged")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
