package balance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Set replaces the pool. Backends that keep their name and address keep their state: health, drain,
// whether they are disabled, requests in flight. Requests in flight on those that are gone finish. On
// error, which reports all mistakes, nothing has changed.
func (b *Balancer) Set(backends []Backend) error {
	return b.change(func([]Backend) ([]Backend, error) { return backends, nil })
}

// Add adds a backend. On error nothing has changed.
func (b *Balancer) Add(backend Backend) error {
	return b.change(func(list []Backend) ([]Backend, error) { return append(list, backend), nil })
}

// Remove takes a backend out of the pool; its requests in flight finish, and [Balancer.Drain] before it
// waits for them. Errors match [ErrUnknownBackend].
func (b *Balancer) Remove(name string) error {
	return b.change(func(list []Backend) ([]Backend, error) {
		i := slices.IndexFunc(list, func(e Backend) bool { return e.Name == name })
		if i < 0 {
			return nil, unknownBackend("remove", name)
		}
		return slices.Delete(list, i, i+1), nil
	})
}

// SetWeight gives a backend another weight, 1 to 1,000,000. Errors other than for the weight match
// [ErrUnknownBackend].
func (b *Balancer) SetWeight(name string, weight int) error {
	return b.change(func(list []Backend) ([]Backend, error) {
		i := slices.IndexFunc(list, func(e Backend) bool { return e.Name == name })
		switch {
		case i < 0:
			return nil, unknownBackend("weigh", name)
		case weight < 1:
			return nil, fmt.Errorf("balance: weigh %q: the weight is %d; it must be between 1 and %d", name, weight, maxWeight)
		}
		list[i].Weight = weight
		return list, nil
	})
}

// change replaces the pool by what f makes of a copy of its list.
func (b *Balancer) change(f func(list []Backend) ([]Backend, error)) error {
	b.setting.Lock()
	defer b.setting.Unlock()
	old := b.pool.Load()
	list := make([]Backend, len(old.members))
	for i, e := range old.members {
		list[i] = e.Backend
	}
	list, err := f(list)
	if err != nil {
		return err
	}
	p, err := newPool(list, old, b.env())
	if err != nil {
		return err
	}
	if slices.ContainsFunc(p.members, func(e *backend) bool {
		return !slices.ContainsFunc(old.members, func(o *backend) bool { return o.state == e.state })
	}) {
		b.dropIdle()
	}
	b.pool.Store(p)
	b.queue.dispatch()
	select {
	case b.changed <- struct{}{}:
	default: // Run has been told and has not looked yet
	}
	return nil
}

// dropIdle closes the connections that no request uses, before a backend gets requests that had none: it may
// have been started anew meanwhile, at the same address, and a request on a connection to the one before it
// could be lost. A transport cannot do so for one address; the others are connected to anew.
func (b *Balancer) dropIdle() {
	if b.own != nil {
		b.own.CloseIdleConnections()
		b.ownH2C.CloseIdleConnections()
	}
}

func (b *Balancer) env() env { return env{b.queue, b.o.Start, b.o.SlowStart > 0} }

// Disable takes a backend out of service until [Balancer.Enable], with a reason for the status: it
// gets no requests, not even when all others are unhealthy, and no health checks; requests in flight
// finish. Errors match [ErrUnknownBackend].
func (b *Balancer) Disable(name, reason string) error {
	e := b.pool.Load().find(name)
	if e == nil {
		return unknownBackend("disable", name)
	}
	s := e.state
	s.mu.Lock()
	if !s.disabled.Swap(true) {
		s.disabledSince = time.Now()
	}
	s.disabledWhy = reason
	s.mu.Unlock()
	b.o.Logger.Info("a backend is disabled", "backend", name, "reason", reason)
	b.queue.dispatch() // who waits for this one alone, waits in vain
	return nil
}

// Enable ends Disable. The backend counts as unknown until its next health check, and has a slow start. Errors match
// [ErrUnknownBackend].
func (b *Balancer) Enable(name string) error {
	e := b.pool.Load().find(name)
	if e == nil {
		return unknownBackend("enable", name)
	}
	s := e.state
	if !s.disabled.Load() {
		return nil
	}
	s.turn(unknown, "")
	if b.o.SlowStart > 0 {
		s.warm(time.Now())
	}
	b.dropIdle()
	s.disabled.Store(false)
	b.o.Logger.Info("a backend is enabled", "backend", name)
	b.queue.dispatch()
	s.doubt() // look soon
	return nil
}

