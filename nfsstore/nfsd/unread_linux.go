package nfsd

import (
	"context"
	"sync"
	"time"
)

// bytesUnread bounds the memory of all records together that have not come whole, their first pieces
// left out.
const bytesUnread = 128 << 20

// unread shares that memory out. When it is short, the connection goes whose record has been coming for
// longest, if that is long: those of good clients are there in a moment.
type unread struct {
	evict func(*conn)

	mu      sync.Mutex
	used    int64
	conns   map[*conn]struct{} // that hold some of it
	waiting int
	freed   chan struct{} // closed when some is given back to those who wait
}

// A partial is what one connection holds. It is guarded by the mutex of the unread.
type partial struct {
	bytes int64
	since time.Time
}

func newUnread(evict func(*conn)) *unread {
	return &unread{evict: evict, conns: make(map[*conn]struct{}), freed: make(chan struct{})}
}

// claim takes n bytes more for the record that c reads, and waits for them while others have records that
// have not been coming for long.
func (u *unread) claim(ctx context.Context, c *conn, n int64) error {
	for {
		u.mu.Lock()
		if u.used+n <= bytesUnread {
			u.take(c, n)
			u.mu.Unlock()
			return nil
		}
		slowest := u.slowest(time.Now().Add(-stuck))
		if slowest != nil {
			u.drop(slowest)
		}
		freed := u.freed
		if slowest == nil {
			u.waiting++
		}
		u.mu.Unlock()
		if slowest != nil {
			u.evict(slowest)
			continue
		}
		again := time.NewTimer(stuck / 4) // when somebody may have become slow
		select {
		case <-freed:
		case <-again.C:
		case <-ctx.Done():
		}
		again.Stop()
		u.mu.Lock()
		u.waiting--
		u.mu.Unlock()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (u *unread) take(c *conn, n int64) {
	u.used += n
	if c.claimed.bytes == 0 {
		c.claimed.since = time.Now()
		u.conns[c] = struct{}{}
	}
	c.claimed.bytes += n
}

// slowest returns whose record has been coming since that time, and longest, or nil.
func (u *unread) slowest(before time.Time) (out *conn) {
	for c := range u.conns {
		if at := c.claimed.since; at.Before(before) {
			before, out = at, c
		}
	}
	return out
}

// release gives back what the record of c took: it has come, or will not.
func (u *unread) release(c *conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.drop(c)
}

func (u *unread) drop(c *conn) {
	if c.claimed.bytes == 0 {
		return
	}
	u.used -= c.claimed.bytes
	c.claimed.bytes = 0
	delete(u.conns, c)
	if u.waiting > 0 {
		close(u.freed)
		u.freed = make(chan struct{})
	}
}
