// Package console lets an administrator look at a [balance.Balancer] and change it from a terminal, by
// commands like those of Perlbal, over a Unix socket:
//
//	$ socat - UNIX:/run/balancer/console
//	summary
//	2 of 3 backends serve. b is ejected for another 12s: 5 failures in a row.
//	.
//
// A command is a line of words; an answer is some lines and a line with only a dot. Lines of an answer that
// begin with a dot have one more. A line that begins with ERR says why a command was not done, and what to do.
// Any command may end with the word json: then its answer is one line of JSON. help lists the commands.
//
// Who may open the socket may do everything: its mode is 0600, and there is no other way in.
package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

// Balancer is what a console works on; [balance.Balancer] is one.
type Balancer interface {
	Summary() string
	Snapshot() []balance.Status
	Stats() balance.Stats
	Timings() balance.Timings
	Add(balance.Backend) error
	Remove(name string) error
	SetWeight(name string, weight int) error
	Disable(name, reason string) error
	Enable(name string) error
	Drain(ctx context.Context, name string) error
	Undrain(name string) error
}

// A Purger is a cache that can be told to forget; cache.Cache is one.
type Purger interface {
	Purge(url string) (int, error)
	PurgeTag(tag string) int
	PurgeAll() int
}

// Options are what may be left out.
type Options struct {
	// Cache is what the command purge is about; nil: there is none.
	Cache Purger
	// Stop makes the process stop gracefully; it must return at once. nil: the console cannot stop it.
	Stop func()
	// Version is what the command version says; "": nothing is known.
	Version string
	// Logger is told of each command that changes something; nil: nobody.
	Logger *slog.Logger
	// MaxConns is how many may be connected at a time, 1 to 1000; 0 means 16.
	MaxConns int
	// IdleTimeout is how long a connection may say nothing, 1 s to 24 h; 0 means 10 min.
	IdleTimeout time.Duration
}

// Limits of what cannot be chosen.
const (
	maxPath      = 100              // bytes, of a socket's name
	maxLine      = 4096             // bytes of a command
	writeTimeout = 10 * time.Second // for an answer
	maxDrainWait = time.Hour        // of the command node drain
	acceptPause  = time.Second      // when there are no file descriptors left
)

// A Console answers commands. Its methods may be called concurrently.
type Console struct {
	b     Balancer
	o     Options
	since time.Time
}

// New returns a console for a balancer. It reports all mistakes in the options at once.
func New(b Balancer, o *Options) (*Console, error) {
	c := &Console{b: b, since: time.Now()}
	if o != nil {
		c.o = *o
	}
	if c.o.Logger == nil {
		c.o.Logger = slog.New(slog.DiscardHandler)
	}
	if c.o.MaxConns == 0 {
		c.o.MaxConns = 16
	}
	if c.o.IdleTimeout == 0 {
		c.o.IdleTimeout = 10 * time.Minute
	}
	var errs []error
	if b == nil {
		errs = append(errs, errors.New("console: there is no balancer; give New one"))
	}
	if c.o.MaxConns < 1 || c.o.MaxConns > 1000 {
		errs = append(errs, fmt.Errorf("console: Options.MaxConns is %d; it must be between 1 and 1000, or 0 for 16", c.o.MaxConns))
	}
	if c.o.IdleTimeout < time.Second || c.o.IdleTimeout > 24*time.Hour {
		errs = append(errs, fmt.Errorf("console: Options.IdleTimeout is %v; it must be between 1s and 24h, or 0 for 10m", c.o.IdleTimeout))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// Listen makes the socket, which only this user can open. One that a process has left behind is
// replaced; one where somebody answers, or anything else of that name, is not: that is an error. The socket is
// removed when it is closed.
func Listen(path string) (net.Listener, error) {
	fail := func(format string, args ...any) (net.Listener, error) {
		return nil, fmt.Errorf("console: the socket %s: "+format, append([]any{path}, args...)...)
	}
	info, err := os.Lstat(path)
	switch {
	case len(path) > maxPath:
		return fail("its name has %d bytes; systems take %d for a socket", len(path), maxPath)
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fail("%w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fail("there is something else of that name; choose another one, or remove that")
	default:
		c, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			return fail("another process answers there; stop it, or choose another name: %w", errors.Join(fs.ErrExist, c.Close()))
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return fail("it is not clear whether another process answers there; choose another name, or remove it: %w", err)
		}
	}
	// It comes into being in a folder that nobody else can enter, and takes its place when its mode is right.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".c")
	if err != nil {
		return fail("make its folder, and let this user write there: %w", err)
	}
	defer os.RemoveAll(dir) // it is empty, unless something below has failed, which is told
	first := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: first, Net: "unix"})
	if err != nil {
		return fail("it cannot be made; if its folder has a long name, choose another one: %w", err)
	}
	l.SetUnlinkOnClose(false)
	s := &socket{UnixListener: l, path: path}
	if err := os.Chmod(first, 0o600); err != nil {
		return fail("%w", errors.Join(err, l.Close()))
	}
	if s.info, err = os.Lstat(first); err == nil {
		err = os.Rename(first, path)
	}
	if err != nil {
		return fail("%w", errors.Join(err, l.Close()))
	}
	return s, nil
}

