package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// How long the pool of a server that was taken out stays open: callers may have got it a moment ago.
const (
	retireGrace = 30 * time.Second
	retireLimit = 2 * time.Minute // even if something still runs
	retireLook  = time.Second
)

// A running is what [Router.Run] has started.
type running struct {
	ctx   context.Context
	group sync.WaitGroup // grows only under router.mu, while router.run is this one
}

// start begins to watch the server. r.mu is held, and the router runs.
func (n *node) start() {
	ctx, stop := context.WithCancel(n.router.run.ctx)
	n.stop = stop
	n.router.run.group.Go(func() { n.watch(ctx) })
}

// SetNodes makes nodes the servers of the cluster, while the router works. It checks them as [New]
// does, reports all mistakes at once, and then changes nothing.
//
// A node that was there before with the same name and DSN keeps its connections and its state; its
// weight, zone and NoReads may change. A new one is asked at once. What runs on one that is gone
// goes on to its end, for up to two minutes; its pool can still be used for half a minute by those
// who have got it already. A primary that is taken out, or gets another DSN, is no primary any more
// until it, or another, was asked: writes fail with [ErrNoPrimary] meanwhile.
func (r *Router) SetNodes(nodes []Node) error {
	if r.single != nil {
		return errors.New("replica: a router over a single database has no nodes")
	}
	configs, err := checkNodes(nodes)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := slices.Concat(r.nodes, r.retired)
	var next, fresh []*node
	for i, want := range nodes {
		at := slices.IndexFunc(known, func(n *node) bool { return n.Name == want.Name && n.DSN == want.DSN })
		if at >= 0 {
			next = append(next, known[at])
			continue
		}
		n, err := r.node(want, configs[i])
		if err != nil {
			for _, n := range fresh {
				goodbye(n.read)
			}
			return err
		}
		next, fresh = append(next, n), append(fresh, n)
	}
	for i, n := range next {
		n.Weight, n.Zone, n.NoReads = max(nodes[i].Weight, 1), nodes[i].Zone, nodes[i].NoReads
		if at := slices.Index(r.retired, n); at >= 0 {
			r.retired = slices.Delete(r.retired, at, at+1)
			n.stop() // waiting for its end
			n.read.SetMaxIdleConns(r.config.MaxOpen)
			fresh = append(fresh, n)
		}
	}
	old := r.nodes
	r.nodes = next
	if r.run != nil {
		for _, n := range fresh {
			n.start()
		}
	}
	for _, n := range old {
		if !slices.Contains(next, n) {
			r.retire(n)
		}
	}
	r.log.Info("the servers are set", "nodes", names(next))
	r.update()
	return nil
}

func names(nodes []*node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return strings.Join(all, " ")
}

// node makes a node. r.mu is held, or the router is not in use yet.
func (r *Router) node(want Node, c *mysql.Config) (*node, error) {
	n := &node{Node: want, router: r, index: r.made, kick: make(chan struct{}, 1), wake: make(chan struct{}, 1), stop: func() {}}
	n.Weight = max(n.Weight, 1)
	if err := n.connectors(c); err != nil {
		return nil, fmt.Errorf("replica: node %q: %w", n.Name, err)
	}
	n.read = r.pool(readConnector{n})
	r.made++
	return n, nil
}

// forget takes back all that is known of the server. r.mu is held.
func (n *node) forget() {
	n.facts, n.fresh, n.target, n.late, n.apart, n.fails = facts{}, false, nil, 0, false, 0
	n.behind, n.pulse = 0, pulse{}
	n.serving, n.served, n.ramping = false, false, time.Time{}
	n.breaker = breaker{opened: n.breaker.opened, answers: n.answers.Load()}
	n.suspect.Store(false)
	n.applied.Store(nil)
	n.draining = false
	if n.reads {
		n.reads, n.readsSince = false, time.Now()
	}
}

// retire ends the watching of a server that is not one of ours any more, and has its pool closed when
// nobody uses it. r.mu is held.
func (r *Router) retire(n *node) {
	n.stop()
	n.forget()
	n.read.SetMaxIdleConns(-1)
	if r.run == nil {
		goodbye(n.read)
		return
	}
	if len(r.retired) >= maxNodes { // somebody changes addresses all the time
		r.retired[0].stop()
		goodbye(r.retired[0].read)
		r.retired = slices.Delete(r.retired, 0, 1)
	}
	r.retired = append(r.retired, n)
	ctx, stop := context.WithCancel(r.run.ctx)
	n.stop = stop
	r.run.group.Go(func() { r.end(ctx, n) })
}

// end closes the pool of a retired server when nobody uses it, unless the server comes back.
func (r *Router) end(ctx context.Context, n *node) {
	began := time.Now()
	for time.Since(began) < retireGrace || n.read.Stats().InUse > 0 && time.Since(began) < retireLimit {
		if !pause(ctx, retireLook, nil) {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() == nil { // else it is back, or closed
		r.retired = slices.DeleteFunc(r.retired, func(other *node) bool { return other == n })
		goodbye(n.read)
	}
}

// find returns the node of that name. r.mu is held.
func (r *Router) find(name string) (*node, error) {
	for _, n := range r.nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("replica: there is no node %q; there are: %s", name, names(r.nodes))
}

// Drain keeps new reads away from a replica, for its maintenance, until [Router.Undrain]; what runs
// there goes on, and [NodeStatus.InUse] says how much that is. It fails for the primary, from which
// only a promotion of another takes the writes.
func (r *Router) Drain(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.find(name)
	if err != nil {
		return err
	}
	if n == r.view.Load().primary {
		return fmt.Errorf("replica: node %s is the primary; promote another server to move the writes, then drain it", name)
	}
	if !n.draining {
		n.draining = true
		n.epoch.Add(1)
		n.read.SetMaxIdleConns(-1)
		r.log.Info("a node is drained", "node", name)
		r.update()
	}
	return nil
}

// Undrain lets reads go to the node again; it starts slowly.
func (r *Router) Undrain(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.find(name)
	if err != nil {
		return err
	}
	if n.draining {
		n.draining = false
		n.read.SetMaxIdleConns(r.config.MaxOpen)
		r.log.Info("a node is not drained any more", "node", name)
		r.update()
	}
	return nil
}
