//go:build linux

package nfsjudge

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

const (
	lastFragment = 1 << 31 // in the head of a piece of a record (RFC 5531, section 11)
	maxReply     = 4 << 20
	callHead     = 24 // bytes up to the procedure of a call
	replyHead    = 20 // bytes that every reply has
)

// A message is a call or the reply to one, as a proxy sees it go by.
type message struct {
	proc uint32
	n    int // how many calls were made before it
	when moment
}

// A moment is when a connection can break.
type moment string

const (
	beforeCall  moment = "before-call"  // the server does not get it
	afterCall   moment = "after-call"   // the server is at it
	beforeReply moment = "before-reply" // the server has done it
	lateCall    moment = "late-call"    // the server is slow, and does it just before the next one of its kind
)

// A late call is one that the server gets later.
type late struct {
	far  net.Conn
	raw  []byte
	proc uint32
	done <-chan struct{} // closed when it has replied
}

// A proxy stands between clients and a server, and loses what it is told to lose: it closes the
// connection at that moment.
type proxy struct {
	l      net.Listener
	server string
	wg     sync.WaitGroup

	mu     sync.Mutex
	lose   func(m message) bool // nil: nothing
	calls  []uint32             // the procedures of all calls, in order
	lost   int
	late   *late
	closed bool
	conns  map[net.Conn]bool
}

// before puts a proxy before a server.
func before(t testing.TB, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, server: server, conns: make(map[net.Conn]bool)}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.closed = true
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.l.Addr().String() }

// set has it lose other messages from now on, and begins to count and to write down anew.
func (p *proxy) set(lose func(m message) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose, p.calls, p.lost = lose, nil, 0
}

// seen returns the procedures that were called since set, and how many messages were lost.
func (p *proxy) seen() (calls []uint32, lost int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls, p.lost
}

func (p *proxy) accept() {
	for {
		near, err := p.l.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.serve(near) })
	}
}

// hold keeps a connection for the end of the proxy, unless that has come.
func (p *proxy) hold(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.conns[c] = true
	}
	return !p.closed
}

func (p *proxy) serve(near net.Conn) {
	far, err := net.Dial("tcp", p.server)
	if err != nil {
		near.Close()
		return
	}
	if !p.hold(near) || !p.hold(far) {
		near.Close()
		far.Close()
		return
	}
	shut := sync.OnceFunc(func() {
		near.Close()
		far.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, near)
		delete(p.conns, far)
	})
	var mu sync.Mutex
	pending := make(map[uint32]message) // by xid; a reply to what is not in it is lost
	replied := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			rec, raw, err := readRaw(near)
			if err != nil || len(rec) < callHead {
				break
			}
			m := p.note(binary.BigEndian.Uint32(rec[20:]))
			if p.loses(m, beforeCall) {
				break
			}
			if p.loses(m, lateCall) {
				p.keep(&late{far, raw, m.proc, replied})
				near.Close() // not before: the client calls again at once
				return       // the other end goes with the reply
			}
			p.catchUp(m.proc)
			last := p.loses(m, afterCall)
			if !last {
				mu.Lock()
				pending[binary.BigEndian.Uint32(rec)] = m
				mu.Unlock()
			}
			if _, err := far.Write(raw); err != nil || last {
				break
			}
		}
		shut()
	})
	wg.Go(func() {
		defer close(replied)
		defer shut()
		for {
			rec, raw, err := readRaw(far)
			if err != nil || len(rec) < replyHead {
				return
			}
			xid := binary.BigEndian.Uint32(rec)
			mu.Lock()
			m, ok := pending[xid]
			delete(pending, xid)
			mu.Unlock()
			if !ok || p.loses(m, beforeReply) {
				return
			}
			if _, err := near.Write(raw); err != nil {
				return
			}
		}
	})
	wg.Wait()
}

// keep has the server get a call later.
func (p *proxy) keep(l *late) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = l
}

// catchUp has the server carry out the call that is late, if it is of this kind.
func (p *proxy) catchUp(proc uint32) {
	p.mu.Lock()
	l := p.late
	if l != nil && l.proc == proc {
		p.late = nil
	}
	p.mu.Unlock()
	if l == nil || l.proc != proc {
		return
	}
	if _, err := l.far.Write(l.raw); err == nil {
		<-l.done
	}
}

// note writes a call down.
func (p *proxy) note(proc uint32) message {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, proc)
	return message{proc: proc, n: len(p.calls) - 1}
}

func (p *proxy) loses(m message, when moment) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.when = when
	if p.lose == nil || !p.lose(m) {
		return false
	}
	p.lost++
	return true
}

// readRaw returns a record, and as it came, in its fragments.
func readRaw(r io.Reader) (rec, raw []byte, err error) {
	for {
		at := len(raw)
		raw = append(raw, 0, 0, 0, 0)
		if _, err := io.ReadFull(r, raw[at:]); err != nil {
			return nil, nil, err
		}
		word := binary.BigEndian.Uint32(raw[at:])
		size := int(word &^ lastFragment)
		if size+len(raw) > maxReply {
			return nil, nil, io.ErrShortBuffer
		}
		at = len(raw)
		raw = append(raw, make([]byte, size)...)
		if _, err := io.ReadFull(r, raw[at:]); err != nil {
			return nil, nil, err
		}
		rec = append(rec, raw[at:]...)
		if word&lastFragment != 0 {
			return rec, raw, nil
		}
	}
}
