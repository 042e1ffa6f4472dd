package nfsd

import (
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"golang.org/x/sys/unix"
)

// A status is an error that no errno stands for.
type status nfsv3.Nfsstat3

func (s status) Error() string { return nfsv3.Nfsstat3_name[nfsv3.Nfsstat3(s)] }

const (
	statusBadHandle = status(nfsv3.NFS3ERR_BADHANDLE)
	statusBadCookie = status(nfsv3.NFS3ERR_BAD_COOKIE)
	statusNotSync   = status(nfsv3.NFS3ERR_NOT_SYNC)
	statusNotSupp   = status(nfsv3.NFS3ERR_NOTSUPP)
	statusTooSmall  = status(nfsv3.NFS3ERR_TOOSMALL)
)

// errnos are the errors of the system that clients are told as they are.
var errnos = map[syscall.Errno]nfsv3.Nfsstat3{
	unix.EPERM: nfsv3.NFS3ERR_PERM, unix.ENOENT: nfsv3.NFS3ERR_NOENT, unix.EIO: nfsv3.NFS3ERR_IO, unix.ENXIO: nfsv3.NFS3ERR_NXIO,
	unix.EACCES: nfsv3.NFS3ERR_ACCES, unix.EEXIST: nfsv3.NFS3ERR_EXIST, unix.EXDEV: nfsv3.NFS3ERR_XDEV, unix.ENODEV: nfsv3.NFS3ERR_NODEV,
	unix.ENOTDIR: nfsv3.NFS3ERR_NOTDIR, unix.EISDIR: nfsv3.NFS3ERR_ISDIR, unix.EINVAL: nfsv3.NFS3ERR_INVAL, unix.EFBIG: nfsv3.NFS3ERR_FBIG,
	unix.ENOSPC: nfsv3.NFS3ERR_NOSPC, unix.EROFS: nfsv3.NFS3ERR_ROFS, unix.EMLINK: nfsv3.NFS3ERR_MLINK, unix.ENAMETOOLONG: nfsv3.NFS3ERR_NAMETOOLONG,
	unix.ENOTEMPTY: nfsv3.NFS3ERR_NOTEMPTY, unix.EDQUOT: nfsv3.NFS3ERR_DQUOT, unix.ESTALE: nfsv3.NFS3ERR_STALE,
	unix.EOPNOTSUPP: nfsv3.NFS3ERR_NOTSUPP, unix.EBUSY: nfsv3.NFS3ERR_ACCES, unix.ETXTBSY: nfsv3.NFS3ERR_ACCES,
	unix.ELOOP: nfsv3.NFS3ERR_ACCES, unix.EOVERFLOW: nfsv3.NFS3ERR_FBIG,
	// The server is short of something for now: clients try again.
	unix.EMFILE: nfsv3.NFS3ERR_JUKEBOX, unix.ENFILE: nfsv3.NFS3ERR_JUKEBOX, unix.ENOMEM: nfsv3.NFS3ERR_JUKEBOX, unix.EAGAIN: nfsv3.NFS3ERR_JUKEBOX,
}

// status returns what the client is told about err, and counts it.
func (c *call) status(err error) nfsv3.Nfsstat3 {
	c.se.count.failed.Add(1)
	if s, is := errors.AsType[status](err); is {
		return nfsv3.Nfsstat3(s)
	}
	if e, is := errors.AsType[syscall.Errno](err); is {
		if e == unix.ENOSPC || e == unix.EDQUOT {
			c.se.files.expire(time.Now()) // what is open here may be removed already
		}
		if s, known := errnos[e]; known {
			return s
		}
	}
	c.se.log.Warn("A call failed by an unusual error.", "client", c.from.String(), "error", err)
	return nfsv3.NFS3ERR_SERVERFAULT
}

// stat returns the attributes of an object. One without a name is gone for NFS.
func (o *object) stat() (st unix.Stat_t, err error) {
	if err = unix.Fstat(o.path, &st); err == nil && st.Nlink == 0 {
		o.cache.drop(o.fh)
		err = unix.ESTALE
	}
	return st, err
}

var types = map[uint32]nfsv3.Ftype3{
	unix.S_IFREG: nfsv3.NF3REG, unix.S_IFDIR: nfsv3.NF3DIR, unix.S_IFBLK: nfsv3.NF3BLK, unix.S_IFCHR: nfsv3.NF3CHR,
	unix.S_IFLNK: nfsv3.NF3LNK, unix.S_IFSOCK: nfsv3.NF3SOCK, unix.S_IFIFO: nfsv3.NF3FIFO,
}

