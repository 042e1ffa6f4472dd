package filehttp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore"
)

const (
	pieceSize  = 64 << 10 // read at once where a file is read here and there
	streamSize = 8 << 20  // asked for at once where it is read in order
)

// How often the mirrors of a file may fail, each, until a read of it does.
const (
	inARow = 2 // without a byte in between
	inAll  = 5
)

// errStalled is the cause of the end of a request that got nothing for too long.
var errStalled = errors.New("nothing came in time")

// A remoteFile is an open file of a [Remote].
type remoteFile struct {
	r    *Remote
	name string
	size int64
	tag  string // strong; "": none
	made time.Time
	sum  []byte // nil: unknown

	ctx context.Context // ends with Close
	end context.CancelFunc

	mu      sync.Mutex // of what follows
	from    *mirror
	at      int64 // where Read goes on
	served  int64 // where the last read ended
	piece   []byte
	pieceAt int64
	stream  *stream   // nil: none
	hash    hash.Hash // nil: nothing read yet
	hashed  int64     // how far, in order
	closed  bool

	failures int // of mirrors
}

// A stream is an answer that is being read.
type stream struct {
	body      io.ReadCloser
	at, until int64
	ctx       context.Context
	cancel    context.CancelCauseFunc
	timeout   time.Duration
	timer     *time.Timer
}

// know takes over what a mirror says of the file when it is opened.
func (f *remoteFile) know(resp *http.Response) error {
	if tag := resp.Header.Get("Etag"); strings.HasPrefix(tag, `"`) {
		f.tag = tag
		sum, err := hex.DecodeString(strings.Trim(tag, `"`))
		// Servers that make their tags otherwise say nothing about the sum.
		if err == nil && len(sum) == sha256.Size {
			if f.sum != nil && !bytes.Equal(f.sum, sum) {
				return f.other(sum)
			}
			f.sum = sum
		}
	}
	if empty := sha256.Sum256(nil); f.size == 0 && f.sum != nil && !bytes.Equal(f.sum, empty[:]) {
		return f.other(empty[:]) // there is nothing to read that could show it
	}
	return nil
}

// other is that a mirror has something else than what is wanted.
func (f *remoteFile) other(sum []byte) error {
	return fmt.Errorf("filehttp: read %s from %s: its SHA-256 is %x, not %x: %w", f.name, f.from.base.Host, sum, f.sum, nfsstore.ErrCorrupt)
}

// Stat implements [fs.File].
func (f *remoteFile) Stat() (fs.FileInfo, error) { return remoteInfo{f}, nil }

// ReadAt implements [io.ReaderAt].
func (f *remoteFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.readAt(p, off)
}

// Read implements [io.Reader].
func (f *remoteFile) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.readAt(p, f.at)
	f.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// Seek implements [io.Seeker].
func (f *remoteFile) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.at
	case io.SeekEnd:
		offset += f.size
	default:
		offset = -1
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.name, Err: fs.ErrInvalid}
	}
	f.at = offset
	return offset, nil
}

// Close ends what is under way.
func (f *remoteFile) Close() error {
	f.end() // before the lock, which a read holds
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	f.drop()
	f.piece = nil
	return nil
}

