package balance

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// mostStall is the longest time that a backend may be silent, whatever its answers usually take.
const mostStall = time.Second

// watchStalls looks for backends that have stopped answering until ctx ends. A process that hangs, or is
// frozen, still takes connections, and health checks come to it seconds apart; but requests wait for
// it, and their silence tells at once. Then one check decides, so that a backend with a slow page is not
// taken for one that hangs: it costs one check more.
func (b *Balancer) watchStalls(ctx context.Context) {
	every := max(b.o.Outliers.Stall/4, time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var probes sync.WaitGroup
	defer probes.Wait()
	last := time.Now()
	heldUp := last // until then this process may not have read what had come
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(last) > b.o.Outliers.Stall {
			heldUp = now
		}
		last = now
		members := b.pool.Load().members
		if len(members) < 2 || !slices.ContainsFunc(members, func(e *backend) bool { return e.Handler == nil }) {
			// There is nowhere else to go, or nobody to watch: an idle process need not wake up so often.
			tick.Reset(max(every, time.Second))
			continue
		}
		tick.Reset(every)
		for _, e := range members {
			s := e.state
			if e.Handler != nil || s.disabled.Load() || health(s.health.Load()) == down || !s.silent(now, heldUp, b.o.Outliers.Stall) || !s.probing.CompareAndSwap(false, true) {
				continue
			}
			probes.Go(func() {
				defer s.probing.Store(false)
				b.probe(ctx, e)
			})
		}
	}
}

// silent reports whether requests have waited too long for the first answer since the last.
func (s *state) silent(now, heldUp time.Time, least time.Duration) bool {
	allowed := min(max(least, s.latency.estimate(now)), mostStall)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.calm) {
		return false
	}
	since := heldUp
	if heard := time.Unix(0, s.heard.Load()); heard.After(since) {
		since = heard
	}
	for _, w := range s.waiting {
		if now.Sub(w.since) > allowed && now.Sub(since) > allowed {
			return true
		}
	}
	return false
}

// probe finds out whether a silent backend hangs, and takes its requests away if so.
func (b *Balancer) probe(ctx context.Context, e *backend) {
	s := e.state
	limit := min(max(b.o.Outliers.Stall, 4*time.Duration(s.checkTook.Load())), b.o.CheckTimeout)
	began := time.Now()
	err := b.checkWithin(ctx, e.Backend, limit)
	if ctx.Err() != nil {
		return
	}
	if heard := time.Unix(0, s.heard.Load()); err != nil && heard.After(began) {
		err = nil // it has answered something else
	}
	if err == nil {
		// Whoever answers checks, and not the requests, has slow pages. It is asked less and less.
		s.mu.Lock()
		s.pause = min(max(2*s.pause, 4*b.o.Outliers.Stall), b.o.CheckInterval)
		s.calm = time.Now().Add(s.pause)
		s.mu.Unlock()
		return
	}
	if !b.othersHealthy(s) {
		return // it is all we have; the health checks go on
	}
	b.stalls.Add(1)
	s.tally(err, true) // what it has passed before counts no more
	b.turn(e.Name, s, down, fmt.Errorf("requests got no answer, and the health check none within %v: %w", limit, err))
}
