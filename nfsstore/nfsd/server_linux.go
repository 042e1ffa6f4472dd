package nfsd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A Server serves the exports of its Config. Its methods may be called by several goroutines.
type Server struct {
	cfg       Config
	log       *slog.Logger
	seals     *sealer
	become    bool  // it can act as other users
	times     times // shorter in tests
	most      int   // files and directories of an index
	openFiles int   // kept open at one time
	bytes     int64 // of calls under way and of their replies
	indexed   bool  // use an index also where the kernel's handles would do; for tests
	serving   atomic.Bool
	count     counters
	refusal   refusals
}

// times are the patience of a server with its clients.
type times struct {
	record   time.Duration // from the first byte of a record to its last
	write    time.Duration // for a reply to be taken
	shutdown time.Duration // for the last replies
	unused   time.Duration // after which a file is closed
}

var usualTimes = times{record: time.Minute, write: time.Minute, shutdown: 5 * time.Second, unused: time.Minute}

// counters are what Stats is made of.
type counters struct {
	connections, inFlight, accepted, refused, evicted, calls, failed,
	replayed, badHandles, garbage, syncs, syncFaults atomic.Int64
}

// New checks c, of which it keeps a copy, and makes the key in StateDir when there is none. It starts
// nothing. The error names every mistake.
func New(c Config) (*Server, error) {
	c, err := c.checked()
	if err != nil {
		return nil, fmt.Errorf("nfsd: %w", err)
	}
	var errs []error
	for _, e := range c.Exports {
		if err := checkDir(e, c.StateDir); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("nfsd: %w", err)
	}
	key, err := loadKey(c.StateDir)
	if err != nil {
		return nil, fmt.Errorf("nfsd: %w", err)
	}
	return &Server{
		cfg: c, log: c.Logger, seals: newSealer(key), become: canBecome(), times: usualTimes, most: MaxIndex,
		openFiles: maxOpenFiles(c.Limits.Connections), bytes: bytesInAll,
	}, nil
}

// checkDir looks whether an export can be served, and whether StateDir is outside of it by its real
// place too.
func checkDir(e Export, state string) error {
	info, err := os.Stat(e.Dir)
	if err != nil {
		return fmt.Errorf("export %s: the directory cannot be used: %w", e.Name, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("export %s: %s is not a directory", e.Name, e.Dir)
	}
	dir, err := filepath.EvalSymlinks(e.Dir)
	if err != nil {
		return fmt.Errorf("export %s: %w", e.Name, err)
	}
	real, err := filepath.EvalSymlinks(state)
	if err != nil {
		return fmt.Errorf("StateDir cannot be used; make the directory and give it to the user of the server: %w", err)
	}
	if below(real, dir) {
		return fmt.Errorf("export %s: StateDir is inside of it, where clients could read the key; put it elsewhere", e.Name)
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, dir, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_DIRECTORY})
	if err != nil {
		return fmt.Errorf("export %s: it cannot be opened; the user of the server must be able to read it, and the server needs Linux 5.8 or newer: %w", e.Name, err)
	}
	return unix.Close(fd)
}

// Stats returns the numbers of now.
func (s *Server) Stats() Stats {
	c := &s.count
	return Stats{
		Connections: c.connections.Load(), InFlight: c.inFlight.Load(), Accepted: c.accepted.Load(),
		Refused: c.refused.Load(), Evicted: c.evicted.Load(), Calls: c.calls.Load(), Failed: c.failed.Load(),
		Replayed: c.replayed.Load(), BadHandles: c.badHandles.Load(), Garbage: c.garbage.Load(),
		Syncs: c.syncs.Load(), SyncFaults: c.syncFaults.Load(),
	}
}

// Serve answers on l, which must listen on a private or loopback address, until ctx ends or l fails.
// It returns nil when ctx ended, and only after all that it started has ended and l is closed. Calls
// that are under way are answered before. One Serve of a Server runs at a time; a later one begins
// anew, as after a restart.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	se, err := s.begin(l)
	if err != nil {
		return errors.Join(fmt.Errorf("nfsd: %w", err), l.Close())
	}
	defer s.serving.Store(false)
	defer se.end()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { se.janitor(ctx) })
	stop := context.AfterFunc(ctx, func() { l.Close() }) // which ends Accept
	defer stop()
	s.log.Info("The NFS server answers.", "address", l.Addr().String(), "exports", len(se.exports), "users", s.become)
	err = se.accept(ctx, l, &wg)
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(fmt.Errorf("nfsd: the listener failed: %w", err), l.Close())
}

