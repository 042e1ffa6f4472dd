// Package faultvol is a volume ([vol.Vol]) that puts faults into another one, for tests: errors before or
// after an operation took effect, replies that are lost or late, calls that hang, and the moment from
// which on nothing happens any more.
package faultvol

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// An Op is one operation, in the order in which they begin.
type Op struct {
	N    int    // from 0, since the last Plan
	Verb string // create, write, sync, close (of a new file), open, read, opendir, readdir, stat, mkdir, link, rename, move, remove, persist, space
	Name string // that it is about; of link, rename and move the old one
	To   string // of link, rename and move
	Gone bool   // of persist: the absence is to be made safe
}

// String is the verb and the names.
func (o Op) String() string {
	switch {
	case o.To != "":
		return o.Verb + " " + o.Name + " → " + o.To
	case o.Gone:
		return o.Verb + " the absence of " + o.Name
	}
	return o.Verb + " " + o.Name
}

// A Fault is what happens to an operation. The zero value is none.
type Fault struct {
	// Err is what the operation returns, without having been done, or with Done after it was done:
	// its reply is lost. nil: what it returns by itself.
	Err  error
	Done bool
	// Hold makes the operation wait, before anything else, until the channel is closed or its
	// context ends; with Deaf whatever becomes of its context, as in the kernel.
	Hold <-chan struct{}
	Deaf bool
	// Crash lets nothing happen from now on: this operation and all later ones fail with ErrCrashed,
	// with Done after this one was done.
	Crash bool
}

// ErrCrashed is what operations return after a crash.
var ErrCrashed = errors.New("the volume has crashed")

// A Vol is a volume with faults. Its methods may be called concurrently.
type Vol struct {
	inner vol.Vol

	mu      sync.Mutex
	plan    func(Op) Fault
	n       int
	crashed bool
}

var _ interface {
	vol.Vol
	vol.Mover
	vol.Keeper
	vol.Refresher
} = (*Vol)(nil)

// New returns a volume that does what inner does, but for the faults of the plan; see [Vol.Plan].
func New(inner vol.Vol, plan func(Op) Fault) *Vol { return &Vol{inner: inner, plan: plan} }

// Plan sets what is asked, before each operation, for its fault; nil: there are none. It is called by
// one goroutine at a time. Operations are counted anew, and a crash is over.
func (v *Vol) Plan(plan func(Op) Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.plan, v.n, v.crashed = plan, 0, false
}

// Unwrap returns the volume without faults.
func (v *Vol) Unwrap() vol.Vol { return v.inner }

// next counts an operation and asks for its fault.
func (v *Vol) next(op Op) Fault {
	v.mu.Lock()
	defer v.mu.Unlock()
	op.N = v.n
	v.n++
	if v.crashed {
		return Fault{Err: ErrCrashed}
	}
	var f Fault
	if v.plan != nil {
		f = v.plan(op)
	}
	if f.Crash {
		v.crashed = true
		if f.Err == nil {
			f.Err = ErrCrashed
		}
	}
	return f
}

// do carries out an operation with its fault.
func (v *Vol) do(ctx context.Context, op Op, f func() error) error {
	fault := v.next(op)
	if fault.Hold != nil {
		over := ctx.Done()
		if fault.Deaf {
			over = nil
		}
		select {
		case <-fault.Hold:
		case <-over:
			return ctx.Err()
		}
	}
	if fault.Err != nil && !fault.Done {
		return fault.Err
	}
	err := f()
	if fault.Err != nil {
		return fault.Err
	}
	return err
}

// get is do for operations with a result. What is opened though its reply is lost is closed by late.
func get[T any](ctx context.Context, v *Vol, op Op, f func() (T, error), late func(T)) (T, error) {
	var got T
	done := false
	err := v.do(ctx, op, func() (err error) {
		got, err = f()
		done = err == nil
		return err
	})
	if err == nil {
		return got, nil
	}
	if done && late != nil {
		late(got)
	}
	var none T
	return none, err
}

