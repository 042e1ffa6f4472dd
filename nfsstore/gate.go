package nfsstore

import (
	"context"
	"fmt"
	"io"
	"time"
)

// gateWait bounds the time a call waits for others that hang.
const gateWait = 10 * time.Second

// A gate bounds how many threads can be stuck in the kernel on a mount whose server is gone: Go
// starts a thread for each such call and dies of too many.
type gate chan struct{}

// enter waits for a place. The caller must call leave when it returned nil.
func (g gate) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g <- struct{}{}:
		return nil
	default:
	}
	t := time.NewTimer(gateWait)
	defer t.Stop()
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return &failure{op: "wait", kind: ErrUnavailable, sentence: fmt.Sprintf(
			"%d calls to the file system have not returned for %v; its disk or server hangs", cap(g), gateWait)}
	}
}

func (g gate) leave() { <-g }

// do runs f inside the gate.
func (g gate) do(ctx context.Context, f func() error) error {
	if err := g.enter(ctx); err != nil {
		return err
	}
	defer g.leave()
	return f()
}

// A gated reads and writes inside a gate, and not after the end of its context.
type gated struct {
	ctx context.Context
	g   gate
	r   io.Reader
	w   io.Writer
}

func (f gated) Read(p []byte) (n int, err error) {
	if err := f.g.enter(f.ctx); err != nil {
		return 0, err
	}
	defer f.g.leave()
	return f.r.Read(p)
}

func (f gated) Write(p []byte) (n int, err error) {
	if err := f.g.enter(f.ctx); err != nil {
		return 0, err
	}
	defer f.g.leave()
	return f.w.Write(p)
}
