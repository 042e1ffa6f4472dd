package nfsstore

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// maxKnown bounds the memory for directories known to be safe; when it is reached they are
// forgotten, which costs some syncs.
const maxKnown = 4096

// A Store keeps files in one directory. Its methods may be called concurrently.
type Store struct {
	dir      string // in messages
	vol      vol.Vol
	gate     *gate
	log      *slog.Logger
	readOnly bool

	readTimeout time.Duration // of one read where it may hang
	moves       atomic.Bool   // files get their names by moving, for want of links
	probed      atomic.Bool   // the volume has shown that it can do what is needed
	pulse       pulse
	budget      *budget

	closing sync.Once
	closed  error

	mu    sync.Mutex
	known map[string]struct{} // directories whose own names are on disk
	temps map[string]struct{} // temporary files of running calls, not to be swept
}

// Close releases the directory or the export. Open files of a directory stay usable, and calls that
// are running finish; on an export both fail with [fs.ErrClosed]. Further calls fail with [fs.ErrClosed], except Close, which returns what it returned.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closed = s.vol.Close() })
	return s.closed
}

// Open opens a file for reading; it is also an [io.ReaderAt] and an [io.Seeker]. In a directory of a
// local disk it is an [os.File], which net/http sends without copying. The context bounds the opening
// only. On a mount each read is bounded by [Options].ReadTimeout, on an nfs:// store by the timeout of
// the url; after it, reading fails with an error that matches [ErrUnavailable]. Close ends what is
// under way.
//
// Removing its name does not disturb an open file, except on NFS when another machine removes it,
// or any on an nfs:// store. Then the file is opened once more: reading goes on when the name has the
// same file still, by its size and time, and fails with [ErrChanged] when it has another, or with
// ErrUnavailable when it is gone. The error of Open may match [fs.ErrNotExist], also when name is a
// directory.
func (s *Store) Open(ctx context.Context, name string) (fs.File, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	f, info, err := s.open(ctx, name)
	if err != nil {
		return nil, s.fail("open", name, reading, err)
	}
	return s.handOut(name, f, info), nil
}

// open opens a regular file. Its errors are those of the system. That there is none it does not take
// from a cache.
func (s *Store) open(ctx context.Context, name string) (vol.File, fs.FileInfo, error) {
	f, info, err := s.openCached(ctx, name)
	if s.refresh(ctx, name, err) {
		f, info, err = s.openCached(ctx, name)
	}
	return f, info, err
}

// refresh reports whether it may be worth looking again for a name that was not found.
func (s *Store) refresh(ctx context.Context, name string, err error) bool {
	r, ok := s.vol.(vol.Refresher)
	if !ok || !vol.Absent(err) {
		return false
	}
	again, err := through(ctx, s.gate, func() (bool, error) { return r.Refresh(ctx, name), nil }, nil)
	return err == nil && again
}

// openCached is open where a client may say for a while that a new file is absent.
func (s *Store) openCached(ctx context.Context, name string) (vol.File, fs.FileInfo, error) {
	type opened struct {
		f    vol.File
		info fs.FileInfo
	}
	o, err := through(ctx, s.gate, func() (o opened, err error) {
		if o.f, err = s.vol.Open(ctx, name); isStale(err) {
			// The directory was made anew, or the name is another file now; once is enough
			// for the client to look again.
			o.f, err = s.vol.Open(ctx, name)
		}
		if err != nil {
			return o, err
		}
		if o.info, err = o.f.Stat(); err == nil && !o.info.Mode().IsRegular() {
			err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		if err != nil {
			return o, errors.Join(err, o.f.Close())
		}
		return o, nil
	}, func(late opened) { s.report("closing a file", name, late.f.Close()) })
	if err != nil {
		return nil, nil, err
	}
	return o.f, o.info, nil
}

// Remove takes a name away. Other names of the same content stay. The error may match
// [fs.ErrNotExist]; that too is then safe from a power cut.
//
// What is removed is moved to a folder of the day below .trash, under a name that begins with the
// moment and ends with what it was called, and [Store.Sweep] takes it away for good after 24 hours; so
// its space is not free before. It goes straight away when the disk is nearly full (less than a
// twentieth is free, and less than 1 GiB or Options.Reserve), when a file did not fit in the last ten
// minutes, and when it cannot be moved there.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := s.mayWrite("remove", name); err != nil {
		return err
	}
	gone := &failure{op: "remove", name: name, kind: fs.ErrNotExist, sentence: "there is no such file"}
	info, err := s.stat(ctx, name)
	if err == nil && info.IsDir() {
		return gone // it is no file of ours
	}
	if err == nil {
		err = s.bury(ctx, name)
	}
	absent := vol.Absent(err)
	if err == nil || absent {
		// Also when it was gone: whoever removed it may have been killed before this.
		err = s.gate.do(ctx, func() error { return s.vol.Persist(ctx, name, false) })
	}
	switch {
	case err != nil:
		return s.fail("remove", name, writing, err)
	case absent:
		return gone
	}
	return nil
}

// mayWrite checks what every writing call needs.
func (s *Store) mayWrite(op string, names ...string) error {
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	if s.readOnly {
		return &failure{op: op, name: names[0], kind: ErrReadOnly, sentence: "the store was opened read-only"}
	}
	return nil
}

// makeDir makes a directory with its parents and makes their names safe. A directory that is there
// already is not taken on trust: its maker may not have come to the sync.
func (s *Store) makeDir(ctx context.Context, dir string) error {
	if dir == "." || s.knows(dir) {
		return nil
	}
	if err := s.makeDir(ctx, path.Dir(dir)); err != nil {
		return err
	}
	err := s.gate.do(ctx, func() error {
		if err := s.vol.Mkdir(ctx, dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return s.vol.Persist(ctx, dir, true)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxKnown {
		clear(s.known)
	}
	s.known[dir] = struct{}{}
	return nil
}

func (s *Store) knows(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.known[dir]
	return ok
}

// inDir calls f after making dir. When f finds no directory, because somebody removed it since, it
// is made anew, once. A server under which it was removed may only know that its handle is stale.
func (s *Store) inDir(ctx context.Context, dir string, f func() error) error {
	err := s.makeDir(ctx, dir)
	if err == nil {
		err = f()
	}
	if !errors.Is(err, fs.ErrNotExist) && !isStale(err) {
		return err
	}
	s.mu.Lock()
	clear(s.known)
	s.mu.Unlock()
	if err := s.makeDir(ctx, dir); err != nil {
		return err
	}
	return f()
}

// safe makes a name safe from a power cut.
func (s *Store) safe(ctx context.Context, name string) error {
	return s.gate.do(ctx, func() error { return s.vol.Persist(ctx, name, true) })
}
