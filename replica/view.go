package replica

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A view is what reads and writes are chosen by. It is never changed once it is stored.
type view struct {
	generation   uint64 // rises when the primary changes, also to none and back
	primary      *node  // nil: none
	primaryPos   gtids  // how far the latest primary was when it was asked last
	primaryAsked int64  // ticks before that
	readers      []reader
	tier         int           // plain reads go to the first so many of readers; the others are farther away
	weight       uint32        // sum of those of the tier
	latest       time.Duration // the longest lag of readers; negative: one is unknown
	longest      time.Time     // when the one was asked that was not asked for the longest time
	lastResort   bool          // readers lag by an unknown time, but nobody has anything newer
	problem      string        // why there is no primary, or what is wrong although there is one
	asking       bool          // problem is only that a server was not asked yet
}

// A reader is a replica that may be read. It keeps what changes of its node.
type reader struct {
	node   *node
	weight uint32
	upTo   uint32 // sum of weights up to this one
	lag    time.Duration
	asked  time.Time // when it was that late
}

// reader makes one of what is known of the node. r.mu is held.
func (n *node) reader(weight uint32) reader {
	lag, _ := n.lag()
	return reader{node: n, weight: weight, lag: lag, asked: n.facts.asked}
}

// put adds x at the end. Those of the tier come first.
func (v *view) put(x reader, tier bool) {
	if tier {
		v.tier++
		v.weight += x.weight
	}
	x.upTo = v.weight
	if len(v.readers) == 0 || x.asked.Before(v.longest) {
		v.longest = x.asked
	}
	if x.lag < 0 || v.latest >= 0 && x.lag > v.latest {
		v.latest = x.lag
	}
	v.readers = append(v.readers, x)
}

func (v *view) add(n *node) { v.put(n.reader(uint32(n.Weight)*unit), true) }

func (v *view) reads(n *node) bool { return v.numbered(uint32(n.index)) == n }

// share is the part of plain reads that the node gets.
func (v *view) share(n *node) float64 {
	for i := range v.readers[:v.tier] {
		if v.readers[i].node == n {
			return float64(v.readers[i].weight) / float64(v.weight)
		}
	}
	return 0
}

// numbered returns the node of that index, if it may be read.
func (v *view) numbered(index uint32) *node {
	for i := range v.readers {
		if n := v.readers[i].node; uint32(n.index) == index {
			return n
		}
	}
	return nil
}

// next is where the i-th to try is, when start is the first: near ones come before far ones.
func (v *view) next(start, i int) int {
	if i < v.tier {
		return (start + i) % v.tier
	}
	return i
}

// update makes a new view of what is known of all nodes. r.mu is held.
func (r *Router) update() {
	old := r.view.Load()
	now := time.Now()
	v := &view{generation: old.generation}
	var writable []*node
	for _, n := range r.nodes {
		if n.facts.role() == Primary {
			writable = append(writable, n)
		}
	}
	writable = r.heard(writable, now)
	v.primary, v.problem, v.asking = r.choose(writable, old.primary)
	if v.primary != nil {
		r.lastPos, r.lastAsked = v.primary.facts.written, v.primary.facts.began
		r.history.Store(r.history.Load().next(v.primary.facts.cut))
	} else {
		r.history.Store(r.history.Load().next(nil))
	}
	v.primaryPos, v.primaryAsked = r.lastPos, r.lastAsked
	if v.primary != old.primary {
		v.generation++
		r.changedAt = now
	}
	var following map[*node]bool
	if v.primary != nil {
		following = r.following(v.primary)
	}
	var near, far []*node
	for _, n := range r.nodes {
		if v.primary != old.primary {
			n.target, n.behind = nil, 0 // another stream of changes
		}
		if v.primary != nil { // else it is as it was: who followed another has missed what the last one wrote
			n.apart = !following[n]
		}
		n.compare(v.primary)
		n.freshen(r.config.MaxLag)
		may := n != v.primary && n.fresh && n.usable()
		n.serve(may, now)
		switch {
		case may && n.Zone == r.config.Zone:
			near = append(near, n)
		case may:
			far = append(far, n)
		}
	}
	v.fill(near, far, now)
	if v.primary == nil && len(v.readers) == 0 {
		for _, n := range r.nodes {
			if n.facts.drained() && !n.apart && n.usable() {
				v.add(n)
				v.lastResort = true
			}
		}
	}
	for _, n := range r.nodes {
		if is := v.reads(n); is != n.reads {
			n.reads, n.readsSince = is, now
		}
	}
	r.view.Store(v)
	close(r.changed)
	r.changed = make(chan struct{})
	r.report(old, v)
	r.tellHeartbeat(v.primary, now)
	r.cutStale(v)
}

// usable reports whether the server would be read if it were fresh.
func (n *node) usable() bool { return !n.NoReads && !n.draining && !n.suspect.Load() }

