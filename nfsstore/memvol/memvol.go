// Package memvol is a volume ([vol.Vol]) in memory, for tests and for what need not last. It can lose
// its power: then it keeps what was made safe, and nothing else.
package memvol

import (
	"context"
	"io/fs"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// Options change what [New] does. The zero value and nil are good.
type Options struct {
	// Bytes and Files bound what can be stored, with directories counted as files; 0: 1 GiB, and a
	// million.
	Bytes, Files int64
	// NoLinks makes a file system without hard links, as FAT is one.
	NoLinks bool
}

// A Vol is one way to the files in a memory; [Vol.Again] gives others. Its methods may be called
// concurrently.
type Vol struct {
	*memory
	closed atomic.Bool
}

type memory struct {
	bytes, files int64 // bounds
	noLinks      bool

	mu        sync.Mutex
	root      *node
	usedBytes int64
	usedFiles int64
	life      int // ends with the power
}

// A node is a file or a directory. The bytes of a file are only ever added to.
type node struct {
	mode  fs.FileMode
	mtime time.Time
	links int

	data   []byte
	synced int // so many bytes are safe

	entries map[string]*node // of a directory
	safe    map[string]*node // those that were made safe
}

const maxElement = 255 // bytes of one element of a name

var _ interface {
	vol.Vol
	vol.Mover
} = (*Vol)(nil)

// New returns an empty volume.
func New(o *Options) *Vol {
	m := &memory{bytes: 1 << 30, files: 1_000_000, root: newDir()}
	if o != nil && o.Bytes > 0 {
		m.bytes = o.Bytes
	}
	if o != nil && o.Files > 0 {
		m.files = o.Files
	}
	m.noLinks = o != nil && o.NoLinks
	return &Vol{memory: m}
}

func newDir() *node {
	return &node{
		mode: fs.ModeDir | 0o755, mtime: time.Now(), links: 1,
		entries: make(map[string]*node), safe: make(map[string]*node),
	}
}

// Again returns another volume of the same files, as another process would have it: it is closed alone.
func (v *Vol) Again() *Vol { return &Vol{memory: v.memory} }

// PowerLoss forgets what was not made safe: bytes that no Sync was for, and each name, or its absence,
// that no Persist was for, also when that was for a neighbour. Files that are open fail with ESTALE.
func (v *Vol) PowerLoss() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.life++
	v.usedBytes, v.usedFiles = 0, 0
	seen := make(map[*node]bool)
	var walk func(n *node)
	walk = func(n *node) {
		if seen[n] {
			n.links++
			return
		}
		seen[n] = true
		n.links = 1
		v.usedFiles++
		n.data = n.data[:n.synced]
		v.usedBytes += int64(n.synced)
		clear(n.entries)
		for name, child := range n.safe {
			n.entries[name] = child
			walk(child)
		}
	}
	walk(v.root)
	v.usedFiles-- // the root costs nothing
}

// String implements [vol.Vol].
func (v *Vol) String() string { return "mem:" }

// Caps implements [vol.Vol].
func (v *Vol) Caps() vol.Caps {
	return vol.Caps{Link: !v.noLinks, Deadline: true, Names: vol.NamesBySync}
}

// Close ends this way to the files. Open files stay usable.
func (v *Vol) Close() error {
	v.closed.Store(true)
	return nil
}

