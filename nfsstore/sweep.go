package nfsstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// sweepBatch is how many entries of a directory are held at a time.
const sweepBatch = 512

// Sweep removes the temporary files of calls that were killed, and returns how many. It looks at the
// time that is part of their names, by the clock of the machine that made them, and removes those
// made longer than olderThan ago; negative is 0. Files of calls that run in this store are left
// alone; a call of another process that takes longer than olderThan fails with [ErrUnavailable], so
// choose hours. Sweep walks all directories. After a fault it goes on with the others and returns
// the first one.
func (s *Store) Sweep(ctx context.Context, olderThan time.Duration) (n int, err error) {
	if s.readOnly {
		return 0, &failure{op: "sweep", name: s.dir, kind: ErrReadOnly, sentence: "the store was opened read-only"}
	}
	w := sweep{s: s, before: time.Now().Add(-max(olderThan, 0))}
	if err := w.dir(ctx, ".", 0); err != nil {
		w.note(".", err)
	}
	return w.n, w.first
}

type sweep struct {
	s      *Store
	before time.Time
	n      int
	first  error
}

func (w *sweep) note(name string, err error) {
	// What vanished meanwhile needs no sweeping; what we may not read holds nothing of ours.
	if w.first != nil || errors.Is(err, fs.ErrNotExist) {
		return
	}
	w.first = w.s.fail("sweep", name, writing, err)
}

// dir sweeps one directory and those below; depth is bounded like that of names.
func (w *sweep) dir(ctx context.Context, dir string, depth int) (err error) {
	f, err := through(ctx, w.s.gate,
		func() (vol.Dir, error) { return w.s.vol.OpenDir(ctx, dir) },
		func(late vol.Dir) { w.s.report("closing a folder", dir, late.Close()) })
	if errors.Is(err, fs.ErrPermission) && dir != "." {
		return nil // such as lost+found
	}
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := cleanup(ctx)
		defer cancel()
		err = errors.Join(err, w.s.gate.do(last, f.Close))
	}()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, rerr := through(ctx, w.s.gate, func() ([]fs.DirEntry, error) { return f.ReadDir(sweepBatch) }, nil)
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if !e.IsDir() {
				if at, ok := tempTime(e.Name()); ok && !at.After(w.before) && !w.s.inUse(name) {
					w.remove(ctx, name)
				}
				continue
			}
			// Directories with a dot are those of others, such as .snapshot of a filer.
			if depth < maxElements && !strings.HasPrefix(e.Name(), ".") {
				if err := w.dir(ctx, name, depth+1); err != nil {
					if ctx.Err() != nil {
						return err
					}
					w.note(name, err)
				}
			}
		}
		if rerr == io.EOF || dir != "." && errors.Is(rerr, fs.ErrPermission) {
			return nil
		}
		if rerr != nil {
			return rerr
		}
	}
}

func (w *sweep) remove(ctx context.Context, name string) {
	switch err := w.s.gate.do(ctx, func() error { return w.s.vol.Remove(ctx, name) }); {
	case err == nil:
		w.n++
	default:
		w.note(name, err)
	}
}
