package nfs3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
)

// A Client uses one export of one server. It may be used by several goroutines.
type Client struct {
	cfg    Config
	where  string
	rpc    *transport
	root   atomic.Pointer[handle]
	dirs   dirCache
	limits Limits
}

// A handle is the server's own reference to a file (nfs_fh3), at most 64 bytes.
type handle string

func (h handle) xdr() nfsv3.NfsFh3 { return nfsv3.NfsFh3{Data: []byte(h)} }

// Dial mounts the export (the MOUNT protocol of RFC 1813, appendix I) and asks for its limits. It
// tries once: a server that is away is an error. ctx bounds only Dial.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, fmt.Errorf("the description of an NFS export is wrong: %w", err)
	}
	c := &Client{cfg: cfg, where: cfg.where()}
	cred, err := newCredential(cfg.UID, cfg.GID)
	if err != nil {
		return nil, err
	}
	c.rpc = newTransport(&c.cfg, cred, c.dialNFS)
	ctx, cancel := c.begin(ctx)
	defer cancel()
	if err := c.mount(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if _, err := c.rpc.connect(ctx); err != nil {
		return nil, errors.Join(c.fail("connect", "", c.rpc.noAnswer(ctx, err)), c.Close())
	}
	if err := c.fsinfo(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close ends the connection. Calls under way fail with ErrClosed. It may be called repeatedly.
func (c *Client) Close() error {
	c.rpc.close()
	return nil
}

// Limits returns what the server allowed when the client was made.
func (c *Client) Limits() Limits { return c.limits }

// Ping asks the server for the attributes of the export, and so whether it is alive.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.Stat(ctx, ".")
	return err
}

// Stat returns the attributes of name, "." being the export; of a symbolic link, not of what it
// points to.
func (c *Client) Stat(ctx context.Context, name string) (info *Info, err error) {
	const op = "lookup"
	elems, err := c.elements(op, name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.begin(ctx)
	defer cancel()
	err = c.unstale(ctx, func() error {
		if len(elems) == 0 {
			attr, err := c.getattr(ctx, op, name, *c.root.Load())
			if err == nil {
				info = newInfo(".", attr)
			}
			return err
		}
		_, attr, err := c.find(ctx, op, name, elems)
		if err == nil {
			info = newInfo(name, attr)
		}
		return err
	})
	return info, err
}

// Open returns the regular file of that name. Whether it may be read shows when it is read. Of
// something else the error matches syscall.EISDIR, ELOOP (a symbolic link) or EINVAL.
func (c *Client) Open(ctx context.Context, name string) (f *File, err error) {
	const op = "open"
	elems, err := c.elements(op, name)
	if err != nil {
		return nil, err
	}
	if len(elems) == 0 {
		return nil, c.fail(op, name, syscall.EISDIR)
	}
	ctx, cancel := c.begin(ctx)
	defer cancel()
	err = c.unstale(ctx, func() error {
		h, attr, err := c.find(ctx, op, name, elems)
		if err != nil {
			return err
		}
		switch attr.Type {
		case nfsv3.NF3REG:
		case nfsv3.NF3DIR:
			return c.fail(op, name, syscall.EISDIR)
		case nfsv3.NF3LNK:
			return c.fail(op, name, syscall.ELOOP)
		default:
			return c.fail(op, name, syscall.EINVAL)
		}
		f = &File{c: c, h: h, name: name, info: newInfo(name, attr)}
		return nil
	})
	return f, err
}

// Create makes a file that was not there, with those permissions, for writing. Of several creators
// one succeeds; for the others the error matches fs.ErrExist. After another error an empty file of
// that name may be left. A server that is killed while it makes the file may say of it later that it is the
// file of another. What the permissions of the file are to its owner while he writes is the
// server's matter; RFC 1813, section 4.4, asks it to let him.
func (c *Client) Create(ctx context.Context, name string, perm fs.FileMode) (f *File, err error) {
	const op = "create"
	elems, err := c.elements(op, name)
	if err != nil {
		return nil, err
	}
	if len(elems) == 0 {
		return nil, c.fail(op, name, fs.ErrExist)
	}
	ctx, cancel := c.begin(ctx)
	defer cancel()
	how := &nfsv3.Createhow3_EXCLUSIVE{}
	rand.Read(how.Verf[:]) // never fails
	err = c.unstale(ctx, func() error {
		dir, err := c.dir(ctx, op, name, elems[:len(elems)-1])
		if err != nil {
			return err
		}
		h, err := c.createExclusive(ctx, name, dir, elems[len(elems)-1], how)
		if statusOf(err) == Status(nfsv3.NFS3ERR_NOTSUPP) {
			guarded := &nfsv3.Createhow3_GUARDED{ObjAttributes: attributes(setMode(perm), false)}
			h, _, err = c.create(ctx, procCreate, name, dir, elems[len(elems)-1], guarded)
		}
		if err == nil {
			f = &File{c: c, h: h, name: name}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	// The verifier of an exclusive creation is kept where the times belong.
	attr, err := c.setattr(ctx, op, name, f.h, attributes(setMode(perm), true))
	if err != nil {
		return nil, err
	}
	f.info = newInfo(name, attr)
	return f, nil
}

// Pauses and further tries of an exclusive creation whose first reply was lost.
const (
	verifierPause = 10 * time.Millisecond
	verifierTries = 8 // with doubled pauses: within 2.5 s
)

// createExclusive creates a file, also when the call had to be made again: the server knows the creator
// by the verifier. It may still be at the first call then, and have made the file but not yet noted whose
// it is; so that it exists is believed after a while only.
func (c *Client) createExclusive(ctx context.Context, name string, dir handle, base string, how *nfsv3.Createhow3_EXCLUSIVE) (h handle, err error) {
	p := procCreate
	p.repeat, p.repeated = true, new(bool)
	pause := verifierPause
	for try := 1; ; try++ {
		h, _, err = c.create(ctx, p, name, dir, base, how)
		if !*p.repeated || statusOf(err) != Status(nfsv3.NFS3ERR_EXIST) || try > verifierTries || wait(ctx, pause) != nil {
			return h, err
		}
		pause *= 2
	}
}

// CreateGuarded is Create in one request in place of two, for a name that nobody else would make: it may
// end with ErrUnknownOutcome, and then a file of that name that is there says nothing about its maker.
func (c *Client) CreateGuarded(ctx context.Context, name string, perm fs.FileMode) (f *File, err error) {
	err = c.change(ctx, "create", name, func(ctx context.Context, dir handle, base string) error {
		how := &nfsv3.Createhow3_GUARDED{ObjAttributes: attributes(setMode(perm), false)}
		h, attr, err := c.create(ctx, procCreate, name, dir, base, how)
		if err != nil {
			return err
		}
		if attr == nil {
			got, err := c.getattr(ctx, "create", name, h)
			if err != nil {
				return err
			}
			attr = &got
		}
		f = &File{c: c, h: h, name: name, info: newInfo(name, *attr)}
		return nil
	})
	return f, err
}

// Chmod sets the permissions of a file or directory.
func (c *Client) Chmod(ctx context.Context, name string, perm fs.FileMode) error {
	const op = "setattr"
	elems, err := c.elements(op, name)
	if err != nil {
		return err
	}
	ctx, cancel := c.begin(ctx)
	defer cancel()
	return c.unstale(ctx, func() error {
		h := *c.root.Load()
		if len(elems) > 0 {
			var err error
			if h, _, err = c.find(ctx, op, name, elems); err != nil {
				return err
			}
		}
		_, err := c.setattr(ctx, op, name, h, attributes(setMode(perm), false))
		return err
	})
}

// Mkdir makes one directory. It may end with ErrUnknownOutcome.
func (c *Client) Mkdir(ctx context.Context, name string, perm fs.FileMode) error {
	return c.change(ctx, "mkdir", name, func(ctx context.Context, dir handle, base string) error {
		return c.mkdir(ctx, name, dir, base, attributes(setMode(perm), false))
	})
}

// Remove removes a name that is not of a directory. It may end with ErrUnknownOutcome.
func (c *Client) Remove(ctx context.Context, name string) error {
	return c.change(ctx, "remove", name, func(ctx context.Context, dir handle, base string) error {
		return c.remove(ctx, name, dir, base)
	})
}

// Rmdir removes an empty directory; of one that is not empty the error matches syscall.ENOTEMPTY
// (and fs.ErrExist). It may end with ErrUnknownOutcome.
func (c *Client) Rmdir(ctx context.Context, name string) error {
	return c.change(ctx, "rmdir", name, func(ctx context.Context, dir handle, base string) error {
		err := c.rmdir(ctx, name, dir, base)
		c.dirs.drop(name) // whatever the outcome
		return err
	})
}

// Rename gives the file from the name to, replacing what is there. It may end with
// ErrUnknownOutcome. It is not for directories that are in use: their handles are cached.
func (c *Client) Rename(ctx context.Context, from, to string) error {
	const op = "rename"
	f, err := c.elements(op, from)
	if err != nil {
		return err
	}
	if len(f) == 0 {
		return c.fail(op, from, syscall.EINVAL)
	}
	return c.change(ctx, op, to, func(ctx context.Context, dir handle, base string) error {
		fdir, err := c.dir(ctx, op, from, f[:len(f)-1])
		if err != nil {
			return err
		}
		err = c.rename(ctx, to, fdir, f[len(f)-1], dir, base)
		c.dirs.drop(from)
		c.dirs.drop(to)
		return err
	})
}

// Link gives the file from the second name to, replacing nothing: the error matches fs.ErrExist when
// to is taken. It may end with ErrUnknownOutcome; then to, if it is there, is the [Info.Same] file.
func (c *Client) Link(ctx context.Context, from, to string) error {
	const op = "link"
	f, err := c.elements(op, from)
	if err != nil {
		return err
	}
	if len(f) == 0 {
		return c.fail(op, from, syscall.EINVAL)
	}
	return c.change(ctx, op, to, func(ctx context.Context, dir handle, base string) error {
		h, _, err := c.find(ctx, op, from, f)
		if err != nil {
			return err
		}
		return c.link(ctx, to, h, dir, base)
	})
}

// Flush sends a COMMIT of a regular file by its name. For servers that answer a LINK or RENAME before
// their journal is written this is a fence: what was acknowledged before is safe after it.
func (c *Client) Flush(ctx context.Context, name string) error {
	f, err := c.Open(ctx, name)
	if err != nil {
		return err
	}
	return f.Sync(ctx)
}

// Space asks how much is free.
func (c *Client) Space(ctx context.Context) (space Space, err error) {
	ctx, cancel := c.begin(ctx)
	defer cancel()
	err = c.unstale(ctx, func() (err error) {
		space, err = c.fsstat(ctx, *c.root.Load())
		return err
	})
	return space, err
}

// begin gives a call its deadline and ties it to the client's life.
func (c *Client) begin(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	stop := context.AfterFunc(c.rpc.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// change runs f with the directory of name.
func (c *Client) change(ctx context.Context, op, name string, f func(ctx context.Context, dir handle, base string) error) error {
	elems, err := c.elements(op, name)
	if err != nil {
		return err
	}
	if len(elems) == 0 {
		return c.fail(op, name, syscall.EINVAL)
	}
	ctx, cancel := c.begin(ctx)
	defer cancel()
	return c.unstale(ctx, func() error {
		dir, err := c.dir(ctx, op, name, elems[:len(elems)-1])
		if err != nil {
			return err
		}
		return f(ctx, dir, elems[len(elems)-1])
	})
}

// unstale repeats f when a handle was stale, which also means that nothing was done: first with
// directories looked up anew, then with the export mounted anew. Both have happened when somebody
// restored the export from a copy.
func (c *Client) unstale(ctx context.Context, f func() error) error {
	for attempt := 0; ; attempt++ {
		err := f()
		if !errors.Is(err, syscall.ESTALE) || attempt == 2 {
			return err
		}
		c.dirs.clear()
		if attempt == 0 {
			continue
		}
		if merr := c.mount(ctx); merr != nil {
			return errors.Join(err, merr)
		}
	}
}

// fail wraps what is not an answer of the server.
func (c *Client) fail(op, name string, err error) error {
	return &Error{Op: op, Name: name, Export: c.where, Err: err}
}

func statusOf(err error) Status {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

// wait is time.Sleep that heeds its context.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// find looks name up, from the cached handle of its directory.
func (c *Client) find(ctx context.Context, op, name string, elems []string) (handle, nfsv3.Fattr3, error) {
	dir, err := c.dir(ctx, op, name, elems[:len(elems)-1])
	if err != nil {
		return "", nfsv3.Fattr3{}, err
	}
	return c.lookup(ctx, op, name, dir, elems[len(elems)-1])
}

// dir returns the handle of a directory below the export.
func (c *Client) dir(ctx context.Context, op, name string, elems []string) (handle, error) {
	at := *c.root.Load()
	// The longest part of the path that is known already.
	known := len(elems)
	for ; known > 0; known-- {
		if h, ok := c.dirs.get(path.Join(elems[:known]...)); ok {
			at = h
			break
		}
	}
	for i := known; i < len(elems); i++ {
		h, attr, err := c.lookup(ctx, op, name, at, elems[i])
		if err != nil {
			return "", err
		}
		if attr.Type != nfsv3.NF3DIR {
			return "", c.fail(op, name, syscall.ENOTDIR)
		}
		at = h
		c.dirs.put(path.Join(elems[:i+1]...), h)
	}
	return at, nil
}
