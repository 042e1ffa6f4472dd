package nfsd

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"golang.org/x/sys/unix"
)

// maxName is the longest name of a file, bytes.
const maxName = 255

// checkName refuses what is not one name in one directory.
func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return unix.ENAMETOOLONG
	case name == "", name == ".", name == "..", strings.ContainsAny(name, "/\x00"):
		return unix.EACCES
	}
	return nil
}

// within keeps the kernel in the directory that it looks in, whatever the name is.
const within = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// openIn opens a name in a directory.
func openIn(dir int, name string, flags int, mode uint32) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_NOFOLLOW | unix.O_CLOEXEC), Mode: uint64(mode), Resolve: within}
	fd, err := retry(func() (int, error) { return unix.Openat2(dir, name, &how) })
	if errors.Is(err, unix.EXDEV) {
		err = unix.EACCES // something is mounted there
	}
	return fd, err
}

// A child is what a name in a directory stands for, at one moment.
type child struct {
	fd int // O_PATH
	st unix.Stat_t
	fh []byte
}

// child looks a name up. The one who gets it closes fd.
func (ex *export) child(dir int, dirIno uint64, name string) (ch child, err error) {
	if ch.fd, err = openIn(dir, name, unix.O_PATH, 0); err != nil {
		return ch, err
	}
	if err = ex.identify(&ch, dirIno, name); err != nil {
		return ch, errors.Join(err, unix.Close(ch.fd))
	}
	return ch, nil
}

// identify finds out what ch.fd is.
func (ex *export) identify(ch *child, dirIno uint64, name string) error {
	if err := unix.Fstat(ch.fd, &ch.st); err != nil {
		return err
	}
	if uint64(ch.st.Dev) != ex.dev {
		return unix.EACCES // another file system, whose handles are its own
	}
	ex.files.seen(dirIno, uint64(ch.st.Ino), name)
	id, err := ex.files.of(ch.fd, &ch.st)
	if err != nil {
		return err
	}
	ch.fh = ex.sealed(ex.files.kind(), id)
	return nil
}

// dir is target for a directory in which a name is used. Who changes nothing may name the directory itself.
func (c *call) dir(fh []byte, name string, change bool) (t target, st unix.Stat_t, err error) {
	if change {
		t, err = c.changing(fh)
	} else {
		t, err = c.target(fh)
	}
	if err != nil {
		return t, st, err
	}
	if st, err = t.stat(); err != nil {
		return t, st, err
	}
	if t.typ != unix.S_IFDIR {
		return t, st, unix.ENOTDIR
	}
	if name == "." && !change {
		return t, st, nil
	}
	return t, st, checkName(name)
}

func lookup(c *call) (io.WriterTo, error) {
	fh, name := c.args.handle(), c.args.name()
	if c.args.err != nil {
		return nil, c.args.err
	}
	t, st, err := c.dir(fh, name, false)
	defer t.release()
	var ch child
	if err == nil {
		err = t.allowed(unix.X_OK)
	}
	if err == nil && name == "." { // with which some clients begin all paths
		return &nfsv3.Lookup3res_NFS3_OK{Resok: nfsv3.Lookup3resok{
			Object: nfsv3.NfsFh3{Data: []byte(t.fh)}, ObjAttributes: t.ex.postAttr(&st), DirAttributes: t.ex.postAttr(&st),
		}}, nil
	}
	if err == nil {
		ch, err = t.ex.child(t.path, uint64(st.Ino), name)
	}
	if err != nil {
		return &nfsv3.Lookup3res_default{Status: c.status(err), Resfail: nfsv3.Lookup3resfail{DirAttributes: t.after()}}, nil
	}
	c.se.files.add(t.ex, string(ch.fh), ch.fd, ch.st.Mode&unix.S_IFMT).release()
	return &nfsv3.Lookup3res_NFS3_OK{Resok: nfsv3.Lookup3resok{
		Object: nfsv3.NfsFh3{Data: ch.fh}, ObjAttributes: t.ex.postAttr(&ch.st), DirAttributes: t.after(),
	}}, nil
}

