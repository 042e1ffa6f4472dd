//go:build linux

package nfsd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A gone connection has calls to read, and takes no reply.
type gone struct {
	net.Conn
	in io.Reader
}

func (g *gone) Read(b []byte) (int, error)       { return g.in.Read(b) }
func (g *gone) Write([]byte) (int, error)        { return 0, errors.New("gone") }
func (g *gone) Close() error                     { return nil }
func (g *gone) SetReadDeadline(time.Time) error  { return nil }
func (g *gone) SetWriteDeadline(time.Time) error { return nil }

// TestRecordFreedOnce: a client that is gone before it is told that its RPC is wrong must not give the
// memory of its record to two others.
func TestRecordFreedOnce(t *testing.T) {
	server, err := New(config(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	se := &session{Server: server, slots: make(chan struct{}, 1), door: newDoor(server)}
	msg := message(1, nfsProgram, version, 0, root, text(strings.Repeat("x", firstPiece)))
	binary.BigEndian.PutUint32(msg[8:], 3) // the version of RPC
	for range 100 {                        // the pool keeps not all, and where it likes
		c := newConn(t.Context(), se, &gone{in: bytes.NewReader(framed(msg))})
		c.peer = &peer{addr: netip.MustParseAddr("127.0.0.1")}
		if err := c.read(t.Context()); err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("the reply was taken: %v", err)
		}
		a, b := middle.Get().(*[middlePiece]byte), middle.Get().(*[middlePiece]byte)
		if a == b {
			t.Fatal("one buffer is given to two")
		}
	}
}

// TestReplyBound: the memory that is set aside for a call is at least what its reply takes, whatever
// stands behind the arguments.
func TestReplyBound(t *testing.T) {
	s := start(t, nil, nil)
	put(t, s.client(0, 0), "f", content(8, 1<<20))
	r := s.raw(root)
	dir := r.root()
	fh := r.lookup(dir, "f")
	for i := range maxMounts {
		if _, stat := r.mount(exportName + strings.Repeat("/", 1000-i%900)); stat != 0 {
			t.Fatalf("the mount failed: %d", stat)
		}
	}
	for name, c := range map[string]struct {
		prog, proc uint32
		args       []arg
	}{
		"a read":                             {nfsProgram, procRead, []arg{fh, long(0), number(maxData)}},
		"a read with more behind it":         {nfsProgram, procRead, []arg{fh, long(0), number(maxData), number(0)}},
		"a read of more than there may be":   {nfsProgram, procRead, []arg{fh, long(0), number(1<<32 - 1)}},
		"a read that has a large buffer":     {nfsProgram, procRead, []arg{fh, long(0), number(smallRead + 1)}},
		"a read without a count":             {nfsProgram, procRead, []arg{fh, long(0)}},
		"a read without anything":            {nfsProgram, procRead, nil},
		"a read with a handle without end":   {nfsProgram, procRead, []arg{number(1<<32 - 1)}},
		"a listing":                          {nfsProgram, procReaddirplus, []arg{dir, long(0), &opaque8{}, number(maxListing), number(maxListing)}},
		"who has mounted, in all its length": {mountProgram, 2, nil},
		"the attributes":                     {nfsProgram, 1, []arg{fh}},
	} {
		msg := message(1, c.prog, version, c.proc, root, c.args...)
		in := bytes.NewReader(msg)
		h, err := readHead(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		bound := replyBound(&h, msg[len(msg)-in.Len():])
		if got, err := r.call(c.prog, c.proc, c.args...); err == nil && int64(len(got)) > bound {
			t.Errorf("%s: the reply has %d bytes, %d were set aside", name, len(got), bound)
		}
		if name == "a read that has a large buffer" && bound < maxData {
			t.Errorf("%s: %d bytes were set aside", name, bound)
		}
	}
}

// TestEvictedWhileWaiting: a connection that is given up must not keep its record until there is room for
// the call, or whoever opens one after the other has as much memory as it likes.
func TestEvictedWhileWaiting(t *testing.T) {
	for name, busy := range map[string]func(*session, *conn){
		"for a place":                   func(se *session, _ *conn) { se.slots <- struct{}{} },
		"for a place of the connection": func(_ *session, c *conn) { c.slots = make(chan struct{}) },
		"for memory":                    func(se *session, _ *conn) { se.door.bytes.TryAcquire(bytesInAll) },
		"for memory of the connection":  func(_ *session, c *conn) { c.bytes.TryAcquire(bytesPerConnection) },
	} {
		server, err := New(config(t, t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		se := &session{Server: server, slots: make(chan struct{}, 1), door: newDoor(server)}
		near, far := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		c := newConn(ctx, se, near)
		busy(se, c)
		c.last.Store(0)
		se.door.enter(c, netip.MustParseAddr("127.0.0.1"))
		ended := make(chan struct{})
		go func() {
			c.serve(ctx)
			close(ended)
		}()
		if _, err := far.Write(framed(message(1, nfsProgram, version, 0, root))); err != nil {
			t.Fatal(err)
		}
		wait(t, "the call", func() bool { return c.last.Load() != 0 })
		se.door.evict(c)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Errorf("%s: it waits still", name)
		}
		cancel()
		<-ended
		far.Close() // the other end is closed
	}
}
