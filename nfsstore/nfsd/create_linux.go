package nfsd

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"golang.org/x/sys/unix"
)

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
