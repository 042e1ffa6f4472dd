package nfsstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"math"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
)

// An export is the volume of an NFS export that is reached without a mount. It makes its client at
// the first call that finds the server there. Its calls honour their contexts.
type export struct {
	config nfs3.Config
	fence  fence
	ahead  chan struct{} // bounds the chunks that are read ahead, of all files

	life context.Context // until close
	end  context.CancelFunc

	turn chan struct{} // held by the one who makes the client, and by close

	mu      sync.Mutex
	client  *nfs3.Client // nil: not yet
	failed  error        // the last try to make it, by which the next is put off
	retry   time.Time
	backoff time.Duration
}

// How long a failed try to reach the server answers for the calls that follow.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

// tryTimes bounds how often one operation is done again when its reply was lost or the server
// restarted under it.
const tryTimes = 4

// openWait bounds how long Open waits for a server that does not answer.
const openWait = 3 * time.Second

func newExport(c nfs3.Config, keep func(string, bool)) *export {
	x := &export{config: c, turn: make(chan struct{}, 1), ahead: make(chan struct{}, maxAhead)}
	x.life, x.end = context.WithCancel(context.Background())
	x.fence.init(x, keep)
	return x
}

// openExport finishes the store of an export.
func (s *Store) openExport(ctx context.Context, at location, slots int) error {
	c := at.export
	c.Logger = s.log
	// Reads of open files are not counted by the gate, but share the client.
	c.MaxInFlight = min(max(2*slots, nfs3.DefaultMaxInFlight), 1024)
	x := newExport(c, s.setTemp)
	s.gate, s.vol = newGate(slots, false), x
	brief, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	_, err := x.dial(brief)
	if err == nil {
		err = s.tryOut(brief)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded), brief.Err() == nil && !away(err):
		return errors.Join(s.fail("open", s.dir, !s.readOnly, err), x.close())
	}
	s.log.Warn("The NFS server does not answer; files are unavailable until it does.", "store", s.dir, "error", err)
	return nil
}

// away reports whether the server did not answer, or not by the protocol, as one that is just being
// started; so that trying again makes sense.
func away(err error) bool {
	return errors.Is(err, nfs3.ErrNoAnswer) || errors.Is(err, nfs3.ErrProtocol)
}

// dial returns the client, which it makes when there is none.
func (x *export) dial(ctx context.Context) (*nfs3.Client, error) {
	if c, err := x.now(); c != nil || err != nil {
		return c, err
	}
	select {
	case x.turn <- struct{}{}:
		defer func() { <-x.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c, err := x.now(); c != nil || err != nil {
		return c, err
	}
	c, err := x.connect(ctx)
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case err == nil:
		x.client, x.failed = c, nil
	case ctx.Err() == nil: // an impatient caller says nothing about the server
		x.backoff = min(max(2*x.backoff, firstBackoff), lastBackoff)
		x.failed, x.retry = err, time.Now().Add(x.backoff)
	}
	return c, err
}

// now returns the client that there is, or why there is none to be had now, or neither.
func (x *export) now() (*nfs3.Client, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.life.Err() != nil:
		return nil, fs.ErrClosed
	case x.client != nil:
		return x.client, nil
	case x.failed != nil && time.Now().Before(x.retry):
		return nil, x.failed
	}
	return nil, nil
}

