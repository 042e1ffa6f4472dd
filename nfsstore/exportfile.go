package nfsstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
)

const (
	// aheadChunk is how much is asked for at a time by those who read a file from its start to
	// its end.
	aheadChunk = 256 << 10
	// maxAhead bounds the chunks of all files of a store that are read ahead: 16 MiB. Readers who
	// get none, because many are slow, read what they ask for.
	maxAhead = 64
)

// An exportFile is an open file of an export. It knows the size that the file had when it was
// opened: files of a store do not change, so a shorter one is damage and not an end.
type exportFile struct {
	x     *export
	f     *nfs3.File
	store *Store // nil: only the store itself reads
	name  string

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
	buf   []byte
	err   error
	ready chan struct{}
}

func newExportFile(ctx context.Context, x *export, f *nfs3.File) *exportFile {
	e := &exportFile{x: x, f: f}
	e.ctx, e.end = context.WithCancel(ctx)
	return e
}

// outlive lets reads go on after the end of the context by which the file was opened, and gives
// errors the sentences of the store.
func (e *exportFile) outlive(s *Store, name string) {
	e.end()
	e.store, e.name = s, name
	e.ctx, e.end = context.WithCancel(context.WithoutCancel(e.ctx))
}

func (e *exportFile) fail(err error) error {
	switch {
	case err == nil, err == io.EOF, e.store == nil:
		return err
	}
	return e.store.fail("read", e.name, reading, err)
}

func (e *exportFile) Stat() (fs.FileInfo, error) { return e.f.Info(), nil }

// Sync makes sure of the content, whoever wrote it.
func (e *exportFile) Sync() error { return e.f.Sync(e.ctx) }

// ReadAt is an [io.ReaderAt].
func (e *exportFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := e.readAt(p, off)
	return n, e.fail(err)
}

func (e *exportFile) readAt(p []byte, off int64) (int, error) {
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
		err = &failure{op: "read", name: e.name, kind: ErrUnavailable, err: io.ErrUnexpectedEOF, sentence: fmt.Sprintf(
			"the file ended after %d bytes of the %d it had when it was opened; it is damaged or was changed on the server", off+int64(n), size)}
	}
	return n, err
}

// Read is an [io.Reader]. The second Read that goes on where the last one ended begins to read ahead.
func (e *exportFile) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := e.read(p)
	e.at += int64(n)
	return n, e.fail(err)
}

func (e *exportFile) read(p []byte) (int, error) {
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
		if e.chunk == nil && len(p) < aheadChunk {
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

// ask begins to read a chunk. It returns nil at the end of the file, and when all are taken.
func (e *exportFile) ask(from int64) *chunk {
	size := min(aheadChunk, e.f.Info().Size()-from)
	if size <= 0 {
		return nil
	}
	select {
	case e.x.ahead <- struct{}{}:
	default:
		return nil
	}
	c := &chunk{from: from, buf: make([]byte, size), ready: make(chan struct{})}
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
func (e *exportFile) drop(c *chunk) {
	if c == nil {
		return
	}
	<-c.ready
	<-e.x.ahead
}

// Seek is an [io.Seeker].
func (e *exportFile) Seek(offset int64, whence int) (int64, error) {
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
func (e *exportFile) Close() error {
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
	return e.f.Close()
}
