package nfs3

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A conn is one TCP connection with the calls that wait for replies on it. It ends at its first
// fault.
type conn struct {
	nc      net.Conn
	timeout time.Duration
	queue   chan *request
	ended   chan struct{} // closed by fail, after err is set
	wg      sync.WaitGroup

	mu       sync.Mutex
	err      error
	pending  map[uint32]*request
	waiting  time.Time // since when the server owes something; zero: it does not
	answered bool      // there was a reply

	heard atomic.Int64 // when bytes came last, in nanoseconds since start
	start time.Time
}

// A request is a call on its way.
type request struct {
	xid   uint32
	frame []byte
	state atomic.Int32
	reply chan []byte // room for one
}

// States of a request. Only the one who changes it from queued may touch its frame afterwards.
const (
	queued = iota
	sending
	written
	dropped
)

// newConn takes nc over. end must be called.
func newConn(nc net.Conn, timeout time.Duration, inFlight int) *conn {
	c := &conn{
		nc: nc, timeout: timeout, start: time.Now(),
		queue: make(chan *request, inFlight), ended: make(chan struct{}), pending: make(map[uint32]*request),
	}
	c.wg.Go(c.write)
	c.wg.Go(c.read)
	return c
}

// end closes the connection and waits for its goroutines.
func (c *conn) end(err error) {
	c.fail(err)
	c.wg.Wait()
}

func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	close(c.ended)
	c.nc.Close() // what was not sent or read is lost by intention
}

func (c *conn) fault() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// write sends what is queued. A server that takes nothing for as long as a call may last is gone.
func (c *conn) write() {
	for {
		select {
		case <-c.ended:
			return
		case r := <-c.queue:
			if !r.state.CompareAndSwap(queued, sending) {
				continue
			}
			err := c.nc.SetWriteDeadline(time.Now().Add(c.timeout))
			if err == nil {
				_, err = c.nc.Write(r.frame)
			}
			if err != nil {
				c.fail(fmt.Errorf("the connection broke: %w", err))
				return
			}
			r.state.Store(written)
		}
	}
}

// read hands replies to their calls. Those of calls that were given up are thrown away.
func (c *conn) read() {
	r := bufio.NewReaderSize(listener{c}, 64<<10)
	for {
		record, err := readRecord(r)
		var xid uint32
		if err == nil {
			xid, err = xidOf(record)
		}
		if err != nil {
			c.fail(fmt.Errorf("the connection broke: %w", err))
			return
		}
		c.mu.Lock()
		req := c.pending[xid]
		delete(c.pending, xid)
		c.answered = true
		if c.waiting = time.Now(); len(c.pending) == 0 {
			c.waiting = time.Time{}
		}
		c.mu.Unlock()
		if req != nil {
			req.reply <- record
		}
	}
}

// A listener notes when the server was heard.
type listener struct{ c *conn }

func (l listener) Read(p []byte) (int, error) {
	n, err := l.c.nc.Read(p)
	if n > 0 {
		l.c.heard.Store(int64(time.Since(l.c.start)))
	}
	return n, err
}

// roundTrip sends a frame, which is not to be used after it, and waits for the reply. sent says, beside an
// error, that the server may have got it.
func (c *conn) roundTrip(ctx context.Context, xid uint32, frame []byte) (record []byte, sent bool, err error) {
	r := &request{xid: xid, frame: frame, reply: make(chan []byte, 1)}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return nil, false, c.err
	}
	c.pending[xid] = r
	if c.waiting.IsZero() {
		c.waiting = time.Now()
	}
	c.mu.Unlock()

	enqueued := true
	select {
	case c.queue <- r:
		select {
		case record = <-r.reply:
			if r.state.Load() == written { // and not a reply from who has not heard all
				release(frame)
			}
			return record, true, nil
		case <-ctx.Done():
			err = ctx.Err()
		case <-c.ended:
			err = c.fault()
		}
	case <-ctx.Done():
		enqueued, err = false, ctx.Err()
	case <-c.ended:
		enqueued, err = false, c.fault()
	}

	c.mu.Lock()
	delete(c.pending, xid)
	c.mu.Unlock()
	select {
	case record = <-r.reply: // at the last moment
		return record, true, nil
	default:
	}
	if !enqueued {
		return nil, false, err
	}
	if r.state.CompareAndSwap(queued, dropped) {
		r.frame = nil
		return nil, false, err
	}
	return nil, true, err
}

// suspect ends the connection when the server has owed a reply for long and nothing was heard: its
// machine may be gone without a word, and another connection finds that out.
func (c *conn) suspect() {
	c.mu.Lock()
	since := c.waiting
	c.mu.Unlock()
	if since.IsZero() {
		return
	}
	if heard := c.start.Add(time.Duration(c.heard.Load())); heard.After(since) {
		since = heard
	}
	if silent := time.Since(since); silent >= c.timeout/2 {
		c.fail(fmt.Errorf("nothing was heard for %v", silent.Round(time.Millisecond)))
	}
}
