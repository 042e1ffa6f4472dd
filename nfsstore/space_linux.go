package nfsstore

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// mayHang reports whether the file system is another than the usual ones of a local disk: NFS, CIFS,
// Ceph, everything in user space, or one we do not know.
func mayHang(root *os.Root) (bool, error) {
	st, err := statfs(root)
	if err != nil {
		return false, err
	}
	const zfs = 0x2fc12fc1
	switch uint32(st.Type) { // a signed number of 32 bits on some machines
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, zfs,
		unix.TMPFS_MAGIC, unix.RAMFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC:
		return false, nil
	}
	return true, nil
}

func (d *disk) space(context.Context) (free, total int64, err error) {
	st, err := statfs(d.root)
	if err != nil {
		return 0, 0, err
	}
	// Some file systems count in fragments.
	unit := uint64(st.Frsize)
	if unit == 0 {
		unit = uint64(st.Bsize)
	}
	return bytesOf(st.Bavail, unit), bytesOf(st.Blocks, unit), nil
}

func statfs(root *os.Root) (st unix.Statfs_t, err error) {
	dir, err := root.Open(".")
	if err != nil {
		return st, err
	}
	defer func() {
		if cerr := dir.Close(); err == nil {
			err = cerr
		}
	}()
	raw, err := dir.SyscallConn()
	if err != nil {
		return st, err
	}
	var errno error
	err = raw.Control(func(fd uintptr) {
		for {
			if errno = unix.Fstatfs(int(fd), &st); errno != unix.EINTR {
				return
			}
		}
	})
	if err == nil && errno != nil {
		err = &os.PathError{Op: "fstatfs", Path: root.Name(), Err: errno}
	}
	return st, err
}
