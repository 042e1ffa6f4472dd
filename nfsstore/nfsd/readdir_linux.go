package nfsd

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"golang.org/x/sys/unix"
)

// maxListing is the longest reply about a directory.
const maxListing = 256 << 10

// A listing asks for a part of a directory. The bindings make a list of all entries by recursion, and
// take only names in ASCII, so the reply is written by hand.
type listing struct {
	plus     bool
	cookie   uint64
	verf     [8]byte
	dircount int // bytes of names; 0: no bound
	maxcount int // bytes of the reply
}

func readdir(c *call) (io.WriterTo, error) {
	fh := c.args.handle()
	l := listing{cookie: c.args.uint64()}
	c.args.fixed(l.verf[:])
	l.maxcount = int(min(c.args.uint32(), maxListing))
	return c.list(fh, &l)
}

func readdirplus(c *call) (io.WriterTo, error) {
	fh := c.args.handle()
	l := listing{plus: true, cookie: c.args.uint64()}
	c.args.fixed(l.verf[:])
	l.dircount = int(min(c.args.uint32(), maxListing))
	l.maxcount = int(min(c.args.uint32(), maxListing))
	return c.list(fh, &l)
}

func (c *call) list(fh []byte, l *listing) (io.WriterTo, error) {
	if c.args.err != nil {
		return nil, c.args.err
	}
	t, err := c.target(fh)
	defer t.release()
	var p *page
	if err == nil {
		p, err = t.list(l)
	}
	if err == nil {
		return p, nil
	}
	if l.plus {
		return &nfsv3.Readdirplus3res_default{Status: c.status(err), Resfail: nfsv3.Readdirplus3resfail{DirAttributes: t.after()}}, nil
	}
	return &nfsv3.Readdir3res_default{Status: c.status(err), Resfail: nfsv3.Readdir3resfail{DirAttributes: t.after()}}, nil
}

// cookieVerifier is that of a directory. The cookies are the positions that the file system gives
// to names, which neither other names nor a restart change: so it stays the same as long as the
// directory does.
func (t target) cookieVerifier() [8]byte {
	h := hmac.New(sha256.New, t.ex.server.seals.key)
	h.Write([]byte("cookie " + t.fh)) // it never fails
	return [8]byte(h.Sum(nil)[:8])
}

// list makes the result of a READDIR or READDIRPLUS.
func (t target) list(l *listing) (*page, error) {
	st, err := t.stat()
	if err != nil {
		return nil, err
	}
	if t.typ != unix.S_IFDIR {
		return nil, unix.ENOTDIR
	}
	if err := t.allowed(unix.R_OK); err != nil {
		return nil, err
	}
	verf := t.cookieVerifier()
	if l.cookie != 0 && l.verf != verf || l.cookie > 1<<63-1 {
		return nil, statusBadCookie
	}
	// Who may not search the directory learns names and no more.
	full := l.plus && t.allowed(unix.X_OK) == nil

	// A file descriptor of its own, because it has a position.
	fd, err := openIn(t.path, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd) // it was only read
	if l.cookie != 0 {
		if _, err := unix.Seek(fd, int64(l.cookie), unix.SEEK_SET); err != nil {
			return nil, statusBadCookie
		}
	}
	p := &page{listing: l, t: t, dir: &st, full: full}
	p.grow(min(l.maxcount, 8<<10))
	attr := t.ex.fattr(&st)
	p.words(uint32(nfsv3.NFS3_OK), 1)
	p.b = append(appendFattr(p.b, &attr), verf[:]...)
	eof, err := p.fill(fd)
	if err != nil {
		return nil, err
	}
	p.words(0, eof) // no more entries
	return p, nil
}

// A page is the part of a directory that fits into a reply, as a result that is sent without a copy.
type page struct {
	lines
	*listing
	t       target
	dir     *unix.Stat_t
	full    bool // with attributes and handles
	names   int  // bytes of names and cookies so far
	entries int
}

// lines are numbers and texts, encoded.
type lines struct{ b []byte }

// WriteTo writes nothing: all of it is in the tail.
func (l *lines) WriteTo(io.Writer) (int64, error) { return 0, nil }

func (l *lines) tail() ([]byte, func()) { return l.b, nil }

func (l *lines) grow(n int) { l.b = slices.Grow(l.b, n) }

