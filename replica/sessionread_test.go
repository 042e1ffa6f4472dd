package replica

import (
	"database/sql"
	"testing"
)

// at has the node be there, as of a question now.
func (n *node) at(text string) {
	n.facts.applied, n.facts.written, n.facts.began = ids(text), ids(text), ticks()
	n.reached(n.facts.applied, n.facts.written, n.facts.began)
}

// TestSessionsDoNotGoBack plays one session, step by step: who answers, and who may answer next.
func TestSessionsDoNotGoBack(t *testing.T) {
	r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}, {Name: "b"}}})
	p, a, b := r.nodes[0], r.nodes[1], r.nodes[2]
	primary := func(text string) {
		p.facts.written, p.facts.began = ids(text), ticks()
		refresh(r)
	}
	only := func(n *node) {
		for _, x := range []*node{a, b} {
			x.draining = x != n
		}
		refresh(r)
	}
	s := NewSession()
	ctx := WithSession(t.Context(), s)
	expect := func(step string, want *sql.DB) {
		t.Helper()
		if got := r.Read(ctx); got != want {
			name := "the primary"
			for _, n := range r.nodes {
				if n.read == got {
					name = n.Name
				}
			}
			t.Errorf("%s: %s answers", step, name)
		}
	}
	primary("0-1-5")
	a.at("0-1-5")
	b.at("0-1-5")
	only(a)
	expect("first", a.read)
	a.saw(ctx) // it may be ahead of what is known of it
	only(b)
	expect("a was not asked since it answered", r.fallback)
	a.at("0-1-8")
	expect("b lacks what a has", r.fallback)
	b.at("0-1-7")
	expect("b still lacks it", r.fallback)
	b.at("0-1-8")
	expect("b has it", b.read)

	// The same when a is gone for good: the primary had at least as much.
	b.saw(ctx)
	only(a)
	expect("b was not asked", r.fallback)
	primary("0-1-20")
	expect("a lacks what the primary had later", r.fallback)
	a.at("0-1-20")
	expect("a has it", a.read)

	// What the primary has shown must not vanish either, not even when the replica is the same.
	a.saw(ctx)
	r.sawPrimary(ctx)
	expect("the primary has shown more", r.fallback)
	primary("0-1-25")
	expect("a is known to lack it", r.fallback)
	a.at("0-1-25")
	expect("a has that, too", a.read)

	// A write covers what was read before it began.
	r.sawPrimary(ctx)
	before := ticks()
	s.wrote(ids("0-1-30"))
	s.covered(p, ids("0-1-31"), before)
	a.at("0-1-30")
	expect("a has the write, and not all that the primary had then", r.fallback)
	a.at("0-1-31")
	expect("a has both, and the primary was not asked", a.read)

	// An answer that comes from another than the last one counts as well.
	b.saw(ctx)
	expect("b answered late", r.fallback)
	primary("0-1-31")
	expect("and had no more than a", a.read)

	if got := s.Token().String(); got != "0-1-30" {
		t.Errorf("the token of a session that wrote is %q", got)
	}
}

func TestTokenOfReads(t *testing.T) {
	r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}}})
	a := r.nodes[1]
	a.at("0-1-9")
	s := NewSession()
	ctx := WithSession(t.Context(), s)
	if r.Read(ctx) != a.read || s.Token().String() != "" {
		t.Errorf("before the answer, the token is %q", s.Token())
	}
	a.saw(ctx)
	if got := s.Token().String(); got != "0-0-9" {
		t.Errorf("after the answer, the token is %q", got)
	}
	// In another process, nothing older is read, and nothing is taken for a write.
	other := NewSession()
	other.Observe(s.Token())
	a.at("0-1-8")
	if r.Read(WithSession(t.Context(), other)) != r.fallback {
		t.Error("an older state is read")
	}
	a.at("0-1-9")
	if r.Read(WithSession(t.Context(), other)) != a.read {
		t.Error("the same state is not read")
	}
	r.nodes[0].facts.written = ids("0-1-12")
	refresh(r)
	r.sawPrimary(ctx)
	if got := s.Token().String(); got != "0-0-12" {
		t.Errorf("after an answer of the primary, the token is %q", got)
	}
}

// TestUnknownWrites: who has made a write of unknown position reads from the primary until it is known
// how far replicas must be, here and in other processes.
func TestUnknownWrites(t *testing.T) {
	through := func(s *Session) *Session {
		token, err := ParseToken(s.Token().String())
		if err != nil {
			t.Fatal(err)
		}
		other := NewSession()
		other.Observe(token)
		return other
	}
	for name, c := range map[string]struct {
		make     func(s *Session, primary *node)
		asked    bool // a replica is read when the primary was asked, here and elsewhere
		replaced bool // a replica is read when another is the primary
	}{
		"confirmed":              {func(s *Session, p *node) { s.unsure(p, true) }, true, true},
		"perhaps":                {func(s *Session, p *node) { s.unsure(p, false) }, false, true},
		"perhaps, and confirmed": {func(s *Session, p *node) { s.unsure(p, false); s.unsure(p, true) }, false, true},
		"perhaps, and elsewhere": {func(s *Session, p *node) { s.unsure(&node{}, false); s.unsure(p, true) }, true, true},
		"perhaps, and lost":      {func(s *Session, p *node) { s.unsure(p, false); s.pin(nil, true) }, false, true},
		"perhaps, from a token":  {func(s *Session, _ *node) { s.Observe(Token{gtids{unknown}}) }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}}})
			p, a := r.nodes[0], r.nodes[1]
			s := NewSession()
			c.make(s, p)
			other := through(s)
			check := func(when string, s *Session, want bool) {
				t.Helper()
				if got := r.Read(WithSession(t.Context(), s)) == a.read; got != want {
					t.Errorf("%s: a replica is read: %v, want %v", when, got, want)
				}
			}
			check("at once", s, false)
			check("at once, elsewhere", other, false)
			p.facts.written, p.facts.began = ids("0-1-9"), ticks()
			refresh(r)
			check("the replica is behind what the primary had then", s, false)
			a.at("0-1-9")
			check("the replica has what the primary had then", s, c.asked)
			check("the same elsewhere", other, c.asked)
			again := through(s)
			v := *r.view.Load()
			v.primary, v.primaryAsked = &node{}, ticks()
			r.view.Store(&v)
			check("another is the primary", s, c.replaced)
			refresh(r)
			again.wrote(ids("0-1-5"))
			check("after a write", again, true)
		})
	}
	s := NewSession()
	s.wrote(ids("0-1-5"))
	s.unsure(nil, false)
	if s.Writes() != 2 {
		t.Errorf("%d writes", s.Writes())
	}
}