// Drain lets the backend finish: it gets no new requests, and Drain returns when none is in flight;
// upgraded connections are. When ctx ends first, its error is returned and the backend stays
// draining; call Drain again to wait on, or [Balancer.Undrain]. Other errors match [ErrUnknownBackend].
func (b *Balancer) Drain(ctx context.Context, name string) error {
	e := b.pool.Load().find(name)
	if e == nil {
		return unknownBackend("drain", name)
	}
	s := e.state
	s.drain(time.Time{})
	b.queue.dispatch() // who waits for this one alone, waits in vain
	return s.finish(ctx, name)
}

// finish waits until nothing is in flight any more.
func (s *state) finish(ctx context.Context, name string) error {
	done := make(chan struct{})
	s.mu.Lock()
	// Drains that gave up leave their channel behind; it goes with the others at the next idle moment.
	s.waiters = append(s.waiters, done)
	s.mu.Unlock()
	defer s.forget(done)
	if s.inFlight.Load() == 0 {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("balance: drain %q: %d requests are still in flight; it stays draining: %w", name, s.inFlight.Load(), context.Cause(ctx))
	}
}

// forget takes a waiter away that nobody waits on any more.
func (s *state) forget(done chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range s.waiters {
		if w == done {
			s.waiters = append(s.waiters[:i], s.waiters[i+1:]...)
			return
		}
	}
}

// Undrain gives the backend requests again. A Drain that waits returns when nothing is in flight all
// the same, or with its context. Errors match [ErrUnknownBackend].
func (b *Balancer) Undrain(name string) error {
	e := b.pool.Load().find(name)
	if e == nil {
		return unknownBackend("undrain", name)
	}
	b.dropIdle()
	e.state.draining.Store(false)
	e.state.keeps.Store(0)
	b.queue.dispatch()
	return nil
}

func unknownBackend(verb, name string) error {
	return fmt.Errorf("balance: %s %q: %w; see the status page for the names there are", verb, name, ErrUnknownBackend)
}

// pool is the list of backends; it never changes.
type pool struct {
	members []*backend
	names   []string // of them
}

func (p *pool) find(name string) *backend {
	for _, e := range p.members {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// newPool checks the list, reports all mistakes, and takes over the states of old members that have
// kept their name and address.
func newPool(list []Backend, old *pool, v env) (*pool, error) {
	var errs []error
	if len(list) > maxBackends {
		return nil, fmt.Errorf("balance: there are %d backends; a pool has at most %d", len(list), maxBackends)
	}
	p := &pool{members: make([]*backend, 0, len(list))}
	for i, b := range list {
		e, mistakes := newBackend(b)
		if p.find(b.Name) != nil {
			mistakes = append(mistakes, errors.New("another backend has that name; give each its own"))
		}
		for _, err := range mistakes {
			errs = append(errs, fmt.Errorf("balance: backend %d (%q): %w", i+1, b.Name, err))
		}
		if o := old.find(b.Name); o != nil && o.URL == b.URL && (o.Handler == nil) == (b.Handler == nil) {
			e.state = o.state
		} else {
			e.state = newState(v)
			if len(old.members) > 0 && v.slowly {
				e.state.warm(time.Now())
			}
		}
		p.members = append(p.members, e)
		p.names = append(p.names, e.Name)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// A standing says how good a backend is for a request; a better one has a higher number: it is health
// first, then that it is no backup.
type standing int32

func (e *backend) standing(h health) standing {
	if e.Backup {
		return standing(2 * h)
	}
	return standing(2*h + 1)
}

func (s standing) health() health { return health(s / 2) }

// warm begins a slow start.
func (s *state) warm(now time.Time) { s.warmed.Store(now.UnixNano()) }

// cold reports whether a backend is to be left out this time because it is in its slow start: the share
// of requests it takes part in grows from a tenth to all of them.
func (x *exchange) cold(e *backend, now time.Time) bool {
	since := e.state.warmed.Load()
	if since == 0 {
		return false
	}
	part := float64(now.UnixNano()-since) / float64(x.b.o.SlowStart)
	if part >= 1 {
		e.state.warmed.CompareAndSwap(since, 0)
		return false
	}
	return rand.Float64() > 0.1+0.9*part
}
