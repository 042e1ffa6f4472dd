package replica

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A node is one server.
type node struct {
	Node
	router *Router
	index  int // its number; never used again

	readServer, writeServer, fallbackServer, askServer driver.Connector

	read      *sql.DB // for reads
	picks     atomic.Uint64
	impatient bool                  // the driver has a time-out for its answers
	answers   atomic.Uint64         // how often it answered a statement that reads
	epoch     atomic.Uint64         // connections for reads of another one are not used
	suspect   atomic.Bool           // its breaker is open
	applied   atomic.Pointer[gtids] // what it surely holds; nil: not known
	shown     atomic.Pointer[shown] // what it can have shown
	kick      chan struct{}         // asks it soon
	wake      chan struct{}         // has it glanced at while sessions wait for it
	stop      func()                // ends what the router does with it; under router.mu

	facts facts // under router.mu
	fresh bool  // under router.mu; it may be read, as of the last update
	fails int   // under router.mu; questions in a row that failed

	target gtids     // under router.mu; where the primary was at since
	since  time.Time // under router.mu
	late   time.Duration
	behind time.Duration // under router.mu; by the heartbeat
	pulse  pulse         // under router.mu
	apart  bool          // under router.mu; it does not replicate from the latest primary

	breaker  breaker // under router.mu
	draining bool    // under router.mu; it gets no new reads

	reads      bool      // under router.mu; it is in the view
	readsSince time.Time // under router.mu; since when that is as it is

	serving bool      // under router.mu; it may be read, as of the last update
	served  bool      // under router.mu; that was so at some time since Run
	ramping time.Time // under router.mu; when it came back, until it has its full share
}

// state says in words what the server does, for people.
func (n *node) state() string {
	text := n.facts.state()
	if n.facts.role() == Replica {
		if n.apart {
			text += "; it does not replicate from the primary: unless it is about to connect, point it there by CHANGE MASTER TO"
		} else if lag, ok := n.lag(); ok {
			text += fmt.Sprintf("; its lag is %s", lag)
		}
	}
	if n.draining {
		text += "; it is drained, and gets no reads"
	}
	text += n.deaf()
	if n.suspect.Load() {
		text += "; it failed to answer reads: " + n.breaker.why
	}
	return text
}

// has reports whether the server holds everything up to need.
func (n *node) has(need gtids) bool {
	if len(need) == 0 {
		return true
	}
	p := n.applied.Load()
	return p != nil && p.covers(need)
}

// hurry has the server asked soon, at most every fastPoll.
func (n *node) hurry() {
	select {
	case n.kick <- struct{}{}:
	default: // somebody did already
	}
}

// watch asks the server again and again, until ctx ends.
func (n *node) watch(ctx context.Context) {
	db := sql.OpenDB(n.askServer)
	db.SetMaxOpenConns(1)
	defer goodbye(db)
	renewed := n.router.renewed.Load()
	for {
		if now := n.router.renewed.Load(); now != renewed {
			renewed = now
			closeIdle(db, 1)
		}
		again := n.probe(ctx, db)
		if !n.idle(ctx, db, fastPoll, nil) { // hurry has its limit
			return
		}
		if !again && !n.idle(ctx, db, n.rest()-fastPoll, n.kick) {
			return
		}
	}
}

// rest is how long the server needs not be asked.
func (n *node) rest() time.Duration {
	r := n.router
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.config.Poll
	if r.view.Load().primary == nil {
		d = min(d, searchPoll) // writers wait for the next one
	}
	if wait := time.Until(n.breaker.until); n.suspect.Load() && wait > 0 {
		d = min(d, max(wait, fastPoll))
	}
	if !n.ramping.IsZero() {
		d = min(d, max(r.config.SlowStart/10, fastPoll))
	}
	return d
}

// pause waits for d or less, when early says so. It reports false as soon as ctx has ended.
func pause(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-early:
	}
	return ctx.Err() == nil
}

// probe asks once and takes the answer in. It reports whether to ask again at once.
func (n *node) probe(ctx context.Context, db *sql.DB) (again bool) {
	r := n.router
	limit, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	f, err := ask(limit, db)
	f.asked = time.Now()
	if err == nil {
		err = n.listen(limit, db, &f)
	}
	tried := false
	var trial error
	if err == nil {
		r.mu.Lock()
		tried = n.due(time.Now())
		r.mu.Unlock()
		if tried {
			trial = n.try(ctx)
		}
	}
	r.count.probes.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return false // it is not one of ours any more
	}
	now := time.Now()
	switch {
	case err == nil:
		n.fails = 0
		if tried && trial == nil {
			n.close(now)
		} else if tried && isBusy(trial) {
			n.open(busy, trial, now)
		} else if tried {
			n.open(gone, trial, now)
		}
	case isBusy(err) && n.facts.err == nil && !n.facts.asked.IsZero():
		// It is alive, and what it said last is the best there is. A primary stays it: each
		// connection for writes asks anyway.
		r.count.failures.Add(1)
		n.open(busy, err, now)
		r.update()
		return false
	default:
		r.count.failures.Add(1)
		n.fails++
		// One lost answer does not depose a primary: the next question decides.
		if n.fails == 1 && n.facts.role() == Primary {
			return true
		}
		if n.serving && !n.suspect.Load() {
			n.open(gone, err, now)
		}
		f = facts{err: err, asked: now}
	}
	n.facts = f
	n.hear(r.view.Load().primary)
	// Without strict mode the numbers do not tell what is there.
	if f.err == nil && f.strict && f.role() == Replica {
		n.reached(f.applied, f.written, f.began)
	} else {
		n.applied.Store(nil)
		n.shown.Store(nil)
	}
	r.update()
	return false
}

// A noneConnector refuses to connect.
type noneConnector struct{ router *Router }

// Connect implements [driver.Connector].
func (c noneConnector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := refusalOf(ctx); err != nil {
		return nil, err
	}
	if v := c.router.view.Load(); v.problem != "" {
		return nil, fmt.Errorf("%w: %s", ErrNoReplica, v.problem)
	}
	return nil, fmt.Errorf("%w: no replica is fresh enough for this read, or none was asked yet", ErrNoReplica)
}

// Driver implements [driver.Connector].
func (c noneConnector) Driver() driver.Driver { return &mysql.MySQLDriver{} }