func create(c *call) (io.WriterTo, error) {
	fh, name := c.args.handle(), c.args.name()
	var how nfsv3.Createhow3
	if c.args.err == nil {
		var err error
		how, _, err = nfsv3.ReadCreatehow3(c.args.Reader)
		c.args.fail(err)
		switch h := how.(type) {
		case *nfsv3.Createhow3_UNCHECKED:
			c.args.times(&h.ObjAttributes)
		case *nfsv3.Createhow3_GUARDED:
			c.args.times(&h.ObjAttributes)
		}
	}
	if c.args.err != nil {
		return nil, c.args.err
	}
	t, st, err := c.dir(fh, name, true)
	defer t.release()
	var made target
	if err == nil {
		made, err = c.create(t, uint64(st.Ino), name, how)
		defer made.release()
	}
	if err == nil && !t.ex.later(name) {
		err = flushBoth(t, made)
	}
	if err != nil {
		return &nfsv3.Create3res_default{Status: c.status(err), Resfail: nfsv3.Create3resfail{DirWcc: t.wcc()}}, nil
	}
	return &nfsv3.Create3res_NFS3_OK{Resok: nfsv3.Create3resok{
		Obj: made.postFh(), ObjAttributes: made.after(), DirWcc: t.wcc(),
	}}, nil
}

func (t target) postFh() nfsv3.PostOpFh3 {
	return &nfsv3.PostOpFh3_TRUE{Handle: nfsv3.NfsFh3{Data: []byte(t.fh)}}
}

// create makes a file, or finds that it may be there already.
func (c *call) create(dir target, dirIno uint64, name string, how nfsv3.Createhow3) (target, error) {
	var attrs nfsv3.Sattr3
	var verf *[8]byte
	switch h := how.(type) {
	case *nfsv3.Createhow3_UNCHECKED:
		attrs = h.ObjAttributes
	case *nfsv3.Createhow3_GUARDED:
		attrs = h.ObjAttributes
	case *nfsv3.Createhow3_EXCLUSIVE:
		verf = &h.Verf
	}
	mode := uint32(0o600)
	if m, is := attrs.Mode.(*nfsv3.SetMode3_TRUE); is {
		mode = m.Mode & 0o7777
	}
	if err := dir.ex.files.room(); err != nil {
		return target{}, err
	}
	if verf != nil {
		// The same creation, sent again under another number, must not come between the file and its
		// verifier.
		dir.attrs.Lock()
		defer dir.attrs.Unlock()
	}
	const attempts = 4 // others may make and remove the name meanwhile
	for range attempts {
		var fd int
		err := dir.user.do(func() (err error) {
			fd, err = openIn(dir.path, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, mode&0o777)
			return err
		})
		if err == nil {
			return c.created(dir, dirIno, name, fd, mode, &attrs, verf)
		}
		if !errors.Is(err, unix.EEXIST) {
			return target{}, err
		}
		t, err := c.found(dir, dirIno, name, how.GetMode(), &attrs, verf)
		if !errors.Is(err, unix.ENOENT) {
			return t, err
		}
	}
	return target{}, unix.EAGAIN
}

// created finishes a new file, which fd is open for.
func (c *call) created(dir target, dirIno uint64, name string, fd int, mode uint32, attrs *nfsv3.Sattr3, verf *[8]byte) (t target, err error) {
	t, err = c.adopt(dir, dirIno, name, fd)
	if err != nil {
		return t, errors.Join(err, unix.Close(fd))
	}
	t.opened(fd)
	// The mode is set again: the server's umask is not that of the client, which counted already.
	attrs.Mode = &nfsv3.SetMode3_TRUE{Mode: mode}
	if verf != nil {
		attrs.Atime, attrs.Mtime = verifierTimes(verf)
	}
	st, err := t.stat()
	if err != nil {
		return t, err
	}
	return t, t.setAttrs(&st, attrs)
}

// adopt makes a target of a file descriptor, which stays open.
func (c *call) adopt(dir target, dirIno uint64, name string, fd int) (target, error) {
	path, err := reopen(fd, unix.O_PATH)
	if err != nil {
		return target{}, err
	}
	ch := child{fd: path}
	if err := dir.ex.identify(&ch, dirIno, name); err != nil {
		return target{}, errors.Join(err, unix.Close(path))
	}
	return target{c.se.files.add(dir.ex, string(ch.fh), path, ch.st.Mode&unix.S_IFMT), dir.user}, nil
}