func (f *remoteFile) readAt(p []byte, off int64) (int, error) {
	switch {
	case f.closed:
		return 0, fs.ErrClosed
	case off < 0:
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	case len(p) == 0:
		return 0, nil
	case off >= f.size:
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), f.size-off)]
	var first error // of those since the last byte came
	for n, tries := 0, 0; n < len(want); {
		k, err := f.some(want[n:], off+int64(n))
		if n += k; k > 0 {
			f.served = off + int64(n)
			tries, first = 0, nil
		}
		if err == nil {
			continue
		}
		if first == nil || errors.Is(err, nfsstore.ErrChanged) {
			first = err
		}
		tries++
		f.failures++
		if tries >= inARow*len(f.r.mirrors) || f.failures >= inAll*len(f.r.mirrors) || f.ctx.Err() != nil {
			return 0, first
		}
		f.turn()
	}
	if err := f.digest(want, off); err != nil {
		return 0, err
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// digest looks at bytes that are about to be handed out. It fails for the last ones of a file that was
// read in order, when it is not what it should be.
func (f *remoteFile) digest(p []byte, off int64) error {
	if f.sum == nil || off > f.hashed || off+int64(len(p)) <= f.hashed {
		return nil
	}
	if f.hash == nil {
		f.hash = sha256.New()
	}
	f.hash.Write(p[f.hashed-off:])
	f.hashed = off + int64(len(p))
	if f.hashed < f.size {
		return nil
	}
	got := f.hash.Sum(nil)
	if bytes.Equal(got, f.sum) {
		return nil
	}
	f.hash, f.hashed = nil, 0 // who reads it again gets the same answer
	return f.other(got)
}

// turn goes on at another mirror, if others can be held to the same file, or anew at this one.
func (f *remoteFile) turn() {
	f.drop()
	if f.tag == "" || f.ctx.Err() != nil {
		return
	}
	for i, m := range f.r.mirrors {
		if m == f.from {
			f.from = f.r.mirrors[(i+1)%len(f.r.mirrors)]
			return
		}
	}
}

func (f *remoteFile) drop() {
	if f.stream != nil {
		f.stream.close()
		f.stream = nil
	}
}

// some reads at least a byte at off, or fails.
func (f *remoteFile) some(p []byte, off int64) (int, error) {
	if off >= f.pieceAt && off < f.pieceAt+int64(len(f.piece)) {
		return copy(p, f.piece[off-f.pieceAt:]), nil
	}
	if f.stream != nil && f.stream.at != off {
		f.drop()
	}
	if f.stream == nil {
		if off != f.served && len(p) < pieceSize || off == 0 && len(p) < pieceSize {
			return f.readPiece(p, off)
		}
		s, err := f.get(off, min(off+streamSize, f.size))
		if err != nil {
			return 0, err
		}
		f.stream = s
	}
	s := f.stream
	n, err := s.read(p[:min(int64(len(p)), s.until-s.at)])
	if s.at == s.until {
		f.drop()
		return n, nil
	}
	if err != nil {
		f.drop()
		if n > 0 {
			return n, nil // the next call will see
		}
		return 0, f.from.fault(f.name, err)
	}
	return n, nil
}

// readPiece keeps a piece of the file and gives of it.
func (f *remoteFile) readPiece(p []byte, off int64) (int, error) {
	s, err := f.get(off, min(off+pieceSize, f.size))
	if err != nil {
		return 0, err
	}
	defer s.close()
	buf := f.piece[:0]
	if cap(buf) < pieceSize {
		buf = make([]byte, pieceSize)
	}
	buf = buf[:s.until-off]
	f.piece = buf[:0]
	if _, err := io.ReadFull(readerOf(s), buf); err != nil {
		return 0, f.from.fault(f.name, err)
	}
	f.piece, f.pieceAt = buf, off
	return copy(p, buf), nil
}

// get asks for a part of the file, and makes sure that it is of this file.
func (f *remoteFile) get(off, until int64) (*stream, error) {
	ctx, cancel := context.WithCancelCause(f.ctx)
	s := &stream{at: off, until: until, ctx: ctx, cancel: cancel, timeout: f.r.timeout}
	s.timer = time.AfterFunc(s.timeout, func() { cancel(errStalled) })
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", off, until-1)}}
	if f.tag != "" {
		header.Set("If-Range", f.tag)
	}
	resp, err := f.r.ask(ctx, f.from, http.MethodGet, f.name, header)
	s.timer.Stop()
	if err != nil {
		cancel(nil)
		return nil, s.because(err)
	}
	s.body = resp.Body
	if err := f.part(resp, off, until); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// part returns an error unless an answer holds that part of the file.
func (f *remoteFile) part(resp *http.Response, off, until int64) error {
	tag := resp.Header.Get("Etag")
	switch resp.StatusCode {
	case http.StatusPartialContent:
		want := fmt.Sprintf("bytes %d-%d/%d", off, until-1, f.size)
		if resp.Header.Get("Content-Range") == want && tag == f.tag && (tag != "" || f.sameDate(resp)) {
			return nil
		}
	case http.StatusOK, http.StatusRequestedRangeNotSatisfiable:
	default:
		return f.from.refusal(f.name, resp)
	}
	return fmt.Errorf("filehttp: read %s from %s: %w", f.name, f.from.base.Host, nfsstore.ErrChanged)
}

func (f *remoteFile) sameDate(resp *http.Response) bool {
	made, _ := http.ParseTime(resp.Header.Get("Last-Modified")) // the zero time, as at the opening, when there is none
	return made.Equal(f.made)
}

func (s *stream) read(p []byte) (int, error) {
	s.timer.Reset(s.timeout)
	n, err := s.body.Read(p)
	s.timer.Stop()
	s.at += int64(n)
	if err == io.EOF && s.at < s.until {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		err = s.because(err)
	}
	return n, err
}

// because returns why a request ended that was stopped.
func (s *stream) because(err error) error {
	if cause := context.Cause(s.ctx); errors.Is(cause, errStalled) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

func (s *stream) close() {
	s.timer.Stop()
	s.cancel(nil)
	_ = s.body.Close() // what was needed of it has been read
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func readerOf(s *stream) io.Reader { return readerFunc(s.read) }

// A remoteInfo is the [fs.FileInfo] of a file elsewhere.
type remoteInfo struct{ f *remoteFile }

func (i remoteInfo) Name() string       { return path.Base(i.f.name) }
func (i remoteInfo) Size() int64        { return i.f.size }
func (i remoteInfo) Mode() fs.FileMode  { return 0o444 }
func (i remoteInfo) ModTime() time.Time { return i.f.made }
func (i remoteInfo) IsDir() bool        { return false }
func (i remoteInfo) Sys() any           { return nil }
