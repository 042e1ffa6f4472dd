package nfs3vol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

const (
	// aheadChunk is how much is asked for at a time by those who read a file from its start to
	// its end.
	aheadChunk = 256 << 10
	// maxAhead bounds the chunks of all files of a volume that are read ahead: 16 MiB. Readers who
	// get none, because many are slow, read what they ask for.
	maxAhead = 64
)

// A file is an open file of an export. It knows the size that the file had when it was opened: nobody
// writes to files that were closed, so a shorter one is damage and not an end.
type file struct {
	x    *Vol
	f    *nfs3.File
	name string

	ctx context.Context // ends with Close
	end context.CancelFunc

	mu     sync.Mutex // of what follows
	at     int64      // where Read goes on
	seq    bool       // the last Read ended at at
	chunk  *chunk     // being consumed
	next   *chunk     // being read ahead
	closed bool
}

// A chunk is a part of the file from the offset on, complete when ready is closed.
type chunk struct {
	from  int64
	buf   []byte // of room
	room  *[aheadChunk]byte
	err   error
	ready chan struct{}
}

func newFile(ctx context.Context, x *Vol, name string, f *nfs3.File) *file {
	e := &file{x: x, f: f, name: name}
	e.ctx, e.end = context.WithCancel(ctx)
	return e
}

// Detach implements [vol.Detacher].
func (e *file) Detach() {
	e.end()
	e.ctx, e.end = context.WithCancel(context.WithoutCancel(e.ctx))
}

func (e *file) Stat() (fs.FileInfo, error) { return e.f.Info(), nil }

// Sync makes sure of the content, whoever wrote it.
func (e *file) Sync() error { return told(e.f.Sync(e.ctx)) }

// ReadAt is an [io.ReaderAt].
func (e *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := e.readAt(p, off)
	return n, told(err)
}

func (e *file) readAt(p []byte, off int64) (int, error) {
	size := e.f.Info().Size()
	switch {
	case off < 0:
		return 0, &fs.PathError{Op: "read", Path: e.name, Err: fs.ErrInvalid}
	case off >= size:
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), size-off)]
	n, err := e.f.ReadAtContext(e.ctx, want, off)
	switch {
	case n == len(want) && n < len(p):
		return n, io.EOF
	case n == len(want):
		return n, nil
	case errors.Is(err, io.EOF), err == nil:
		err = &vol.Error{Fault: vol.FaultIO, Err: io.ErrUnexpectedEOF, Sentence: fmt.Sprintf(
			"the file ended after %d bytes of the %d it had when it was opened; it is damaged or was changed on the server", off+int64(n), size)}
	}
	return n, err
}

// Read is an [io.Reader]. The second Read that goes on where the last one ended begins to read ahead.
func (e *file) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := e.read(p)
	e.at += int64(n)
	return n, told(err)
}

func (e *file) read(p []byte) (int, error) {
	if e.closed {
		return 0, fs.ErrClosed
	}
	if e.at >= e.f.Info().Size() {
		return 0, io.EOF
	}
	if e.chunk == nil || !e.chunk.holds(e.at) {
		e.drop(e.chunk)
		e.chunk, e.next = e.next, nil
		if e.chunk != nil && !e.chunk.holds(e.at) {
			e.drop(e.chunk)
			e.chunk = nil
		}
		if e.chunk == nil && int64(len(p)) < min(aheadChunk, e.f.Info().Size()-e.at) { // else it goes into p at once
			e.chunk = e.ask(e.at)
		}
		if e.chunk != nil && e.seq {
			e.next = e.ask(e.chunk.from + int64(len(e.chunk.buf)))
		}
		e.seq = true
	}
	if e.chunk == nil {
		n, err := e.readAt(p, e.at)
		if n > 0 && err == io.EOF {
			err = nil
		}
		return n, err
	}
	<-e.chunk.ready // the client ends it in time, or Close
	if err := e.chunk.err; err != nil {
		// What came before the fault is not worth the trouble: the next Read asks anew.
		e.drop(e.chunk)
		e.chunk = nil
		return 0, err
	}
	n := copy(p, e.chunk.buf[e.at-e.chunk.from:])
	if e.at+int64(n) == e.chunk.from+int64(len(e.chunk.buf)) {
		e.drop(e.chunk)
		e.chunk, e.next = e.next, nil
		if e.chunk != nil {
			e.next = e.ask(e.chunk.from + int64(len(e.chunk.buf)))
		}
	}
	return n, nil
}

func (c *chunk) holds(at int64) bool { return at >= c.from && at < c.from+int64(len(c.buf)) }

// chunks are the room of those that are done with.
var chunks = sync.Pool{New: func() any { return new([aheadChunk]byte) }}

// ask begins to read a chunk. It returns nil at the end of the file, and when all are taken.
func (e *file) ask(from int64) *chunk {
	size := min(aheadChunk, e.f.Info().Size()-from)
	if size <= 0 {
		return nil
	}
	select {
	case e.x.ahead <- struct{}{}:
	default:
		return nil
	}
	c := &chunk{from: from, room: chunks.Get().(*[aheadChunk]byte), ready: make(chan struct{})}
	c.buf = c.room[:size]
	go func() {
		defer close(c.ready)
		n, err := e.readAt(c.buf, from)
		if err == nil && n < len(c.buf) {
			err = io.ErrUnexpectedEOF
		}
		c.err = err
	}()
	return c
}

// drop gives a chunk back once it is read; nil is fine.
func (e *file) drop(c *chunk) {
	if c == nil {
		return
	}
	<-c.ready
	chunks.Put(c.room)
	<-e.x.ahead
}

// Seek is an [io.Seeker].
func (e *file) Seek(offset int64, whence int) (int64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += e.at
	case io.SeekEnd:
		offset += e.f.Info().Size()
	default:
		return 0, &fs.PathError{Op: "seek", Path: e.name, Err: fs.ErrInvalid}
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: e.name, Err: fs.ErrInvalid}
	}
	if offset != e.at {
		e.at, e.seq = offset, false
	}
	return offset, nil
}

// Close ends what is under way and waits for it.
func (e *file) Close() error {
	e.end() // before the lock, which a Read holds
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fs.ErrClosed
	}
	e.closed = true
	e.drop(e.chunk)
	e.drop(e.next)
	e.chunk, e.next = nil, nil
	return told(e.f.Close())
}