// verifierTimes are where the verifier of an exclusive creation is kept until the client sets the
// times (RFC 1813, section 3.3.8). The highest bits are left out: not all file systems have them.
func verifierTimes(v *[8]byte) (nfsv3.SetAtime, nfsv3.SetMtime) {
	a, m := verifierSeconds(v)
	return &nfsv3.SetAtime_SET_TO_CLIENT_TIME{Atime: nfsv3.Nfstime3{Seconds: a}},
		&nfsv3.SetMtime_SET_TO_CLIENT_TIME{Mtime: nfsv3.Nfstime3{Seconds: m}}
}

func verifierSeconds(v *[8]byte) (a, m uint32) {
	const bits = 1<<31 - 1
	return binary.BigEndian.Uint32(v[:4]) & bits, binary.BigEndian.Uint32(v[4:]) & bits
}

// found decides what a creation means when the name is taken.
func (c *call) found(dir target, dirIno uint64, name string, mode nfsv3.Createmode3, attrs *nfsv3.Sattr3, verf *[8]byte) (target, error) {
	if mode == nfsv3.GUARDED {
		return target{}, unix.EEXIST
	}
	ch, err := dir.ex.child(dir.path, dirIno, name)
	if err != nil {
		return target{}, err
	}
	t := target{c.se.files.add(dir.ex, string(ch.fh), ch.fd, ch.st.Mode&unix.S_IFMT), dir.user}
	switch {
	case verf != nil:
		a, m := verifierSeconds(verf)
		if t.typ != unix.S_IFREG || ch.st.Size != 0 || int64(ch.st.Atim.Sec) != int64(a) || int64(ch.st.Mtim.Sec) != int64(m) {
			return t, unix.EEXIST
		}
		return t, nil // the same creation, sent again
	case t.typ == unix.S_IFDIR:
		return t, unix.EISDIR
	case t.typ != unix.S_IFREG:
		return t, unix.EEXIST
	}
	// Of a file that is there, only the length is changed.
	if _, is := attrs.Size.(*nfsv3.SetSize3_TRUE); !is {
		return t, nil
	}
	return t, t.setAttrs(&ch.st, &nfsv3.Sattr3{Size: attrs.Size})
}

func mkdir(c *call) (io.WriterTo, error) {
	fh, name := c.args.handle(), c.args.name()
	var attrs nfsv3.Sattr3
	c.args.read(&attrs)
	c.args.times(&attrs)
	if c.args.err != nil {
		return nil, c.args.err
	}
	t, st, err := c.dir(fh, name, true)
	defer t.release()
	var made target
	if err == nil {
		made, err = c.mkdir(t, uint64(st.Ino), name, &attrs)
		defer made.release()
	}
	if err == nil {
		err = flushBoth(t, made)
	}
	if err != nil {
		return &nfsv3.Mkdir3res_default{Status: c.status(err), Resfail: nfsv3.Mkdir3resfail{DirWcc: t.wcc()}}, nil
	}
	return &nfsv3.Mkdir3res_NFS3_OK{Resok: nfsv3.Mkdir3resok{
		Obj: made.postFh(), ObjAttributes: made.after(), DirWcc: t.wcc(),
	}}, nil
}

func (c *call) mkdir(dir target, dirIno uint64, name string, attrs *nfsv3.Sattr3) (target, error) {
	mode := uint32(0o755)
	if m, is := attrs.Mode.(*nfsv3.SetMode3_TRUE); is {
		mode = m.Mode & 0o7777
	}
	if err := dir.ex.files.room(); err != nil {
		return target{}, err
	}
	err := dir.user.do(func() error { return unix.Mkdirat(dir.path, name, mode&0o777) })
	if err != nil {
		return target{}, err
	}
	ch, err := dir.ex.child(dir.path, dirIno, name)
	if err != nil {
		return target{}, err
	}
	t := target{c.se.files.add(dir.ex, string(ch.fh), ch.fd, ch.st.Mode&unix.S_IFMT), dir.user}
	// A directory that is made in one whose group is kept keeps it too.
	attrs.Mode = &nfsv3.SetMode3_TRUE{Mode: mode | ch.st.Mode&unix.S_ISGID}
	attrs.Size = &nfsv3.SetSize3_default{}
	return t, t.setAttrs(&ch.st, attrs)
}

