package cache

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

// A flightKey says which requests one fetch is good for: those that found the same.
type flightKey struct {
	key    key
	prior  *entry
	choice string
}

// join returns the flight for k to follow, or makes the first, unless its answer has come since v has
// looked. Nobody joins one whose answer will not be stored.
func (c *Cache) join(k flightKey, v *visit, forward string, prior *entry) (f *flight, first bool, came *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[k]; f != nil && f.priority >= v.in.Priority && c.unchanged(f.moment) && f.moment.tags == c.index.purges.Load() && f.follows() {
		return f, false, nil
	}
	if r, ok := c.store.GetIfPresent(k.key); ok {
		if e, _ := c.find(r, &v.q); e != nil && e != prior && e.reuse(&v.q, time.Now()) == fresh {
			return nil, false, e
		}
	}
	f = &flight{c: c, id: k, prior: prior, forward: forward, priority: v.in.Priority, decided: make(chan struct{}), done: make(chan struct{})}
	c.flights[k] = f
	f.moment = c.begin(k.key)
	return f, true, nil
}

// follow waits for the answer that was asked for by another request, and gives it to this one if it is
// good for it. If not, nothing is done: the request goes its own way.
func (f *flight) follow(v *visit, forward string) (done bool, err error) {
	defer f.leave()
	timer := time.NewTimer(f.c.o.CoalesceWait)
	defer timer.Stop()
	wait := func(on chan struct{}) bool {
		select {
		case <-on:
			return true
		case <-timer.C:
		case <-v.ctx.Done():
		}
		return false
	}
	if !wait(f.decided) {
		return v.ctx.Err() != nil, v.ctx.Err()
	}
	f.mu.Lock()
	phase, e, status, size, ended, failed := f.phase, f.entry, f.status, f.size, f.ended, f.err
	f.mu.Unlock()
	now := time.Now()
	if phase == replaced || phase == asking && f.prior != nil {
		if f.prior.mayServeStale(&v.q, f.prior.control.StaleIfError, now) {
			f.c.count.failed.Add(1)
			return true, v.answer(f.prior, now, outcome{hit: true, forward: forward, status: status, ttl: f.prior.ttl(now), known: true, collapsed: true})
		}
		return false, nil
	}
	if phase != storing && phase != confirmed || failed != nil || !matches(e.by, &v.q) || e.reuse(&v.q, now) != fresh {
		return false, nil
	}
	o := outcome{forward: forward, status: status, ttl: e.ttl(now), known: true, collapsed: true}
	if phase == storing && !ended && size >= 0 && v.q.plain() {
		f.c.count.collapsed.Add(1)
		h := v.w.Header()
		for name, values := range e.header {
			h[name] = values[:len(values):len(values)]
		}
		if e.status != http.StatusNoContent {
			h["Content-Length"] = []string{strconv.Itoa(size)}
		}
		h["Age"] = []string{strconv.FormatInt(int64(e.age(now)/time.Second), 10)}
		h["Cache-Status"] = e.statusLines(f.c.status(o, &v.key))
		v.w.WriteHeader(e.status)
		n, err := f.copyTo(v.ctx, v.w)
		v.hit(e.status, n)
		return true, err
	}
	if phase == storing {
		if !wait(f.done) {
			return v.ctx.Err() != nil, v.ctx.Err()
		}
		f.mu.Lock()
		bad := f.err != nil || f.phase != storing
		f.mu.Unlock()
		if bad {
			return false, nil
		}
	}
	f.c.count.collapsed.Add(1)
	return true, v.answer(e, now, o)
}

// refresh validates e while it is served stale, unless that is going on already. It reports whether it
// is.
func (c *Cache) refresh(v *visit, e *entry) bool {
	k := flightKey{key: v.key, prior: e}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[k]; f != nil {
		return true
	}
	if c.closed || c.running == c.o.Background {
		return false
	}
	c.running++
	f := &flight{c: c, id: k, prior: e, forward: "stale", priority: v.in.Priority, decided: make(chan struct{}), done: make(chan struct{})}
	f.moment = c.begin(k.key)
	c.flights[k] = f
	ctx, cancel := context.WithTimeout(c.base, c.o.FetchTimeout)
	backend, in := v.backend.Detach()
	in.Method = http.MethodGet
	q := ask(&in)
	f.q, f.in, f.cancel = &q, &in, cancel
	c.count.background.Add(1)
	c.background.Go(func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				c.o.Logger.Error("a backend panicked in a fetch that no client waits for", "path", in.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.running--
		}()
		err := f.run(ctx, backend)
		if err != nil && c.base.Err() == nil {
			c.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a stale answer could not be validated", slog.String("path", in.Path), slog.Any("error", err))
		}
	})
	return true
}
