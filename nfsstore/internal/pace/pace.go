// Package pace bounds how many bytes pass in a second.
package pace

import (
	"context"
	"io"
	"math"
	"sync"
	"time"
)

// burst is how much may pass at once after a time in which nothing did.
const burst = time.Second / 4

// A Pace is shared by all who are to keep to it together. Its methods may be called concurrently; a nil
// Pace bounds nothing.
type Pace struct {
	rate float64 // bytes a second

	mu   sync.Mutex
	free time.Time // when all that was let pass has had its time
}

// New returns a Pace of so many bytes a second; nil when there are none, or fewer.
func New(bytesPerSecond int64) *Pace {
	if bytesPerSecond <= 0 {
		return nil
	}
	return &Pace{rate: float64(bytesPerSecond)}
}

// Wait returns when n more bytes may pass, or with the error of ctx; then they do not count. Whoever
// comes later waits longer, so that pieces of any size keep to the pace.
func (p *Pace) Wait(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil || p == nil || n <= 0 {
		return err
	}
	wait, takes := p.take(n)
	if wait <= 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		p.free = p.free.Add(-takes)
		return ctx.Err()
	}
}

// take counts n bytes, and returns how long to wait before they may pass and how long they take.
func (p *Pace) take(n int) (wait, takes time.Duration) {
	// A pace of a byte a second and a piece of gigabytes: forever is long enough.
	takes = time.Duration(min(float64(n)/p.rate*float64(time.Second), math.MaxInt64/4))
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if start := now.Add(-burst); p.free.Before(start) {
		p.free = start
	}
	wait = p.free.Sub(now)
	p.free = p.free.Add(takes)
	return wait, takes
}

// Piece returns how much of n bytes to ask for at a time, so that what is read keeps flowing at a low pace.
func (p *Pace) Piece(n int) int {
	if p == nil {
		return n
	}
	return min(n, max(int(min(p.rate*burst.Seconds(), math.MaxInt32)), 1))
}

// Reader returns a reader of what r holds that keeps to the pace, until ctx ends.
func (p *Pace) Reader(ctx context.Context, r io.Reader) io.Reader {
	if p == nil {
		return r
	}
	return &reader{ctx, p, r}
}

type reader struct {
	ctx context.Context
	p   *Pace
	r   io.Reader
}

func (r *reader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b[:r.p.Piece(len(b))])
	// What was read has passed already; the next waits for it.
	if werr := r.p.Wait(r.ctx, n); err == nil {
		err = werr
	}
	return n, err
}
