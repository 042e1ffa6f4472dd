package nfsstore

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// mountOf returns the mount that a directory is on, or nil when the kernel does not tell.
func mountOf(dir string) (_ *Mount, err error) {
	var st unix.Statx_t
	for {
		err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_MNT_ID, &st)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ENOSYS, err == nil && st.Mask&unix.STATX_MNT_ID == 0: // before Linux 5.8
			return nil, nil
		case err != nil:
			return nil, &os.PathError{Op: "statx", Path: dir, Err: err}
		}
		break
	}
	f, err := os.Open("/proc/self/mountinfo")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	return findMount(f, st.Mnt_id)
}
