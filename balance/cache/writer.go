package cache

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"
)

// Header is what the backend sets.
func (f *flight) Header() http.Header { return f.header }

// Unwrap is for [http.ResponseController].
func (f *flight) Unwrap() http.ResponseWriter { return f.w }

// WriteHeader decides what becomes of the answer.
func (f *flight) WriteHeader(status int) {
	if f.phase != asking {
		return
	}
	if status < 200 {
		if f.w != nil && status != http.StatusSwitchingProtocols {
			maps.Copy(f.w.Header(), f.header)
			f.w.WriteHeader(status)
			for name := range f.header {
				delete(f.w.Header(), name)
			}
		}
		return
	}
	f.mu.Lock()
	f.decide(status, time.Now())
	f.reconsider()
	start := f.phase == storing && f.w != nil && f.plain() && !f.gone && (f.size < 0 || f.size > small)
	next := f.phase
	f.mu.Unlock()
	if next == passing {
		f.begin()
	}
	if start {
		f.startCopy()
	}
	if f.decided != nil {
		close(f.decided)
	}
}

// decide finds out what the header means.
func (f *flight) decide(status int, now time.Time) {
	c := f.c
	f.status = status
	if f.asks && status == http.StatusNotModified {
		if !f.prior.confirms(f.header) {
			c.drop(f.id.key, func(e *entry) bool { return e == f.prior })
			f.phase = outdated
			return
		}
		e, why := c.freshened(f.prior, f.q, f.header, f.asked, now)
		if why != "" || !c.put(f.id.key, e, f.prior, f.moment) {
			c.drop(f.id.key, func(e *entry) bool { return e == f.prior })
			f.err = errUnstored
		}
		f.phase, f.entry = confirmed, e
		return
	}
	if f.prior != nil && failing(status) && f.prior.mayServeStale(f.q, f.prior.control.StaleIfError, now) {
		f.phase = replaced
		return
	}
	tags := tagsOf(f.header, c.o.KeepTags)
	if c.o.Key != nil {
		u := urlKey(*f.in)
		tags = append(tags, urlTag+u.String())
	}
	e, why := c.newEntry(f.q, status, f.header, tags, f.asked, now)
	if why == "" {
		if lines := f.header["Content-Length"]; len(lines) == 1 {
			n, ok := number(lines[0])
			if !ok {
				why = "Content-Length"
			}
			f.size = n
		}
		if why == "" && !f.reserve(max(f.size, 0)) {
			why = "too large"
		}
	}
	if why == "" {
		f.phase, f.entry = storing, e
		if f.size > 0 {
			f.body = make([]byte, 0, f.size)
		}
		return
	}
	f.phase = passing
	c.count.passed.Add(1)
	if f.prior != nil && status < 500 && !f.q.authorized {
		// There is a newer answer, which is nothing to store.
		c.drop(f.id.key, func(e *entry) bool { return e == f.prior })
	}
	if f.decided != nil && status < 500 {
		c.leaveAlone(f.id.key)
	}
}

// reserve makes room for n more bytes of the body.
func (f *flight) reserve(n int) bool {
	c := f.c
	if int64(len(f.body)+n) > c.o.ObjectBytes {
		return false
	}
	if c.pending.Add(int64(n)) > c.o.PendingBytes {
		c.pending.Add(-int64(n))
		return false
	}
	f.reserved += int64(n)
	return true
}

// begin sends the header to the client.
func (f *flight) begin() {
	if f.w == nil {
		return
	}
	h := f.w.Header()
	for name, values := range f.header {
		h[name] = values
	}
	o := outcome{forward: f.forward, stored: f.phase == storing}
	if o.stored {
		o.ttl, o.known = f.entry.ttl(time.Now()), true
	}
	f.c.dress(h, o, &f.id.key)
	f.w.WriteHeader(f.status)
	if f.phase == passing {
		f.header = h // trailers may follow
	}
}

// startCopy gives the client the body as it comes in, at its own pace, while the backend writes at its
// own.
func (f *flight) startCopy() {
	f.begin()
	f.copied = make(chan error, 1)
	w, ctx := f.w, f.client
	go func() {
		err := errCut
		defer func() {
			if p := recover(); p != nil { // no server catches it here
				err = fmt.Errorf("cache: the writer of the client panicked: %v", p)
			}
			if err != nil {
				f.leaderGone()
			}
			f.copied <- err
		}()
		_, err = f.copyTo(ctx, w)
	}()
}

// plain says that the client gets the stored answer as it is: no part of it, and no 304.
func (f *flight) plain() bool {
	return !f.q.head && f.q.span == "" && !f.entry.notModified(f.q, f.entry.answered)
}

func (f *flight) Write(p []byte) (int, error) {
	if f.phase == asking {
		f.WriteHeader(http.StatusOK)
	}
	switch f.phase {
	case passing:
		if f.w == nil {
			f.cancel() // nobody wants it
			return len(p), nil
		}
		return f.w.Write(p)
	case storing:
		return f.collect(p)
	}
	return len(p), nil // confirmed, outdated and replaced: nobody gets it
}

func (f *flight) collect(p []byte) (int, error) {
	f.mu.Lock()
	if f.size >= 0 && len(f.body)+len(p) > f.size {
		f.mu.Unlock()
		return 0, http.ErrContentLength
	}
	if f.size >= 0 || f.reserve(len(p)) {
		f.body = append(f.body, p...)
		f.wake()
		f.mu.Unlock()
		return len(p), nil
	}
	// It is larger than what is stored: from here on it goes to the client alone.
	f.phase = passing
	f.c.count.passed.Add(1)
	f.wake()
	f.reconsider()
	f.mu.Unlock()
	if f.w == nil {
		f.cancel()
		return len(p), nil
	}
	if f.copied == nil {
		f.begin()
		if _, err := f.w.Write(f.body); err != nil {
			return 0, err
		}
	} else {
		f.joined = true
		if err := <-f.copied; err != nil {
			return 0, err
		}
		f.header = f.w.Header()
	}
	f.body = nil
	return f.w.Write(p)
}

// ReadFrom keeps the fast ways of the client's writer for what is only passed on.
func (f *flight) ReadFrom(r io.Reader) (int64, error) {
	if f.phase == asking {
		f.WriteHeader(http.StatusOK)
	}
	if f.phase == passing && f.w != nil {
		return io.Copy(f.w, r)
	}
	return io.Copy(struct{ io.Writer }{f}, r)
}

// FlushError sends what there is.
func (f *flight) FlushError() error {
	if f.phase == asking {
		f.WriteHeader(http.StatusOK)
	}
	switch {
	case f.w == nil:
		return nil
	case f.phase == passing:
		return http.NewResponseController(f.w).Flush()
	case f.phase == storing && f.plain():
		f.mu.Lock()
		f.flushed = true
		f.mu.Unlock()
		if f.copied == nil {
			f.startCopy()
		}
	}
	return nil
}

// Flush is for handlers that ask for an [http.Flusher].
func (f *flight) Flush() {
	_ = f.FlushError() // whoever writes next learns of it
}
