package nfsstore

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// What is removed is moved to a folder of its day below trashDir, so that what reads it (also on other
// machines, which NFS would tell that the file is stale) can go on, and a mistake can be undone by
// hand. Sweep takes it away for good.
const (
	trashDir  = ".trash"
	trashDay  = "20060102"
	trashTime = "20060102T150405.000Z"
	trashKeep = 24 * time.Hour // at least
)

// newTrash returns a name in the trash that nobody else has: the moment, 128 random bits and more, and
// the name that it had, with commas for slashes (which no name has). Of a very long name the end stays.
func newTrash(name string, now time.Time) string {
	now = now.UTC()
	prefix := now.Format(trashTime) + "-" + rand.Text() + "-"
	was := strings.ReplaceAll(name, "/", ",")
	was = was[max(len(prefix)+len(was)-maxElement, 0):]
	return path.Join(trashDir, now.Format(trashDay), prefix+was)
}

// trashedAt returns when what has that base name was removed, by the clock of who removed it.
func trashedAt(base string) (time.Time, bool) {
	if len(base) <= len(trashTime) || base[len(trashTime)] != '-' {
		return time.Time{}, false
	}
	at, err := time.Parse(trashTime, base[:len(trashTime)])
	return at, err == nil
}

// bury takes a name away, into the trash if that takes it. That it is safe there does not mean that its
// absence is. Errors are those of the system.
func (s *Store) bury(ctx context.Context, name string) error {
	if s.trashTakes(ctx) {
		if moved, err := s.toTrash(ctx, name); err == nil || moved || !trashRefuses(err) {
			return err
		}
	}
	return s.gate.do(ctx, func() error { return s.vol.Remove(ctx, name) })
}

// toTrash moves a name to the trash and reports whether that was done, also when it is not safe there.
func (s *Store) toTrash(ctx context.Context, name string) (moved bool, err error) {
	to := newTrash(name, time.Now())
	err = s.inDir(ctx, path.Dir(to), func() error {
		return s.gate.do(ctx, func() error { return s.vol.Rename(ctx, name, to) })
	})
	if err != nil {
		return false, err
	}
	return true, s.safeInTrash(ctx, to)
}

// safeInTrash makes a name in the trash safe, before something else is about the name that it had. Where
// a server or a fence makes all names safe that were changed before, the next call about that one does.
func (s *Store) safeInTrash(ctx context.Context, name string) error {
	switch s.vol.Caps().Names {
	case vol.NamesByFence, vol.NamesByServer:
		return nil
	}
	return s.safe(ctx, name)
}

// trashRefuses reports whether a fault is one that a plain removal need not share: no room for a new
// name, another file system mounted below, or a folder of the trash that is not ours or goes again.
func trashRefuses(err error) bool {
	switch vol.FaultOf(err) {
	case vol.FaultSpace, vol.FaultQuota, vol.FaultLongName, vol.FaultNotDir:
		return true
	}
	return vol.CopyInstead(err) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)
}
