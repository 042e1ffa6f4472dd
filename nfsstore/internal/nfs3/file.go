package nfs3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math"
	"sync"
	"syscall"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
)

// A File is a regular file by its handle. NFS version 3 keeps no state of open files: removing the
// last name of a file makes its Files fail with syscall.ESTALE, at once or later. The methods may be
// called by several goroutines.
type File struct {
	c    *Client
	h    handle
	name string
	info *Info

	mu       sync.Mutex
	closed   bool
	unstable bool    // something was written that the server has only in memory
	verf     [8]byte // of the server's life in which it was
	lost     bool    // that life has ended since
}

// Name returns the name that the file was opened by.
func (f *File) Name() string { return f.name }

// Info returns the attributes at the time of opening.
func (f *File) Info() *Info { return f.info }

// Stat asks for the attributes of now.
func (f *File) Stat(ctx context.Context) (*Info, error) {
	if err := f.open("getattr"); err != nil {
		return nil, err
	}
	ctx, cancel := f.c.begin(ctx)
	defer cancel()
	attr, err := f.c.getattr(ctx, "getattr", f.name, f.h)
	if err != nil {
		return nil, err
	}
	return newInfo(f.name, attr), nil
}

// ReadAt is [File.ReadAtContext] without a context of its own, an io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	return f.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext fills p from the offset on. n < len(p) comes with an error, which is io.EOF at the
// end of the file. It sends several requests at once when p is larger than [Limits].Read; each has
// the time-out of the client.
func (f *File) ReadAtContext(ctx context.Context, p []byte, off int64) (n int, err error) {
	const op = "read"
	if err := f.open(op); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, f.c.fail(op, f.name, syscall.EINVAL)
	}
	return pieces(p, f.c.limits.Read, func(p []byte, at int) (int, error) {
		n := 0
		for n < len(p) {
			if uint64(off)+uint64(at+n) > math.MaxInt64 {
				return n, io.EOF
			}
			k, eof, err := f.read(ctx, p[n:], uint64(off)+uint64(at+n))
			n += k
			switch {
			case err != nil:
				return n, err
			case n == len(p):
			case eof:
				return n, io.EOF
			case k == 0:
				return n, f.c.fail(op, f.name, fmt.Errorf("%w: nothing was read before the end of the file", ErrProtocol))
			}
		}
		return n, nil
	})
}

func (f *File) read(ctx context.Context, p []byte, off uint64) (n int, eof bool, err error) {
	ctx, cancel := f.c.begin(ctx)
	defer cancel()
	args := &nfsv3.Read3args{File: f.h.xdr(), Offset: off, Count: uint32(len(p))}
	err = f.c.do(ctx, procRead, f.name, args, func(r *bytes.Reader) (Status, error) {
		n, eof = 0, false
		status, err := readStatus(r)
		if err != nil || status != 0 {
			return status, err
		}
		if err := skipAttr(r); err != nil {
			return 0, err
		}
		// count, eof and the data, copied once.
		var head [3]uint32
		for i := range head {
			if head[i], err = readUint32(r); err != nil {
				return 0, err
			}
		}
		size := head[2]
		if uint64(size) > uint64(len(p)) || uint64(size) > uint64(r.Len()) {
			return 0, fmt.Errorf("%d bytes where %d were asked for and %d have come", size, len(p), r.Len())
		}
		eof = head[1] != 0
		n, err = io.ReadFull(r, p[:size])
		return 0, err
	})
	return n, eof, err
}

// WriteAt writes p at the offset. The bytes are safe only when [File.Sync] has returned nil. n <
// len(p) comes with an error, after which any part of p may have been written. It sends several
// requests at once when p is larger than [Limits].Write; each has the time-out of the client.
func (f *File) WriteAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	const op = "write"
	if err := f.open(op); err != nil {
		return 0, err
	}
	if off < 0 || int64(len(p)) > math.MaxInt64-off {
		return 0, f.c.fail(op, f.name, syscall.EINVAL)
	}
	return pieces(p, f.c.limits.Write, func(p []byte, at int) (int, error) {
		n := 0
		for n < len(p) {
			k, _, err := f.write(ctx, p[n:], uint64(off)+uint64(at+n), nfsv3.UNSTABLE)
			if err != nil {
				return n, err
			}
			n += k
		}
		return n, nil
	})
}

// WriteSync writes p at the offset, which is safe when it returns nil. What fits into one request needs
// no second one for that, as [File.WriteAt] and [File.Sync] do. They are what it does otherwise, with
// [ErrRewrite] as from Sync: write p again.
func (f *File) WriteSync(ctx context.Context, p []byte, off int64) error {
	const op = "write"
	if err := f.open(op); err != nil {
		return err
	}
	if off < 0 || int64(len(p)) > math.MaxInt64-off {
		return f.c.fail(op, f.name, syscall.EINVAL)
	}
	if len(p) > 0 && len(p) <= f.c.limits.Write {
		n, how, err := f.write(ctx, p, uint64(off), nfsv3.FILE_SYNC)
		if err != nil {
			return err
		}
		if n == len(p) && how == nfsv3.FILE_SYNC {
			return nil
		}
		// The server takes less at a time, or promises less, than it should.
		p, off = p[n:], off+int64(n)
	}
	if _, err := f.WriteAt(ctx, p, off); err != nil {
		return err
	}
	return f.Sync(ctx)
}

