package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/cluster"
	"github.com/sugarlabs/beamrider/internal/datalock"
	"github.com/sugarlabs/beamrider/internal/filescmd"
	"github.com/sugarlabs/beamrider/internal/frontdoor"
	"github.com/sugarlabs/beamrider/internal/httpserver"
	"github.com/sugarlabs/beamrider/internal/keeper"
	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/internal/probe"
	"github.com/sugarlabs/beamrider/internal/samples"
	"github.com/sugarlabs/beamrider/internal/upkeep"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

type serveCmd struct {
	Listen  *string `help:"Address and port to serve on (127.0.0.1:8080)." placeholder:"ADDRESS" setting:"http.listen"`
	Roles   *string `help:"What this process does (frontend,balancer,files,monitor)." placeholder:"ROLES" setting:"server.roles"`
	Samples bool    `help:"Take a few sample activities into the catalog first."`
}

func (c *serveCmd) Help() string {
	return `Serves until it is told to stop by SIGTERM or Ctrl-C; downloads in progress may finish then. SIGHUP
makes it read its configuration again.

  remora-server serve --listen 0.0.0.0:80 --data /var/lib/remora
  remora-server serve --roles balancer --config /etc/remora/balancer.toml`
}

func (c *serveCmd) Run(ctx context.Context, a *app) error {
	// Before anything else: a SIGHUP that comes early must not end the process.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	log, level := newLevelLog(a.config, a.stderr)
	s, err := newServer(ctx, a.config, log)
	if err != nil {
		return err
	}
	s.samples, s.level, s.loadConfig = c.Samples, level, a.reload
	// A person waits for this line; a script may read the address from it.
	for _, d := range s.doors {
		fmt.Fprintf(a.stdout, "Serving the library on %s://%s/\n", map[bool]string{true: "https", false: "http"}[d.tls], d.Addr())
	}
	if len(s.doors) == 0 {
		fmt.Fprintf(a.stdout, "At work as %s; there is nothing to open in a browser.\n", strings.Join(a.config.roles, ", "))
	}
	return s.run(ctx, hangups)
}

// A server is a process that serves: those roles that its configuration names.
type server struct {
	config     *config // as it was at the start
	inForce    *config // with what reloads have changed; the reloading goroutine's alone
	log        *slog.Logger
	level      *slog.LevelVar
	loadConfig func() (*config, error)
	house      *house           // nil: neither front end nor files nor monitor
	front      *frontend        // nil: not that role
	balancer   *frontdoor.Door  // nil: not that role
	monitor    *monitor.Monitor // nil: not that role
	keeper     *keeper.Keeper   // nil: there is nobody to promote
	doors      []door
	samples    bool
	holder     string          // of leases: this process
	halted     context.Context // ends when the balancer's console says so
	halt       context.CancelFunc
}

// A door is an address and what answers there.
type door struct {
	net.Listener
	handler http.Handler
	public  bool // the balancer's
	tls     bool
}

func newServer(ctx context.Context, c *config, log *slog.Logger) (_ *server, err error) {
	st, err := c.site()
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindInvalid, Code: "config.site", Message: "The section site of the configuration has mistakes.", Err: err}
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	s := &server{config: c, inForce: c, log: log, holder: host + " " + rand.Text()}
	s.halted, s.halt = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if c.has(roleFrontend) || c.has(roleFiles) || c.has(roleMonitor) {
		if s.house, err = openHouse(ctx, c, datalock.Shared, log); err != nil {
			return nil, err
		}
	}
	var pages http.Handler // the monitor's
	if c.has(roleMonitor) {
		if s.monitor, s.keeper, err = newMonitor(c, s.house, log); err != nil {
			return nil, err
		}
		pages = probe.Inside(st, s.keeper.Beside(s.monitor.Handler()))
	}
	var local http.Handler
	if c.has(roleFrontend) {
		if s.front, err = newFrontend(c, st, s.house, pages, log); err != nil {
			return nil, err
		}
		local = s.front.handler
	}
	first := local
	if c.has(roleBalancer) {
		if s.balancer, err = newBalancer(c, st, local, s.halt, log); err != nil {
			return nil, err
		}
		if first == nil || c.balancerListen == "" {
			first = s.balancer
		}
	}
	if first != nil {
		at := c.listen
		if local == nil && c.balancerListen != "" {
			at = c.balancerListen
		}
		if err := s.open(ctx, at, first); err != nil {
			return nil, err
		}
	}
	if s.balancer != nil && first != http.Handler(s.balancer) {
		if err := s.open(ctx, c.balancerListen, s.balancer); err != nil {
			return nil, err
		}
	}
	if c.tlsListen != "" {
		if err := s.open(ctx, c.tlsListen, s.balancer); err != nil {
			return nil, err
		}
		s.doors[len(s.doors)-1].tls = true
	}
	if s.monitor != nil && (first == nil || c.monitorListen != "") {
		at := c.monitorListen
		if at == "" {
			at = c.listen
		}
		if err := s.open(ctx, at, pages); err != nil {
			return nil, err
		}
	}
	return s, httpserver.CloseUnused()
}

