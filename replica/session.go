package replica

import (
	"sync"
	"sync/atomic"
)

// A Session is one client's view of the data: reads with it see the writes made with it. It only
// moves forward. It is safe for concurrent use; make it with [NewSession].
type Session struct {
	mu     sync.Mutex // of changes
	at     atomic.Pointer[gtids]
	pinned atomic.Bool   // some write has an unknown position: only the primary is sure to have it
	last   atomic.Uint32 // 1 + index of the replica that answered last; 0: none
}

// NewSession returns a session that has written nothing.
func NewSession() *Session { return &Session{} }

// Token returns how far the session has got, for its continuation in another process: a cookie, a
// header, a message of a queue. One that comes after a write covers the write.
func (s *Session) Token() Token { return Token{s.position()} }

// Observe moves the session forward to t, if it is not there yet: reads now see what t covers.
func (s *Session) Observe(t Token) { s.advance(t.at) }

func (s *Session) position() gtids {
	if p := s.at.Load(); p != nil {
		return *p
	}
	return nil
}

// advance takes q in. It reports whether the session could note it.
func (s *Session) advance(q gtids) bool {
	if len(q) == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.position().merge(q)
	if len(m) > maxDomains {
		s.pinned.Store(true)
		return false
	}
	s.at.Store(&m)
	return true
}

// wrote notes a write of which the server said that it is at q. A later position of the same
// server covers earlier writes whose position could not be learnt.
func (s *Session) wrote(q gtids) {
	if len(q) > 0 && s.advance(q) {
		s.pinned.Store(false)
	}
}

// lost notes a write whose position could not be learnt.
func (s *Session) lost() { s.pinned.Store(true) }
