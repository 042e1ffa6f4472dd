package nfs3vol

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"math"
	"syscall"

	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// Open implements [vol.Vol]. The file knows the size it had when it was opened.
func (x *Vol) Open(ctx context.Context, name string) (vol.File, error) {
	if err := vol.Invalid("open", name); err != nil {
		return nil, err
	}
	c, err := x.dial(ctx)
	if err != nil {
		return nil, told(err)
	}
	f, err := c.Open(ctx, name)
	switch {
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.EINVAL):
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist} // no regular file
	case err != nil:
		return nil, told(err)
	}
	return newFile(ctx, x, name, f), nil
}

// Stat implements [vol.Vol].
func (x *Vol) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	if err := vol.Invalid("stat", name); err != nil {
		return nil, err
	}
	c, err := x.dial(ctx)
	if err != nil {
		return nil, told(err)
	}
	info, err := c.Stat(ctx, name)
	if err != nil {
		return nil, told(err) // and not a nil *Info, which is no nil
	}
	return info, nil
}

// Same implements [vol.Vol].
func (x *Vol) Same(a, b fs.FileInfo) bool {
	ia, oka := a.(*nfs3.Info)
	ib, okb := b.(*nfs3.Info)
	return oka && okb && ia.Same(ib)
}

// Mkdir implements [vol.Vol]. When the reply is lost it asks again, and may then report the directory
// that it has made as one that exists.
func (x *Vol) Mkdir(ctx context.Context, name string) error {
	return x.change(ctx, "mkdir", name, func(c *nfs3.Client) (err error) {
		for range tryTimes {
			if err = c.Mkdir(ctx, name, 0o755); !lost(ctx, err) {
				break
			}
		}
		return err
	})
}

// Link implements [vol.Vol]. When the reply is lost, the name tells whether it was done.
func (x *Vol) Link(ctx context.Context, from, to string) error {
	if err := vol.Invalid("link", from); err != nil {
		return err
	}
	return x.change(ctx, "link", to, func(c *nfs3.Client) error {
		link := func() error {
			if f := x.temps.get(from); f != nil {
				return f.Link(ctx, to)
			}
			return c.Link(ctx, from, to)
		}
		return named(ctx, c, to, link, fs.ErrExist, func() (*nfs3.Info, error) { return c.Stat(ctx, from) })
	})
}

// Rename implements [vol.Vol]. When the reply is lost, the file that has the new name tells whether it
// was done.
func (x *Vol) Rename(ctx context.Context, from, to string) error {
	if err := vol.Invalid("rename", from); err != nil {
		return err
	}
	x.temps.drop(from)
	return x.change(ctx, "rename", to, func(c *nfs3.Client) error {
		source, err := c.Stat(ctx, from)
		if err != nil {
			return err
		}
		rename := func() error { return c.Rename(ctx, from, to) }
		return named(ctx, c, to, rename, fs.ErrNotExist, func() (*nfs3.Info, error) { return source, nil })
	})
}

// named gives a file another name by call until it is known that it has it. When a reply is lost, the file
// of that name tells whether it was done. The server may be at the first call still when it is asked, and
// have done it when the second comes, which then ends with the error undone.
func named(ctx context.Context, c *nfs3.Client, to string, call func() error, undone error, source func() (*nfs3.Info, error)) (err error) {
	for try := range tryTimes {
		if err = call(); !lost(ctx, err) && (try == 0 || !errors.Is(err, undone)) {
			return err
		}
		there, serr := c.Stat(ctx, to)
		if serr == nil {
			var want *nfs3.Info
			if want, serr = source(); serr == nil && want.Same(there) {
				return nil
			}
		}
		if !lost(ctx, err) || serr != nil && !errors.Is(serr, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// Remove implements [vol.Vol]. When the reply is lost, a name that is gone was removed.
func (x *Vol) Remove(ctx context.Context, name string) error {
	x.temps.drop(name)
	return x.change(ctx, "remove", name, func(c *nfs3.Client) error {
		err := again(ctx, func() error { return c.Remove(ctx, name) })
		if errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.EPERM) {
			if info, serr := c.Stat(ctx, name); serr == nil && info.IsDir() {
				return again(ctx, func() error { return c.Rmdir(ctx, name) })
			}
		}
		return err
	})
}

// again removes until it is known that it is done.
func again(ctx context.Context, remove func() error) (err error) {
	for try := range tryTimes {
		err = remove()
		if try > 0 && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !lost(ctx, err) {
			return err
		}
	}
	return err
}

// lost reports whether the reply was lost and there is time to find out.
func lost(ctx context.Context, err error) bool {
	return errors.Is(err, nfs3.ErrUnknownOutcome) && ctx.Err() == nil
}

func (x *Vol) change(ctx context.Context, op, name string, f func(*nfs3.Client) error) error {
	if err := vol.Invalid(op, name); err != nil {
		return err
	}
	c, err := x.dial(ctx)
	if err == nil {
		err = f(c)
	}
	return told(err)
}

// Persist raises the fence, and looks whether the server still knows of the change after it: it may have
// lost its power, and the newest of its names, between the change and the fence. It has nothing to do
// where the server makes names safe before it acknowledges them.
func (x *Vol) Persist(ctx context.Context, name string, there bool) error {
	if err := vol.Invalid("persist", name); err != nil {
		return err
	}
	c, err := x.dial(ctx)
	if err != nil {
		return told(err)
	}
	if x.names == vol.NamesByServer {
		return nil
	}
	if err := x.fence.Raise(ctx); err != nil {
		return told(err)
	}
	_, err = c.Stat(ctx, name)
	absent := vol.Absent(err)
	switch {
	case err != nil && !absent:
		return told(err)
	case absent == there:
		return &vol.Error{Fault: vol.FaultOther, Sentence: "the change is undone already: " +
			"the NFS server was restarted meanwhile, or somebody else has changed the same name; try again"}
	}
	return nil
}

// Space implements [vol.Vol].
func (x *Vol) Space(ctx context.Context) (vol.Space, error) {
	c, err := x.dial(ctx)
	if err != nil {
		return vol.Space{}, told(err)
	}
	s, err := c.Space(ctx)
	if err != nil {
		return vol.Space{}, told(err)
	}
	number := func(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
	return vol.Space{
		Free: number(s.FreeBytes), Total: number(s.TotalBytes),
		FreeFiles: number(s.FreeFiles), TotalFiles: number(s.TotalFiles),
	}, nil
}

// A dir is an open directory of an export; its faults show when it is read.
type dir struct {
	next func() (*nfs3.Info, error, bool)
	stop func()
}

// OpenDir implements [vol.Vol].
func (x *Vol) OpenDir(ctx context.Context, name string) (vol.Dir, error) {
	if err := vol.Invalid("open", name); err != nil {
		return nil, err
	}
	c, err := x.dial(ctx)
	if err != nil {
		return nil, told(err)
	}
	next, stop := iter.Pull2(c.ReadDir(ctx, name))
	return &dir{next, stop}, nil
}

func (d *dir) ReadDir(n int) (entries []fs.DirEntry, err error) {
	for len(entries) < n {
		info, err, ok := d.next()
		switch {
		case !ok && len(entries) == 0:
			return nil, io.EOF
		case !ok:
			return entries, nil
		case err != nil:
			return entries, told(err)
		}
		entries = append(entries, info)
	}
	return entries, nil
}

func (d *dir) Close() error {
	d.stop()
	return nil
}
