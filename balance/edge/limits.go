package edge

import (
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// client is what counts as one client: an IPv4 address, or the /64 that one IPv6 connection of a house
// or a school has.
func client(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, err := a.Prefix(64)
		if err == nil {
			return p.Addr()
		}
	}
	return a
}

// conns counts connections. The map is bounded by their limit.
type conns struct {
	mu        sync.Mutex
	open      map[*conn]struct{}
	by        map[netip.Addr]int
	most      int
	mostByOne int
}

type verdict uint8

const (
	welcome verdict = iota
	full
	fullForOne
)

// enter counts a connection in; of an address that is not valid, only among all.
func (l *conns) enter(c *conn, one netip.Addr) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.most {
		return full
	}
	if !l.count(one) {
		return fullForOne
	}
	c.client = one
	l.open[c] = struct{}{}
	return welcome
}

func (l *conns) count(one netip.Addr) bool {
	if !one.IsValid() {
		return true
	}
	if n := l.by[one]; l.mostByOne < 0 || n < l.mostByOne {
		l.by[one] = n + 1
		return true
	}
	return false
}

// become counts a connection for the client that a proxy has named.
func (l *conns) become(c *conn, one netip.Addr) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.count(one) {
		return fullForOne
	}
	c.client = one
	return welcome
}

func (l *conns) leave(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.open[c]; !ok {
		return
	}
	delete(l.open, c)
	if n := l.by[c.client]; n > 1 {
		l.by[c.client] = n - 1
	} else {
		delete(l.by, c.client)
	}
}

// evict closes a connection that is between two requests, which its client must expect at any time. It
// looks at a few only, so that a flood costs little; they come in no order.
func (l *conns) evict() bool {
	l.mu.Lock()
	var found *conn
	looked := 0
	for c := range l.open {
		if c.idle.Load() {
			found = c
			break
		}
		if looked++; looked == 64 {
			break
		}
	}
	l.mu.Unlock()
	if found == nil {
		return false
	}
	found.Close() // whatever it says, it is not counted any more
	return true
}

func (l *conns) all() []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*conn, 0, len(l.open))
	for c := range l.open {
		list = append(list, c)
	}
	return list
}

// buckets are those of the clients of late, in two generations: a bucket that was not used for a whole
// generation is as full as a new one, and goes.
type buckets struct {
	rate   Rate
	refill time.Duration

	mu         sync.Mutex
	turn       time.Time // when young becomes old
	young, old map[netip.Addr]*rate.Limiter
}

// maxClients bounds the memory of a generation to about 10 MB. A client that is pushed out when there
// are more gets a full bucket.
const maxClients = 50_000

func newBuckets(r Rate) *buckets {
	if r.PerSecond <= 0 {
		return nil
	}
	seconds := math.Min(float64(r.Burst)/r.PerSecond+1, 24*3600)
	return &buckets{rate: r, refill: time.Duration(seconds * float64(time.Second)), young: make(map[netip.Addr]*rate.Limiter)}
}

func (b *buckets) of(one netip.Addr, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.After(b.turn) || len(b.young) >= maxClients {
		b.old, b.young, b.turn = b.young, make(map[netip.Addr]*rate.Limiter), now.Add(b.refill)
	}
	l := b.young[one]
	if l == nil {
		if l = b.old[one]; l == nil {
			l = rate.NewLimiter(rate.Limit(b.rate.PerSecond), b.rate.Burst)
		}
		b.young[one] = l
	}
	return l
}

// take takes one request out; wait is how long the client should wait if that is not to be had.
func (b *buckets) take(one netip.Addr) (wait time.Duration, ok bool) {
	if b == nil || !one.IsValid() {
		return 0, true
	}
	now := time.Now()
	l := b.of(one, now)
	if l.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - l.TokensAt(now)
	return time.Duration(missing / b.rate.PerSecond * float64(time.Second)), false
}

// limited answers a request that is one too many.
func (s *Server) limited(w http.ResponseWriter, r *http.Request) bool {
	b := s.writes
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		b = s.reads
	}
	if b == nil {
		return false
	}
	who, trusted := s.o.trusted().Peer(r.RemoteAddr)
	if trusted {
		who = s.o.trusted().Client(who, r.Header["X-Forwarded-For"])
	}
	wait, ok := b.take(client(who))
	if ok {
		return false
	}
	s.stats.limited.Add(1)
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(max(1, wait.Seconds())))))
	s.explain(w, http.StatusTooManyRequests, "Too many requests have come from this address. Please try again a little later.")
	return true
}
