package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a [Load] needs.
type Config struct {
	// Target is the address of the library, such as http://10.66.0.10, without a path; required.
	Target string
	// Dial makes connections, so that requests can come from another network namespace; nil: the
	// usual way.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Rates say how much of what is sent; at least one is above 0.
	Rates Rates
	// ImportToken is the bearer token of POST /internal/import; required, since the load asks only
	// for what it has imported. It is in no log, error or report.
	ImportToken string
	// Seed decides what is imported and in which order things are asked. The same seed makes the
	// same bundles again, which a library that has them already acknowledges as existing.
	Seed uint64
	// Seeds is how many activities are imported before the load begins (8 if 0 or less).
	Seeds int
	// Clients is how many clients are simulated (16 if 0 or less), half of them developers.
	Clients int
	// MaxInFlight bounds the requests under way at once (256 if 0 or less).
	MaxInFlight int
	// Timeout is how long a client waits for a whole answer (5 s if 0 or less).
	Timeout time.Duration
	// Stale is how old an acknowledged import may be and still be absent for a reader without a
	// token (1 minute if 0; less than 0: for ever).
	Stale time.Duration
	// Logger hears of every wrong answer (as an error) and every failure (for debugging); nil:
	// nobody does.
	Logger *slog.Logger
}

// Defaults of Config.
const (
	defaultSeeds       = 8
	defaultClients     = 16
	defaultMaxInFlight = 256
	defaultTimeout     = 5 * time.Second
	defaultStale       = time.Minute
)

// Bounds of Config.
const (
	mostClients  = 1000
	mostInFlight = 10000
	mostSeeds    = 1000
)

// A Load is one run of a load. Make it with [New]. Its methods may be called concurrently.
type Load struct {
	target      string
	rates       Rates
	importToken string
	seeds       int
	timeout     time.Duration
	stale       time.Duration
	seed        uint64
	dial        func(ctx context.Context, network, addr string) (net.Conn, error)
	log         *slog.Logger

	model   *model
	tally   *tally
	clients []*client
	room    chan struct{}
	queue   queue
	ran     atomic.Bool
	ready   chan struct{}
}

