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
	dir      string
	vol      volume
	gate     gate
	log      *slog.Logger
	readOnly bool

	closing sync.Once
	closed  error

	mu    sync.Mutex
	known map[string]struct{} // directories whose own names are on disk
	temps map[string]struct{} // temporary files of running calls, not to be swept
}

// Open returns the store in dir, which it makes when absent. It tries out what the package needs:
// it writes, syncs, links, reads back and removes a small file, so that a mount that is missing,
// read-only or has no hard links is refused here and not at the first upload. A full disk is not
// refused: its files can still be read.
func Open(dir string, o *Options) (*Store, error) {
	if o == nil {
		o = new(Options)
	}
	s := &Store{
		dir: dir, readOnly: o.ReadOnly, log: o.Logger,
		known: make(map[string]struct{}), temps: make(map[string]struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	switch {
	case dir == "":
		return nil, &failure{op: "open", kind: fs.ErrInvalid, sentence: "no directory was given"}
	case o.Concurrency < 0:
		return nil, &failure{op: "open", name: dir, kind: fs.ErrInvalid, sentence: fmt.Sprintf("the concurrency of %d is below 0", o.Concurrency)}
	case o.Concurrency == 0:
		s.gate = make(gate, 64)
	default:
		s.gate = make(gate, o.Concurrency)
	}
	if !s.readOnly {
		if err := makeRoot(dir); err != nil {
			return nil, s.fail("open", dir, writing, err)
		}
	}
	d, err := newDisk(dir)
	if err != nil {
		return nil, s.fail("open", dir, reading, err)
	}
	s.vol = d
	if s.readOnly {
		return s, nil
	}
	switch err := s.probe(); {
	case errors.Is(err, ErrNoSpace):
		s.log.Warn("The file system is full; files can be read but not stored.", "dir", dir, "error", err)
	case err != nil:
		return nil, errors.Join(err, d.close())
	}
	return s, nil
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
func (s *Store) probe() (err error) {
	step := func(what string, err error) error {
		if err == nil {
			return nil
		}
		f, _ := errors.AsType[*failure](s.fail("open", s.dir, writing, err)) // it is always one
		f.sentence = "trying the folder out, " + what + " failed: " + f.sentence
		return f
	}
	now := time.Now()
	a, b := newTemp(".", now), newTemp(".", now)
	content := []byte("nfsstore tries this folder out; it may be removed\n")

	f, err := s.vol.create(a)
	if err != nil {
		return step("making a file", err)
	}
	defer func() {
		for _, name := range []string{a, b} {
			if rerr := s.vol.remove(name); err == nil && rerr != nil {
				err = step("removing a file", rerr)
			}
		}
		if err == nil {
			err = step("syncing the folder", s.vol.syncDir("."))
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return step("writing a file", err)
	}
	if err := s.vol.link(a, b); err != nil {
		if classify(err) == faultSpace || classify(err) == faultQuota {
			return step("linking a file", err)
		}
		return &failure{op: "open", name: s.dir, kind: ErrReadOnly, err: err, sentence: "the file system of this folder " +
			"makes no hard links, without which nothing can be stored safely; choose a folder on another (ext4, XFS, Btrfs, NFS)"}
	}
	if err := s.vol.link(a, b); !errors.Is(err, fs.ErrExist) {
		return &failure{op: "open", name: s.dir, kind: ErrUnavailable, err: err, sentence: "the file system of this folder " +
			"lets a link replace a file; choose a folder on another"}
	}
	r, err := s.vol.open(b)
	if err != nil {
		return step("opening a file", err)
	}
	got, err := io.ReadAll(io.LimitReader(r, int64(len(content))+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return step("reading a file", err)
	}
	if !bytes.Equal(got, content) {
		return &failure{op: "open", name: s.dir, kind: ErrUnavailable, sentence: "the file system of this folder gives other bytes than were written"}
	}
	return nil
}

// Close releases the directory. Open files stay usable; calls that are running finish. Further
// calls fail with [fs.ErrClosed], except Close, which returns what it returned.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closed = s.vol.close() })
	return s.closed
}

// Open opens a file for reading. It is an [os.File], so also an [io.ReaderAt] and an [io.Seeker],
// and net/http sends it without copying. Removing its name does not disturb it, except on an NFS
// mount when another machine removes it: then reads fail with ESTALE. The error may match
// [fs.ErrNotExist], also when name is a directory.
func (s *Store) Open(ctx context.Context, name string) (fs.File, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	f, _, err := s.open(ctx, name)
	if err != nil {
		return nil, s.fail("open", name, reading, err)
	}
	return f, nil
}

// open opens a regular file. Its errors are those of the system.
func (s *Store) open(ctx context.Context, name string) (f *os.File, info fs.FileInfo, err error) {
	err = s.gate.do(ctx, func() error {
		if f, err = s.vol.open(name); isStale(err) {
			// The directory was made anew, or the name is another file now; once is enough
			// for the client to look again.
			f, err = s.vol.open(name)
		}
		if err != nil {
			return err
		}
		if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
			err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return f, info, nil
}

// Remove takes a name away. Other names of the same content stay. The error may match
// [fs.ErrNotExist]; that too is then safe from a power cut.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := s.mayWrite("remove", name); err != nil {
		return err
	}
	dir := path.Dir(name)
	var absent bool
	err := s.gate.do(ctx, func() error {
		info, err := s.vol.stat(name)
		if err == nil && info.IsDir() {
			// Root.Remove would take an empty directory, which is no file of ours.
			absent = true
			return nil
		}
		if err == nil {
			err = s.vol.remove(name)
		}
		absent = errors.Is(err, fs.ErrNotExist) || classify(err) == faultNotDir
		if err != nil && !absent {
			return err
		}
		// Also when it was gone: whoever removed it may have been killed before this.
		if err := s.vol.syncDir(dir); err != nil && !(absent && (errors.Is(err, fs.ErrNotExist) || classify(err) == faultNotDir)) {
			return err
		}
		return nil
	})
	if err == nil && absent {
		return &failure{op: "remove", name: name, kind: fs.ErrNotExist, sentence: "there is no such file"}
	}
	if err != nil {
		return s.fail("remove", name, writing, err)
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
	parent := path.Dir(dir)
	if err := s.makeDir(ctx, parent); err != nil {
		return err
	}
	err := s.gate.do(ctx, func() error {
		if err := s.vol.mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return s.vol.syncDir(parent)
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
// is made anew, once.
func (s *Store) inDir(ctx context.Context, dir string, f func() error) error {
	err := s.makeDir(ctx, dir)
	if err == nil {
		err = f()
	}
	if !errors.Is(err, fs.ErrNotExist) {
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

func (s *Store) syncDir(ctx context.Context, dir string) error {
	return s.gate.do(ctx, func() error { return s.vol.syncDir(dir) })
}
