package nfsd

import (
	"container/list"
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"syscall"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
	"golang.org/x/sys/unix"
)

// maxMounts bounds the list of who has mounted what, which is only for people to read.
const maxMounts = 1024

// maxDump is how long that list can be for a client: each with an address and a path.
const maxDump = maxMounts * (4 + 4 + 48 + 4 + mount.MNTPATHLEN)

// mounts is that list, without those that did not say that they are gone.
type mounts struct {
	mu  sync.Mutex
	all map[mounted]*list.Element
	old list.List // of mounted, the last one in front
}

type mounted struct {
	client netip.Addr
	dir    string
}

func (ms *mounts) add(m mounted) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if e := ms.all[m]; e != nil {
		ms.old.MoveToFront(e)
		return
	}
	if ms.all == nil {
		ms.all = make(map[mounted]*list.Element)
	}
	ms.all[m] = ms.old.PushFront(m)
	if ms.old.Len() > maxMounts {
		delete(ms.all, ms.old.Remove(ms.old.Back()).(mounted))
	}
}

// remove takes out one, or all of a client if dir is empty.
func (ms *mounts) remove(client netip.Addr, dir string) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for m, e := range ms.all {
		if m.client == client && (dir == "" || m.dir == dir) {
			ms.old.Remove(e)
			delete(ms.all, m)
		}
	}
}

// path reads a dirpath.
func (a *args) path() string { return string(a.opaque(mount.MNTPATHLEN)) }

func mnt(c *call) (io.WriterTo, error) {
	dir := c.args.path()
	if c.args.err != nil {
		return nil, c.args.err
	}
	fh, err := c.mount(dir)
	if err != nil {
		return &mount.Mountres3_default{FhsStatus: c.mountStatus(err)}, nil
	}
	c.se.mounts.add(mounted{c.from, dir})
	return &mount.Mountres3_MNT3_OK{Mountinfo: mount.Mountres3Ok{Fhandle: fh, AuthFlavors: []int32{int32(rpcv2.AUTH_SYS)}}}, nil
}

// mount returns the handle of an export, or of a directory below one.
func (c *call) mount(dir string) ([]byte, error) {
	for len(dir) > 1 && strings.HasSuffix(dir, "/") {
		dir = dir[:len(dir)-1]
	}
	var best *export
	for _, ex := range c.se.exports {
		if (dir == ex.Name || ex.Name == "/" || strings.HasPrefix(dir, ex.Name+"/")) && (best == nil || len(ex.Name) > len(best.Name)) {
			best = ex
		}
	}
	if best == nil {
		return nil, unix.ENOENT
	}
	if _, err := c.user(best); err != nil {
		return nil, err
	}
	return best.below(strings.Trim(strings.TrimPrefix(dir, best.Name), "/"))
}

// below returns the handle of a directory of the export.
func (ex *export) below(rel string) ([]byte, error) {
	fh, fd, ino := ex.fh, ex.root, ex.rootIno
	if rel == "" {
		return fh, nil
	}
	defer func() {
		if fd != ex.root {
			unix.Close(fd) // it only names the directory
		}
	}()
	for name := range strings.SplitSeq(rel, "/") {
		if err := checkName(name); err != nil {
			return nil, err
		}
		ch, err := ex.child(fd, ino, name)
		if err != nil {
			return nil, err
		}
		if fd != ex.root {
			unix.Close(fd) // it only names the directory
		}
		fh, fd, ino = ch.fh, ch.fd, uint64(ch.st.Ino)
		if ch.st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return nil, unix.ENOTDIR
		}
	}
	return fh, nil
}

func (c *call) mountStatus(err error) mount.Mountstat3 {
	c.se.count.failed.Add(1)
	e, _ := errors.AsType[syscall.Errno](err)
	switch e {
	case unix.ENOENT, unix.ESTALE:
		return mount.MNT3ERR_NOENT
	case unix.EACCES, unix.EPERM:
		return mount.MNT3ERR_ACCES
	case unix.ENOTDIR, unix.ELOOP:
		return mount.MNT3ERR_NOTDIR
	case unix.ENAMETOOLONG:
		return mount.MNT3ERR_NAMETOOLONG
	case unix.EIO:
		return mount.MNT3ERR_IO
	}
	c.se.log.Warn("A mount failed by an unusual error.", "client", c.from.String(), "error", err)
	return mount.MNT3ERR_SERVERFAULT
}

func dump(c *call) (io.WriterTo, error) {
	var p lines
	c.se.mounts.mu.Lock()
	defer c.se.mounts.mu.Unlock()
	for e := c.se.mounts.old.Front(); e != nil; e = e.Next() {
		m := e.Value.(mounted)
		p.words(1)
		p.text(m.client.String())
		p.text(m.dir)
	}
	p.words(0)
	return &p, nil
}

func umnt(c *call) (io.WriterTo, error) {
	dir := c.args.path()
	if c.args.err != nil {
		return nil, c.args.err
	}
	if dir != "" {
		c.se.mounts.remove(c.from, dir)
	}
	return nothing{}, nil
}

func umntall(c *call) (io.WriterTo, error) {
	c.se.mounts.remove(c.from, "")
	return nothing{}, nil
}

// exportList tells a client of the exports that it may mount, and for whom they are.
func exportList(c *call) (io.WriterTo, error) {
	var p lines
	for _, ex := range c.se.exports {
		if ex.rule(c.from) == nil {
			continue
		}
		p.words(1)
		p.text(ex.Name)
		for _, cl := range ex.Clients {
			p.words(1)
			p.text(cl.Net.String())
		}
		p.words(0)
	}
	p.words(0)
	return &p, nil
}
