package nfs3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

const (
	// pageSize is how much of a directory is asked for at a time, in bytes of the reply.
	pageSize = 64 << 10

	// maxPages bounds a directory that never ends; it is room for tens of millions of names.
	maxPages = 1 << 18
)

// ReadDir yields what is in a directory, "." being the export, without "." and "..", in the order of
// the server, a page at a time; each page has the time-out of the client. Names that come or go
// meanwhile may be seen or not. An error is the last thing it yields, beside a nil Info.
//
// A name is what the server holds, any bytes but "/" and zero.
func (c *Client) ReadDir(ctx context.Context, name string) iter.Seq2[*Info, error] {
	return func(yield func(*Info, error) bool) {
		elems, err := c.elements(procReaddirplus.op, name)
		if err != nil {
			yield(nil, err)
			return
		}
		var at position
		for range maxPages {
			page, err := c.page(ctx, name, elems, at)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, info := range page.infos {
				if !yield(info, nil) {
					return
				}
			}
			if page.eof {
				return
			}
			if page.next.cookie == at.cookie {
				yield(nil, c.fail(procReaddirplus.op, name, fmt.Errorf("%w: a directory that does not go on", ErrProtocol)))
				return
			}
			at = page.next
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
		attr, _, err := nfsv3.ReadPostOpAttr(r)
		if err != nil {
			return nil, pg, 0, err
		}
		if _, _, err = nfsv3.ReadPostOpFh3(r); err != nil {
			return nil, pg, 0, err
		}
		e := entry{name: string(name)}
		if a, is := attr.(*nfsv3.PostOpAttr_TRUE); is {
			e.attr = &a.Attributes
		}
		entries = append(entries, e)
	}
	pg.eof, _, err = runtime.ReadBool(r)
	return entries, pg, 0, err
}
