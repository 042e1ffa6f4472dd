package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

// A load is what programs write, and what they were told.
type load struct {
	router *replica.Router

	mu      sync.Mutex
	next    int
	acked   []int // numbers of rows
	unknown []int // nobody knows: the connection broke while they were confirmed
	failed  []int // surely not done
	last    time.Time
	gap     time.Duration // the longest time without an acknowledgement
}

const (
	writers = 8
	// pace is the time from one write of a writer to its next: about 500 a second in all.
	pace = 16 * time.Millisecond
	// budget is how long a writer waits for one row.
	budget = 5 * time.Second
)

// run writes until ctx ends.
func (l *load) run(ctx context.Context) error {
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					l.write(ctx)
				}
			}
		})
	}
	all.Wait()
	return nil
}

func (l *load) write(ctx context.Context) {
	l.mu.Lock()
	l.next++
	row := l.next
	l.mu.Unlock()
	// A write that was begun is also finished when the drill ends.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), budget)
	defer cancel()
	_, err := l.router.Write(ctx).ExecContext(ctx, "INSERT INTO notes VALUES (?)", row)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		now := time.Now()
		if !l.last.IsZero() {
			l.gap = max(l.gap, now.Sub(l.last))
		}
		l.last = now
		l.acked = append(l.acked, row)
	case errors.Is(err, replica.ErrUnknownOutcome), errors.Is(err, context.DeadlineExceeded):
		l.unknown = append(l.unknown, row)
	default:
		l.failed = append(l.failed, row)
	}
}

// count returns how many rows are acknowledged.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}