// fattr turns the attributes of the system into those of the protocol. The file system is the same
// for all of an export, and after a restart.
func (ex *export) fattr(st *unix.Stat_t) nfsv3.Fattr3 {
	return nfsv3.Fattr3{
		Type: types[st.Mode&unix.S_IFMT], Mode: st.Mode & 0o7777, Nlink: uint32(st.Nlink), Uid: st.Uid, Gid: st.Gid,
		Size: uint64(st.Size), Used: uint64(st.Blocks) * 512,
		Rdev: nfsv3.Specdata3{Specdata1: unix.Major(uint64(st.Rdev)), Specdata2: unix.Minor(uint64(st.Rdev))},
		Fsid: ex.fsid(), Fileid: uint64(st.Ino),
		Atime: nfstime(st.Atim), Mtime: nfstime(st.Mtim), Ctime: nfstime(st.Ctim),
	}
}

func (ex *export) fsid() (v uint64) {
	for _, b := range ex.id {
		v = v<<8 | uint64(b)
	}
	return v
}

func nfstime(t unix.Timespec) nfsv3.Nfstime3 {
	return nfsv3.Nfstime3{Seconds: uint32(t.Sec), Nseconds: uint32(t.Nsec)}
}

func (ex *export) postAttr(st *unix.Stat_t) nfsv3.PostOpAttr {
	return &nfsv3.PostOpAttr_TRUE{Attributes: ex.fattr(st)}
}

// after returns the attributes of now, or none where there are none to be had.
func (t target) after() nfsv3.PostOpAttr {
	if t.object != nil {
		if st, err := t.stat(); err == nil {
			return t.ex.postAttr(&st)
		}
	}
	return &nfsv3.PostOpAttr_FALSE{}
}

// wcc returns the attributes of now. Those from before the call are not sent: they would have to be
// taken in one step with the change, and others change the files too.
func (t target) wcc() nfsv3.WccData {
	return nfsv3.WccData{Before: &nfsv3.PreOpAttr_FALSE{}, After: t.after()}
}

func getattr(c *call) (io.WriterTo, error) {
	fh := c.args.handle()
	if c.args.err != nil {
		return nil, c.args.err
	}
	t, err := c.target(fh)
	defer t.release()
	if err == nil {
		var st unix.Stat_t
		if st, err = t.stat(); err == nil {
			return &nfsv3.Getattr3res_NFS3_OK{Resok: nfsv3.Getattr3resok{ObjAttributes: t.ex.fattr(&st)}}, nil
		}
	}
	return &nfsv3.Getattr3res_default{Status: c.status(err)}, nil
}

// times refuses ways to set a time that do not exist, which the bindings take.
func (a *args) times(s *nfsv3.Sattr3) {
	if a.err != nil {
		return
	}
	for _, how := range []nfsv3.TimeHow{s.Atime.GetSetIt(), s.Mtime.GetSetIt()} {
		if how < nfsv3.DONT_CHANGE || how > nfsv3.SET_TO_CLIENT_TIME {
			a.err = errGarbage
		}
	}
}

func setattr(c *call) (io.WriterTo, error) {
	var a nfsv3.Setattr3args
	c.args.read(&a)
	c.args.times(&a.NewAttributes)
	if c.args.err != nil {
		return nil, c.args.err
	}
	t, err := c.changing(a.Object.Data)
	defer t.release()
	if err == nil {
		err = t.set(&a)
	}
	if err != nil {
		return &nfsv3.Setattr3res_default{Status: c.status(err), Resfail: nfsv3.Setattr3resfail{ObjWcc: t.wcc()}}, nil
	}
	return &nfsv3.Setattr3res_NFS3_OK{Resok: nfsv3.Setattr3resok{ObjWcc: t.wcc()}}, nil
}

func (t target) set(a *nfsv3.Setattr3args) error {
	t.attrs.Lock()
	defer t.attrs.Unlock()
	st, err := t.stat()
	if err != nil {
		return err
	}
	if g, is := a.Guard.(*nfsv3.Sattrguard3_TRUE); is && g.ObjCtime != nfstime(st.Ctim) {
		return statusNotSync
	}
	if err := t.setAttrs(&st, &a.NewAttributes); err != nil {
		return err
	}
	return t.flush()
}

// setAttrs changes attributes as the user of t.
func (t target) setAttrs(st *unix.Stat_t, s *nfsv3.Sattr3) error {
	if t.typ == unix.S_IFLNK {
		return statusNotSupp
	}
	if size, is := s.Size.(*nfsv3.SetSize3_TRUE); is {
		if err := t.truncate(st, size.Size); err != nil {
			return err
		}
	}
	name := procName(t.path)
	return t.user.do(func() error {
		uid, gid := -1, -1
		if v, is := s.Uid.(*nfsv3.SetUid3_TRUE); is {
			uid = int(v.Uid)
		}
		if v, is := s.Gid.(*nfsv3.SetGid3_TRUE); is {
			gid = int(v.Gid)
		}
		if uid >= 0 || gid >= 0 {
			if err := unix.Chown(name, uid, gid); err != nil {
				return err
			}
		}
		if v, is := s.Mode.(*nfsv3.SetMode3_TRUE); is {
			if err := unix.Chmod(name, v.Mode&0o7777); err != nil {
				return err
			}
		}
		times, any := timesOf(s)
		if !any {
			return nil
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, name, times, 0)
	})
}