func (l *lines) words(vs ...uint32) {
	for _, v := range vs {
		l.b = binary.BigEndian.AppendUint32(l.b, v)
	}
}

func (l *lines) long(v uint64) { l.b = binary.BigEndian.AppendUint64(l.b, v) }

func (l *lines) opaque(b []byte) {
	l.words(uint32(len(b)))
	l.b = append(l.b, b...)
	var zero [3]byte
	l.b = append(l.b, zero[:(4-len(b)%4)%4]...)
}

// text is opaque for a string.
func (l *lines) text(s string) {
	l.words(uint32(len(s)))
	l.b = append(l.b, s...)
	var zero [3]byte
	l.b = append(l.b, zero[:(4-len(s)%4)%4]...)
}

// fill adds entries until the directory or the room ends. eof is 1 in the first case.
func (p *page) fill(fd int) (eof uint32, err error) {
	buf := make([]byte, min(32<<10, max(p.maxcount, 1<<10)))
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(fd, buf) })
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return 1, nil
		}
		for rest := buf[:n]; len(rest) > 0; {
			var e dirent
			if e, rest, err = nextDirent(rest); err != nil {
				return 0, err
			}
			fits, err := p.add(&e)
			if err != nil {
				return 0, err
			}
			if !fits {
				if p.entries == 0 {
					return 0, statusTooSmall
				}
				return 0, nil
			}
		}
	}
}

// A dirent is an entry of a directory, as the kernel gives it.
type dirent struct {
	ino    uint64
	cookie uint64 // the position after it
	name   string
}

var errDirent = errors.New("the kernel gave an entry of a directory that makes no sense")

// nextDirent reads a struct linux_dirent64.
func nextDirent(b []byte) (e dirent, rest []byte, err error) {
	const head = 8 + 8 + 2 + 1
	if len(b) < head {
		return e, nil, errDirent
	}
	n := int(binary.NativeEndian.Uint16(b[16:]))
	if n < head || n > len(b) {
		return e, nil, errDirent
	}
	name := b[head:n]
	if i := bytes.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	return dirent{binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:]), string(name)}, b[n:], nil
}

// tailSize is what follows the last entry: that there is no more, and whether the directory ends.
const tailSize = 8

// add adds an entry, if there is room.
func (p *page) add(e *dirent) (fits bool, err error) {
	name := (len(e.name) + 3) &^ 3
	size := 4 + 8 + 4 + name + 8
	if p.dircount > 0 && p.entries > 0 && p.names+8+4+name+8 > p.dircount {
		return false, nil
	}
	var fh []byte
	var attr nfsv3.Fattr3
	switch {
	case e.name == "..":
		if p.dir.Ino == p.t.ex.rootIno {
			e.ino = uint64(p.dir.Ino) // what is above is not to be seen
		}
	case p.full && e.name == ".":
		fh, attr = []byte(p.t.fh), p.t.ex.fattr(p.dir)
	case p.full:
		fh, attr, err = p.child(e.name)
		switch {
		case err == nil:
		case errors.Is(err, unix.ENOENT):
			return true, nil // it was removed meanwhile
		case errors.Is(err, unix.EACCES): // something is mounted there
		default:
			return false, err
		}
	}
	if p.plus {
		size += 4 + 4
		if fh != nil {
			size += nfsv3.Fattr3EncodedSizeBytes + 4 + (len(fh)+3)&^3
		}
	}
	if len(p.b)+size+tailSize > p.maxcount {
		return false, nil
	}
	p.words(1)
	p.long(e.ino)
	p.text(e.name)
	p.long(e.cookie)
	switch {
	case fh != nil:
		p.words(1)
		p.b = appendFattr(p.b, &attr)
		p.words(1)
		p.opaque(fh)
	case p.plus:
		p.words(0, 0)
	}
	p.names += 8 + 4 + name + 8
	p.entries++
	return true, nil
}

// child looks a name up, of which only what it tells is kept.
func (p *page) child(name string) (fh []byte, attr nfsv3.Fattr3, err error) {
	ex := p.t.ex
	var x unix.Statx_t
	if fh, ok := ex.glance(p.t.path, name, &x); ok {
		return fh, ex.fattrx(&x), nil
	}
	ch, err := ex.child(p.t.path, uint64(p.dir.Ino), name)
	if err != nil {
		return nil, attr, err
	}
	return ch.fh, ex.fattr(&ch.st), unix.Close(ch.fd)
}
