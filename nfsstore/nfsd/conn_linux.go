package nfsd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// A conn is one connection of a client. Its calls are carried out side by side, and answered as they
// end.
type conn struct {
	se    *session
	nc    net.Conn
	peer  *peer
	slots chan struct{}       // calls under way, until their replies are sent
	bytes *semaphore.Weighted // of them
	last  atomic.Int64        // when a call came last, or the connection, in nanoseconds
	calls sync.WaitGroup

	life context.Context // until it is given up, or the server ends
	end  context.CancelFunc

	claimed partial      // for a record that has not come whole
	sending atomic.Int64 // since when a reply is being sent, in nanoseconds, or zero

	ending atomic.Bool // the server is
	mu     sync.Mutex  // one reply is sent at a time
	broken bool
}

func newConn(ctx context.Context, se *session, nc net.Conn) *conn {
	c := &conn{se: se, nc: nc, slots: make(chan struct{}, callsPerConnection), bytes: semaphore.NewWeighted(bytesPerConnection)}
	c.life, c.end = context.WithCancel(ctx)
	c.last.Store(time.Now().UnixNano())
	return c
}

// giveUp closes the connection; a call that waits for room on it is not made.
func (c *conn) giveUp() {
	c.end()
	c.nc.Close() // replies are lost by intention
}

// serve returns when the connection has ended, by the client, by a fault or with ctx, and so have all
// calls that came over it.
func (c *conn) serve(ctx context.Context) {
	defer c.se.door.leave(c)
	defer c.giveUp() // all that matters was sent before, or cannot be
	stop := context.AfterFunc(ctx, func() {
		now := time.Now()
		c.ending.Store(true)
		// Reading ends at once, and whoever does not take the last replies is left behind.
		if err := errors.Join(c.nc.SetReadDeadline(now), c.nc.SetWriteDeadline(now.Add(c.se.times.shutdown))); err != nil {
			c.nc.Close()
		}
	})
	defer stop()
	if err := c.read(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		c.se.log.Debug("A connection ended.", "client", c.peer.addr.String(), "error", err)
	}
	c.calls.Wait()
}

// read takes calls from the connection until it ends.
func (c *conn) read(ctx context.Context) error {
	r := bufio.NewReaderSize(c.nc, 8<<10)
	for {
		// The deadline of a context that ends now must not be put off again.
		if err := c.nc.SetReadDeadline(time.Now().Add(c.se.cfg.Limits.Idle)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := r.Peek(1); err != nil {
			return err
		}
		if err := c.nc.SetReadDeadline(time.Now().Add(c.se.times.record)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rec, err := readRecord(r, func(bytes int64) error { return c.se.door.unread.claim(c.life, c, bytes) })
		c.se.door.unread.release(c)
		if err != nil {
			if errors.Is(err, errLongRecord) || errors.Is(err, errFragments) {
				c.se.count.garbage.Add(1)
			}
			return err
		}
		if err := c.start(ctx, rec); err != nil {
			rec.free()
			return err
		}
	}
}

// start carries a call out in its own goroutine, when there is room for it. With an error the record stays
// the caller's.
func (c *conn) start(ctx context.Context, rec record) error {
	c.last.Store(time.Now().UnixNano())
	args := bytes.NewReader(rec.b)
	head, err := readHead(args)
	switch {
	case errors.Is(err, errRPCVersion):
		if err := c.send(wrongRPC(head.xid)); err != nil {
			return err
		}
		rec.free()
		return nil
	case err != nil:
		c.se.count.garbage.Add(1)
		return err
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.life.Done():
		return c.life.Err()
	}
	cost := int64(cap(rec.b)) + replyBound(&head, rec.b[len(rec.b)-args.Len():])
	done := func() {
		c.bytes.Release(cost)
		<-c.slots
	}
	if err := c.bytes.Acquire(c.life, cost); err != nil {
		<-c.slots
		return err
	}
	if err := c.se.door.reserve(c.life, cost); err != nil {
		done()
		return err
	}
	select {
	case c.se.slots <- struct{}{}:
	case <-c.life.Done():
		c.se.door.bytes.Release(cost)
		done()
		return c.life.Err()
	}
	c.calls.Go(func() {
		defer done()
		defer c.se.door.bytes.Release(cost)
		c.se.count.inFlight.Add(1)
		rep, ok := c.se.answer(ctx, c.peer.addr, &head, rec.b, args)
		c.se.count.inFlight.Add(-1)
		<-c.se.slots // a client that takes no replies holds nobody up
		rec.free()
		if ok {
			if err := c.send(rep); err != nil {
				c.se.log.Debug("A reply could not be sent.", "client", c.peer.addr.String(), "error", err)
			}
		}
	})
	return nil
}

// send sends a reply. After a fault the connection is closed, as part of a record may be out.
func (c *conn) send(r reply) error {
	if r.free != nil {
		defer r.free()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return net.ErrClosed
	}
	c.sending.Store(time.Now().UnixNano())
	err := c.write(r)
	c.sending.Store(0)
	if err != nil {
		c.broken = true
		err = errors.Join(err, c.nc.Close())
	}
	return err
}

func (c *conn) write(r reply) error {
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.se.times.write)); err != nil {
		return err
	}
	if c.ending.Load() {
		if err := c.nc.SetWriteDeadline(time.Now().Add(c.se.times.shutdown)); err != nil {
			return err
		}
	}
	if len(r.data) == 0 {
		_, err := c.nc.Write(r.head)
		return err
	}
	b := net.Buffers{r.head, r.data}
	_, err := b.WriteTo(c.nc)
	return err
}

// replyBound is how much memory the reply to a call can take, its head left out. args is what stands
// behind the head of the call.
func replyBound(h *callHead, args []byte) int64 {
	const small = 1 << 10
	switch {
	case h.prog == mountProgram && h.proc == procDump:
		return maxDump
	case h.prog != nfsProgram:
		return small
	case h.proc == procRead:
		count := readCount(args)
		if count > smallRead {
			count = maxData // one buffer is for all of them
		}
		return small + int64(count)
	case h.proc == procReaddir, h.proc == procReaddirplus:
		return small + maxListing
	}
	return small
}

// readCount is how much a READ asks for, 0 if its arguments make no sense.
func readCount(args []byte) uint32 {
	if len(args) < 4 {
		return 0
	}
	handle := int64(binary.BigEndian.Uint32(args))
	at := 4 + (handle+3)&^3 + 8 // the handle and the offset
	if at+4 > int64(len(args)) {
		return 0
	}
	return binary.BigEndian.Uint32(args[at:])
}
