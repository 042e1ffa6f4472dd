package replica

import (
	"sync/atomic"
	"time"
)

// A Role is what a server does in the cluster, as it says itself.
type Role string

// The roles.
const (
	Unknown Role = "unknown" // it does not answer, or is read-only and replicates from nobody
	Primary Role = "primary" // it takes writes and replicates from nobody
	Replica Role = "replica" // it replicates
)

// A Status is the state of a cluster at one moment, for people and for JSON.
type Status struct {
	Generation uint64       `json:"generation"`          // rises whenever the primary changes, also to none and back
	Primary    string       `json:"primary"`             // name of the node that gets writes; "": none
	Changed    time.Time    `json:"changed,omitzero"`    // when Generation rose last; zero: never
	Problem    string       `json:"problem,omitempty"`   // what is wrong as a whole, and what to do; "": nothing
	Nodes      []NodeStatus `json:"nodes"`               // in the order of Config, or of SetNodes
	Heartbeat  string       `json:"heartbeat,omitempty"` // why lags are not measured by Config.Heartbeat, and what to do; "": they are, or none was asked for

	PrimaryReads LimiterStatus `json:"primary_reads"` // reads that no replica is fit for
}

// A NodeStatus is the state of one server.
type NodeStatus struct {
	Name     string        `json:"name"`
	Role     Role          `json:"role"`
	Reads    bool          `json:"reads"`    // it gets reads as a replica
	Lag      time.Duration `json:"lag_ns"`   // of a replica; negative: unknown, or not a replica
	Position string        `json:"position"` // how far it has applied or, of a primary, written, as MariaDB writes it
	State    string        `json:"state"`    // in words
	Asked    time.Time     `json:"asked"`    // when this was so; zero: it was not asked yet
	Picked   uint64        `json:"picked"`   // how often it was chosen to be read as a replica, since New

	Zone     string    `json:"zone,omitempty"`
	NoReads  bool      `json:"no_reads,omitempty"`       // as in Config
	Since    time.Time `json:"since,omitzero"`           // since when Reads is as it is; zero: since New
	Share    float64   `json:"share"`                    // its part of plain reads now, 0 to 1
	Started  float64   `json:"started"`                  // how much of its share it gets since it came back, 0 to 1
	Draining bool      `json:"draining,omitempty"`       // see Drain
	Breaker  string    `json:"breaker"`                  // closed; open: left alone; half-open: about to be tried
	Why      string    `json:"breaker_reason,omitempty"` // why it is not closed
	Opened   uint64    `json:"opened"`                   // how often the breaker opened, since New
	InUse    int       `json:"in_use"`                   // connections at work for reads of it as a replica
	Open     int       `json:"open"`                     // these and the idle ones
}

// Status returns what is known now; it asks nobody. That of a [Single] router is empty.
func (r *Router) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	v := r.view.Load()
	s := Status{Generation: v.generation, Changed: r.changedAt, Problem: v.problem, PrimaryReads: r.limiter.status()}
	if v.primary != nil {
		s.Primary = v.primary.Name
	}
	s.Heartbeat = r.whyUnheard(v.primary, time.Now())
	for _, n := range r.nodes {
		f := &n.facts
		lag, _ := n.lag()
		p := f.applied
		if f.role() == Primary {
			p = f.written
		}
		state := n.state()
		if v.lastResort && v.reads(n) {
			state += "; it is read nevertheless, as there is no primary and it has applied all it got"
		}
		pool := n.read.Stats()
		s.Nodes = append(s.Nodes, NodeStatus{
			Name: n.Name, Role: f.role(), Reads: v.reads(n), Lag: lag, Position: p.text(','),
			State: state, Asked: f.asked, Picked: n.picks.Load(),
			Zone: n.Zone, NoReads: n.NoReads, Since: n.readsSince, Share: v.share(n), Started: n.part(now), Draining: n.draining,
			Breaker: n.breakerState(now), Why: n.breaker.why, Opened: n.breaker.opened, InUse: pool.InUse, Open: pool.OpenConnections,
		})
	}
	return s
}

// Stats counts what a router did since [New]. Numbers only rise.
type Stats struct {
	PrimaryReads  uint64 // reads that went to the primary, as no replica was fit for them
	RefusedReads  uint64 // reads for which there was no server
	FullReads     uint64 // those of PrimaryReads that got no connection within MaxPrimaryReads
	Probes        uint64 // questions to servers
	ProbeFailures uint64 // those without an answer
	Glances       uint64 // small questions to replicas that sessions waited for
	Generation    uint64 // as in Status
}

type counters struct{ primary, none, probes, failures, glances atomic.Uint64 }

// Stats returns the counts; reads of replicas are counted in [NodeStatus].
func (r *Router) Stats() Stats {
	return Stats{
		PrimaryReads: r.count.primary.Load(), RefusedReads: r.count.none.Load(), FullReads: r.limiter.status().Refused,
		Probes: r.count.probes.Load(), ProbeFailures: r.count.failures.Load(), Glances: r.count.glances.Load(),
		Generation: r.view.Load().generation,
	}
}
