package cache

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sugarlabs/beamrider/balance"
)

// Cache is a shared HTTP cache in memory. It implements [balance.Cache]; its methods may be called
// concurrently.
type Cache struct {
	o         Options
	store     *otter.Cache[key, *resource]
	index     index
	interests interests
	all       atomic.Uint64 // how often everything was purged
	pending   atomic.Int64  // bytes reserved of Options.PendingBytes
	count     counters

	mu         sync.Mutex
	flights    map[flightKey]*flight // those that others may join
	running    int                   // in the background
	closed     bool
	background sync.WaitGroup
	base       context.Context // ends with Close
	end        context.CancelFunc
}

var _ balance.Cache = (*Cache)(nil)

// New returns an empty cache. It reports everything that is wrong with the options at once. Close
// ends what a cache does in the background; one that is not used any more needs it for nothing else.
func New(o *Options) (*Cache, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cache{o: opts, flights: make(map[flightKey]*flight)}
	c.index.keys = make(map[string]map[key]int)
	c.interests.keys = make(map[key]*interest)
	if c.store, err = newStore(c); err != nil {
		return nil, err
	}
	c.base, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Close ends the fetches that no client waits for and returns when they have ended. The cache still
// serves, but revalidates nothing in the background.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.background.Wait()
}

// A visit is one request to the cache.
type visit struct {
	c       *Cache
	ctx     context.Context
	w       http.ResponseWriter
	in      balance.Info
	backend balance.Fetcher
	key     key
	q       question
}

// Serve answers one request. It implements [balance.Cache].
func (c *Cache) Serve(ctx context.Context, w http.ResponseWriter, in balance.Info, backend balance.Fetcher) error {
	if in.Method != http.MethodGet && in.Method != http.MethodHead {
		return c.other(ctx, w, in, backend)
	}
	if in.Header("Upgrade") != "" {
		return backend.Fetch(ctx, w, nil) // what follows may not be HTTP
	}
	k, ok := c.keyOf(in)
	switch {
	case !ok, backend.HasBody(), elsewhere(in):
		return c.pass(ctx, w, backend, "bypass")
	case in.Header("If-Match") != "", in.Header("If-Unmodified-Since") != "":
		return c.pass(ctx, w, backend, "request") // RFC 9111, section 4.3.2: not for caches to judge
	}
	v := visit{c: c, ctx: ctx, w: w, in: in, backend: backend, key: k, q: ask(&in)}
	if v.q.control.NoStore || v.q.strips {
		return c.pass(ctx, w, backend, "request")
	}
	r, found := c.store.GetIfPresent(k)
	var e *entry
	var others bool
	if found {
		e, others = c.find(r, &v.q)
	}
	now := time.Now()
	if e != nil && e.reuse(&v.q, now) == fresh {
		c.count.hits.Add(1)
		return v.answer(e, now, outcome{hit: true, ttl: e.ttl(now), known: true})
	}
	rest := new(visit) // so that v stays off the heap for a hit
	*rest = v
	return rest.serve(e, now, others, found && r.alone)
}

// elsewhere reports whether a proxy that is believed may have told backends of another host, for which
// they then make their links: nobody else may get these.
func elsewhere(in balance.Info) bool {
	lines := in.Values("X-Forwarded-Host")
	return len(lines) > 1 || len(lines) == 1 && lines[0] != in.Host
}

// serve answers a request for which e is stored, if it is not nil, but may not be used as it is. others
// says that there are variants, alone that requests for the same need not wait for each other.
func (v *visit) serve(e *entry, now time.Time, others, alone bool) error {
	c, forward := v.c, "uri-miss"
	if e == nil && others {
		forward = "vary-miss"
	}
	if e != nil {
		switch e.reuse(&v.q, now) {
		case foreign:
			return c.pass(v.ctx, v.w, v.backend, "request")
		case demanded:
			forward = "request"
		case stale:
			forward = "stale"
			if e.mayServeStale(&v.q, e.control.StaleWhileRevalidate, now) && (v.q.head || c.refresh(v, e)) {
				c.count.stale.Add(1)
				return v.answer(e, now, outcome{hit: true, ttl: e.ttl(now), known: true})
			}
		}
	}
	if v.q.control.OnlyIfCached { // RFC 9111, section 5.2.1.7
		c.count.bypassed.Add(1)
		return v.refuse(forward)
	}
	c.count.misses.Add(1)
	if v.q.head {
		return v.head(forward, e)
	}
	return v.get(forward, e, alone)
}

