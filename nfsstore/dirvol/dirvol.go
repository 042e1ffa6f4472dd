// Package dirvol is a volume ([vol.Vol]) of a directory, on a local disk or on a mount. Every access goes
// through an [os.Root], so that no name leads out of it.
//
// Calls on a hard mount whose server is gone block inside the kernel, where no context reaches. On
// every file system that is not a usual one of a local disk, Deadline is therefore not among the
// capabilities, and the caller has to bound how many calls can get stuck; package nfsstore does.
//
// On a mount of NFS, names are made safe by a fence (see [vol.NamesByFence]), because a server may
// acknowledge them before they are on its disk, and the client has no way to ask.
package dirvol

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/internal/fence"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// Options change what [Open] does. The zero value and nil are good.
type Options struct {
	// Make makes the directory when it is absent, with its parents.
	Make bool
	// Names is how names are made safe; zero: NamesByFence on a mount of NFS, else NamesBySync.
	// NamesByServer is for a mount whose server makes names safe before it acknowledges them.
	Names vol.Names
	// Logger hears of what is no error to a caller; nil discards.
	Logger *slog.Logger
}

// A Vol is the volume of a directory. Its methods may be called concurrently.
type Vol struct {
	dir    string
	root   *os.Root
	opener *opener // nil: only root opens
	kind   kind
	names  vol.Names
	fence  *fence.Fence

	closing sync.Once
	closed  error
}

// A kind is what kind of file system it is.
type kind struct {
	hangs bool // it may be a mount whose server goes away
	nfs   bool
	// entries: what a file is stands in its directory, so after a rename it has to be synced as well.
	entries bool
}

var _ interface {
	vol.Vol
	vol.Mover
	vol.Keeper
	vol.Refresher
} = (*Vol)(nil)

