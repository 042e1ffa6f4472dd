package replica

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	limitWait  = 500 * time.Millisecond // how long a read waits for a connection to the primary
	limitQueue = 16                     // how many wait, for each connection there may be
)

// A limiter lends a bounded number of connections to reads that fall back to the primary. The pools
// of database/sql would let callers wait as long as they like, and there is no way to tell them that
// it is of no use: this one is first come, first served, for a short while.
type limiter struct {
	limit int

	mu    sync.Mutex
	open  int             // connections, idle, in use and about to be made
	idle  []*fallbackConn // oldest first
	queue []chan *loan    // who waits
	gone  uint64          // who waited in vain, or was sent away
}

// A loan is a connection that has passed on from one to the next, or, when conn is nil, the right to
// make one.
type loan struct {
	conn *fallbackConn
}

// take returns a loan. The caller owes one call of done for a right, or a Close for a connection.
func (l *limiter) take(ctx context.Context) (*loan, error) {
	l.mu.Lock()
	if n := len(l.idle); n > 0 {
		c := l.idle[n-1]
		l.idle = l.idle[:n-1]
		got := c.pass()
		l.mu.Unlock()
		return &loan{got}, nil
	}
	if l.open < l.limit {
		l.open++
		l.mu.Unlock()
		return &loan{}, nil
	}
	if len(l.queue) >= limitQueue*l.limit {
		l.gone++
		l.mu.Unlock()
		return nil, l.full("and %d reads wait already", limitQueue*l.limit)
	}
	mine := make(chan *loan, 1)
	l.queue = append(l.queue, mine)
	l.mu.Unlock()

	timer := time.NewTimer(limitWait)
	defer timer.Stop()
	var err error
	select {
	case got := <-mine:
		return got, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = l.full("and none was given back in %s", limitWait)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.queue, mine)
	if i < 0 {
		return <-mine, nil // it came at the last moment
	}
	l.queue = slices.Delete(l.queue, i, i+1)
	l.gone++
	return nil, err
}

func (l *limiter) full(format string, args ...any) error {
	return fmt.Errorf("%w: no replica is fit for it, the primary answers %d reads at once and no more (MaxPrimaryReads), "+format, append([]any{ErrNoReplica, l.limit}, args...)...)
}

// done gives back the right to a connection.
func (l *limiter) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 {
		l.next() <- &loan{}
		return
	}
	l.open--
}

// next takes the first out of the queue. l.mu is held.
func (l *limiter) next() chan *loan {
	first := l.queue[0]
	l.queue = slices.Delete(l.queue, 0, 1)
	return first
}

// A LimiterStatus is the state of what bounds the reads that fall back to the primary.
type LimiterStatus struct {
	Limit   int    `json:"limit"`   // Config.MaxPrimaryReads
	InUse   int    `json:"in_use"`  // connections that are at work
	Waiting int    `json:"waiting"` // calls that wait for one
	Refused uint64 `json:"refused"` // calls that got none, since New
}

func (l *limiter) status() LimiterStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LimiterStatus{l.limit, l.open - len(l.idle), len(l.queue), l.gone}
}

// A fallbackConnector connects to whichever server is the primary, for reads.
type fallbackConnector struct{ router *Router }

// Driver implements [driver.Connector].
func (c fallbackConnector) Driver() driver.Driver { return &mysql.MySQLDriver{} }

// Connect implements [driver.Connector].
func (c fallbackConnector) Connect(ctx context.Context) (driver.Conn, error) {
	l := &c.router.limiter
	got, err := l.take(ctx)
	if err != nil {
		return nil, err
	}
	if got.conn != nil {
		if got.conn.usable(ctx) {
			return got.conn, nil
		}
		// The right to a connection outlives it. What a broken one says when it is closed is of no
		// interest.
		_ = got.conn.serverConn.Close()
	}
	conn, err := c.dial(ctx)
	if err != nil {
		l.done()
		return nil, err
	}
	return conn, nil
}

