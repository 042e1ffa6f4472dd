package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

var (
	errCut      = errors.New("cache: the answer was cut short")
	errUnstored = errors.New("cache: the answer is not stored any more")
	errShort    = errors.New("cache: the answer has not the length that its header says")
)

// small is the length up to which a body is fetched whole before the client gets it.
const small = 32 << 10

// A flightKey says which requests one fetch is good for: those that found the same.
type flightKey struct {
	key    key
	prior  *entry
	choice string
}

type phase uint8

const (
	asking    phase = iota // there is no header yet
	passing                // the answer goes to the client alone
	storing                // the answer is collected, and clients read what is there
	confirmed              // 304: the stored response is good
	outdated               // 304, but not about the stored response
	replaced               // a failure: a stale response is served in its place
)

// A flight is one fetch of a GET. It is the writer of the answer.
type flight struct {
	c       *Cache
	id      flightKey
	prior   *entry
	q       *question
	in      *balance.Info
	w       http.ResponseWriter // nil if no client has caused it
	client  context.Context
	forward string
	// priority is that of the request that has caused it; nobody waits for one that matters less.
	priority int
	// asks says that the backend is asked about the stored response.
	asks   bool
	moment moment
	asked  time.Time
	header http.Header
	// decided is closed when the header is there, done at the end. They are nil unless others may join.
	decided, done chan struct{}
	copied        chan error // what has become of the copy to the client; nil if there is none
	joined        bool       // the copy has ended, and so it said

	mu        sync.Mutex
	phase     phase
	status    int
	entry     *entry // while storing, and when confirmed
	body      []byte
	size      int           // what the header says of the body; -1 if nothing
	reserved  int64         // of Options.PendingBytes
	more      chan struct{} // closed when there is more; nil if nobody waits
	flushed   bool          // the backend wants what is there to go out
	ended     bool
	err       error
	followers int
	gone      bool // the client has
	cancel    context.CancelFunc
	canceled  bool
	late      *time.Timer // ends it when no client waits
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

// follows counts one more follower, unless it is too late.
func (f *flight) follows() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.canceled || f.ended {
		return false
	}
	f.followers++
	if f.late != nil {
		f.late.Stop()
		f.late = nil
	}
	return true
}

func (f *flight) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followers--
	f.reconsider()
}

// leaderGone takes note that the client that has caused the fetch has gone away.
func (f *flight) leaderGone() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	f.reconsider()
}

// reconsider ends a fetch that nobody needs.
func (f *flight) reconsider() {
	if !f.gone || f.canceled || f.ended || f.cancel == nil {
		return
	}
	nearly := f.phase == storing && f.size >= 0 && int64(f.size-len(f.body)) <= f.c.o.FinishBytes
	switch {
	case f.phase != passing && f.followers > 0:
	case f.phase != passing && nearly:
		if f.late == nil {
			f.late = time.AfterFunc(f.c.o.FetchTimeout, f.timeout)
		}
	default:
		f.canceled = true
		f.cancel()
	}
}

// timeout ends a fetch that was let go on for a while.
func (f *flight) timeout() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.followers == 0 && !f.ended {
		f.canceled = true
		f.cancel()
	}
}

// fetch sends a GET on, as the flight f if others may join it, and answers it.
func (v *visit) fetch(f *flight, forward string, prior *entry) error {
	c := v.c
	ctx := v.ctx
	if f == nil {
		f = &flight{c: c, prior: prior, forward: forward, moment: c.begin(v.key)}
		f.id.key = v.key
	} else {
		// The fetch may outlive the client.
		lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		f.cancel = cancel
		defer context.AfterFunc(ctx, f.leaderGone)()
		ctx = lasting
	}
	f.q, f.in, f.w, f.client = &v.q, &v.in, v.w, v.ctx
	err := f.run(ctx, v.backend)
	now := time.Now()
	switch {
	case f.phase == confirmed:
		c.count.validated.Add(1)
		e := f.entry
		return v.answer(e, now, outcome{forward: forward, status: http.StatusNotModified, ttl: e.ttl(now), known: true, stored: f.err == nil})
	case f.phase == outdated:
		return v.fetch(nil, forward, nil)
	case f.phase == replaced, err != nil && f.untouched() && prior != nil && ctx.Err() == nil && prior.mayServeStale(&v.q, prior.control.StaleIfError, now):
		c.count.failed.Add(1)
		return v.answer(prior, now, outcome{hit: true, forward: forward, status: f.status, ttl: prior.ttl(now), known: true})
	case err != nil || f.phase != storing:
		return err
	case f.copied != nil:
		return nil // the client has it
	case f.plain():
		f.begin()
		if len(f.body) > 0 {
			_, err = v.w.Write(f.body)
		}
		return err
	}
	return v.answer(f.entry, now, outcome{forward: forward, status: f.status, ttl: f.entry.ttl(now), known: true, stored: true})
}