func timesOf(s *nfsv3.Sattr3) (times []unix.Timespec, any bool) {
	omit := unix.Timespec{Nsec: unix.UTIME_OMIT}
	times = []unix.Timespec{omit, omit}
	set := func(i int, how nfsv3.TimeHow, t *nfsv3.Nfstime3) {
		switch how {
		case nfsv3.SET_TO_SERVER_TIME:
			times[i].Nsec = unix.UTIME_NOW
		case nfsv3.SET_TO_CLIENT_TIME:
			times[i] = unix.NsecToTimespec(int64(t.Seconds)*1e9 + int64(t.Nseconds))
		default:
			return
		}
		any = true
	}
	switch v := s.Atime.(type) {
	case *nfsv3.SetAtime_SET_TO_CLIENT_TIME:
		set(0, nfsv3.SET_TO_CLIENT_TIME, &v.Atime)
	case *nfsv3.SetAtime_default:
		set(0, v.SetIt, nil)
	}
	switch v := s.Mtime.(type) {
	case *nfsv3.SetMtime_SET_TO_CLIENT_TIME:
		set(1, nfsv3.SET_TO_CLIENT_TIME, &v.Mtime)
	case *nfsv3.SetMtime_default:
		set(1, v.SetIt, nil)
	}
	return times, any
}

// truncate changes the length of a file. Its owner may whatever its mode says, as it could with a
// file that it holds open.
func (t target) truncate(st *unix.Stat_t, size uint64) error {
	switch {
	case t.typ == unix.S_IFDIR:
		return unix.EISDIR
	case t.typ != unix.S_IFREG:
		return unix.EINVAL
	case size > 1<<63-1:
		return unix.EFBIG
	}
	if err := t.may(st, unix.W_OK); err != nil {
		return err
	}
	fd, err := t.writable()
	if err != nil {
		return err
	}
	if err := dropSetID(fd, st); err != nil {
		return err
	}
	_, err = retry(func() (int, error) { return 0, unix.Ftruncate(fd, int64(size)) })
	return err
}

// dropSetID does what the kernel does when somebody else than root writes to a program that runs as
// its owner. The server may be root.
func dropSetID(fd int, st *unix.Stat_t) error {
	drop := st.Mode & unix.S_ISUID
	if st.Mode&unix.S_IXGRP != 0 {
		drop |= st.Mode & unix.S_ISGID
	}
	if drop == 0 {
		return nil
	}
	return unix.Fchmod(fd, st.Mode&0o7777&^drop)
}

// may reports whether the user of t may use the content of a file. Its owner may always: clients have
// checked when they opened it, and its mode may have changed since.
func (t target) may(st *unix.Stat_t, mode uint32) error {
	if st.Uid == t.user.uid {
		return nil
	}
	return t.allowed(mode)
}

// allowed asks the kernel whether the user of t may.
func (t target) allowed(mode uint32) error {
	if t.user.root() {
		return nil
	}
	return t.user.do(func() error {
		return unix.Faccessat2(t.path, "", mode, unix.AT_EMPTY_PATH|unix.AT_EACCESS)
	})
}

func access(c *call) (io.WriterTo, error) {
	var a nfsv3.Access3args
	c.args.read(&a)
	if c.args.err != nil {
		return nil, c.args.err
	}
	t, err := c.target(a.Object.Data)
	defer t.release()
	var st unix.Stat_t
	if err == nil {
		st, err = t.stat()
	}
	if err != nil {
		return &nfsv3.Access3res_default{Status: c.status(err), Resfail: nfsv3.Access3resfail{ObjAttributes: t.after()}}, nil
	}
	return &nfsv3.Access3res_NFS3_OK{Resok: nfsv3.Access3resok{ObjAttributes: t.ex.postAttr(&st), Access: a.Access & t.rights(&st)}}, nil
}

// rights returns what the user of t may do, in the bits of ACCESS.
func (t target) rights(st *unix.Stat_t) (bits uint32) {
	dir := t.typ == unix.S_IFDIR
	for _, r := range []struct {
		mode, bits uint32
		root       bool // root may
	}{
		{unix.R_OK, nfsv3.ACCESS3_READ, true},
		{unix.W_OK, nfsv3.ACCESS3_MODIFY | nfsv3.ACCESS3_EXTEND | nfsv3.ACCESS3_DELETE, true},
		{unix.X_OK, nfsv3.ACCESS3_LOOKUP | nfsv3.ACCESS3_EXECUTE, dir || st.Mode&0o111 != 0},
	} {
		if t.user.readOnly && r.mode == unix.W_OK {
			continue
		}
		if t.user.root() && r.root || !t.user.root() && t.allowed(r.mode) == nil {
			bits |= r.bits
		}
	}
	if dir {
		return bits &^ nfsv3.ACCESS3_EXECUTE
	}
	return bits &^ (nfsv3.ACCESS3_LOOKUP | nfsv3.ACCESS3_DELETE)
}
