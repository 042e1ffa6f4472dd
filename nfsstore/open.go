package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/dirvol"
	"github.com/sugarlabs/beamrider/nfsstore/memvol"
	"github.com/sugarlabs/beamrider/nfsstore/nfs3vol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// Options change what [Open] and [New] do. The zero value and nil are good.
type Options struct {
	// Logger hears of what is no error to a caller, such as a temporary file that could not be
	// removed; nil discards.
	Logger *slog.Logger
	// ReadOnly makes a store that writes nothing, not even to try the directory out, and whose
	// writing methods fail with ErrReadOnly. The directory must exist.
	ReadOnly bool
	// Concurrency bounds how many calls are inside the file system at a time; 0: 64.
	Concurrency int
	// ReadTimeout bounds one read of an open file where it may hang, as on a mount whose server is
	// gone; 0: 30 s. A read that takes longer fails with ErrUnavailable.
	ReadTimeout time.Duration
	// Reserve is how many bytes are kept free: Put fails with ErrNoSpace when fewer would be left.
	// ReserveFiles is the same for the number of files (inodes), where the file system counts them.
	// 0: none. The room is asked for once a second.
	Reserve, ReserveFiles int64
	// Names is how names of files are made safe from a power cut, for [Open]; zero: by the kind of
	// file system, see the package comment. [New] leaves it to its volume.
	Names vol.Names
}

func (o *Options) check(name string) error {
	var errs []error
	refuse := func(sentence string) {
		errs = append(errs, &failure{op: "open", name: name, kind: fs.ErrInvalid, sentence: sentence})
	}
	if o.Concurrency < 0 {
		refuse(fmt.Sprintf("the concurrency of %d is below 0", o.Concurrency))
	}
	if o.ReadTimeout < 0 {
		refuse(fmt.Sprintf("the time-out of reads of %v is below 0", o.ReadTimeout))
	}
	if o.Reserve < 0 || o.ReserveFiles < 0 {
		refuse(fmt.Sprintf("a reserve of %d bytes and %d files was asked for; neither may be below 0", o.Reserve, o.ReserveFiles))
	}
	if !o.Names.Valid() {
		refuse("there is no such way to make names safe as " + o.Names.String())
	}
	return errors.Join(errs...)
}

// slots returns how many calls are let into the file system at a time.
func (o *Options) slots() int {
	if o.Concurrency == 0 {
		return 64
	}
	return o.Concurrency
}

