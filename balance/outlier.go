package balance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/balance/internal/bounds"
)

// OutlierOptions say when a backend gets no requests for a while because of how it has dealt with those
// it got, whatever its health checks say: an outlier is ejected. After its time it is on trial: one
// request that can be repeated at a time, until three have gone well, or one has not and it is
// ejected for longer.
type OutlierOptions struct {
	// Off turns all of this off, and the search for stalled backends too.
	Off bool
	// Consecutive is how many failures in a row eject a backend: connections that are refused, answers
	// that do not come or break off, and the statuses 502 and 504. 1 to 1000; 0 means 5.
	Consecutive int
	// Interval is the time over which answers are counted, for the rules about shares and latency; 0
	// means 10 s.
	Interval time.Duration
	// Requests is how many a backend must have had in an interval to be judged by their share, as must
	// the others together; 0 means 50.
	Requests int
	// Success is the share of good answers (all below 500), compared with the share of the others
	// together, below which a backend is ejected; 0 means 0.85.
	Success float64
	// Slow is how many times slower than the median of the others a backend must be, at each look for
	// an interval, to be ejected; 0 means 10, and faster than 250 ms is never slow.
	Slow float64
	// Base is how long the first ejection lasts, and by how much each further one is longer, up to
	// Most; 0 means 10 s and 5 min. Each interval in which the share of
	// good answers is Success or more takes one back.
	Base, Most time.Duration
	// Share is the largest share of the backends that may be ejected at a time; 0 means 0.5. The last
	// one that is left never is.
	Share float64
	// Stall is how long a backend may answer none of the requests that wait for it, until it is looked
	// into at once: longer when its answers usually take longer. If the check is not answered in the time
	// that checks usually take, it is unhealthy without further ones. 0 means 50 ms.
	Stall time.Duration
}

const (
	trialsNeeded = 3
	slowFloor    = 250 * time.Millisecond
)

func (o *OutlierOptions) check() error {
	var errs []error
	whole := func(name string, v *int, def, most int) {
		if *v == 0 {
			*v = def
		}
		if *v < 1 || *v > most {
			errs = append(errs, fmt.Errorf("balance: Options.Outliers.%s is %d; it must be between 1 and %d, or 0 for %d", name, *v, most, def))
		}
	}
	whole("Consecutive", &o.Consecutive, 5, 1000)
	whole("Requests", &o.Requests, 50, 1_000_000)
	for _, f := range []struct {
		name             string
		v                *float64
		def, least, most float64
	}{{"Success", &o.Success, 0.85, 0.01, 1}, {"Slow", &o.Slow, 10, 1, 1000}, {"Share", &o.Share, 0.5, 0.01, 1}} {
		if *f.v == 0 {
			*f.v = f.def
		}
		if !(*f.v >= f.least && *f.v <= f.most) {
			errs = append(errs, fmt.Errorf("balance: Options.Outliers.%s is %v; it must be between %v and %v, or 0 for %v", f.name, *f.v, f.least, f.most, f.def))
		}
	}
	errs = append(errs, bounds.Durations("balance: Options.Outliers.", bounds.Setting{Name: "Interval", Value: &o.Interval, Default: 10 * time.Second}, bounds.Setting{Name: "Base", Value: &o.Base, Default: 10 * time.Second}, bounds.Setting{Name: "Most", Value: &o.Most, Default: 5 * time.Minute}, bounds.Setting{Name: "Stall", Value: &o.Stall, Default: 50 * time.Millisecond})...)
	return errors.Join(errs...)
}

// A tally counts what has become of the requests to a backend in this interval.
type tally struct{ good, bad int }

func (t tally) all() int { return t.good + t.bad }

func (t tally) share() float64 { return float64(t.good) / float64(t.all()) }

// A record is what a backend's requests say of it. The fields that are not atomic elsewhere are guarded by mu.
type record struct {
	mu        sync.Mutex
	now       tally
	inARow    int // failures
	ejections int // of late; each makes the next one longer
	reason    string
	since     time.Time
	passed    int // trials
	slow      int // looks in a row at which it was slow
}

// The outcomes of an attempt.
type outcome uint8

const (
	went   outcome = iota // an answer below 500
	erred                 // an answer of 500 and more that the application has made
	failed                // no answer, or one that says that there is none
)

func outcomeOf(status int) outcome {
	switch {
	case status == 502 || status == 504:
		return failed
	case status >= 500:
		return erred
	}
	return went
}

// note takes an outcome into account. trial says that the attempt was one.
func (b *Balancer) note(e *backend, o outcome, trial bool, what error) {
	if b.o.Outliers.Off {
		return
	}
	r := &e.state.record
	r.mu.Lock()
	if o == went {
		r.now.good++
		r.inARow = 0
	} else {
		r.now.bad++
	}
	if o == failed {
		r.inARow++
	}
	row := r.inARow
	if trial && o == went {
		r.passed++
	}
	back := trial && r.passed >= trialsNeeded
	r.mu.Unlock()
	switch {
	case back:
		b.reinstate(e)
	case trial && o != went:
		b.eject(e, fmt.Errorf("it has failed when it was tried again: %w", what))
	case row >= b.o.Outliers.Consecutive && e.state.ejected.Load() == 0:
		b.eject(e, fmt.Errorf("%d failures in a row, the last: %w", row, what))
	}
}

