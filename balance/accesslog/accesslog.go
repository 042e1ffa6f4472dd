// Package accesslog writes a line of JSON for each request of a [balance.Balancer]: give [Log.Done] to
// balance.Options.Events.Done.
//
// A request never waits for the disk. Lines gather in memory, up to Options.Buffer, and are written when
// there are enough of them, at the latest after Options.Flush. When the disk is too slow, or full, further
// lines are dropped; how many is counted, and said in the log by a line {"time":…,"dropped":n}, and to the
// Logger. [Log.Reopen] goes on in a new file after the old one was renamed.
//
// The fields of a line: time, client, method, scheme, host, target (the path; the query too with
// Options.Query), proto, status, received, sent, backend, tries, queue_us, connect_us, first_us, total_us and end,
// which are those of [balance.Record] with times in microseconds; and cache, priority and id where there is
// something to tell. Header fields, and so cookies and passwords, are never written.
package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

// Options are what may be left out.
type Options struct {
	// Buffer is how many bytes of lines may wait for the disk, 64 KiB to 1 GiB; 0 means 4 MiB.
	Buffer int
	// Flush is how long a line waits at most until it is written, 1 ms to 1 min; 0 means 1 s.
	Flush time.Duration
	// Query says that the query of the target is written too. It may hold what nobody else should know,
	// such as a token.
	Query bool
	// Logger is told when lines are dropped or cannot be written, at most once a minute; nil: nobody.
	Logger *slog.Logger
}

func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Buffer == 0 {
		c.Buffer = 4 << 20
	}
	if c.Flush == 0 {
		c.Flush = time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var errs []error
	if c.Buffer < 64<<10 || c.Buffer > 1<<30 {
		errs = append(errs, fmt.Errorf("accesslog: Options.Buffer is %d; it must be between 65536 and 1073741824 bytes, or 0 for 4 MiB", c.Buffer))
	}
	if c.Flush < time.Millisecond || c.Flush > time.Minute {
		errs = append(errs, fmt.Errorf("accesslog: Options.Flush is %v; it must be between 1ms and 1m, or 0 for 1s", c.Flush))
	}
	return c, errors.Join(errs...)
}

// A Log is a file that lines are added to. Its methods may be called concurrently.
type Log struct {
	o    Options
	open func() (io.WriteCloser, error)

	mu      sync.Mutex
	pending []byte // lines that wait; the rest of the buffer is with the writer
	lost    uint64 // lines dropped that the log does not tell of yet
	wake    chan struct{}

	running atomic.Bool
	reopen  atomic.Bool
	written atomic.Uint64
	dropped atomic.Uint64

	// What follows belongs to Run.
	out    io.WriteCloser // nil: to be opened
	spare  []byte
	warned time.Time
}

// Open returns a log that is written to the file of that name. Run makes the file (mode 0640) if there is none; so
// a directory that is missing is found out here, but the file may come and go.
func Open(name string, o *Options) (*Log, error) {
	open := func() (io.WriteCloser, error) {
		return os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	}
	f, err := open()
	if err != nil {
		return nil, fmt.Errorf("accesslog: the log cannot be opened; make its directory, and let this user write there: %w", err)
	}
	l, err := newLog(open, o)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l.out = f
	return l, nil
}

// New returns a log that is written to w, which belongs to the caller; Reopen does nothing then.
func New(w io.Writer, o *Options) (*Log, error) {
	return newLog(func() (io.WriteCloser, error) { return unclosed{w}, nil }, o)
}

type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

func newLog(open func() (io.WriteCloser, error), o *Options) (*Log, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Log{o: opts, open: open, wake: make(chan struct{}, 1)}, nil
}

// Done adds the line for a request. It does not block, and the Record may be changed when it has returned.
func (l *Log) Done(r *balance.Record) {
	var room [768]byte
	line := encode(room[:0], r, l.o.Query)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending)+len(line) > l.o.Buffer/2 { // the other half may be on its way
		l.lost++
		l.dropped.Add(1)
		return
	}
	before := len(l.pending)
	l.pending = append(l.pending, line...)
	if enough := l.o.Buffer / 8; before < enough && len(l.pending) >= enough {
		l.nudge()
	}
}

