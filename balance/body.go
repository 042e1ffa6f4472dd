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
	views  int   // of a body that is held, which are open
	final  bool  // there will be no other
	held   *held // not nil if all of it has been received: every view begins at the beginning
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
	if u.held != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.views++
	}
	return &view{of: u}
}

// last says that there will be no other attempt: what is held is given back when nobody reads it any more.
func (u *upload) last() {
	if u == nil || u.held == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.final = true
	if u.views == 0 {
		u.held.free()
	}
}

// shut is for both ends of an attempt; of.mu is held.
func (v *view) shut() {
	if v.closed {
		return
	}
	v.closed = true
	if v.of.held != nil {
		if v.of.views--; v.of.views == 0 && v.of.final {
			v.of.held.free()
		}
	}
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
	return u.whole || u.held != nil
}

func (u *upload) close() {
	if !u.closed {
		u.closed = true
		u.body.Close() // a request's body has nothing to say when it is closed
	}
}

type view struct {
	of      *upload
	closed  bool  // guarded by of.mu, like settled
	settled bool  // this attempt has the answer: the body is its own
	at      int64 // what it has read of a body that is held
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
	if v.of.held != nil {
		v.of.mu.Unlock()
		n, err := v.of.held.readAt(p, v.at)
		v.at += int64(n)
		return n, err
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
	v.shut()
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
		v.shut()
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

// An answer is the body of a response. The attempt ends when it has been read to its end, or is closed.
type answer struct {
	x       *exchange
	backend *backend
	body    io.ReadCloser
	cancel  context.CancelCauseFunc
	once    sync.Once
	eager   bool // it may be read ahead

	mu       sync.Mutex
	idle     *time.Timer // nil for upgraded connections. It runs while the backend or the client is waited for.
	skip     int         // expiries of it that came too late to mean anything
	filling  bool        // it runs for the backend
	late     bool        // which has sent nothing for too long
	draining bool        // it runs for the client
	left     bool        // the backend has nothing to do with it any more
	closed   bool
	ahead    *readAhead // nil unless the client is slow
}

// Read is called by the goroutine that writes to the client.
func (a *answer) Read(p []byte) (n int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.draining {
		a.draining = false
		if !a.idle.Stop() {
			a.skip++
		}
	}
	n, err = a.next(p)
	if err != nil && err != io.EOF && a.x.broken == nil {
		a.breakOff(err)
	}
	if err == nil && n > 0 {
		a.drain()
	}
	return n, err
}

// drain watches how long the client takes for what it gets until the next Read; a.mu is held.
func (a *answer) drain() {
	if a.eager && (a.ahead == nil || !a.ahead.running) {
		a.draining = true
		a.idle.Reset(slowWrite)
	}
}

// next returns what has been read ahead, or else reads.
func (a *answer) next(p []byte) (n int, err error) {
	for h := a.ahead; h != nil; {
		if n, err = h.read(p); n > 0 || err != nil {
			return n, err
		}
		if h.err != nil {
			return 0, h.err
		}
		if a.closed {
			return 0, http.ErrBodyReadAfterClose
		}
		if !h.running {
			break
		}
		h.hungry = true
		h.changed.Wait()
		h.hungry = false
	}
	return a.fill(p)
}

// fill reads from the backend; a.mu is held, but not while it waits. When the answer has ended, the backend
// is free, whatever the client still has to get.
func (a *answer) fill(p []byte) (n int, err error) {
	if a.late {
		return 0, errIdle
	}
	if a.idle != nil { // it runs only during reads: a slow client is not the backend's fault
		a.filling = true
		a.idle.Reset(a.x.b.o.IdleTimeout)
	}
	a.mu.Unlock()
	n, err = a.body.Read(p)
	a.mu.Lock()
	if a.idle != nil {
		a.filling = false
		if !a.idle.Stop() && !a.late {
			a.late = true
			a.skip++
		}
		if err == io.EOF {
			a.late = false
		} else if a.late {
			err = errIdle
		}
	}
	if err != nil {
		a.leave()
	}
	return n, err
}

// expire is called by the timer.
func (a *answer) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.skip > 0:
		a.skip--
	case a.filling:
		a.late = true
		a.cancel(errIdle)
	case a.draining && !a.closed:
		a.draining = false
		if a.ahead == nil {
			a.x.b.bodies.ahead.Add(1)
			a.ahead = &readAhead{a: a, file: spool{h: a.x.b.bodies}}
			a.ahead.changed.L = &a.mu
		}
		a.ahead.run()
	}
}

// breakOff takes note of an answer that ends too early. That the client has gone is no failure.
func (a *answer) breakOff(err error) {
	a.x.broken = err
	if a.x.ctx.Err() != nil {
		return
	}
	a.backend.state.failures.Add(1)
	a.backend.state.erred(time.Now(), err)
	a.backend.state.doubt()
	a.x.b.note(a.backend, failed, false, err)
	a.x.b.cut.Add(1)
	a.x.b.o.Logger.Warn("a backend broke off its answer", "backend", a.backend.Name, "method", a.x.in.Method, "path", a.x.in.Path, "error", err)
	a.x.b.o.Events.cut(a.x.in, a.backend.Name, err)
}

func (a *answer) Close() (err error) {
	a.once.Do(func() {
		a.mu.Lock()
		a.closed = true
		if a.idle != nil {
			a.idle.Stop()
		}
		if h := a.ahead; h != nil {
			if h.running {
				a.cancel(errAborted)
			} else {
				h.free()
			}
			h.changed.Broadcast()
		}
		a.mu.Unlock()
		err = a.body.Close()
		a.cancel(nil)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.leave()
	})
	return err
}

func (a *answer) leave() {
	if !a.left {
		a.left = true
		a.x.goes(a.backend.state)
	}
}

// upgraded is the connection after 101 Switching Protocols.
type upgraded struct {
	*answer
	rw io.ReadWriteCloser
}

func (u *upgraded) Read(p []byte) (int, error) {
	n, err := u.rw.Read(p)
	if v := u.x.visit; v != nil {
		v.sent.Add(int64(n))
	}
	return n, err
}

func (u *upgraded) Write(p []byte) (int, error) {
	n, err := u.rw.Write(p)
	if v := u.x.visit; v != nil {
		v.received.Add(int64(n))
	}
	return n, err
}

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
