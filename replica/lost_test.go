package replica

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A machine is a server in a model of histories: it has all of its past, and a log that may go back
// less far.
type machine struct {
	id      uint32
	past    []gtid // all transactions its data are made of, in their order
	logFrom int    // its log begins there
	applied int    // so many of past came by replication, up to the last one that did
}

func (m *machine) number() uint64 {
	if len(m.past) == 0 {
		return 0
	}
	return m.past[len(m.past)-1].seq
}

// cut is what the machine says when it is asked.
func (m *machine) cut(asked int64) *cut {
	var state []gtid
	for _, g := range m.past[m.logFrom:] {
		state = slices.DeleteFunc(state, func(x gtid) bool { return x.server == g.server })
		state = append(state, g)
	}
	slices.SortFunc(state, compareOrigin)
	var applied gtids
	if m.applied > 0 {
		applied = gtids{m.past[m.applied-1]}
	}
	return newCut(m.id, state, applied, asked)
}

func (m *machine) has(g gtid) bool { return slices.Contains(m.past, g) }

// A model is a cluster with failovers that lose writes, switches that do not, and servers that are
// made anew as copies of others.
type model struct {
	machines []*machine
	primary  *machine
	acked    []gtid
	clock    int64
}

func (m *model) write(n int) {
	for range n {
		g := gtid{0, m.primary.id, m.primary.number() + 1}
		m.primary.past = append(m.primary.past, g)
		m.acked = append(m.acked, g)
	}
}

// pull has x replicate up to n transactions of the primary. Who has anything else cannot.
func (m *model) pull(x *machine, n int) bool {
	p := m.primary
	if x == p || len(x.past) > len(p.past) || !slices.Equal(x.past, p.past[:len(x.past)]) {
		return false
	}
	n = min(n, len(p.past)-len(x.past))
	x.past = append(slices.Clone(x.past), p.past[len(x.past):len(x.past)+n]...)
	if n > 0 {
		x.applied = len(x.past)
	}
	return true
}

// rebuild makes x anew as a copy of the primary. Its log is a copy, too, or begins anew.
func (m *model) rebuild(x *machine, anew bool) {
	x.past = slices.Clone(m.primary.past)
	x.applied, x.logFrom = len(x.past), m.primary.logFrom
	if anew {
		x.logFrom = len(x.past)
	}
}

func (m *model) promote(x *machine) { m.primary = x }

// TestNothingIsTakenForLostThatIsThere plays histories, with any number of routers that watch more or
// less of them, and asks each about every write that was ever acknowledged.
func TestNothingIsTakenForLostThatIsThere(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		m := &model{}
		for i := range uint32(4) {
			m.machines = append(m.machines, &machine{id: i + 1})
		}
		m.primary = m.machines[0]
		any := func() *machine { return m.machines[rapid.IntRange(0, 3).Draw(t, "machine")] }
		histories := []*history{{}, {}, {}}
		var unaware [3]bool           // of a decision that the promise leaves out
		known := make(map[gtid]int64) // when a session held it
		check := func() {
			for _, g := range m.acked {
				for i, h := range histories {
					if _, lost, _ := h.lost(g, known[g]); lost {
						found++
						if m.primary.has(g) && !unaware[i] {
							t.Fatalf("router %d takes %v for lost, which is on server %d", i, g, m.primary.id)
						}
					}
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				m.clock++
				from := len(m.acked)
				m.write(rapid.IntRange(1, 5).Draw(t, "writes"))
				for _, g := range m.acked[from:] {
					known[g] = m.clock
				}
			},
			"replicate": func(t *rapid.T) { m.pull(any(), rapid.IntRange(1, 5).Draw(t, "transactions")) },
			"ask": func(t *rapid.T) { // one of the routers
				m.clock++
				i := rapid.IntRange(0, len(histories)-1).Draw(t, "router")
				histories[i] = histories[i].next(m.primary.cut(m.clock))
			},
			"no answer": func(t *rapid.T) {
				i := rapid.IntRange(0, len(histories)-1).Draw(t, "router")
				histories[i] = histories[i].next(nil)
			},
			"restart a router": func(t *rapid.T) {
				i := rapid.IntRange(0, len(histories)-1).Draw(t, "router")
				histories[i], unaware[i] = &history{}, false
			},
			"switch": func(t *rapid.T) {
				if x := any(); m.pull(x, len(m.primary.past)) {
					m.promote(x)
				}
			},
			"lose": func(t *rapid.T) {
				x := any()
				if m.pull(x, 0) {
					m.promote(x)
				}
			},
			"return": func(*rapid.T) { // people decide for one that had been given up
				m.promote(any())
				for i := range unaware {
					unaware[i] = true
				}
			},
			"rebuild": func(t *rapid.T) {
				if x := any(); x != m.primary {
					m.rebuild(x, rapid.Bool().Draw(t, "log anew"))
				}
			},
			"": func(*rapid.T) { check() },
		})
	})
	if found == 0 {
		t.Error("no write was ever found lost, so this proves nothing")
	}
}

