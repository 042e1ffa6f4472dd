package balance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/beamrider/balance/internal/bounds"
)

var (
	// ErrNoBackend: no backend may take the request now: all are draining, full, or have been tried.
	ErrNoBackend = errors.New("no backend available")
	// ErrUnknownBackend: the pool has no backend of that name.
	ErrUnknownBackend = errors.New("unknown backend")
)

// Options are what may be left out; the zero value is good. Durations that are 0 have the default
// that is given with them.
type Options struct {
	// Picker chooses backends; nil: [PowerOfTwo]. Others are [RoundRobin], [LeastInFlight], [Random] and
	// [Rendezvous].
	Picker Picker
	// Admitter limits them; nil: Backend.MaxInFlight is the limit.
	Admitter Admitter
	// Checker judges their health while [Balancer.Run] runs; nil: [HTTPCheck] of the path /.
	Checker Checker
	// Cache stands before them in [Balancer.ServeHTTP]; nil: none. Package balance/cache has one.
	Cache Cache
	// Sticker keeps clients with the backend they have met; nil: none. [StickyCookie] is one.
	Sticker Sticker
	// Outliers say who gets no requests for a while because of how it has dealt with others.
	Outliers OutlierOptions
	// Queue is where requests wait while all backends are full.
	Queue QueueOptions
	// Retries say what repeated attempts may cost.
	Retries RetryOptions
	// Bodies say what is held here of requests and answers, for slow clients.
	Bodies BodyOptions
	// Handoff lets backends hand answers off to a file or to another server.
	Handoff HandoffOptions
	// Operations are the balancer's own pages.
	Operations OperationsOptions
	// Events tell what happens.
	Events Events
	// Classify, if not nil, sets Key, Priority and Background of a request. It must not block.
	Classify func(in *Info)
	// Elsewhere, if not nil, decides about answers of status 500 and more to requests that have no body,
	// or whose body is held and can be sent again: true has another backend asked in the place of the one
	// that answered so, if there is one. It is for backends that lack what others have. It is asked about
	// methods that are not idempotent too, for which it must know from the status that nothing was done.
	// It must not block.
	Elsewhere func(in Info, status int) bool
	// Logger gets changes of health and broken answers; nil: none.
	Logger *slog.Logger
	// Transport speaks to the backends that have a URL; nil: one of this balancer's own, HTTP/1.1
	// without any proxy of the environment, and HTTP/2 for h2c. With another, DialTimeout, ResponseTimeout
	// and the schemes h2c and unix are its matter.
	Transport http.RoundTripper
	// Forward says what backends are told of clients.
	Forward ForwardOptions
	// Trusted are the networks of proxies before this one, whose X-Forwarded fields are believed.
	Trusted []netip.Prefix

	// Attempts is how many backends may be tried for one request, 1 to 10; 0 means 3.
	Attempts int
	// DialTimeout bounds the making of a connection; 2 s.
	DialTimeout time.Duration
	// ResponseTimeout bounds the time from the end of a request to the header of the answer, for each
	// attempt; 60 s.
	ResponseTimeout time.Duration
	// IdleTimeout bounds how long a backend may send nothing within an answer; 60 s. Upgraded
	// connections may be idle for as long as both sides like.
	IdleTimeout time.Duration
	// RetryAfter is what clients are told when they are refused, rounded up to seconds; 1 s. While
	// requests wait in the queue it is as long as those will take, at most 30 s.
	RetryAfter time.Duration

	// CheckInterval is the time between health checks of a backend, varied by a tenth so that
	// several balancers do not fall into step; 2 s. After a failed request it is a tenth.
	CheckInterval time.Duration
	// CheckFast is that time while a backend is about to be judged otherwise: it was healthy and has
	// just failed, or was not and has just passed; a fifth of CheckInterval.
	CheckFast time.Duration
	// CheckTimeout bounds one check; 2 s.
	CheckTimeout time.Duration
	// ReportAge is how long a [Report] counts; 10 s.
	ReportAge time.Duration
	// Panic is the share of the backends that are not draining or disabled below which, when fewer are
	// healthy, all of them are used again: in a large pool the few could not bear the load, and what
	// judges may be what is wrong. 0, which is right for small pools: only when none is healthy. Up to 1.
	Panic float64
	// Self, if not nil, is asked when a check has failed so often that the last healthy backend would be
	// unhealthy: an error means that this machine is cut off, and the backend is not blamed. It must
	// return soon after ctx is done, which is after CheckTimeout.
	Self func(ctx context.Context) error
	// SlowStart is how long a backend that is new in the pool, enabled, or well again, takes to get its full
	// share of requests, beginning with a tenth of it: caches fill, code is compiled. 0: at once.
	SlowStart time.Duration
	// Start is what a backend is taken for that was never checked.
	Start Start
	// Rise is how many checks in a row must pass before an unhealthy backend is healthy again, 1 to
	// 100; 0 means 2. Fall is how many must fail before a healthy one is unhealthy; 0 means 3. The
	// first check of all decides alone where Start is StartUnknown.
	Rise, Fall int
}

