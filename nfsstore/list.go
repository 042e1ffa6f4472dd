package nfsstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

const (
	// dirBatch is how many entries of a folder are read at a time.
	dirBatch = 512
	// statBatch is how many files are asked about in one go.
	statBatch = 64
	// maxSorted bounds how many entries of one folder are held to put them in order. A folder that
	// has more is read once for each so many.
	maxSorted = 16384
)

// List yields all files in the folder dir and in those below it; "." or "" is the whole store. They
// come folder by folder in the order of their names, as [fs.WalkDir] has it: the bytes of one element
// after the other decide, so a/b/c comes before a/b-c.
//
// What is no name for a file by [CheckName] is left out, such as all that begins with a dot, and so
// is what is no regular file. Names that come or go meanwhile may be seen or not; none is seen twice.
// An error is the last thing that List yields. It matches [fs.ErrNotExist] when dir is no folder.
//
// The memory for a folder is bounded, however many names it has (16,384 are put in order at a time).
func (s *Store) List(ctx context.Context, dir string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		var err error
		if dir == "" || dir == "." {
			dir = "."
		} else {
			err = CheckName(dir)
		}
		stopped := errors.New("nobody wants more")
		if err == nil {
			w := walk{s: s, file: func(i Info) error {
				if !yield(i, nil) {
					return stopped
				}
				return nil
			}}
			if err = w.dir(ctx, dir, 0); err != nil && err != stopped {
				err = s.fail("list", dir, reading, err)
			}
		}
		if err != nil && err != stopped {
			yield(Info{}, err)
		}
	}
}

// A walk looks at all files of a folder, in order.
type walk struct {
	s    *Store
	file func(Info) error // its error ends the walk
	// trouble decides about the fault of a file, or of a folder below the first: nil goes on without
	// it. A nil func ends the walk.
	trouble func(name string, err error) error
}

// fault hands a fault to trouble.
func (w *walk) fault(ctx context.Context, name string, err error) error {
	if w.trouble == nil || ctx.Err() != nil {
		return err
	}
	return w.trouble(name, err)
}

func (w *walk) dir(ctx context.Context, dir string, depth int) error {
	for after, more := "", true; more; {
		var entries []entry
		var err error
		if entries, more, err = w.s.some(ctx, dir, after, maxSorted); err != nil {
			switch {
			case depth == 0:
				return err
			case w.s.vanished(ctx, dir, err):
				return nil
			}
			return w.fault(ctx, dir, err)
		}
		for batch := range slices.Chunk(entries, statBatch) {
			after = batch[len(batch)-1].name
			batch, err := w.s.inform(ctx, dir, batch, false)
			if err != nil {
				return err
			}
			for _, e := range batch {
				name := path.Join(dir, e.name)
				switch {
				case e.err != nil:
					err = w.fault(ctx, name, e.err)
				case e.mode.IsRegular():
					err = w.file(Info{name, e.size, e.modTime, e.links})
				case e.mode.IsDir() && depth < maxElements:
					err = w.dir(ctx, name, depth+1)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// vanished reports whether a fault of a folder only means that it was removed meanwhile, or that it
// is none of ours.
func (s *Store) vanished(ctx context.Context, dir string, err error) bool {
	switch {
	case vol.Absent(err):
		return true
	case errors.Is(err, fs.ErrPermission):
		return dir == "lost+found" // which each ext4 has, for root alone
	case isStale(err):
		_, serr := s.stat(ctx, dir)
		return errors.Is(serr, fs.ErrNotExist)
	}
	return false
}

// An entry is what is kept of an entry of a folder.
type entry struct {
	name    string
	mode    fs.FileMode
	size    int64
	modTime time.Time
	links   uint64
	known   bool  // all but name and the type were told with the name
	err     error // why nothing more is known
}

func (e *entry) learn(info fs.FileInfo) {
	e.mode, e.size, e.modTime, e.links, e.known = info.Mode(), info.Size(), info.ModTime(), vol.Links(info), true
}

// some returns the first of the files and folders in dir whose names come after a name, in order and up
// to a limit, and whether there are more.
func (s *Store) some(ctx context.Context, dir, after string, limit int) (entries []entry, more bool, err error) {
	last := "" // beyond which nothing is wanted, once there are enough
	prune := func() {
		slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
		// A folder that changes while it is read may give a name twice.
		entries = slices.CompactFunc(entries, func(a, b entry) bool { return a.name == b.name })
		if len(entries) > limit {
			clear(entries[limit:])
			entries, more = entries[:limit], true
			last = entries[limit-1].name
		}
	}
	err = s.readDir(ctx, dir, func(batch []fs.DirEntry) error {
		for _, d := range batch {
			name := d.Name()
			switch {
			case name <= after, !d.IsDir() && !d.Type().IsRegular(), nameFault(path.Join(dir, name)) != "":
				continue
			case last != "" && name > last:
				more = true
				continue
			}
			e := entry{name: name, mode: d.Type()}
			if info, ok := d.(fs.FileInfo); ok {
				e.learn(info)
			}
			if entries = append(entries, e); len(entries) >= 2*limit {
				prune()
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	prune()
	return entries, more, nil
}

// readDir calls f with all entries of a folder, some at a time, in any order.
func (s *Store) readDir(ctx context.Context, dir string, f func([]fs.DirEntry) error) (err error) {
	d, err := through(ctx, s.gate,
		func() (vol.Dir, error) { return s.vol.OpenDir(ctx, dir) },
		func(late vol.Dir) { s.report("closing a folder", dir, late.Close()) })
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := cleanup(ctx)
		defer cancel()
		err = errors.Join(err, s.gate.do(last, d.Close))
	}()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, rerr := through(ctx, s.gate, func() ([]fs.DirEntry, error) { return d.ReadDir(dirBatch) }, nil)
		if err := f(batch); err != nil {
			return err
		}
		switch {
		case rerr == io.EOF:
			return nil
		case rerr != nil:
			return rerr
		}
	}
}

// inform asks about those files (and folders) whose own folder did not tell of them. Those that are
// gone meanwhile are not among the results.
func (s *Store) inform(ctx context.Context, dir string, batch []entry, folders bool) ([]entry, error) {
	ask := func(e entry) bool { return !e.known && (folders || !e.mode.IsDir()) }
	if !slices.ContainsFunc(batch, ask) {
		return batch, ctx.Err()
	}
	return through(ctx, s.gate, func() ([]entry, error) {
		told := make([]entry, 0, len(batch))
		for _, e := range batch {
			if ask(e) {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				name := path.Join(dir, e.name)
				info, err := s.vol.Stat(ctx, name)
				if isStale(err) {
					info, err = s.vol.Stat(ctx, name)
				}
				switch {
				case vol.Absent(err):
					continue
				case err != nil:
					e.err = err
				default:
					e.learn(info)
				}
			}
			told = append(told, e)
		}
		return told, nil
	}, nil)
}