// A session is what exists while Serve runs.
type session struct {
	*Server
	exports []*export
	files   *cache
	replies *replies
	verf    atomic.Uint64 // the write verifier
	slots   chan struct{} // calls being carried out
	door    *door
	mounts  mounts
}

// An export, open.
type export struct {
	Export
	id      exportID
	root    int    // its directory
	fh      []byte // of the root
	dev     uint64
	rootIno uint64
	files   handles
	server  *session
}

func (s *Server) begin(l net.Listener) (*session, error) {
	if err := checkAddr(l.Addr()); err != nil {
		return nil, err
	}
	if !s.serving.CompareAndSwap(false, true) {
		return nil, errors.New("the server serves already; use another one for another listener")
	}
	se := &session{Server: s, replies: newReplies(), slots: make(chan struct{}, s.cfg.Limits.InFlight), door: newDoor(s)}
	se.files = newCache(s.openFiles, se.newVerifier)
	se.newVerifier()
	room := s.most
	for _, e := range s.cfg.Exports {
		ex, err := se.open(e, &room)
		if err != nil {
			se.end()
			s.serving.Store(false)
			return nil, fmt.Errorf("export %s: %w", e.Name, err)
		}
		se.exports = append(se.exports, ex)
	}
	return se, nil
}

// checkAddr refuses what other than private networks can reach.
func checkAddr(a net.Addr) error {
	ap, err := netip.ParseAddrPort(a.String())
	if a.Network() != "tcp" || err != nil {
		return fmt.Errorf("the listener is on %s %s; it must be on TCP", a.Network(), a)
	}
	addr := ap.Addr().Unmap().WithZone("")
	if !private(netip.PrefixFrom(addr, addr.BitLen())) {
		return fmt.Errorf("the listener is on %s; NFS with AUTH_SYS trusts whoever asks, so listen on one private or loopback address", a)
	}
	return nil
}

// newVerifier tells clients that written bytes may be lost.
func (se *session) newVerifier() {
	var b [8]byte
	rand.Read(b[:]) // it never fails
	var v uint64
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	se.verf.Store(v)
}

// maxOpenFiles leaves room for connections and for what is opened for a moment. An object has up to
// three file descriptors.
func maxOpenFiles(connections int) int {
	const most, least = 4096, 32
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return least
	}
	return max(least, int(min(most, (int64(min(lim.Cur, 1<<20))-int64(connections))/4)))
}

func (se *session) open(e Export, room *int) (*export, error) {
	fd, err := unix.Open(e.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("the directory %s cannot be opened: %w", e.Dir, err)
	}
	ex := &export{Export: e, root: fd, server: se}
	if err := ex.prepare(room); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return ex, nil
}

// prepare decides how files are found again.
func (ex *export) prepare(room *int) error {
	var st unix.Stat_t
	if err := unix.Fstat(ex.root, &st); err != nil {
		return err
	}
	ex.dev, ex.rootIno = uint64(st.Dev), uint64(st.Ino)
	born, err := birth(ex.root)
	if err != nil {
		return err
	}
	ex.id = idOf(ex.Name, ex.rootIno, born)
	if _, err := os.Stat(procName(ex.root)); err != nil {
		return fmt.Errorf("/proc must be mounted: %w", err)
	}
	kernel, err := newKernelHandles(ex.root, ex.dev)
	var id []byte
	if err == nil {
		id, err = kernel.of(ex.root, &st)
	}
	if err == nil && !ex.server.indexed {
		var fd int
		if fd, err = kernel.open(id); err == nil {
			unix.Close(fd) // it only named the directory
			ex.files, ex.fh = kernel, ex.sealed(kernel.kind(), id)
			return nil
		}
	}
	ix, err := newIndex(ex.root, ex.dev, *room)
	if err != nil {
		return err
	}
	*room -= ix.len()
	if id, err = ix.of(ex.root, &st); err != nil {
		return err
	}
	ex.files, ex.fh = ix, ex.sealed(ix.kind(), id)
	ex.server.log.Info("The handles of the kernel cannot be used here; there is an index instead.", "export", ex.Name, "files", ix.len())
	return nil
}

func (ex *export) sealed(kind byte, id []byte) []byte {
	b := make([]byte, 0, 1+exportIDSize+len(id)+sealSize)
	b = append(append(append(b, kind), ex.id[:]...), id...)
	return ex.server.seals.seal(b)
}

// end closes all files. Nobody may use them any more.
func (se *session) end() {
	se.files.expire(time.Time{})
	for _, ex := range se.exports {
		unix.Close(ex.root) // it was only read
	}
}

// janitor closes files that nobody uses.
func (se *session) janitor(ctx context.Context) {
	tick := time.NewTicker(se.times.unused / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			se.files.expire(now.Add(-se.times.unused))
		}
	}
}