func (s *server) open(ctx context.Context, at string, h http.Handler) error {
	ln, err := httpserver.Listen(ctx, at, s.config.sharePort)
	if err != nil {
		return &remora.Error{Kind: remora.KindUnavailable, Message: "Cannot listen on " + at + ". If another program is there, or the address is not this machine's, choose another with --listen.", Err: err}
	}
	s.doors = append(s.doors, door{Listener: ln, handler: h, public: s.balancer != nil && h == http.Handler(s.balancer)})
	return nil
}

// run serves until ctx ends, then stops in order: no new requests, those in progress finish,
// counts are written, everything is closed.
func (s *server) run(ctx context.Context, hangups <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.halted, cancel)()
	// What requests rely on outlives them: it is stopped only after the last answer.
	under, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, gctx := errgroup.WithContext(under)
	migrated := make(chan struct{})
	// What watches would otherwise begin by telling that the front end is not there yet.
	later := func(run func() error) { g.Go(func() error { s.settle(gctx); return run() }) }
	if s.front != nil {
		s.front.run(gctx, g, migrated)
	}
	if s.front != nil || s.config.has(roleFiles) {
		g.Go(func() error { return s.upkeep(gctx, migrated) })
	}
	if s.config.has(roleFiles) && s.house.files.Copied() {
		g.Go(func() error { return s.house.files.KeepCopy(gctx, s.house.store, s.log) })
	}
	if s.config.has(roleFiles) && s.house.files.Twofold() {
		g.Go(func() error { return s.house.files.KeepSecond(gctx, s.house.store, s.log) })
	}
	if s.monitor != nil {
		later(func() error { return s.monitor.Run(gctx) })
	}
	if s.keeper != nil {
		g.Go(func() error { return s.keeper.Run(gctx) })
	}
	if s.balancer != nil {
		later(func() error { return s.balancer.Run(gctx) })
	}
	g.Go(func() error { return s.notify(gctx, ctx.Done(), hangups) })
	g.Go(func() error {
		defer stop()
		serving, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(gctx, cancel)() // something else failed: stop serving too
		return s.serve(serving)
	})
	err := g.Wait()
	s.log.Info("stopped")
	return errors.Join(err, s.close())
}

// serve answers at all doors until ctx ends.
func (s *server) serve(ctx context.Context) error {
	closing, closeDoors := context.WithCancel(context.WithoutCancel(ctx))
	defer closeDoors()
	var doors errgroup.Group
	for _, d := range s.doors {
		doors.Go(func() error {
			defer closeDoors() // one that failed ends the others
			return s.answer(closing, d)
		})
	}
	select {
	case <-closing.Done():
	case <-ctx.Done():
		s.leave(closing)
	}
	closeDoors()
	return doors.Wait()
}

const addressMoves = 500 * time.Millisecond // how long the shared address may take to go elsewhere

// leave makes those who send requests here look elsewhere, before the doors close.
func (s *server) leave(ctx context.Context) {
	if s.monitor != nil {
		if err := s.monitor.Leave(); err != nil {
			s.log.Warn("keepalived could not be told that this machine goes", "error", err)
		}
	}
	var pause time.Duration
	if s.config.trackFile != "" && s.balancer != nil {
		pause = addressMoves
	}
	if s.front != nil {
		s.front.leave()
		if s.balancer == nil {
			pause = frontdoor.LameDuck // a balancer elsewhere needs a moment to see it
		}
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}

func (s *server) close() error {
	s.halt()
	var errs []error
	for _, d := range s.doors {
		if err := d.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if s.house != nil {
		errs = append(errs, s.house.Close())
	}
	return errors.Join(errs...)
}

// What is old enough to be swept.
const (
	orphanGrace = 24 * time.Hour
	feedKept    = 30 * 24 * time.Hour
)

// upkeep brings the schema up to date, takes in the samples, and tidies now and then. It closes
// migrated when the schema is up to date.
func (s *server) upkeep(ctx context.Context, migrated chan<- struct{}) error {
	steps := []upkeep.Step{func(ctx context.Context) error {
		err := sqlstore.Migrate(ctx, s.house.conns, s.house.engine)
		if err == nil {
			close(migrated)
		}
		return err
	}}
	if s.samples {
		steps = append(steps, s.takeSamples)
	}
	return upkeep.Run(cluster.OnPrimary(ctx), s.log, steps, s.tidy)
}

func (s *server) takeSamples(ctx context.Context) error {
	im, err := s.house.importer(false)
	if err != nil {
		return err
	}
	return samples.Take(ctx, im, s.house.store, s.log)
}

const leaseTime = time.Minute // how long tidying is one machine's alone, unless renewed

// tidy finishes what crashes have left, on one machine at a time.
func (s *server) tidy(ctx context.Context) error {
	if !s.config.has(roleFiles) {
		return nil
	}
	err := s.house.store.RunLeased(ctx, filescmd.SweepLease, s.holder, leaseTime, func(ctx context.Context, _ sqlstore.Lease) error { return s.tidyNow(ctx) })
	if e, ok := errors.AsType[*remora.Error](err); ok && e.Code == "lease.held" {
		return nil // another machine does it
	}
	return err
}

func (s *server) tidyNow(ctx context.Context) error {
	_, err := s.house.library().Sweep(ctx, orphanGrace)
	return errors.Join(err, s.house.store.Prune(ctx, remora.TimeOf(time.Now().Add(-feedKept))))
}
