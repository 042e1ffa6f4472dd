package nfsd

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"golang.org/x/sys/unix"
)

// glance finds the handle and the attributes of a name in a directory, without opening anything, which
// is the most of a listing's cost. It is not ok whenever both may not be of the same file.
func (ex *export) glance(dir int, name string, x *unix.Statx_t) (fh []byte, ok bool) {
	k, is := ex.files.(*kernelHandles)
	if !is {
		return nil, false
	}
	const want = unix.STATX_BASIC_STATS | unix.STATX_BTIME | unix.STATX_MNT_ID
	if unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW, want, x) != nil || x.Mask&unix.STATX_MNT_ID == 0 {
		return nil, false
	}
	if x.Mnt_id != uint64(k.mount) || unix.Mkdev(x.Dev_major, x.Dev_minor) != k.dev {
		return nil, false
	}
	born := int64(0)
	if x.Mask&unix.STATX_BTIME != 0 {
		born = x.Btime.Sec*1e9 + int64(x.Btime.Nsec)
		if fh = k.known.get(x.Ino, born); fh != nil {
			return fh, true
		}
	}
	h, mount, err := unix.NameToHandleAt(dir, name, 0)
	if err != nil || mount != k.mount {
		return nil, false
	}
	if ino, known := numberIn(h.Type(), h.Bytes()); !known || ino != x.Ino {
		return nil, false
	}
	id, err := kernelID(&h)
	if err != nil {
		return nil, false
	}
	fh = ex.sealed(k.kind(), id)
	k.known.put(x.Ino, born, fh)
	return fh, true
}

// numberIn returns the number of the file that a handle is for, where its form is known: that of ext4
// and others, of tmpfs, and of XFS with large numbers.
func numberIn(typ int32, b []byte) (ino uint64, known bool) {
	const inoGen, xfs = 1, 0x81
	switch {
	case typ == inoGen && len(b) == 8:
		return uint64(binary.NativeEndian.Uint32(b)), true
	case typ == inoGen && len(b) == 12:
		return uint64(binary.NativeEndian.Uint32(b[4:])) | uint64(binary.NativeEndian.Uint32(b[8:]))<<32, true
	case typ == xfs && len(b) == 12:
		return binary.NativeEndian.Uint64(b), true
	}
	return 0, false
}

// known are the handles of files that were listed. A number is used again for other files, which are born
// later: so only files are kept that were not born just now, when another could be born at the same time
// of a coarse clock.
type known struct {
	mu sync.RWMutex
	m  map[uint64]knownFile
}

type knownFile struct {
	born int64 // nanoseconds
	fh   []byte
}

// Bounds of what is kept: how many, and how old at least.
const (
	maxKnown = 1 << 16
	knownAge = 2 * time.Second
)

func (k *known) get(ino uint64, born int64) []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if f, ok := k.m[ino]; ok && f.born == born {
		return f.fh
	}
	return nil
}

func (k *known) put(ino uint64, born int64, fh []byte) {
	if born == 0 || born > time.Now().Add(-knownAge).UnixNano() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m == nil || len(k.m) >= maxKnown {
		k.m = make(map[uint64]knownFile)
	}
	k.m[ino] = knownFile{born, fh}
}

// fattrx is fattr of what statx says.
func (ex *export) fattrx(x *unix.Statx_t) nfsv3.Fattr3 {
	return nfsv3.Fattr3{
		Type: types[uint32(x.Mode)&unix.S_IFMT], Mode: uint32(x.Mode) & 0o7777, Nlink: x.Nlink, Uid: x.Uid, Gid: x.Gid,
		Size: x.Size, Used: x.Blocks * 512, Rdev: nfsv3.Specdata3{Specdata1: x.Rdev_major, Specdata2: x.Rdev_minor},
		Fsid: ex.fsid(), Fileid: x.Ino, Atime: nfstimex(x.Atime), Mtime: nfstimex(x.Mtime), Ctime: nfstimex(x.Ctime),
	}
}

func nfstimex(t unix.StatxTimestamp) nfsv3.Nfstime3 {
	return nfsv3.Nfstime3{Seconds: uint32(t.Sec), Nseconds: t.Nsec}
}

// appendFattr encodes attributes. Listings have many, and the bindings write each number by itself.
func appendFattr(b []byte, a *nfsv3.Fattr3) []byte {
	word, long := binary.BigEndian.AppendUint32, binary.BigEndian.AppendUint64
	for _, v := range [...]uint32{uint32(a.Type), a.Mode, a.Nlink, a.Uid, a.Gid} {
		b = word(b, v)
	}
	b = long(long(b, a.Size), a.Used)
	b = word(word(b, a.Rdev.Specdata1), a.Rdev.Specdata2)
	b = long(long(b, a.Fsid), a.Fileid)
	for _, t := range [...]nfsv3.Nfstime3{a.Atime, a.Mtime, a.Ctime} {
		b = word(word(b, t.Seconds), t.Nseconds)
	}
	return b
}
