package nfsstore

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// gateWait bounds the time a call waits for others that hang.
const gateWait = 10 * time.Second

// A gate bounds how many calls can be stuck in the file system: on a mount whose server is gone each
// holds a thread, and Go dies of too many.
type gate struct {
	slots chan struct{}
	// apart makes calls run in goroutines of their own, which a context can leave behind in their
	// slots when they hang in the kernel. It costs a switch between goroutines, so a local disk and
	// a volume that itself honours contexts do without.
	apart bool

	// full is when all slots were taken and none was given back since, in nanoseconds of the
	// clock since start; 0: that is not so.
	full  atomic.Int64
	start time.Time
}

func newGate(n int, apart bool) *gate {
	return &gate{slots: make(chan struct{}, n), apart: apart, start: time.Now()}
}

// enter waits for a slot. The caller must call leave when it returned nil.
func (g *gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g.slots <- struct{}{}:
		if g.full.Load() != 0 {
			g.full.Store(0)
		}
		return nil
	default:
	}
	if g.hung() {
		return g.refuse()
	}
	t := time.NewTimer(gateWait)
	defer t.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return g.refuse()
	}
}

// hung reports whether all slots have been taken for so long that waiting has no use. As soon as one
// of the calls in them comes back, it has again.
func (g *gate) hung() bool {
	now := int64(time.Since(g.start)) + 1
	if g.full.CompareAndSwap(0, now) {
		return false
	}
	since := g.full.Load()
	return since != 0 && now-since > int64(gateWait)
}

func (g *gate) refuse() error {
	return &failure{op: "wait", kind: ErrUnavailable, sentence: fmt.Sprintf(
		"%d calls to the file system have not returned for %v; its disk or server hangs", cap(g.slots), gateWait)}
}

func (g *gate) leave() {
	<-g.slots
	if g.full.Load() != 0 {
		g.full.Store(0)
	}
}

// do runs f inside the gate. What f shares with its caller it may write only as its last act, and
// the caller may look at it only when do returned nil or an error of f: use [through] for results.
func (g *gate) do(ctx context.Context, f func() error) error {
	if !g.apart {
		if err := g.enter(ctx); err != nil {
			return err
		}
		defer g.leave()
		return f()
	}
	_, err := through(ctx, g, func() (struct{}, error) { return struct{}{}, f() }, nil)
	return err
}

// through runs f inside the gate and returns what it returns. When ctx ends while f hangs, it
// returns the error of ctx, f stays in its slot, and late (unless nil) gets what f returns in the
// end without an error.
func through[T any](ctx context.Context, g *gate, f func() (T, error), late func(T)) (T, error) {
	var zero T
	if err := g.enter(ctx); err != nil {
		return zero, err
	}
	if !g.apart {
		defer g.leave()
		return f()
	}
	type result struct {
		v   T
		err error
	}
	var settled atomic.Bool // by the one who comes first: f with its result, or the end of ctx
	done := make(chan result, 1)
	go func() {
		defer g.leave()
		v, err := f()
		switch {
		case settled.CompareAndSwap(false, true):
			done <- result{v, err}
		case err == nil && late != nil:
			late(v)
		}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		if settled.CompareAndSwap(false, true) {
			return zero, ctx.Err()
		}
		r := <-done
		return r.v, r.err
	}
}

// A gatedReader reads inside a gate, and not after the end of its context. The buffers it was given
// must not be used again once it returned the error of the context.
type gatedReader struct {
	ctx context.Context
	g   *gate
	r   io.Reader
}

func (f gatedReader) Read(p []byte) (n int, err error) {
	return through(f.ctx, f.g, func() (int, error) { return f.r.Read(p) }, nil)
}