// Create implements [vol.Vol].
func (v *Vol) Create(ctx context.Context, name string) (vol.Writer, error) {
	w, err := get(ctx, v, Op{Verb: "create", Name: name},
		func() (vol.Writer, error) { return v.inner.Create(ctx, name) },
		func(w vol.Writer) { _ = w.Close(ctx) }) // nobody could be told
	if err != nil {
		return nil, err
	}
	return &writer{v, w, name}, nil
}

// Open implements [vol.Vol]. Reads of the file are operations too.
func (v *Vol) Open(ctx context.Context, name string) (vol.File, error) {
	f, err := get(ctx, v, Op{Verb: "open", Name: name},
		func() (vol.File, error) { return v.inner.Open(ctx, name) },
		func(f vol.File) { _ = f.Close() }) // nobody could be told
	if err != nil {
		return nil, err
	}
	return &file{f, v, name}, nil
}

// OpenDir implements [vol.Vol].
func (v *Vol) OpenDir(ctx context.Context, name string) (vol.Dir, error) {
	d, err := get(ctx, v, Op{Verb: "opendir", Name: name},
		func() (vol.Dir, error) { return v.inner.OpenDir(ctx, name) },
		func(d vol.Dir) { _ = d.Close() }) // nobody could be told
	if err != nil {
		return nil, err
	}
	return &dir{v, d, ctx, name}, nil
}

// Stat implements [vol.Vol].
func (v *Vol) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	return get(ctx, v, Op{Verb: "stat", Name: name}, func() (fs.FileInfo, error) { return v.inner.Stat(ctx, name) }, nil)
}

// Same implements [vol.Vol]. It is no operation.
func (v *Vol) Same(a, b fs.FileInfo) bool { return v.inner.Same(a, b) }

// Mkdir implements [vol.Vol].
func (v *Vol) Mkdir(ctx context.Context, name string) error {
	return v.do(ctx, Op{Verb: "mkdir", Name: name}, func() error { return v.inner.Mkdir(ctx, name) })
}

// Link implements [vol.Vol].
func (v *Vol) Link(ctx context.Context, from, to string) error {
	return v.do(ctx, Op{Verb: "link", Name: from, To: to}, func() error { return v.inner.Link(ctx, from, to) })
}

// Rename implements [vol.Vol].
func (v *Vol) Rename(ctx context.Context, from, to string) error {
	return v.do(ctx, Op{Verb: "rename", Name: from, To: to}, func() error { return v.inner.Rename(ctx, from, to) })
}

// Move implements [vol.Mover], where the volume without faults does.
func (v *Vol) Move(ctx context.Context, from, to string) error {
	return v.do(ctx, Op{Verb: "move", Name: from, To: to}, func() error {
		m, ok := v.inner.(vol.Mover)
		if !ok {
			return errors.ErrUnsupported
		}
		return m.Move(ctx, from, to)
	})
}

// Remove implements [vol.Vol].
func (v *Vol) Remove(ctx context.Context, name string) error {
	return v.do(ctx, Op{Verb: "remove", Name: name}, func() error { return v.inner.Remove(ctx, name) })
}

// Persist implements [vol.Vol].
func (v *Vol) Persist(ctx context.Context, name string, there bool) error {
	return v.do(ctx, Op{Verb: "persist", Name: name, Gone: !there}, func() error { return v.inner.Persist(ctx, name, there) })
}

// Space implements [vol.Vol].
func (v *Vol) Space(ctx context.Context) (vol.Space, error) {
	return get(ctx, v, Op{Verb: "space", Name: "."}, func() (vol.Space, error) { return v.inner.Space(ctx) }, nil)
}

// Caps implements [vol.Vol].
func (v *Vol) Caps() vol.Caps { return v.inner.Caps() }

// String implements [vol.Vol].
func (v *Vol) String() string { return v.inner.String() }

// Keeps implements [vol.Keeper].
func (v *Vol) Keeps(name string) bool {
	k, ok := v.inner.(vol.Keeper)
	return ok && k.Keeps(name)
}

// Refresh implements [vol.Refresher]. It is no operation.
func (v *Vol) Refresh(ctx context.Context, name string) bool {
	r, ok := v.inner.(vol.Refresher)
	return ok && r.Refresh(ctx, name)
}

// Close closes the volume without faults, also after a crash.
func (v *Vol) Close() error { return v.inner.Close() }
