package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora/site"
)

func TestNew(t *testing.T) {
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "Library") {
		t.Errorf("without a library: %v", err)
	}
}

// TestHeaders looks at what every answer carries, whatever its status.
func TestHeaders(t *testing.T) {
	h := newHandler(t)
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Access-Control-Allow-Origin": "*",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	}
	for _, c := range []struct {
		method, path string
		status       int
		cache, kind  string
	}{
		{"GET", "/api/v1/activities", 200, "public, max-age=60", "application/json"},
		{"HEAD", "/api/v1/activities", 200, "public, max-age=60", "application/json"},
		{"GET", "/api/v1/openapi.json", 200, "public, max-age=60", "application/json"},
		{"GET", "/api/v1/activities?sort=x", 400, "no-store", "application/problem+json"},
		{"GET", "/api/v1/activities/0", 404, "no-store", "application/problem+json"},
		{"HEAD", "/api/v1/none", 404, "no-store", "application/problem+json"},
		{"GET", "/api/v1/", 404, "no-store", "application/problem+json"},
		{"GET", "/api/v1", 404, "no-store", "application/problem+json"},
		{"GET", "/api/v1/activities/", 404, "no-store", "application/problem+json"},
		{"GET", "/api/v1/activities/a/b", 404, "no-store", "application/problem+json"},
		{"GET", "/api/v1/activities/a/b/versions", 404, "no-store", "application/problem+json"},
		{"GET", "/api%2fv1/activities", 404, "no-store", "application/problem+json"},
		{"GET", "/elsewhere", 404, "no-store", "application/problem+json"},
		{"POST", "/api/v1/activities", 405, "no-store", "application/problem+json"},
		{"DELETE", "/api/v1/none", 405, "no-store", "application/problem+json"},
		{"OPTIONS", "/api/v1/activities", 204, "", ""},
	} {
		w := send(h, c.method, c.path)
		if w.Code != c.status || w.Header().Get("Cache-Control") != c.cache || w.Header().Get("Content-Type") != c.kind {
			t.Errorf("%s %s answers %d %q %q", c.method, c.path, w.Code, w.Header().Get("Cache-Control"), w.Header().Get("Content-Type"))
		}
		for name, value := range want {
			if got := w.Header().Get(name); got != value {
				t.Errorf("%s %s has %s: %q", c.method, c.path, name, got)
			}
		}
		if !strings.HasPrefix(w.Header().Get("Remora-Snapshot"), "seq=") {
			t.Errorf("%s %s does not say what it shows", c.method, c.path)
		}
		if (c.method == "HEAD" || c.status == 204) != (w.Body.Len() == 0) {
			t.Errorf("%s %s has %d bytes", c.method, c.path, w.Body.Len())
		}
		if allow := w.Header().Get("Allow"); (c.status == 405 || c.status == 204) != (allow == "GET, HEAD, OPTIONS") {
			t.Errorf("%s %s allows %q", c.method, c.path, allow)
		}
	}
}

// TestHead wants of HEAD what GET has, but for the content.
func TestHead(t *testing.T) {
	h := newHandler(t)
	for _, path := range []string{"/api/v1/activities?limit=3", "/api/v1/activities/org.example.Maze", "/api/v1/categories", "/api/v1/none", "/api/v1/activities?x=1"} {
		head, get := send(h, http.MethodHead, path), send(h, http.MethodGet, path)
		if diff := cmp.Diff(get.Header(), head.Header()); diff != "" || head.Code != get.Code || head.Body.Len() != 0 {
			t.Errorf("%s: %d and %d\n%s", path, head.Code, get.Code, diff)
		}
	}
}

// TestPreflight asks as a browser does before it lets a page of another site send If-None-Match.
func TestPreflight(t *testing.T) {
	w := send(newHandler(t), http.MethodOptions, "/api/v1/activities", "Origin", "https://example.org", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "if-none-match")
	if got := w.Header().Get("Access-Control-Allow-Methods"); got != "GET, HEAD, OPTIONS" {
		t.Errorf("pages of other sites may %q", got)
	}
	if got := w.Header().Get("Access-Control-Allow-Headers"); got != "If-None-Match" {
		t.Errorf("pages of other sites may send %q", got)
	}
	if got := w.Header().Get("Access-Control-Allow-Credentials"); got != "" {
		t.Errorf("credentials are allowed: %q", got)
	}
}

