package nfs3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A transport makes calls over one connection at a time, and makes that connection.
type transport struct {
	cfg   *Config
	cred  credential
	dial  func(context.Context) (net.Conn, error)
	slots chan struct{} // calls in flight
	xid   atomic.Uint32

	life context.Context // ends with the client
	end  context.CancelFunc

	dialing chan struct{} // held by the one who connects
	mu      sync.Mutex
	cur     *conn     // may have ended
	faults  int       // attempts and connections without any reply, in a row
	next    time.Time // not to be tried before
	silence silence
}

// Pauses between attempts to connect.
const (
	redialMin = 50 * time.Millisecond
	redialMax = 2 * time.Second
)

func newTransport(cfg *Config, cred credential, dial func(context.Context) (net.Conn, error)) *transport {
	t := &transport{
		cfg: cfg, cred: cred, dial: dial,
		slots: make(chan struct{}, cfg.MaxInFlight), dialing: make(chan struct{}, 1),
	}
	t.xid.Store(rand.Uint32())
	t.life, t.end = context.WithCancel(context.Background())
	return t
}

// close ends the connection and waits until nobody makes another.
func (t *transport) close() {
	t.end()
	t.dialing <- struct{}{}
	defer func() { <-t.dialing }()
	t.mu.Lock()
	c := t.cur
	t.cur = nil
	t.mu.Unlock()
	if c != nil {
		c.end(ErrClosed)
	}
}

// connect returns the connection, a new one if there is none. The pause after failures is in it.
func (t *transport) connect(ctx context.Context) (*conn, error) {
	if c := t.alive(); c != nil {
		return c, nil
	}
	select {
	case t.dialing <- struct{}{}:
		defer func() { <-t.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c := t.alive(); c != nil { // somebody was faster
		return c, nil
	}
	if t.life.Err() != nil {
		return nil, ErrClosed
	}
	t.mu.Lock()
	old := t.cur
	t.cur = nil
	t.mu.Unlock()
	if old != nil {
		err := old.fault()
		old.end(err)
		if old.answered { // its goroutines have ended
			t.faults = 0
		} else {
			t.fault()
		}
		t.cfg.Logger.Info("The connection to the NFS server is lost; connecting again.", "export", t.cfg.where(), "error", err)
	}
	if err := wait(ctx, time.Until(t.next)); err != nil {
		return nil, err
	}
	nc, err := t.dial(ctx)
	if err != nil {
		if ctx.Err() == nil {
			t.fault()
		}
		return nil, err
	}
	c := newConn(nc, t.cfg.Timeout, t.cfg.MaxInFlight)
	t.mu.Lock()
	t.cur = c
	t.mu.Unlock()
	t.cfg.Logger.Debug("Connected to the NFS server.", "export", t.cfg.where(), "address", nc.RemoteAddr().String())
	return c, nil
}

// alive returns the connection unless it has ended.
func (t *transport) alive() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cur == nil || t.cur.fault() != nil {
		return nil
	}
	return t.cur
}

// fault puts the next attempt off. Only who holds dialing calls it.
func (t *transport) fault() {
	t.faults = min(t.faults+1, 10)
	pause := min(redialMin<<(t.faults-1), redialMax)
	t.next = time.Now().Add(pause/2 + rand.N(pause))
}

// call makes a call, and makes it again where that is safe, until ctx ends, which it must. The result is a
// part of the record, which the caller may release. The error matches ErrNoAnswer, ErrProtocol or
// ErrClosed or is a refusal.
func (t *transport) call(ctx context.Context, p proc, args io.WriterTo) (result, record []byte, err error) {
	if err := ctx.Err(); err != nil { // of several things that can go on, select takes any
		return nil, nil, t.noAnswer(ctx, err)
	}
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return nil, nil, t.noAnswer(ctx, fmt.Errorf("all %d places for calls are taken", cap(t.slots)))
	}
	if !t.silence.admit(time.Now()) {
		return nil, nil, fmt.Errorf("%w: it has not for a while", ErrNoAnswer)
	}
	began := time.Now()
	var last error
	for {
		c, err := t.connect(ctx)
		if err == nil {
			xid := t.xid.Add(1)
			frame, ferr := encode(xid, p, t.cred, args)
			if ferr != nil {
				return nil, nil, ferr
			}
			var sent bool
			record, sent, err = c.roundTrip(ctx, xid, frame)
			if err == nil {
				t.silence.heard()
				result, err := resultOf(p, record)
				return result, record, err
			}
			c.suspect()
			t.silence.missed(ctx, began)
			if sent && !p.repeat {
				return nil, nil, fmt.Errorf("%w: %w", ErrUnknownOutcome, t.noAnswer(ctx, err))
			}
			if sent && p.repeated != nil {
				*p.repeated = true
			}
		}
		// The last thing that happened, not that time was up while waiting to try again.
		if last == nil || !errors.Is(err, ctx.Err()) {
			last = err
		}
		if ctx.Err() != nil || t.life.Err() != nil || errors.Is(err, ErrProtocol) {
			t.silence.missed(ctx, began)
			return nil, nil, t.noAnswer(ctx, last)
		}
	}
}

// noAnswer says why there was no reply, unless err says that there was one.
func (t *transport) noAnswer(ctx context.Context, err error) error {
	if _, is := errors.AsType[*refusal](err); is {
		return err
	}
	switch {
	case t.life.Err() != nil:
		return ErrClosed
	case errors.Is(err, ErrProtocol), errors.Is(err, ErrNoAnswer) && ctx.Err() == nil:
		return err
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		return fmt.Errorf("%w (%w): %w", ErrNoAnswer, ctx.Err(), err)
	}
	return fmt.Errorf("%w: %w", ErrNoAnswer, err)
}
