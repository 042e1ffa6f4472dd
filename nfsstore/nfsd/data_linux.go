package nfsd

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/runtime"
	"golang.org/x/sys/unix"
)

// readBuffers are for the data of long reads.
var readBuffers = sync.Pool{New: func() any { return new([maxData]byte) }}

// smallRead is the longest read that has a buffer of its own.
const smallRead = 64 << 10

// A readResult is the result of a READ that succeeded. Its data are sent from where they were read to.
type readResult struct {
	attrs nfsv3.PostOpAttr
	n     int
	eof   bool
	b     []byte // n bytes and what fills them up to four
	free  func()
}

func (r *readResult) WriteTo(w io.Writer) (int64, error) {
	n, err := runtime.WriteInt(w, int32(nfsv3.NFS3_OK))
	if err != nil {
		return n, err
	}
	m, err := r.attrs.WriteTo(w)
	if n += m; err != nil {
		return n, err
	}
	eof := uint32(0)
	if r.eof {
		eof = 1
	}
	b := make([]byte, 0, 12)
	for _, v := range []uint32{uint32(r.n), eof, uint32(r.n)} { // the last is the length of the data
		b = binary.BigEndian.AppendUint32(b, v)
	}
	k, err := w.Write(b)
	return n + int64(k), err
}

func (r *readResult) tail() ([]byte, func()) { return r.b, r.free }

func read(c *call) (io.WriterTo, error) {
	var a nfsv3.Read3args
	c.args.read(&a)
	if c.args.err != nil {
		return nil, c.args.err
	}
	t, err := c.target(a.File.Data)
	defer t.release()
	var r *readResult
	if err == nil {
		r, err = t.read(a.Offset, int(min(a.Count, maxData)))
	}
	if err != nil {
		return &nfsv3.Read3res_default{Status: c.status(err), Resfail: nfsv3.Read3resfail{FileAttributes: t.after()}}, nil
	}
	return r, nil
}

func (t target) read(off uint64, count int) (*readResult, error) {
	st, err := t.stat()
	if err != nil {
		return nil, err
	}
	switch {
	case t.typ == unix.S_IFDIR:
		return nil, unix.EISDIR
	case t.typ != unix.S_IFREG:
		return nil, unix.EINVAL
	}
	// Programs that may be run may be read, or nobody could run them.
	if err := t.may(&st, unix.R_OK); err != nil && t.may(&st, unix.X_OK) != nil {
		return nil, err
	}
	fd, err := t.readable()
	if err != nil {
		return nil, err
	}
	if off >= uint64(st.Size) {
		return &readResult{attrs: t.ex.postAttr(&st), eof: true}, nil
	}
	count = int(min(uint64(count), uint64(st.Size)-off))
	r := &readResult{}
	if count <= smallRead {
		r.b = make([]byte, count+3)
	} else {
		big := readBuffers.Get().(*[maxData]byte)
		r.b, r.free = big[:], func() { readBuffers.Put(big) }
	}
	for r.n < count {
		n, err := retry(func() (int, error) { return unix.Pread(fd, r.b[r.n:count], int64(off)+int64(r.n)) })
		if err != nil {
			if r.free != nil {
				r.free()
			}
			return nil, err
		}
		if n == 0 { // it was made shorter
			break
		}
		r.n += n
	}
	padded := (r.n + 3) &^ 3
	clear(r.b[r.n:padded])
	r.b = r.b[:padded]
	r.eof = r.n < count || off+uint64(r.n) >= uint64(st.Size)
	r.attrs = t.ex.postAttr(&st)
	return r, nil
}

func write(c *call) (io.WriterTo, error) {
	fh, off, count := c.args.handle(), c.args.uint64(), c.args.uint32()
	stable := nfsv3.StableHow(c.args.uint32())
	data := c.args.inPlace()
	if c.args.err != nil || stable < nfsv3.UNSTABLE || stable > nfsv3.FILE_SYNC || int64(count) > int64(len(data)) {
		return nil, errGarbage
	}
	t, err := c.changing(fh)
	defer t.release()
	var n int
	verf := c.se.verifier() // of before: a fault meanwhile must not be hidden
	if err == nil {
		n, err = t.write(off, data[:min(int(count), maxData)])
	}
	if err == nil && stable != nfsv3.UNSTABLE {
		// A flush of another call may have had the fault, and taken these bytes with it.
		if err = t.flush(); err == nil && c.se.verifier() != verf {
			err = unix.EIO
		}
	}
	if err != nil {
		return &nfsv3.Write3res_default{Status: c.status(err), Resfail: nfsv3.Write3resfail{FileWcc: t.wcc()}}, nil
	}
	committed := stable
	if committed == nfsv3.DATA_SYNC {
		committed = nfsv3.FILE_SYNC // which flush does
	}
	return &nfsv3.Write3res_NFS3_OK{Resok: nfsv3.Write3resok{FileWcc: t.wcc(), Count: uint32(n), Committed: committed, Verf: verf}}, nil
}

// write writes what fits. n < len(b) comes without an error when some did.
func (t target) write(off uint64, b []byte) (n int, err error) {
	st, err := t.stat()
	if err != nil {
		return 0, err
	}
	switch {
	case t.typ == unix.S_IFDIR:
		return 0, unix.EISDIR
	case t.typ != unix.S_IFREG:
		return 0, unix.EINVAL
	case off > 1<<63-1-uint64(len(b)):
		return 0, unix.EFBIG
	}
	if err := t.may(&st, unix.W_OK); err != nil {
		return 0, err
	}
	fd, err := t.writable()
	if err != nil {
		return 0, err
	}
	if err := dropSetID(fd, &st); err != nil {
		return 0, err
	}
	for n < len(b) {
		k, err := retry(func() (int, error) { return unix.Pwrite(fd, b[n:], int64(off)+int64(n)) })
		if n += k; err != nil {
			if n > 0 {
				break // the client sends the rest again, and learns why it does not fit
			}
			return 0, err
		}
	}
	t.dirty.Store(true)
	return n, nil
}

// verifier is the write verifier of now.
func (se *session) verifier() (b [8]byte) {
	binary.BigEndian.PutUint64(b[:], se.verf.Load())
	return b
}

func commit(c *call) (io.WriterTo, error) {
	var a nfsv3.Commit3args
	c.args.read(&a)
	if c.args.err != nil {
		return nil, c.args.err
	}
	t, err := c.changing(a.File.Data)
	defer t.release()
	if err == nil {
		if t.typ == unix.S_IFREG {
			_, err = t.stat()
		} else {
			err = unix.EINVAL
		}
	}
	if err == nil {
		err = t.flush() // of all of the file, which holds the part that was asked for
	}
	verf := c.se.verifier() // of after: a flush of another call may have had the fault
	if err != nil {
		return &nfsv3.Commit3res_default{Status: c.status(err), Resfail: nfsv3.Commit3resfail{FileWcc: t.wcc()}}, nil
	}
	return &nfsv3.Commit3res_NFS3_OK{Resok: nfsv3.Commit3resok{FileWcc: t.wcc(), Verf: verf}}, nil
}