// Start is what a backend is taken for before its first health check.
type Start int

const (
	StartUnknown Start = iota // used when no healthy one can be; its first check decides
	StartUp                   // healthy until checks fail
	StartDown                 // unhealthy until checks pass
)

// withDefaults returns a checked copy.
func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Picker == nil {
		c.Picker = PowerOfTwo{}
	}
	if c.Admitter == nil {
		c.Admitter = limit{}
	}
	if c.Checker == nil {
		c.Checker = &HTTPCheck{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var errs []error
	errs = append(errs, bounds.Durations("balance: Options.",
		bounds.Setting{Name: "DialTimeout", Value: &c.DialTimeout, Default: 2 * time.Second},
		bounds.Setting{Name: "ResponseTimeout", Value: &c.ResponseTimeout, Default: time.Minute},
		bounds.Setting{Name: "IdleTimeout", Value: &c.IdleTimeout, Default: time.Minute},
		bounds.Setting{Name: "RetryAfter", Value: &c.RetryAfter, Default: time.Second},
		bounds.Setting{Name: "CheckInterval", Value: &c.CheckInterval, Default: 2 * time.Second},
		bounds.Setting{Name: "ReportAge", Value: &c.ReportAge, Default: 10 * time.Second},
		bounds.Setting{Name: "CheckTimeout", Value: &c.CheckTimeout, Default: 2 * time.Second},
	)...)
	for _, n := range []struct {
		name             string
		value            *int
		def, least, most int
	}{
		{"Attempts", &c.Attempts, 3, 1, 10},
		{"Rise", &c.Rise, 2, 1, 100},
		{"Fall", &c.Fall, 3, 1, 100},
	} {
		if *n.value == 0 {
			*n.value = n.def
		}
		if *n.value < n.least || *n.value > n.most {
			errs = append(errs, fmt.Errorf("balance: Options.%s is %d; it must be between %d and %d, or 0 for %d", n.name, *n.value, n.least, n.most, n.def))
		}
	}
	errs = append(errs, c.Queue.check(), c.Retries.check(), c.Outliers.check(), c.Bodies.check(), c.Handoff.check())
	if c.CheckFast == 0 {
		c.CheckFast = max(c.CheckInterval/5, time.Millisecond)
	}
	if c.CheckFast < time.Millisecond || c.CheckFast > c.CheckInterval {
		errs = append(errs, fmt.Errorf("balance: Options.CheckFast is %v; it must be between 1ms and CheckInterval, which is %v, or 0 for a fifth of that", c.CheckFast, c.CheckInterval))
	}
	if c.SlowStart < 0 || c.SlowStart > 24*time.Hour {
		errs = append(errs, fmt.Errorf("balance: Options.SlowStart is %v; it must be between 0 and 24h", c.SlowStart))
	}
	if !(c.Panic >= 0 && c.Panic <= 1) {
		errs = append(errs, fmt.Errorf("balance: Options.Panic is %v; it must be between 0 and 1", c.Panic))
	}
	if c.Start < StartUnknown || c.Start > StartDown {
		errs = append(errs, fmt.Errorf("balance: Options.Start is %d; it must be StartUnknown, StartUp or StartDown", c.Start))
	}
	c.Trusted = append([]netip.Prefix(nil), c.Trusted...)
	for _, p := range c.Trusted {
		if !p.IsValid() {
			errs = append(errs, errors.New("balance: Options.Trusted has a network that is not valid; parse it with netip.ParsePrefix"))
		}
	}
	return c, errors.Join(errs...)
}

// Balancer is a pool of backends and what is known of them. Its methods may be called concurrently.
type Balancer struct {
	o         Options
	transport http.RoundTripper
	own       *http.Transport // nil if the transport is the caller's
	ownH2C    *http.Transport // the same for backends that speak HTTP/2 without TLS
	buffers   bufferPool
	bodies    *holdings
	handoffs  handoffCounters

	queue     *queue
	panicking atomic.Bool
	alone     atomic.Bool // this machine is cut off
	ejecting  sync.Mutex  // held while an outlier is ejected
	setting   sync.Mutex  // held by Set
	pool      atomic.Pointer[pool]
	changed   chan struct{} // tells Run of a new pool; capacity 1
	running   atomic.Bool

	counters
	figures figures
	budget  budget
}

// New returns a balancer for the backends. It reports everything that is wrong with its arguments at
// once, and starts nothing: requests are served without [Balancer.Run], which adds the health checks.
// A backend that cannot be reached is no error; a pool may be empty, and refuses all requests then.
func New(backends []Backend, o *Options) (*Balancer, error) {
	opts, err := o.withDefaults()
	q := newQueue(opts.Queue)
	p, poolErr := newPool(backends, &pool{}, env{q, opts.Start, false})
	if err := errors.Join(err, poolErr); err != nil {
		return nil, err
	}
	b := &Balancer{o: opts, queue: q, changed: make(chan struct{}, 1)}
	b.bodies = newHoldings(opts.Bodies, &b.buffers)
	b.pool.Store(p)
	b.budget.init(opts.Retries)
	b.transport = opts.Transport
	if b.transport == nil {
		dialer := &net.Dialer{Timeout: opts.DialTimeout, KeepAlive: 15 * time.Second}
		b.own = &http.Transport{
			Proxy:                  nil, // an http_proxy of the environment is not meant for backends
			DialContext:            timed(dialing(dialer)),
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  opts.ResponseTimeout,
			ExpectContinueTimeout:  time.Second,
			IdleConnTimeout:        time.Minute,
			MaxIdleConns:           4096,
			MaxIdleConnsPerHost:    256,
			MaxResponseHeaderBytes: 1 << 20,
			DisableCompression:     true, // bodies pass as they are
		}
		b.ownH2C = withH2C(b.own)
		b.transport = b.own
	}
	return b, nil
}

// RoundTripper returns a transport that sends each request to a backend of the pool, whatever the
// scheme and host of its URL, which become only its Host. The rules for attempts are those of the
// package; the cache and the X-Forwarded fields are not used. Redirects to other hosts, which an
// http.Client would follow, come back to the pool. Backends that are Handlers run in a goroutine of their own
// for each request, until they return; they cannot take over the connection or send trailers.
func (b *Balancer) RoundTripper() http.RoundTripper { return client{b} }

type client struct{ b *Balancer }

func (c client) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL == nil {
		closeBody(r)
		return nil, errors.New("balance: the request has no URL")
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	x := &exchange{b: c.b, in: c.b.info(r, host), bodiless: r.Body == nil || r.Body == http.NoBody, inProcess: true}
	return x.RoundTrip(r)
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close() // nothing of it was wanted
	}
}

