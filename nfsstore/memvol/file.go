package memvol

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"path"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// An info is what a node was at one moment.
type info struct {
	n     *node
	name  string
	size  int64
	mtime time.Time
	links int64
}

// info is called with the memory locked.
func (n *node) info(name string) info {
	return info{n, path.Base(name), int64(len(n.data)), n.mtime, int64(n.links)}
}

func (i info) Name() string               { return i.name }
func (i info) Size() int64                { return i.size }
func (i info) Mode() fs.FileMode          { return i.n.mode }
func (i info) Type() fs.FileMode          { return i.n.mode.Type() }
func (i info) ModTime() time.Time         { return i.mtime }
func (i info) IsDir() bool                { return i.n.mode.IsDir() }
func (i info) Sys() any                   { return nil }
func (i info) Links() int64               { return i.links }
func (i info) Info() (fs.FileInfo, error) { return i, nil }

// Create implements [vol.Vol].
func (v *Vol) Create(ctx context.Context, name string) (vol.Writer, error) {
	w := &writer{m: v.memory, n: &node{mode: 0o444, mtime: time.Now(), links: 1}}
	err := v.in(ctx, "create", name, func() error {
		w.life = v.life
		return v.add(name, w.n)
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

type writer struct {
	m      *memory
	n      *node
	life   int
	closed bool
}

func (w *writer) in(ctx context.Context, op string, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	switch {
	case w.closed:
		return fs.ErrClosed
	case w.life != w.m.life:
		return refuse(op, "file", syscall.ESTALE)
	}
	return f()
}

func (w *writer) Write(ctx context.Context, p []byte) error {
	return w.in(ctx, "write", func() error {
		if w.m.usedBytes+int64(len(p)) > w.m.bytes {
			return refuse("write", "file", syscall.ENOSPC)
		}
		w.n.data = append(w.n.data, p...)
		w.n.mtime = time.Now()
		if w.n.links > 0 {
			w.m.usedBytes += int64(len(p))
		}
		return nil
	})
}

func (w *writer) Sync(ctx context.Context) error {
	return w.in(ctx, "sync", func() error {
		w.n.synced = len(w.n.data)
		return nil
	})
}

func (w *writer) Close(context.Context) error {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	if w.closed {
		return fs.ErrClosed
	}
	w.closed = true
	return nil
}

// Open implements [vol.Vol].
func (v *Vol) Open(ctx context.Context, name string) (vol.File, error) {
	f := &file{m: v.memory}
	err := v.in(ctx, "open", name, func() error {
		n, err := v.find(name)
		if err != nil {
			return err
		}
		f.info, f.life = n.info(name), v.life
		f.r = bytes.NewReader(n.data)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// A file is open for reading. It has the bytes that were there when it was opened.
type file struct {
	m    *memory
	info info
	life int

	mu     sync.Mutex
	r      *bytes.Reader
	closed bool
}

func (f *file) usable(op string) error {
	switch {
	case f.closed:
		return refuse(op, f.info.name, fs.ErrClosed)
	case f.info.IsDir():
		return refuse(op, f.info.name, syscall.EISDIR)
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.life != f.m.life {
		return refuse(op, f.info.name, syscall.ESTALE)
	}
	return nil
}

func (f *file) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable("read"); err != nil {
		return 0, err
	}
	return f.r.Read(p)
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable("read"); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, refuse("read", f.info.name, fs.ErrInvalid)
	}
	return f.r.ReadAt(p, off)
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable("seek"); err != nil {
		return 0, err
	}
	at, err := f.r.Seek(offset, whence)
	if err != nil {
		return 0, refuse("seek", f.info.name, fs.ErrInvalid)
	}
	return at, nil
}

func (f *file) Stat() (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, refuse("stat", f.info.name, fs.ErrClosed)
	}
	return f.info, nil
}

func (f *file) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable("sync"); err != nil {
		return err
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.info.n.synced = len(f.info.n.data)
	return nil
}

func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return refuse("close", f.info.name, fs.ErrClosed)
	}
	f.closed = true
	return nil
}

// OpenDir implements [vol.Vol].
func (v *Vol) OpenDir(ctx context.Context, name string) (vol.Dir, error) {
	d := &dir{ctx: ctx}
	err := v.in(ctx, "open", name, func() error {
		n, err := v.find(name)
		if err != nil {
			return err
		}
		if n.entries == nil {
			return syscall.ENOTDIR
		}
		for base, child := range n.entries {
			d.left = append(d.left, child.info(base))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// A dir is an open directory, with the entries it had when it was opened.
type dir struct {
	ctx  context.Context
	left []fs.DirEntry
}

func (d *dir) ReadDir(n int) ([]fs.DirEntry, error) {
	if err := d.ctx.Err(); err != nil {
		return nil, err
	}
	if len(d.left) == 0 {
		return nil, io.EOF
	}
	k := min(n, len(d.left))
	got := d.left[:k:k]
	d.left = d.left[k:]
	return got, nil
}

func (d *dir) Close() error {
	d.left = nil
	return nil
}
