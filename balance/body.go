package balance

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// An upload is the body of a request, which attempts see through views: a transport closes the body
// it was given and may read on for a moment after it has failed, and neither must reach the next
// attempt. A nil upload is no body.
type upload struct {
	mu     sync.Mutex
	body   io.ReadCloser
	read   bool  // somebody has begun to read
	whole  bool  // somebody has read to the end
	err    error // the client's end of it broke
	closed bool
}

func newUpload(body io.ReadCloser) *upload {
	if body == nil || body == http.NoBody {
		return nil
	}
	return &upload{body: body}
}

// view returns the body for one attempt; nil if there is none.
func (u *upload) view() *view {
	if u == nil {
		return nil
	}
	return &view{of: u}
}

// again is for the transport, which asks when a kept-alive connection turns out to be closed before
// anything was written to it.
func (u *upload) again() (io.ReadCloser, error) {
	if u.touched() {
		return nil, errBodyRead
	}
	return u.view(), nil
}

func (u *upload) touched() bool {
	if u == nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.read
}

// failure is the error with which the client's sending broke off.
func (u *upload) failure() error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// end closes the body when no attempt will be made any more.
func (u *upload) end() {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.close()
}

// finishUpload takes what the client still sends of a request that is answered. A server that may read
// and write at a time leaves it to the handler: if it came to the end by itself after the handler has
// returned, it would begin to read the connection for the next request twice.
func (x *exchange) finishUpload(w http.ResponseWriter, r *http.Request) {
	if !x.body.ended() {
		// The client shall not wait for the answer meanwhile. That it has gone is found out below.
		_ = http.NewResponseController(w).Flush()
	}
	r.Body.Close() // a request's body has nothing to say when it is closed
}

func (u *upload) ended() bool {
	if u == nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.whole
}

func (u *upload) close() {
	if !u.closed {
		u.closed = true
		u.body.Close() // a request's body has nothing to say when it is closed
	}
}

type view struct {
	of      *upload
	closed  bool // guarded by of.mu, like settled
	settled bool // this attempt has the answer: the body is its own
}

var (
	errViewClosed = errors.New("balance: the request's body was closed")
	errBodyRead   = errors.New("balance: the connection was closed when part of the request's body had been read")
)

func (v *view) Read(p []byte) (int, error) {
	v.of.mu.Lock()
	if v.closed {
		v.of.mu.Unlock()
		return 0, errViewClosed
	}
	if v.of.whole {
		// A transport asks once more whether this was all. By then the server may have closed the body,
		// since the answer has begun, and reading it would be an error.
		v.of.mu.Unlock()
		return 0, io.EOF
	}
	v.of.read = true
	v.of.mu.Unlock()
	n, err := v.of.body.Read(p)
	if err != nil {
		v.of.mu.Lock()
		defer v.of.mu.Unlock()
		if err == io.EOF {
			v.of.whole = true
			return n, err
		}
		// Whoever closes the body makes reads fail, which is no fault of the client.
		if v.of.err == nil && !v.closed {
			v.of.err = err
		}
	}
	return n, err
}

func (v *view) Close() error {
	v.of.mu.Lock()
	defer v.of.mu.Unlock()
	v.closed = true
	if v.settled {
		v.of.close()
	}
	return nil
}

// seal ends a failed attempt.
func (v *view) seal() {
	if v != nil {
		v.of.mu.Lock()
		defer v.of.mu.Unlock()
		v.closed = true
	}
}

// settle says that no other attempt will follow.
func (v *view) settle() {
	if v == nil {
		return
	}
	v.of.mu.Lock()
	defer v.of.mu.Unlock()
	v.settled = true
	if v.closed {
		v.of.close()
	}
}

// An answer is the body of a response; closing it ends the attempt.
type answer struct {
	x       *exchange
	backend *backend
	body    io.ReadCloser
	cancel  context.CancelCauseFunc
	idle    *time.Timer // nil for upgraded connections
	fired   bool        // the timer has ended this answer
	once    sync.Once
}

func (a *answer) Read(p []byte) (n int, err error) {
	if a.fired {
		return 0, errIdle
	}
	if a.idle != nil {
		a.idle.Reset(a.x.b.o.IdleTimeout)
	}
	n, err = a.body.Read(p)
	if a.idle != nil && !a.idle.Stop() && err != io.EOF {
		a.fired, err = true, errIdle
	}
	if err != nil && err != io.EOF && a.x.broken == nil {
		a.breakOff(err)
	}
	return n, err
}

// breakOff takes note of an answer that ends too early. That the client has gone is no failure.
func (a *answer) breakOff(err error) {
	a.x.broken = err
	if a.x.ctx.Err() != nil {
		return
	}
	a.backend.state.failures.Add(1)
	a.backend.state.doubt()
	a.x.b.note(a.backend, failed, false, err)
	a.x.b.cut.Add(1)
	a.x.b.o.Logger.Warn("a backend broke off its answer", "backend", a.backend.Name, "method", a.x.in.Method, "path", a.x.in.Path, "error", err)
	a.x.b.o.Events.cut(a.x.in, a.backend.Name, err)
}

func (a *answer) Close() (err error) {
	a.once.Do(func() {
		err = a.body.Close()
		if a.idle != nil {
			a.idle.Stop()
		}
		a.cancel(nil)
		a.backend.state.leave()
	})
	return err
}

// upgraded is the connection after 101 Switching Protocols.
type upgraded struct {
	*answer
	rw io.ReadWriteCloser
}

func (u *upgraded) Read(p []byte) (int, error)  { return u.rw.Read(p) }
func (u *upgraded) Write(p []byte) (int, error) { return u.rw.Write(p) }

// CloseWrite tells the backend that the client will send no more.
func (u *upgraded) CloseWrite() error {
	if c, ok := u.rw.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// bufferPool lends the buffers that bodies are copied through.
type bufferPool struct{ pool sync.Pool }

const bufferSize = 32 << 10

func (b *bufferPool) Get() []byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return make([]byte, bufferSize)
}

func (b *bufferPool) Put(p []byte) {
	if len(p) == bufferSize {
		b.pool.Put((*[bufferSize]byte)(p))
	}
}
