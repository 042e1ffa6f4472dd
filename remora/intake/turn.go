package intake

import (
	"context"
	"sync"
)

// A turn is one bundle's place in a batch. Bundles are checked and stored side by side, but
// recorded one after the other in the order they were found, so that the same folder gets the same
// ids wherever it is imported. A nil turn waits for nobody.
type turn struct {
	before <-chan struct{} // closed when the one before has been recorded, or never will be
	done   chan struct{}
	once   sync.Once
}

// turns returns a function that gives the next place.
func turns() func() *turn {
	first := make(chan struct{})
	close(first)
	var before <-chan struct{} = first
	return func() *turn {
		t := &turn{before: before, done: make(chan struct{})}
		before = t.done
		return t
	}
}

// wait returns when it is this one's turn, or ctx ends.
func (t *turn) wait(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case <-t.before:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pass lets the next one go on, once those before have; a second call does nothing.
func (t *turn) pass() {
	if t == nil {
		return
	}
	t.once.Do(func() {
		// One that failed early must not let the next overtake those before it. They hold no lock
		// and wait only for their own predecessors, so this ends.
		<-t.before
		close(t.done)
	})
}