func remove(c *call) (io.WriterTo, error) {
	t, err := c.unlink(0)
	if errors.Is(err, errGarbage) {
		return nil, err
	}
	defer t.release()
	if err != nil {
		return &nfsv3.Remove3res_default{Status: c.status(err), Resfail: nfsv3.Remove3resfail{DirWcc: t.wcc()}}, nil
	}
	return &nfsv3.Remove3res_NFS3_OK{Resok: nfsv3.Remove3resok{DirWcc: t.wcc()}}, nil
}

func rmdir(c *call) (io.WriterTo, error) {
	t, err := c.unlink(unix.AT_REMOVEDIR)
	if errors.Is(err, errGarbage) {
		return nil, err
	}
	defer t.release()
	if err != nil {
		return &nfsv3.Rmdir3res_default{Status: c.status(err), Resfail: nfsv3.Rmdir3resfail{DirWcc: t.wcc()}}, nil
	}
	return &nfsv3.Rmdir3res_NFS3_OK{Resok: nfsv3.Rmdir3resok{DirWcc: t.wcc()}}, nil
}

// unlink takes a name out of the directory that it returns.
func (c *call) unlink(flags int) (target, error) {
	fh, name := c.args.handle(), c.args.name()
	if c.args.err != nil {
		return target{}, c.args.err
	}
	t, st, err := c.dir(fh, name, true)
	if err != nil {
		return t, err
	}
	ch, err := t.hidden(uint64(st.Ino), name)
	if err != nil {
		return t, err
	}
	defer unix.Close(ch.fd) // it only names the file
	if err := t.user.do(func() error { return unix.Unlinkat(t.path, name, flags) }); err != nil {
		return t, err
	}
	t.ex.forget(&ch, uint64(st.Ino), name)
	if t.ex.later(name) {
		return t, nil
	}
	return t, t.flush()
}

// later reports whether a reply about a name need not wait for the disk.
func (ex *export) later(name string) bool { return ex.HiddenLater && name[0] == '.' }

// hidden is child for those who could not look the name up, and must not learn whether it is there.
func (t target) hidden(dirIno uint64, name string) (child, error) {
	ch, err := t.ex.child(t.path, dirIno, name)
	if err != nil {
		if denied := t.allowed(unix.X_OK); denied != nil {
			return ch, denied
		}
	}
	return ch, err
}

// forget notes that ch has lost a name. When it was the last, its space is to be free, whoever held
// it open.
func (ex *export) forget(ch *child, dirIno uint64, name string) {
	ex.files.gone(dirIno, uint64(ch.st.Ino), name)
	var now unix.Stat_t
	if err := unix.Fstat(ch.fd, &now); err == nil && (now.Nlink == 0 || now.Mode&unix.S_IFMT == unix.S_IFDIR) {
		ex.server.files.drop(string(ch.fh))
	}
}

func rename(c *call) (io.WriterTo, error) {
	fromFh, fromName := c.args.handle(), c.args.name()
	toFh, toName := c.args.handle(), c.args.name()
	if c.args.err != nil {
		return nil, c.args.err
	}
	from, fromSt, err := c.dir(fromFh, fromName, true)
	defer from.release()
	to, toSt, toErr := c.dir(toFh, toName, true)
	defer to.release()
	if err == nil {
		err = toErr
	}
	if err == nil {
		err = c.rename(from, to, uint64(fromSt.Ino), uint64(toSt.Ino), fromName, toName)
	}
	if err != nil {
		return &nfsv3.Rename3res_default{Status: c.status(err), Resfail: nfsv3.Rename3resfail{FromdirWcc: from.wcc(), TodirWcc: to.wcc()}}, nil
	}
	return &nfsv3.Rename3res_NFS3_OK{Resok: nfsv3.Rename3resok{FromdirWcc: from.wcc(), TodirWcc: to.wcc()}}, nil
}