func (b *Balancer) info(r *http.Request, host string) Info {
	in := Info{Method: r.Method, Scheme: "http", Host: host, Path: r.URL.Path, Target: r.RequestURI, Header: r.Header.Get, Values: r.Header.Values}
	if in.Method == "" {
		in.Method = http.MethodGet
	}
	if !strings.HasPrefix(in.Target, "/") { // a client's request, or one in absolute form
		in.Target = r.URL.RequestURI()
	}
	if r.TLS != nil {
		in.Scheme = "https"
	}
	var trusted bool
	if in.Client, trusted = b.peer(r.RemoteAddr); trusted {
		in.Client = b.forwardedFor(in.Client, r.Header["X-Forwarded-For"])
		if v := r.Header.Get("X-Forwarded-Proto"); v == "http" || v == "https" {
			in.Scheme = v
		}
	}
	if b.o.Classify != nil {
		c := in
		b.o.Classify(&c)
		in.Key, in.Priority, in.Background = c.Key, c.Priority, c.Background
	}
	return in
}

// ServeHTTP answers the request by one of the backends. When an answer breaks off it panics with
// [http.ErrAbortHandler], which makes a server break off the connection.
func (b *Balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, r, in := b.begin(w, r)
	var err error
	defer func() {
		p := recover()
		if p == http.ErrAbortHandler {
			p, err = nil, errAborted // a cache's
		}
		if p != nil {
			v.why = Panicked
			v.end(r.Context(), errAborted)
			panic(p)
		}
		v.end(r.Context(), err)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}()
	switch {
	case r.Method == http.MethodConnect:
		v.why = NotServed
		http.Error(v, "This server is not a proxy for other hosts.", http.StatusNotImplemented)
	case b.o.Cache == nil:
		err = b.serve(v, r, in, v)
	default:
		err = b.o.Cache.Serve(r.Context(), v, in, &fetcher{b, r, in, v})
	}
}

