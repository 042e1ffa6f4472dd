package cache

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

// A tap passes an answer on and sees its header first.
type tap struct {
	http.ResponseWriter
	on   func(status int, h http.Header) // may change the header
	seen bool
}

func (t *tap) WriteHeader(status int) {
	if status >= 200 && !t.seen {
		t.seen = true
		t.on(status, t.Header())
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *tap) Write(p []byte) (int, error) {
	if !t.seen {
		t.WriteHeader(http.StatusOK)
	}
	return t.ResponseWriter.Write(p)
}

// ReadFrom keeps the fast ways of the writer below.
func (t *tap) ReadFrom(r io.Reader) (int64, error) {
	if !t.seen {
		t.WriteHeader(http.StatusOK)
	}
	return io.Copy(t.ResponseWriter, r)
}

func (t *tap) FlushError() error {
	if !t.seen {
		t.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(t.ResponseWriter).Flush()
}

// Unwrap is for [http.ResponseController].
func (t *tap) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// fetch has the answer written, an empty one too.
func (t *tap) fetch(ctx context.Context, backend balance.Fetcher, change http.Header) error {
	err := backend.Fetch(ctx, t, change)
	if err == nil && !t.seen && ctx.Err() == nil {
		t.WriteHeader(http.StatusOK)
	}
	return err
}

// pass sends a request on that is not for the cache.
func (c *Cache) pass(ctx context.Context, w http.ResponseWriter, backend balance.Fetcher, forward string) error {
	c.count.bypassed.Add(1)
	t := &tap{ResponseWriter: w, on: func(_ int, h http.Header) {
		c.dress(h, outcome{forward: forward}, nil)
	}}
	return t.fetch(ctx, backend, nil)
}

// dress makes the header of a backend's answer one for clients.
func (c *Cache) dress(h http.Header, o outcome, k *key) {
	h["Cache-Status"] = append(h["Cache-Status"], c.status(o, k))
	if !c.o.KeepTags {
		delete(h, "Surrogate-Key")
		delete(h, "Cache-Tag")
	}
}

// safe: RFC 9110, section 9.2.1, and the registry of methods.
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, "PRI", "PROPFIND", "QUERY", "REPORT", "SEARCH":
		return true
	}
	return false
}

// other serves methods that nothing is stored for. Unsafe ones, and those that nobody knows, make
// what is stored invalid when they have not failed (RFC 9111, section 4.4), before the client learns of
// it: who has changed something sees the change. So do those of which nobody knows whether they have
// acted before they failed.
func (c *Cache) other(ctx context.Context, w http.ResponseWriter, in balance.Info, backend balance.Fetcher) error {
	upgrade := in.Header("Upgrade") != ""
	if safe(in.Method) {
		if upgrade {
			return backend.Fetch(ctx, w, nil)
		}
		return c.pass(ctx, w, backend, "method")
	}
	c.count.bypassed.Add(1)
	t := &tap{ResponseWriter: w, on: func(status int, h http.Header) {
		if status < 400 || status == 500 || status == 502 || status == 504 {
			c.changed(in, h)
		}
		c.dress(h, outcome{forward: "method"}, nil)
	}}
	defer func() { // also when a handler panics
		if !t.seen {
			c.changed(in, nil)
		}
	}()
	return t.fetch(ctx, backend, nil)
}

// changed makes invalid what is stored for the target of a request, and for what Location and
// Content-Location of its answer name at the same origin.
func (c *Cache) changed(in balance.Info, h http.Header) {
	target := &url.URL{Scheme: in.Scheme, Host: in.Host}
	if u, err := url.ParseRequestURI(in.Target); err == nil {
		target = &url.URL{Scheme: in.Scheme, Host: in.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery}
	}
	c.count.invalidated.Add(int64(c.forget(target, in.Target)))
	origin := urlKey(in)
	for _, name := range []string{"Location", "Content-Location"} {
		for _, line := range h[name] {
			u, err := target.Parse(line)
			if err != nil {
				continue
			}
			if k := urlKey(infoOf(u)); k.scheme == origin.scheme && k.host == origin.host && k.target != origin.target {
				c.count.invalidated.Add(int64(c.forget(u, k.target)))
			}
		}
	}
}

// head sends a HEAD on. Its answer tells about what a GET has stored (RFC 9111, section 4.3.5).
func (v *visit) head(forward string, prior *entry) error {
	c, asked := v.c, time.Now()
	var change http.Header
	if prior != nil && v.q.conditional() {
		change = unconditional // what comes is for the stored response as well
	}
	m := c.begin(v.key)
	defer c.finish(v.key, m)
	t := &tap{ResponseWriter: v.w, on: func(status int, h http.Header) {
		o := outcome{forward: forward}
		if prior != nil && status == http.StatusOK && prior.status == http.StatusOK && !v.q.authorized {
			if !prior.describes(h) {
				c.drop(v.key, func(e *entry) bool { return e == prior })
			} else if e, why := c.freshened(prior, &v.q, h.Clone(), asked, time.Now()); why == "" && c.put(v.key, e, prior, m) {
				o.stored = true
			}
		}
		c.dress(h, o, &v.key)
	}}
	return t.fetch(v.ctx, v.backend, change)
}
