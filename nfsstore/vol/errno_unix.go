//go:build unix

package vol

import (
	"errors"
	"io/fs"
	"syscall"
)

func errnoFault(err error) Fault {
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return FaultOther
	}
	switch errno {
	case syscall.ENOSPC:
		return FaultSpace
	case syscall.EDQUOT:
		return FaultQuota
	case syscall.EFBIG:
		return FaultTooLarge
	case syscall.EROFS:
		return FaultReadOnly
	case syscall.EACCES, syscall.EPERM:
		return FaultPermission
	case syscall.ENOTDIR:
		return FaultNotDir
	case syscall.ENAMETOOLONG:
		return FaultLongName
	case syscall.ESTALE:
		return FaultStale
	case syscall.EIO, syscall.ENXIO:
		return FaultIO
	case syscall.ETIMEDOUT:
		return FaultTimeout
	case syscall.ENOTCONN, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ECONNREFUSED, syscall.ECONNRESET:
		return FaultAway
	}
	return FaultOther
}

// CopyInstead reports whether a link was refused for a reason that a copy does not share: too many
// links to one file (ext4: 65,000), another file system mounted below, the rule that only the owner
// of a file may link it (fs.protected_hardlinks on Linux), or a file system without links.
func CopyInstead(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMLINK, syscall.EXDEV, syscall.EPERM, syscall.ENOTSUP, syscall.EOPNOTSUPP, syscall.ENOSYS} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return errors.Is(err, errors.ErrUnsupported)
}

func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 0
}
