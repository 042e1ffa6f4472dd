// Package filestore is a store of bundles as the catalog wants it: with the kinds of errors that pages
// and commands understand, with a copy of what is offered beside it, and able to move while it is
// used.
package filestore

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/published"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
)

// Files are where bundles and icons are kept, and the copy of what is offered if there is one. It
// turns the sentinels of nfsstore into kinds, which commands and pages understand.
type Files struct {
	main atomic.Pointer[nfsstore.Store]
	copy *nfsstore.Store   // nil: none
	left []*nfsstore.Store // moved away from

	reading reading

	moving sync.Mutex
	moved  chan struct{} // closed at the next move
	stats  atomic.Pointer[nfsstore.MirrorStats]
}

// Open opens the place at main, a folder or a URL, and the folder of the copy; "" or main itself: there
// is none. The caller closes it.
func Open(ctx context.Context, at, copied string, log *slog.Logger) (_ *Files, err error) {
	f := &Files{moved: make(chan struct{})}
	main, err := openStore(ctx, at, false, log)
	if err != nil {
		return nil, err
	}
	f.main.Store(main)
	if copied != "" && copied != at {
		if f.copy, err = openStore(ctx, copied, false, log); err != nil {
			return nil, errors.Join(err, main.Close())
		}
	}
	return f, nil
}

func openStore(ctx context.Context, at string, readOnly bool, log *slog.Logger) (*nfsstore.Store, error) {
	store, err := nfsstore.Open(ctx, at, &nfsstore.Options{Logger: log, ReadOnly: readOnly})
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindUnavailable, Message: "The files folder " + at + " cannot be used.", Err: err}
	}
	return store, nil
}

// OpenPlain opens one place without a copy, to write to or only to read.
func OpenPlain(ctx context.Context, at string, readOnly bool) (*Files, error) {
	store, err := openStore(ctx, at, readOnly, nil)
	if err != nil {
		return nil, err
	}
	f := &Files{moved: make(chan struct{})}
	f.main.Store(store)
	return f, nil
}

// Copied reports whether there is a copy beside the place where everything is.
func (f *Files) Copied() bool { return f.copy != nil }

// Sweep removes what writers left behind that were killed; see [nfsstore.Store.Sweep].
func (f *Files) Sweep(ctx context.Context, olderThan time.Duration) (int, error) {
	return f.main.Load().Sweep(ctx, olderThan)
}

// Behind returns how many files the copy is known to lack, as far as [Files.KeepCopy] has got.
func (f *Files) Behind() int {
	if s := f.stats.Load(); s != nil {
		return s.Behind
	}
	return 0
}

// Try stores a small file, and reads it past the copy.
func (f *Files) Try(ctx context.Context) error {
	const name, text = "canary/monitor", "alive\n"
	sum := sha256.Sum256([]byte(text))
	if err := f.Put(ctx, name, strings.NewReader(text), int64(len(text)), sum[:]); err != nil {
		return err
	}
	file, err := f.main.Load().Open(ctx, name)
	if err != nil {
		return kindOfFile(err, name)
	}
	got := make([]byte, len(text)+1)
	n, err := file.Read(got)
	if err = errors.Join(err, file.Close()); err != nil || string(got[:n]) != text {
		return errors.Join(errors.New("what is read is not what was stored"), err)
	}
	return nil
}

// Put implements [remora.Files].
func (f *Files) Put(ctx context.Context, name string, r io.Reader, size int64, sum []byte) error {
	return kindOfFile(f.main.Load().Put(ctx, name, r, size, sum), name)
}

// Link implements [remora.Files].
func (f *Files) Link(ctx context.Context, from, to string) error {
	return kindOfFile(f.main.Load().Link(ctx, from, to), to)
}

// Remove implements [remora.Files].
func (f *Files) Remove(ctx context.Context, name string) error {
	return kindOfFile(f.main.Load().Remove(ctx, name), name)
}

