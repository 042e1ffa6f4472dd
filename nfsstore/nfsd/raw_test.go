//go:build linux

package nfsd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

// A raw connection sends calls as they are, also wrong ones.
type raw struct {
	t    testing.TB
	nc   net.Conn
	xid  uint32
	cred *credential // nil: AUTH_NONE
}

// patience is far more than any reply takes.
const patience = 30 * time.Second

func (s *site) raw(cred *credential) *raw {
	s.t.Helper()
	return s.rawFrom(cred, "")
}

// rawFrom connects from an address of this machine.
func (s *site) rawFrom(cred *credential, from string) *raw {
	s.t.Helper()
	var d net.Dialer
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	nc, err := d.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() }) // it may be closed already
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return &raw{t: s.t, nc: nc, xid: 1000, cred: cred}
}

var root = &credential{}

// arg is one argument of a call.
type arg = io.WriterTo

// text is an opaque or a string of any bytes.
type text string

func (s text) WriteTo(w io.Writer) (int64, error) {
	return runtime.WriteVariableLengthOpaque(w, 1<<30, []byte(s))
}

// number is an unsigned integer of 4 bytes, long one of 8.
type (
	number uint32
	long   uint64
)

func (n number) WriteTo(w io.Writer) (int64, error) { return runtime.WriteUnsignedInt(w, uint32(n)) }
func (n long) WriteTo(w io.Writer) (int64, error) {
	return runtime.WriteUnsignedHyper(w, uint64(n))
}

// message makes a call, without the mark of its record.
func message(xid, prog, vers, proc uint32, cred *credential, as ...arg) []byte {
	auth := rpcv2.OpaqueAuth{Flavor: rpcv2.AUTH_NONE}
	if cred != nil {
		var b bytes.Buffer
		p := rpcv2.AuthsysParms{Machinename: "test", Uid: cred.uid, Gid: cred.gid, Gids: cred.groups}
		if _, err := p.WriteTo(&b); err != nil {
			panic(err)
		}
		auth = rpcv2.OpaqueAuth{Flavor: rpcv2.AUTH_SYS, Body: b.Bytes()}
	}
	var b bytes.Buffer
	msg := rpcv2.RpcMsg{Xid: xid, Body: &rpcv2.RpcMsgBody_CALL{Cbody: rpcv2.CallBody{
		Rpcvers: 2, Prog: prog, Vers: vers, Proc: proc, Cred: auth, Verf: rpcv2.OpaqueAuth{Flavor: rpcv2.AUTH_NONE},
	}}}
	for _, a := range append([]arg{&msg}, as...) {
		if _, err := a.WriteTo(&b); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// framed puts a message into one record.
func framed(msg []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, lastFragment|uint32(len(msg))), msg...)
}

func (r *raw) send(b []byte) {
	r.t.Helper()
	if _, err := r.nc.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// receive returns a whole reply.
func (r *raw) receive() ([]byte, error) {
	rec, err := readRecord(r.nc, nil)
	return rec.b, err
}

// call returns the result of an accepted call, or the status of one that was not.
func (r *raw) call(prog, proc uint32, as ...arg) ([]byte, error) {
	r.t.Helper()
	r.xid++
	r.send(framed(message(r.xid, prog, version, proc, r.cred, as...)))
	b, err := r.receive()
	if err != nil {
		return nil, err
	}
	return result(b)
}

func result(b []byte) ([]byte, error) {
	in := bytes.NewReader(b)
	var msg rpcv2.RpcMsg
	if _, err := msg.ReadFrom(in); err != nil {
		return nil, err
	}
	body, is := msg.Body.(*rpcv2.RpcMsgBody_REPLY)
	if !is {
		return nil, fmt.Errorf("%T is not a reply", msg.Body)
	}
	switch rb := body.Rbody.(type) {
	case *rpcv2.ReplyBody_MSG_ACCEPTED:
		if stat := rb.Areply.ReplyData.GetStat(); stat != rpcv2.SUCCESS {
			return nil, acceptError(stat)
		}
		return b[len(b)-in.Len():], nil
	case *rpcv2.ReplyBody_MSG_DENIED:
		if e, is := rb.Rreply.(*rpcv2.RejectedReply_AUTH_ERROR); is {
			return nil, authError(e.Stat)
		}
	}
	return nil, fmt.Errorf("denied")
}

type (
	acceptError rpcv2.AcceptStat
	authError   rpcv2.AuthStat
)

func (e acceptError) Error() string { return rpcv2.AcceptStat_name[rpcv2.AcceptStat(e)] }
func (e authError) Error() string   { return rpcv2.AuthStat_name[rpcv2.AuthStat(e)] }

// nfs calls a procedure and returns its status and the rest of its result.
func (r *raw) nfs(proc uint32, as ...arg) (nfsv3.Nfsstat3, *bytes.Reader) {
	r.t.Helper()
	b, err := r.call(nfsProgram, proc, as...)
	if err != nil {
		r.t.Fatalf("procedure %d: %v", proc, err)
	}
	in := bytes.NewReader(b)
	n, _, err := runtime.ReadInt(in)
	if err != nil {
		r.t.Fatal(err)
	}
	return nfsv3.Nfsstat3(n), in
}

// mount returns the handle of a directory.
func (r *raw) mount(dir string) (text, mount.Mountstat3) {
	r.t.Helper()
	b, err := r.call(mountProgram, 1, text(dir))
	if err != nil {
		r.t.Fatal(err)
	}
	res, _, err := mount.ReadMountres3(bytes.NewReader(b))
	if err != nil {
		r.t.Fatal(err)
	}
	if ok, is := res.(*mount.Mountres3_MNT3_OK); is {
		return text(ok.Mountinfo.Fhandle), 0
	}
	return "", res.GetFhsStatus()
}

// root returns the handle of the export.
func (r *raw) root() text {
	r.t.Helper()
	fh, stat := r.mount(exportName)
	if stat != 0 {
		r.t.Fatalf("the mount failed: %d", stat)
	}
	return fh
}

// lookup returns the handle of a name that is there.
func (r *raw) lookup(dir text, name string) text {
	r.t.Helper()
	stat, in := r.nfs(3, dir, text(name))
	if stat != 0 {
		r.t.Fatalf("%q: %s", name, nfsv3.Nfsstat3_name[stat])
	}
	var ok nfsv3.Lookup3resok
	if _, err := ok.ReadFrom(in); err != nil {
		r.t.Fatal(err)
	}
	return text(ok.Object.Data)
}

// noAttrs is a sattr3 that changes nothing.
func noAttrs() *nfsv3.Sattr3 {
	return &nfsv3.Sattr3{
		Mode: &nfsv3.SetMode3_default{}, Uid: &nfsv3.SetUid3_default{}, Gid: &nfsv3.SetGid3_default{}, Size: &nfsv3.SetSize3_default{},
		Atime: &nfsv3.SetAtime_default{}, Mtime: &nfsv3.SetMtime_default{},
	}
}

// guarded is how a file is made that must not be there.
func guarded(mode uint32) arg {
	a := noAttrs()
	a.Mode = &nfsv3.SetMode3_TRUE{Mode: mode}
	return &nfsv3.Createhow3_GUARDED{ObjAttributes: *a}
}

// opaque8 is a verifier.
type opaque8 struct{ b [8]byte }

func (o *opaque8) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(o.b[:])
	return int64(n), err
}
