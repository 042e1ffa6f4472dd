// Package sendfile answers a request with a stored file, or the parts of it that were asked for,
// and knows afterwards whether the file could be read to its end.
package sendfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// A Content is size bytes of an open file. A file that turns out shorter is a fault, not an end. It
// answers one request.
type Content struct {
	at   io.ReaderAt
	file *os.File // the same, when the kernel can copy it to a socket; else nil
	size int64

	mu    sync.Mutex // a transfer of several ranges reads in a goroutine that can outlive it a little
	off   int64
	begun func() // called once, when the first byte is read by the transfer
	fault error
}

// New returns the content of f, which must have size bytes and be an [io.ReaderAt]. It reads a byte
// of it, so that what cannot be read is answered with an error instead of a broken success. The
// caller closes f when the request is answered.
func New(f fs.File, size int64) (*Content, error) {
	at, ok := f.(io.ReaderAt)
	if !ok {
		return nil, errors.New("the store's files cannot be read at an offset")
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != size {
		return nil, &fs.PathError{Op: "serve", Path: info.Name(), Err: fmt.Errorf("the file has %d bytes, not the %d that are known of it", info.Size(), size)}
	}
	if size > 0 {
		var probe [1]byte
		if n, err := at.ReadAt(probe[:], 0); n == 0 {
			return nil, err
		}
	}
	c := &Content{at: at, size: size}
	c.file, _ = f.(*os.File)
	return c, nil
}

// OnBegin has f called when the first byte of the file is read for the client, once.
func (c *Content) OnBegin(f func()) { c.begun = f }

// Serve answers r: whole, in part, or that nothing has changed, by the fields that w has already,
// ETag before all, and the time when the content was made. An [os.File] goes to the client without
// a copy through this process where every writer above the connection lets it.
//
// It returns why the file could not be read to the end of what was promised. What was sent must not
// look complete then, whatever stands between here and the client, so the caller panics with
// [http.ErrAbortHandler]. That the client went away is not told.
func (c *Content) Serve(w http.ResponseWriter, r *http.Request, made time.Time) error {
	if rng := r.Header.Get("Range"); rng != "" && !strings.HasPrefix(rng, "bytes=") {
		// A unit that is not understood is ignored (RFC 9110, section 14.2); ServeContent would answer 416.
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	}
	if c.file != nil {
		if to, ok := w.(io.ReaderFrom); ok {
			w = &writer{w, to, c}
		}
	}
	http.ServeContent(w, r, "", made, c)
	return c.failed()
}

func (c *Content) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

// Read is called by one transfer at a time.
func (c *Content) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault != nil {
		return 0, c.fault
	}
	left := c.size - c.off
	if left <= 0 {
		return 0, io.EOF
	}
	c.begin()
	p = p[:min(int64(len(p)), left)]
	n, err := c.at.ReadAt(p, c.off)
	c.off += int64(n)
	switch {
	case n == len(p):
		return n, nil
	case err == nil || err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	c.fault = err
	return n, err
}

func (c *Content) begin() {
	if c.off == 0 && c.begun != nil {
		c.begun()
		c.begun = nil
	}
}

// Seek sets where the next Read begins.
func (c *Content) Seek(offset int64, whence int) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += c.off
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, errors.New("sendfile: a negative offset")
	}
	c.off = offset
	return offset, nil
}

// A writer shows the file itself to the writer below, which knows how to have the kernel copy one.
// [http.ServeContent] gives it the content in a [io.LimitedReader], as which it would be copied by
// this process.
type writer struct {
	http.ResponseWriter
	to io.ReaderFrom
	c  *Content
}

// ReadFrom is an [io.ReaderFrom].
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok && limited.R == io.Reader(w.c) {
		return w.c.send(w.to, limited.N)
	}
	return w.to.ReadFrom(r)
}

// Unwrap is for [http.ResponseController].
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// send copies n bytes of the file from where the last Seek has left it.
func (c *Content) send(to io.ReaderFrom, n int64) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = min(n, c.size-c.off)
	if n <= 0 || c.fault != nil {
		return 0, c.fault
	}
	if _, c.fault = c.file.Seek(c.off, io.SeekStart); c.fault != nil {
		return 0, c.fault
	}
	c.begin()
	sent, err := to.ReadFrom(&io.LimitedReader{R: c.file, N: n})
	c.off += sent
	switch {
	case sent == n:
		return sent, err
	case err == nil:
		err = io.ErrUnexpectedEOF
		c.fault = err
	default:
		// The file or the client? The kernel tells both in one place, so the file is asked.
		var next [1]byte
		if got, why := c.at.ReadAt(next[:], c.off); got == 0 {
			c.fault = why
			if why == io.EOF {
				c.fault = io.ErrUnexpectedEOF
			}
		}
	}
	return sent, err
}
