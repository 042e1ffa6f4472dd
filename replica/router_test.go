package replica

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// made returns a router that does not run. Its nodes are as if they had been asked just now: the
// first is the primary, the others are replicas of it without lag.
func made(t testing.TB, c Config) *Router {
	t.Helper()
	for i := range c.Nodes {
		c.Nodes[i].DSN = dsn
	}
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	for i, n := range r.nodes {
		n.facts = facts{asked: time.Now(), server: uint32(i + 1), strict: true, written: ids("0-1-5"), applied: ids("0-1-5")}
		if i == 0 {
			n.facts.writable = true
		} else {
			n.facts.sources = []source{{server: 1, receives: "Yes", applies: "Yes", lagKnown: true, usesGTID: true}}
		}
		n.applied.Store(&n.facts.applied)
	}
	refresh(r)
	return r
}

// refresh makes a view of what is known.
func refresh(r *Router) *view {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.update()
	return r.view.Load()
}

// shares is how many of many reads each pool got, by the name of its node.
func shares(r *Router, ctx context.Context) map[string]float64 {
	const rounds = 20_000
	got := make(map[string]float64)
	for range rounds {
		db := r.Read(ctx)
		name := "none"
		for _, n := range r.nodes {
			if n.read == db {
				name = n.Name
			}
		}
		switch db {
		case r.write:
			name = "writes"
		case r.fallback:
			name = "primary"
		}
		got[name] += 1.0 / rounds
	}
	return got
}

func near(a, b float64) bool { return math.Abs(a-b) < 0.03 }

func TestNearReplicasFirst(t *testing.T) {
	r := made(t, Config{Zone: "here", Nodes: []Node{
		{Name: "p", Zone: "here"}, {Name: "a", Zone: "here"}, {Name: "b", Zone: "here", Weight: 3}, {Name: "c", Zone: "there"}, {Name: "voter", Zone: "here", NoReads: true},
	}})
	a, b, c := r.nodes[1], r.nodes[2], r.nodes[3]
	if got := shares(r, t.Context()); !near(got["a"], 0.25) || !near(got["b"], 0.75) {
		t.Errorf("reads went to %v, want a quarter to a and the rest to b", got)
	}
	// What only the far one has is read there, before the primary is.
	s := NewSession()
	s.Observe(Token{ids("0-1-6")})
	six := ids("0-1-6")
	c.applied.Store(&six)
	if got := r.Read(WithSession(t.Context(), s)); got != c.read {
		t.Error("a session did not find the far replica that alone has its write")
	}
	// Freshness decides before nearness.
	for _, n := range []*node{a, b} {
		n.facts.sources[0].lag = time.Hour
	}
	refresh(r)
	if got := shares(r, t.Context()); !near(got["c"], 1) {
		t.Errorf("reads went to %v, want all to c: those near are late", got)
	}
	// Nobody is left but who must not be read.
	c.facts.sources[0].lagKnown = false
	refresh(r)
	if got := r.Read(t.Context()); got == r.nodes[4].read || got == c.read {
		t.Error("a replica is read that must not be")
	}
}

func TestWithPrimary(t *testing.T) {
	r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}}})
	if got := shares(r, WithPrimary(WithSession(t.Context(), NewSession()))); got["writes"] < 0.999 {
		t.Errorf("reads went to %v, want the pool for writes", got)
	}
	if s := NewSession(); sessionOf(WithMaxLag(WithPrimary(WithSession(t.Context(), s)), time.Second)) != s {
		t.Error("an intent lost the session")
	}
}

