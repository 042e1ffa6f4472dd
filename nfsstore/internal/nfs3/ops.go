package nfs3

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

// A proc is a remote procedure.
type proc struct {
	prog, vers, num uint32
	op              string
	repeat          bool  // twice is the same as once
	repeated        *bool // set when a call may have come twice; may be nil
}

func nfsProc(num uint32, op string, repeat bool) proc {
	return proc{nfsv3.NFS_PROGRAM_PROGRAM_NUMBER, 3, num, op, repeat, nil}
}

// The numbers are those of RFC 1813, section 3 and appendix I, and RFC 1833, section 3.
var (
	procGetattr     = nfsProc(1, "getattr", true)
	procSetattr     = nfsProc(2, "setattr", true)
	procLookup      = nfsProc(3, "lookup", true)
	procRead        = nfsProc(6, "read", true)
	procWrite       = nfsProc(7, "write", true)
	procCreate      = nfsProc(8, "create", false)
	procMkdir       = nfsProc(9, "mkdir", false)
	procRemove      = nfsProc(12, "remove", false)
	procRmdir       = nfsProc(13, "rmdir", false)
	procRename      = nfsProc(14, "rename", false)
	procLink        = nfsProc(15, "link", false)
	procReaddirplus = nfsProc(17, "readdirplus", true)
	procFsstat      = nfsProc(18, "fsstat", true)
	procFsinfo      = nfsProc(19, "fsinfo", true)
	procCommit      = nfsProc(21, "commit", true)

	procMnt     = proc{mount.MOUNT_PROGRAM_PROGRAM_NUMBER, 3, 1, "mount", true, nil}
	procGetport = proc{100000, 2, 3, "getport", true, nil}
)

// as returns p with another name for messages.
func (p proc) as(op string) proc {
	p.op = op
	return p
}

// Pauses before a call that the server asked to come back with later (NFS3ERR_JUKEBOX).
const (
	jukeboxMin = 50 * time.Millisecond
	jukeboxMax = 2 * time.Second
)

// do makes a call. decode reads the result from its status on, of which it keeps nothing; it may be called
// again after a repetition. Its error means that the answer makes no sense.
func (c *Client) do(ctx context.Context, p proc, name string, args io.WriterTo, decode func(*bytes.Reader) (Status, error)) error {
	for pause := jukeboxMin; ; pause = min(2*pause, jukeboxMax) {
		body, record, err := c.rpc.call(ctx, p, args)
		if err != nil {
			return c.fail(p.op, name, err)
		}
		status, err := decode(bytes.NewReader(body))
		release(record)
		switch {
		case err != nil:
			return c.fail(p.op, name, fmt.Errorf("%w: %w", ErrProtocol, err))
		case status == 0:
			return nil
		case status != Status(nfsv3.NFS3ERR_JUKEBOX):
			return &Error{Op: p.op, Name: name, Export: c.where, Status: status}
		}
		if wait(ctx, pause) != nil {
			return &Error{Op: p.op, Name: name, Export: c.where, Status: status}
		}
	}
}

// A result is one of the generated unions.
type result interface{ GetStatus() nfsv3.Nfsstat3 }

// call is do with one of the generated readers.
func call[R result](ctx context.Context, c *Client, p proc, name string, args io.WriterTo, read func(io.Reader) (R, int64, error)) (res R, err error) {
	err = c.do(ctx, p, name, args, func(r *bytes.Reader) (Status, error) {
		var err error
		if res, _, err = read(r); err != nil {
			return 0, err
		}
		return Status(res.GetStatus()), nil
	})
	return res, err
}

var errArm = errors.New("a result without its content")

// nonsense is for a result of success of another type, which the generated code does not make.
func (c *Client) nonsense(p proc, name string) error {
	return c.fail(p.op, name, fmt.Errorf("%w: %w", ErrProtocol, errArm))
}

