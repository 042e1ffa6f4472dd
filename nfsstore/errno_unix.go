//go:build unix

package nfsstore

import (
	"errors"
	"syscall"
)

func classify(err error) fault {
	if away(err) {
		return faultAway
	}
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return faultOther
	}
	switch errno {
	case syscall.ENOSPC:
		return faultSpace
	case syscall.EDQUOT:
		return faultQuota
	case syscall.EFBIG:
		return faultTooLarge
	case syscall.EROFS:
		return faultReadOnly
	case syscall.ENOTDIR:
		return faultNotDir
	case syscall.ENAMETOOLONG:
		return faultLongName
	case syscall.ESTALE:
		return faultStale
	case syscall.EIO, syscall.ETIMEDOUT, syscall.ENXIO, syscall.ENOTCONN, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ECONNREFUSED, syscall.ECONNRESET:
		return faultIO
	}
	return faultOther
}

// copyInstead reports whether a link was refused for a reason that a copy does not share: too many
// links to one file (ext4: 65,000), another file system mounted below, or the rule that only the
// owner of a file may link it (fs.protected_hardlinks on Linux).
func copyInstead(err error) bool {
	return errors.Is(err, syscall.EMLINK) || errors.Is(err, syscall.EXDEV) ||
		errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP)
}

func isStale(err error) bool { return errors.Is(err, syscall.ESTALE) }

// openFlags keeps an open from waiting for the writer of a named pipe that somebody put there. On
// regular files it has no effect.
const openFlags = syscall.O_NONBLOCK
