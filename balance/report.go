package balance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// A Report is what a backend says of itself; package heartbeat brings it over the network. It is
// forgotten after Options.ReportAge: then health checks alone count again, and that no report comes
// is no failure.
type Report struct {
	// Load is how busy it is: 0 idle, 1 as busy as it should be; more counts as 1. Above a half it gets
	// fewer requests, at 1 a tenth of its share.
	Load float64
	// Draining: it is about to end and wants no new requests.
	Draining bool
}

// said is the last report of a backend.
type said struct {
	leaving atomic.Int64  // until when it is draining, in Unix nanoseconds
	load    atomic.Uint64 // the bits of a float64
	until   atomic.Int64  // when the load is forgotten
	at      atomic.Int64  // when it came; 0: none has
}

// Report takes a backend's report into account. Errors match [ErrUnknownBackend], or say what is wrong
// with the report.
func (b *Balancer) Report(name string, r Report) error {
	e := b.pool.Load().find(name)
	if e == nil {
		return unknownBackend("report of", name)
	}
	if !(r.Load >= 0 && r.Load <= 1e6) {
		return fmt.Errorf("balance: report of %q: the load is %v; it must be between 0 and 1000000", name, r.Load)
	}
	s, now := &e.state.said, time.Now()
	until := now.Add(b.o.ReportAge).UnixNano()
	s.load.Store(math.Float64bits(r.Load))
	s.until.Store(until)
	s.at.Store(now.UnixNano())
	was := s.leaving.Load() > now.UnixNano()
	if r.Draining {
		s.leaving.Store(until)
	} else {
		s.leaving.Store(0)
	}
	if was != r.Draining {
		if r.Draining {
			b.o.Logger.Info("a backend says that it is draining", "backend", name)
		} else {
			b.o.Logger.Info("a backend says that it is not draining any more", "backend", name)
		}
		b.queue.dispatch() // others than before may be candidates
	}
	return nil
}

// leaves reports whether the backend has said that it wants no requests.
func (s *said) leaves() bool {
	until := s.leaving.Load()
	return until != 0 && time.Now().UnixNano() < until
}

// busy reports whether a backend is to be left out this time because of its load.
func (s *said) busy(now time.Time) bool {
	if s.until.Load() <= now.UnixNano() {
		return false
	}
	over := min(math.Float64frombits(s.load.Load()), 1) - 0.5
	return over > 0 && rand.Float64() < 0.9*over/0.5
}

// panics reports whether so few are healthy that all are used again, and says when that begins and
// ends.
func (b *Balancer) panics(members []*backend) bool {
	if b.o.Panic == 0 {
		return false
	}
	healthy, all := 0, 0
	for _, e := range members {
		if e.state.draining.Load() || e.state.disabled.Load() {
			continue
		}
		all++
		if health(e.state.health.Load()) != down && e.state.ejected.Load() == 0 {
			healthy++
		}
	}
	if healthy == 0 {
		return false // all are used anyhow
	}
	panics := float64(healthy) < b.o.Panic*float64(all)
	if b.panicking.CompareAndSwap(!panics, panics) {
		if panics {
			b.o.Logger.Warn("so few backends are healthy that all are used", "healthy", healthy, "backends", all)
		} else {
			b.o.Logger.Info("enough backends are healthy again")
		}
	}
	return panics
}

// errCutOff: not the backend is sick.
var errCutOff = errors.New("this machine seems to be cut off")

// cutOff asks Options.Self, when the last healthy backend is about to be found unhealthy, whether it is
// this machine that is sick. The error says so.
func (b *Balancer) cutOff(ctx context.Context, s *state) error {
	if b.o.Self == nil || b.othersHealthy(s) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.o.CheckTimeout)
	defer cancel()
	err := b.o.Self(ctx)
	switch {
	case err != nil && !b.alone.Swap(true):
		b.o.Logger.Error("this machine seems to be cut off; its backends are not blamed for it", "error", err)
	case err == nil && b.alone.Swap(false):
		b.o.Logger.Info("this machine is not cut off any more")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errCutOff, err)
	}
	return nil
}
