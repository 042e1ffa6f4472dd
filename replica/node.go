package replica

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
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

	readServer, writeServer, askServer driver.Connector

	read    *sql.DB // for reads
	picks   atomic.Uint64
	suspect atomic.Bool           // a connection to it failed since it was asked last
	applied atomic.Pointer[gtids] // what it surely holds; nil: not known
	kick    chan struct{}         // asks it soon

	facts facts // under router.mu
	fresh bool  // under router.mu; it may be read, as of the last update
	fails int   // under router.mu; questions in a row that failed

	target gtids     // under router.mu; where the primary was at since
	since  time.Time // under router.mu
	late   time.Duration
	apart  bool // under router.mu; it does not replicate from the latest primary

	serving bool      // under router.mu; it may be read, as of the last update
	served  bool      // under router.mu; that was so at some time since Run
	ramping time.Time // under router.mu; when it came back, until it has its full share
}

// state says in words what the server does, for people.
func (n *node) state() string {
	text := n.facts.state()
	if n.facts.role() != Replica {
		return text
	}
	if n.apart {
		text += "; it does not replicate from the primary: unless it is about to connect, point it there by CHANGE MASTER TO"
	} else if lag, ok := n.lag(); ok {
		text += fmt.Sprintf("; its lag is %s", lag)
	}
	if n.suspect.Load() {
		text += "; a connection to it has just failed"
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
	for {
		again := n.probe(ctx, db)
		if !pause(ctx, fastPoll, nil) { // hurry has its limit
			return
		}
		if !again && !pause(ctx, n.router.config.Poll-fastPoll, n.kick) {
			return
		}
	}
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
	if ctx.Err() != nil {
		return false // it is we who end
	}
	r.count.probes.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.count.failures.Add(1)
		n.fails++
		// One lost answer does not depose a primary: the next question decides.
		if n.fails == 1 && n.facts.role() == Primary {
			return true
		}
		f = facts{err: err}
	} else {
		n.fails = 0
		n.suspect.Store(false)
	}
	f.asked = time.Now()
	n.facts = f
	// Without strict mode the numbers do not tell what is there.
	if f.err == nil && f.strict && f.role() == Replica {
		if old := n.applied.Load(); old == nil || !old.covers(f.applied) || !f.applied.covers(*old) {
			n.applied.Store(&f.applied)
		}
	} else {
		n.applied.Store(nil)
	}
	r.update()
	return false
}

// unreachable notes that a connection failed, unless the server answered or the caller gave up.
func (n *node) unreachable(ctx context.Context, err error) {
	var answered *mysql.MySQLError
	if ctx.Err() != nil || errors.As(err, &answered) {
		return
	}
	if !n.suspect.Swap(true) {
		n.router.mu.Lock()
		n.router.update()
		n.router.mu.Unlock()
		n.hurry()
	}
}

// A readConnector connects to one server to read.
type readConnector struct{ node *node }

// Connect implements [driver.Connector].
func (c readConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.node.readServer.Connect(ctx)
	if err != nil {
		c.node.unreachable(ctx, err)
		return nil, fmt.Errorf("replica: node %s: %w", c.node.Name, err)
	}
	return conn, nil
}

// Driver implements [driver.Connector].
func (c readConnector) Driver() driver.Driver { return c.node.readServer.Driver() }

// A noneConnector refuses to connect.
type noneConnector struct{ router *Router }

// Connect implements [driver.Connector].
func (c noneConnector) Connect(context.Context) (driver.Conn, error) {
	if v := c.router.view.Load(); v.problem != "" {
		return nil, fmt.Errorf("%w: %s", ErrNoReplica, v.problem)
	}
	return nil, fmt.Errorf("%w: no replica is fresh enough for this read, or none was asked yet", ErrNoReplica)
}

// Driver implements [driver.Connector].
func (c noneConnector) Driver() driver.Driver { return &mysql.MySQLDriver{} }
