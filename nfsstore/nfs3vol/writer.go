package nfs3vol

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"sync"

	"github.com/sugarlabs/beamrider/nfsstore/internal/fence"
	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
	"github.com/sugarlabs/beamrider/nfsstore/internal/tempname"
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
	if _, is := tempname.Time(path.Base(name)); !is {
		f, err := c.Create(ctx, name, 0o444)
		if err != nil {
			return nil, told(err)
		}
		return &writer{f: f}, nil
	}
	f, err := createTemp(ctx, c, name)
	if err != nil {
		return nil, told(err)
	}
	x.temps.put(name, f)
	return &writer{f: f}, nil
}

// createTemp makes a file whose name nobody else would make, which takes one request. When the reply is
// lost, a file of that name is ours.
func createTemp(ctx context.Context, c *nfs3.Client, name string) (f *nfs3.File, err error) {
	for try := range tryTimes {
		f, err = c.CreateGuarded(ctx, name, 0o444)
		if try > 0 && errors.Is(err, fs.ErrExist) {
			return c.Open(ctx, name)
		}
		if !lost(ctx, err) {
			break
		}
	}
	return f, err
}

// maxTemps is how many temporary files are known; of more the server is asked.
const maxTemps = 1024

// temps holds the temporary files of this volume, whose names never become those of others: to give one
// another name it need not be looked up.
type temps struct {
	mu sync.Mutex
	m  map[string]*nfs3.File
}

func (m *temps) put(name string, f *nfs3.File) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.m == nil || len(m.m) >= maxTemps {
		m.m = make(map[string]*nfs3.File)
	}
	m.m[name] = f
}

// get returns nil for a file that is not known.
func (m *temps) get(name string) *nfs3.File {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.m[name]
}

func (m *temps) drop(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.m, name)
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
		if err = t.f.WriteSync(ctx, t.window, t.at); !errors.Is(err, nfs3.ErrRewrite) {
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
	err := p.f.WriteSync(ctx, []byte{'\n'}, at)
	if errors.Is(err, nfs3.ErrRewrite) {
		return errors.Join(fence.ErrAgain, err)
	}
	return err
}

func (p pale) Close(context.Context) error { return p.f.Close() }
