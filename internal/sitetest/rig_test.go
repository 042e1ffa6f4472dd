package sitetest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/internal/filestore"
	"github.com/sugarlabs/beamrider/internal/samples"
	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/session"
	"github.com/sugarlabs/beamrider/remora/site"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/remora/sugar"
	"github.com/sugarlabs/beamrider/remora/web"
	"github.com/sugarlabs/beamrider/remora/xo"
)

func TestMain(m *testing.M) {
	if err := testdb.Memory(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// A rig is a front end on a loopback address, made of the parts that the reference server is made
// of, and what the tests need to know of it.
type rig struct {
	url       string // http://127.0.0.1:port
	library   *live.Library
	languages []string
	genuine   bool         // files are real bundles
	client    *http.Client // follows no redirect
}

// A catalog is where everything comes from that a front end shows.
type catalog interface {
	remora.Feed
	web.Reports
	web.Statistics
}

// contact is how those who run the library can be reached.
const contact = "library@example.org"

// newRig serves what is in a catalog until the test ends. scheme is that of the public address;
// "http" leaves the address to the request.
func newRig(t testing.TB, from catalog, files remora.Files, scheme string) *rig {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	library, err := live.New(from, &live.Options{Logger: log})
	must(err)
	run(t, library.Run)
	select {
	case <-library.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("the library did not open")
	}

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(err)
	config := site.Config{}
	if scheme != "http" {
		config.URL = scheme + "://" + listener.Addr().String()
	}
	st, err := site.New(config)
	must(err)
	pages, err := web.New(web.Config{Library: library, Site: st, Logger: log, Reports: from, Statistics: from,
		Operator: "A school", Contact: contact})
	must(err)
	machines, err := sugar.New(sugar.Config{Library: library, Files: files, Site: st, Recolor: xo.Recolor, Next: pages,
		Languages: pages.Languages(), Language: pages.LanguageOf, Logger: log})
	must(err)
	sessions, err := session.New(session.Config{Keys: [][]byte{[]byte("a key for tests of the site only")}, Library: library, Site: st, Logger: log})
	must(err)

	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: sessions.Handler(st.Guard(machines))}}
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	return &rig{url: server.URL, library: library, languages: pages.Languages(), client: &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// run runs something until the test ends.
func run(t testing.TB, what func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- what(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// newSmall serves the sample activities out of a real database and a real folder, so that icons and
// downloads are real.
func newSmall(t testing.TB, scheme string) *rig {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := filestore.OpenPlain(t.Context(), filepath.Join(dir, "files"), false)
	must(err)
	t.Cleanup(func() {
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	})
	db, err := sqlstore.OpenSQLite(filepath.Join(dir, "catalog.db"), nil)
	must(err)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	must(sqlstore.Migrate(t.Context(), db, sqlstore.SQLite))
	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
	must(err)
	importer, err := intake.New(store, files, nil)
	must(err)
	must(samples.Take(t.Context(), importer, store, log))
	must(store.AddDownloads(t.Context(), downloadsOf(t, store)))
	r := newRig(t, store, files, scheme)
	r.genuine = true
	return r
}

// downloadsOf makes up downloads, so that what is shown only of activities that have some is seen.
func downloadsOf(t testing.TB, store *sqlstore.Store) (counts []remora.DownloadCount) {
	t.Helper()
	_, err := store.Load(t.Context(), func(a remora.Activity) error {
		for i, v := range a.Versions {
			counts = append(counts, remora.DownloadCount{Day: "2026-03-04", VersionID: v.ID, Source: "page", N: a.ID%50 + int64(i) + 1})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// newMadeUp serves a made-up catalog of n activities, whose files are made up too.
func newMadeUp(t testing.TB, n int, scheme string) *rig {
	t.Helper()
	feed := catalogtest.NewFeed(catalogtest.Activities(n))
	downloads := map[int64]int64{}
	var many, few []remora.CollectionItem
	for a := range catalogtest.Activities(n) {
		downloads[a.ID] = a.Downloads
		item := remora.CollectionItem{ActivityID: a.ID, BundleID: a.BundleID, Optional: a.ID%3 == 0}
		if len(many) < 150 {
			many = append(many, item)
		}
		if len(few) < 5 {
			few = append(few, item)
		}
	}
	feed.SetDownloads(downloads)
	feed.SetCollections(
		remora.Collection{ID: 1, UUID: "0f0e0d0c-0000-4000-8000-000000000001", Nickname: "many", Listed: true, DefaultLocale: "en", Name: remora.PlainText("en", "Many"), Items: many},
		remora.Collection{ID: 2, UUID: "0f0e0d0c-0000-4000-8000-000000000002", Nickname: "few", Listed: true, DefaultLocale: "en", Name: remora.PlainText("en", "Few"), Description: remora.PlainText("en", "Only a few."), Items: few},
	)
	return newRig(t, madeUp{feed, []string{"activity/activity.info", "activity.py", "locale/es/activity.linfo"}}, newMadeUpFiles(catalogtest.Activities(n)), scheme)
}