// get sends a GET on, or waits for one that is on its way.
func (v *visit) get(forward string, prior *entry, alone bool) error {
	switch {
	case alone, forward == "request", v.q.authorized,
		prior == nil && !v.q.plain(),
		prior != nil && (prior.control.NoCache || prior.lifetime <= 0): // nobody else could use the answer
		return v.fetch(nil, forward, prior)
	}
	k := flightKey{key: v.key, prior: prior}
	if forward == "vary-miss" {
		k.choice = v.choice()
	}
	f, first, came := v.c.join(k, v, forward, prior)
	if first {
		return v.fetch(f, forward, prior)
	}
	if came != nil {
		now := time.Now()
		v.c.count.collapsed.Add(1)
		return v.answer(came, now, outcome{forward: forward, ttl: came.ttl(now), known: true, collapsed: true})
	}
	done, err := f.follow(v, forward)
	if done {
		return err
	}
	return v.fetch(nil, forward, prior)
}

// choice is what the request says in the fields that the stored variants vary by, so that requests
// which must get different answers do not wait for each other.
func (v *visit) choice() string {
	r, ok := v.c.store.GetIfPresent(v.key)
	if !ok || len(r.variants) == 0 {
		return ""
	}
	choice := ""
	for _, by := range r.variants[0].by {
		lines, _ := v.q.field(by.name)
		choice += normal(by.name, lines) + "\n"
	}
	return choice
}

// refuse answers only-if-cached where nothing is stored.
func (v *visit) refuse(forward string) error {
	h := v.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Status", v.c.status(outcome{forward: forward}, &v.key))
	const sentence = "Nothing is stored for this request, which asks for stored answers only (Cache-Control: only-if-cached).\n"
	h.Set("Content-Length", strconv.Itoa(len(sentence)))
	v.w.WriteHeader(http.StatusGatewayTimeout)
	if v.q.head {
		return nil
	}
	_, err := v.w.Write([]byte(sentence))
	return err
}

// answer answers by e, which has its body. o says how it came to that.
func (v *visit) answer(e *entry, now time.Time, o outcome) error {
	h := v.w.Header()
	for i := range e.fields {
		h[e.fields[i].name] = e.fields[i].values
	}
	if o.forward == "" {
		s := e.stampAt(v.c, &v.key, now)
		h["Age"], h["Cache-Status"] = s.fields[0], s.fields[1]
	} else {
		h["Age"] = []string{strconv.FormatInt(int64(e.age(now)/time.Second), 10)}
		h["Cache-Status"] = e.statusLines(v.c.status(o, &v.key))
	}
	status, body := e.status, e.body
	if v.q.conditional() && e.notModified(&v.q, now) {
		// RFC 9110, section 15.4.5: only what helps the client to keep its copy.
		status, body = http.StatusNotModified, nil
		for _, name := range []string{"Content-Length", "Content-Type", "Content-Encoding", "Content-Language"} {
			delete(h, name)
		}
	} else if part, ok, whole := e.part(&v.q); !whole {
		if ok {
			status, body = http.StatusPartialContent, e.body[part.from:part.to]
			h["Content-Range"] = []string{part.contentRange(len(e.body))}
		} else {
			status, body = http.StatusRequestedRangeNotSatisfiable, nil
			h["Content-Range"] = []string{"bytes */" + e.length[0]}
			delete(h, "Content-Type")
			delete(h, "Content-Encoding")
		}
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	v.w.WriteHeader(status)
	n := 0
	var err error
	if !v.q.head && len(body) > 0 {
		n, err = v.w.Write(body)
	}
	v.hit(status, int64(n))
	return err
}

func (v *visit) hit(status int, bytes int64) {
	if v.c.o.OnHit != nil {
		v.c.o.OnHit(v.in, status, bytes)
	}
}
