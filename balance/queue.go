package balance

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/beamrider/balance/internal/bounds"
)

// QueueOptions say how requests wait while all backends serve as many as they may. Without
// Backend.MaxInFlight, or an Admitter that refuses, nobody ever waits.
type QueueOptions struct {
	// Max is how many requests may wait, up to 100,000; 0 means 1000, -1 that nobody waits: requests
	// that find all backends full are refused at once. When it is reached, a request of higher
	// priority takes the place of the one that would be served last.
	Max int
	// MaxWait is how long a request may wait; 0 means 10 s. A request whose turn would come later than
	// that, or after the end of its context, as far as the recent pace tells, is refused at once.
	MaxWait time.Duration
	// Target is how long requests shall wait at most while there is more load than the backends can bear,
	// as is so when the queue has not been empty for this time; 0 means 1 s. Then the queue is kept so
	// short that it holds no more than is served in that time: those of the lowest priority that came
	// last are refused, so that those who are served are served soon, and the higher priorities hardly
	// wait. A burst may wait for MaxWait. At least 8 may always wait.
	Target time.Duration
	// Ageing is how long a request waits until it counts as much as one of the next higher priority
	// that has just come; 0 means 5 s. So nobody starves.
	Ageing time.Duration
}

func (o *QueueOptions) check() error {
	var errs []error
	if o.Max == 0 {
		o.Max = 1000
	}
	if o.Max < -1 || o.Max > 100_000 {
		errs = append(errs, fmt.Errorf("balance: Options.Queue.Max is %d; it must be between 1 and 100000, -1 for no queue, or 0 for 1000", o.Max))
	}
	errs = append(errs, bounds.Durations("balance: Options.Queue.", bounds.Setting{Name: "MaxWait", Value: &o.MaxWait, Default: 10 * time.Second}, bounds.Setting{Name: "Target", Value: &o.Target, Default: time.Second}, bounds.Setting{Name: "Ageing", Value: &o.Ageing, Default: 5 * time.Second})...)
	return errors.Join(errs...)
}

// Why a request was refused; each matches [ErrNoBackend].
var (
	errFull     = fmt.Errorf("%w: all are serving as many requests as they may", ErrNoBackend)
	errCrowded  = fmt.Errorf("%w: all are serving as many requests as they may, and too many wait already", ErrNoBackend)
	errHopeless = fmt.Errorf("%w: all are serving as many requests as they may, and the wait would be too long", ErrNoBackend)
	errShed     = fmt.Errorf("%w: there is more load than all can bear, and others come first", ErrNoBackend)
	errOverstay = fmt.Errorf("%w: it has waited as long as it may", ErrNoBackend)
	errPushed   = fmt.Errorf("%w: requests of higher priority have taken its place in the queue", ErrNoBackend)
)

// mostPriority keeps head starts far from overflow.
const mostPriority = 1000

// A waiter is a request that waits for a backend.
type waiter struct {
	x     *exchange
	turn  time.Duration // when it came, less its head start; since the queue's birth
	nth   uint64        // tells those apart whose turn is the same
	index int           // in the heap, -1: not there any more
	ready chan error    // capacity 1: it has a backend now, or none will come
}

// A queue is where requests wait until a backend is free. The backend takes the one whose turn it is,
// so that nobody who comes later, and finds a place just then, goes first. This is the pull model of
// Perlbal, whose backends ask for the next client when they are bored.
type queue struct {
	o       QueueOptions
	born    time.Time
	waiting atomic.Int64 // len(heap), for those who find room and need not take the lock

	mu    sync.Mutex
	heap  turns
	came  uint64    // how many have joined
	busy  time.Time // since when somebody waits
	pace  pace
	stats QueueStats
}

