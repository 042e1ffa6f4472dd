//go:build linux

package nfsjudge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// What RFC 1813 and RFC 5531 number.
const (
	programNFS, programMount = 100003, 100005

	procNull, procGetattr, procSetattr, procLookup, procAccess, procReadlink, procRead, procWrite = 0, 1, 2, 3, 4, 5, 6, 7
	procCreate, procMkdir, procSymlink, procMknod, procRemove, procRmdir, procRename, procLink    = 8, 9, 10, 11, 12, 13, 14, 15
	procReaddir, procReaddirplus, procFsstat, procFsinfo, procPathconf, procCommit                = 16, 17, 18, 19, 20, 21

	authNone, authSys = 0, 1
)

// Statuses of RFC 1813.
const (
	nfsOK, nfsNoEnt, nfsExist, nfsAccess, nfsInval, nfsFBig, nfsROFS = 0, 2, 17, 13, 22, 27, 30
	nfsStale, nfsBadHandle, nfsBadCookie, nfsNotSupp, nfsTooSmall    = 70, 10001, 10003, 10004, 10005
)

// patience bounds every wait for what must come.
const patience = 30 * time.Second

func deadline() time.Time { return time.Now().Add(patience) }

// An enc is XDR that is written by hand, so that it can be wrong.
type enc []byte

func (e enc) u32(vs ...uint32) enc {
	for _, v := range vs {
		e = binary.BigEndian.AppendUint32(e, v)
	}
	return e
}

func (e enc) u64(v uint64) enc { return binary.BigEndian.AppendUint64(e, v) }

func (e enc) opaque(b []byte) enc {
	e = append(e.u32(uint32(len(b))), b...)
	return append(e, make([]byte, -len(b)&3)...)
}

func (e enc) str(s string) enc { return e.opaque([]byte(s)) }

// sattr sets nothing.
func (e enc) sattr() enc { return e.u32(0, 0, 0, 0, 0, 0) }

// A call is the message of one.
type call struct {
	xid, kind, rpc, program, version, proc uint32
	flavor                                 uint32
	cred                                   []byte
	args                                   enc
}

// sysCred is the identification of root.
func sysCred() []byte { return enc(nil).u32(1).str("judge").u32(0, 0, 0) }

// nfsCall is one without fault.
func nfsCall(proc uint32, args enc) call {
	return call{xid: rand.Uint32(), rpc: 2, program: programNFS, version: 3, proc: proc, flavor: authSys, cred: sysCred(), args: args}
}

func (c call) message() []byte {
	e := enc(nil).u32(c.xid, c.kind, c.rpc, c.program, c.version, c.proc, c.flavor).opaque(c.cred).u32(authNone, 0)
	return append(e, c.args...)
}

// record is a message in one fragment.
func record(message []byte) []byte {
	return append(enc(nil).u32(lastFragment|uint32(len(message))), message...)
}

// A reply is the answer to a call.
type reply struct {
	xid    uint32
	denied bool   // by the RPC layer
	status uint32 // of the RPC layer: accept_stat, or reject_stat
	body   dec    // what comes after it
}

func (r reply) String() string {
	if r.denied {
		return fmt.Sprintf("denied %d %x", r.status, []byte(r.body))
	}
	return fmt.Sprintf("accepted %d %.80x", r.status, []byte(r.body))
}

// A dec is XDR to be read; what is not there is zero.
type dec []byte

func (d *dec) u32() uint32 {
	if len(*d) < 4 {
		*d = nil
		return 0
	}
	v := binary.BigEndian.Uint32(*d)
	*d = (*d)[4:]
	return v
}

func (d *dec) u64() uint64 { return uint64(d.u32())<<32 | uint64(d.u32()) }

func (d *dec) opaque() []byte {
	n := int64(d.u32())
	if int64(len(*d)) < n {
		*d = nil
		return nil
	}
	b := []byte((*d)[:n])
	*d = (*d)[min(int64(len(*d)), (n+3)&^3):]
	return b
}

// attr passes the attributes of an object over, where they are, and returns its type and size.
func (d *dec) attr() (kind uint32, size uint64) {
	if d.u32() == 0 {
		return 0, 0
	}
	return d.fattr()
}

func (d *dec) fattr() (kind uint32, size uint64) {
	kind = d.u32()
	for range 4 {
		d.u32()
	}
	size = d.u64()
	const rest = 84 - 5*4 - 8
	*d = (*d)[min(len(*d), rest):]
	return kind, size
}

// A wire is a connection on which anything can be sent.
type wire struct{ net.Conn }

