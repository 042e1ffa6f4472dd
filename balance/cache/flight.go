package cache

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

var (
	errCut      = errors.New("cache: the answer was cut short")
	errUnstored = errors.New("cache: the answer is not stored any more")
	errShort    = errors.New("cache: the answer has not the length that its header says")
)

// small is the length up to which a body is fetched whole before the client gets it.
const small = 32 << 10

type phase uint8

const (
	asking    phase = iota // there is no header yet
	passing                // the answer goes to the client alone
	storing                // the answer is collected, and clients read what is there
	confirmed              // 304: the stored response is good
	outdated               // 304, but not about the stored response
	replaced               // a failure: a stale response is served in its place
)

// A flight is one fetch of a GET. It is the writer of the answer.
type flight struct {
	c       *Cache
	id      flightKey
	prior   *entry
	q       *question
	in      *balance.Info
	w       http.ResponseWriter // nil if no client has caused it
	client  context.Context
	forward string
	// priority is that of the request that has caused it; nobody waits for one that matters less.
	priority int
	// asks says that the backend is asked about the stored response.
	asks   bool
	moment moment
	asked  time.Time
	header http.Header
	// decided is closed when the header is there, done at the end. They are nil unless others may join.
	decided, done chan struct{}
	copied        chan error // what has become of the copy to the client; nil if there is none
	joined        bool       // the copy has ended, and so it said

	mu        sync.Mutex
	phase     phase
	status    int
	entry     *entry // while storing, and when confirmed
	body      []byte
	size      int           // what the header says of the body; -1 if nothing
	reserved  int64         // of Options.PendingBytes
	more      chan struct{} // closed when there is more; nil if nobody waits
	flushed   bool          // the backend wants what is there to go out
	ended     bool
	err       error
	followers int
	gone      bool // the client has
	cancel    context.CancelFunc
	canceled  bool
	late      *time.Timer // ends it when no client waits
}

// follows counts one more follower, unless it is too late.
func (f *flight) follows() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.canceled || f.ended {
		return false
	}
	f.followers++
	if f.late != nil {
		f.late.Stop()
		f.late = nil
	}
	return true
}

func (f *flight) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followers--
	f.reconsider()
}

// leaderGone takes note that the client that has caused the fetch has gone away.
func (f *flight) leaderGone() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	f.reconsider()
}

// reconsider ends a fetch that nobody needs.
func (f *flight) reconsider() {
	if !f.gone || f.canceled || f.ended || f.cancel == nil {
		return
	}
	nearly := f.phase == storing && f.size >= 0 && int64(f.size-len(f.body)) <= f.c.o.FinishBytes
	switch {
	case f.phase != passing && f.followers > 0:
	case f.phase != passing && nearly:
		if f.late == nil {
			f.late = time.AfterFunc(f.c.o.FetchTimeout, f.timeout)
		}
	default:
		f.canceled = true
		f.cancel()
	}
}

// timeout ends a fetch that was let go on for a while.
func (f *flight) timeout() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.followers == 0 && !f.ended {
		f.canceled = true
		f.cancel()
	}
}

// fetch sends a GET on, as the flight f if others may join it, and answers it.
func (v *visit) fetch(f *flight, forward string, prior *entry) error {
	c := v.c
	ctx := v.ctx
	if f == nil {
		f = &flight{c: c, prior: prior, forward: forward, moment: c.begin(v.key)}
		f.id.key = v.key
	} else {
		// The fetch may outlive the client.
		lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		f.cancel = cancel
		defer context.AfterFunc(ctx, f.leaderGone)()
		ctx = lasting
	}
	f.q, f.in, f.w, f.client = &v.q, &v.in, v.w, v.ctx
	err := f.run(ctx, v.backend)
	now := time.Now()
	switch {
	case f.phase == confirmed:
		c.count.validated.Add(1)
		e := f.entry
		return v.answer(e, now, outcome{forward: forward, status: http.StatusNotModified, ttl: e.ttl(now), known: true, stored: f.err == nil})
	case f.phase == outdated:
		return v.fetch(nil, forward, nil)
	case f.phase == replaced, err != nil && f.untouched() && prior != nil && ctx.Err() == nil && prior.mayServeStale(&v.q, prior.control.StaleIfError, now):
		c.count.failed.Add(1)
		return v.answer(prior, now, outcome{hit: true, forward: forward, status: f.status, ttl: prior.ttl(now), known: true})
	case err != nil || f.phase != storing:
		return err
	case f.copied != nil:
		return nil // the client has it
	case f.plain():
		f.begin()
		if len(f.body) > 0 {
			_, err = v.w.Write(f.body)
		}
		return err
	}
	return v.answer(f.entry, now, outcome{forward: forward, status: f.status, ttl: f.entry.ttl(now), known: true, stored: true})
}

