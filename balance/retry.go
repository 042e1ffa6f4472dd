package balance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync/atomic"
	"time"
)

// RetryOptions say what repeated attempts may cost. Those for which no connection was made cost nothing
// and are always allowed.
type RetryOptions struct {
	// Ratio is how many retries there may be for each request in the long run, up to 1; 0 means 0.2, and
	// -1 none. So a pool that is dying of too much load is not buried by repetitions of it.
	Ratio float64
	// Burst is how many retries may be saved up, for when a backend fails with many requests at a time, 1
	// to 100,000; 0 means 100. They are there at the start.
	Burst int
	// PerSecond is how many there may be in a second besides, for pools that few requests come to, up to
	// 1000; 0: none.
	PerSecond float64
	// SafeOnly keeps PUT and DELETE, which are idempotent, from being repeated, for backends that take
	// them for something else. Methods that change nothing go on to be.
	SafeOnly bool
	// TryTimeout is how long a request that may be repeated waits for the header of the answer of one
	// backend, before another one that has room and is not known to be unwell is asked in its place; 0:
	// until Options.ResponseTimeout. When there is no such backend, or the retries are used up, it goes
	// on waiting, and so do requests whose body is not held here in whole ([BodyOptions]). An attempt
	// that is given up counts as failed.
	TryTimeout time.Duration
}

func (o *RetryOptions) check() error {
	var errs []error
	if o.Ratio == 0 {
		o.Ratio = 0.2
	}
	if o.Ratio != -1 && !(o.Ratio > 0 && o.Ratio <= 1) {
		errs = append(errs, fmt.Errorf("balance: Options.Retries.Ratio is %v; it must be more than 0 and at most 1, -1 for none, or 0 for 0.2", o.Ratio))
	}
	if o.Burst == 0 {
		o.Burst = 100
	}
	if o.Burst < 1 || o.Burst > 100_000 {
		errs = append(errs, fmt.Errorf("balance: Options.Retries.Burst is %d; it must be between 1 and 100000, or 0 for 100", o.Burst))
	}
	if !(o.PerSecond >= 0 && o.PerSecond <= 1000) {
		errs = append(errs, fmt.Errorf("balance: Options.Retries.PerSecond is %v; it must be between 0 and 1000", o.PerSecond))
	}
	if o.TryTimeout != 0 && (o.TryTimeout < time.Millisecond || o.TryTimeout > 24*time.Hour) {
		errs = append(errs, fmt.Errorf("balance: Options.Retries.TryTimeout is %v; it must be between 1ms and 24h, or 0 for none", o.TryTimeout))
	}
	return errors.Join(errs...)
}

// A budget pays for retries that cost backends work. It is a bucket that requests and time fill.
type budget struct {
	left      atomic.Int64 // in parts of a retry
	full      int64
	earned    int64 // by each request
	perSecond float64
	paid      atomic.Int64 // until when time was paid for, in Unix nanoseconds
}

// aRetry is the price of one, in parts; so shares of requests are whole numbers.
const aRetry = 10_000

func (b *budget) init(o RetryOptions) {
	if o.Ratio < 0 {
		return // and nothing is earned
	}
	b.full = int64(o.Burst) * aRetry
	b.earned = int64(math.Ceil(o.Ratio * aRetry))
	b.perSecond = o.PerSecond
	b.left.Store(b.full)
	b.paid.Store(time.Now().UnixNano())
}

// earn is called for each request. A few too many at the brim do no harm.
func (b *budget) earn() {
	if b.left.Load() < b.full {
		b.left.Add(b.earned)
	}
}

func (b *budget) spend() bool {
	if b.perSecond > 0 {
		b.wage()
	}
	if b.left.Add(-aRetry) >= 0 {
		return true
	}
	b.left.Add(aRetry)
	return false
}

// wage pays for the time that has passed.
func (b *budget) wage() {
	now, paid := time.Now().UnixNano(), b.paid.Load()
	seconds := float64(now-paid) / float64(time.Second)
	parts := int64(seconds * b.perSecond * aRetry)
	if parts < 1 || !b.paid.CompareAndSwap(paid, now) {
		return // somebody else does
	}
	b.left.Add(max(0, min(parts, b.full-b.left.Load())))
}

// A slowError ends an attempt for which another is made. It is a net.Error.
type slowError struct{}

func (slowError) Error() string   { return "no answer within the time for one attempt" }
func (slowError) Timeout() bool   { return true }
func (slowError) Temporary() bool { return true }

var errSlow error = slowError{}

// hurry has the attempt at s give up when it takes too long and there is somewhere else
// to go. The timer must be stopped when the attempt has ended by itself.
func (x *exchange) hurry(s *state, cancel context.CancelCauseFunc) *time.Timer {
	return time.AfterFunc(x.b.o.Retries.TryTimeout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		// While it is among those that wait, the exchange's own goroutine is held up and x does not change.
		if _, ok := s.waiting[x]; ok && x.elseRoom() && x.b.budget.spend() {
			delete(s.waiting, x)
			cancel(errSlow)
		}
	})
}

// elseRoom reports whether a backend that x has not been to, and that may be well, has room for it.
func (x *exchange) elseRoom() bool {
	now := time.Now()
	for _, e := range x.b.pool.Load().members {
		if x.usable(e) && x.level(e, now).health() > down && x.b.o.Admitter.Admit(x.in, e.candidate(now)) {
			return true
		}
	}
	return false
}

// idempotent: RFC 9110, section 9.2.2.
func (x *exchange) idempotent() bool {
	switch x.in.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	case http.MethodPut, http.MethodDelete:
		return !x.b.o.Retries.SafeOnly
	}
	return false
}
