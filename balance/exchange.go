package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

var (
	errInProcess = errors.New("balance: the next backend is a handler")
	errAborted   = errors.New("balance: the answer was cut short")
	errMoved     = errors.New("the backend was found unhealthy while the request waited for its answer")
	errIdle      = errors.New("balance: the backend sent nothing for too long within its answer")
)

// A statusError is an answer that speaks against the backend.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("it has answered %d", int(e)) }

// An uploadError says that the client, not the backend, has broken a request off.
type uploadError struct{ err error }

func (e *uploadError) Error() string {
	return "balance: the request's body broke off: " + e.err.Error()
}

func (e *uploadError) Unwrap() error { return e.err }

// An exchange is one request and the attempts made for it. It belongs to one goroutine.
type exchange struct {
	b         *Balancer
	ctx       context.Context // the request's; set by RoundTrip
	in        Info
	inProcess bool          // RoundTrip calls Handlers itself
	picked    *backend      // entered; the exchange owes it a leave
	backed    bool          // pick has looked into a backend and gone again
	came      time.Time     // when it joined the queue first
	queued    time.Duration // how long it has waited there
	tried     []*state      // begins in room
	room      [3]*state
	bodiless  bool            // there is no body to send
	wish      *wish           // nil without a Sticker
	trial     *state          // the backend is on trial with this request
	seen      bool            // a backend may have got something of the request
	body      *upload         // what the client sends
	held      *held           // what was received of it before a backend was chosen
	header    http.Header     // relay's, in the place of the request's
	base      context.Context // the same for the context
	open      *answer         // the answer that is being read
	broken    error           // why it broke off
	handoff   *handoff        // what comes in the place of the answer

	visit   *visit        // nil: nobody is told how it ends
	last    *backend      // was picked last
	dial    dialed        // of the first attempt
	connect time.Duration // how long connections took
}

