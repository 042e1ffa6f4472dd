package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/cluster"
	"github.com/sugarlabs/beamrider/internal/filestore"
	"github.com/sugarlabs/beamrider/internal/httpserver"
	"github.com/sugarlabs/beamrider/internal/keeper"
	"github.com/sugarlabs/beamrider/internal/metrics"
	"github.com/sugarlabs/beamrider/internal/probe"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/peer"
	"github.com/sugarlabs/beamrider/remora/session"
	"github.com/sugarlabs/beamrider/remora/site"
	"github.com/sugarlabs/beamrider/remora/sugar"
	"github.com/sugarlabs/beamrider/remora/web"
	"github.com/sugarlabs/beamrider/remora/xo"
)

// A frontend answers laptops and browsers.
type frontend struct {
	library   *live.Library
	downloads *sugar.Downloads
	probes    *probe.Probes
	handler   http.Handler
	draining  chan struct{} // closed when a stop was asked for
}

func newFrontend(c *config, st *site.Site, h *house, monitor http.Handler, log *slog.Logger) (*frontend, error) {
	lo := &live.Options{Path: filepath.Join(c.dataDir, "view.zst"), Logger: log}
	if h.cluster != nil {
		lo.Primary = cluster.OnPrimary
	}
	library, err := live.New(h.store, lo)
	if err != nil {
		return nil, err
	}
	f := &frontend{
		library: library, downloads: sugar.NewDownloads(h.store, &sugar.DownloadsOptions{Logger: log}),
		probes: &probe.Probes{Library: library}, draining: make(chan struct{}),
	}
	pc := web.Config{Library: library, Site: st, Logger: log, Name: c.siteName, Operator: c.operator, Contact: c.contact, Reports: h.store, Statistics: h.store, PseudoLocale: c.pseudo}
	if c.pagesDir != "" {
		if pc.Texts, err = web.ReadTexts(os.DirFS(c.pagesDir)); err != nil {
			return nil, &remora.Error{Kind: remora.KindInvalid, Code: "config.pages", Message: fmt.Sprintf("The texts of site.pages = %q cannot be used.", c.pagesDir), Err: err}
		}
	}
	pages, err := web.New(pc)
	if err != nil {
		return nil, err
	}
	machines, err := sugar.New(sugar.Config{Library: library, Files: h.files, OpenSum: h.openSum, Site: st, Counter: f.downloads, Recolor: xo.Recolor, Next: pages,
		Languages: pages.Languages(), Language: pages.LanguageOf, Logger: log})
	if err != nil {
		return nil, err
	}
	keys, err := sessionKeys(c)
	if err != nil {
		return nil, err
	}
	sessions, err := session.New(session.Config{Keys: keys, Library: library, Site: st, Attach: h.attach, CatchUp: time.Second, Logger: log})
	if err != nil {
		return nil, err
	}
	importer, err := h.importer(false)
	if err != nil {
		return nil, err
	}
	peers, err := peer.New(peer.Config{
		Library: library, Draining: f.draining, Logger: log,
		Status: func() peer.Status { return f.status(c) },
		Import: peer.Import{Token: c.importToken.Text(), Importer: importer, Store: h.store, Session: h.session, Issuer: sessions},
	})
	if err != nil {
		return nil, err
	}
	mirrored, err := h.files.Handler(func(id int64) *remora.Activity { return library.View().Activity(id) }, log)
	if err != nil {
		return nil, err
	}
	m := metrics.New(library)
	mux := http.NewServeMux()
	f.probes.Handle(mux)
	mux.Handle("GET /metrics", probe.Inside(st, m.Handler()))
	if monitor != nil {
		mux.Handle("GET /internal/monitor", monitor)
		mux.Handle("POST "+keeper.VotePath, monitor)
	}
	mux.Handle("/internal/", probe.Inside(st, peers))
	mux.Handle(filestore.MirrorPath, probe.Inside(st, mirrored))
	mux.Handle(peer.ImportPath, st.Guard(peers)) // whoever has the token may
	guarded := sessions.Handler(st.Guard(machines))
	f.handler = httpserver.Observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would clean and redirect paths that old links rely on; it gets only its own.
		if h, pattern := mux.Handler(r); pattern != "" {
			h.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	}), m.Request, log)
	return f, nil
}

// status tells other machines how this process is.
func (f *frontend) status(c *config) peer.Status {
	s := f.library.Status()
	return peer.Status{
		Version: buildInfo().Version, Roles: c.roles, Epoch: s.Position.Epoch, Seq: s.Position.Seq,
		Stale: s.Stale, Draining: f.probes.Draining.Load(),
	}
}

// leave makes those who send requests here look elsewhere, and those who wait for changes go.
func (f *frontend) leave() {
	if f.probes.Draining.CompareAndSwap(false, true) {
		close(f.draining)
	}
}

// migrateHeadStart: a new catalog is there in a moment; with the database away, the saved view need
// not wait.
const migrateHeadStart = 500 * time.Millisecond

// run starts in g what keeps the front end fresh.
func (f *frontend) run(ctx context.Context, g *errgroup.Group, migrated <-chan struct{}) {
	g.Go(func() error {
		select {
		case <-migrated:
		case <-time.After(migrateHeadStart):
		case <-ctx.Done():
		}
		return f.library.Run(ctx)
	})
	g.Go(func() error { return f.downloads.Run(ctx) })
}