// write makes one request, asking that the bytes be as safe as how says, and returns how many were
// written and how safe they are.
func (f *File) write(ctx context.Context, p []byte, off uint64, how nfsv3.StableHow) (n int, is nfsv3.StableHow, err error) {
	ctx, cancel := f.c.begin(ctx)
	defer cancel()
	args := &nfsv3.Write3args{File: f.h.xdr(), Offset: off, Count: uint32(len(p)), Stable: how, Data: p}
	var res nfsv3.Write3res
	err = f.c.do(ctx, procWrite, f.name, args, func(r *bytes.Reader) (Status, error) {
		var err error
		if res, _, err = nfsv3.ReadWrite3res(r); err != nil {
			return 0, err
		}
		return Status(res.GetStatus()), nil
	})
	if err != nil {
		return 0, 0, err
	}
	ok, good := res.(*nfsv3.Write3res_NFS3_OK)
	if !good || ok.Resok.Count == 0 || uint64(ok.Resok.Count) > uint64(len(p)) {
		return 0, 0, f.c.fail("write", f.name, fmt.Errorf("%w: not a count from 1 to %d", ErrProtocol, len(p)))
	}
	if ok.Resok.Committed == nfsv3.UNSTABLE {
		f.wrote(ok.Resok.Verf)
	}
	return int(ok.Resok.Count), ok.Resok.Committed, nil
}

// wrote notes an unstable write.
func (f *File) wrote(verf [8]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unstable && f.verf != verf {
		f.lost = true
	}
	f.unstable, f.verf = true, verf
}

// Sync returns nil when all that was written by this File is safe (COMMIT, RFC 1813, section
// 3.3.21). [ErrRewrite] says that the server has restarted in between: write everything again, to
// the same File, and Sync again. Writes during a Sync are for the next one.
func (f *File) Sync(ctx context.Context) error {
	const op = "commit"
	if err := f.open(op); err != nil {
		return err
	}
	f.mu.Lock()
	unstable, verf, lost := f.unstable, f.verf, f.lost
	f.unstable, f.lost = false, false
	f.mu.Unlock()

	now, err := f.commit(ctx)
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if unstable { // as it was, with what was written meanwhile
			f.lost = f.lost || lost || f.unstable && f.verf != verf
			f.unstable, f.verf = true, verf
		}
		return err
	}
	if unstable && (lost || now != verf) {
		return f.c.fail(op, f.name, ErrRewrite)
	}
	return nil
}

func (f *File) commit(ctx context.Context) (verf [8]byte, err error) {
	ctx, cancel := f.c.begin(ctx)
	defer cancel()
	var res nfsv3.Commit3res
	args := &nfsv3.Commit3args{File: f.h.xdr()} // from 0, to the end
	err = f.c.do(ctx, procCommit, f.name, args, func(r *bytes.Reader) (Status, error) {
		var err error
		if res, _, err = nfsv3.ReadCommit3res(r); err != nil {
			return 0, err
		}
		return Status(res.GetStatus()), nil
	})
	if err != nil {
		return verf, err
	}
	ok, is := res.(*nfsv3.Commit3res_NFS3_OK)
	if !is {
		return verf, f.c.fail(procCommit.op, f.name, ErrProtocol)
	}
	return ok.Resok.Verf, nil
}

// Link is [Client.Link] from the file itself, which need not be looked up by its name: it is linked
// also when that name has gone, unless it was the last, and after Close.
func (f *File) Link(ctx context.Context, to string) error {
	return f.c.change(ctx, "link", to, func(ctx context.Context, dir handle, base string) error {
		return f.c.link(ctx, to, f.h, dir, base)
	})
}

// Close ends the use of the File. It sends nothing, and so tells nothing about what was written:
// that is for Sync. A second Close returns fs.ErrClosed.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.c.fail("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	return nil
}

func (f *File) open(op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.c.fail(op, f.name, fs.ErrClosed)
	}
	return nil
}

// window is how many requests of one ReadAt or WriteAt are under way together.
const window = 4

// pieces runs f on the pieces of p and returns how many bytes of p, from its start, were done, with
// the error of the piece after them.
func pieces(p []byte, size int, f func(p []byte, at int) (int, error)) (n int, err error) {
	if len(p) <= size {
		if len(p) == 0 {
			return 0, nil
		}
		return f(p, 0)
	}
	type result struct {
		n   int
		err error
	}
	for len(p[n:]) > 0 {
		var results [window]result
		var wg sync.WaitGroup
		for i := range results {
			from := n + i*size
			if from >= len(p) {
				break
			}
			wg.Go(func() {
				r := &results[i]
				r.n, r.err = f(p[from:min(from+size, len(p))], from)
			})
		}
		wg.Wait()
		for _, r := range results {
			n += r.n
			if r.err != nil {
				return n, r.err
			}
		}
	}
	return n, nil
}
