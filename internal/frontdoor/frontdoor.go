// Package frontdoor is the balancer of a deployment: it spreads requests over front ends, keeps their
// answers if it may, and hears from them what has changed.
package frontdoor

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/balance/accesslog"
	"github.com/sugarlabs/beamrider/balance/console"
	"github.com/sugarlabs/beamrider/balance/nodes"
	"github.com/sugarlabs/beamrider/internal/probe"
	"github.com/sugarlabs/beamrider/internal/settings"
	"github.com/sugarlabs/beamrider/remora/peer"
	"github.com/sugarlabs/beamrider/remora/site"
	"github.com/sugarlabs/beamrider/remora/sugar"
)

// How front ends are watched.
const (
	checkInterval = 500 * time.Millisecond
	checkTimeout  = time.Second
	checkFall     = 2
	dialTimeout   = 500 * time.Millisecond // front ends are on the same network
)

// LameDuck is how long a front end that is told to stop goes on, so that by then every balancer has
// seen that it is not ready.
const LameDuck = (checkFall + 1) * checkInterval

// Config says what a Door does.
type Config struct {
	Site    *site.Site
	Local   http.Handler     // the front end of this process; nil: none
	Others  []settings.Named // front ends of other processes
	Proxies []netip.Prefix   // before this balancer, whose X-Forwarded fields are believed
	// NodeFile is a file with more front ends, which may change at any time; "": none.
	NodeFile string
	// InFlight bounds how many requests each front end serves at a time; others wait. 0: any number.
	InFlight int
	// Kept is how many bytes of answers are kept, 0: none.
	Kept int64
	// Log is a file for a line of JSON for each request, "": none.
	Log string
	// Console is the path of a Unix socket for administrators, "": none. Stop makes the process stop, when
	// it is told so there.
	Console string
	Stop    func()
	Version string
	Logger  *slog.Logger
}

// A Door is the balancer of a deployment.
type Door struct {
	c        Config
	pool     *balance.Balancer
	mux      *http.ServeMux
	follower *peer.Follower
	kept     *kept // nil: none
	hits     *hits
	file     *nodes.File      // nil: none
	requests *accesslog.Log   // nil: none
	console  *console.Console // nil: none

	mu     sync.Mutex // guards the pool's two sources
	others []settings.Named
	listed []balance.Backend // of the file
}

// New checks the configuration. It starts nothing.
func New(c Config) (*Door, error) {
	d := &Door{c: c, mux: http.NewServeMux(), others: c.Others}
	o := &balance.Options{
		Checker: &balance.HTTPCheck{Path: "/readyz"}, CheckInterval: checkInterval, CheckTimeout: checkTimeout, Fall: checkFall, DialTimeout: dialTimeout,
		Trusted: c.Proxies, Logger: c.Logger,
		Elsewhere: elsewhere,
		// Who waits for changes keeps no front end busy.
		Classify: func(in *balance.Info) { in.Background = in.Path == peer.ChangesPath },
	}
	if c.Kept > 0 {
		var err error
		d.kept, err = newKept(c.Kept,
			func(in balance.Info, status int, bytes int64) { d.hits.note(in, status, bytes) },
			func() time.Time { return d.follower.Status().Contact })
		if err != nil {
			return nil, err
		}
		o.Cache = d.kept
		o.Operations.Extra = d.kept.figures
	}
	var err error
	if c.Log != "" {
		if d.requests, err = accesslog.Open(c.Log, &accesslog.Options{Logger: c.Logger}); err != nil {
			return nil, err
		}
		o.Events.Done = d.requests.Done
	}
	if d.pool, err = balance.New(d.backends(), o); err != nil {
		return nil, err
	}
	front := d.pool.RoundTripper()
	d.hits = newHits(front, c.Logger)
	d.follower, err = peer.NewFollower(peer.FollowerConfig{Transport: front, Logger: c.Logger, OnChange: func(e peer.Event) {
		c.Logger.Debug("front ends show changes", "seq", e.Position.Seq, "changes", len(e.Changes), "all", e.Gap)
		if d.kept != nil {
			d.kept.changed(e)
		}
	}})
	if err != nil {
		return nil, err
	}
	if c.Console != "" {
		co := &console.Options{Stop: c.Stop, Version: c.Version, Logger: c.Logger}
		if d.kept != nil {
			co.Cache = d.kept
		}
		if d.console, err = console.New(d.pool, co); err != nil {
			return nil, err
		}
	}
	if c.NodeFile != "" {
		if d.file, err = nodes.Open(c.NodeFile, d.setListed, &nodes.Options{Logger: c.Logger}); err != nil {
			return nil, err
		}
	}
	d.mux.Handle("/internal/balancer", probe.Inside(c.Site, d.pool.StatusHandler()))
	d.mux.HandleFunc("GET /internal/balancer/live", probe.Live)
	return d, nil
}

