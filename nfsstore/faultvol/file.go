package faultvol

import (
	"context"
	"io/fs"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

type writer struct {
	v    *Vol
	w    vol.Writer
	name string
}

func (w *writer) Write(ctx context.Context, p []byte) error {
	return w.v.do(ctx, Op{Verb: "write", Name: w.name}, func() error { return w.w.Write(ctx, p) })
}

func (w *writer) Sync(ctx context.Context) error {
	return w.v.do(ctx, Op{Verb: "sync", Name: w.name}, func() error { return w.w.Sync(ctx) })
}

// Close always closes, whatever it says.
func (w *writer) Close(ctx context.Context) error {
	closed := false
	err := w.v.do(ctx, Op{Verb: "close", Name: w.name}, func() error {
		closed = true
		return w.w.Close(ctx)
	})
	if !closed {
		_ = w.w.Close(ctx) // the fault is what is told
	}
	return err
}

// A file is one whose reads have faults too.
type file struct {
	vol.File
	v    *Vol
	name string
}

func (f *file) Read(p []byte) (n int, err error) {
	err = f.v.do(context.Background(), Op{Verb: "read", Name: f.name}, func() (err error) {
		n, err = f.File.Read(p)
		return err
	})
	return n, err
}

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.v.do(context.Background(), Op{Verb: "read", Name: f.name}, func() (err error) {
		n, err = f.File.ReadAt(p, off)
		return err
	})
	return n, err
}

func (f *file) Detach() {
	if d, ok := f.File.(vol.Detacher); ok {
		d.Detach()
	}
}

// A dir counts each ReadDir.
type dir struct {
	v    *Vol
	d    vol.Dir
	ctx  context.Context
	name string
}

func (d *dir) ReadDir(n int) (entries []fs.DirEntry, err error) {
	err = d.v.do(d.ctx, Op{Verb: "readdir", Name: d.name}, func() (err error) {
		entries, err = d.d.ReadDir(n)
		return err
	})
	return entries, err
}

func (d *dir) Close() error { return d.d.Close() }