// connect tries the addresses of the host, all of which must be private.
func (x *export) connect(ctx context.Context) (*nfs3.Client, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(x.life, cancel)
	defer stop()
	ips, err := privateIPs(ctx, x.config.Host)
	if err != nil {
		return nil, err
	}
	var errs []error
	const maxIPs = 4
	for _, ip := range ips[:min(len(ips), maxIPs)] {
		c := x.config
		// The address that was looked at, and not what the name stands for a moment later.
		c.Host = ip.String()
		client, err := nfs3.Dial(ctx, c)
		if err == nil {
			return client, nil
		}
		if !away(err) && ctx.Err() == nil {
			// That an export does not exist must not be taken for that of a file.
			err = &failure{op: "mount", kind: ErrUnavailable, err: errors.New(err.Error()), sentence: "the NFS server does not let us use " +
				"this export; check its path, and on the server whether this machine is among its clients"}
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// privateIPs returns the addresses of host, unless one of them is public.
func privateIPs(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, checkPrivate(ip)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(ips) == 0 {
		err = errors.New("it has none")
	}
	if err != nil {
		return nil, &failure{op: "open", kind: ErrUnavailable, err: errors.Join(nfs3.ErrNoAnswer, err),
			sentence: "the address of the NFS server " + host + " cannot be found; check its name and the name service"}
	}
	for _, ip := range ips {
		if err := checkPrivate(ip); err != nil {
			return nil, err
		}
	}
	return ips, nil
}

// close ends all calls, also those that wait for the server to come.
func (x *export) close() error {
	x.fence.close()
	x.end()
	x.turn <- struct{}{} // connect has been told to end
	defer func() { <-x.turn }()
	x.mu.Lock()
	c := x.client
	x.client = nil
	x.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.Close()
}

func (x *export) create(ctx context.Context, name string) (tempFile, error) {
	c, err := x.dial(ctx)
	if err != nil {
		return nil, err
	}
	f, err := c.Create(ctx, name, 0o444)
	if err != nil {
		return nil, err
	}
	return &exportTemp{f: f}, nil
}

func (x *export) open(ctx context.Context, name string) (file, error) {
	c, err := x.dial(ctx)
	if err != nil {
		return nil, err
	}
	f, err := c.Open(ctx, name)
	switch {
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.EINVAL):
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist} // no regular file
	case err != nil:
		return nil, err
	}
	return newExportFile(ctx, x, f), nil
}

func (x *export) stat(ctx context.Context, name string) (fs.FileInfo, error) {
	c, err := x.dial(ctx)
	if err != nil {
		return nil, err
	}
	info, err := c.Stat(ctx, name)
	if err != nil {
		return nil, err // and not a nil *Info, which is no nil
	}
	return info, nil
}

func (x *export) same(a, b fs.FileInfo) bool {
	ia, oka := a.(*nfs3.Info)
	ib, okb := b.(*nfs3.Info)
	return oka && okb && ia.Same(ib)
}

// mkdir makes a directory. When the reply is lost it asks again: that it exists is no error to
// those who call.
func (x *export) mkdir(ctx context.Context, name string) error {
	c, err := x.dial(ctx)
	if err != nil {
		return err
	}
	for range tryTimes {
		if err = c.Mkdir(ctx, name, 0o755); !errors.Is(err, nfs3.ErrUnknownOutcome) || ctx.Err() != nil {
			break
		}
	}
	return err
}

// link gives a file a second name. When the reply is lost, the name tells whether it was done.
func (x *export) link(ctx context.Context, from, to string) error {
	c, err := x.dial(ctx)
	if err != nil {
		return err
	}
	for range tryTimes {
		err = c.Link(ctx, from, to)
		if !errors.Is(err, nfs3.ErrUnknownOutcome) || ctx.Err() != nil {
			return err
		}
		there, serr := c.Stat(ctx, to)
		if errors.Is(serr, fs.ErrNotExist) {
			continue
		}
		if serr != nil {
			return err
		}
		source, serr := c.Stat(ctx, from)
		switch {
		case serr != nil:
			return err
		case source.Same(there):
			return nil
		}
		return &fs.PathError{Op: "link", Path: to, Err: syscall.EEXIST}
	}
	return err
}

// remove takes a name away. When the reply is lost, a name that is gone was removed.
func (x *export) remove(ctx context.Context, name string) error {
	c, err := x.dial(ctx)
	if err != nil {
		return err
	}
	for try := range tryTimes {
		err = c.Remove(ctx, name)
		if try > 0 && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, nfs3.ErrUnknownOutcome) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// settle raises the fence, and looks whether the server still knows of the change after it: it may
// have lost its power, and the newest of its names, between the change and the fence.
func (x *export) settle(ctx context.Context, name string, there bool) error {
	c, err := x.dial(ctx)
	if err != nil {
		return err
	}
	if err := x.fence.raise(ctx); err != nil {
		return err
	}
	_, err = c.Stat(ctx, name)
	absent := errors.Is(err, fs.ErrNotExist) || classify(err) == faultNotDir
	switch {
	case err != nil && !absent:
		return err
	case absent == there:
		return &failure{op: "settle", name: name, kind: ErrUnavailable, sentence: "the change is undone already: " +
			"the NFS server was restarted meanwhile, or somebody else has changed the same name; try again"}
	}
	return nil
}

func (x *export) space(ctx context.Context) (free, total int64, err error) {
	c, err := x.dial(ctx)
	if err != nil {
		return 0, 0, err
	}
	space, err := c.Space(ctx)
	if err != nil {
		return 0, 0, err
	}
	return int64(min(space.FreeBytes, math.MaxInt64)), int64(min(space.TotalBytes, math.MaxInt64)), nil
}

// exportWindow is how much of a file is written before the server is asked to flush it. It is kept
// until then, because a server that restarts may have forgotten it.
const exportWindow = 1 << 20

// An exportTemp is a file that is written window by window.
type exportTemp struct {
	f       *nfs3.File
	at      int64  // all before it is safe
	window  []byte // what comes after it
	flushed bool
}

func (t *exportTemp) write(ctx context.Context, p []byte) error {
	for len(p) > 0 {
		n := min(len(p), exportWindow-len(t.window))
		t.window, p = append(t.window, p[:n]...), p[n:]
		if len(t.window) == exportWindow {
			if err := t.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *exportTemp) sync(ctx context.Context) error {
	if len(t.window) == 0 && t.flushed {
		return nil
	}
	return t.flush(ctx)
}

func (t *exportTemp) flush(ctx context.Context) (err error) {
	for range tryTimes {
		if err = writeSync(ctx, t.f, t.window, t.at); !errors.Is(err, nfs3.ErrRewrite) {
			break
		}
	}
	if err != nil {
		return err
	}
	t.at += int64(len(t.window))
	t.window, t.flushed = t.window[:0], true
	return nil
}

// writeSync writes and flushes; [nfs3.ErrRewrite] asks for doing it again.
func writeSync(ctx context.Context, f *nfs3.File, p []byte, at int64) error {
	n, err := f.WriteAt(ctx, p, at)
	switch {
	case err != nil:
		return err
	case n < len(p):
		return io.ErrShortWrite
	}
	return f.Sync(ctx)
}

func (t *exportTemp) close(context.Context) error {
	t.window = nil
	return t.f.Close()
}

// An exportDir is an open directory of an export; its faults show when it is read.
type exportDir struct {
	next func() (*nfs3.Info, error, bool)
	stop func()
}

func (x *export) openDir(ctx context.Context, name string) (folder, error) {
	c, err := x.dial(ctx)
	if err != nil {
		return nil, err
	}
	next, stop := iter.Pull2(c.ReadDir(ctx, name))
	return &exportDir{next, stop}, nil
}

func (d *exportDir) ReadDir(n int) (entries []fs.DirEntry, err error) {
	for len(entries) < n {
		info, err, ok := d.next()
		switch {
		case !ok && len(entries) == 0:
			return nil, io.EOF
		case !ok:
			return entries, nil
		case err != nil:
			return entries, err
		}
		entries = append(entries, info)
	}
	return entries, nil
}

func (d *exportDir) Close() error {
	d.stop()
	return nil
}