func (c *call) rename(from, to target, fromIno, toIno uint64, fromName, toName string) error {
	if from.ex != to.ex {
		return unix.EXDEV
	}
	moved, err := from.hidden(fromIno, fromName)
	if err != nil {
		return err
	}
	defer unix.Close(moved.fd) // it only names the file
	over, overErr := to.ex.child(to.path, toIno, toName)
	switch {
	case overErr == nil:
		defer unix.Close(over.fd) // it only names the file
	case !errors.Is(overErr, unix.ENOENT):
		return overErr
	}
	if err := from.user.do(func() error { return unix.Renameat2(from.path, fromName, to.path, toName, 0) }); err != nil {
		return err
	}
	if overErr == nil && over.st.Ino == moved.st.Ino {
		return to.flush() // two names of one file: both stay
	}
	if overErr == nil {
		from.ex.forget(&over, toIno, toName)
	}
	from.ex.files.gone(fromIno, uint64(moved.st.Ino), fromName)
	from.ex.files.seen(toIno, uint64(moved.st.Ino), toName)
	if from.object == to.object {
		return to.flush()
	}
	return flushBoth(to, from)
}

func link(c *call) (io.WriterTo, error) {
	fh, dirFh, name := c.args.handle(), c.args.handle(), c.args.name()
	if c.args.err != nil {
		return nil, c.args.err
	}
	t, err := c.changing(fh)
	defer t.release()
	dir, dirSt, dirErr := c.dir(dirFh, name, true)
	defer dir.release()
	if err == nil {
		err = dirErr
	}
	if err == nil {
		err = t.link(dir, uint64(dirSt.Ino), name)
	}
	if err != nil {
		return &nfsv3.Link3res_default{Status: c.status(err), Resfail: nfsv3.Link3resfail{FileAttributes: t.after(), LinkdirWcc: dir.wcc()}}, nil
	}
	return &nfsv3.Link3res_NFS3_OK{Resok: nfsv3.Link3resok{FileAttributes: t.after(), LinkdirWcc: dir.wcc()}}, nil
}

func (t target) link(dir target, dirIno uint64, name string) error {
	switch {
	case t.ex != dir.ex:
		return unix.EXDEV
	case t.typ == unix.S_IFDIR:
		return unix.EINVAL
	case t.typ != unix.S_IFREG:
		return statusNotSupp
	}
	st, err := t.stat()
	if err != nil {
		return err
	}
	if err := t.ex.files.room(); err != nil {
		return err
	}
	err = t.user.do(func() error {
		return unix.Linkat(unix.AT_FDCWD, procName(t.path), dir.path, name, unix.AT_SYMLINK_FOLLOW)
	})
	if err != nil {
		return err
	}
	t.ex.files.seen(dirIno, uint64(st.Ino), name)
	return dir.flush()
}

func readlink(c *call) (io.WriterTo, error) {
	fh := c.args.handle()
	if c.args.err != nil {
		return nil, c.args.err
	}
	t, err := c.target(fh)
	defer t.release()
	if err == nil {
		err = statusNotSupp
	}
	return &nfsv3.Readlink3res_default{Status: c.status(err), Resfail: nfsv3.Readlink3resfail{SymlinkAttributes: t.after()}}, nil
}

// symlink and mknod refuse: what other machines make of such files is theirs to say, and a server that
// never makes them has less to guard. The rest of their arguments does not matter.
func symlink(c *call) (io.WriterTo, error) {
	t, err := c.unmakable()
	if errors.Is(err, errGarbage) {
		return nil, err
	}
	defer t.release()
	return &nfsv3.Symlink3res_default{Status: c.status(err), Resfail: nfsv3.Symlink3resfail{DirWcc: t.wcc()}}, nil
}

func mknod(c *call) (io.WriterTo, error) {
	t, err := c.unmakable()
	if errors.Is(err, errGarbage) {
		return nil, err
	}
	defer t.release()
	return &nfsv3.Mknod3res_default{Status: c.status(err), Resfail: nfsv3.Mknod3resfail{DirWcc: t.wcc()}}, nil
}

func (c *call) unmakable() (target, error) {
	fh, name := c.args.handle(), c.args.name()
	if c.args.err != nil {
		return target{}, c.args.err
	}
	t, _, err := c.dir(fh, name, true)
	if err == nil {
		err = statusNotSupp
	}
	return t, err
}
