package nfsd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/semaphore"
)

// Bounds of calls under way and of their replies, until these are sent.
const (
	callsPerConnection = 64
	bytesPerConnection = 8 << 20
	bytesInAll         = 256 << 20
)

// stuck is how long a client may take for one reply when others need the memory.
const stuck = time.Second

// A door lets connections in.
type door struct {
	server *Server
	bytes  *semaphore.Weighted // of bytesInAll
	unread *unread

	mu    sync.Mutex
	conns map[*conn]struct{}
	peers map[netip.Addr]*peer
}

// A peer is a machine with at least one connection.
type peer struct {
	addr  netip.Addr
	conns int // guarded by door.mu
}

func newDoor(s *Server) *door {
	d := &door{server: s, bytes: semaphore.NewWeighted(s.bytes), conns: make(map[*conn]struct{}), peers: make(map[netip.Addr]*peer)}
	d.unread = newUnread(d.evict)
	return d
}

// enter counts c in, and closes another connection if there is one too many: that of the same
// client, or of all, that has been quiet for longest. A client that has lost its connection without a
// word needs a new one, and whoever holds many can only lose some.
func (d *door) enter(c *conn, addr netip.Addr) {
	d.mu.Lock()
	p := d.peers[addr]
	if p == nil {
		p = &peer{addr: addr}
		d.peers[addr] = p
	}
	c.peer = p
	var out *conn
	switch l := d.server.cfg.Limits; {
	case p.conns >= l.ConnectionsPerClient:
		out = d.quietest(p)
	case len(d.conns) >= l.Connections:
		out = d.quietest(nil)
	}
	if out != nil {
		d.remove(out)
	}
	p.conns++
	d.conns[c] = struct{}{}
	d.server.count.connections.Store(int64(len(d.conns)))
	d.mu.Unlock()
	if out != nil {
		d.server.count.evicted.Add(1)
		out.giveUp()
	}
}

// quietest returns the connection, of one peer if it is not nil, whose last whole call is the oldest.
func (d *door) quietest(p *peer) (out *conn) {
	for c := range d.conns {
		if (p == nil || c.peer == p) && (out == nil || c.last.Load() < out.last.Load()) {
			out = c
		}
	}
	return out
}

func (d *door) leave(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remove(c)
	d.server.count.connections.Store(int64(len(d.conns)))
}

func (d *door) remove(c *conn) {
	if _, in := d.conns[c]; !in {
		return
	}
	delete(d.conns, c)
	if c.peer.conns--; c.peer.conns == 0 && d.peers[c.peer.addr] == c.peer {
		delete(d.peers, c.peer.addr)
	}
}

// reserve takes n bytes of those that all may use together. When they are short, clients that do
// not take their replies lose their connections.
func (d *door) reserve(ctx context.Context, n int64) error {
	for !d.bytes.TryAcquire(n) {
		d.closeStuck()
		waiting, cancel := context.WithTimeout(ctx, stuck)
		err := d.bytes.Acquire(waiting, n)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (d *door) closeStuck() {
	d.mu.Lock()
	var out []*conn
	before := time.Now().Add(-stuck).UnixNano()
	for c := range d.conns {
		if since := c.sending.Load(); since != 0 && since < before {
			out = append(out, c)
		}
	}
	d.mu.Unlock()
	for _, c := range out {
		d.evict(c)
	}
}

// evict closes a connection that others need the room of.
func (d *door) evict(c *conn) {
	d.leave(c)
	d.server.count.evicted.Add(1)
	c.giveUp()
}

// accept serves connections until ctx ends or l fails. It starts their goroutines in wg.
func (se *session) accept(ctx context.Context, l net.Listener, wg *sync.WaitGroup) error {
	const first, most = 5 * time.Millisecond, time.Second
	pause := first
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || !passing(err) {
				return err
			}
			se.log.Warn("A connection could not be accepted; waiting a little.", "error", err)
			select {
			case <-ctx.Done():
				return err
			case <-time.After(pause):
			}
			pause = min(2*pause, most)
			continue
		}
		pause = first
		addr, ok := addrOf(nc.RemoteAddr())
		if !ok || !se.knows(addr) {
			se.refuse(addr, "a connection")
			nc.Close() // it is refused
			continue
		}
		se.count.accepted.Add(1)
		c := newConn(ctx, se, nc)
		se.door.enter(c, addr)
		wg.Go(func() { c.serve(ctx) })
	}
}

// passing reports whether Accept may succeed later: files or memory are short, or a client went away.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR, syscall.EPROTO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func addrOf(a net.Addr) (netip.Addr, bool) {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	return t.AddrPort().Addr().Unmap().WithZone(""), true
}

// knows reports whether any export is for a.
func (se *session) knows(a netip.Addr) bool {
	for _, ex := range se.exports {
		if ex.rule(a) != nil {
			return true
		}
	}
	return false
}

// refusals are told to the log now and then, however many there are.
type refusals struct {
	mu   sync.Mutex
	last time.Time
	more int64 // since then, not told
}

// refusalPause is how often a refused client makes a line in the log, at most.
const refusalPause = 10 * time.Second

func (s *Server) refuse(a netip.Addr, what string) {
	s.count.refused.Add(1)
	r := &s.refusal
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Sub(r.last) < refusalPause {
		r.more++
		return
	}
	s.log.LogAttrs(context.Background(), slog.LevelWarn, "A client was refused; if it should not be, add its network to the clients of the export.",
		slog.String("address", a.String()), slog.String("what", what), slog.Int64("more_since", r.more))
	r.last, r.more = now, 0
}