// serve lets backends answer. The error says that the answer is cut short. v is nil if no client waits.
func (b *Balancer) serve(w http.ResponseWriter, r *http.Request, in Info, v *visit) (err error) {
	x := &exchange{b: b, in: in, visit: v, bodiless: !hasBody(r)}
	defer x.tell()
	if r = x.receive(w, r); r == nil {
		return nil
	}
	defer x.held.free()
	if err := x.next(r.Context()); err != nil {
		x.because(r.Context(), err)
		b.refuse(x.out(w), r, in, err)
		return nil
	}
	if x.picked.Handler != nil {
		return x.serveHandler(w, r)
	}
	duplex := hasBody(r) && (x.held == nil || x.held.rest != nil)
	if duplex {
		// A backend may answer before it has read all; without this the server would close the body at
		// the first byte of the answer, and the transport would break the answer off. Servers that do
		// not know of it have nothing to turn off.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	defer func() {
		x.end()
		switch p := recover(); p {
		case nil:
			if err == nil {
				err = x.broken // a server that is not net/http gets no panic from ReverseProxy
			}
		case http.ErrAbortHandler:
			err = errAborted
		default:
			panic(p)
		}
	}()
	if !hasBody(r) && r.Header["Upgrade"] == nil {
		return x.relay(w, r)
	}
	err = x.reverse(w, r)
	if duplex {
		x.finishUpload(w, r)
	}
	return err
}

// reverse has ReverseProxy do it. The error says that the answer is cut short.
func (x *exchange) reverse(w http.ResponseWriter, r *http.Request) (err error) {
	proxy := httputil.ReverseProxy{
		Rewrite:    x.rewrite,
		Transport:  x,
		BufferPool: &x.b.buffers,
		ErrorLog:   discardLog,
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, failure error) {
			if failure == errInProcess {
				err = x.serveHandler(w, r)
				return
			}
			if failure == errHandoff {
				x.handedOff()
				err = x.hand(x.out(w), r)
				return
			}
			x.because(r.Context(), failure)
			x.b.failed(x.out(w), r, x.in, failure)
		},
	}
	proxy.ServeHTTP(x.out(w), r)
	return err
}
