package nfsd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

// The programs that are served, both in this version.
const (
	nfsProgram   = nfsv3.NFS_PROGRAM_PROGRAM_NUMBER
	mountProgram = mount.MOUNT_PROGRAM_PROGRAM_NUMBER
	version      = 3
)

// maxAuth is the longest body of an identification (RFC 5531, section 8.2).
const maxAuth = 400

// A callHead is the part of a call that is the same for all procedures.
type callHead struct {
	xid, prog, vers, proc uint32
	flavor                rpcv2.AuthFlavor
	cred                  credential // of AUTH_SYS
	credErr               error      // AUTH_SYS that makes no sense
}

// A credential is who a client says is asking.
type credential struct {
	uid, gid uint32
	groups   []uint32
}

var (
	errNoCall     = errors.New("a record is not a call")
	errRPCVersion = errors.New("a call of another version of RPC")
	// errGarbage is what procedures return for arguments that make no sense.
	errGarbage = errors.New("the arguments make no sense")
)

// readHead reads the head of a call. h.xid is set whenever the error is errRPCVersion.
func readHead(r *bytes.Reader) (h callHead, err error) {
	var words [6]uint32 // xid, type, RPC version, program, version, procedure
	for i := range words[:3] {
		if words[i], _, err = runtime.ReadUnsignedInt(r); err != nil {
			return h, errNoCall
		}
	}
	h.xid = words[0]
	if words[1] != uint32(rpcv2.CALL) {
		return h, errNoCall
	}
	if words[2] != 2 {
		return h, errRPCVersion
	}
	for i := range words[3:] {
		if words[3+i], _, err = runtime.ReadUnsignedInt(r); err != nil {
			return h, errNoCall
		}
	}
	h.prog, h.vers, h.proc = words[3], words[4], words[5]

	flavor, body, err := readAuth(r)
	if err != nil {
		return h, errNoCall
	}
	if _, _, err = readAuth(r); err != nil { // the verifier, which AUTH_SYS and AUTH_NONE leave empty
		return h, errNoCall
	}
	h.flavor = flavor
	if flavor == rpcv2.AUTH_SYS {
		h.cred, h.credErr = readCredential(body)
	}
	return h, nil
}

func readAuth(r *bytes.Reader) (rpcv2.AuthFlavor, []byte, error) {
	flavor, _, err := runtime.ReadInt(r)
	if err != nil {
		return 0, nil, err
	}
	body, _, err := runtime.ReadVariableLengthOpaque(r, maxAuth)
	return rpcv2.AuthFlavor(flavor), body, err
}

// readCredential reads authsys_parms. The generated reader takes only names of machines in ASCII.
func readCredential(body []byte) (c credential, err error) {
	r := bytes.NewReader(body)
	if _, _, err = runtime.ReadUnsignedInt(r); err != nil { // a stamp
		return c, err
	}
	if _, _, err = runtime.ReadVariableLengthOpaque(r, 255); err != nil { // the name of the machine
		return c, err
	}
	var n uint32
	for _, v := range []*uint32{&c.uid, &c.gid, &n} {
		if *v, _, err = runtime.ReadUnsignedInt(r); err != nil {
			return c, err
		}
	}
	if n > maxGroups {
		return c, fmt.Errorf("%d groups", n)
	}
	for range n {
		g, _, err := runtime.ReadUnsignedInt(r)
		if err != nil {
			return c, err
		}
		c.groups = append(c.groups, g)
	}
	return c, nil
}

// A reply is a whole record, with room for its mark in front, and perhaps long data after it.
type reply struct {
	head []byte
	data []byte
	free func() // of data; may be nil
}

// withData is a result whose end is long, and not copied.
type withData interface {
	io.WriterTo
	tail() (data []byte, free func())
}

// accepted makes the reply of a call that was carried out.
func accepted(xid uint32, result io.WriterTo) (reply, error) {
	var b bytes.Buffer
	b.Grow(512)
	replyHead(&b, xid, rpcv2.MSG_ACCEPTED, uint32(rpcv2.AUTH_NONE), 0, uint32(rpcv2.SUCCESS))
	if _, err := result.WriteTo(&b); err != nil {
		return reply{}, err
	}
	r := reply{head: b.Bytes()}
	if d, is := result.(withData); is {
		r.data, r.free = d.tail()
	}
	return r.marked(), nil
}