// following returns who gets what primary writes, be it by way of others. One that still follows the
// old primary would look perfectly up to date.
func (r *Router) following(primary *node) map[*node]bool {
	found := make(map[*node]bool)
	servers := map[uint32]bool{primary.facts.server: true}
	for grew := true; grew; {
		grew = false
		for _, n := range r.nodes {
			if found[n] || n.facts.role() != Replica {
				continue
			}
			if slices.ContainsFunc(n.facts.sources, func(s source) bool { return servers[s.server] }) {
				found[n], servers[n.facts.server], grew = true, true, true
			}
		}
	}
	return found
}

// heard leaves those out that have not answered for long, being too busy, where another one has: it was
// promoted meanwhile.
func (r *Router) heard(writable []*node, now time.Time) []*node {
	if len(writable) < 2 {
		return writable
	}
	long := 3 * (r.config.Poll + r.config.Timeout)
	recent := slices.DeleteFunc(slices.Clone(writable), func(n *node) bool { return now.Sub(n.facts.asked) > long })
	if len(recent) == 0 {
		return writable
	}
	return recent
}

// choose returns the primary among the servers that would take writes. asking says that the problem
// is only that a server was not asked yet.
func (r *Router) choose(writable []*node, current *node) (primary *node, problem string, asking bool) {
	if !slices.Contains(writable, current) {
		current = nil
	}
	// Who starts while an old primary still takes writes must not take the first to answer.
	for _, n := range r.nodes {
		if n.facts.asked.IsZero() {
			return current, "node " + n.Name + " was not asked yet", true
		}
	}
	var names []string
	for _, n := range writable {
		names = append(names, n.Name)
	}
	switch len(writable) {
	case 0:
		return nil, r.whyNone(), false
	case 1:
		return writable[0], "", false
	}
	if slices.ContainsFunc(writable[1:], func(n *node) bool { return n.facts.server == writable[0].facts.server }) {
		return nil, fmt.Sprintf("%s are the same server, or have the same server_id; name each server once, and give each its own", strings.Join(names, " and ")), false
	}
	problem = fmt.Sprintf("%s take writes at the same time; set read_only=1 on those that are not the primary", strings.Join(names, " and "))
	for _, n := range writable {
		if n == current {
			return n, problem, false
		}
	}
	return nil, problem, false
}

func (r *Router) whyNone() string {
	var b strings.Builder
	b.WriteString("no server takes writes: ")
	for i, n := range r.nodes {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s %s", n.Name, n.state())
	}
	return b.String()
}

// report logs what became different.
func (r *Router) report(old, v *view) {
	switch {
	case v.primary == old.primary:
		if v.problem != old.problem && v.primary != nil && v.problem != "" && !v.asking {
			r.log.Warn("two servers take writes", "primary", v.primary.Name, "problem", v.problem)
		}
	case v.primary == nil:
		r.log.Error("the primary is gone", "was", old.primary.Name, "generation", v.generation, "problem", v.problem)
	default:
		r.log.Info("writes have a primary", "primary", v.primary.Name, "generation", v.generation)
	}
	for _, n := range r.nodes {
		if was, is := old.reads(n), v.reads(n); is && !was {
			r.log.Info("a replica is read", "node", n.Name, "lag_known", !v.lastResort)
		} else if was && !is && n != v.primary {
			r.log.Warn("a replica is not read any more", "node", n.Name, "problem", n.state())
		}
	}
}

// forget makes the view of a router that does not run.
func (r *Router) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.view.Load()
	v := &view{generation: old.generation, problem: "the router does not run"}
	if old.primary != nil {
		v.generation++
		r.changedAt = time.Now()
	}
	for _, n := range r.nodes {
		drained := n.draining
		n.forget()
		n.draining = drained // somebody works there, whether we run or not
	}
	for _, n := range r.retired {
		goodbye(n.read)
	}
	r.retired = nil
	r.serving = time.Time{}
	r.view.Store(v)
}

// A cuttableConn is a connection of the write pool that can be cut off while a statement waits on
// it.
type cuttableConn struct {
	net.Conn
	router *Router
}

// SyscallConn lets the driver look whether an idle connection is still alive.
func (c *cuttableConn) SyscallConn() (syscall.RawConn, error) {
	conn, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return conn.SyscallConn()
}

func (r *Router) cuttable(conn net.Conn, n *node) net.Conn {
	r.cutMu.Lock()
	defer r.cutMu.Unlock()
	r.cuts[conn] = n
	return &cuttableConn{conn, r}
}

// Close closes the connection.
func (c *cuttableConn) Close() error {
	c.router.cutMu.Lock()
	delete(c.router.cuts, c.Conn)
	c.router.cutMu.Unlock()
	return c.Conn.Close()
}

// cutStale ends what still waits on a server that another one has replaced: it may be frozen, or
// cut off from its replicas, and never answer. While there is merely no primary, a statement under
// way may still end well.
func (r *Router) cutStale(v *view) {
	if v.primary == nil {
		return
	}
	r.cutMu.Lock()
	defer r.cutMu.Unlock()
	for conn, n := range r.cuts {
		if n != v.primary {
			// The driver notices, and closes it once more.
			if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				r.log.Warn("a connection to the old primary did not close well", "node", n.Name, "error", err)
			}
			delete(r.cuts, conn)
		}
	}
}
