package balance

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// A held is the body of a request, or the beginning of one, that was received before a backend was chosen:
// first blocks, all of which are full but the last, then what is in the file, then the tail. Any number of
// attempts read it.
type held struct {
	all  *holdings
	file spool
	rest io.ReadCloser // nil if this is all

	mu       sync.Mutex // guards what follows, once it is received
	blocks   [][]byte
	tail     []byte // what the file has not taken
	spare    []byte // its buffer
	inBlocks int64
	inFile   int64
	freed    bool
}

func (h *held) size() int64 { return h.inBlocks + h.inFile + int64(len(h.tail)) }

// receive reads body until its end, or until there is no room for more. The error is that of body.
func (all *holdings) receive(body io.ReadCloser) (h *held, err error) {
	h = &held{all: all, file: spool{h: all}, spare: all.buffer()}
	if h.spare == nil {
		h.rest = body
		return h, nil
	}
	for {
		n := 0
		for n < bufferSize && err == nil {
			var more int
			more, err = body.Read(h.spare[n:])
			n += more
		}
		if err != nil && err != io.EOF {
			h.free()
			return nil, err
		}
		if !h.keep(n, err == io.EOF) {
			h.rest = body
			return h, nil
		}
		if err == io.EOF {
			return h, nil
		}
	}
}

// keep keeps n bytes of spare; false: there is no room for more.
func (h *held) keep(n int, last bool) bool {
	if n == 0 {
		h.drop()
		return true
	}
	if h.inFile == 0 {
		var next []byte
		if !last && int64(len(h.blocks)+2)*bufferSize <= h.all.o.PerUpload {
			next = h.all.buffer()
		}
		if last || next != nil {
			h.blocks = append(h.blocks, h.spare[:n])
			h.inBlocks += int64(n)
			h.spare = next
			return true
		}
	}
	done, err := h.file.write(h.spare[:n], h.inFile)
	h.inFile += int64(done)
	if err != nil {
		h.tail = h.spare[done:n]
		return false
	}
	if last {
		h.drop()
	}
	return true
}

func (h *held) drop() {
	if h.spare != nil {
		h.all.free(h.spare)
		h.spare = nil
	}
}

// readAt reads what is held; io.EOF comes after the end of that.
func (h *held) readAt(p []byte, at int64) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.freed:
		return 0, errViewClosed
	case at < h.inBlocks:
		return copy(p, h.blocks[at/bufferSize][at%bufferSize:]), nil
	case at < h.inBlocks+h.inFile:
		at -= h.inBlocks
		p = p[:min(int64(len(p)), h.inFile-at)]
		if n, err = h.file.file.ReadAt(p, at); n == len(p) {
			err = nil
		} else if err == io.EOF {
			err = io.ErrUnexpectedEOF // a file has become shorter
		}
		return n, err
	case at < h.size():
		return copy(p, h.tail[at-h.inBlocks-h.inFile:]), nil
	}
	return 0, io.EOF
}

// free gives the room back. It may be called again.
func (h *held) free() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.freed {
		return
	}
	h.freed = true
	for _, p := range h.blocks {
		h.all.free(p[:bufferSize])
	}
	h.drop()
	h.file.close()
}

// A heldReader reads what is held and then the rest.
type heldReader struct {
	h  *held
	at int64
}

func (r *heldReader) Read(p []byte) (int, error) {
	n, err := r.h.readAt(p, r.at)
	r.at += int64(n)
	if err == io.EOF && r.h.rest != nil {
		return r.h.rest.Read(p)
	}
	return n, err
}

func (r *heldReader) Close() error {
	if r.h.rest != nil {
		return r.h.rest.Close()
	}
	return nil
}

// holds reports whether the body of a request is to be received before a backend is chosen.
func (b *Balancer) holds(r *http.Request, in Info) bool {
	if !hasBody(r) || b.o.Bodies.Memory < 0 {
		return false
	}
	h := r.Header
	if h["Upgrade"] != nil || h["Expect"] != nil || r.Trailer != nil || strings.HasPrefix(h.Get("Content-Type"), "application/grpc") {
		return false
	}
	if !slices.ContainsFunc(b.pool.Load().members, func(e *backend) bool { return e.Handler == nil }) {
		return false // in this process nobody waits for the client but this request
	}
	return b.o.Bodies.Stream == nil || !b.o.Bodies.Stream(in)
}

// receive receives the body of a request, if that is wanted, and returns the request to be served; nil if
// it has answered it.
func (x *exchange) receive(w http.ResponseWriter, r *http.Request) *http.Request {
	b, all := x.b, x.b.bodies
	if !b.holds(r, x.in) {
		return r
	}
	if r.ContentLength > max(b.o.Bodies.Memory, b.o.Bodies.SpoolMax) {
		if b.o.Bodies.Refuse {
			x.tooLarge(w, r)
			return nil
		}
		return r
	}
	h, err := all.receive(r.Body)
	if err != nil {
		b.failures.Add(1)
		broken := &uploadError{err}
		x.because(r.Context(), broken)
		b.failed(x.out(w), r, x.in, broken)
		return nil
	}
	if h.rest == nil {
		all.uploads.Add(1)
	} else {
		all.noRoom.Add(1)
		if h.file.broken != nil {
			b.o.Logger.LogAttrs(r.Context(), slog.LevelWarn, "a request cannot be received before a backend is chosen", slog.Any("error", h.file.broken))
		}
		if b.o.Bodies.Refuse {
			large := h.size() >= max(b.o.Bodies.Memory, b.o.Bodies.SpoolMax)
			h.free()
			if large {
				x.tooLarge(w, r)
			} else {
				x.because(r.Context(), errNoRoom)
				b.refuse(x.out(w), r, x.in, errNoRoom)
			}
			return nil
		}
	}
	x.held = h
	out := r.WithContext(r.Context())
	out.Body = &heldReader{h: h}
	if h.rest == nil {
		out.ContentLength, out.TransferEncoding = h.size(), nil
		if out.ContentLength == 0 {
			out.Body = http.NoBody
		}
	}
	return out
}

var errNoRoom = errors.Join(ErrNoBackend, errors.New("there is no room for the request's body now"))

func (x *exchange) tooLarge(w http.ResponseWriter, r *http.Request) {
	x.b.failures.Add(1)
	x.note(TooLarge)
	x.b.answer(x.out(w), r, x.in, http.StatusRequestEntityTooLarge, "The request is larger than this server takes.", 0)
}

// upload returns the body for RoundTrip.
func (x *exchange) upload(body io.ReadCloser) *upload {
	u := newUpload(body)
	if u != nil && x.held != nil && x.held.rest == nil {
		u.held = x.held
	}
	return u
}

// steady reports whether the body is here: attempts depend on the backend alone.
func (u *upload) steady() bool { return u == nil || u.held != nil }