// eject keeps requests from a backend for a while, unless too many are ejected already.
func (b *Balancer) eject(e *backend, reason error) {
	o := &b.o.Outliers
	b.ejecting.Lock()
	defer b.ejecting.Unlock()
	members := b.pool.Load().members
	out, left := 1, 0
	for _, m := range members {
		switch {
		case m.state == e.state:
		case m.state.ejected.Load() != 0:
			out++
		case !m.state.draining.Load() && !m.state.disabled.Load() && !m.state.said.leaves() && health(m.state.health.Load()) != down:
			left++
		}
	}
	if left == 0 || float64(out) > max(1, o.Share*float64(len(members))) {
		b.spared.Add(1)
		return
	}
	r, now := &e.state.record, time.Now()
	r.mu.Lock()
	r.ejections++
	until := now.Add(min(o.Base*time.Duration(r.ejections), o.Most))
	if e.state.ejected.Swap(until.UnixNano()) == 0 {
		r.since = now
	}
	r.reason, r.inARow, r.passed, r.now = reason.Error(), 0, 0, tally{}
	r.mu.Unlock()
	b.ejections.Add(1)
	b.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "a backend is ejected", slog.String("backend", e.Name), slog.Time("until", until), slog.Any("error", reason))
	b.o.Events.health(e.Name, false, reason)
	e.state.move(&b.budget)
	b.queue.dispatch()
}

func (b *Balancer) reinstate(e *backend) {
	if e.state.ejected.Swap(0) == 0 {
		return
	}
	r := &e.state.record
	r.mu.Lock()
	r.since, r.reason, r.passed = time.Time{}, "", 0
	r.mu.Unlock()
	if b.o.SlowStart > 0 {
		e.state.warm(time.Now())
	}
	b.o.Logger.Info("a backend is no longer ejected", "backend", e.Name)
	b.o.Events.health(e.Name, true, nil)
	b.queue.dispatch()
}

// level is how good a backend is for x: an ejected one is no better than one that is down, but one
// whose time is over is tried with a request that can be repeated.
func (x *exchange) level(e *backend, now time.Time) standing {
	h := health(e.state.health.Load())
	if until := e.state.ejected.Load(); until != 0 && (now.UnixNano() < until || e.state.onTrial.Load() || !x.repeatableAlways()) {
		h = min(h, down)
	}
	return e.standing(h)
}

// repeatableAlways: it has no body, which might be read only once, and a method that may be repeated.
func (x *exchange) repeatableAlways() bool { return x.bodiless && x.idempotent() }

// tries takes the one trial at a time of a backend that is ejected; true also for all others.
func (x *exchange) tries(e *backend, now time.Time) bool {
	until := e.state.ejected.Load()
	if until == 0 || now.UnixNano() < until {
		return true // or it was taken for want of others
	}
	if !e.state.onTrial.CompareAndSwap(false, true) {
		return false
	}
	x.trial = e.state
	return true
}

// endTrial reports whether the attempt was a trial, and lets another follow.
func (x *exchange) endTrial() bool {
	if x.trial == nil {
		return false
	}
	x.trial.onTrial.Store(false)
	x.trial = nil
	return true
}

// judgeOutliers looks at what was counted in an interval until ctx ends.
func (b *Balancer) judgeOutliers(ctx context.Context) {
	const looks = 5
	tick := time.NewTicker(max(b.o.Outliers.Interval/looks, time.Millisecond))
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		members := b.pool.Load().members
		b.judgeLatency(members, looks)
		if n%looks == 0 {
			b.judgeShares(members)
		}
	}
}

func (b *Balancer) judgeShares(members []*backend) {
	o := &b.o.Outliers
	tallies := make([]tally, len(members))
	var all tally
	for i, e := range members {
		r := &e.state.record
		r.mu.Lock()
		tallies[i], r.now = r.now, tally{}
		if t := tallies[i]; r.ejections > 0 && e.state.ejected.Load() == 0 && (t.all() == 0 || t.share() >= o.Success) {
			r.ejections--
		}
		r.mu.Unlock()
		all.good += tallies[i].good
		all.bad += tallies[i].bad
	}
	for i, e := range members {
		mine := tallies[i]
		others := tally{all.good - mine.good, all.bad - mine.bad}
		if e.state.ejected.Load() != 0 || mine.all() < o.Requests || others.all() < o.Requests || mine.share() >= o.Success*others.share() {
			continue
		}
		b.eject(e, fmt.Errorf("%d of %d answers were errors, and %d of %d of the others", mine.bad, mine.all(), others.bad, others.all()))
	}
}

// judgeLatency ejects who has been much slower than the others, at so many looks.
func (b *Balancer) judgeLatency(members []*backend, looks int) {
	now := time.Now()
	latencies := make([]time.Duration, len(members))
	for i, e := range members {
		latencies[i] = e.state.latency.estimate(now)
	}
	var others []time.Duration
	for i, e := range members {
		others = others[:0]
		for j, l := range latencies {
			if j != i && l > 0 && members[j].state.ejected.Load() == 0 {
				others = append(others, l)
			}
		}
		r := &e.state.record
		slow := false
		var median time.Duration
		if len(others) > 0 && latencies[i] > slowFloor {
			slices.Sort(others)
			median = others[len(others)/2]
			slow = float64(latencies[i]) > b.o.Outliers.Slow*float64(median)
		}
		r.mu.Lock()
		if slow && e.state.ejected.Load() == 0 {
			r.slow++
		} else {
			r.slow = 0
		}
		eject := r.slow >= looks
		if eject {
			r.slow = 0
		}
		r.mu.Unlock()
		if eject {
			b.eject(e, fmt.Errorf("its answers take %v, those of the others %v", latencies[i].Round(time.Millisecond), median.Round(time.Millisecond)))
		}
	}
}
