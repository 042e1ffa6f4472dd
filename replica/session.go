package replica

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// A Session is one client's view of the data: reads with it see the writes made with it, and never an
// older state than the read before. It only moves forward. It is safe for concurrent use; make it
// with [NewSession].
type Session struct {
	at     atomic.Pointer[gtids] // the writes
	need   atomic.Pointer[gtids] // what a replica must have: at, and what the primary had then
	pinned atomic.Bool           // some write has an unknown position: only the primary is sure to have it
	last   atomic.Pointer[node]  // the replica that answered last; nil: none
	other  atomic.Int64          // ticks when the primary, or a replica that is not last, answered; 0: last has all of that
	writes atomic.Uint64         // writes that were noted
	gone   atomic.Pointer[error] // of a lost write

	mu     sync.Mutex // of changes
	seen   int64      // ticks when last answered; 0: what it showed is covered by a write of the session
	stays  int64      // ticks since which the primary is read, or when a read waited to get away from it last
	moved  int64      // ticks when at became what it is
	needed int64      // ticks when need became what it is
	router *Router    // whose primary answered at other

	pinnedAt int64 // ticks
	pinnedBy *node // where the write was made
	done     bool  // it happened: the server said so
}

// NewSession returns a session that has written and read nothing.
func NewSession() *Session { return &Session{} }

// unknown stands in a token for a write whose position could not be learnt; its number is 1 when that
// has happened for sure, else 0. No server ever gets there: server 0 is nobody.
var unknown = gtid{domain: math.MaxUint32}

// Token returns how far the session has got, for its continuation in another process: a cookie, a
// header, a message of a queue. One that comes after a write covers the write. If the session has
// only read, it covers what it read, as far as the servers were asked since: a quarter of a second
// may be missing.
func (s *Session) Token() Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.position()
	if s.pinned.Load() {
		mark := unknown
		if s.done {
			mark.seq = 1
		}
		return Token{append(slices.Clip(at[:min(len(at), maxDomains-1)]), mark)}
	}
	var read gtids
	if n := s.last.Load(); n != nil && s.seen != 0 {
		if p := n.shown.Load(); p != nil {
			read = p.at
		}
	}
	if s.other.Load() != 0 && s.router != nil {
		read = read.merge(s.router.view.Load().primaryPos)
	}
	for _, g := range read {
		if _, ok := at.seq(g.domain); !ok && len(at) < maxDomains {
			at = at.merge(gtids{{domain: g.domain, seq: g.seq}}) // a write of nobody, which cannot be lost
		}
	}
	return Token{at}
}

// Observe moves the session forward to t, if it is not there yet: reads now see what t covers.
func (s *Session) Observe(t Token) {
	at := t.at
	if n := len(at); n > 0 && at[n-1].domain == unknown.domain && at[n-1].server == unknown.server {
		s.mu.Lock()
		s.pin(nil, at[n-1].seq == 1)
		s.mu.Unlock()
		at = at[:n-1]
	}
	s.advance(at)
}

// Writes returns how many writes the session has noted: calls of Exec and Commit that succeeded. It
// tells a request that wrote from one that only read.
func (s *Session) Writes() uint64 { return s.writes.Load() }

// Lost returns what [Router.Lost] has found about the session; nil: nothing.
func (s *Session) Lost() error {
	if p := s.gone.Load(); p != nil {
		return *p
	}
	return nil
}

func (s *Session) position() gtids { return read(&s.at) }

func read(p *atomic.Pointer[gtids]) gtids {
	if p := p.Load(); p != nil {
		return *p
	}
	return nil
}

// known returns the position, and when it was known at the latest.
func (s *Session) known() (at gtids, since int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position(), s.moved
}

// advance takes q in. It reports whether the session could note it.
func (s *Session) advance(q gtids) bool {
	if len(q) == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.position()
	if len(at) > 0 && at.covers(q) {
		return true
	}
	m := at.merge(q)
	if len(m) > maxDomains {
		s.pin(nil, false)
		return false
	}
	s.moved = ticks()
	s.at.Store(&m)
	s.see(read(&s.need).merge(q))
	return true
}

// wrote notes a write of which the server said that it is at q. A later position of the same
// server covers earlier writes whose position could not be learnt.
func (s *Session) wrote(q gtids) {
	s.writes.Add(1)
	if len(q) > 0 && s.advance(q) {
		s.pinned.Store(false)
	}
}

// see sets what a replica must have. s.mu is held.
func (s *Session) see(need gtids) {
	s.needed = ticks()
	s.need.Store(&need)
}

// unsure notes a write on n whose position could not be learnt; done says that it happened. Until more
// is known, reads go to the primary.
func (s *Session) unsure(n *node, done bool) {
	s.writes.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pin(n, done)
}

// pin is unsure with s.mu held.
func (s *Session) pin(n *node, done bool) {
	if s.pinned.Load() && !s.done && (n == nil || s.pinnedBy == nil || s.pinnedBy == n) {
		n, done = s.pinnedBy, false // the earlier write is not settled by this one
	}
	s.pinnedAt, s.pinnedBy, s.done = ticks(), n, done
	s.pinned.Store(true)
}

// covered notes that the primary n was at all when it was asked, after a write: nothing that was read
// before is newer than that.
func (s *Session) covered(n *node, all gtids, asked int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	need := read(&s.need).merge(all)
	if len(need) > maxDomains {
		return
	}
	if !all.covers(read(&s.need)) {
		// The primary is behind what the session has seen: that was lost, or the count was begun anew.
		// The number of this write tells nothing.
		s.pin(n, true)
		return
	}
	s.see(need)
	if s.seen < asked {
		s.seen = 0
	}
	if s.other.Load() < asked {
		s.other.Store(0)
	}
}

// lose takes the lost write g out of the position: what survived, up to last, is still to be seen.
func (s *Session) lose(g, last gtid) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.gone.Load(); p != nil {
		return *p
	}
	at := slices.DeleteFunc(slices.Clone(s.position()), func(x gtid) bool { return x == g })
	if last != (gtid{}) {
		at = at.merge(gtids{last})
	}
	err := lostError(g, last)
	s.at.Store(&at)
	s.see(at)
	s.pin(nil, true) // other writes may have had lower numbers
	s.gone.Store(&err)
	return err
}