func (l *Log) nudge() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake
	}
}

// Reopen makes Run close the file and open that of its name, before the next lines are written: for the
// moment when a file was renamed to begin a new one.
func (l *Log) Reopen() {
	l.reopen.Store(true)
	l.nudge()
}

// Stats are counts since the log was opened.
type Stats struct {
	Written uint64 `json:"written"` // lines
	Dropped uint64 `json:"dropped"` // lines that there was no room for, or that could not be written
}

// Stats returns them.
func (l *Log) Stats() Stats { return Stats{Written: l.written.Load(), Dropped: l.dropped.Load()} }

// Run writes until ctx ends, then writes the rest, closes the file and returns what then went wrong. What goes
// wrong before is told to the Logger and tried again. Requests that end later are not
// in the log; so the server should have stopped. Run must not run twice.
func (l *Log) Run(ctx context.Context) error {
	if !l.running.CompareAndSwap(false, true) {
		return errors.New("accesslog: Run has been called already; call it once for each Log")
	}
	tick := time.NewTicker(l.o.Flush)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			err := l.flush()
			if l.out != nil {
				err = errors.Join(err, l.out.Close())
			}
			return err
		case <-tick.C:
		case <-l.wake:
		}
		if err := l.flush(); err != nil && time.Since(l.warned) > time.Minute {
			l.warned = time.Now()
			l.o.Logger.Error("the access log is not whole", "error", err, "dropped", l.dropped.Load())
		}
	}
}

// flush writes what waits. Lines that could not be written are lost: the disk may be full for long.
func (l *Log) flush() error {
	var errs []error
	if l.reopen.Swap(false) && l.out != nil {
		errs = append(errs, l.out.Close())
		l.out = nil
	}
	l.mu.Lock()
	lines, lost := l.pending, l.lost
	l.pending, l.lost = l.spare[:0], 0
	l.mu.Unlock()
	l.spare = lines[:0]
	if lost > 0 {
		errs = append(errs, fmt.Errorf("accesslog: %d lines were dropped: more came than could be written", lost))
	}
	if l.out == nil {
		var err error
		if l.out, err = l.open(); err != nil {
			l.out = nil
			errs = append(errs, fmt.Errorf("accesslog: %w", err))
			lost += l.gone(lines)
		}
	}
	if l.out != nil && len(lines) > 0 {
		n, err := l.put(lines)
		l.written.Add(countLines(lines[:n]))
		if err != nil {
			errs = append(errs, fmt.Errorf("accesslog: %w", err))
			lost += l.gone(lines[bytes.LastIndexByte(lines[:n], '\n')+1:])
		}
	}
	if lost > 0 {
		if err := l.confess(lost); err != nil {
			errs = append(errs, err)
			l.mu.Lock()
			l.lost += lost
			l.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

// gone counts lines as dropped.
func (l *Log) gone(lines []byte) uint64 {
	n := countLines(lines)
	l.dropped.Add(n)
	return n
}

// confess writes how many lines are missing.
func (l *Log) confess(lost uint64) error {
	if l.out == nil {
		return errors.New("accesslog: there is no file to say that in")
	}
	_, err := l.put(fmt.Appendf(nil, "{\"time\":%q,\"dropped\":%d}\n", time.Now().UTC().Format(timeFormat), lost))
	return err
}

// put writes lines. If it gets only as far as the middle of one, it ends that, so that the next is not
// taken for the rest of it.
func (l *Log) put(lines []byte) (int, error) {
	n, err := l.out.Write(lines)
	if err != nil && n > 0 && lines[n-1] != '\n' {
		_, again := l.out.Write([]byte{'\n'})
		err = errors.Join(err, again)
	}
	return n, err
}

func countLines(lines []byte) uint64 { return uint64(bytes.Count(lines, []byte{'\n'})) }