// Move makes another place the one where everything is. What is under way at the old one goes on there.
func (f *Files) Move(ctx context.Context, to string, log *slog.Logger) error {
	store, err := openStore(ctx, to, false, log)
	if err != nil {
		return err
	}
	f.left = append(f.left, f.main.Swap(store))
	f.moving.Lock()
	close(f.moved)
	f.moved = make(chan struct{})
	f.moving.Unlock()
	log.Info("the files are kept elsewhere now", "url", to)
	return nil
}

// feedPoll is how often the change feed is asked what is to be copied.
const feedPoll = 100 * time.Millisecond

// KeepCopy keeps in the copy what is published, until ctx ends.
func (f *Files) KeepCopy(ctx context.Context, feed remora.Feed, log *slog.Logger) error {
	for ctx.Err() == nil {
		f.moving.Lock()
		moved := f.moved
		f.moving.Unlock()
		from := f.main.Load()
		until, cancel := context.WithCancel(ctx)
		var work errgroup.Group
		work.Go(func() error {
			defer cancel()
			select {
			case <-moved:
			case <-until.Done():
			}
			return nil
		})
		changes := make(chan nfsstore.Change)
		work.Go(func() error {
			return published.Follow(until, feed, feedPoll, log, func(c published.Change) error {
				change, err := f.change(until, from, c)
				if err != nil {
					log.Warn("a file cannot be copied; it is tried again when it changes", "file", c.Name, "error", err)
					return nil
				}
				select {
				case changes <- change:
					return nil
				case <-until.Done():
					return until.Err()
				}
			})
		})
		work.Go(func() error {
			return nfsstore.Mirror(until, f.copy, from, changes, &nfsstore.MirrorOptions{Logger: log, Progress: func(s nfsstore.MirrorStats) { f.stats.Store(&s) }})
		})
		err := work.Wait()
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// change asks for the size of an icon, which the catalog does not know.
func (f *Files) change(ctx context.Context, from *nfsstore.Store, c published.Change) (nfsstore.Change, error) {
	n := nfsstore.Change{Name: c.Name, Size: c.Size, SHA256: c.SHA256[:], Gone: c.Gone}
	if c.Gone || c.Size >= 0 {
		return n, nil
	}
	file, err := from.Open(ctx, c.Name)
	if err != nil {
		return n, err
	}
	info, err := file.Stat()
	if err = errors.Join(err, file.Close()); err == nil {
		n.Size = info.Size()
	}
	return n, err
}

// Close closes every place; what is under way fails.
func (f *Files) Close() error {
	err := errors.Join(f.main.Load().Close(), f.reading.close())
	for _, store := range f.left {
		err = errors.Join(err, store.Close())
	}
	if f.copy != nil {
		err = errors.Join(err, f.copy.Close())
	}
	return err
}

func kindOfFile(err error, name string) error {
	for _, row := range []struct {
		is      error
		kind    remora.Kind
		message string
	}{
		{nfsstore.ErrNoSpace, remora.KindUnavailable, "There is no space left for the bundles."},
		{nfsstore.ErrReadOnly, remora.KindUnavailable, "The folder of the bundles cannot be written to."},
		{nfsstore.ErrUnavailable, remora.KindUnavailable, "The folder of the bundles does not answer as it should."},
		{nfsstore.ErrCorrupt, remora.KindCorrupt, "The bytes that arrived are not those that were checked."},
		{nfsstore.ErrName, remora.KindInvalid, "The name " + name + " cannot be a file's."},
		{fs.ErrExist, remora.KindConflict, "The file " + name + " is there with other content. If it is damaged, restore it from a backup, or move it away and do this again."},
		{fs.ErrNotExist, remora.KindNotFound, "There is no file " + name + "."},
	} {
		if errors.Is(err, row.is) {
			return &remora.Error{Kind: row.kind, Op: "files", Message: row.message, Err: err}
		}
	}
	return err
}
