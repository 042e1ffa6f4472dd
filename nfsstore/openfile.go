package nfsstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

const (
	// apartChunk is how much of a file is read at a time where a read may be left behind.
	apartChunk = 128 << 10
	// closeWait is how long closing a file may take before it is left behind.
	closeWait = time.Second
)

// apartBuffers are for reads that may be left behind: those write into their buffer whenever they
// come back, so it must not be the caller's.
var apartBuffers = sync.Pool{New: func() any { return new([apartChunk]byte) }}

// handOut makes an open file one that a caller may have. A file of a local disk stays what it is.
func (s *Store) handOut(name string, f vol.File, info fs.FileInfo) fs.File {
	if d, ok := f.(vol.Detacher); ok {
		d.Detach()
	}
	if f, ok := f.(*os.File); ok && !s.gate.apart {
		return f
	}
	o := &openFile{s: s, name: name, info: info, f: f}
	o.ctx, o.end = context.WithCancel(context.Background())
	return o
}

// An openFile is an open file whose errors are those of the store, which is opened once more when the
// server has forgotten it, and whose reads come back in time on a mount that hangs.
type openFile struct {
	s    *Store
	name string
	info fs.FileInfo // when it was opened first

	ctx context.Context // ends with Close
	end context.CancelFunc

	turn   sync.Mutex // of Read and Seek
	at     int64      // where Read goes on
	placed vol.File   // what is there already; nil: none

	mu      sync.Mutex
	f       vol.File
	closed  bool
	touched bool // bytes of it were given to the caller
}

var _ interface {
	fs.File
	io.ReaderAt
	io.Seeker
} = (*openFile)(nil)

func (o *openFile) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return o.s.fail(op, o.name, reading, err)
}

// now returns the file as it is open now.
func (o *openFile) now() (vol.File, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, fs.ErrClosed
	}
	return o.f, nil
}

// Read is an [io.Reader].
func (o *openFile) Read(p []byte) (int, error) {
	o.turn.Lock()
	defer o.turn.Unlock()
	n, err := o.retry(func(f vol.File) (int, error) {
		if o.s.gate.apart {
			return o.apart(f, p, o.at)
		}
		if o.placed != f {
			if _, err := f.Seek(o.at, io.SeekStart); err != nil {
				return 0, err
			}
			o.placed = f
		}
		return f.Read(p)
	})
	o.at += int64(n)
	return n, o.fail("read", err)
}

// ReadAt is an [io.ReaderAt].
func (o *openFile) ReadAt(p []byte, off int64) (n int, err error) {
	for first := true; first || n < len(p) && err == nil; first = false {
		var k int
		k, err = o.retry(func(f vol.File) (int, error) {
			if o.s.gate.apart {
				return o.apart(f, p[n:], off+int64(n))
			}
			return f.ReadAt(p[n:], off+int64(n))
		})
		n += k
	}
	return n, o.fail("read", err)
}

// apart reads a chunk in a slot of the gate, where it can be left behind.
func (o *openFile) apart(f vol.File, p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(o.ctx, o.s.readTimeout)
	defer cancel()
	buf := apartBuffers.Get().(*[apartChunk]byte)
	type result struct {
		n    int
		back bool
	}
	got, err := through(ctx, o.s.gate, func() (result, error) {
		n, err := f.ReadAt(buf[:min(len(p), apartChunk)], off)
		if n > 0 && err == io.EOF {
			err = nil // the next one will find it
		}
		return result{n, true}, err
	}, nil)
	switch {
	case got.back:
		copy(p, buf[:got.n])
		apartBuffers.Put(buf)
	case o.ctx.Err() != nil:
		err = fs.ErrClosed
	}
	return got.n, err
}

// retry reads, and once more when the server had forgotten the file.
func (o *openFile) retry(read func(vol.File) (int, error)) (int, error) {
	f, err := o.now()
	if err != nil {
		return 0, err
	}
	n, err := read(f)
	switch {
	case n > 0 && isStale(err):
		err = nil // what the client still had; the next read begins anew
		fallthrough
	case n > 0 || !isStale(err) && !errors.Is(err, fs.ErrClosed):
		o.touch(n)
		return n, err
	}
	if f, err = o.again(f, err); err != nil {
		return 0, err
	}
	n, err = read(f)
	o.touch(n)
	return n, err
}

func (o *openFile) touch(n int) {
	if n > 0 {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.touched = true
	}
}

// again opens the file anew, unless somebody else did so since. The name must have the same file,
// by its size and time; or by its size alone while nobody has seen a byte.
func (o *openFile) again(was vol.File, why error) (vol.File, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return nil, fs.ErrClosed
	case o.f != was:
		return o.f, nil
	case !isStale(why):
		return nil, why
	}
	ctx, cancel := context.WithTimeout(o.ctx, o.s.readTimeout)
	defer cancel()
	f, info, err := o.s.open(ctx, o.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, why // it says that it was removed
	}
	if err != nil {
		return nil, err
	}
	if info.Size() != o.info.Size() || o.touched && !info.ModTime().Equal(o.info.ModTime()) {
		return nil, errors.Join(&failure{op: "read", name: o.name, kind: ErrChanged, err: why, sentence: "the file was replaced on the server by another while it " +
			"was being read; open it anew and read from the start"}, o.s.closeFile(ctx, f))
	}
	if d, ok := f.(vol.Detacher); ok {
		d.Detach()
	}
	o.f = f
	o.s.report("closing a file that the server had forgotten", o.name, o.s.closeFile(ctx, was))
	return f, nil
}

// Seek is an [io.Seeker].
func (o *openFile) Seek(offset int64, whence int) (int64, error) {
	o.turn.Lock()
	defer o.turn.Unlock()
	if _, err := o.now(); err != nil {
		return 0, o.fail("seek", err)
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.info.Size()
	default:
		return 0, o.fail("seek", fs.ErrInvalid)
	}
	if offset < 0 {
		return 0, o.fail("seek", fs.ErrInvalid)
	}
	if offset != o.at {
		o.at, o.placed = offset, nil
	}
	return offset, nil
}

// Stat is that of the moment when the file was opened; files of a store do not change.
func (o *openFile) Stat() (fs.FileInfo, error) {
	if _, err := o.now(); err != nil {
		return nil, o.fail("stat", err)
	}
	return o.info, nil
}

// Close ends what is under way. Where the file system hangs, closing is left behind after a second.
func (o *openFile) Close() error {
	o.end() // before the lock, which one who opens anew holds
	o.mu.Lock()
	f, closed := o.f, o.closed
	o.closed = true
	o.mu.Unlock()
	if closed {
		return o.fail("close", fs.ErrClosed)
	}
	if !o.s.gate.apart {
		return o.fail("close", f.Close())
	}
	done := make(chan error, 1)
	go func() {
		o.s.gate.slots <- struct{}{} // as long as it takes: without a slot it holds no thread
		defer o.s.gate.leave()
		done <- f.Close()
	}()
	t := time.NewTimer(closeWait)
	defer t.Stop()
	select {
	case err := <-done:
		return o.fail("close", err)
	case <-t.C:
		return o.fail("close", context.DeadlineExceeded)
	}
}