func refuse(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// in calls f with the memory locked, when the call may be made at all.
func (v *Vol) in(ctx context.Context, op, name string, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if v.closed.Load() {
		return refuse(op, name, fs.ErrClosed)
	}
	if err := vol.Invalid(op, name); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := f(); err != nil {
		return refuse(op, name, err)
	}
	return nil
}

// find returns what has that name.
func (m *memory) find(name string) (*node, error) {
	at := m.root
	if name == "." {
		return at, nil
	}
	for e := range strings.SplitSeq(name, "/") {
		switch {
		case at.entries == nil:
			return nil, syscall.ENOTDIR
		case len(e) > maxElement:
			return nil, syscall.ENAMETOOLONG
		}
		next, ok := at.entries[e]
		if !ok {
			return nil, syscall.ENOENT
		}
		at = next
	}
	return at, nil
}

// parent returns the directory of a name, and its last element.
func (m *memory) parent(name string) (dir *node, base string, err error) {
	if name == "." {
		return nil, "", syscall.EINVAL
	}
	dir, err = m.find(path.Dir(name))
	base = path.Base(name)
	switch {
	case err != nil:
		return nil, "", err
	case dir.entries == nil:
		return nil, "", syscall.ENOTDIR
	case len(base) > maxElement:
		return nil, "", syscall.ENAMETOOLONG
	}
	return dir, base, nil
}

// add puts something new at a name.
func (m *memory) add(name string, n *node) error {
	dir, base, err := m.parent(name)
	switch {
	case err != nil:
		return err
	case dir.entries[base] != nil:
		return syscall.EEXIST
	case m.usedFiles >= m.files:
		return syscall.ENOSPC
	}
	m.usedFiles++
	m.put(dir, base, n)
	return nil
}

func (m *memory) put(dir *node, base string, n *node) { dir.entries[base], dir.mtime = n, time.Now() }

// drop takes a name away, and the file with its last.
func (m *memory) drop(dir *node, base string) {
	n := dir.entries[base]
	delete(dir.entries, base)
	dir.mtime = time.Now()
	if n.links--; n.links == 0 {
		m.usedFiles--
		m.usedBytes -= int64(len(n.data))
	}
}

// Stat implements [vol.Vol].
func (v *Vol) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	var i info
	err := v.in(ctx, "stat", name, func() error {
		n, err := v.find(name)
		if err == nil {
			i = n.info(name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return i, nil
}

// Same implements [vol.Vol].
func (v *Vol) Same(a, b fs.FileInfo) bool {
	ia, oka := a.(info)
	ib, okb := b.(info)
	return oka && okb && ia.n == ib.n
}

// Mkdir implements [vol.Vol].
func (v *Vol) Mkdir(ctx context.Context, name string) error {
	return v.in(ctx, "mkdir", name, func() error {
		if name == "." {
			return syscall.EEXIST
		}
		return v.add(name, newDir())
	})
}

// Link implements [vol.Vol].
func (v *Vol) Link(ctx context.Context, from, to string) error {
	if err := vol.Invalid("link", from); err != nil {
		return err
	}
	return v.in(ctx, "link", to, func() error {
		n, err := v.find(from)
		if err != nil {
			return err
		}
		dir, base, err := v.parent(to)
		switch {
		case err != nil:
			return err
		case dir.entries[base] != nil:
			return syscall.EEXIST
		case n.entries != nil, v.noLinks:
			return syscall.EPERM
		}
		n.links++
		v.put(dir, base, n)
		return nil
	})
}

// Rename implements [vol.Vol].
func (v *Vol) Rename(ctx context.Context, from, to string) error {
	return v.rename(ctx, "rename", from, to, true)
}

// Move implements [vol.Mover].
func (v *Vol) Move(ctx context.Context, from, to string) error {
	return v.rename(ctx, "move", from, to, false)
}

func (v *Vol) rename(ctx context.Context, op, from, to string, replace bool) error {
	if err := vol.Invalid(op, from); err != nil {
		return err
	}
	return v.in(ctx, op, to, func() error {
		oldDir, oldBase, err := v.parent(from)
		if err != nil {
			return err
		}
		n := oldDir.entries[oldBase]
		if n == nil {
			return syscall.ENOENT
		}
		dir, base, err := v.parent(to)
		if err != nil {
			return err
		}
		if n.entries != nil && (to == from || strings.HasPrefix(to, from+"/")) {
			return syscall.EINVAL
		}
		switch there := dir.entries[base]; {
		case there == nil:
		case !replace:
			return syscall.EEXIST
		case there == n:
			return nil
		case there.entries != nil && n.entries == nil:
			return syscall.EISDIR
		case there.entries == nil && n.entries != nil:
			return syscall.ENOTDIR
		case len(there.entries) > 0:
			return syscall.ENOTEMPTY
		default:
			v.drop(dir, base)
		}
		delete(oldDir.entries, oldBase)
		v.put(dir, base, n)
		return nil
	})
}

// Remove implements [vol.Vol].
func (v *Vol) Remove(ctx context.Context, name string) error {
	return v.in(ctx, "remove", name, func() error {
		dir, base, err := v.parent(name)
		if err != nil {
			return err
		}
		switch n := dir.entries[base]; {
		case n == nil:
			return syscall.ENOENT
		case len(n.entries) > 0:
			return syscall.ENOTEMPTY
		}
		v.drop(dir, base)
		return nil
	})
}

// Persist implements [vol.Vol]. It makes this one name safe and no other.
func (v *Vol) Persist(ctx context.Context, name string, there bool) error {
	return v.in(ctx, "persist", name, func() error {
		if name == "." {
			return nil
		}
		dir, base, err := v.parent(name)
		if !there && vol.Absent(err) {
			return nil
		}
		if err != nil {
			return err
		}
		n := dir.entries[base]
		switch {
		case n == nil && there:
			return &vol.Error{Sentence: "the name is gone already; somebody else has removed it"}
		case n == nil:
			delete(dir.safe, base)
		default:
			dir.safe[base] = n
		}
		return nil
	})
}

// Space implements [vol.Vol].
func (v *Vol) Space(ctx context.Context) (s vol.Space, err error) {
	err = v.in(ctx, "space", ".", func() error {
		s = vol.Space{
			Free: v.bytes - v.usedBytes, Total: v.bytes,
			FreeFiles: v.files - v.usedFiles, TotalFiles: v.files,
		}
		return nil
	})
	return s, err
}