func TestWithMaxLag(t *testing.T) {
	r := made(t, Config{Zone: "here", Nodes: []Node{{Name: "p"}, {Name: "a", Zone: "here"}, {Name: "b", Zone: "here"}, {Name: "c"}}})
	a, b, c := r.nodes[1], r.nodes[2], r.nodes[3]
	a.facts.sources[0].lag = 3 * time.Second
	b.facts.asked = time.Now().Add(-4 * time.Second)
	c.facts.sources[0].lag = time.Second
	refresh(r)
	for _, step := range []struct {
		limit time.Duration
		want  string
	}{{time.Minute, "near"}, {3500 * time.Millisecond, "a"}, {2 * time.Second, "c"}, {time.Millisecond, "primary"}, {0, "primary"}, {-1, "primary"}} {
		now := a.facts.asked // or the machine's pace would count
		v := r.view.Load().within(step.limit, now)
		got := "primary"
		if n := v.pick(); n != nil {
			got = n.Name
		}
		if step.want == "near" {
			if len(v.readers) != 3 || v.tier != 2 {
				t.Errorf("within %s: %d readers, %d near", step.limit, len(v.readers), v.tier)
			}
		} else if got != step.want {
			t.Errorf("within %s: %s is read, want %s", step.limit, got, step.want)
		}
	}
	select {
	case <-b.kick:
	default:
		t.Error("who was not asked for too long was not asked soon")
	}
	// The strictest counts, and unknown lag is never short enough.
	if i := intentOf(WithMaxLag(WithMaxLag(t.Context(), time.Second), time.Hour)); i.maxLag != time.Second {
		t.Errorf("the limit is %s", i.maxLag)
	}
	v := &view{}
	v.put(reader{node: a, weight: 1, lag: -1, asked: time.Now()}, true)
	if v.within(time.Hour, time.Now()).pick() != nil {
		t.Error("a replica of unknown lag was read")
	}
	if got := shares(r, WithMaxLag(t.Context(), 0)); !near(got["primary"], 1) {
		t.Errorf("reads went to %v, want the primary", got)
	}
}

func TestSlowStart(t *testing.T) {
	r := made(t, Config{SlowStart: 9 * time.Second, Nodes: []Node{{Name: "p"}, {Name: "a"}, {Name: "b", Weight: 2}, {Name: "c"}}})
	a, b := r.nodes[1], r.nodes[2]
	if got := shares(r, t.Context()); !near(got["a"], 0.25) || !near(got["b"], 0.5) || !near(got["c"], 0.25) {
		t.Errorf("at the start of all, reads went to %v", got)
	}
	b.facts.sources[0].lagKnown = false
	refresh(r)
	b.facts.sources[0].lagKnown = true
	refresh(r)
	began := b.ramping
	if began.IsZero() {
		t.Fatal("a replica that came back has its full share at once")
	}
	for _, step := range []struct {
		age  time.Duration
		want float64
	}{{0, 0.05}, {2900 * time.Millisecond, 0.05}, {6 * time.Second, 0.275}, {9 * time.Second, 0.5}} {
		b.ramping = time.Now().Add(-step.age)
		refresh(r)
		if got := shares(r, t.Context()); !near(got["b"], step.want) || !near(got["a"], got["c"]) {
			t.Errorf("after %s reads went to %v, want %v to b", step.age, got, step.want)
		}
	}
	if !b.ramping.IsZero() {
		t.Error("the start does not end")
	}
	// With nobody else to take the rest, it takes all.
	for _, n := range r.nodes[1:] {
		n.facts.sources[0].lagKnown = n == b
	}
	b.ramping = time.Now()
	refresh(r)
	if got := shares(r, t.Context()); !near(got["b"], 1) {
		t.Errorf("reads went to %v, want all to b", got)
	}
	// Late for the first time is a return as well.
	r.serving = time.Now().Add(-time.Hour)
	a.served = false
	a.facts.sources[0].lagKnown = true
	refresh(r)
	if a.ramping.IsZero() {
		t.Error("a replica that came late has its full share at once")
	}
}

func TestSharesAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := &Router{config: Config{SlowStart: 9 * time.Second}}
		now := time.Now()
		var close, far []*node
		settled, all := false, 0
		for i := range rapid.IntRange(0, 6).Draw(rt, "nodes") {
			n := &node{Node: Node{Weight: rapid.IntRange(1, maxWeight).Draw(rt, "weight")}, router: r, index: i}
			if age := rapid.IntRange(-1, 9).Draw(rt, "age"); age >= 0 {
				n.ramping = now.Add(-time.Duration(age) * time.Second)
			}
			if rapid.Bool().Draw(rt, "far") {
				far = append(far, n)
			} else {
				close = append(close, n)
			}
		}
		v := &view{}
		v.fill(close, far, now)
		if len(v.readers) != len(close)+len(far) {
			rt.Fatalf("%d of %d nodes are readers", len(v.readers), len(close)+len(far))
		}
		var sum uint32
		for _, x := range v.readers[:v.tier] {
			if x.weight == 0 {
				rt.Fatal("a replica gets nothing for ever")
			}
			sum += x.weight
			if x.upTo != sum {
				rt.Fatalf("up to %d, want %d", x.upTo, sum)
			}
			settled = settled || x.node.ramping.IsZero()
			all += x.node.Weight
		}
		if sum != v.weight {
			rt.Fatalf("weights are %d, want %d", v.weight, sum)
		}
		for _, x := range v.readers[:v.tier] {
			full := float64(x.node.Weight) / float64(all)
			part := float64(x.weight) / float64(sum)
			if p := x.node.part(now); settled && p < 1 && math.Abs(part-p*full) > 0.001 {
				rt.Fatalf("a replica gets %v of reads, want %v of %v", part, p, full)
			}
		}
	})
}

func TestStatusIsForProgramsToo(t *testing.T) {
	r := made(t, Config{Zone: "here", SlowStart: time.Hour, Nodes: []Node{
		{Name: "p"}, {Name: "a", Zone: "here"}, {Name: "b", Zone: "here", Weight: 3}, {Name: "c", Zone: "there"}, {Name: "v", NoReads: true},
	}})
	if err := r.Drain("c"); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.nodes[1].open(gone, errors.New("it broke"), time.Now())
	r.update()
	r.nodes[1].open(gone, errors.New("it broke again"), time.Now())
	r.mu.Unlock()
	data, err := json.Marshal(r.Status())
	if err != nil {
		t.Fatal(err)
	}
	type node struct {
		Name, Zone, Breaker string
		Reads, Draining     bool
		Why                 string `json:"breaker_reason"`
		NoReads             bool   `json:"no_reads"`
		Share, Started      float64
		Opened              uint64
	}
	var got struct {
		Primary    string
		Generation uint64
		Changed    time.Time
		Nodes      []node
		Fallback   LimiterStatus `json:"primary_reads"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := []node{
		{Name: "p", Breaker: "closed", Started: 1},
		{Name: "a", Zone: "here", Breaker: "open", Why: "it broke again", Opened: 1, Started: 1},
		{Name: "b", Zone: "here", Reads: true, Breaker: "closed", Share: 1, Started: 1},
		{Name: "c", Zone: "there", Draining: true, Breaker: "closed", Started: 1},
		{Name: "v", NoReads: true, Breaker: "closed", Started: 1},
	}
	if diff := cmp.Diff(want, got.Nodes); diff != "" {
		t.Errorf("-want +got: %s\n%s", diff, data)
	}
	if got.Primary != "p" || got.Generation != 1 || got.Changed.IsZero() || got.Fallback.Limit != 16 {
		t.Errorf("status %s", data)
	}
	if s := r.Status(); s.Nodes[1].Since.IsZero() || s.Nodes[0].Since != (time.Time{}) {
		t.Errorf("status %+v", s.Nodes)
	}
	r.mu.Lock()
	r.nodes[1].close(time.Now())
	r.update()
	r.mu.Unlock()
	if s := r.Status(); s.Nodes[1].Started != 0.1 || !near(s.Nodes[1].Share, 0.025) || s.Nodes[1].Why != "" {
		t.Errorf("after its return: %+v", s.Nodes[1])
	}
}

func TestBusyPrimaryStaysIt(t *testing.T) {
	r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}}})
	p, a := r.nodes[0], r.nodes[1]
	p.facts.asked = time.Now().Add(-time.Hour) // since then it says that it has no connection left
	if v := refresh(r); v.primary != p {
		t.Error("a primary that is busy is none any more")
	}
	a.facts.sources, a.facts.writable = nil, true // somebody promoted it
	if v := refresh(r); v.primary != a || v.problem != "" {
		t.Errorf("the promoted server is not followed: %q", v.problem)
	}
	p.facts.asked = time.Now()
	if v := refresh(r); v.primary != a || v.problem == "" {
		t.Error("the old one is back, and nobody says that two take writes")
	}
}
