package balance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Run checks the health of the backends, also of those that [Balancer.Set] brings, until ctx ends. It
// returns nil when all it has started has ended; connections that no request uses are closed then, and
// the health of all backends is unknown again. It must not run twice at a time: the second one
// returns an error at once.
func (b *Balancer) Run(ctx context.Context) error {
	if !b.running.CompareAndSwap(false, true) {
		return errors.New("balance: Run is running already; call it once for each Balancer")
	}
	defer b.running.Store(false)
	if b.own != nil {
		defer b.own.CloseIdleConnections()
		defer b.ownH2C.CloseIdleConnections()
	}
	var loops sync.WaitGroup
	defer loops.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !b.o.Outliers.Off {
		loops.Go(func() { b.watchStalls(ctx) })
		loops.Go(func() { b.judgeOutliers(ctx) })
	}
	watched := make(map[*state]context.CancelFunc)
	for {
		present := make(map[*state]bool)
		for _, e := range b.pool.Load().members {
			present[e.state] = true
			if watched[e.state] != nil {
				continue
			}
			loopCtx, stop := context.WithCancel(ctx)
			watched[e.state] = stop
			loops.Go(func() { b.watch(loopCtx, e.Name, e.state) })
		}
		for s, stop := range watched {
			if !present[s] {
				stop()
				delete(watched, s)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-b.changed:
		}
	}
}

// watch checks one backend until ctx ends.
func (b *Balancer) watch(ctx context.Context, name string, s *state) {
	// No judgement outlives the checks: an old one must not keep a backend out, or in.
	defer s.turn(unknown, "")
	timer := time.NewTimer(0) // at once: a backend that was never checked gets no requests if others do
	defer timer.Stop()
	var due time.Time
	s.tally(nil, true)
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.suspect:
			// Soon, but not at once: with many requests failing, checks would follow each other
			// without a pause.
			if soon := b.o.CheckInterval / 10; time.Until(due) > soon {
				due = time.Now().Add(soon)
				timer.Reset(soon)
			}
			continue
		case <-timer.C:
		}
		e := b.pool.Load().find(name)
		if e == nil || e.state != s {
			return // replaced; Run is about to notice
		}
		if s.disabled.Load() { // Enable asks for a check soon
			s.tally(nil, true)
			due = time.Now().Add(b.o.CheckInterval)
			timer.Reset(b.o.CheckInterval)
			continue
		}
		err := b.check(ctx, e)
		if ctx.Err() != nil {
			return
		}
		passed, failed := s.tally(err, false)
		if err == nil && b.alone.CompareAndSwap(true, false) {
			b.o.Logger.Info("this machine is not cut off any more")
		}
		b.judge(ctx, name, s, passed, failed, err)
		wait := b.o.CheckInterval
		if healthy := health(s.health.Load()) == up; healthy && failed > 0 || !healthy && passed > 0 {
			wait = b.o.CheckFast
		}
		wait += time.Duration((rand.Float64() - 0.5) / 5 * float64(wait))
		due = time.Now().Add(wait)
		timer.Reset(wait)
	}
}

// tally counts a check in, and returns how many have passed or failed in a row; or begins anew.
func (s *state) tally(err error, anew bool) (passed, failed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case anew:
		s.passed, s.failed = 0, 0
	case err == nil:
		s.passed, s.failed = s.passed+1, 0
	default:
		s.passed, s.failed = 0, s.failed+1
	}
	return s.passed, s.failed
}

// check makes a health check and takes note of it.
func (b *Balancer) check(ctx context.Context, e *backend) error {
	began := time.Now()
	err := b.checkWithin(ctx, e.Backend, b.o.CheckTimeout)
	now := time.Now()
	took := now.Sub(began)
	s := e.state
	if err == nil {
		s.checkTook.Store(max(int64(took), s.checkTook.Load()*3/4))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checked, s.checkedIn = now, took
	return err
}

// checkWithin asks the Checker, whose panic is one backend's failure and not the end of the process.
func (b *Balancer) checkWithin(ctx context.Context, backend Backend, limit time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the health check panicked: %v", p)
		}
	}()
	return b.o.Checker.Check(ctx, backend)
}

// judge draws the conclusion from so many checks passed or failed in a row.
func (b *Balancer) judge(ctx context.Context, name string, s *state, passed, failed int, reason error) {
	old := health(s.health.Load())
	now := old
	switch {
	case passed > 0 && (old == unknown || old == down && passed >= b.o.Rise):
		now = up
	case failed > 0 && (old == unknown || old == up && failed >= b.o.Fall):
		if cut := b.cutOff(ctx, s); cut != nil {
			reason = cut
			break
		}
		now = down
	}
	b.turn(name, s, now, reason)
}

// turn notes the health of a backend, and if it is news, says so and moves requests.
func (b *Balancer) turn(name string, s *state, now health, reason error) {
	text := ""
	if reason != nil {
		text = reason.Error()
	}
	before := health(s.health.Load())
	if !s.turn(now, text) {
		return
	}
	if b.o.SlowStart > 0 && now == up && (before == down || s.warmed.Load() != 0) {
		s.warm(time.Now())
	}
	if now == up {
		b.o.Logger.Info("a backend is healthy", "backend", name)
	} else {
		b.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "a backend is unhealthy", slog.String("backend", name), slog.Any("error", reason))
	}
	b.o.Events.health(name, now == up, reason)
	b.queue.dispatch() // others than before may be candidates
	if now == down && b.othersHealthy(s) {
		s.move(&b.budget)
	}
}

// othersHealthy reports whether requests for s have a better place to go to.
func (b *Balancer) othersHealthy(s *state) bool {
	for _, e := range b.pool.Load().members {
		if e.state != s && health(e.state.health.Load()) == up && e.state.ejected.Load() == 0 && !e.state.draining.Load() && !e.state.disabled.Load() && !e.state.said.leaves() {
			return true
		}
	}
	return false
}

// turn notes the present health with the reason why it is not better, and reports whether it is news.
func (s *state) turn(now health, reason string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reason = reason
	if health(s.health.Swap(int32(now))) == now {
		return false
	}
	s.since = time.Now()
	return true
}
