package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/examples/activities"
	"github.com/sugarlabs/beamrider/internal/httpserver"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/remora/sugar"
	"github.com/sugarlabs/beamrider/remora/web"
	"github.com/sugarlabs/beamrider/remora/xo"
)

type serveCmd struct {
	Listen  *string `help:"Address and port to serve on (127.0.0.1:8080)." placeholder:"ADDRESS" setting:"http.listen"`
	Samples bool    `help:"Take a few sample activities into the catalog first."`
}

func (c *serveCmd) Help() string {
	return `Serves until it is told to stop by SIGTERM or Ctrl-C; downloads in progress may finish then.

  remora-server serve --samples
  remora-server serve --listen 0.0.0.0:80 --data /var/lib/remora`
}

func (c *serveCmd) Run(ctx context.Context, a *app) error {
	log := newLog(a.config, a.stderr)
	s, err := newServer(ctx, a.config, log)
	if err != nil {
		return err
	}
	s.samples = c.Samples
	// A person waits for this line; a script may read the address from it.
	fmt.Fprintf(a.stdout, "Serving the library on http://%s/\n", s.ln.Addr())
	return s.run(ctx)
}

// A server is the library, served.
type server struct {
	config    *config
	log       *slog.Logger
	house     *house
	ln        net.Listener
	library   *live.Library
	downloads *sugar.Downloads
	probes    *probes
	handler   http.Handler
	samples   bool
}

func newServer(ctx context.Context, c *config, log *slog.Logger) (_ *server, err error) {
	st, err := c.site()
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindInvalid, Code: "config.site", Message: "The section site of the configuration has mistakes.", Err: err}
	}
	s := &server{config: c, log: log}
	defer func() {
		if err != nil && s.house != nil {
			err = errors.Join(err, s.house.Close())
		}
	}()
	if s.house, err = openHouse(c, lockShared, log); err != nil {
		return nil, err
	}
	s.library, err = live.New(s.house.store, &live.Options{Path: filepath.Join(c.dataDir, "view.zst"), Logger: log})
	if err != nil {
		return nil, err
	}
	s.downloads = sugar.NewDownloads(s.house.store, &sugar.DownloadsOptions{Logger: log})
	pages, err := web.New(web.Config{Library: s.library, Site: st, Logger: log, Name: c.siteName})
	if err != nil {
		return nil, err
	}
	machines, err := sugar.New(sugar.Config{Library: s.library, Files: s.house.files, Site: st, Counter: s.downloads, Recolor: xo.Recolor, Next: pages,
		Languages: pages.Languages(), Language: pages.LanguageOf, Logger: log})
	if err != nil {
		return nil, err
	}
	m := newMetrics(s.library)
	s.probes = &probes{library: s.library}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.probes.livez)
	mux.HandleFunc("GET /readyz", s.probes.readyz)
	mux.HandleFunc("GET /services/monitor.php", s.probes.monitor)
	mux.Handle("GET /metrics", inside(st, m.handler()))
	guarded := st.Guard(machines)
	s.handler = httpserver.Observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would clean and redirect paths that old links rely on; it gets only its own.
		if h, pattern := mux.Handler(r); pattern != "" {
			h.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	}), m.request, log)
	var lc net.ListenConfig
	if s.ln, err = lc.Listen(ctx, "tcp", c.listen); err != nil {
		return nil, &remora.Error{Kind: remora.KindUnavailable, Message: "Cannot listen on " + c.listen + ". If another program is there, or the address is not this machine's, choose another with --listen.", Err: err}
	}
	return s, nil
}

// run serves until ctx ends, then stops in order: no new requests, those in progress finish,
// counts are written, everything is closed.
func (s *server) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { s.probes.draining.Store(true) })()
	// What requests rely on outlives them: it is stopped only after the last answer.
	under, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, gctx := errgroup.WithContext(under)
	migrated := make(chan struct{})
	g.Go(func() error {
		// A new catalog is there in a moment; with the database away, the saved view need not wait.
		select {
		case <-migrated:
		case <-time.After(migrateHeadStart):
		case <-gctx.Done():
		}
		return s.library.Run(gctx)
	})
	g.Go(func() error { return s.downloads.Run(gctx) })
	g.Go(func() error { return s.upkeep(gctx, migrated) })
	g.Go(func() error {
		defer stop()
		serving, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(gctx, cancel)() // something else failed: stop serving too
		return httpserver.Serve(serving, s.ln, s.handler, s.config.drain, s.log)
	})
	err := g.Wait()
	s.log.Info("stopped")
	return errors.Join(err, s.house.Close())
}

// How the upkeep goes about its work.
const (
	upkeepEvery  = 10 * time.Minute
	upkeepRetry  = 2 * time.Second
	orphanGrace  = 24 * time.Hour
	feedKept     = 30 * 24 * time.Hour
	upkeepBudget = 10 * time.Minute

	migrateHeadStart = 500 * time.Millisecond
)

// upkeep brings the schema up to date, takes in the samples, and now and then finishes what crashes
// have left. Nothing of it may end the server: with the database away, it waits. It closes migrated
// when the schema is up to date.
func (s *server) upkeep(ctx context.Context, migrated chan<- struct{}) error {
	steps := []func(context.Context) error{
		func(ctx context.Context) error {
			err := sqlstore.Migrate(ctx, s.house.conns, s.house.engine)
			if err == nil {
				close(migrated)
			}
			return err
		},
	}
	if s.samples {
		steps = append(steps, s.takeSamples)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		wait := time.Duration(0)
		step := s.tidy
		if len(steps) > 0 {
			step = steps[0]
		}
		budget, cancel := context.WithTimeout(ctx, upkeepBudget)
		err := step(budget)
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			s.log.Warn("upkeep could not be done; trying again", "error", err)
			wait = upkeepRetry
			if len(steps) == 0 {
				wait = time.Minute
			}
		case len(steps) > 0:
			steps = steps[1:]
		default:
			wait = upkeepEvery
		}
		timer.Reset(wait)
	}
}

// tidy finishes what crashes have left.
func (s *server) tidy(ctx context.Context) error {
	shelf, err := s.house.shelf()
	if err != nil {
		return err
	}
	now := time.Now()
	_, sweepErr := s.house.files.Sweep(ctx, orphanGrace)
	return errors.Join(
		shelf.Settle(ctx, remora.TimeOf(now.Add(-orphanGrace))),
		s.house.store.Prune(ctx, remora.TimeOf(now.Add(-feedKept))),
		sweepErr,
	)
}

// takeSamples imports the activities this module brings along.
func (s *server) takeSamples(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "beamrider-samples-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.CopyFS(dir, activities.FS()); err != nil {
		return err
	}
	index, err := readIndex(filepath.Join(dir, "index.csv"))
	if err != nil {
		return err
	}
	im, err := s.house.importer(false)
	if err != nil {
		return err
	}
	report, err := im.Batch(ctx, remora.Actor{UserID: remora.SystemUser, Reason: "samples"}, []string{dir}, index.Facts, nil)
	if err != nil {
		return err
	}
	if len(report.Refused) > 0 {
		return fmt.Errorf("a sample activity was refused: %s", report.Refused[0].Message)
	}
	if err := importCollection(ctx, s.house.store, filepath.Join(dir, "classroom.toml")); err != nil {
		return err
	}
	s.log.Info("the sample activities are in the catalog", "new", report.New, "there already", report.Existing)
	return nil
}
