package replicatest

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// A fault is what is wrong with a link.
type fault struct {
	cut     bool // nothing passes, nobody is told
	refuse  bool // connections break
	latency time.Duration
}

const (
	mostCalls = 512                   // connections through one relay at once; servers take fewer
	chunk     = 16 << 10              // bytes that are passed on at once
	pause     = 10 * time.Millisecond // after a connection that could not be taken
	window    = 64                    // chunks that are under way in one direction of a connection at most
)

// A relay passes bytes between a server and those who connect to it.
type relay struct {
	to       string
	listener net.Listener
	whose    func(peer, here net.Addr) *Server // nil: a client
	ending   chan struct{}
	done     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	calls  map[*call]struct{}
	faults map[*Server]fault // by who connects
	news   chan struct{}     // closed when faults change
}

// A call is one connection.
type call struct {
	in, out net.Conn // out is nil until the server is reached
	from    *Server
	known   bool // from is set
	over    context.Context
	end     context.CancelFunc
	once    sync.Once
}

func newRelay(to string, whose func(peer, here net.Addr) *Server) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{
		to: to, listener: l, whose: whose, ending: make(chan struct{}),
		calls: make(map[*call]struct{}), faults: make(map[*Server]fault), news: make(chan struct{}),
	}
	r.done.Go(r.accept)
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) accept() {
	for {
		in, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// This process has too many files open, or a caller is gone: the next may do better.
			select {
			case <-time.After(pause):
				continue
			case <-r.ending:
				return
			}
		}
		c := &call{in: in}
		c.over, c.end = context.WithCancel(context.Background())
		r.mu.Lock()
		full := r.closed || len(r.calls) >= mostCalls
		if !full {
			r.calls[c] = struct{}{}
		}
		r.mu.Unlock()
		if full {
			c.close(true)
			continue
		}
		r.done.Go(func() { r.carry(c) })
	}
}

// carry is the life of a connection.
func (r *relay) carry(c *call) {
	broken := true
	defer func() {
		c.close(broken)
		r.mu.Lock()
		delete(r.calls, c)
		r.mu.Unlock()
	}()
	from := r.whose(c.in.RemoteAddr(), c.in.LocalAddr())
	r.mu.Lock()
	c.from, c.known = from, true
	r.mu.Unlock()
	if !r.passes(c, time.Time{}) {
		return
	}
	out, err := (&net.Dialer{Timeout: patience}).DialContext(c.over, "tcp", r.to)
	if err != nil {
		return
	}
	r.mu.Lock()
	c.out = out
	if c.over.Err() != nil {
		out.Close() // it ended meanwhile, without this one
	}
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { r.pump(c, c.out, c.in) })
	both.Go(func() { r.pump(c, c.in, c.out) })
	both.Wait()
	broken = c.over.Err() != nil
}

// close ends the connection. One that breaks is reset at both ends, which lose what was not read yet.
func (c *call) close(broken bool) {
	c.once.Do(func() {
		c.end()
		for _, conn := range []net.Conn{c.in, c.out} {
			if conn, ok := conn.(*net.TCPConn); ok {
				// A connection that is gone already is no matter.
				if broken {
					_ = conn.SetLinger(0)
				}
				_ = conn.Close()
			}
		}
	})
}

// pump passes on what from says until it has no more to say.
func (r *relay) pump(c *call, to, from net.Conn) {
	type piece struct {
		bytes []byte
		due   time.Time
	}
	way := make(chan piece, window)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(way)
		for {
			b := make([]byte, chunk)
			n, err := from.Read(b)
			if n > 0 {
				select {
				case way <- piece{b[:n], time.Now().Add(r.fault(c).latency)}:
				case <-c.over.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	for p := range way {
		if !r.passes(c, p.due) {
			break
		}
		if _, err := to.Write(p.bytes); err != nil {
			c.close(true)
			break
		}
	}
	reader.Wait()
	// The end of what one side says is a message too.
	if r.passes(c, time.Now().Add(r.fault(c).latency)) {
		if to, ok := to.(*net.TCPConn); ok && to.CloseWrite() != nil {
			c.close(true)
		}
	}
}

func (r *relay) fault(c *call) fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faults[c.from]
}

// passes waits until what is due at a time arrives. It returns false when it never will.
func (r *relay) passes(c *call, due time.Time) bool {
	for {
		r.mu.Lock()
		f, news := r.faults[c.from], r.news
		r.mu.Unlock()
		if f.refuse {
			c.close(true)
			return false
		}
		var late <-chan time.Time
		if !f.cut {
			left := time.Until(due)
			if left <= 0 {
				return c.over.Err() == nil
			}
			late = time.After(left)
		}
		select {
		case <-late:
		case <-news:
		case <-c.over.Done():
			return false
		}
	}
}

// set changes what is wrong with the link by which from comes.
func (r *relay) set(from *Server, f fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[from] = f
	close(r.news)
	r.news = make(chan struct{})
	if !f.refuse {
		return
	}
	for c := range r.calls {
		if c.known && c.from == from {
			c.close(true)
		}
	}
}

// close ends all connections and returns when nothing is left of them.
func (r *relay) close() error {
	err := r.listener.Close()
	close(r.ending)
	r.mu.Lock()
	r.closed = true
	for c := range r.calls {
		c.close(true)
	}
	r.mu.Unlock()
	r.done.Wait()
	return err
}
