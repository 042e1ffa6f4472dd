package replica

import (
	"context"
	"database/sql"
	"time"
)

// A shown is how far a replica can have shown its data to anybody.
type shown struct {
	at    gtids
	asked int64 // ticks before it was asked
}

// readSession is Read for a session. The replica that answered last has what it showed then, so the
// session stays there. Another one must be known to have all that the session can have seen; until
// that is known, the primary has it for sure.
func (r *Router) readSession(v *view, s *Session) *sql.DB {
	if len(v.readers) == 0 || !r.settle(v, s) {
		return r.last(v)
	}
	need := s.mustSee(v)
	if n := s.last.Load(); n != nil && s.other.Load() == 0 && v.reads(n) && n.has(need) {
		n.picks.Add(1)
		return n.read
	}
	if len(need) > 0 && s.Lost() == nil {
		// Nobody will ever have a lost write: from now on the session sees what survived.
		if err, open := r.examine(s); err != nil {
			if !r.settle(v, s) {
				return r.last(v)
			}
			need = s.mustSee(v)
		} else if open && v.primary != nil {
			v.primary.hurry()
		}
	}
	n := r.turn(v, s, need)
	if n == nil && s.lingers() {
		n = r.leave(s)
	}
	if n != nil {
		n.picks.Add(1)
		return n.read
	}
	return r.last(v)
}

const (
	lingering = 100 * time.Millisecond // of reads from the primary, before one of them waits to get away
	leaving   = 50 * time.Millisecond  // how long it waits
)

// lingers reports whether the session has read from the primary for a while. Each such read may have
// seen what is newer than all that is known of the replicas, so that one that reads without a pause
// would never leave. It is true for one read in each such while.
func (s *Session) lingers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := ticks()
	if s.other.Load() == 0 || now-s.stays < int64(lingering) {
		return false
	}
	s.stays = now
	return true
}

// leave waits for a replica that has what the session has seen; nil when there is none soon.
func (r *Router) leave(s *Session) *node {
	timer := time.NewTimer(leaving)
	defer timer.Stop()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		v := r.view.Load()
		if n := r.turn(v, s, s.mustSee(v)); n != nil {
			return n
		}
		select {
		case <-changed:
		case <-timer.C:
			s.mu.Lock()
			s.stays = ticks() // the next while begins now
			s.mu.Unlock()
			return nil
		}
	}
}

// mustSee is what a replica must have for the session.
func (s *Session) mustSee(v *view) gtids {
	need := read(&s.need)
	if len(need) > 0 && v.primaryPos.beyond(need) {
		return nil // of another cluster, or made up
	}
	return need
}

// settle finds a position for what the session has to see without knowing one. It reports whether a
// replica may be asked: until the primary was asked after a write of unknown position, only the
// primary is sure to have it.
func (r *Router) settle(v *view, s *Session) bool {
	since := r.history.Load().since
	if since == 0 && !s.pinned.Load() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.needed != 0 && s.needed < since {
		if v.primaryAsked < since {
			return false
		}
		// The count was begun anew, and all positions with it. What the primary has now is enough.
		s.at.Store(&gtids{})
		s.see(v.primaryPos)
		s.moved = s.needed
	}
	if !s.pinned.Load() {
		return true
	}
	// A write that the server had not confirmed may happen as long as that server is the primary.
	if v.primary == nil || v.primaryAsked <= s.pinnedAt || !s.done && (s.pinnedBy == nil || v.primary == s.pinnedBy) {
		if v.primary != nil && s.done {
			v.primary.hurry()
		}
		return false
	}
	at := s.position()
	for _, g := range v.primaryPos {
		at = at.merge(gtids{{domain: g.domain, seq: g.seq}})
	}
	need := read(&s.need).merge(v.primaryPos)
	if len(at) > maxDomains || len(need) > maxDomains {
		return false
	}
	s.at.Store(&at)
	s.see(need)
	s.pinned.Store(false)
	return true
}

// turn chooses the replica of a session anew; nil when none is known to have all it must have.
func (r *Router) turn(v *view, s *Session, need gtids) *node {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, other := s.last.Load(), s.other.Load()
	// What the others and what the last one can have shown.
	var others, lasts gtids
	othersKnown, lastsKnown := true, true
	if other != 0 {
		others, othersKnown = v.primaryPos, v.primaryAsked > other
	}
	if last != nil && s.seen != 0 {
		if p := last.shown.Load(); p != nil && p.asked > s.seen {
			lasts = p.at
		} else {
			lasts, lastsKnown = v.primaryPos, v.primaryAsked > s.seen
		}
	}
	// From a random one on, each is asked once.
	start := v.pick()
	at := 0
	for i := range v.readers {
		if v.readers[i].node == start {
			at = i
		}
	}
	for i := range v.readers {
		n := v.readers[v.next(at, i)].node
		if !n.has(need) || !othersKnown || !n.has(others) {
			continue
		}
		if n != last {
			if !lastsKnown || !n.has(lasts) {
				continue
			}
			s.last.Store(n)
			s.seen = 0
		}
		s.other.Store(0)
		return n
	}
	if !othersKnown || !lastsKnown {
		if v.primary != nil {
			v.primary.hurry()
		}
		if last != nil {
			last.hurry()
		}
	}
	r.want(v, need.merge(others).merge(lasts))
	return nil
}

// saw notes that n has answered a read: whatever it had by now, the session may have seen.
func (n *node) saw(ctx context.Context) {
	s := sessionOf(ctx)
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.Load() == n {
		s.seen = ticks()
		return
	}
	s.router = n.router
	s.other.Store(ticks())
}

// sawPrimary notes that the primary has answered a read.
func (r *Router) sawPrimary(ctx context.Context) {
	s := sessionOf(ctx)
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.router = r
	now := ticks()
	if s.other.Swap(now) == 0 {
		s.stays = now
	}
}