// QueueStats tell how the queue has been doing since [New].
type QueueStats struct {
	// Waiting is how many requests wait now, and Age how long the next of them has.
	Waiting int           `json:"waiting"`
	Age     time.Duration `json:"age_ns"`
	// Queued counts the requests that had to wait; Served those of them that were given to a backend
	// after waits of Waited in sum and Longest at most.
	Queued  uint64        `json:"queued"`
	Served  uint64        `json:"served"`
	Waited  time.Duration `json:"waited_ns"`
	Longest time.Duration `json:"longest_ns"`
	// Those that were refused: because too many waited (Crowded), because the wait would have been too
	// long (Hopeless) or was (Overstayed), for there was too much load for a while (Shed), in favour of
	// higher priority (Pushed). Left have gone by themselves.
	Crowded    uint64 `json:"crowded"`
	Hopeless   uint64 `json:"hopeless"`
	Shed       uint64 `json:"shed"`
	Overstayed uint64 `json:"overstayed"`
	Pushed     uint64 `json:"pushed"`
	Left       uint64 `json:"left"`
	// Pace is how many a second have been given to backends of late, while others waited; 0: not known.
	Pace float64 `json:"pace_per_s"`
}

func newQueue(o QueueOptions) *queue { return &queue{o: o, born: time.Now()} }

func (q *queue) snapshot() QueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Waiting = len(q.heap)
	if s.Waiting > 0 {
		s.Age = time.Since(q.heap[0].x.came)
	}
	if interval := q.pace.usual(); interval > 0 {
		s.Pace = float64(time.Second) / float64(interval)
	}
	return s
}

// wait returns when x has a backend, or with the reason why it gets none.
func (q *queue) wait(ctx context.Context, x *exchange) error {
	if q.o.Max < 0 {
		return errFull
	}
	now := time.Now()
	if x.came.IsZero() { // else it has failed somewhere and keeps its turn
		x.came = now
	}
	w := &waiter{x: x, ready: make(chan error, 1)}
	// All grow older at the same pace, so a priority is worth a head start, and the order of two
	// requests never changes.
	w.turn = x.came.Sub(q.born) - time.Duration(min(max(x.in.Priority, -mostPriority), mostPriority))*q.o.Ageing
	patience := q.o.MaxWait
	if end, ok := ctx.Deadline(); ok {
		patience = min(patience, end.Sub(now))
	}
	if err := q.join(w, now, patience); err != nil {
		return err
	}
	err := q.await(ctx, w, patience)
	x.b.o.Events.queued(x.in, time.Since(now), err)
	return err
}

// await is the rest of wait for who has joined.
func (q *queue) await(ctx context.Context, w *waiter, patience time.Duration) error {
	q.dispatch() // a place may have become free since it has looked for one
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var why error
	select {
	case err := <-w.ready:
		return err
	case <-ctx.Done():
		why = context.Cause(ctx)
	case <-timer.C:
		why = errOverstay
	}
	if q.quit(w, why) {
		return why
	}
	err := <-w.ready // somebody was faster
	if err == nil && ctx.Err() != nil {
		w.x.leave()
		return context.Cause(ctx)
	}
	return err
}

func (q *queue) join(w *waiter, now time.Time, patience time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.came++
	w.nth = q.came
	before := 0
	var last *waiter
	for _, o := range q.heap {
		if o.before(w) {
			before++
		}
		if last == nil || last.before(o) {
			last = o
		}
	}
	if len(q.heap) == 0 {
		q.busy = now
	}
	if q.pace.expect(before, now) > patience {
		q.stats.Hopeless++
		return errHopeless
	}
	// What counts here is how fast it moves when it does: backends that are restarted, or frozen for a
	// moment, are worth waiting for.
	if interval := q.pace.usual(); interval > 0 && now.Sub(q.busy) > q.o.Target {
		most := int(max(alwaysWait, q.o.Target/interval))
		if len(q.heap) > most && w.before(last) {
			// It came when the load was not known to be too much, or before others that matter more.
			q.stats.Shed++
			q.remove(last, errShed)
		}
		if before > most {
			q.stats.Shed++
			return errShed
		}
	}
	if len(q.heap) >= q.o.Max { // then last is still there
		if last.before(w) || last.x.in.Priority >= w.x.in.Priority {
			q.stats.Crowded++
			return errCrowded
		}
		q.stats.Pushed++
		q.remove(last, errPushed)
	}
	heap.Push(&q.heap, w)
	q.waiting.Store(int64(len(q.heap)))
	q.stats.Queued++
	return nil
}