// untouched says that the client has got nothing yet.
func (f *flight) untouched() bool {
	return f.phase == asking || f.phase == storing && f.copied == nil
}

// run has the backend answer. When it returns the flight has ended. The error says that the answer
// is cut short.
func (f *flight) run(ctx context.Context, backend balance.Fetcher) (err error) {
	f.asked, f.header, f.size = time.Now(), make(http.Header), -1
	var change http.Header
	if f.prior != nil {
		if change = f.prior.validators(); change != nil {
			f.asks = true
		} else {
			change = unconditional
		}
	}
	err = errCut // unless all goes well; a handler may panic
	defer func() { err = f.finish(err) }()
	err = backend.Fetch(ctx, f, change)
	if err == nil && f.phase == asking {
		if err = ctx.Err(); err == nil {
			f.WriteHeader(http.StatusOK)
		}
	}
	return err
}

// finish ends the flight and stores what it has brought.
func (f *flight) finish(err error) error {
	f.mu.Lock()
	if f.phase == storing && err == nil && f.size >= 0 && len(f.body) != f.size {
		err = errShort
	}
	if f.phase == storing && err == nil {
		body := f.body
		if cap(body)-len(body) > len(body)/8+64 {
			body = append(make([]byte, 0, len(body)), body...)
		}
		f.entry.finish(body)
		f.mu.Unlock()
		f.c.put(f.id.key, f.entry, f.prior, f.moment)
		f.mu.Lock()
	} else if f.phase == storing {
		f.c.count.cut.Add(1)
	}
	f.c.finish(f.id.key, f.moment)
	f.ended = true
	if f.phase != confirmed {
		f.err = err
	}
	f.wake()
	if f.late != nil {
		f.late.Stop()
	}
	f.c.pending.Add(-f.reserved)
	f.reserved = 0
	if f.decided != nil && f.phase == asking {
		close(f.decided)
	}
	f.mu.Unlock()
	if f.done != nil {
		close(f.done)
		f.c.mu.Lock()
		if f.c.flights[f.id] == f {
			delete(f.c.flights, f.id)
		}
		f.c.mu.Unlock()
	}
	if f.copied != nil && !f.joined {
		f.joined = true
		if cerr := <-f.copied; err == nil {
			err = cerr
		}
	}
	return err
}

// wake tells readers that there is something new.
func (f *flight) wake() {
	if f.more != nil {
		close(f.more)
		f.more = nil
	}
}

// copyTo writes the body to a client as it comes in, until its end.
func (f *flight) copyTo(ctx context.Context, w http.ResponseWriter) (n int64, err error) {
	for {
		f.mu.Lock()
		data := f.body[n:]
		if len(data) == 0 {
			if f.ended || f.phase != storing {
				err := f.err
				f.mu.Unlock()
				return n, err
			}
			if f.more == nil {
				f.more = make(chan struct{})
			}
			more, flushed := f.more, f.flushed
			f.mu.Unlock()
			if flushed {
				if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
					return n, err
				}
			}
			select {
			case <-more:
			case <-ctx.Done():
				return n, ctx.Err()
			}
			continue
		}
		f.mu.Unlock()
		wrote, err := w.Write(data)
		if n += int64(wrote); err != nil {
			return n, err
		}
	}
}
