package replica

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const dsn = "app:secret@tcp(127.0.0.1:1)/app"

func TestNewReportsAllMistakes(t *testing.T) {
	_, err := New(Config{
		Nodes: []Node{
			{Name: "a", DSN: dsn, Weight: -1},
			{Name: "a", DSN: "app:secret@nowhere"},
			{DSN: dsn + "?multiStatements=true"},
		},
		MaxLag: time.Millisecond, Poll: time.Millisecond, Timeout: time.Hour, MaxOpen: -1, Heartbeat: "heartbeat",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"weight", "two nodes", "address", "no name", "multiStatements", "MaxLag", "Poll", "Timeout", "MaxOpen", "Heartbeat"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows a password: %v", err)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a router of no nodes was made")
	}
}

func TestNothingRunsYet(t *testing.T) {
	r, err := New(Config{Nodes: []Node{{Name: "a", DSN: dsn}}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Write(t.Context()).PingContext(t.Context()); !errors.Is(err, ErrNoPrimary) {
		t.Errorf("a write gives %v, want ErrNoPrimary", err)
	}
	if err := r.Read(t.Context()).PingContext(t.Context()); !errors.Is(err, ErrNoReplica) {
		t.Errorf("a read gives %v, want ErrNoReplica", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.WaitReady(ctx); !errors.Is(err, ErrNoPrimary) || !errors.Is(err, context.Canceled) {
		t.Errorf("WaitReady gives %v, want ErrNoPrimary and context.Canceled", err)
	}
}

func TestUnreachableServerIsAState(t *testing.T) {
	r, err := New(Config{Nodes: []Node{{Name: "a", DSN: dsn}}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	await(t, r, "the server was asked", func(s Status) bool { return !s.Nodes[0].Asked.IsZero() })
	if err := r.Run(ctx); err == nil {
		t.Error("it ran twice at once")
	}
	if err := r.Write(ctx).PingContext(ctx); !errors.Is(err, ErrNoPrimary) || !strings.Contains(err.Error(), "a does not answer") {
		t.Errorf("a write gives %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := r.Status(); got.Problem == "" || got.Primary != "" {
		t.Errorf("status of a router that has ended: %+v", got)
	}
}

func ids(text string) gtids {
	p, err := parseGTIDs(text, ",")
	if err != nil {
		panic(err)
	}
	return p
}

func TestRoles(t *testing.T) {
	now := time.Now()
	good := source{receives: "Yes", applies: "Yes", lagKnown: true, lag: time.Second, usesGTID: true, received: ids("0-1-5")}
	changed := func(change func(*source)) []source {
		s := good
		change(&s)
		return []source{s}
	}
	cases := map[string]struct {
		facts   facts
		role    Role
		lag     time.Duration
		fresh   bool // of a limit of 10 s, after having been fresh
		back    bool // the same, after not having been fresh
		drained bool
	}{
		"never asked":        {facts{}, Unknown, -1, false, false, false},
		"no answer":          {facts{asked: now, err: errors.New("x"), writable: true}, Unknown, -1, false, false, false},
		"primary":            {facts{asked: now, writable: true}, Primary, -1, false, false, false},
		"read-only alone":    {facts{asked: now}, Unknown, -1, false, false, false},
		"replica":            {facts{asked: now, sources: []source{good}, applied: ids("0-1-5")}, Replica, time.Second, true, true, true},
		"replica writable":   {facts{asked: now, writable: true, sources: []source{good}}, Replica, time.Second, true, true, false},
		"behind":             {facts{asked: now, sources: changed(func(s *source) { s.lag = 11 * time.Second })}, Replica, 11 * time.Second, false, false, false},
		"a little behind":    {facts{asked: now, sources: changed(func(s *source) { s.lag = 6 * time.Second })}, Replica, 6 * time.Second, true, false, false},
		"NULL":               {facts{asked: now, sources: changed(func(s *source) { s.lagKnown, s.lag = false, 0 })}, Replica, -1, false, false, false},
		"not receiving":      {facts{asked: now, sources: changed(func(s *source) { s.receives = "No" }), applied: ids("0-1-5")}, Replica, -1, false, false, false},
		"primary lost":       {facts{asked: now, sources: changed(func(s *source) { s.receives = "Connecting" }), applied: ids("0-1-5")}, Replica, -1, false, false, true},
		"lost, not drained":  {facts{asked: now, sources: changed(func(s *source) { s.receives = "Connecting" }), applied: ids("0-1-4")}, Replica, -1, false, false, false},
		"not applying":       {facts{asked: now, sources: changed(func(s *source) { s.applies = "No" }), applied: ids("0-1-5")}, Replica, -1, false, false, false},
		"one of two unknown": {facts{asked: now, sources: append(changed(func(s *source) { s.lagKnown = false }), good)}, Replica, -1, false, false, false},
		"the later of two":   {facts{asked: now, sources: append(changed(func(s *source) { s.lag = 3 * time.Second }), good)}, Replica, 3 * time.Second, true, true, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			lag, _ := c.facts.lag()
			fresh := func(was bool) bool {
				n := &node{facts: c.facts, fresh: was}
				n.freshen(10 * time.Second)
				return n.fresh
			}
			got := []any{c.facts.role(), lag, fresh(true), fresh(false), c.facts.drained()}
			if diff := cmp.Diff([]any{c.role, c.lag, c.fresh, c.back, c.drained}, got); diff != "" {
				t.Errorf("-want +got: %s", diff)
			}
			if c.facts.state() == "" {
				t.Error("no words for it")
			}
		})
	}
}

func TestLateness(t *testing.T) {
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	p := &node{}
	n := &node{}
	for i, step := range []struct {
		written, applied string
		want             time.Duration
	}{
		{"0-1-5", "0-1-5", 0},
		{"0-1-9", "0-1-5", 0},               // nobody waits for long
		{"0-1-9", "0-1-8", 2 * time.Second}, // since the first question at which it lacked something; asked one second after the primary
		{"0-1-20", "0-1-8", 3 * time.Second},
		{"0-1-20", "0-1-9", time.Second}, // the first target is reached, it lacks the next
		{"0-1-20", "0-1-20", 0},
		{"", "0-1-20", 0},
	} {
		p.facts = facts{asked: at(i), writable: true, strict: true, written: ids(step.written)}
		n.facts = facts{asked: at(i + 1), strict: true, applied: ids(step.applied), sources: []source{{receives: "Yes", applies: "Yes", lagKnown: true}}}
		if i < 2 {
			n.facts.asked = at(i)
		}
		n.compare(p)
		if n.late != step.want {
			t.Errorf("step %d: late by %s, want %s", i, n.late, step.want)
		}
	}
	n.compare(nil)
	if n.late != 0 || n.target != nil {
		t.Error("without a primary there is nothing to lack")
	}
}

func TestFollowsByWayOfOthers(t *testing.T) {
	server := func(id uint32, sources ...uint32) *node {
		n := &node{facts: facts{asked: time.Now(), server: id}}
		for _, s := range sources {
			n.facts.sources = append(n.facts.sources, source{server: s})
		}
		return n
	}
	p, direct, chained := server(1), server(2, 1), server(3, 2)
	old, ringA, ringB := server(4, 9), server(5, 6), server(6, 5)
	r := &Router{nodes: []*node{p, chained, direct, old, ringA, ringB}}
	got := r.following(p)
	if len(got) != 2 || !got[direct] || !got[chained] {
		t.Errorf("%d servers follow (%v), want only the direct and the chained one", len(got), got)
	}
}

func TestWeights(t *testing.T) {
	v := &view{}
	nodes := []*node{{Node: Node{Weight: 1}}, {Node: Node{Weight: 3}}, {Node: Node{Weight: 6}}}
	for _, n := range nodes {
		v.add(n)
	}
	const rounds = 100_000
	count := make(map[*node]int)
	for range rounds {
		count[v.pick()]++
	}
	for _, n := range nodes {
		want := rounds * n.Weight / 10
		if got := count[n]; got < want*9/10 || got > want*11/10 {
			t.Errorf("weight %d of 10 got %d of %d", n.Weight, got, rounds)
		}
	}
}

func TestSessionBounds(t *testing.T) {
	s := NewSession()
	for d := range uint32(2 * maxDomains) {
		s.Observe(Token{gtids{{d, 1, 1}}})
	}
	if n := len(s.position()); n != maxDomains {
		t.Errorf("%d domains, want %d", n, maxDomains)
	}
	if !s.pinned.Load() {
		t.Error("positions that were not noted must be read from the primary")
	}
	if _, err := ParseToken(s.Token().String()); err != nil {
		t.Error(err)
	}
}

func TestLostPositionReadsFromPrimary(t *testing.T) {
	r, err := New(Config{Nodes: []Node{{Name: "a", DSN: dsn}, {Name: "b", DSN: dsn}}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	v := &view{primary: r.nodes[0]}
	v.add(r.nodes[1])
	r.view.Store(v)
	s := NewSession()
	ctx := WithSession(t.Context(), s)
	if r.Read(ctx) != r.nodes[1].read {
		t.Error("a session that wrote nothing does not read from the replica")
	}
	s.unsure(nil, false)
	if r.Read(ctx) != r.fallback {
		t.Error("after a write of unknown position, the session does not read from the primary")
	}
	s.wrote(ids("0-1-5"))
	at := ids("0-1-5")
	r.nodes[1].applied.Store(&at)
	if r.Read(ctx) != r.nodes[1].read {
		t.Error("a later position does not cover the earlier write")
	}
	if r.Read(WithSession(ctx, nil)) != r.nodes[1].read {
		t.Error("a context without a session does not read from the replica")
	}
}

// refused is a connector that must not be used.
type refused struct{}

func (refused) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("refused") }
func (refused) Driver() driver.Driver                        { return nil }

func TestSingle(t *testing.T) {
	db := sql.OpenDB(refused{})
	defer db.Close()
	r := Single(db)
	ctx, cancel := context.WithCancel(WithSession(t.Context(), NewSession()))
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	if r.Read(ctx) != db || r.Write(ctx) != db {
		t.Error("it is another database")
	}
	if err := r.WaitReady(ctx); err == nil || err.Error() != "refused" {
		t.Errorf("WaitReady gives %v, want the database's own error", err)
	}
	if got := r.Status(); len(got.Nodes) != 0 {
		t.Errorf("status %+v", got)
	}
	cancel()
	if err := errors.Join(<-ended, r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
}

func TestParseToken(t *testing.T) {
	cases := map[string]bool{
		"": true, "0-1-7": true, "0-1-7.1-2-18446744073709551615": true, "4294967295-4294967295-0": true,
		"0-1": false, "0-1-": false, "0-1-7.": false, ".": false, "0-1-7,1-2-3": false, "1-2-3.0-1-7": false,
		"0-1-7.0-2-8": false, "00-1-7": false, "0-1-+7": false, "0-1-7 ": false, "4294967296-1-1": false,
		"0-1-18446744073709551616": false, "0-1-7-8": false,
		strings.Repeat("1", maxToken+1): false,
	}
	var long []string
	for d := range maxDomains + 1 {
		long = append(long, string(Token{gtids{{uint32(d), 1, 1}}}.String()))
	}
	cases[strings.Join(long[:maxDomains], ".")] = true
	cases[strings.Join(long, ".")] = false
	for text, ok := range cases {
		token, err := ParseToken(text)
		if (err == nil) != ok || (err != nil && !errors.Is(err, ErrToken)) {
			t.Errorf("%.60q: %v, want ok=%v", text, err, ok)
		}
		if ok && token.String() != text {
			t.Errorf("%.60q became %.60q", text, token.String())
		}
	}
}

func FuzzParseToken(f *testing.F) {
	for _, seed := range []string{"", "0-1-7", "0-1-7.3-2-9", "1-2-3.0-1-7", "0-1-18446744073709551616", "0--1-7", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err != nil {
			if !errors.Is(err, ErrToken) {
				t.Errorf("error %v does not wrap ErrToken", err)
			}
			return
		}
		if got := token.String(); got != text {
			t.Errorf("%q became %q", text, got)
		}
		s := NewSession()
		s.Observe(token)
		if got := s.Token().String(); got != text {
			t.Errorf("through a session %q became %q", text, got)
		}
	})
}

func FuzzParseGTIDs(f *testing.F) {
	for _, seed := range []string{"", "0-1-7", "0-1-7,3-2-9", "3-2-9, 0-1-7", "0-1-7,\n1-1-1", ","} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseGTIDs(text, ",")
		if err != nil {
			return
		}
		again, err := parseGTIDs(p.text(','), ",")
		if err != nil || !slices.Equal(p, again) {
			t.Errorf("%q became %v, and that %v (%v)", text, p, again, err)
		}
		if !p.covers(p) || p.beyond(p) {
			t.Errorf("%v does not cover itself", p)
		}
	})
}

func position(t *rapid.T, name string) gtids {
	var p gtids
	for d := range uint32(4) {
		if rapid.Bool().Draw(t, name) {
			p = append(p, gtid{d, rapid.Uint32Range(1, 3).Draw(t, "server"), rapid.Uint64Range(0, 5).Draw(t, "seq")})
		}
	}
	return p
}

func TestMergeIsTheLeastThatCoversBoth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q, other := position(t, "p"), position(t, "q"), position(t, "other")
		m := p.merge(q)
		if !m.covers(p) || !m.covers(q) {
			t.Fatalf("%v and %v make %v", p, q, m)
		}
		if other.covers(p) && other.covers(q) != other.covers(m) {
			t.Fatalf("%v covers %v and %v, but not what they make, %v", other, p, q, m)
		}
		if !slices.IsSortedFunc(m, func(a, b gtid) int { return int(a.domain) - int(b.domain) }) {
			t.Fatalf("%v is not sorted", m)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	c := Config{Zone: "here", SlowStart: time.Hour, Breaker: BreakerOptions{Busy: time.Minute}, MaxPrimaryReads: 4, Nodes: []Node{{Name: "p"}, {Name: "v", NoReads: true}}}
	for _, name := range []string{"a", "b", "c", "d"} {
		c.Nodes = append(c.Nodes, Node{Name: name, Zone: "here", Weight: len(c.Nodes)}, Node{Name: "far " + name})
	}
	r := made(b, c)
	r.nodes[2].ramping = time.Now()
	refresh(r)
	s := NewSession()
	s.wrote(ids("0-1-5"))
	for _, bench := range []struct {
		name string
		ctx  context.Context
	}{
		{"plain", b.Context()},
		{"session", WithSession(b.Context(), s)},
		{"max lag", WithMaxLag(b.Context(), time.Hour)},
		{"primary", WithPrimary(b.Context())},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r.Read(bench.ctx) == r.fallback {
					b.Fatal("not a replica")
				}
			}
		})
	}
}

func TestReadDoesNotAllocate(t *testing.T) {
	r := made(t, Config{Zone: "here", Nodes: []Node{{Name: "p"}, {Name: "a", Zone: "here"}, {Name: "b", Zone: "here", Weight: 3}, {Name: "c"}}})
	s := NewSession()
	s.wrote(ids("0-1-5"))
	for name, ctx := range map[string]context.Context{
		"plain": t.Context(), "session": WithSession(t.Context(), s), "max lag": WithMaxLag(t.Context(), time.Hour), "primary": WithPrimary(t.Context()),
	} {
		if n := testing.AllocsPerRun(1000, func() { r.Read(ctx) }); n != 0 {
			t.Errorf("%s: %v allocations for a read", name, n)
		}
	}
}
