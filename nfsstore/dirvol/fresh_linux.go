package dirvol

import (
	"os"

	"golang.org/x/sys/unix"
)

// askServer has the client of NFS ask its server about a folder, whatever it remembers of it. When the
// folder has changed, it looks anew for names that it did not find in it before. The server is only asked
// for what the mask names, so it has to name the time.
func askServer(dir *os.File) error {
	raw, err := dir.SyscallConn()
	if err != nil {
		return err
	}
	var errno error
	err = raw.Control(func(fd uintptr) {
		var st unix.Statx_t
		for {
			errno = unix.Statx(int(fd), "", unix.AT_EMPTY_PATH|unix.AT_STATX_FORCE_SYNC, unix.STATX_MTIME|unix.STATX_CTIME, &st)
			if errno != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return errno
}
