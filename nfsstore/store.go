package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Options change what [Open] does. The zero value and nil are good.
type Options struct {
	// Logger hears of what is no error to a caller, such as a temporary file that could not be
	// removed; nil discards.
	Logger *slog.Logger
	// ReadOnly makes a store that writes nothing, not even to try the directory out, and whose
	// writing methods fail with ErrReadOnly. The directory must exist.
	ReadOnly bool
	// Concurrency bounds how many calls are inside the file system at a time; 0: 64.
	Concurrency int
}

// maxKnown bounds the memory for directories known to be safe; when it is reached they are
// forgotten, which costs some syncs.
const maxKnown = 4096

// A Store keeps files in one directory. Its methods may be called concurrently.
type Store struct {
	dir      string // in messages
	vol      volume
	gate     *gate
	log      *slog.Logger
	readOnly bool
	probed   atomic.Bool // the volume has shown that it can do what is needed

	closing sync.Once
	closed  error

	mu    sync.Mutex
	known map[string]struct{} // directories whose own names are on disk
	temps map[string]struct{} // temporary files of running calls, not to be swept
}

// Open returns the store at url: file:///abs/dir (or a plain path) for a directory, on a local disk
// or on a mount, or nfs://host[:port]/export/dir for an export of NFS version 3, which is reached
// without a mount. After a question mark nfs takes uid=N and gid=N (who this process is to the
// server; 0 when absent), mountport=N (with port, no portmapper is needed) and timeout=30s (of each
// of its calls). All mistakes of url and o are reported at once and match [fs.ErrInvalid].
//
// AUTH_SYS, by which NFS knows its users, believes everybody. So a host with an address that is not
// private (loopback, link-local, RFC 1918, RFC 4193 or RFC 6598) is refused, now or whenever it is
// resolved.
//
// A directory is made when absent. Open tries out what the package needs: it writes, syncs, links,
// reads back and removes a small file, so that a mount that is missing, read-only or has no hard
// links is refused here and not at the first upload. A full disk is not refused: its files can
// still be read. An export whose server does not answer (within 3 seconds, or the time of ctx) is
// not refused either: calls fail with [ErrUnavailable] until it does, and the trial is made up for
// at the first call that writes.
func Open(ctx context.Context, url string, o *Options) (*Store, error) {
	if o == nil {
		o = new(Options)
	}
	at, err := parseLocation(url)
	var errs []error
	if err != nil {
		errs = append(errs, err)
	}
	if o.Concurrency < 0 {
		errs = append(errs, &failure{op: "open", name: url, kind: fs.ErrInvalid, sentence: fmt.Sprintf("the concurrency of %d is below 0", o.Concurrency)})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s := &Store{
		dir: at.String(), readOnly: o.ReadOnly, log: o.Logger,
		known: make(map[string]struct{}), temps: make(map[string]struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	slots := o.Concurrency
	if slots == 0 {
		slots = 64
	}
	if at.dir != "" {
		err = s.openDisk(ctx, at.dir, slots)
	} else {
		err = s.openExport(ctx, at, slots)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openDisk finishes the store of a directory.
func (s *Store) openDisk(ctx context.Context, dir string, slots int) error {
	// A mount whose server is gone hangs from the first look on; what kind it is shows only after.
	s.gate = newGate(slots, true)
	d, err := through(ctx, s.gate, func() (*disk, error) {
		if !s.readOnly {
			if err := makeRoot(dir); err != nil {
				return nil, err
			}
		}
		return newDisk(dir)
	}, func(late *disk) { s.report("closing the folder", ".", late.close()) })
	if err != nil {
		return s.fail("open", dir, !s.readOnly, err)
	}
	s.vol = d
	s.gate.apart = d.hangs
	if err := s.tryOut(ctx); err != nil {
		return errors.Join(err, d.close())
	}
	return nil
}

// tryOut probes the volume unless that was done.
func (s *Store) tryOut(ctx context.Context) error {
	if s.readOnly || s.probed.Load() {
		return nil
	}
	switch err := s.gate.do(ctx, func() error { return s.probe(ctx) }); {
	case errors.Is(err, ErrNoSpace):
		s.log.Warn("The file system is full; files can be read but not stored.", "store", s.dir, "error", err)
	case err != nil:
		return s.fail("open", s.dir, writing, err)
	}
	s.probed.Store(true)
	return nil
}

// makeRoot makes the directory and makes its name safe, with those of the parents it made.
func makeRoot(dir string) error {
	dir = filepath.Clean(dir)
	var made []string // parents that got a new entry
	for at := dir; ; {
		parent := filepath.Dir(at)
		_, err := os.Stat(at)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil || parent == at {
			break
		}
		made = append(made, parent)
		at = parent
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, parent := range made {
		f, err := os.Open(parent)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// probe does once what every Put does, and looks at the result.
func (s *Store) probe(ctx context.Context) (err error) {
	step := func(what string, err error) error {
		if err == nil {
			return nil
		}
		f, _ := errors.AsType[*failure](s.fail("open", s.dir, writing, err)) // it is always one
		f.sentence = "trying it out, " + what + " failed: " + f.sentence
		return f
	}
	refuse := func(kind, err error, sentence string) error {
		return &failure{op: "open", name: s.dir, kind: kind, err: err, sentence: sentence}
	}
	now := time.Now()
	a, b := newTemp(".", now), newTemp(".", now)
	content := []byte("nfsstore tries this folder out; it may be removed\n")

	f, err := s.vol.create(ctx, a)
	if err != nil {
		return step("making a file", err)
	}
	defer func() {
		last, cancel := cleanup(ctx)
		defer cancel()
		for _, name := range []string{a, b} {
			if rerr := s.vol.remove(last, name); err == nil && rerr != nil {
				err = step("removing a file", rerr)
			}
		}
		if err == nil {
			err = step("syncing the folder", s.vol.settle(ctx, a, false))
		}
	}()
	err = f.write(ctx, content)
	if err == nil {
		err = f.sync(ctx)
	}
	if err = errors.Join(err, f.close(ctx)); err != nil {
		return step("writing a file", err)
	}
	if err := s.vol.link(ctx, a, b); err != nil {
		switch classify(err) {
		case faultSpace, faultQuota, faultIO, faultStale, faultAway:
			return step("linking a file", err)
		}
		if ctx.Err() != nil {
			return step("linking a file", err)
		}
		return refuse(ErrReadOnly, err, "its file system makes no hard links, without which nothing can be stored safely; choose a folder on another (ext4, XFS, Btrfs, NFS)")
	}
	if err := s.vol.link(ctx, a, b); !errors.Is(err, fs.ErrExist) {
		if err != nil {
			return step("linking a file again", err)
		}
		return refuse(ErrUnavailable, nil, "its file system lets a link replace a file; choose a folder on another")
	}
	r, err := s.vol.open(ctx, b)
	if err != nil {
		return step("opening a file", err)
	}
	got, err := io.ReadAll(io.LimitReader(r, int64(len(content))+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return step("reading a file", err)
	}
	if !bytes.Equal(got, content) {
		return refuse(ErrUnavailable, nil, "its file system gives other bytes than were written")
	}
	return nil
}

// Close releases the directory or the export. Open files of a directory stay usable, and calls that
// are running finish; on an export both fail with [fs.ErrClosed]. Further calls fail with [fs.ErrClosed], except Close, which returns what it returned.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closed = s.vol.close() })
	return s.closed
}

// Open opens a file for reading; it is also an [io.ReaderAt] and an [io.Seeker]. In a directory it
// is an [os.File], which net/http sends without copying. The context bounds the opening only; on an
// nfs:// store each read is bounded by the timeout of the url, and Close ends what is under way.
//
// Removing its name does not disturb an open file, except on NFS when another machine removes it,
// or any on an nfs:// store: then reads fail with an error that matches [ErrUnavailable], or on a
// mount with ESTALE. The error of Open may match [fs.ErrNotExist], also when name is a directory.
func (s *Store) Open(ctx context.Context, name string) (fs.File, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	f, _, err := s.open(ctx, name)
	if err != nil {
		return nil, s.fail("open", name, reading, err)
	}
	if f, ok := f.(*exportFile); ok {
		f.outlive(s, name)
	}
	return f, nil
}

// open opens a regular file. Its errors are those of the system.
func (s *Store) open(ctx context.Context, name string) (file, fs.FileInfo, error) {
	type opened struct {
		f    file
		info fs.FileInfo
	}
	o, err := through(ctx, s.gate, func() (o opened, err error) {
		if o.f, err = s.vol.open(ctx, name); isStale(err) {
			// The directory was made anew, or the name is another file now; once is enough
			// for the client to look again.
			o.f, err = s.vol.open(ctx, name)
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
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := s.mayWrite("remove", name); err != nil {
		return err
	}
	absent, err := through(ctx, s.gate, func() (absent bool, err error) {
		info, err := s.vol.stat(ctx, name)
		if err == nil && info.IsDir() {
			// Root.Remove would take an empty directory, which is no file of ours.
			return true, nil
		}
		if err == nil {
			err = s.vol.remove(ctx, name)
		}
		absent = errors.Is(err, fs.ErrNotExist) || classify(err) == faultNotDir
		if err != nil && !absent {
			return false, err
		}
		// Also when it was gone: whoever removed it may have been killed before this.
		return absent, s.vol.settle(ctx, name, false)
	}, nil)
	switch {
	case err != nil:
		return s.fail("remove", name, writing, err)
	case absent:
		return &failure{op: "remove", name: name, kind: fs.ErrNotExist, sentence: "there is no such file"}
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
		if err := s.vol.mkdir(ctx, dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return s.vol.settle(ctx, dir, true)
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
	return s.gate.do(ctx, func() error { return s.vol.settle(ctx, name, true) })
}
