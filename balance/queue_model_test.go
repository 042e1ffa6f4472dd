package balance

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// modelWaiter is what an oracle knows of one that waits.
type modelWaiter struct {
	nth, priority int
	came          time.Duration
}

// oracleFirst is who is next by the rule as it is told: who waits longest, a priority being worth some time.
func oracleFirst(list []modelWaiter, ageing time.Duration) int {
	best := 0
	for i := range list {
		worth := func(w modelWaiter) time.Duration { return w.came - time.Duration(w.priority)*ageing }
		if c := cmp.Compare(worth(list[i]), worth(list[best])); c < 0 || c == 0 && list[i].nth < list[best].nth {
			best = i
		}
	}
	return best
}

// A modelStep is that somebody comes, or that the next is served.
type modelStep struct {
	After    time.Duration
	Serve    bool
	Priority int
}

// TestQueueModel: requests come and are served in any order at any time; the queue serves them in the order
// of the oracle, takes the places of those the oracle would serve last, and counts right.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		most := rapid.IntRange(1, 6).Draw(rt, "max")
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) modelStep {
			return modelStep{
				After:    time.Duration(rapid.IntRange(0, 1500).Draw(rt, "ms")) * time.Millisecond,
				Serve:    rapid.IntRange(0, 2).Draw(rt, "what") == 0,
				Priority: rapid.IntRange(-2, 2).Draw(rt, "priority"),
			}
		}), 1, 40).Draw(rt, "steps")
		var err error
		synctest.Test(t, func(t *testing.T) { err = playQueue(t, most, steps) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func playQueue(t *testing.T, most int, steps []modelStep) error {
	const ageing = time.Second
	b, err := New([]Backend{{Name: "a", Handler: says(""), MaxInFlight: 1}},
		&Options{Queue: QueueOptions{Max: most, Ageing: ageing, Target: time.Hour, MaxWait: 24 * time.Hour}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type ended struct {
		nth int
		err error
		x   *exchange
	}
	ends := make(chan ended, len(steps))
	serving := &exchange{b: b}
	if err := serving.next(ctx); err != nil {
		return err
	}
	start := time.Now()
	var waits []modelWaiter
	var want QueueStats
	expect := func(nth int, why error) (*exchange, error) {
		synctest.Wait()
		if len(ends) != 1 {
			return nil, fmt.Errorf("%d have ended, want %d with %v", len(ends), nth, why)
		}
		e := <-ends
		if e.nth != nth || e.err != why {
			return nil, fmt.Errorf("%d has ended with %v, want %d with %v", e.nth, e.err, nth, why)
		}
		return e.x, nil
	}
	serve := func() (err error) {
		i := oracleFirst(waits, ageing)
		serving.leave()
		if serving, err = expect(waits[i].nth, nil); err != nil {
			return err
		}
		waits = slices.Delete(waits, i, i+1)
		want.Served++
		return nil
	}
	for nth, step := range steps {
		time.Sleep(step.After)
		if step.Serve {
			if len(waits) > 0 {
				if err := serve(); err != nil {
					return err
				}
			}
			continue
		}
		w := modelWaiter{nth, step.Priority, time.Since(start)}
		x := &exchange{b: b, in: Info{Priority: w.priority}}
		go func() { ends <- ended{nth, x.next(ctx), x} }()
		synctest.Wait()
		if len(waits) < most {
			waits = append(waits, w)
			want.Queued++
			continue
		}
		last := oracleLast(waits, ageing)
		if o := waits[last]; oracleFirst([]modelWaiter{o, w}, ageing) == 0 || o.priority >= w.priority {
			if _, err := expect(nth, errCrowded); err != nil {
				return err
			}
			want.Crowded++
			continue
		}
		if _, err := expect(waits[last].nth, errPushed); err != nil {
			return err
		}
		waits = append(slices.Delete(waits, last, last+1), w)
		want.Pushed++
		want.Queued++
	}
	want.Waiting = len(waits)
	got := b.Stats().Queue
	got.Age, got.Waited, got.Longest, got.Pace = 0, 0, 0, 0
	if got != want {
		return fmt.Errorf("%+v, want %+v", got, want)
	}
	for len(waits) > 0 {
		if err := serve(); err != nil {
			return err
		}
	}
	serving.leave()
	if n := inFlight(b); n != 0 {
		return fmt.Errorf("%d are in flight at the end", n)
	}
	return nil
}

func oracleLast(list []modelWaiter, ageing time.Duration) (last int) {
	rest := slices.Clone(list)
	for len(rest) > 1 {
		i := oracleFirst(rest, ageing)
		rest = slices.Delete(rest, i, i+1)
	}
	return slices.Index(list, rest[0])
}

// BenchmarkQueue is what a request costs that is refused or takes a place while a thousand wait, without
// the network, and what one costs that finds room at once where there is a limit.
func BenchmarkQueue(b *testing.B) {
	full := func(b *testing.B, o QueueOptions) *queue {
		q := newQueue(o)
		if err := q.o.check(); err != nil {
			b.Fatal(err)
		}
		for range q.o.Max {
			if err := q.join(&waiter{x: &exchange{}, turn: time.Since(q.born), ready: make(chan error, 1)}, time.Now(), time.Hour); err != nil {
				b.Fatal(err)
			}
		}
		return q
	}
	b.Run("crowded", func(b *testing.B) {
		q := full(b, QueueOptions{})
		b.ReportAllocs()
		for b.Loop() {
			if err := q.join(&waiter{x: &exchange{}, turn: time.Hour}, time.Now(), time.Hour); err != errCrowded {
				b.Fatal(err)
			}
		}
	})
	b.Run("room", func(b *testing.B) {
		bal := mustNew(b, []Backend{{Name: "a", Handler: says(""), MaxInFlight: 8}, {Name: "b", Handler: says(""), MaxInFlight: 8}}, nil)
		b.ReportAllocs()
		for b.Loop() {
			x := exchange{b: bal}
			if err := x.next(b.Context()); err != nil {
				b.Fatal(err)
			}
			x.leave()
		}
	})
}