// untouched says that the client has got nothing yet.
func (f *flight) untouched() bool {
	return f.phase == asking || f.phase == storing && f.copied == nil
}

// run has the backend answer. When it returns the flight has ended. The error says that the answer
// is cut short.
func (f *flight) run(ctx context.Context, backend balance.Fetcher) (err error) {
	f.asked, f.header, f.size = time.Now(), make(http.Header), -1
	var change http.Header
	if f.prior != nil {
		if change = f.prior.validators(); change != nil {
			f.asks = true
		} else {
			change = unconditional
		}
	}
	err = errCut // unless all goes well; a handler may panic
	defer func() { err = f.finish(err) }()
	err = backend.Fetch(ctx, f, change)
	if err == nil && f.phase == asking {
		if err = ctx.Err(); err == nil {
			f.WriteHeader(http.StatusOK)
		}
	}
	return err
}

// finish ends the flight and stores what it has brought.
func (f *flight) finish(err error) error {
	f.mu.Lock()
	if f.phase == storing && err == nil && f.size >= 0 && len(f.body) != f.size {
		err = errShort
	}
	if f.phase == storing && err == nil {
		body := f.body
		if cap(body)-len(body) > len(body)/8+64 {
			body = append(make([]byte, 0, len(body)), body...)
		}
		f.entry.finish(body)
		f.mu.Unlock()
		f.c.put(f.id.key, f.entry, f.prior, f.moment)
		f.mu.Lock()
	} else if f.phase == storing {
		f.c.count.cut.Add(1)
	}
	f.c.finish(f.id.key, f.moment)
	f.ended = true
	if f.phase != confirmed {
		f.err = err
	}
	f.wake()
	if f.late != nil {
		f.late.Stop()
	}
	f.c.pending.Add(-f.reserved)
	f.reserved = 0
	if f.decided != nil && f.phase == asking {
		close(f.decided)
	}
	f.mu.Unlock()
	if f.done != nil {
		close(f.done)
		f.c.mu.Lock()
		if f.c.flights[f.id] == f {
			delete(f.c.flights, f.id)
		}
		f.c.mu.Unlock()
	}
	if f.copied != nil && !f.joined {
		f.joined = true
		if cerr := <-f.copied; err == nil {
			err = cerr
		}
	}
	return err
}

// wake tells readers that there is something new.
func (f *flight) wake() {
	if f.more != nil {
		close(f.more)
		f.more = nil
	}
}

// copyTo writes the body to a client as it comes in, until its end.
func (f *flight) copyTo(ctx context.Context, w http.ResponseWriter) (n int64, err error) {
	for {
		f.mu.Lock()
		data := f.body[n:]
		if len(data) == 0 {
			if f.ended || f.phase != storing {
				err := f.err
				f.mu.Unlock()
				return n, err
			}
			if f.more == nil {
				f.more = make(chan struct{})
			}
			more, flushed := f.more, f.flushed
			f.mu.Unlock()
			if flushed {
				if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
					return n, err
				}
			}
			select {
			case <-more:
			case <-ctx.Done():
				return n, ctx.Err()
			}
			continue
		}
		f.mu.Unlock()
		wrote, err := w.Write(data)
		if n += int64(wrote); err != nil {
			return n, err
		}
	}
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
