package dirvol

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// startWriting lets the disk begin with a part of a file, and does not wait for it. Where that cannot be
// had (some file systems, some sandboxes) it does nothing. Other errors are those that Sync would have
// met, and may be told only once.
func startWriting(f *os.File, at, size int64) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	if err := raw.Control(func(fd uintptr) {
		for {
			if serr = unix.SyncFileRange(int(fd), at, size, unix.SYNC_FILE_RANGE_WRITE); serr != unix.EINTR {
				return
			}
		}
	}); err != nil {
		return err
	}
	for _, cannot := range []error{unix.ENOSYS, unix.EPERM, unix.EINVAL, unix.ESPIPE, unix.EOPNOTSUPP} {
		if errors.Is(serr, cannot) {
			return nil
		}
	}
	if serr != nil {
		return &os.PathError{Op: "sync_file_range", Path: f.Name(), Err: serr}
	}
	return nil
}