// New returns a Load; every mistake in c is in the error. It starts nothing.
func New(c Config) (*Load, error) {
	l := &Load{
		target: strings.TrimSuffix(c.Target, "/"), rates: c.Rates, importToken: c.ImportToken, seed: c.Seed, dial: c.Dial, log: c.Logger,
		seeds: c.Seeds, timeout: c.Timeout, stale: c.Stale, ready: make(chan struct{}),
	}
	var errs []error
	if err := checkTarget(l.target); err != nil {
		errs = append(errs, fmt.Errorf("load: Config.Target: %w", err))
	}
	if c.ImportToken == "" || strings.ContainsFunc(c.ImportToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		errs = append(errs, errors.New("load: Config.ImportToken is required, and is of printable ASCII"))
	}
	some := false
	for k, rate := range c.Rates.list() {
		if rate < 0 || rate > MaxRate || math.IsNaN(rate) {
			errs = append(errs, fmt.Errorf("load: the rate of %v requests is %v, and must be from 0 to %d", Kind(k), rate, MaxRate))
		}
		some = some || rate > 0
	}
	if !some {
		errs = append(errs, errors.New("load: Config.Rates has nothing above 0"))
	}
	bounded := func(name string, n, otherwise, most int) int {
		if n <= 0 {
			n = otherwise
		}
		if n > most {
			errs = append(errs, fmt.Errorf("load: Config.%s is %d, and %d is the most", name, n, most))
			n = most
		}
		return n
	}
	l.seeds = bounded("Seeds", c.Seeds, defaultSeeds, mostSeeds)
	clients := bounded("Clients", c.Clients, defaultClients, mostClients)
	l.room = make(chan struct{}, bounded("MaxInFlight", c.MaxInFlight, defaultMaxInFlight, mostInFlight))
	if l.timeout <= 0 {
		l.timeout = defaultTimeout
	}
	if l.stale == 0 {
		l.stale = defaultStale
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.dial == nil {
		l.dial = new(net.Dialer).DialContext
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	l.model, l.tally = newModel(c.Seed), newTally(c.Rates)
	for i := range max(clients, 2) {
		l.clients = append(l.clients, newClient(i%2 == 0, l.dial))
	}
	return l, nil
}

func checkTarget(target string) error {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return fmt.Errorf("%q cannot be read as an address", target)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return fmt.Errorf("%q should look like http://10.66.0.10", target)
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("%q has more than a scheme, a host and a port", u.Redacted())
	}
	return nil
}

// Ready is closed when the first activities are imported and the load begins.
func (l *Load) Ready() <-chan struct{} { return l.ready }

// Mark begins a new step of the report, which requests scheduled from now on belong to. Before the
// load begins it names the first step. See [MaxSteps].
func (l *Load) Mark(name string) {
	if !l.tally.mark(name) {
		l.log.Warn("the report has too many steps; this one belongs to the last", "step", name)
	}
}

// Acked returns what the library has acknowledged so far, oldest first.
func (l *Load) Acked() []Import { return l.model.imports() }

// Run imports the first activities and then sends on schedule until ctx ends; it lets requests
// under way have their time-out, and returns when all that it started has ended. Its error
// says that the load could not begin, or that bundles could not be made; what the answers were is
// in the Report. It must be called once.
func (l *Load) Run(ctx context.Context) (err error) {
	if l.ran.Swap(true) {
		return errors.New("load: Run was called twice; make another Load")
	}
	dir, err := os.MkdirTemp("", "beamrider-load-*")
	if err != nil {
		return fmt.Errorf("load: there is no room for temporary files: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	defer func() {
		for _, c := range l.clients {
			c.close()
		}
	}()
	if err := l.sow(ctx, dir); err != nil {
		return err
	}
	start := time.Now()
	l.tally.begin(start)
	close(l.ready)

	var requests, schedules sync.WaitGroup
	// What is under way when the load ends is answered as ever: its end is no fault of the server.
	under, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	press := newPress(l.model, dir)
	pressed := make(chan error, 1)
	if l.rates.Import > 0 {
		go func() { pressed <- press.run(under) }()
	} else {
		pressed <- nil
	}
	for k, rate := range l.rates.list() {
		if rate > 0 {
			schedules.Go(func() { l.schedule(ctx, under, &requests, Kind(k), rate, start, press) })
		}
	}
	schedules.Wait()
	l.tally.finish(time.Now())
	requests.Wait()
	cancel()
	return <-pressed
}

// schedule sends the requests of one kind when their time has come, until ctx ends.
func (l *Load) schedule(ctx, under context.Context, requests *sync.WaitGroup, k Kind, rate float64, start time.Time, press *press) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	// Kinds of the same rate would otherwise all come in the same instant.
	phase := float64(k) / float64(kinds)
	for n := 0; ; n++ {
		at := start.Add(time.Duration((float64(n) + phase) / rate * float64(time.Second)))
		if wait := time.Until(at); wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		}
		if ctx.Err() != nil {
			return
		}
		cell := l.tally.send(k)
		select {
		case l.room <- struct{}{}:
			requests.Go(func() {
				defer func() { <-l.room }()
				o := l.request(under, k, uint64(n), press)
				l.note(k, o)
				l.tally.done(cell, at, o)
			})
		default:
			l.tally.done(cell, at, outcome{class: classFailed, asked: k.String(), text: fmt.Sprintf("not sent: %d requests were under way", cap(l.room))})
		}
	}
}

// request does the nth request of a kind.
func (l *Load) request(ctx context.Context, k Kind, n uint64, press *press) outcome {
	r := rand.New(rand.NewPCG(l.seed, uint64(k)<<56|n))
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	fresh := r.IntN(5) == 0
	if k == KindImport {
		return l.importNext(ctx, press, l.developer(r), fresh)
	}
	rd := &reader{load: l, from: l.clients[r.IntN(len(l.clients))], fresh: fresh, rand: r}
	if rd.from.developer {
		rd.token = rd.from.current()
	}
	switch k {
	case KindPage:
		return rd.page(ctx)
	case KindSearch:
		return rd.search(ctx)
	case KindUpdate:
		return rd.update(ctx)
	case KindBatch:
		return rd.batch(ctx)
	default:
		return rd.download(ctx)
	}
}

// developer returns one of the clients that import.
func (l *Load) developer(r *rand.Rand) *client {
	return l.clients[r.IntN((len(l.clients)+1)/2)*2]
}

// note logs what somebody who watches wants to see at once.
func (l *Load) note(k Kind, o outcome) {
	switch o.class {
	case classWrong:
		l.log.Error("a wrong answer", "kind", k.String(), "asked", o.asked, "status", o.status, "detail", o.text)
	case classFailed, classUnknown:
		l.log.Debug("a request failed", "kind", k.String(), "asked", o.asked, "status", o.status, "detail", o.text)
	}
}

func newRequest(ctx context.Context, method, address string, body []byte) (*http.Request, error) {
	if body == nil {
		return http.NewRequestWithContext(ctx, method, address, nil)
	}
	return http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
}