// alwaysWait is how many may wait whatever the load: where a request takes seconds, one that waits for
// the next place is no sign of too much.
const alwaysWait = 8

// remove takes w out of the queue and tells it why: nil if it has a backend.
func (q *queue) remove(w *waiter, why error) {
	heap.Remove(&q.heap, w.index)
	q.waiting.Store(int64(len(q.heap)))
	w.ready <- why
}

// quit is for w itself, which does not want to wait any more; false: it has been removed already.
func (q *queue) quit(w *waiter, why error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.index < 0 {
		return false
	}
	if why == errOverstay {
		q.stats.Overstayed++
	} else {
		q.stats.Left++
	}
	q.remove(w, why)
	return true
}

// triedAtOnce is how many of the first in the queue are tried when there may be a place: what the first
// of them cannot use, because it has been there and failed, another one can.
const triedAtOnce = 8

// dispatch gives backends to those whose turn it is, as long as there are places. It is called
// whenever there may be one.
func (q *queue) dispatch() {
	if q.waiting.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var passed [triedAtOnce]*waiter
	n := 0
	for len(q.heap) > 0 && n < triedAtOnce {
		w := q.heap[0]
		switch err := w.x.pick(); err {
		case errFull:
			passed[n] = w
			n++
			heap.Pop(&q.heap)
		case nil:
			now := time.Now()
			w.x.queued = now.Sub(w.x.came)
			q.stats.Served++
			q.stats.Waited += w.x.queued
			q.stats.Longest = max(q.stats.Longest, w.x.queued)
			q.remove(w, nil)
			q.pace.handed(now, len(q.heap)+n > 0)
		default:
			q.remove(w, err)
		}
	}
	for _, w := range passed[:n] {
		heap.Push(&q.heap, w)
	}
	q.waiting.Store(int64(len(q.heap)))
}

// pace is how fast the queue has moved of late.
type pace struct {
	last    time.Time // somebody was handed to a backend while others went on waiting
	average time.Duration
	samples int
}

// paceSamples is how many are averaged, and paceNeeded how many are needed to say anything: places
// become free several at a time.
const (
	paceSamples = 32
	paceNeeded  = 8
)

func (p *pace) handed(now time.Time, others bool) {
	if !p.last.IsZero() {
		p.samples = min(p.samples+1, paceSamples)
		p.average += (now.Sub(p.last) - p.average) / time.Duration(p.samples)
	}
	p.last = now
	if !others {
		p.last = time.Time{} // the time until the next one is not the backends'
	}
}

// usual is the time between two who are handed to backends; 0: not known.
func (p *pace) usual() time.Duration {
	if p.samples < paceNeeded {
		return 0
	}
	return p.average
}

// expect is about how long one will wait who has so many before him; 0: not known. If the queue does not
// move, it may stand still for as long again as it has.
func (p *pace) expect(before int, now time.Time) time.Duration {
	interval := p.usual()
	if before == 0 || interval == 0 {
		return 0
	}
	wait := time.Duration(before) * interval
	if !p.last.IsZero() {
		wait += max(0, now.Sub(p.last)-interval)
	}
	return wait
}

func (w *waiter) before(o *waiter) bool {
	return w.turn < o.turn || w.turn == o.turn && w.nth < o.nth
}

// turns is a heap, first come first served.
type turns []*waiter

func (t turns) Len() int           { return len(t) }
func (t turns) Less(i, j int) bool { return t[i].before(t[j]) }

func (t turns) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

func (t *turns) Push(w any) {
	x := w.(*waiter)
	x.index = len(*t)
	*t = append(*t, x)
}

func (t *turns) Pop() any {
	old := *t
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	w.index = -1
	return w
}