func (c *Client) getattr(ctx context.Context, op, name string, h handle) (attr nfsv3.Fattr3, err error) {
	p := procGetattr.as(op)
	res, err := call(ctx, c, p, name, &nfsv3.Getattr3args{Object: h.xdr()}, nfsv3.ReadGetattr3res)
	if err != nil {
		return attr, err
	}
	ok, is := res.(*nfsv3.Getattr3res_NFS3_OK)
	if !is {
		return attr, c.nonsense(p, name)
	}
	return ok.Resok.ObjAttributes, nil
}

func (c *Client) setattr(ctx context.Context, op, name string, h handle, to nfsv3.Sattr3) (attr nfsv3.Fattr3, err error) {
	args := &nfsv3.Setattr3args{Object: h.xdr(), NewAttributes: to, Guard: &nfsv3.Sattrguard3_FALSE{}}
	res, err := call(ctx, c, procSetattr.as(op), name, args, nfsv3.ReadSetattr3res)
	if err != nil {
		return attr, err
	}
	if ok, is := res.(*nfsv3.Setattr3res_NFS3_OK); is {
		if after, is := ok.Resok.ObjWcc.After.(*nfsv3.PostOpAttr_TRUE); is {
			return after.Attributes, nil
		}
	}
	return c.getattr(ctx, op, name, h)
}

// A dirop names something in a directory. The generated diropargs3 takes only ASCII names.
type dirop struct {
	dir  handle
	base string
}

func (d dirop) WriteTo(w io.Writer) (n int64, err error) {
	n, err = runtime.WriteVariableLengthOpaque(w, nfsv3.NFS3_FHSIZE, []byte(d.dir))
	if err != nil {
		return n, err
	}
	m, err := runtime.WriteVariableLengthOpaque(w, maxName, []byte(d.base))
	return n + m, err
}

// A sequence is arguments one after the other.
type sequence []io.WriterTo

