package edge

import (
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// A conn is a connection of the network that is counted until it is closed, and whose peer must take
// what is written to it at a least rate.
type conn struct {
	net.Conn
	s      *Server
	client netip.Addr  // guarded by conns.mu
	idle   atomic.Bool // between two requests of HTTP/1

	until   atomic.Int64 // the deadline that was set last, in ns since 1970
	foreign atomic.Bool  // a deadline that is not ours is set
}

// piece is how much is written for one deadline.
const piece = 256 << 10

func (c *conn) Close() error {
	c.s.conns.leave(c)
	return c.Conn.Close()
}

func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

// SetDeadline and SetWriteDeadline set aside the deadlines of this type until they are called with
// none; net/http does that after each request.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.Conn.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() && !c.foreign.Load() {
		return nil // ours is renewed in time
	}
	c.foreign.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}

// renew sees to it that n bytes may take as long as they may. Asking the clock is cheap, setting a
// deadline is not.
func (c *conn) renew(n int) error {
	if c.s.o.MinDownloadRate < 0 || c.foreign.Load() {
		return nil
	}
	now, window := time.Now(), c.s.o.RateWindow
	need := window + time.Duration(n)*time.Second/time.Duration(c.s.o.MinDownloadRate)
	if time.Duration(c.until.Load()-now.UnixNano()) >= need {
		return nil
	}
	until := now.Add(need + window)
	c.until.Store(until.UnixNano())
	return c.Conn.SetWriteDeadline(until)
}

func (c *conn) Write(p []byte) (n int, err error) {
	for {
		part := p[n:min(len(p), n+piece)]
		if err := c.renew(len(part)); err != nil {
			return n, err
		}
		k, err := c.Conn.Write(part)
		n += k
		if err != nil || n == len(p) {
			return n, c.slow(err)
		}
	}
}

// slow counts the clients that were cut for taking too little.
func (c *conn) slow(err error) error {
	if t, ok := err.(net.Error); ok && t.Timeout() && !c.foreign.Load() {
		c.s.stats.slowReaders.Add(1)
	}
	return err
}

// ReadFrom keeps the kernel's copying from files and sockets, in pieces.
func (c *conn) ReadFrom(r io.Reader) (n int64, err error) {
	to, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	outer, limited := r.(*io.LimitedReader)
	part := &io.LimitedReader{R: r}
	if limited {
		part.R = outer.R // the kernel's copying sees through one of them only
	}
	for !limited || outer.N > 0 {
		if part.N = piece; limited {
			part.N = min(outer.N, piece)
		}
		want := part.N
		if err := c.renew(int(want)); err != nil {
			return n, err
		}
		k, err := to.ReadFrom(part)
		n += k
		if limited {
			outer.N -= k
		}
		if err != nil || k < want {
			return n, c.slow(err)
		}
	}
	return n, nil
}
