package replica

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of calls on the pools of a [Router], for errors.Is. Their text goes on with the reason.
var (
	// ErrNoPrimary: there is no server to write to now. Nothing was written by this call.
	ErrNoPrimary = errors.New("replica: no primary")
	// ErrNoReplica: there is no server to read from now that is fresh enough.
	ErrNoReplica = errors.New("replica: no server to read from")
)

// A Router sends reads and writes to the right server of a cluster. It is safe for concurrent use;
// make it with [New] or [Single].
type Router struct {
	config   Config
	log      *slog.Logger
	single   *sql.DB // all there is, if not nil
	write    *sql.DB
	fallback *sql.DB // the primary for reads
	none     *sql.DB
	view     atomic.Pointer[view]
	count    counters
	history  atomic.Pointer[history]
	wanted   atomic.Pointer[wanted]

	heartbeat string // Config.Heartbeat as it stands in a statement; "": none
	unheard   string // what was logged last of it; under mu

	limiter limiter
	marks   atomic.Uint64 // of transactions
	renewed atomic.Uint64 // connections of older numbers are not used

	running atomic.Bool

	mu        sync.Mutex // of facts of nodes, of storing the view, and of what follows
	nodes     []*node    // in the order of Config or SetNodes; replaced as a whole
	retired   []*node    // their pools are still open
	made      int        // nodes so far
	run       *running   // nil: Run is not at work
	changed   chan struct{}
	lastPos   gtids     // of the latest primary
	changedAt time.Time // when the generation rose last
	serving   time.Time // when there was a replica to read first, since Run
	lastAsked int64     // ticks before it was asked for that

	cutMu sync.Mutex
	cuts  map[net.Conn]*node // connections of the write pool
}

// Run watches the servers until ctx ends, and returns nil when all it started has ended. From then
// on nothing can be read or written. It may run again, but only once at a time.
func (r *Router) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return errors.New("replica: this router runs already")
	}
	defer r.running.Store(false)
	all := &running{ctx: ctx}
	r.mu.Lock()
	r.run = all
	for _, n := range r.nodes {
		n.start()
	}
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	r.run = nil // nothing is started any more
	r.mu.Unlock()
	all.group.Wait()
	if r.single == nil {
		r.forget()
	}
	return nil
}

// WaitReady waits until every server was asked once and both reads and writes have a server. It
// needs [Router.Run] at work. When ctx ends first, the error says what is missing, and wraps
// ErrNoPrimary or ErrNoReplica beside the error of ctx.
func (r *Router) WaitReady(ctx context.Context) error {
	if r.single != nil {
		return r.single.PingContext(ctx)
	}
	for {
		r.mu.Lock()
		changed := r.changed
		err := r.missing()
		r.mu.Unlock()
		if err == nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// missing says what Read and Write lack. r.mu is held.
func (r *Router) missing() error {
	for _, n := range r.nodes {
		if n.facts.asked.IsZero() {
			return fmt.Errorf("%w: node %s was not asked yet", ErrNoPrimary, n.Name)
		}
	}
	v := r.view.Load()
	if v.primary == nil {
		return fmt.Errorf("%w: %s", ErrNoPrimary, v.problem)
	}
	return nil // who can be written to can be read
}

// Write returns the pool for writes, always the same one. While there is no primary its calls fail
// with [ErrNoPrimary]. It does not block. The caller must not close it.
func (r *Router) Write(context.Context) *sql.DB {
	if r.single != nil {
		return r.single
	}
	return r.write
}

// Read returns a pool for reads: that of a replica, chosen by weight among those of [Config.Zone] or,
// if none of them is fresh enough, among the others; the primary's when there is no replica to use,
// or none that has what the [Session] in ctx must see or is within its [WithMaxLag], and for
// [WithPrimary]; one whose calls fail with [ErrNoReplica] when there is nothing. A session
// keeps to one replica as long as it can, so that time does not seem to run backwards. It does not block, but for a session that has read from the primary
// without a pause for a tenth of a second: one of its calls waits for up to 50 ms to get away. Ask anew for each read, or for each
// group of reads that belong together; the caller must not close the pool.
func (r *Router) Read(ctx context.Context) *sql.DB {
	if r.single != nil {
		return r.single
	}
	v := r.view.Load()
	if i := intentOf(ctx); i != nil {
		return r.readWith(v, i)
	}
	return r.readAny(v)
}

func (r *Router) readAny(v *view) *sql.DB {
	if n := v.pick(); n != nil {
		n.picks.Add(1)
		return n.read
	}
	return r.last(v)
}

// pick chooses a replica by weight; nil when there is none.
func (v *view) pick() *node {
	switch v.tier {
	case 0:
		return nil
	case 1:
		return v.readers[0].node
	}
	x := rand.Uint32N(v.weight)
	for i := range v.readers[:v.tier] {
		if x < v.readers[i].upTo {
			return v.readers[i].node
		}
	}
	return v.readers[v.tier-1].node // not reached: the last upTo is weight
}

// last is for reads that no replica can answer.
func (r *Router) last(v *view) *sql.DB {
	if v.primary != nil {
		r.count.primary.Add(1)
		return r.fallback
	}
	r.count.none.Add(1)
	return r.none
}

// Close closes the pools and with them their connections. It is to be called after [Router.Run]
// has returned, and returns nil always; it may be called again.
func (r *Router) Close() error {
	if r.single != nil {
		return nil
	}
	r.mu.Lock()
	for _, n := range slices.Concat(r.nodes, r.retired) {
		goodbye(n.read)
	}
	r.retired = nil
	r.mu.Unlock()
	goodbye(r.write)
	goodbye(r.fallback)
	goodbye(r.none)
	return nil
}

// goodbye closes a pool. All that can fail is telling a server that is gone already; that the
// connection is closed all the same is what matters.
func goodbye(db *sql.DB) {
	_ = db.Close()
}