// Open returns the volume of a directory. On a mount whose server is gone it hangs.
func Open(dir string, o *Options) (*Vol, error) {
	if o == nil {
		o = new(Options)
	}
	if !o.Names.Valid() {
		return nil, &vol.Error{Fault: vol.FaultInvalid, Err: fs.ErrInvalid, Sentence: "there is no such way to make names safe as " + o.Names.String()}
	}
	if o.Make {
		if err := makeDir(dir); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	opener, err := newOpener(root)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	kind, err := kindOf(root)
	if err != nil {
		return nil, errors.Join(err, opener.close(), root.Close())
	}
	v := &Vol{dir: dir, root: root, opener: opener, kind: kind, names: o.Names}
	switch {
	case v.names != 0:
	case kind.nfs:
		v.names = vol.NamesByFence
	default:
		v.names = vol.NamesBySync
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	v.fence = fence.New(ground{v}, log)
	return v, nil
}

// makeDir makes the directory and makes its name safe, with those of the parents it made.
func makeDir(dir string) error {
	dir = filepath.Clean(dir)
	var made []string // parents that got a new entry
	for at := dir; ; {
		parent := filepath.Dir(at)
		_, err := os.Stat(at)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil || parent == at {
			break
		}
		made = append(made, parent)
		at = parent
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, parent := range made {
		f, err := os.Open(parent)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// String returns the directory.
func (v *Vol) String() string { return v.dir }

// Caps implements [vol.Vol]. That a file system has links shows at the first one.
func (v *Vol) Caps() vol.Caps { return vol.Caps{Link: true, Deadline: !v.kind.hangs, Names: v.names} }

// Keeps implements [vol.Keeper].
func (v *Vol) Keeps(name string) bool { return v.fence.Keeps(name) }

// Refresh implements [vol.Refresher].
func (v *Vol) Refresh(ctx context.Context, name string) bool {
	if !v.kind.nfs || begin(ctx, "refresh", name) != nil {
		return false
	}
	asked := false
	for i, c := range name + "/" {
		if c != '/' {
			continue
		}
		// One folder after the other: each may be one of those that the client thinks are absent.
		dir := path.Dir(name[:i])
		f, err := v.open(dir)
		if err != nil {
			break
		}
		// What is wrong shows when the name is looked for again.
		asked = askServer(f) == nil || asked
		_ = f.Close()
	}
	return asked
}

// begin is what every call does first.
func begin(ctx context.Context, op, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return vol.Invalid(op, name)
}

// Create implements [vol.Vol].
func (v *Vol) Create(ctx context.Context, name string) (vol.Writer, error) {
	if err := begin(ctx, "create", name); err != nil {
		return nil, err
	}
	f, err := v.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return nil, err
	}
	return &writer{f: f, early: !v.kind.hangs}, nil
}

// A writer has the disk begin with what it writes while the caller prepares the rest, so that Sync has
// less to wait for.
type writer struct {
	f     *os.File
	at    int64
	early bool
}

// earlyPart is the least with which the disk is told to begin. Of less Sync follows at once.
const earlyPart = 128 << 10

func (w *writer) Write(ctx context.Context, p []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := w.f.Write(p); err != nil {
		return err
	}
	at := w.at
	w.at += int64(len(p))
	if !w.early || len(p) < earlyPart {
		return nil
	}
	return startWriting(w.f, at, int64(len(p)))
}

func (w *writer) Sync(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.f.Sync()
}

func (w *writer) Close(context.Context) error { return w.f.Close() }

// Open implements [vol.Vol]. The file is an [os.File].
func (v *Vol) Open(ctx context.Context, name string) (vol.File, error) {
	if err := begin(ctx, "open", name); err != nil {
		return nil, err
	}
	f, err := v.open(name)
	if err != nil {
		return nil, err // and not a nil *os.File, which is no nil
	}
	return f, nil
}

func (v *Vol) open(name string) (*os.File, error) {
	if f, err := v.opener.open(name); f != nil || err != nil {
		return f, err
	}
	return v.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
}

// OpenDir implements [vol.Vol].
func (v *Vol) OpenDir(ctx context.Context, name string) (vol.Dir, error) {
	if err := begin(ctx, "open", name); err != nil {
		return nil, err
	}
	f, err := v.open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Stat implements [vol.Vol].
func (v *Vol) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	if err := begin(ctx, "stat", name); err != nil {
		return nil, err
	}
	return v.root.Lstat(name)
}

// Same implements [vol.Vol].
func (v *Vol) Same(a, b fs.FileInfo) bool { return os.SameFile(a, b) }

// Mkdir implements [vol.Vol].
func (v *Vol) Mkdir(ctx context.Context, name string) error {
	if err := begin(ctx, "mkdir", name); err != nil {
		return err
	}
	return v.root.Mkdir(name, 0o755)
}

// Link implements [vol.Vol].
func (v *Vol) Link(ctx context.Context, from, to string) error {
	if err := errors.Join(begin(ctx, "link", from), vol.Invalid("link", to)); err != nil {
		return err
	}
	return v.root.Link(from, to)
}

// Rename implements [vol.Vol].
func (v *Vol) Rename(ctx context.Context, from, to string) error {
	if err := errors.Join(begin(ctx, "rename", from), vol.Invalid("rename", to)); err != nil {
		return err
	}
	return v.root.Rename(from, to)
}

// Remove implements [vol.Vol].
func (v *Vol) Remove(ctx context.Context, name string) error {
	if err := begin(ctx, "remove", name); err != nil {
		return err
	}
	return v.root.Remove(name)
}

// Persist syncs the directory of the name, and on file systems that keep in it how long a file is and
// where, such as FAT, the file as well: a rename leaves that to be written later. Where names become safe by a fence, it raises that, and
// looks whether the server still knows of the change after it: it may have lost its power, and the
// newest of its names, between the change and the fence. When the directory is gone, with the name
// that was to be absent, there is nothing to sync.
func (v *Vol) Persist(ctx context.Context, name string, there bool) error {
	if err := begin(ctx, "persist", name); err != nil {
		return err
	}
	dir, err := v.open(path.Dir(name))
	if !there && vol.Absent(err) {
		if v.names != vol.NamesByFence {
			return nil
		}
		return v.fence.Raise(ctx)
	}
	if err != nil {
		return err
	}
	if v.kind.entries && there {
		err = v.syncFile(name)
	}
	if err == nil {
		err = dir.Sync()
	}
	if err == nil && v.names == vol.NamesByFence {
		if err = v.fence.Raise(ctx); err == nil {
			err = v.still(dir, name, there)
		}
	}
	return errors.Join(err, dir.Close())
}

// syncFile makes what a file is safe under the name that it has now.
func (v *Vol) syncFile(name string) error {
	f, err := v.open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// still reports that a change is undone.
func (v *Vol) still(dir *os.File, name string, there bool) error {
	if err := look(dir); err != nil {
		return err
	}
	_, err := v.root.Lstat(name)
	absent := vol.Absent(err)
	switch {
	case err != nil && !absent:
		return err
	case absent == there:
		return &vol.Error{Sentence: "the change is undone already: " +
			"the file server was restarted meanwhile, or somebody else has changed the same name; try again"}
	}
	return nil
}

// closeWait is how long Close waits for the file of the fence to be removed.
const closeWait = 500 * time.Millisecond

// Close gives the directory back. Open files stay usable.
func (v *Vol) Close() error {
	v.closing.Do(func() {
		removed := make(chan struct{})
		go func() { // it may hang in the kernel
			defer close(removed)
			v.fence.Close(context.Background())
		}()
		t := time.NewTimer(closeWait)
		defer t.Stop()
		select {
		case <-removed:
		case <-t.C:
		}
		v.closed = errors.Join(v.opener.close(), v.root.Close())
	})
	return v.closed
}

// ground is where the fence stands: in the directory itself.
type ground struct{ v *Vol }

func (g ground) Make(_ context.Context, name string) (fence.File, error) {
	f, err := g.v.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return pale{f}, nil
}

func (g ground) Remove(_ context.Context, name string) error { return g.v.root.Remove(name) }

// A pale is the file of the fence.
type pale struct{ f *os.File }

// Grow writes a byte. A client of NFS sends it to the server with the sync; it sends nothing for a
// file that nobody wrote to.
func (p pale) Grow(_ context.Context, at int64) error {
	if _, err := p.f.WriteAt([]byte{'\n'}, at); err != nil {
		return err
	}
	return p.f.Sync()
}

func (p pale) Close(context.Context) error { return p.f.Close() }
