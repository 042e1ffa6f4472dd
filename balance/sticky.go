package balance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Sticker keeps clients with the backend that they have met: one that has a session of theirs in its memory.
// [StickyCookie] is one. It is asked in [Balancer.ServeHTTP], before the Picker, which chooses when it has no
// wish, or when the backend it wishes for is gone, unhealthy, ejected, draining or full. Its methods are called
// concurrently and must not block.
type Sticker interface {
	// Wish returns the index of the name of the backend that the request should meet; any other number
	// means none. The names are those of the whole pool; the slice must not be changed, and never is.
	Wish(in Info, names []string) int
	// Mark sets fields of the answer that a backend has begun, so that Wish finds that backend the next time.
	// It is not called when the backend has only stood in for one that was full.
	Mark(in Info, backend string, answer http.Header)
	// Strip removes from the fields of the request for a backend what Mark has made the client send.
	Strip(request http.Header)
}

// A wish is what the Sticker wants for a request.
type wish struct {
	name string // "": nobody
	full bool   // it has no room now
}

// ask asks the Sticker, once for each request.
func (x *exchange) ask() {
	if x.b.o.Sticker == nil || x.inProcess || x.wish != nil {
		return
	}
	x.wish = new(wish)
	names := x.b.pool.Load().names
	if i := x.b.o.Sticker.Wish(x.in, names); i >= 0 && i < len(names) {
		x.wish.name = names[i]
	}
}

func (x *exchange) wishes(e *backend) bool { return x.wish != nil && x.wish.name == e.Name }

// wished returns the backend that x wishes for if it may have it but for its limit; nil: none. One that no check
// has judged yet is no worse than healthy ones here, since its clients have nowhere better to go; a backup, and
// one that is not well, is wanted only when there is no better one.
func (x *exchange) wished(members []*backend, now time.Time) *backend {
	if x.wish == nil || x.wish.name == "" {
		return nil
	}
	var found *backend
	var best standing
	for _, e := range members {
		if !x.usable(e) {
			continue
		}
		level := x.level(e, now)
		best = max(best, level)
		if x.wishes(e) {
			found = e
		}
	}
	if found == nil {
		return nil
	}
	if level := x.level(found, now); level < best && (level.health() == down || found.Backup) {
		return nil
	}
	return found
}

// pickWished enters the backend that x wishes for.
func (x *exchange) pickWished(members []*backend) bool {
	now := time.Now()
	e := x.wished(members, now)
	if e == nil {
		return false
	}
	level := x.level(e, now)
	if c := e.candidate(now); x.b.o.Admitter.Admit(x.in, c) && x.enter(e, c, now) {
		x.took(e, level)
		return true
	}
	x.wish.full = true
	return false
}

// mark has the Sticker mark the answer of a backend.
func (x *exchange) mark(e *backend, answer http.Header) {
	if x.wish != nil && (x.wishes(e) || !x.wish.full) {
		x.b.o.Sticker.Mark(x.in, e.Name, answer)
	}
}

// strip removes the mark from a request.
func (x *exchange) strip(request http.Header) {
	if x.wish != nil {
		x.b.o.Sticker.Strip(request)
	}
}

// DrainSoftly is [Balancer.Drain] for a pool with a [Sticker]: at first the backend gets no new clients but
// goes on serving those that are kept with it, for as long as grace, so that their sessions can end; then nobody
// any more, and DrainSoftly returns when nothing is in flight. When ctx ends first, its error is returned and
// the backend stays draining, with what is left of the grace. Drain ends the grace at once; when the backend is
// undrained meanwhile that is an error. Other errors match [ErrUnknownBackend].
func (b *Balancer) DrainSoftly(ctx context.Context, name string, grace time.Duration) error {
	e := b.pool.Load().find(name)
	if e == nil {
		return unknownBackend("drain", name)
	}
	if b.o.Sticker == nil {
		return b.Drain(ctx, name)
	}
	s, until := e.state, time.Now().Add(max(grace, 0))
	s.drain(until)
	b.queue.dispatch() // who waits for this one alone, waits in vain
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return fmt.Errorf("balance: drain %q: its clients are still served; it stays draining: %w", name, context.Cause(ctx))
	}
	s.keeps.CompareAndSwap(until.UnixNano(), 0) // whatever the clock says; another one may have been given more
	if !s.draining.Load() {
		return fmt.Errorf("balance: drain %q: %w", name, errUndrained)
	}
	return s.finish(ctx, name)
}

var errUndrained = errors.New("it was undrained meanwhile")

// drain makes a backend draining, and lets those that are kept with it in until then; never if that is zero.
func (s *state) drain(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keeps := int64(0)
	if !until.IsZero() {
		keeps = until.UnixNano()
	}
	s.keeps.Store(keeps)
	if !s.draining.Swap(true) {
		s.drained = time.Now()
	}
}

// open reports whether a backend is not draining or, if so, still there for those that are kept with it.
func (s *state) open(mine bool) bool {
	return !s.draining.Load() || mine && time.Now().UnixNano() < s.keeps.Load()
}
