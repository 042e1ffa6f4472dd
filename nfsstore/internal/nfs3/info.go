package nfs3

import (
	"io/fs"
	"math"
	"path"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
)

// An Info holds the attributes of a file or directory as the server gave them at one moment. It is
// an [fs.FileInfo] and an [fs.DirEntry]. Times are those of the server's clock.
type Info struct {
	name string // last element
	attr nfsv3.Fattr3
}

// Name returns the last element of the name, "." for the export itself.
func (i *Info) Name() string { return i.name }

// Size returns the length in bytes.
func (i *Info) Size() int64 { return int64(min(i.attr.Size, math.MaxInt64)) }

// ModTime returns the time of the last change of the content.
func (i *Info) ModTime() time.Time {
	return time.Unix(int64(i.attr.Mtime.Seconds), int64(i.attr.Mtime.Nseconds))
}

// Changed returns the time of the last change of anything, the names and the permissions included.
func (i *Info) Changed() time.Time {
	return time.Unix(int64(i.attr.Ctime.Seconds), int64(i.attr.Ctime.Nseconds))
}

// IsDir reports whether it is a directory.
func (i *Info) IsDir() bool { return i.attr.Type == nfsv3.NF3DIR }

// Sys returns nil.
func (i *Info) Sys() any { return nil }

// Identity returns the number of the file and the time when anything of it, attributes included, was
// changed last: what tells another file in its place.
func (i *Info) Identity() (file uint64, changed time.Time) {
	return i.attr.Fileid, time.Unix(int64(i.attr.Ctime.Seconds), int64(i.attr.Ctime.Nseconds))
}

// Type returns the type bits of Mode.
func (i *Info) Type() fs.FileMode { return i.Mode().Type() }

// Info returns i itself.
func (i *Info) Info() (fs.FileInfo, error) { return i, nil }

// Mode returns the type and the permissions.
func (i *Info) Mode() fs.FileMode {
	m := fs.FileMode(i.attr.Mode & 0o777)
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if i.attr.Mode&bit != 0 {
			m |= flag
		}
	}
	switch i.attr.Type {
	case nfsv3.NF3REG:
	case nfsv3.NF3DIR:
		m |= fs.ModeDir
	case nfsv3.NF3LNK:
		m |= fs.ModeSymlink
	case nfsv3.NF3BLK:
		m |= fs.ModeDevice
	case nfsv3.NF3CHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case nfsv3.NF3FIFO:
		m |= fs.ModeNamedPipe
	case nfsv3.NF3SOCK:
		m |= fs.ModeSocket
	default:
		m |= fs.ModeIrregular
	}
	return m
}

// Links returns the number of names (hard links).
func (i *Info) Links() int64 { return int64(i.attr.Nlink) }

// Owner returns the numbers of the user and the group.
func (i *Info) Owner() (uid, gid uint32) { return i.attr.Uid, i.attr.Gid }

// Same reports whether both are names of one file of one server. os.SameFile does not know Info.
func (i *Info) Same(other *Info) bool {
	return i != nil && other != nil && i.attr.Fsid == other.attr.Fsid && i.attr.Fileid == other.attr.Fileid
}

func newInfo(name string, attr nfsv3.Fattr3) *Info { return &Info{path.Base(name), attr} }

// Space is what is left on the file system of an export, as far as the server tells this user.
type Space struct {
	TotalBytes, FreeBytes uint64
	TotalFiles, FreeFiles uint64 // inodes; both zero where the file system does not count them
}

// Limits are the sizes that a client and its server use together.
type Limits struct {
	Read, Write int    // bytes in one request, from 512 to 1 MiB
	MaxFile     uint64 // length of the longest file, bytes
	Links       bool   // the file system has hard links
}
