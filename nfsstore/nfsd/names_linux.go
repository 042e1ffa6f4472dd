package nfsd

import (
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