// TestLostIsFoundForGood follows one failover: exactly what did not arrive is found, also by a router
// that starts later, and by the first one when the old primary has its role again.
func TestLostIsFoundForGood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{machines: []*machine{{id: 1}, {id: 2}}}
		m.primary = m.machines[0]
		second := m.machines[1]
		m.write(rapid.IntRange(1, 30).Draw(t, "arrived"))
		m.pull(second, len(m.primary.past))
		watcher := (&history{}).next(m.primary.cut(1))
		m.write(rapid.IntRange(0, 30).Draw(t, "lost"))
		before := slices.Clone(m.acked)
		m.promote(second)
		m.write(rapid.IntRange(0, 30).Draw(t, "since"))
		watcher = watcher.next(nil).next(second.cut(3))
		late := (&history{}).next(second.cut(3))
		check := func(name string, h *history, upTo uint64) {
			for _, g := range before {
				_, lost, open := h.lost(g, 2)
				if want := !second.has(g) && g.seq <= upTo; lost != want || open {
					t.Errorf("%s: %v lost: %v (open: %v), want %v", name, g, lost, open, want)
				}
			}
			for _, g := range m.acked[len(before):] {
				if _, lost, _ := h.lost(g, 4); lost {
					t.Errorf("%s: %v is there", name, g)
				}
			}
		}
		check("who saw it", watcher, 1000)
		check("who came later", late, 1000)
		// A token that came after the answer may be of the next primary.
		for _, g := range before {
			if _, lost, open := late.lost(g, 5); lost || open == second.has(g) {
				t.Errorf("%v, known later: lost %v, open %v", g, lost, open)
			}
		}
		// The first one is made anew and gets its role back.
		m.rebuild(m.machines[0], rapid.Bool().Draw(t, "log anew"))
		wrote := second.number()
		m.promote(m.machines[0])
		m.write(rapid.IntRange(0, 60).Draw(t, "later"))
		check("who saw all", watcher.next(nil).next(m.primary.cut(6)), wrote)
	})
}