// dial connects to the primary and makes sure that it is one, as for writes.
func (c fallbackConnector) dial(ctx context.Context) (*fallbackConn, error) {
	r := c.router
	renewed := r.renewed.Load()
	v := r.view.Load()
	n := v.primary
	if n == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoReplica, v.problem)
	}
	limit, cancel := context.WithTimeoutCause(ctx, r.config.Timeout, errSilent)
	defer cancel()
	raw, err := n.fallbackServer.Connect(limit)
	if err != nil {
		n.hurry()
		return nil, fmt.Errorf("%w: primary %s: %w", ErrNoReplica, n.Name, n.whySilent(ctx, limit, err))
	}
	server, err := whole(raw)
	if err != nil {
		return nil, err
	}
	readOnly, err := askOne(limit, server, askReadOnly)
	if err == nil && !off(readOnly) {
		err = errors.New("it has become read-only")
	}
	if err == nil && r.view.Load().generation != v.generation {
		err = errors.New("another server became the primary meanwhile")
	}
	if err == nil { // a write by mistake fails here as it would on a replica
		_, err = server.ExecContext(limit, "SET SESSION TRANSACTION READ ONLY", nil)
	}
	if err != nil {
		n.hurry()
		return nil, errors.Join(fmt.Errorf("%w: primary %s: %w", ErrNoReplica, n.Name, err), server.Close())
	}
	return &fallbackConn{serverConn: server, router: r, generation: v.generation, renewed: renewed}, nil
}

// A fallbackConn is a connection to the primary of one generation, for reads. While it is idle in the
// pool of database/sql, somebody who waits may take it away from there.
type fallbackConn struct {
	serverConn
	router     *Router
	generation uint64
	renewed    uint64
	passed     bool // under limiter.mu: another has it
}

// pass returns the connection for the next to have; c is no more. limiter.mu is held.
func (c *fallbackConn) pass() *fallbackConn {
	c.passed = true
	return &fallbackConn{serverConn: c.serverConn, router: c.router, generation: c.generation, renewed: c.renewed}
}

func (c *fallbackConn) current() bool {
	return c.router.view.Load().generation == c.generation && c.router.renewed.Load() == c.renewed
}

func (c *fallbackConn) usable(ctx context.Context) bool {
	return c.current() && c.serverConn.ResetSession(ctx) == nil
}

// IsValid implements [driver.Validator]. The pool asks when it gets the connection back: whoever
// waits gets it first.
func (c *fallbackConn) IsValid() bool {
	if !c.current() || !c.serverConn.IsValid() {
		return false // it is closed now
	}
	l := &c.router.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 {
		l.next() <- &loan{c.pass()}
		return false
	}
	l.idle = append(l.idle, c)
	return true
}

// ResetSession implements [driver.SessionResetter]. The pool asks when it hands the connection out.
func (c *fallbackConn) ResetSession(ctx context.Context) error {
	l := &c.router.limiter
	l.mu.Lock()
	passed := c.passed
	l.unidle(c)
	l.mu.Unlock()
	if passed || !c.usable(ctx) {
		return driver.ErrBadConn
	}
	return nil
}

// unidle notes that c is not idle any more. l.mu is held.
func (l *limiter) unidle(c *fallbackConn) {
	if i := slices.Index(l.idle, c); i >= 0 {
		l.idle = slices.Delete(l.idle, i, i+1)
	}
}

// Close implements [driver.Conn].
func (c *fallbackConn) Close() error {
	l := &c.router.limiter
	l.mu.Lock()
	passed := c.passed
	c.passed = true
	l.unidle(c)
	l.mu.Unlock()
	if passed {
		return nil
	}
	err := c.serverConn.Close()
	l.done()
	return err
}

// QueryContext implements [driver.QueryerContext].
func (c *fallbackConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.serverConn.QueryContext(ctx, query, args)
	c.router.sawPrimary(ctx)
	return rows, refusedWrite(err)
}

// ExecContext implements [driver.ExecerContext].
func (c *fallbackConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.serverConn.ExecContext(ctx, query, args)
	return result, refusedWrite(err)
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *fallbackConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.serverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, refusedWrite(err)
	}
	server, err := wholeStmt(stmt)
	if err != nil {
		return nil, err
	}
	return fallbackStmt{server, c.router}, nil
}

type fallbackStmt struct {
	serverStmt
	router *Router
}

// QueryContext implements [driver.StmtQueryContext].
func (s fallbackStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.serverStmt.QueryContext(ctx, args)
	s.router.sawPrimary(ctx)
	return rows, refusedWrite(err)
}

// ExecContext implements [driver.StmtExecContext].
func (s fallbackStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	result, err := s.serverStmt.ExecContext(ctx, args)
	return result, refusedWrite(err)
}

var (
	_ serverConn = (*fallbackConn)(nil)
	_ serverConn = (*readConn)(nil)
)