func (s sequence) WriteTo(w io.Writer) (n int64, err error) {
	for _, a := range s {
		m, err := a.WriteTo(w)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c *Client) lookup(ctx context.Context, op, name string, dir handle, base string) (h handle, attr nfsv3.Fattr3, err error) {
	p := procLookup.as(op)
	res, err := call(ctx, c, p, name, dirop{dir, base}, nfsv3.ReadLookup3res)
	if err != nil {
		return "", attr, err
	}
	ok, is := res.(*nfsv3.Lookup3res_NFS3_OK)
	if !is {
		return "", attr, c.nonsense(p, name)
	}
	h = handle(ok.Resok.Object.Data)
	if got, is := ok.Resok.ObjAttributes.(*nfsv3.PostOpAttr_TRUE); is {
		return h, got.Attributes, nil
	}
	attr, err = c.getattr(ctx, op, name, h)
	return h, attr, err
}

// create returns the attributes only if the server gave them at once.
func (c *Client) create(ctx context.Context, p proc, name string, dir handle, base string, how nfsv3.Createhow3) (handle, *nfsv3.Fattr3, error) {
	res, err := call(ctx, c, p, name, sequence{dirop{dir, base}, how}, nfsv3.ReadCreate3res)
	if err != nil {
		return "", nil, err
	}
	ok, is := res.(*nfsv3.Create3res_NFS3_OK)
	if !is {
		return "", nil, c.nonsense(p, name)
	}
	var attr *nfsv3.Fattr3
	if got, is := ok.Resok.ObjAttributes.(*nfsv3.PostOpAttr_TRUE); is {
		attr = &got.Attributes
	}
	if obj, is := ok.Resok.Obj.(*nfsv3.PostOpFh3_TRUE); is {
		return handle(obj.Handle.Data), attr, nil
	}
	h, got, err := c.lookup(ctx, p.op, name, dir, base)
	return h, &got, err
}

func (c *Client) mkdir(ctx context.Context, name string, dir handle, base string, attr nfsv3.Sattr3) error {
	_, err := call(ctx, c, procMkdir, name, sequence{dirop{dir, base}, &attr}, nfsv3.ReadMkdir3res)
	return err
}

func (c *Client) remove(ctx context.Context, name string, dir handle, base string) error {
	_, err := call(ctx, c, procRemove, name, dirop{dir, base}, nfsv3.ReadRemove3res)
	return err
}

func (c *Client) rmdir(ctx context.Context, name string, dir handle, base string) error {
	_, err := call(ctx, c, procRmdir, name, dirop{dir, base}, nfsv3.ReadRmdir3res)
	return err
}

func (c *Client) rename(ctx context.Context, name string, fromDir handle, from string, toDir handle, to string) error {
	_, err := call(ctx, c, procRename, name, sequence{dirop{fromDir, from}, dirop{toDir, to}}, nfsv3.ReadRename3res)
	return err
}

func (c *Client) link(ctx context.Context, name string, h handle, dir handle, base string) error {
	fh := h.xdr()
	_, err := call(ctx, c, procLink, name, sequence{&fh, dirop{dir, base}}, nfsv3.ReadLink3res)
	return err
}

func (c *Client) fsstat(ctx context.Context, root handle) (Space, error) {
	res, err := call(ctx, c, procFsstat, "", &nfsv3.Fsstat3args{Fsroot: root.xdr()}, nfsv3.ReadFsstat3res)
	if err != nil {
		return Space{}, err
	}
	ok, is := res.(*nfsv3.Fsstat3res_NFS3_OK)
	if !is {
		return Space{}, c.nonsense(procFsstat, "")
	}
	r := &ok.Resok
	return Space{TotalBytes: r.Tbytes, FreeBytes: r.Abytes, TotalFiles: r.Tfiles, FreeFiles: r.Afiles}, nil
}

// maxTransfer is the most that a request carries, and minTransfer the least that is worth a server.
const (
	maxTransfer = 1 << 20
	minTransfer = 512
)

func (c *Client) fsinfo(ctx context.Context) error {
	res, err := call(ctx, c, procFsinfo, "", &nfsv3.Fsinfo3args{Fsroot: c.root.Load().xdr()}, nfsv3.ReadFsinfo3res)
	if err != nil {
		return err
	}
	ok, is := res.(*nfsv3.Fsinfo3res_NFS3_OK)
	if !is {
		return c.nonsense(procFsinfo, "")
	}
	r := &ok.Resok
	size := func(n uint32) int { return int(min(max(n, minTransfer), maxTransfer)) }
	c.limits = Limits{Read: size(r.Rtmax), Write: size(r.Wtmax), MaxFile: r.Maxfilesize, Links: r.Properties&nfsv3.FSF3_LINK != 0}
	return nil
}

// attributes are those to set: the permissions, and the times to the server's now if touch.
func attributes(mode nfsv3.SetMode3, touch bool) nfsv3.Sattr3 {
	how := nfsv3.DONT_CHANGE
	if touch {
		how = nfsv3.SET_TO_SERVER_TIME
	}
	return nfsv3.Sattr3{
		Mode: mode, Uid: &nfsv3.SetUid3_default{}, Gid: &nfsv3.SetGid3_default{}, Size: &nfsv3.SetSize3_default{},
		Atime: &nfsv3.SetAtime_default{SetIt: how}, Mtime: &nfsv3.SetMtime_default{SetIt: how},
	}
}

func setMode(perm fs.FileMode) nfsv3.SetMode3 {
	return &nfsv3.SetMode3_TRUE{Mode: uint32(perm.Perm())}
}

func readUint32(r *bytes.Reader) (uint32, error) {
	var b [4]byte
	_, err := io.ReadFull(r, b[:])
	return binary.BigEndian.Uint32(b[:]), err
}

func readStatus(r *bytes.Reader) (Status, error) {
	n, err := readUint32(r)
	return Status(int32(n)), err
}

func skipAttr(r *bytes.Reader) error {
	_, _, err := nfsv3.ReadPostOpAttr(r)
	return err
}
