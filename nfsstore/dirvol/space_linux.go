package dirvol

import (
	"context"
	"math"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// kindOf tells the usual file systems of a local disk, which do not hang, from others: NFS, CIFS,
// Ceph, everything in user space, and those we do not know.
func kindOf(root *os.Root) (kind, error) {
	st, err := statfs(root)
	if err != nil {
		return kind{}, err
	}
	const zfs = 0x2fc12fc1
	switch uint32(st.Type) { // a signed number of 32 bits on some machines
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, zfs,
		unix.TMPFS_MAGIC, unix.RAMFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC:
		return kind{}, nil
	case unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC:
		return kind{entries: true}, nil
	case unix.NFS_SUPER_MAGIC:
		return kind{hangs: true, nfs: true}, nil
	}
	return kind{hangs: true, entries: true}, nil
}

// Space implements [vol.Vol].
func (v *Vol) Space(ctx context.Context) (vol.Space, error) {
	if err := ctx.Err(); err != nil {
		return vol.Space{}, err
	}
	st, err := statfs(v.root)
	if err != nil {
		return vol.Space{}, err
	}
	// Some file systems count in fragments.
	unit := uint64(st.Frsize)
	if unit == 0 {
		unit = uint64(st.Bsize)
	}
	return vol.Space{
		Free: product(st.Bavail, unit), Total: product(st.Blocks, unit),
		FreeFiles: product(st.Ffree, 1), TotalFiles: product(st.Files, 1),
	}, nil
}

// product multiplies without overflow; a file system may claim to be of any size.
func product(n, unit uint64) int64 {
	high, low := bits.Mul64(n, unit)
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
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
