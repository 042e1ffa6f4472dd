package nfs3vol

import (
	"context"
	"errors"
	"io"

	"github.com/sugarlabs/beamrider/nfsstore/internal/fence"
	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// window is how much of a file is written before the server is asked to flush it. It is kept until
// then, because a server that restarts may have forgotten it.
const window = 1 << 20

// A writer is a file that is written window by window.
type writer struct {
	f       *nfs3.File
	at      int64  // all before it is safe
	window  []byte // what comes after it
	flushed bool
}

// Create implements [vol.Vol].
func (x *Vol) Create(ctx context.Context, name string) (vol.Writer, error) {
	if err := vol.Invalid("create", name); err != nil {
		return nil, err
	}
	c, err := x.dial(ctx)
	if err != nil {
		return nil, told(err)
	}
	f, err := c.Create(ctx, name, 0o444)
	if err != nil {
		return nil, told(err)
	}
	return &writer{f: f}, nil
}

func (t *writer) Write(ctx context.Context, p []byte) error {
	for len(p) > 0 {
		n := min(len(p), window-len(t.window))
		t.window, p = append(t.window, p[:n]...), p[n:]
		if len(t.window) == window {
			if err := t.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *writer) Sync(ctx context.Context) error {
	if len(t.window) == 0 && t.flushed {
		return nil
	}
	return t.flush(ctx)
}

func (t *writer) flush(ctx context.Context) (err error) {
	for range tryTimes {
		if err = writeSync(ctx, t.f, t.window, t.at); !errors.Is(err, nfs3.ErrRewrite) {
			break
		}
	}
	if err != nil {
		return told(err)
	}
	t.at += int64(len(t.window))
	t.window, t.flushed = t.window[:0], true
	return nil
}

// writeSync writes and flushes; [nfs3.ErrRewrite] asks for doing it again.
func writeSync(ctx context.Context, f *nfs3.File, p []byte, at int64) error {
	n, err := f.WriteAt(ctx, p, at)
	switch {
	case err != nil:
		return err
	case n < len(p):
		return io.ErrShortWrite
	}
	return f.Sync(ctx)
}

func (t *writer) Close(context.Context) error {
	t.window = nil
	return told(t.f.Close())
}

// ground is where the fence stands: in the export itself.
type ground struct{ x *Vol }

func (g ground) Make(ctx context.Context, name string) (fence.File, error) {
	c, err := g.x.dial(ctx)
	if err != nil {
		return nil, err
	}
	f, err := c.Create(ctx, name, 0o600)
	if err != nil {
		return nil, err
	}
	return pale{f}, nil
}

func (g ground) Remove(ctx context.Context, name string) error { return g.x.Remove(ctx, name) }

// A pale is the file of the fence.
type pale struct{ f *nfs3.File }

func (p pale) Grow(ctx context.Context, at int64) error {
	err := writeSync(ctx, p.f, []byte{'\n'}, at)
	if errors.Is(err, nfs3.ErrRewrite) {
		return errors.Join(fence.ErrAgain, err)
	}
	return err
}

func (p pale) Close(context.Context) error { return p.f.Close() }