func TestHistoryBeginsAnew(t *testing.T) {
	state := func(text string) []gtid {
		list, err := parseState(text)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	h := (&history{}).next(newCut(2, state("0-1-40,0-2-90"), ids("0-1-40"), 10))
	if _, lost, _ := h.lost(gtid{0, 1, 45}, 5); !lost {
		t.Error("a lost write is not found")
	}
	// RESET MASTER: the count says nothing of what was before.
	h = h.next(newCut(2, state("0-2-3"), ids("0-1-40"), 20))
	if _, lost, open := h.lost(gtid{0, 1, 45}, 5); lost || open {
		t.Error("after RESET MASTER, a position from before is judged by the count that has begun anew")
	}
	// Filtered on its way: it did arrive.
	h = (&history{}).next(newCut(2, state("0-1-40,0-2-90"), ids("0-1-45"), 10))
	if _, lost, open := h.lost(gtid{0, 1, 44}, 5); lost || open {
		t.Error("what a filter left out is taken for lost")
	}
	// The primary's own, a read, and a domain it does not know.
	for _, g := range []gtid{{0, 2, 99}, {0, 0, 99}, {7, 1, 1}} {
		if _, lost, open := h.lost(g, 5); lost || open {
			t.Errorf("%v is taken for lost", g)
		}
	}
	// A second primary for a moment, which people gave up: what it lacked is there, and what it wrote is not.
	h = (&history{}).next(newCut(1, state("0-1-40"), nil, 10)).next(newCut(2, state("0-1-40,0-2-55"), ids("0-1-40"), 20)).next(newCut(1, state("0-1-50"), nil, 30))
	for g, want := range map[gtid]bool{{0, 1, 44}: false, {0, 2, 55}: true} {
		if _, lost, _ := h.lost(g, 15); lost != want {
			t.Errorf("back at the first server, %v lost: %v", g, lost)
		}
	}
	for range 3 * maxCuts {
		server := uint32(100 + h.now.asked)
		list := append(slices.Clone(h.now.state), gtid{0, server, 100 + uint64(server)})
		h = h.next(newCut(server, list, gtids{list[len(list)-2]}, h.now.asked+1))
	}
	if len(h.past) != maxCuts {
		t.Errorf("%d primaries of the past are kept, want %d", len(h.past), maxCuts)
	}
}

func TestLostSession(t *testing.T) {
	r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}}})
	lose := func(server uint32, state string) {
		list, err := parseState(state)
		if err != nil {
			t.Fatal(err)
		}
		n := r.nodes[0]
		n.facts.server, n.facts.began = server, ticks()
		n.facts.cut = newCut(server, list, ids("0-1-5"), n.facts.began)
		r.nodes[1].facts.sources[0].server = server
		refresh(r)
	}
	s := NewSession()
	s.wrote(ids("0-1-9"))
	ctx := WithSession(t.Context(), s)
	if err := r.Lost(s); err != nil {
		t.Errorf("nothing is known, and yet: %v", err)
	}
	if r.Read(ctx) != r.fallback {
		t.Error("a replica is read that does not have the write")
	}
	other := NewSession()
	other.wrote(ids("0-1-5"))
	lose(2, "0-1-5,0-2-6")
	if r.Read(ctx) != r.fallback {
		t.Error("before it is known what else there is, a replica is read")
	}
	lose(2, "0-1-5,0-2-6")
	if r.Read(ctx) != r.nodes[1].read {
		t.Error("a lost write keeps its session from the replica")
	}
	for range 2 {
		if err := r.Lost(s); !errors.Is(err, ErrWriteLost) || err.Error() != ErrWriteLost.Error()+": it was 0-1-9, and the last one of that server that the primary has is 0-1-5" {
			t.Errorf("lost: %v", err)
		}
	}
	if got := s.Token().String(); got != "0-1-5" { // what else there was had no higher number
		t.Errorf("the token of what survived is %q", got)
	}
	if err := r.Lost(other); err != nil {
		t.Errorf("a write that arrived: %v", err)
	}
	// A token that comes now may be of a primary that is not known here yet.
	late := NewSession()
	late.Observe(Token{ids("0-1-9")})
	if err := r.Lost(late); err != nil {
		t.Errorf("a token from elsewhere: %v", err)
	}
	lose(2, "0-1-5,0-2-6")
	if err := r.Lost(late); !errors.Is(err, ErrWriteLost) {
		t.Errorf("the primary was asked since, and lost is: %v", err)
	}
	single := Single(nil)
	if err := single.Lost(s); !errors.Is(err, ErrWriteLost) {
		t.Errorf("the session has forgotten: %v", err)
	}
	if err := errors.Join(single.Lost(other), single.CheckLost(ctx, other)); err != nil {
		t.Errorf("one database: %v", err)
	}
}

func FuzzParseState(f *testing.F) {
	f.Add("0-1-40,0-2-90")
	f.Add("0-1-40,\n0-2-90")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseState(text)
		if err != nil {
			return
		}
		c := newCut(1, list, nil, 1)
		for _, g := range list {
			if last, ok := c.of(g); !ok || last.server != g.server || last.domain != g.domain {
				t.Errorf("%v is not found", g)
			}
		}
	})
}
