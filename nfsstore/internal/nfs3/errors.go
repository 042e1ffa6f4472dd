package nfs3

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
)

var (
	// ErrNoAnswer: the server could not be reached, or did not answer in time. The error also
	// matches context.DeadlineExceeded or context.Canceled when time or the caller ended the call.
	ErrNoAnswer = errors.New("the NFS server does not answer")

	// ErrUnknownOutcome: a request that must not be made twice was sent and its reply was lost. It
	// may have been carried out, may be carried out a little later, or never. It comes along with
	// ErrNoAnswer.
	ErrUnknownOutcome = errors.New("it is not known whether the NFS server has done it")

	// ErrRewrite: the server restarted before it had put written bytes on its disk (RFC 1813,
	// section 3.3.21); they may be lost and have to be written again.
	ErrRewrite = errors.New("the NFS server restarted before the file was safe; it has to be written again")

	// ErrProtocol: the server sent something that is not NFS version 3.
	ErrProtocol = errors.New("the NFS server sent an answer that makes no sense")

	// ErrClosed: the client was closed.
	ErrClosed = errors.New("the NFS client is closed")

	// ErrName: a name is not a relative slash-separated path of non-empty elements of at most 255
	// bytes without "." and ".." and zero bytes.
	ErrName = errors.New("the name is not a path below the export")
)

// A Status is what a server answers in place of a result: an nfsstat3 (RFC 1813, section 2.6) or,
// for the operation "mount", a mountstat3, which has the same numbers.
type Status int32

// String returns the name in RFC 1813.
func (s Status) String() string {
	if name, ok := nfsv3.Nfsstat3_name[nfsv3.Nfsstat3(s)]; ok {
		return name
	}
	if name, ok := mount.Mountstat3_name[mount.Mountstat3(s)]; ok {
		return name
	}
	return fmt.Sprintf("status %d", int32(s))
}

// An Error says which operation failed and why. With [errors.Is] it matches fs.ErrNotExist,
// fs.ErrExist, fs.ErrPermission and the syscall.Errno that a local file system would return (ENOSPC,
// EDQUOT, EROFS, ESTALE, EIO, EMLINK, EXDEV, ENOTSUP, ENOTDIR, EISDIR, ENOTEMPTY …) when Status is
// not zero, and the errors of this package.
type Error struct {
	Op     string // "lookup", "write", "commit", "link", "mount" …
	Name   string // relative to the export; "" for the export itself
	Export string // host:/path
	Status Status // the server's answer; zero when there was none
	Err    error  // what happened on the way, when Status is zero
}

// Error is a sentence with the operation, the name, the server and the reason.
func (e *Error) Error() string {
	name := e.Name
	if name == "" {
		name = "/"
	}
	if e.Status != 0 {
		return fmt.Sprintf("NFS %s of %s on %s: the server answered %v (%v)", e.Op, name, e.Export, e.Status, errno(e.Status))
	}
	return fmt.Sprintf("NFS %s of %s on %s: %v", e.Op, name, e.Export, e.Err)
}

// Unwrap returns the syscall.Errno of Status, or Err.
func (e *Error) Unwrap() error {
	if e.Status != 0 {
		return errno(e.Status)
	}
	return e.Err
}

// errno returns what Linux's client makes of a status.
func errno(s Status) syscall.Errno {
	switch nfsv3.Nfsstat3(s) {
	case nfsv3.NFS3ERR_PERM:
		return syscall.EPERM
	case nfsv3.NFS3ERR_NOENT:
		return syscall.ENOENT
	case nfsv3.NFS3ERR_NXIO:
		return syscall.ENXIO
	case nfsv3.NFS3ERR_ACCES:
		return syscall.EACCES
	case nfsv3.NFS3ERR_EXIST:
		return syscall.EEXIST
	case nfsv3.NFS3ERR_XDEV:
		return syscall.EXDEV
	case nfsv3.NFS3ERR_NODEV:
		return syscall.ENODEV
	case nfsv3.NFS3ERR_NOTDIR:
		return syscall.ENOTDIR
	case nfsv3.NFS3ERR_ISDIR:
		return syscall.EISDIR
	case nfsv3.NFS3ERR_INVAL, nfsv3.NFS3ERR_BAD_COOKIE, nfsv3.NFS3ERR_TOOSMALL, nfsv3.NFS3ERR_BADTYPE, nfsv3.NFS3ERR_NOT_SYNC:
		return syscall.EINVAL
	case nfsv3.NFS3ERR_FBIG:
		return syscall.EFBIG
	case nfsv3.NFS3ERR_NOSPC:
		return syscall.ENOSPC
	case nfsv3.NFS3ERR_ROFS:
		return syscall.EROFS
	case nfsv3.NFS3ERR_MLINK:
		return syscall.EMLINK
	case nfsv3.NFS3ERR_NAMETOOLONG:
		return syscall.ENAMETOOLONG
	case nfsv3.NFS3ERR_NOTEMPTY:
		return syscall.ENOTEMPTY
	case nfsv3.NFS3ERR_DQUOT:
		return syscall.EDQUOT
	case nfsv3.NFS3ERR_STALE, nfsv3.NFS3ERR_BADHANDLE:
		return syscall.ESTALE
	case nfsv3.NFS3ERR_NOTSUPP:
		return syscall.ENOTSUP
	case nfsv3.NFS3ERR_JUKEBOX:
		return syscall.EAGAIN
	}
	return syscall.EIO // NFS3ERR_IO, NFS3ERR_SERVERFAULT, NFS3ERR_REMOTE and what no RFC knows
}