// elsewhere: a front end that cannot read or write a file just now is not the only one. One that has
// not taken a bundle says so by 503; it may be given to another, since what is there already is not
// taken twice.
func elsewhere(in balance.Info, status int) bool {
	if status != http.StatusServiceUnavailable {
		return false
	}
	return in.Method == http.MethodGet || in.Method == http.MethodHead || in.Method == http.MethodPost && in.Path == peer.ImportPath
}

// backends is the pool: the front end of this process, those of the settings, and those of the file.
func (d *Door) backends() (list []balance.Backend) {
	if d.c.Local != nil {
		list = append(list, balance.Backend{Name: "here", Handler: d.c.Local, MaxInFlight: d.c.InFlight})
	}
	for _, f := range d.others {
		list = append(list, balance.Backend{Name: f.Name, URL: f.URL, MaxInFlight: d.c.InFlight})
	}
	for _, b := range d.listed {
		if b.MaxInFlight == 0 {
			b.MaxInFlight = d.c.InFlight
		}
		list = append(list, b)
	}
	return list
}

// Set replaces the front ends of the settings. On error nothing has changed.
func (d *Door) Set(others []settings.Named) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.others
	d.others = others
	err := d.pool.Set(d.backends())
	if err != nil {
		d.others = before
	}
	return err
}

// setListed replaces those of the file.
func (d *Door) setListed(list []balance.Backend) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.listed
	d.listed = list
	err := d.pool.Set(d.backends())
	if err != nil {
		d.listed = before
	}
	return err
}

// Run does what goes on besides requests until ctx ends, and returns when all of it has ended.
func (d *Door) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if d.console != nil {
		l, err := console.Listen(d.c.Console)
		if err != nil {
			return err
		}
		g.Go(func() error { return d.console.Run(ctx, l) })
	}
	g.Go(func() error { return d.pool.Run(ctx) })
	g.Go(func() error { return d.follower.Run(ctx) })
	if d.requests != nil {
		g.Go(func() error { return d.requests.Run(ctx) })
	}
	if d.file != nil {
		g.Go(func() error { return d.file.Run(ctx) })
	}
	if d.kept != nil {
		g.Go(func() error { return d.hits.Run(ctx) })
		defer d.kept.Close()
	}
	return g.Wait()
}

// ReopenLog goes on in a new log of requests, after the old file was renamed.
func (d *Door) ReopenLog() {
	if d.requests != nil {
		d.requests.Reopen()
	}
}

// ServeHTTP keeps for the balancer what is asked of it alone, and gives the rest to a front end.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h, pattern := d.mux.Handler(r); pattern != "" {
		h.ServeHTTP(w, r)
		return
	}
	if r.Header.Get(sugar.HeaderDownloaded) != "" {
		r.Header.Del(sugar.HeaderDownloaded) // for proxies alone to say, and this one says it by itself
	}
	d.pool.ServeHTTP(w, r)
}
