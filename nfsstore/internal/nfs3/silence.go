package nfs3

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// silentAfter is how long a call must have waited in vain for that to say something about the
	// server, and not about an impatient caller.
	silentAfter = time.Second
	// silentPause is the time between calls that look whether a silent server answers again.
	silentPause = time.Second
)

// A silence is what is known of a server that does not answer: while it lasts, calls fail at once
// instead of each waiting for its own time-out, but for one now and then.
type silence struct {
	mu    sync.Mutex
	until time.Time // of the next call that may wait; zero: it answers, as far as known
}

// admit reports whether a call may wait for the server.
func (s *silence) admit(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until.IsZero() {
		return true
	}
	if now.Before(s.until) {
		return false
	}
	s.until = now.Add(silentPause)
	return true
}

// heard notes an answer.
func (s *silence) heard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Time{}
}

// missed notes that a call which began then got no answer before its time was up.
func (s *silence) missed(ctx context.Context, began time.Time) {
	now := time.Now()
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) || now.Sub(began) < silentAfter {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = now.Add(silentPause)
}