func newStore(dir string, o *Options) *Store {
	s := &Store{
		dir: dir, readOnly: o.ReadOnly, log: o.Logger, readTimeout: o.ReadTimeout, budget: newBudget(o),
		known: make(map[string]struct{}), temps: make(map[string]struct{}),
	}
	if s.readTimeout == 0 {
		s.readTimeout = 30 * time.Second
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// New returns a store on a volume, which belongs to it from then on: [Store.Close] closes it. It tries
// nothing out; the first call that writes does. The mistakes of o match [fs.ErrInvalid].
func New(v vol.Vol, o *Options) (*Store, error) {
	if o == nil {
		o = new(Options)
	}
	if err := o.check(v.String()); err != nil {
		return nil, err
	}
	s := newStore(v.String(), o)
	s.on(v, o)
	return s, nil
}

// on sets the volume.
func (s *Store) on(v vol.Vol, o *Options) {
	s.vol, s.gate = v, newGate(o.slots(), !v.Caps().Deadline)
}

// Open returns the store at url: file:///abs/dir (or a plain path) for a directory, on a local disk
// or on a mount, nfs://host[:port]/export/dir for an export of NFS version 3, which is reached
// without a mount, or mem: for a new one in memory, which ends with the store. After a question mark
// nfs takes uid=N and gid=N (who this process is to the server; 0 when absent), mountport=N (with
// port, no portmapper is needed) and timeout=30s (of each of its calls); nfs and file take names=way,
// as [vol.ParseNames] reads it, in place of [Options].Names. All mistakes of url and o are reported at
// once and match [fs.ErrInvalid].
//
// AUTH_SYS, by which NFS knows its users, believes everybody. So a host with an address that is not
// private (loopback, link-local, RFC 1918, RFC 4193 or RFC 6598) is refused, now or whenever it is
// resolved.
//
// A directory is made when absent. Open tries out what the package needs: it writes, syncs, links,
// reads back and removes a small file, so that a mount that is missing, read-only or can neither link
// nor rename without replacing is refused here and not at the first upload. A full disk is not
// refused: its files can still be read. An export whose server does not answer (within 3 seconds, or
// the time of ctx) is not refused either: calls fail with [ErrUnavailable] until it does, and the
// trial is made up for at the first call that writes.
func Open(ctx context.Context, url string, o *Options) (*Store, error) {
	if o == nil {
		o = new(Options)
	}
	at, err := parseLocation(url)
	if err := errors.Join(err, o.check(url)); err != nil {
		return nil, err
	}
	switch {
	case at.dir != "":
		return openDisk(ctx, at, o)
	case at.export.Host != "":
		return openExport(ctx, at.export, o)
	}
	return New(memvol.New(nil), o)
}

func openDisk(ctx context.Context, at location, o *Options) (*Store, error) {
	s := newStore(at.dir, o)
	names := at.names
	if names == 0 {
		names = o.Names
	}
	// A mount whose server is gone hangs from the first look on; what kind it is shows only after.
	looking := newGate(1, true)
	v, err := through(ctx, looking, func() (*dirvol.Vol, error) {
		return dirvol.Open(at.dir, &dirvol.Options{Make: !o.ReadOnly, Names: names, Logger: s.log})
	}, func(late *dirvol.Vol) { s.report("closing the folder", ".", late.Close()) })
	if err != nil {
		return nil, s.fail("open", at.dir, !s.readOnly, err)
	}
	s.on(v, o)
	if err := s.tryOut(ctx); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return s, nil
}

// openWait bounds how long Open waits for a server that does not answer.
const openWait = 3 * time.Second

func openExport(ctx context.Context, c nfs3vol.Config, o *Options) (*Store, error) {
	s := newStore(c.String(), o)
	c.Logger = s.log
	if c.Names == 0 {
		c.Names = o.Names
	}
	// Reads of open files are not counted by the gate, but share the client.
	const least, most = 64, 1024
	c.MaxInFlight = min(max(2*o.slots(), least), most)
	v, err := nfs3vol.New(c)
	if err != nil {
		return nil, s.fail("open", s.dir, reading, err)
	}
	s.on(v, o)
	brief, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	if err = v.Reach(brief); err == nil {
		err = s.tryOut(brief)
	}
	switch {
	case err == nil:
		return s, nil
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded), brief.Err() == nil && vol.FaultOf(err) != vol.FaultAway:
		return nil, errors.Join(s.fail("open", s.dir, !s.readOnly, err), v.Close())
	}
	s.log.Warn("The NFS server does not answer; files are unavailable until it does.", "store", s.dir, "error", err)
	return s, nil
}

// tryOut probes the volume unless that was done.
func (s *Store) tryOut(ctx context.Context) error {
	if s.readOnly || s.probed.Load() {
		return nil
	}
	switch err := s.gate.do(ctx, func() error { return s.probe(ctx) }); {
	case errors.Is(err, ErrNoSpace):
		s.log.Warn("The file system is full; files can be read but not stored.", "store", s.dir, "error", err)
	case err != nil:
		return s.fail("open", s.dir, writing, err)
	}
	s.probed.Store(true)
	return nil
}

// probe does once what every Put does, and looks at the result.
func (s *Store) probe(ctx context.Context) (err error) {
	step := func(what string, err error) error {
		if err == nil {
			return nil
		}
		f, _ := errors.AsType[*failure](s.fail("open", s.dir, writing, err)) // it is always one
		f.sentence = "trying it out, " + what + " failed: " + f.sentence
		return f
	}
	refuse := func(kind, err error, sentence string) error {
		return &failure{op: "open", name: s.dir, kind: kind, err: err, sentence: sentence}
	}
	now := time.Now()
	a, b := newTemp(".", now), newTemp(".", now)
	content := []byte("nfsstore tries this folder out; it may be removed\n")

	f, err := s.vol.Create(ctx, a)
	if err != nil {
		return step("making a file", err)
	}
	defer func() {
		last, cancel := cleanup(ctx)
		defer cancel()
		for _, name := range []string{a, b} {
			rerr := s.vol.Remove(last, name)
			if s.moves.Load() && errors.Is(rerr, fs.ErrNotExist) {
				rerr = nil // it has moved
			}
			if err == nil && rerr != nil {
				err = step("removing a file", rerr)
			}
		}
		if err == nil {
			err = step("syncing the folder", s.vol.Persist(ctx, a, false))
		}
	}()
	err = f.Write(ctx, content)
	if err == nil {
		err = f.Sync(ctx)
	}
	if err = errors.Join(err, f.Close(ctx)); err != nil {
		return step("writing a file", err)
	}
	if err := s.vol.Link(ctx, a, b); err != nil {
		switch vol.FaultOf(err) {
		case vol.FaultSpace, vol.FaultQuota, vol.FaultIO, vol.FaultTimeout, vol.FaultStale, vol.FaultAway:
			return step("linking a file", err)
		}
		if ctx.Err() != nil {
			return step("linking a file", err)
		}
		none := err
		switch err := s.tryMove(ctx, a, b); {
		case errors.Is(err, errors.ErrUnsupported):
			return refuse(ErrReadOnly, none, "its file system makes no hard links, and cannot rename without replacing either; without one of them nothing can be stored safely; choose a folder on another (ext4, XFS, Btrfs, NFS)")
		case errors.Is(err, errReplaces):
			return refuse(ErrUnavailable, nil, "its file system lets a rename replace a file that must not be replaced; choose a folder on another")
		case err != nil:
			return step("moving a file", err)
		}
		s.moves.Store(true)
	} else if err := s.vol.Link(ctx, a, b); !errors.Is(err, fs.ErrExist) {
		if err != nil {
			return step("linking a file again", err)
		}
		return refuse(ErrUnavailable, nil, "its file system lets a link replace a file; choose a folder on another")
	}
	r, err := s.vol.Open(ctx, b)
	if err != nil {
		return step("opening a file", err)
	}
	got, err := io.ReadAll(io.LimitReader(r, int64(len(content))+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return step("reading a file", err)
	}
	if !bytes.Equal(got, content) {
		return refuse(ErrUnavailable, nil, "its file system gives other bytes than were written")
	}
	return nil
}

var errReplaces = errors.New("a file was replaced")

// tryMove tries out what a store without links does in place of them, and moves a to b.
func (s *Store) tryMove(ctx context.Context, a, b string) error {
	m, ok := s.vol.(vol.Mover)
	if !ok {
		return errors.ErrUnsupported
	}
	f, err := s.vol.Create(ctx, b)
	if err != nil {
		return err
	}
	if err := f.Close(ctx); err != nil {
		return err
	}
	switch err := m.Move(ctx, a, b); {
	case err == nil:
		return errReplaces
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	if err := s.vol.Remove(ctx, b); err != nil {
		return err
	}
	return m.Move(ctx, a, b)
}