// TestTags keeps entity tags strong: one for each sequence of bytes.
func TestTags(t *testing.T) {
	f := newFeed()
	library := open(t, f)
	h, err := New(Config{Library: library})
	if err != nil {
		t.Fatal(err)
	}
	const path = "/api/v1/activities/org.example.Maze"
	plain, zipped := send(h, "GET", path), send(h, "GET", path, "Accept-Encoding", "gzip")
	tag := plain.Header().Get("ETag")
	if tag == "" || strings.HasPrefix(tag, "W/") || tag == zipped.Header().Get("ETag") {
		t.Errorf("the tags are %s and %s", tag, zipped.Header().Get("ETag"))
	}
	z, err := gzip.NewReader(zipped.Body)
	if err != nil || zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Header().Get("Vary") != "Accept-Encoding" {
		t.Fatalf("not compressed: %v %v", err, zipped.Header())
	}
	if body, err := io.ReadAll(z); err != nil || !bytes.Equal(body, plain.Body.Bytes()) {
		t.Errorf("what is compressed is not the same (%v)", err)
	}
	w := send(h, "GET", path, "If-None-Match", `"other", `+tag)
	if w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("ETag") != tag || w.Header().Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("what is known is answered with %d %v", w.Code, w.Header())
	}
	changed := maze()
	changed.Downloads, changed.Revision = 1235, 2
	f.Put(changed)
	if err := library.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	if w := send(h, "GET", path, "If-None-Match", tag); w.Code != http.StatusOK || w.Header().Get("ETag") == tag {
		t.Errorf("after a change: %d %s", w.Code, w.Header().Get("ETag"))
	}
}

// TestAddresses wants all addresses to be of the site, whatever the request came by.
func TestAddresses(t *testing.T) {
	s, err := site.New(site.Config{URL: "https://activities.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Library: open(t, newFeed()), Site: s})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/activities?limit=1", "/api/v1/activities/org.example.Maze", "/api/v1/collections?limit=1", "/api/v1/authors/3", "/api/v1/suggest?q=ma"} {
		body := send(h, "GET", path).Body.String()
		if n := strings.Count(body, "https://activities.example.org/"); n < 2 || strings.Contains(body, "http://example.com") {
			t.Errorf("%s has %d addresses: %s", path, n, body)
		}
	}
	got := get[activity](t, h, "/api/v1/activities/org.example.Maze?lang=pt-br")
	const base = "https://activities.example.org"
	sum := sumOf("icon").String()
	for _, c := range [][2]string{
		{got.Page, base + "/pt-BR/activity/900001"}, {got.URL, base + "/api/v1/activities/900001"}, {*got.Icon, base + "/icon/" + sum + "/000000-ffffff.svg"},
		{got.Newest.URL, base + "/b/" + sumOf("bundle9000001").String() + "/maze-42.xo"}, {got.Screenshots[1].URL, base + "/preview/" + sumOf("shot2").String() + ".jpg"},
		{got.Authors[0].URL, base + "/api/v1/authors/3"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s, want %s", c[0], c[1])
		}
	}
}

// brokenWriter is a client that went away.
type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestReaderGone wants a client that went away to be noted and nothing else.
func TestReaderGone(t *testing.T) {
	var log bytes.Buffer
	h, err := New(Config{Library: open(t, newFeed()), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/categories", "/api/v1/none"} {
		log.Reset()
		h.ServeHTTP(brokenWriter{httptest.NewRecorder()}, httptest.NewRequest("GET", path, nil))
		if !strings.Contains(log.String(), "a reader went away") || strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("%s is logged as %q", path, log.String())
		}
	}
}

// TestConcurrently is for the race detector: answers while the catalog changes.
func TestConcurrently(t *testing.T) {
	f := newFeed()
	library := open(t, f)
	h, err := New(Config{Library: library})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, path := range []string{"/api/v1/activities?facets=1", "/api/v1/activities?q=maze", "/api/v1/activities/org.example.Maze?sugar=0.98", "/api/v1/tags", "/api/v1/collections", "/api/v1/openapi.json"} {
		wg.Go(func() {
			for range 20 {
				if w := send(h, "GET", path, "Accept-Encoding", "gzip"); w.Code != http.StatusOK {
					t.Errorf("%s answers %d", path, w.Code)
				}
			}
		})
	}
	for i := range 20 {
		a := maze()
		a.Downloads, a.Revision = int64(i), int64(i+2)
		f.Put(a)
		if err := library.Refresh(context.Background()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}