// connect opens a connection to a server from an address of the loopback interface; "": any.
func connect(t testing.TB, address, from string) *wire {
	t.Helper()
	w, err := dial(address, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func dial(address, from string) (*wire, error) {
	d := net.Dialer{Timeout: patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	nc, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &wire{nc}, nc.SetDeadline(deadline())
}

func (w *wire) send(b []byte) error {
	_, err := w.Write(b)
	return err
}

// errClosed says that the server closed the connection.
var errClosed = errors.New("the server closed the connection")

// receive returns the next record.
func (w *wire) receive() ([]byte, error) {
	var rec []byte
	for {
		var head [4]byte
		if _, err := io.ReadFull(w, head[:]); err != nil {
			if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
				return nil, err
			}
			return nil, errClosed
		}
		word := binary.BigEndian.Uint32(head[:])
		n := int(word &^ lastFragment)
		if n > maxReply || len(rec)+n > maxReply {
			return nil, fmt.Errorf("a record of %d bytes", len(rec)+n)
		}
		at := len(rec)
		rec = append(rec, make([]byte, n)...)
		if _, err := io.ReadFull(w, rec[at:]); err != nil {
			return nil, err
		}
		if word&lastFragment != 0 {
			return rec, nil
		}
	}
}

// reply returns the next reply.
func (w *wire) reply() (reply, error) {
	rec, err := w.receive()
	if err != nil {
		return reply{}, err
	}
	d := dec(rec)
	r := reply{xid: d.u32()}
	if kind := d.u32(); kind != 1 {
		return r, fmt.Errorf("a message of the type %d, not a reply", kind)
	}
	switch stat := d.u32(); stat {
	case 0:
		d.u32() // the verifier
		d.opaque()
		r.status = d.u32()
	case 1:
		r.denied, r.status = true, d.u32()
	default:
		return r, fmt.Errorf("a reply that is neither accepted nor denied but %d", stat)
	}
	r.body = d
	return r, nil
}

// do sends a call and waits for its reply.
func (w *wire) do(c call) (reply, error) {
	if err := w.send(record(c.message())); err != nil {
		return reply{}, err
	}
	r, err := w.reply()
	if err == nil && r.xid != c.xid {
		err = fmt.Errorf("the reply to the call %x instead of %x", r.xid, c.xid)
	}
	return r, err
}

// nfs makes a call and returns the status and the rest of the result.
func (w *wire) nfs(proc uint32, args enc) (status uint32, rest dec, err error) {
	r, err := w.do(nfsCall(proc, args))
	if err != nil {
		return 0, nil, err
	}
	if r.denied || r.status != 0 {
		return 0, nil, fmt.Errorf("procedure %d: %v", proc, r)
	}
	status = r.body.u32()
	return status, r.body, nil
}

// must is nfs for what succeeds.
func (w *wire) must(t testing.TB, proc uint32, args enc) dec {
	t.Helper()
	status, rest, err := w.nfs(proc, args)
	if err != nil || status != 0 {
		t.Fatalf("procedure %d: status %d, %v", proc, status, err)
	}
	return rest
}

// root returns the handle of the export.
func (s server) root(t testing.TB) []byte {
	t.Helper()
	return s.rootFrom(t, "")
}

func (s server) rootFrom(t testing.TB, from string) []byte {
	t.Helper()
	w := connect(t, s.mount, from)
	defer w.Close()
	c := nfsCall(1, enc(nil).str(s.export))
	c.program = programMount
	r, err := w.do(c)
	if err != nil || r.denied || r.status != 0 || r.body.u32() != 0 {
		t.Fatalf("mount: %v, %v", r, err)
	}
	h := r.body.opaque()
	if len(h) == 0 || len(h) > 64 {
		t.Fatalf("mount: a handle of %d bytes", len(h))
	}
	return h
}

// lookup returns the handle of a name in a folder.
func (w *wire) lookup(t testing.TB, dir []byte, name string) []byte {
	t.Helper()
	rest := w.must(t, procLookup, enc(nil).opaque(dir).str(name))
	return rest.opaque()
}

// create makes an empty file.
func (w *wire) create(t testing.TB, dir []byte, name string) []byte {
	t.Helper()
	w.must(t, procCreate, enc(nil).opaque(dir).str(name).u32(1, 1, 0o644, 0, 0, 0, 0, 0))
	return w.lookup(t, dir, name)
}

// shutWrite ends what the client sends.
func (w *wire) shutWrite() error { return w.Conn.(*net.TCPConn).CloseWrite() }
