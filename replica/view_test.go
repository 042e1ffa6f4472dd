package replica

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever servers say, in whatever order, the view keeps its rules.
func TestViewKeepsItsRules(t *testing.T) {
	r := made(t, Config{Zone: "here", MaxLag: 10 * time.Second, SlowStart: time.Minute, Nodes: []Node{
		{Name: "a", Zone: "here"}, {Name: "b", Zone: "here", Weight: 3}, {Name: "c"}, {Name: "d", Zone: "there", Weight: 1000}, {Name: "e", Zone: "here", NoReads: true},
	}})
	rapid.Check(t, func(t *rapid.T) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, n := range r.nodes {
			n.forget()
		}
		r.view.Store(&view{})
		for range 30 {
			before := r.view.Load()
			n := r.nodes[rapid.IntRange(0, len(r.nodes)-1).Draw(t, "node")]
			now := time.Now()
			switch rapid.SampledFrom([]string{"primary", "replica", "late", "unknown lag", "down", "alone", "broken", "works", "drain", "undrain", "started", "of another"}).Draw(t, "what") {
			case "primary":
				n.facts = facts{asked: now, server: uint32(n.index + 1), strict: true, writable: true, written: ids("0-1-5")}
			case "replica":
				n.facts = follower(n, r, now, 0)
			case "late":
				n.facts = follower(n, r, now, time.Minute)
			case "unknown lag":
				n.facts = follower(n, r, now, 0)
				n.facts.sources[0].receives = "Connecting"
			case "of another":
				n.facts = follower(n, r, now, 0)
				n.facts.sources[0].server = 99
			case "down":
				n.facts = facts{asked: now, err: errors.New("down")}
			case "alone":
				n.facts = facts{asked: now, server: uint32(n.index + 1), strict: true}
			case "broken":
				n.open(gone, errors.New("broken"), now)
			case "works":
				n.close(now)
			case "drain":
				n.draining = true
			case "undrain":
				n.draining = false
			case "started":
				n.ramping = time.Time{}
			}
			r.update()
			v := r.view.Load()
			follows(t, r, before, v)
		}
	})
}

// follower is what a replica says of itself that follows the primary, or server 1.
func follower(n *node, r *Router, now time.Time, lag time.Duration) facts {
	primary := uint32(1)
	if p := r.view.Load().primary; p != nil {
		primary = p.facts.server
	}
	return facts{asked: now, server: uint32(n.index + 1), strict: true, applied: ids("0-1-5"),
		sources: []source{{server: primary, receives: "Yes", applies: "Yes", lagKnown: true, lag: lag, usesGTID: true, received: ids("0-1-5")}}}
}

// gets reports whether n replicates from primary, by way of at most so many others.
func gets(r *Router, n, primary *node, others int) bool {
	from := n.facts.sources[0].server
	return from == primary.facts.server || others > 0 && slices.ContainsFunc(r.nodes, func(other *node) bool {
		return other.facts.server == from && other.facts.role() == Replica && gets(r, other, primary, others-1)
	})
}

func follows(t *rapid.T, r *Router, before, v *view) {
	if p := v.primary; p != nil && p.facts.role() != Primary {
		t.Fatalf("%s is the primary, which does not take writes", p.Name)
	}
	if changed := v.primary != before.primary; changed != (v.generation == before.generation+1) || !changed && v.generation != before.generation {
		t.Fatalf("the generation went from %d to %d", before.generation, v.generation)
	}
	if p := before.primary; p != nil && p.facts.role() == Primary && v.primary != p {
		t.Fatal("a primary that takes writes was replaced by another")
	}
	seen := make(map[*node]bool)
	var weights uint32
	for i, x := range v.readers {
		n := x.node
		lag, known := n.lag()
		switch {
		case seen[n]:
			t.Fatalf("%s is there twice", n.Name)
		case n == v.primary || n.NoReads || n.draining || n.suspect.Load() || n.facts.role() != Replica:
			t.Fatalf("%s must not be read", n.Name)
		case v.lastResort && v.primary != nil:
			t.Fatal("there is a primary, and replicas are read as the last resort")
		case !v.lastResort && (!known || lag > r.config.MaxLag):
			t.Fatalf("%s is read, whose lag is %s, %t", n.Name, lag, known)
		case v.primary != nil && !gets(r, n, v.primary, len(r.nodes)):
			t.Fatalf("%s is read, which follows another", n.Name)
		case x.weight == 0:
			t.Fatalf("%s has no share", n.Name)
		}
		seen[n] = true
		if i < v.tier {
			weights += x.weight
		}
	}
	if weights != v.weight || v.tier > len(v.readers) || len(v.readers) > 0 && v.tier == 0 {
		t.Fatalf("%d of %d readers have weight %d, want %d", v.tier, len(v.readers), v.weight, weights)
	}
	// A near one that has started up keeps reads away from those far away.
	settled := slices.ContainsFunc(v.readers, func(x reader) bool { return x.node.Zone == "here" && x.node.ramping.IsZero() })
	if far := slices.ContainsFunc(v.readers[:v.tier], func(x reader) bool { return x.node.Zone != "here" }); settled && far && !v.lastResort {
		t.Fatal("reads go far away although there is a replica near")
	}
	if v.pick() == nil != (len(v.readers) == 0) {
		t.Fatal("somebody is there and not picked, or the other way round")
	}
}
