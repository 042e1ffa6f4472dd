package nfsstore

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"
)

// Sweep removes what is left over, and returns how many files that were:
//   - temporary files of calls that were killed, and old ones by which names were made safe, when
//     they were made longer than olderThan ago (negative is 0) by the time that is part of their
//     names, by the clock of the machine that made them. Files of calls that run in this store are
//     left alone; a call of another process that takes longer than olderThan fails with
//     [ErrUnavailable], so choose hours;
//   - what came of copies of a [Mirror] that broke off, likewise;
//   - what [Store.Remove] moved to the trash longer than olderThan and 24 hours ago, likewise;
//   - what clients of NFS in the kernel have left behind of files that were removed while open (.nfs and
//     digits), when by the clock of the server 24 hours have gone over them since.
//
// Sweep walks all folders. After a fault it goes on with the others and returns the first one.
func (s *Store) Sweep(ctx context.Context, olderThan time.Duration) (n int, err error) {
	if s.readOnly {
		return 0, &failure{op: "sweep", name: s.dir, kind: ErrReadOnly, sentence: "the store was opened read-only"}
	}
	w := sweep{s: s, now: time.Now(), olderThan: max(olderThan, 0)}
	if err := w.dir(ctx, ".", 0); err != nil {
		w.note(".", err)
	}
	return w.n, w.first
}

type sweep struct {
	s         *Store
	now       time.Time
	olderThan time.Duration
	there     time.Time // the time of the server; zero: not yet asked for
	n         int
	first     error
}

func (w *sweep) note(name string, err error) {
	// What vanished meanwhile needs no sweeping; what we may not read holds nothing of ours.
	if w.first != nil || errors.Is(err, fs.ErrNotExist) {
		return
	}
	w.first = w.s.fail("sweep", name, writing, err)
}

// dir sweeps one folder and those below; depth is bounded like that of names.
func (w *sweep) dir(ctx context.Context, dir string, depth int) error {
	return w.entries(ctx, dir, depth, func(e fs.DirEntry, name string) error {
		switch {
		case !e.IsDir():
			at, ok := tempTime(e.Name())
			if ok && w.before(at, 0) && !w.s.inUse(name) {
				w.remove(ctx, name)
			}
			if isLeftover(e.Name()) {
				w.leftover(ctx, name)
			}
		case name == trashDir:
			return w.trash(ctx)
		case name == partsDir:
			return w.parts(ctx)
		case depth < maxElements && !strings.HasPrefix(e.Name(), "."):
			// Folders with a dot are those of others, such as .snapshot of a filer.
			return w.dir(ctx, name, depth+1)
		}
		return nil
	})
}

// entries calls f with all of a folder. What f says is noted, unless the time is over.
func (w *sweep) entries(ctx context.Context, dir string, depth int, f func(e fs.DirEntry, name string) error) error {
	err := w.s.readDir(ctx, dir, func(batch []fs.DirEntry) error {
		for _, e := range batch {
			name := path.Join(dir, e.Name())
			if err := f(e, name); err != nil {
				if ctx.Err() != nil {
					return err
				}
				w.note(name, err)
			}
		}
		return nil
	})
	if depth > 0 && errors.Is(err, fs.ErrPermission) {
		return nil // such as lost+found
	}
	return err
}

// before reports whether a moment was longer ago than it takes.
func (w *sweep) before(at time.Time, atLeast time.Duration) bool {
	return !at.After(w.now.Add(-max(w.olderThan, atLeast)))
}

// trash takes away what was removed long enough ago, and the folders of days that are over.
func (w *sweep) trash(ctx context.Context) error {
	return w.entries(ctx, trashDir, 1, func(e fs.DirEntry, name string) error {
		day, err := time.Parse(trashDay, e.Name())
		if err != nil || !e.IsDir() || !w.before(day, trashKeep) {
			return nil // not ours, or not yet
		}
		err = w.entries(ctx, name, 2, func(e fs.DirEntry, name string) error {
			at, ok := trashedAt(e.Name())
			switch {
			case e.IsDir():
			case ok && w.before(at, trashKeep):
				w.remove(ctx, name)
			case isLeftover(e.Name()):
				w.leftover(ctx, name)
			}
			return nil
		})
		// A day is over for all clocks two days after it has begun.
		if err != nil || !w.before(day, 2*trashKeep) {
			return err
		}
		err = w.s.gate.do(ctx, func() error { return w.s.vol.Remove(ctx, name) })
		if errors.Is(err, fs.ErrExist) {
			return nil // it is not empty: somebody put something there, or it could not be removed
		}
		return err
	})
}

// isLeftover reports whether the kernel gave a file that base name, because somebody had it open when
// it was removed.
func isLeftover(base string) bool {
	digits, ok := strings.CutPrefix(base, ".nfs")
	return ok && len(digits) >= 16 && strings.Trim(digits, "0123456789abcdef") == ""
}

// leftover removes such a file unless it was renamed to that within a day. Its content may be older by
// years, so what counts is when anything about it changed last. That moment is one of the server's
// clock, and is compared with the same moment of a file that was just made there.
func (w *sweep) leftover(ctx context.Context, name string) {
	info, err := w.s.stat(ctx, name)
	if err != nil {
		w.note(name, err)
		return
	}
	changed, ok := changedAt(info)
	if !ok || !info.Mode().IsRegular() {
		return
	}
	if w.there.IsZero() {
		if w.there, err = w.clock(ctx); err != nil {
			w.note(name, err)
			return
		}
	}
	if !changed.After(w.there.Add(-trashKeep)) {
		w.remove(ctx, name)
	}
}

// clock asks the server for its time.
func (w *sweep) clock(ctx context.Context) (at time.Time, err error) {
	s := w.s
	name := newTemp(".", w.now)
	s.setTemp(name, true)
	defer s.setTemp(name, false)
	err = s.gate.do(ctx, func() error {
		f, err := s.vol.Create(ctx, name)
		if err != nil {
			return err
		}
		return f.Close(ctx)
	})
	if err != nil {
		return at, err
	}
	defer s.discard(ctx, name)
	info, err := s.stat(ctx, name)
	if err != nil {
		return at, err
	}
	at, _ = changedAt(info)
	return at, nil
}

func (w *sweep) remove(ctx context.Context, name string) {
	switch err := w.s.gate.do(ctx, func() error { return w.s.vol.Remove(ctx, name) }); {
	case err == nil:
		w.n++
	default:
		w.note(name, err)
	}
}
