package nfs3

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

const (
	// pageSize is how much of a directory is asked for at a time, in bytes of the reply.
	pageSize = 256 << 10

	// maxPages bounds a directory that never ends; it is room for tens of millions of names.
	maxPages = 1 << 18
)

// ReadDir yields what is in a directory, "." being the export, without "." and "..", in the order of
// the server, a page at a time; each page has the time-out of the client, and is asked for while the one
// before it is looked at. Names that come or go meanwhile may be seen or not. An error is the last thing
// it yields, beside a nil Info.
//
// A name is what the server holds, any bytes but "/" and zero.
func (c *Client) ReadDir(ctx context.Context, name string) iter.Seq2[*Info, error] {
	return func(yield func(*Info, error) bool) {
		elems, err := c.elements(procReaddirplus.op, name)
		if err != nil {
			yield(nil, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		type result struct {
			page page
			err  error
		}
		ahead := make(chan result, 1)
		var at position
		for n := range maxPages {
			var r result
			if n == 0 {
				r.page, r.err = c.page(ctx, name, elems, at)
			} else {
				r = <-ahead
			}
			if r.err == nil && !r.page.eof && r.page.next.cookie == at.cookie {
				r.err = c.fail(procReaddirplus.op, name, fmt.Errorf("%w: a directory that does not go on", ErrProtocol))
			}
			if at = r.page.next; r.err == nil && !r.page.eof {
				wg.Go(func() {
					var next result
					next.page, next.err = c.page(ctx, name, elems, at)
					ahead <- next
				})
			}
			for _, info := range r.page.infos {
				if !yield(info, nil) {
					return
				}
			}
			if r.err != nil {
				yield(nil, r.err)
				return
			}
			if r.page.eof {
				return
			}
		}
		yield(nil, c.fail(procReaddirplus.op, name, fmt.Errorf("%w: a directory of more than %d pages", ErrProtocol, maxPages)))
	}
}

// A position in a directory is the server's; both parts go back untouched.
type position struct {
	cookie uint64
	verf   [8]byte
}

type page struct {
	infos []*Info
	next  position
	eof   bool
}

func (c *Client) page(ctx context.Context, name string, elems []string, at position) (pg page, err error) {
	ctx, cancel := c.begin(ctx)
	defer cancel()
	op := procReaddirplus.op
	err = c.unstale(ctx, func() error {
		dir, err := c.dir(ctx, op, name, elems)
		if err != nil {
			return err
		}
		args := &nfsv3.Readdirplus3args{Dir: dir.xdr(), Cookie: at.cookie, Cookieverf: at.verf, Dircount: pageSize, Maxcount: pageSize}
		var entries []entry
		err = c.do(ctx, procReaddirplus, name, args, func(r *bytes.Reader) (status Status, err error) {
			entries, pg, status, err = readPage(r, at)
			return status, err
		})
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.name == "." || e.name == ".." {
				continue
			}
			if e.attr == nil { // the server had them not at hand
				_, attr, err := c.lookup(ctx, op, name, dir, e.name)
				if statusOf(err) == Status(nfsv3.NFS3ERR_NOENT) {
					continue
				}
				if err != nil {
					return err
				}
				e.attr = &attr
			}
			pg.infos = append(pg.infos, newInfo(e.name, *e.attr))
		}
		return nil
	})
	return pg, err
}

// readPostOpAttr reads a post_op_attr as the generated reader does, which takes a call for each number:
// a directory has many.
func readPostOpAttr(r *bytes.Reader) (*nfsv3.Fattr3, error) {
	if there, _, err := runtime.ReadBool(r); err != nil || !there {
		return nil, err
	}
	var b [84]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return nil, err
	}
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }
	when := func(at int) nfsv3.Nfstime3 { return nfsv3.Nfstime3{Seconds: u32(at), Nseconds: u32(at + 4)} }
	return &nfsv3.Fattr3{
		Type: nfsv3.Ftype3(int32(u32(0))), Mode: u32(4), Nlink: u32(8), Uid: u32(12), Gid: u32(16),
		Size: u64(20), Used: u64(28), Rdev: nfsv3.Specdata3{Specdata1: u32(36), Specdata2: u32(40)},
		Fsid: u64(44), Fileid: u64(52), Atime: when(60), Mtime: when(68), Ctime: when(76),
	}, nil
}

// skipPostOpHandle passes over a post_op_fh3.
func skipPostOpHandle(r *bytes.Reader) error {
	if there, _, err := runtime.ReadBool(r); err != nil || !there {
		return err
	}
	size, err := readUint32(r)
	if err != nil {
		return err
	}
	if size > nfsv3.NFS3_FHSIZE {
		return fmt.Errorf("a handle of %d bytes", size)
	}
	var b [nfsv3.NFS3_FHSIZE]byte
	_, err = io.ReadFull(r, b[:(size+3)&^3])
	return err
}

type entry struct {
	name string
	attr *nfsv3.Fattr3
}

// readPage reads a READDIRPLUS3res. The generated reader recurses for each entry and takes only
// ASCII names.
func readPage(r *bytes.Reader, at position) (entries []entry, pg page, status Status, err error) {
	if status, err = readStatus(r); err != nil || status != 0 {
		return nil, pg, status, err
	}
	if err = skipAttr(r); err != nil {
		return nil, pg, 0, err
	}
	pg.next = at
	if _, err = io.ReadFull(r, pg.next.verf[:]); err != nil {
		return nil, pg, 0, err
	}
	for {
		more, _, err := runtime.ReadBool(r)
		if err != nil {
			return nil, pg, 0, err
		}
		if !more {
			break
		}
		if _, _, err = runtime.ReadUnsignedHyper(r); err != nil { // fileid, which is in the attributes too
			return nil, pg, 0, err
		}
		name, _, err := runtime.ReadVariableLengthOpaque(r, maxName)
		if err != nil {
			return nil, pg, 0, err
		}
		if len(name) == 0 || bytes.IndexByte(name, 0) >= 0 || bytes.IndexByte(name, '/') >= 0 {
			return nil, pg, 0, fmt.Errorf("the name %q in a directory", name)
		}
		if pg.next.cookie, _, err = runtime.ReadUnsignedHyper(r); err != nil {
			return nil, pg, 0, err
		}
		e := entry{name: string(name)}
		if e.attr, err = readPostOpAttr(r); err != nil {
			return nil, pg, 0, err
		}
		if err = skipPostOpHandle(r); err != nil {
			return nil, pg, 0, err
		}
		entries = append(entries, e)
	}
	pg.eof, _, err = runtime.ReadBool(r)
	return entries, pg, 0, err
}
