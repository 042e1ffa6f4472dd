package nfsd

import (
	"container/list"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// An object is a file or a directory that some client asked for, held open. Who got one from a
// cache gives it back with release.
type object struct {
	cache *cache
	ex    *export
	fh    string // the handle, sealed
	path  int    // names the object (O_PATH)
	typ   uint32 // unix.S_IFREG, …

	mu       sync.Mutex
	rfd, wfd int // for its content, -1: not open yet

	attrs sync.Mutex  // one change of attributes, or exclusive creation in a directory, at a time
	dirty atomic.Bool // written bytes may not be on disk
	sync  flusher

	// Guarded by cache.mu.
	refs int
	elem *list.Element // nil: not in the cache any more
	used time.Time
}

// A cache keeps the objects that were asked for last, so that reading and writing need not open
// files each time.
type cache struct {
	most  int
	fault func() // written bytes were lost

	mu   sync.Mutex
	byFH map[string]*object
	old  list.List // of *object, the one used last in front
}

func newCache(most int, fault func()) *cache {
	return &cache{most: most, fault: fault, byFH: make(map[string]*object)}
}

// get returns the object of fh if it is there.
func (c *cache) get(fh []byte) *object {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.byFH[string(fh)]
	if o != nil {
		o.refs++
		c.old.MoveToFront(o.elem)
	}
	return o
}

// add takes fd over, and returns the object of fh, which may be there already.
func (c *cache) add(ex *export, fh string, fd int, typ uint32) *object {
	c.mu.Lock()
	o := c.byFH[fh]
	if o != nil {
		o.refs++
		c.old.MoveToFront(o.elem)
		c.mu.Unlock()
		unix.Close(fd) // it only named the file
		return o
	}
	o = &object{cache: c, ex: ex, fh: fh, path: fd, typ: typ, rfd: -1, wfd: -1, refs: 1}
	o.elem = c.old.PushFront(o)
	c.byFH[fh] = o
	out := c.overfull()
	c.mu.Unlock()
	closeAll(out)
	return o
}

// overfull takes out what is too much and not in use.
func (c *cache) overfull() (out []*object) {
	for e := c.old.Back(); e != nil && len(c.byFH) > c.most; {
		o := e.Value.(*object)
		e = e.Prev()
		if o.refs == 0 {
			c.takeOut(o)
			out = append(out, o)
		}
	}
	return out
}

func (c *cache) takeOut(o *object) {
	c.old.Remove(o.elem)
	o.elem = nil
	delete(c.byFH, o.fh)
}

// release gives o back.
func (o *object) release() {
	c := o.cache
	c.mu.Lock()
	o.refs--
	o.used = time.Now()
	last := o.refs == 0 && o.elem == nil
	c.mu.Unlock()
	if last {
		o.close()
	}
}

// drop forgets the object of fh: its last name is gone, and its bytes should be as well.
func (c *cache) drop(fh string) {
	c.mu.Lock()
	o := c.byFH[fh]
	if o == nil {
		c.mu.Unlock()
		return
	}
	c.takeOut(o)
	o.dirty.Store(false)
	last := o.refs == 0
	c.mu.Unlock()
	if last {
		o.close()
	}
}

// expire closes what nobody used since a time, zero: all, and what has lost its names by other
// processes, whose space is free only then.
func (c *cache) expire(since time.Time) {
	c.mu.Lock()
	var out []*object
	for e := c.old.Back(); e != nil; {
		o := e.Value.(*object)
		e = e.Prev()
		if o.refs == 0 && (since.IsZero() || o.used.Before(since) || o.nameless()) {
			c.takeOut(o)
			out = append(out, o)
		}
	}
	c.mu.Unlock()
	closeAll(out)
}

// nameless reports whether no name of o is left.
func (o *object) nameless() bool {
	var st unix.Stat_t
	return unix.Fstat(o.path, &st) == nil && st.Nlink == 0
}

func closeAll(out []*object) {
	for _, o := range out {
		o.close()
	}
}

// close ends an object that nobody has. Bytes that are not on disk are written now: the kernel tells
// whoever opens the file later nothing of those that it lost meanwhile.
func (o *object) close() {
	if o.dirty.Load() && o.wfd >= 0 && unix.Fsync(o.wfd) != nil {
		o.cache.fault()
	}
	for _, fd := range []int{o.path, o.rfd, o.wfd} {
		if fd >= 0 {
			unix.Close(fd) // all that matters was synced
		}
	}
}

// readable returns a file descriptor to read the content by. It is good until release.
func (o *object) readable() (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wfd >= 0 {
		return o.wfd, nil
	}
	if o.rfd >= 0 {
		return o.rfd, nil
	}
	flags := unix.O_RDONLY
	switch o.typ {
	case unix.S_IFDIR:
		flags |= unix.O_DIRECTORY
	case unix.S_IFREG:
	default:
		return -1, unix.EINVAL // opening a device or a pipe does things, and hangs
	}
	fd, err := reopen(o.path, flags)
	if err != nil {
		return -1, err
	}
	o.rfd = fd
	return fd, nil
}

// writable returns a file descriptor to write the content by. It is good until release.
func (o *object) writable() (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wfd >= 0 {
		return o.wfd, nil
	}
	if o.typ != unix.S_IFREG {
		return -1, unix.EINVAL
	}
	fd, err := reopen(o.path, unix.O_RDWR)
	if err != nil {
		return -1, err
	}
	o.wfd = fd
	return fd, nil
}

// opened gives o a file descriptor that its creation brought along.
func (o *object) opened(wfd int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wfd >= 0 {
		unix.Close(wfd) // nothing was written by it
		return
	}
	o.wfd = wfd
}

// reopen opens what a file descriptor names, whatever names it has.
func reopen(path, flags int) (int, error) {
	return retry(func() (int, error) {
		return unix.Open(procName(path), flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	})
}

// procName is the name by which the kernel finds what a file descriptor of this process is for.
func procName(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// retry calls f again as long as signals interrupt it.
func retry[T any](f func() (T, error)) (T, error) {
	for {
		v, err := f()
		if !errors.Is(err, unix.EINTR) {
			return v, err
		}
	}
}

// flush brings the content, or the names, and the attributes of o to disk.
func (o *object) flush() error {
	fd, err := o.readable()
	if err != nil {
		return err
	}
	return o.sync.do(func() error {
		o.dirty.Store(false)
		count := &o.ex.server.count
		count.syncs.Add(1)
		_, err := retry(func() (int, error) { return 0, unix.Fsync(fd) })
		if err != nil {
			count.syncFaults.Add(1)
			o.cache.fault()
		}
		return err
	})
}

// flushBoth flushes two objects at one time, which costs a journal no more than one.
func flushBoth(a, b target) error {
	other := make(chan error, 1)
	go func() { other <- b.flush() }()
	return errors.Join(a.flush(), <-other)
}

// A flusher lets those who come while a flush is under way share the next one.
type flusher struct {
	turn sync.Mutex // held by the one who flushes
	mu   sync.Mutex
	next *flush
}

type flush struct {
	done chan struct{}
	err  error
}

// do returns when f was begun after the call of do, by this call or another, and has ended.
func (g *flusher) do(f func() error) error {
	g.mu.Lock()
	if r := g.next; r != nil {
		g.mu.Unlock()
		<-r.done
		return r.err
	}
	r := &flush{done: make(chan struct{})}
	g.next = r
	g.mu.Unlock()

	g.turn.Lock()
	g.mu.Lock()
	g.next = nil
	g.mu.Unlock()
	r.err = f()
	g.turn.Unlock()
	close(r.done)
	return r.err
}