// refused makes the reply of a call that was not carried out.
func refused(xid uint32, stat rpcv2.AcceptStat) reply {
	var b bytes.Buffer
	replyHead(&b, xid, rpcv2.MSG_ACCEPTED, uint32(rpcv2.AUTH_NONE), 0, uint32(stat))
	if stat == rpcv2.PROG_MISMATCH {
		writeWords(&b, version, version)
	}
	return reply{head: b.Bytes()}.marked()
}

// denied makes the reply to a caller who is not let in.
func denied(xid uint32, stat rpcv2.AuthStat) reply {
	var b bytes.Buffer
	replyHead(&b, xid, rpcv2.MSG_DENIED, uint32(rpcv2.AUTH_ERROR), uint32(stat))
	return reply{head: b.Bytes()}.marked()
}

func wrongRPC(xid uint32) reply {
	var b bytes.Buffer
	replyHead(&b, xid, rpcv2.MSG_DENIED, uint32(rpcv2.RPC_MISMATCH), 2, 2)
	return reply{head: b.Bytes()}.marked()
}

func replyHead(b *bytes.Buffer, xid uint32, stat rpcv2.ReplyStat, more ...uint32) {
	writeWords(b, 0, xid, uint32(rpcv2.REPLY), uint32(stat)) // the mark, which is set when it is sent
	writeWords(b, more...)
}

func writeWords(b *bytes.Buffer, words ...uint32) {
	for _, v := range words {
		b.Write(binary.BigEndian.AppendUint32(b.AvailableBuffer(), v))
	}
}

// marked sets the record mark.
func (r reply) marked() reply {
	binary.BigEndian.PutUint32(r.head, lastFragment|uint32(len(r.head)-4+len(r.data)))
	return r
}

// args reads the arguments of a call. After a fault it gives zeros, and err is set.
type args struct {
	*bytes.Reader
	record []byte // that Reader reads
	err    error
}

func (a *args) fail(err error) {
	if a.err == nil && err != nil {
		a.err = errGarbage
	}
}

// read reads a type of the bindings.
func (a *args) read(m io.ReaderFrom) {
	if a.err == nil {
		_, err := m.ReadFrom(a.Reader)
		a.fail(err)
	}
}

func (a *args) opaque(most uint32) (b []byte) {
	if a.err == nil {
		var err error
		b, _, err = runtime.ReadVariableLengthOpaque(a.Reader, most)
		a.fail(err)
	}
	return b
}

// inPlace reads an opaque without a copy.
func (a *args) inPlace() []byte {
	n := int(a.uint32())
	padded := (n + 3) &^ 3
	if a.err != nil || n < 0 || padded > a.Len() {
		a.fail(io.ErrUnexpectedEOF)
		return nil
	}
	b := a.record[len(a.record)-a.Len():][:n]
	_, err := a.Seek(int64(padded), io.SeekCurrent)
	a.fail(err)
	return b
}

// handle reads an nfs_fh3.
func (a *args) handle() []byte { return a.opaque(nfsv3.NFS3_FHSIZE) }

// name reads a filename3: any bytes, where the bindings want ASCII. It may break the rules of names.
func (a *args) name() string { return string(a.opaque(maxRecord)) }

func (a *args) uint32() (v uint32) {
	if a.err == nil {
		var err error
		v, _, err = runtime.ReadUnsignedInt(a.Reader)
		a.fail(err)
	}
	return v
}

func (a *args) uint64() (v uint64) {
	if a.err == nil {
		var err error
		v, _, err = runtime.ReadUnsignedHyper(a.Reader)
		a.fail(err)
	}
	return v
}

// fixed fills b, whose length is a multiple of four.
func (a *args) fixed(b []byte) {
	if a.err == nil {
		_, err := io.ReadFull(a.Reader, b)
		a.fail(err)
	}
}
