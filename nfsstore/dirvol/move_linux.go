package dirvol

import (
	"context"
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// Move implements [vol.Mover], by renameat2 with RENAME_NOREPLACE, which most local file systems have
// and NFS has not.
func (v *Vol) Move(ctx context.Context, from, to string) (err error) {
	if err := errors.Join(begin(ctx, "move", from), vol.Invalid("move", to)); err != nil {
		return err
	}
	var dirs [2]*os.File
	for i, name := range []string{from, to} {
		if dirs[i], err = v.open(path.Dir(name)); err != nil {
			return err
		}
		defer func() {
			if cerr := dirs[i].Close(); err == nil {
				err = cerr
			}
		}()
	}
	for {
		errno := unix.Renameat2(int(dirs[0].Fd()), path.Base(from), int(dirs[1].Fd()), path.Base(to), unix.RENAME_NOREPLACE)
		switch errno {
		case nil:
			return nil
		case unix.EINTR:
			continue
		case unix.EINVAL, unix.ENOSYS:
			errno = errors.ErrUnsupported
		}
		return &os.LinkError{Op: "renameat2", Old: from, New: to, Err: errno}
	}
}
