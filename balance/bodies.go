package balance

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// BodyOptions say how much of what clients send and get is held here, so that a slow client does not
// keep a backend waiting: answers are read ahead when their client is slow, and the bodies of requests
// are received whole before a backend is chosen.
type BodyOptions struct {
	// Memory bounds what all bodies together may take, at least 1 MiB; 0 means 64 MiB, -1 that nothing is
	// held: all bodies stream.
	Memory int64
	// PerAnswer and PerUpload bound the part of it for one answer and for one request, at least 64 KiB; 0
	// means 256 KiB and 1 MiB. What is beyond goes to a file. Answers with the field
	// "X-Accel-Buffering: no" are not read ahead.
	PerAnswer, PerUpload int64
	// Spool is the folder for these files, which have no name, so that nothing is left of them when this
	// process ends, however it does; "" means [os.TempDir].
	Spool string
	// SpoolMax bounds what all of them together may take; 0 means 1 GiB, -1 that there are none.
	SpoolMax int64
	// Stream, if not nil, returns true for requests whose body is not to be received before a backend is
	// chosen, such as those that are answered while they are still being sent. It must not block.
	// Requests that ask for an upgrade, expect "100 Continue" or announce trailers, and those of gRPC,
	// stream by themselves, and so do all while the pool has only Handlers.
	Stream func(in Info) bool
	// Refuse has requests refused whose body cannot be held: with status 413 when it is larger than
	// Memory or SpoolMax, whichever is larger, and with 503 when there is no room now. Otherwise what has
	// been received is sent to a backend and the rest follows as it comes.
	Refuse bool
}

func (o *BodyOptions) check() error {
	var errs []error
	for _, n := range []struct {
		name             string
		value            *int64
		def, least, none int64
	}{
		{"Memory", &o.Memory, 64 << 20, 1 << 20, -1},
		{"PerAnswer", &o.PerAnswer, 256 << 10, 2 * bufferSize, 2 * bufferSize},
		{"PerUpload", &o.PerUpload, 1 << 20, 2 * bufferSize, 2 * bufferSize},
		{"SpoolMax", &o.SpoolMax, 1 << 30, 1 << 20, -1},
	} {
		if *n.value == 0 {
			*n.value = n.def
		}
		if *n.value < n.least && *n.value != n.none {
			also := ""
			if n.none < 0 {
				also = ", -1 for none"
			}
			errs = append(errs, fmt.Errorf("balance: Options.Bodies.%s is %d; it must be at least %d bytes%s, or 0 for %d", n.name, *n.value, n.least, also, n.def))
		}
	}
	if o.Spool != "" && o.SpoolMax > 0 {
		if s, err := os.Stat(o.Spool); err != nil {
			errs = append(errs, fmt.Errorf("balance: Options.Bodies.Spool: %w; make that folder, or name another", err))
		} else if !s.IsDir() {
			errs = append(errs, fmt.Errorf("balance: Options.Bodies.Spool: %s is not a folder", o.Spool))
		}
	}
	return errors.Join(errs...)
}

// BodyStats tell what is held of bodies now, and what has been since [New].
type BodyStats struct {
	// Memory and Spool are the bytes held in memory and in files.
	Memory int64 `json:"memory_bytes"`
	Spool  int64 `json:"spool_bytes"`
	// Ahead counts answers that were read ahead of a slow client, Uploads requests that were received
	// whole before a backend was chosen, and Spilled those of both that a file was made for.
	Ahead   uint64 `json:"ahead"`
	Uploads uint64 `json:"uploads"`
	Spilled uint64 `json:"spilled"`
	// NoRoom counts uploads that could not be held whole, and SpoolErrors files that failed.
	NoRoom      uint64 `json:"no_room"`
	SpoolErrors uint64 `json:"spool_errors"`
}

// holdings is what a balancer holds of bodies.
type holdings struct {
	o            BodyOptions
	memory, disk account
	buffers      *bufferPool
	open         func(folder string) (spoolFile, error)

	ahead, uploads, spilled, noRoom, spoolErrors atomic.Uint64
}

func newHoldings(o BodyOptions, buffers *bufferPool) *holdings {
	if o.Spool == "" {
		o.Spool = os.TempDir()
	}
	return &holdings{o: o, memory: account{max: o.Memory}, disk: account{max: o.SpoolMax}, buffers: buffers, open: openSpool}
}

func (h *holdings) snapshot() BodyStats {
	return BodyStats{
		Memory: h.memory.used.Load(), Spool: h.disk.used.Load(), Ahead: h.ahead.Load(), Uploads: h.uploads.Load(),
		Spilled: h.spilled.Load(), NoRoom: h.noRoom.Load(), SpoolErrors: h.spoolErrors.Load(),
	}
}

// buffer returns bufferSize bytes, nil if memory is used up; free takes them back.
func (h *holdings) buffer() []byte {
	if !h.memory.take(bufferSize) {
		return nil
	}
	return h.buffers.Get()
}

func (h *holdings) free(p []byte) {
	h.buffers.Put(p)
	h.memory.give(bufferSize)
}

// An account counts bytes that are in use, never more than max.
type account struct {
	max  int64
	used atomic.Int64
}

func (a *account) take(n int64) bool {
	for {
		used := a.used.Load()
		if used+n > a.max {
			return false
		}
		if a.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

func (a *account) give(n int64) { a.used.Add(-n) }

// A spoolFile is a file without a name.
type spoolFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// A spool is the part of a body that is in a file. It is made when it is needed, and belongs to who holds
// the body.
type spool struct {
	h      *holdings
	file   spoolFile
	size   int64 // what is reserved of the disk
	broken error // nothing can be written to it any more
}

var errSpoolFull = errors.New("balance: the files for bodies take as much as they may")

// write puts p at an offset and returns how much of it is there.
func (s *spool) write(p []byte, at int64) (n int, err error) {
	if s.broken != nil {
		return 0, s.broken
	}
	if more := at + int64(len(p)) - s.size; more > 0 {
		if !s.h.disk.take(more) {
			return 0, errSpoolFull
		}
		s.size += more
	}
	if s.file == nil {
		if s.file, err = s.h.open(s.h.o.Spool); err != nil {
			s.file = nil
			s.broken = fmt.Errorf("balance: no file for bodies can be made: %w", err)
			s.h.spoolErrors.Add(1)
			return 0, s.broken
		}
		s.h.spilled.Add(1)
	}
	if n, err = s.file.WriteAt(p, at); err != nil {
		s.broken = fmt.Errorf("balance: a file for bodies cannot be written: %w", err)
		s.h.spoolErrors.Add(1)
	}
	return n, err
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close() // nobody reads it any more
		s.file = nil
	}
	s.h.disk.give(s.size)
	s.size = 0
}

// unnamed makes a file that loses its name at once.
func unnamed(folder string) (spoolFile, error) {
	f, err := os.CreateTemp(folder, "balance-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close() // what matters is that its name cannot be taken away
		return nil, err
	}
	return f, nil
}