// scratch holds the candidates of one pick.
type scratch struct {
	members    []*backend
	candidates []Candidate
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// next enters a backend that was not tried yet, and waits for one if all are full. The error matches
// ErrNoBackend unless ctx has ended.
func (x *exchange) next(ctx context.Context) error {
	x.ask()
	q := x.b.queue
	if q.waiting.Load() == 0 { // else it is not x's turn
		err := x.pick()
		if x.backed {
			// For a moment it has held a place that was another's.
			x.backed = false
			q.dispatch()
		}
		if err != errFull {
			return err
		}
	}
	return q.wait(ctx, x)
}

// pick is next without waiting: it fails with errFull then.
func (x *exchange) pick() error {
	sc := scratches.Get().(*scratch)
	defer func() {
		clear(sc.members[:cap(sc.members)]) // no backend is kept alive from here
		scratches.Put(sc)
	}()
	members := x.b.pool.Load().members
	if x.wish != nil && x.pickWished(members) {
		return nil
	}
	var full []*state // found full or draining at the last moment
	for looks := 0; ; looks++ {
		now := time.Now()
		level, refused := x.collect(sc, members, full, now)
		if len(sc.members) == 0 {
			if level != 0 && looks < 3 && (len(full) > 0 || !refused) {
				// The health of all has changed while they were looked through, or what was full or
				// draining when it was its turn is not any more.
				full = full[:0]
				continue
			}
			if level != 0 && x.busy(members) {
				return errFull
			}
			return ErrNoBackend
		}
		i := x.b.o.Picker.Pick(x.in, sc.candidates)
		if i < 0 || i >= len(sc.members) {
			return fmt.Errorf("%w: the picker chose none", ErrNoBackend)
		}
		e, c := sc.members[i], sc.candidates[i]
		if !x.enter(e, c, now) {
			full = append(full, e.state)
			continue
		}
		x.took(e, level)
		return nil
	}
}

// enter enters a backend that was chosen, unless it is full or draining by now.
func (x *exchange) enter(e *backend, c Candidate, now time.Time) bool {
	before, ok := e.state.enter(x.wishes(e))
	before = max(before-int(e.state.background.Load()), 0)
	if ok && before != c.InFlight {
		c.InFlight = before
		if ok = x.b.o.Admitter.Admit(x.in, c); !ok {
			e.state.back()
		}
	}
	if ok && !x.tries(e, now) {
		e.state.back()
		ok = false
	}
	x.backed = x.backed || !ok
	return ok
}

// took notes that x has entered a backend of that standing.
func (x *exchange) took(e *backend, level standing) {
	if level.health() == down {
		x.b.failOpen.Add(1)
	}
	if len(x.tried) == 0 {
		x.tried = x.room[:0]
		x.b.requests.Add(1)
		x.b.budget.earn()
	}
	x.picked, x.last = e, e
	if x.in.Background {
		e.state.background.Add(1)
	}
	x.tried = append(x.tried, e.state)
	e.state.requests.Add(1)
}

// busy reports whether waiting makes sense: something is in flight where x might go, and will end. An
// Admitter that refuses although nothing is, refuses for good.
func (x *exchange) busy(members []*backend) bool {
	return slices.ContainsFunc(members, func(e *backend) bool { return x.usable(e) && e.state.inFlight.Load() > 0 })
}

func (x *exchange) usable(e *backend) bool {
	return e.state.open(x.wishes(e)) && !e.state.disabled.Load() && !e.state.said.leaves() && !slices.Contains(x.tried, e.state)
}

// collect puts into sc those of the best health among the members that may be used, and returns that
// health; 0 if there are none. Full ones are left out only then, so that load never moves to
// unhealthy backends; refused says that the Admitter has left some out.
func (x *exchange) collect(sc *scratch, members []*backend, full []*state, now time.Time) (level standing, refused bool) {
	for _, e := range members {
		if h := x.level(e, now); h > level && x.usable(e) {
			level = h
		}
	}
	if level.health() == up && x.b.panics(members) {
		level = standing(2 * down) // all of them
		x.b.panicked.Add(1)
	}
	for _, gently := range [...]bool{true, false} {
		sc.members, sc.candidates = sc.members[:0], sc.candidates[:0]
		left := false
		for _, e := range members {
			if x.level(e, now) < level || !x.usable(e) || slices.Contains(full, e.state) {
				continue
			}
			if gently && (x.cold(e, now) || e.state.said.busy(now)) {
				left = true
				continue
			}
			if c := e.candidate(now); x.b.o.Admitter.Admit(x.in, c) {
				sc.members = append(sc.members, e)
				sc.candidates = append(sc.candidates, c)
			} else {
				refused = true
			}
		}
		if len(sc.members) > 0 || !left {
			break
		}
	}
	return level, refused
}

// leave ends an attempt.
func (x *exchange) leave() {
	if x.picked != nil {
		x.endTrial()
		x.goes(x.picked.state)
		x.picked = nil
	}
}

// goes ends what took began.
func (x *exchange) goes(s *state) {
	if x.in.Background {
		s.background.Add(-1)
	}
	s.leave()
}

// end ends what is still open.
func (x *exchange) end() {
	if x.open != nil {
		x.open.Close() // what it says was said to the reader
	}
	x.leave()
}

// RoundTrip makes the attempts for one request. It implements [http.RoundTripper] for one call.
func (x *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	x.ctx = r.Context()
	x.bodiless = r.Body == nil || r.Body == http.NoBody
	body := x.upload(r.Body)
	x.body = body
	fail := func(err error) (*http.Response, error) {
		x.leave()
		body.end()
		return nil, err
	}
	if x.picked == nil {
		if err := x.next(x.ctx); err != nil {
			if errors.Is(err, ErrNoBackend) {
				x.b.refused.Add(1)
				x.b.o.Events.refused(x.in, err)
			}
			return fail(err)
		}
	}
	for {
		if x.picked.Handler != nil && !x.inProcess {
			return nil, errInProcess // serve calls it, with the body untouched
		}
		res, err := x.attempt(r, body)
		if err == nil && x.elsewhere(res, body) && x.pick() == nil {
			// What it said to the reader nobody has read.
			res.Body.Close()
			x.open = nil
			x.b.retries.Add(1)
			continue
		}
		if err == nil {
			return x.deliver(res)
		}
		x.seen = x.seen || !unsent(err)
		again := r.Context().Err() == nil && len(x.tried) < x.b.o.Attempts && x.repeatable(err, body)
		if !again {
			x.b.failures.Add(1)
			return fail(x.told(err))
		}
		x.leave()
		if x.next(x.ctx) != nil {
			x.b.failures.Add(1)
			return fail(x.told(err)) // what the last one said tells more
		}
		x.b.retries.Add(1)
	}
}

// attempt sends the request to the picked backend.
func (x *exchange) attempt(r *http.Request, body *upload) (*http.Response, error) {
	e := x.picked
	base := x.base
	if base == nil {
		base = r.Context()
	}
	dial := x.dialing(base)
	ctx, cancel := context.WithCancelCause(dial)
	out := r.WithContext(ctx)
	out.Host = x.in.Host
	if x.header != nil {
		out.Header, out.Close = x.header, false
	}
	view := body.view()
	if view != nil {
		out.Body, out.GetBody = view, body.again
	}
	var transport http.RoundTripper = inProcess{e.Handler}
	if e.Handler == nil {
		transport = x.b.transport
		u := *r.URL
		u.Scheme, u.Host = e.url.Scheme, e.url.Host
		if x.header != nil {
			setTarget(&u, r.URL)
		}
		out.URL = &u
	}
	start := time.Now()
	movable := e.Handler == nil && body.steady() && x.idempotent() && len(x.tried) < x.b.o.Attempts
	if movable {
		e.state.wait(x, start, cancel)
		if x.b.o.Retries.TryTimeout > 0 {
			defer x.hurry(e.state, cancel).Stop()
		}
	}
	res, err := transport.RoundTrip(out)
	now := time.Now()
	took := now.Sub(start)
	x.connect += time.Duration(dial.took.Load())
	if body == nil {
		// A quick error is no proof of speed.
		e.state.latency.observe(now, took, err != nil || res.StatusCode >= 500)
	}
	if movable && !e.state.waited(x) {
		if err == nil {
			res.Body.Close() // it comes too late, and its context has ended
		}
		if err = errMoved; context.Cause(ctx) == errSlow {
			err = errSlow
		}
	}
	trial := x.endTrial()
	if err != nil {
		view.seal()
		cancel(nil)
		if broken := body.failure(); broken != nil {
			return nil, &uploadError{broken}
		}
		if r.Context().Err() == nil {
			e.state.failures.Add(1)
			e.state.erred(now, err)
			e.state.doubt()
			if trial || !errors.Is(err, errMoved) { // it is known already
				x.b.note(e, failed, trial, err)
			}
		}
		err = fmt.Errorf("balance: backend %s: %w", e.Name, err)
		x.b.o.Events.attempt(x.in, e.Name, 0, took, err)
		return nil, err
	}
	view.settle()
	e.state.heard.Store(now.UnixNano())
	if o := outcomeOf(res.StatusCode); o == went {
		x.b.note(e, o, trial, nil)
	} else {
		x.b.note(e, o, trial, statusError(res.StatusCode))
	}
	e.state.answers.add(res.StatusCode)
	x.b.o.Events.attempt(x.in, e.Name, res.StatusCode, took, nil)
	x.picked = nil // the answer will leave
	x.open = &answer{x: x, backend: e, body: res.Body, cancel: cancel}
	res.Body = x.open
	res.Request = r
	if rw, ok := x.open.body.(io.ReadWriteCloser); ok && res.StatusCode == http.StatusSwitchingProtocols {
		res.Body = &upgraded{answer: x.open, rw: rw}
		return res, nil
	}
	x.open.idle = time.AfterFunc(x.b.o.IdleTimeout, x.open.expire)
	x.open.idle.Stop() // it runs when it is known whom it is to watch
	x.open.eager = !x.inProcess && x.b.o.Bodies.Memory > 0
	return res, nil
}

// repeatable reports whether the request may go to another backend after err.
func (x *exchange) repeatable(err error, body *upload) bool {
	if body.touched() {
		return false
	}
	if unsent(err) {
		return true
	}
	if errors.Is(err, errMoved) || errors.Is(err, errSlow) {
		return true // who ended it has paid
	}
	return x.idempotent() && x.b.budget.spend()
}

// elsewhere reports whether the answer is to be thrown away, for that of another backend.
func (x *exchange) elsewhere(res *http.Response, body *upload) bool {
	if x.b.o.Elsewhere == nil || res.StatusCode < 500 || len(x.tried) >= x.b.o.Attempts || body.touched() {
		return false
	}
	return x.b.o.Elsewhere(x.in, res.StatusCode) && x.b.budget.spend()
}

// unsent reports whether a failed attempt has sent nothing: there was no connection to send it on.
func unsent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// told returns err as the client is to be told of it.
func (x *exchange) told(err error) error {
	if x.seen {
		return err
	}
	return &unreachedError{err}
}

// An unreachedError is the end of a request that no backend has seen anything of.
type unreachedError struct{ error }

func (e *unreachedError) Unwrap() error { return e.error }
