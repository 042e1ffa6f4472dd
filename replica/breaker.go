package replica

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// BreakerOptions say how long a replica is left alone whose connections fail. The zero value is good
// for most.
//
// A connection that fails takes its replica out at once. It is read again when it has answered a
// question and taken a connection for reads, which is tried at once the first time, and after a
// growing time when it fails again and again.
type BreakerOptions struct {
	// Backoff is how long a replica is left alone that fails for the second time; it doubles with
	// each further time. 0 means 500 ms; 10 ms to 1 hour.
	Backoff time.Duration
	// MaxBackoff is the longest such time. 0 means 30 s; Backoff to 1 hour.
	MaxBackoff time.Duration
	// Quiet is how long a replica must have worked for its failures to be forgotten. 0 means
	// 1 minute; up to 24 hours.
	Quiet time.Duration
	// Busy is how long a replica is left alone at least that has no connection left (error 1040). It is
	// not taken for down: what runs there goes on. 0 means 1 s; 10 ms to 1 hour.
	Busy time.Duration
}

func (o *BreakerOptions) check(between func(what string, d *time.Duration, preset, low, high time.Duration)) {
	between("Breaker.Backoff", &o.Backoff, 500*time.Millisecond, 10*time.Millisecond, time.Hour)
	between("Breaker.MaxBackoff", &o.MaxBackoff, max(30*time.Second, o.Backoff), o.Backoff, time.Hour)
	between("Breaker.Quiet", &o.Quiet, time.Minute, 0, 24*time.Hour)
	between("Breaker.Busy", &o.Busy, time.Second, 10*time.Millisecond, time.Hour)
}

// wait is how long a replica is left alone that fails for the given time in a row.
func (o *BreakerOptions) wait(failures int) time.Duration {
	if failures < 2 {
		return 0
	}
	d := o.Backoff
	for range failures - 2 {
		if d *= 2; d >= o.MaxBackoff {
			return o.MaxBackoff
		}
	}
	return min(d, o.MaxBackoff)
}

// A breaker keeps reads away from a server that fails them. It is under router.mu, but for
// node.suspect, which says whether it is open.
type breaker struct {
	why      string
	since    time.Time // open since
	until    time.Time // not tried before
	failures int       // in a row, with less than Quiet between
	closed   time.Time // when it closed last
	answers  uint64    // of node.answers, then
	opened   uint64    // how often it opened
}

// Numbers of errors, beside those of writes.
const (
	tooManyOfUser = 1203
	limitOfUser   = 1226
)

// A fault is what a failed call says of the server.
type fault int

const (
	none   fault = iota // nothing
	silent              // it may have failed: it is asked before it is read again, and no more than that
	busy                // it has no connection left
	gone                // it lost a connection, or does not take one
)

// judge takes in a call to read that failed. The call began when the server had given before answers.
func (n *node) judge(ctx context.Context, before uint64, err error) {
	if f := n.faultOf(ctx, before, err); f != none {
		n.trip(f, err)
	}
}

// refused takes in a connection to read that was not made. A server that answers, but lets nobody
// in, can be read as little as one that is down.
func (n *node) refused(ctx context.Context, before uint64, err error) {
	f := n.faultOf(ctx, before, err)
	if f == none && answerOf(err) != 0 {
		f = gone
	}
	if f != none {
		n.trip(f, err)
	}
}

func (n *node) faultOf(ctx context.Context, before uint64, err error) fault {
	var ours *hookError
	number := answerOf(err)
	switch {
	case errors.As(err, &ours):
		return none
	case number != 0:
		n.answers.Add(1)
		if isBusy(err) {
			return busy
		}
		if number == shutdown {
			return gone
		}
		return none
	case ctx.Err() != nil:
		// One slow statement proves nothing; that nobody was answered meanwhile does.
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && n.answers.Load() == before {
			return silent
		}
		return none
	case !broken(err):
		return none
	case errors.Is(err, driver.ErrBadConn):
		n.hurry() // nothing was sent: the pool tries another connection, and a new one will tell
		return none
	case n.answers.Load() == before:
		return gone
	case n.impatient:
		n.hurry() // it may be the driver's own time-out for a slow statement
		return none
	default:
		return silent // others were answered: it may be this connection alone
	}
}

// isBusy reports whether a server refused a connection as it, or the account, has too many.
func isBusy(err error) bool {
	switch answerOf(err) {
	case tooManyConnections, tooManyOfUser, limitOfUser:
		return true
	}
	return false
}

// trip takes the server out of reads. Many calls fail at once when a server does; the first is
// enough.
func (n *node) trip(f fault, err error) {
	if n.suspect.Load() {
		return
	}
	n.router.mu.Lock()
	if !n.suspect.Load() {
		n.open(f, err, time.Now())
		n.router.update()
	}
	n.router.mu.Unlock()
	n.hurry()
}

// open opens the breaker, or keeps it open after a trial that failed. r.mu is held.
func (n *node) open(f fault, err error, now time.Time) {
	b, o := &n.breaker, &n.router.config.Breaker
	if !n.suspect.Load() {
		if now.Sub(b.closed) > o.Quiet {
			b.failures = 0
		}
		b.since, b.opened = now, b.opened+1
		n.epoch.Add(1) // its other connections are as bad
	}
	var wait time.Duration
	// Who says that all is well, and then answers no read again, is not well.
	if f != silent || n.answers.Load() == b.answers {
		b.failures++
		wait = o.wait(b.failures)
	}
	b.why = err.Error()
	if f == busy {
		wait = max(wait, o.Busy)
	}
	b.until = now.Add(wait)
	n.suspect.Store(true)
}

// close has the server read again. r.mu is held.
func (n *node) close(now time.Time) {
	n.breaker.closed, n.breaker.answers, n.breaker.why = now, n.answers.Load(), ""
	n.suspect.Store(false)
}

// breakerState is the state in one word. r.mu is held.
func (n *node) breakerState(now time.Time) string {
	switch {
	case !n.suspect.Load():
		return "closed"
	case n.due(now):
		return "half-open"
	default:
		return "open"
	}
}

// due reports whether the server is to be tried. r.mu is held.
func (n *node) due(now time.Time) bool {
	return n.suspect.Load() && !now.Before(n.breaker.until)
}

// try reports whether the server takes a connection for reads and answers on it.
func (n *node) try(ctx context.Context) error {
	conn, err := n.connectToRead(ctx)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, n.router.config.Timeout)
	defer cancel()
	return errors.Join(conn.Ping(limit), conn.Close())
}

// leftAlone says why the server must not be connected to for reads now.
func (n *node) leftAlone() error {
	if !n.suspect.Load() {
		return nil
	}
	n.router.mu.Lock()
	defer n.router.mu.Unlock()
	if !n.suspect.Load() || n.due(time.Now()) {
		return nil
	}
	return fmt.Errorf("%w: node %s is left alone until %s: %s", ErrNoReplica, n.Name, n.breaker.until.Format(time.TimeOnly), n.breaker.why)
}

// age counts what makes all connections for reads obsolete.
func (n *node) age() uint64 { return n.epoch.Load() + n.router.renewed.Load() }