// A socket is removed when it is closed, if it is still there.
type socket struct {
	*net.UnixListener
	path string
	info fs.FileInfo
	once sync.Once
	err  error
}

// Addr returns the name that others know.
func (s *socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }

func (s *socket) Close() error {
	s.once.Do(func() {
		s.err = s.UnixListener.Close()
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.info) {
			s.err = errors.Join(s.err, os.Remove(s.path))
		}
	})
	return s.err
}

// Run answers who connects to l, a Unix socket, until ctx ends, and closes it. It returns when all
// connections are closed; commands that wait are given up. The error says why l has failed.
func (c *Console) Run(ctx context.Context, l net.Listener) error {
	if l.Addr().Network() != "unix" {
		return errors.Join(fmt.Errorf("console: it listens on %s; that must be a Unix socket, which strangers cannot reach: see Listen", l.Addr().Network()), l.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	closed := make(chan error, 1)
	context.AfterFunc(ctx, func() { closed <- l.Close() })
	places := make(chan struct{}, c.o.MaxConns)
	for {
		conn, err := l.Accept()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			select { // it passes
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		if err != nil {
			stopped := ctx.Err() != nil
			cancel()
			if closing := <-closed; stopped {
				return closing
			}
			return fmt.Errorf("console: %w", err)
		}
		select {
		case places <- struct{}{}:
			all.Go(func() {
				defer func() { <-places }()
				c.serve(ctx, conn)
			})
		default:
			// Whoever does not read this does not hold it up: it fits into the socket's buffer.
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second)) // a closed one says so when it is written to
			_, _ = io.WriteString(conn, "ERR Too many are connected to the console. Close one of the other connections.\n.\n")
			_ = conn.Close() // nothing is lost with it
		}
	}
}

// serve answers one connection until it, or ctx, ends.
func (c *Console) serve(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // wakes the reader, which then ends; a closed one has ended
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	})
	defer stop()
	defer conn.Close() // what it still says nobody waits for
	in := bufio.NewReaderSize(conn, maxLine)
	for ctx.Err() == nil {
		if err := conn.SetReadDeadline(time.Now().Add(c.o.IdleTimeout)); err != nil || ctx.Err() != nil {
			return
		}
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			c.say(conn, answer{err: plainf("A command has at most %d bytes. The connection is closed.", maxLine)})
			return
		}
		if err != nil && (err != io.EOF || len(line) == 0) {
			return
		}
		a, end := c.command(ctx, string(line))
		if !c.say(conn, a) || end || err != nil {
			return
		}
	}
}

// say writes an answer.
func (c *Console) say(conn net.Conn, a answer) bool {
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return false
	}
	_, err := conn.Write(a.bytes())
	return err == nil
}
