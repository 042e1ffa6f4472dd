package balance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/beamrider/balance/internal/names"
)

// Backend is one server that requests may go to.
type Backend struct {
	// Name tells it from others in logs, on the status page and in calls; 1 to 64 letters, digits and
	// the characters ".-_:".
	Name string
	// URL is its address: http, https, or h2c for HTTP/2 without TLS, a host, if need be a port, and
	// nothing else; or unix: and the absolute path of a socket. https is spoken only when it says so.
	URL string
	// Handler is called in this process; then there is no URL. It must return soon after the context of its
	// request is done.
	Handler http.Handler
	// Weight is the share of requests it gets compared with others: 1 to 1,000,000, 0 means 1.
	Weight int
	// MaxInFlight is how many requests it may serve at a time; further ones go to others, and wait when
	// those are full too ([QueueOptions]). 0: any number.
	MaxInFlight int
	// Backup: it gets requests only when no other is healthy.
	Backup bool
}

// maxWeight keeps products of weights and requests in flight far from overflow.
const maxWeight = 1_000_000

// maxBackends bounds a pool, whose members are looked through for each request.
const maxBackends = 1000

// A backend is a member of a pool; what changes is in its state, which it may share with the member
// of that name in an earlier pool.
type backend struct {
	Backend
	url   *url.URL // nil if it is a Handler
	state *state
}

func (e *backend) candidate(now time.Time) Candidate {
	return Candidate{
		Name: e.Name, Weight: e.Weight, InFlight: e.state.load(), MaxInFlight: e.MaxInFlight,
		Latency: e.state.latency.estimate(now),
	}
}

// The health of a backend; a better one has a higher number.
type health int32

const (
	down health = iota + 1
	unknown
	up
)

// state is what happens to a backend.
type state struct {
	inFlight   atomic.Int64
	background atomic.Int64 // of those in flight
	draining   atomic.Bool
	health     atomic.Int32
	requests   atomic.Uint64 // attempts made
	failures   atomic.Uint64 // attempts that gave no answer, and answers that broke off
	latency    latency
	queue      *queue       // whose requests may have the places that become free
	heard      atomic.Int64 // when it has answered last, in Unix nanoseconds
	checkTook  atomic.Int64 // how long a passed health check takes, in nanoseconds, slow ones more than quick ones
	probing    atomic.Bool  // it is looked into, since it is silent
	ejected    atomic.Int64 // until when, in Unix nanoseconds; 0: it is not
	onTrial    atomic.Bool  // an ejected one has a request
	disabled   atomic.Bool
	keeps      atomic.Int64 // while draining, until when clients that are kept with it are served, in Unix nanoseconds
	warmed     atomic.Int64 // since when it is in its slow start, in Unix nanoseconds; 0: it is not
	said       said
	record     record
	answers    answers       // by class of status
	suspect    chan struct{} // wakes the health check; capacity 1

	mu      sync.Mutex
	waiters []chan struct{} // of Drain, closed when nothing is in flight
	// waiting are the requests without an answer yet that may go to another backend instead.
	waiting        map[*exchange]waiting
	checked        time.Time     // the last health check has ended
	passed, failed int           // checks in a row
	checkedIn      time.Duration // and taken so long
	disabledSince  time.Time
	disabledWhy    string
	drained        time.Time     // when it was last told to drain
	calm           time.Time     // until then it is not looked into for its silence
	pause          time.Duration // how long it was calm last
	reason         string        // why unhealthy
	since          time.Time     // of the present health

	lastError string    // of an attempt, or an answer that broke off
	erredAt   time.Time // when that was
}

// env is what states share.
type env struct {
	queue  *queue
	start  Start
	slowly bool // new ones have a slow start
}

func newState(v env) *state {
	now := time.Now()
	s := &state{queue: v.queue, latency: latency{born: now}, suspect: make(chan struct{}, 1), since: now, waiting: make(map[*exchange]waiting)}
	s.health.Store(int32([...]health{StartUnknown: unknown, StartUp: up, StartDown: down}[v.start]))
	return s
}

// load is how many requests are in flight but for those in the background.
func (s *state) load() int { return int(max(s.inFlight.Load()-s.background.Load(), 0)) }

// enter counts a request in and returns how many there were before, unless the backend is draining.
// Either Drain sees the request or the request sees Drain: both write before they read. mine says that the
// request is of a client that is kept with the backend.
func (s *state) enter(mine bool) (before int, ok bool) {
	n := s.inFlight.Add(1)
	if !s.open(mine) {
		s.back()
		return 0, false
	}
	return int(n - 1), true
}

// leave ends what enter began; whoever waits may have its place.
func (s *state) leave() {
	s.back()
	s.queue.dispatch()
}

// back is leave for who has only looked in, and says itself that the place is free.
func (s *state) back() {
	if s.inFlight.Add(-1) != 0 || !s.draining.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.waiters {
		close(w)
	}
	s.waiters = nil
}

// doubt asks for a health check soon, since a request went wrong.
func (s *state) doubt() {
	select {
	case s.suspect <- struct{}{}:
	default: // it is asked for already
	}
}

// A waiting request can be ended to be moved.
type waiting struct {
	since  time.Time
	cancel context.CancelCauseFunc
}

func (s *state) wait(x *exchange, since time.Time, cancel context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[x] = waiting{since, cancel}
}

// waited ends wait and reports whether the attempt was left alone meanwhile.
func (s *state) waited(x *exchange) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.waiting[x]
	delete(s.waiting, x)
	return ok
}

// move ends the attempts that wait, as far as the budget pays for others.
func (s *state) move(b *budget) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x, w := range s.waiting {
		if !b.spend() {
			return
		}
		delete(s.waiting, x)
		w.cancel(errMoved)
	}
}

// newBackend checks one and returns all its mistakes.
func newBackend(b Backend) (e *backend, errs []error) {
	if !names.Valid(b.Name) {
		errs = append(errs, errors.New("its name must be 1 to 64 letters, digits or the characters \".-_:\""))
	}
	e = &backend{Backend: b}
	switch {
	case b.Handler == nil:
		var err error
		if e.url, err = parseURL(b.URL); err != nil {
			errs = append(errs, err)
		}
	case b.URL != "":
		errs = append(errs, errors.New("it has both a URL and a Handler; it must have one of them"))
	}
	if b.Weight < 0 || b.Weight > maxWeight {
		errs = append(errs, fmt.Errorf("its weight is %d; it must be between 0 and %d", b.Weight, maxWeight))
	}
	if e.Weight == 0 {
		e.Weight = 1
	}
	if b.MaxInFlight < 0 {
		errs = append(errs, fmt.Errorf("its limit of requests in flight is %d; it must be 0 (none) or more", b.MaxInFlight))
	}
	return e, errs
}

// parseURL does not repeat what it was given in errors: it might hold a password.
func parseURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("it has neither a URL nor a Handler; it must have one of them")
	}
	if path, ok := strings.CutPrefix(s, socketScheme); ok {
		return parseSocket(path)
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("its URL cannot be parsed; it must be like http://192.0.2.1:8000")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != h2cScheme:
		return nil, errors.New("its URL must begin with http://, https://, h2c:// or unix:/")
	case u.Hostname() == "":
		return nil, errors.New("its URL names no host; it must be like http://192.0.2.1:8000")
	case u.User != nil:
		return nil, errors.New("its URL must not have a user name or a password")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("its URL must end after the host and port: requests keep their own path and query")
	}
	return u, nil
}
