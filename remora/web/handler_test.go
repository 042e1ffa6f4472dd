package web

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
	"github.com/sugarlabs/beamrider/remora/web/internal/place"
)

// richFeed is a catalog with something of everything.
func richFeed() *fakeFeed {
	list := numbered(25)
	list[0].FeaturedRank = 1
	list[3].Icon = remora.Digest{}
	header := games()
	header.Collections = []remora.Collection{
		{ID: 1, UUID: "0f0e", Nickname: "school", Listed: true, DefaultLocale: "en", Name: remora.PlainText("en", "For the school"), Description: remora.PlainText("en", "All we need."), Items: []remora.CollectionItem{
			{ActivityID: 100001, Pin: remora.MustNumber("41")}, {ActivityID: 100002, Optional: true}, {ActivityID: 999999},
		}},
		{ID: 2, Nickname: "hidden", Name: remora.PlainText("en", "Not in lists")},
	}
	return newFeed(header, list...)
}

var homes = []string{"https://example.org/thing", "https://git.example.org/thing"}

func TestPages(t *testing.T) {
	h := newHandlerOn(t, richFeed())
	for _, tt := range []struct {
		path string
		says []string
	}{
		{"/en/", []string{"Activities for Sugar", "Featured", "New here", "Most downloaded", "Games", "For the school", "25 activities", "2 activities"}},
		{"/en/browse", []string{"All activities", "25 activities", "Activity 024", `rel="next"`}},
		{"/en/category/games?sort=name", []string{"<h1>Games</h1>", "Activity 000"}},
		{"/en/category/math", []string{"0 activities", "There is nothing in this list yet."}},
		{"/en/browse?sort=featured", []string{"Activity 000"}},
		{"/en/search", []string{"Type what you are looking for"}},
		{"/en/search?q=activity", []string{"25 activities found", `value="activity"`}},
		{"/en/search?q=zebra", []string{"Nothing was found."}},
		{"/en/activity/100001", []string{"Activity 000", "What Activity 000 is for.", "<p>First.</p>\n<p>Second\nline.</p>", "GPL-3.0-or-later", "org.example.A100001", `href="https://example.org/thing"`, "1.3 MB", "2026-03-04", "Games"}},
		{"/en/activity/100001/versions", []string{"Version 41", "Version 42", sumOf("bundle1000010").String(), "1,234,567 bytes", "2 versions"}},
		{"/en/collection/school", []string{"For the school", "All we need.", "Version 41", "Optional", "<code dir=\"ltr\">school</code>"}},
		{"/en/collection/hidden", []string{"Not in lists", `content="noindex"`}},
	} {
		t.Run(tt.path, func(t *testing.T) {
			body := mustGet(t, h, tt.path)
			checkPage(t, body, homes...)
			wantText(t, body, tt.says...)
			if again := mustGet(t, h, tt.path); again != body {
				t.Error("the same page twice differs")
			}
		})
	}
	wantNoText(t, mustGet(t, h, "/en/"), "Not in lists")
}

func TestFaultPages(t *testing.T) {
	h := newHandlerOn(t, richFeed())
	for _, tt := range []struct {
		method, path string
		code         int
		says         string
	}{
		{"GET", "/en/nothing", 404, "This page is not here"},
		{"GET", "/nothing", 404, "This page is not here"},
		{"GET", "/en/activity/7", 404, "This page is not here"},
		{"GET", "/en/activity/0100001", 404, "This page is not here"},
		{"GET", "/en/activity/99999999999999999999", 404, "This page is not here"},
		{"GET", "/en/activity/100001/else", 404, "This page is not here"},
		{"GET", "/en/activity/" + strings.Repeat("x", 3000), 404, "This page is not here"},
		{"GET", "/en/collection/none", 404, "This page is not here"},
		{"GET", "/en/category/none", 404, "This page is not here"},
		{"GET", "/en/a/b/c/d/e/f", 404, "This page is not here"},
		{"GET", "//en/", 404, "This page is not here"},
		{"GET", "/static/0/style.css", 404, "This page is not here"},
		{"GET", "/en/browse?sort=best", 400, "There is no such order"},
		{"GET", "/en/browse?after=***", 400, "This place in the list is not there"},
		{"GET", "/en/browse?sort=name&after=" + place.Encode(byte(remora.SortNewest), remora.Cursor{Num: 1, ID: 1}), 400, "This place in the list is not there"},
		{"GET", "/en/activity/100001/versions?after=AAAA", 400, "This place in the list is not there"},
		{"GET", "/en/collection/school?after=-1", 400, "This place in the list is not there"},
		{"GET", "/en/activity/100001?sugar=new", 400, "That is not a Sugar version"},
		{"GET", "/en/search?q=%zz", 400, "This address cannot be read"},
		{"GET", "/en/search?q=" + strings.Repeat("a", maxQuery), 400, "This address cannot be read"},
		{"GET", "/?x=%zz", 400, "This address cannot be read"},
		{"GET", "/ja/?x=%zz", 400, "This address cannot be read"},
		{"POST", "/en/", 405, "That cannot be done here"},
		{"DELETE", "/en/activity/100001", 405, "That cannot be done here"},
	} {
		t.Run(tt.method+" "+tt.path[:min(len(tt.path), 50)], func(t *testing.T) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(tt.method, "http://example.com"+tt.path, nil))
			if w.Code != tt.code {
				t.Errorf("status %d, want %d", w.Code, tt.code)
			}
			body := w.Body.String()
			checkPage(t, body)
			wantText(t, body, tt.says, `role="search"`, fmt.Sprintf("Status %d", tt.code))
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
			if tt.code == 405 && w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow %q", w.Header().Get("Allow"))
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	h := newHandlerOn(t, richFeed())
	w := get(h, "/en/activity/100001")
	for name, want := range map[string]string{
		"Content-Type":            "text/html; charset=utf-8",
		"Content-Language":        "en",
		"Cache-Control":           "public, max-age=60",
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "same-origin",
		"Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := w.Header().Get("Remora-Snapshot"); !regexp.MustCompile(`^seq=1, age=\d+$`).MatchString(got) {
		t.Errorf("Remora-Snapshot is %q", got)
	}
	vary := func(path string) string { return strings.Join(get(h, path).Header().Values("Vary"), ", ") }
	for path, offer := range map[string]bool{"/en/": false, "/en/browse": false, "/en/activity/100001": true, "/en/activity/100001/versions": true} {
		if got := strings.Contains(vary(path), "User-Agent"); got != offer {
			t.Errorf("%s: Vary is %q", path, vary(path))
		}
		if strings.Contains(vary(path), "Accept-Language") {
			t.Errorf("%s depends on Accept-Language: %q", path, vary(path))
		}
	}
}

func TestEntityTags(t *testing.T) {
	f := richFeed()
	h := newHandlerOn(t, f)
	const path = "/en/activity/100001"
	tag := get(h, path).Header().Get("ETag")
	packed := get(h, path, "Accept-Encoding", "gzip")
	packedTag := packed.Header().Get("ETag")
	if packed.Header().Get("Content-Encoding") != "gzip" || packedTag == tag {
		t.Fatalf("compressed: %v, tag %s like %s", packed.Header(), packedTag, tag)
	}
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(z); err != nil || string(body) != mustGet(t, h, path) {
		t.Errorf("what was compressed is another page (%v)", err)
	}
	for _, known := range []string{tag, packedTag, "W/" + tag, `"other", ` + tag, "*"} {
		w := get(h, path, "If-None-Match", known, "Accept-Encoding", "gzip")
		if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
			t.Errorf("If-None-Match: %s answers %d with %d bytes", known, w.Code, w.Body.Len())
		}
		if w.Header().Get("Remora-Snapshot") == "" || w.Header().Get("Cache-Control") == "" {
			t.Errorf("a 304 lacks headers: %v", w.Header())
		}
	}
	for _, unknown := range []string{`"other"`, "other", `"`, ""} {
		if w := get(h, path, "If-None-Match", unknown); w.Code != http.StatusOK {
			t.Errorf("If-None-Match: %s answers %d", unknown, w.Code)
		}
	}
	changed := activity(100001, "Renamed")
	f.change([]remora.Activity{changed})
	if err := h.library.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	if w := get(h, path, "If-None-Match", tag); w.Code != http.StatusOK || w.Header().Get("ETag") == tag {
		t.Errorf("after a change: %d, tag %s", w.Code, w.Header().Get("ETag"))
	}
}

func TestHead(t *testing.T) {
	h := newHandlerOn(t, richFeed())
	for _, path := range []string{"/en/", "/en/nothing", h.assets["style.css"].path} {
		want := get(h, path)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodHead, path, nil))
		if w.Code != want.Code || w.Body.Len() != 0 || w.Header().Get("ETag") != want.Header().Get("ETag") {
			t.Errorf("HEAD %s: %d, %d bytes, tag %q", path, w.Code, w.Body.Len(), w.Header().Get("ETag"))
		}
	}
}

func TestStatic(t *testing.T) {
	h := newHandlerOn(t, richFeed())
	for name, media := range map[string]string{"style.css": "text/css; charset=utf-8", "favicon.svg": "image/svg+xml", "activity.svg": "image/svg+xml"} {
		w := get(h, h.assets[name].path)
		if w.Code != 200 || w.Header().Get("Content-Type") != media || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		// The name space of SVG is a name, not an address that is fetched.
		text := strings.ReplaceAll(w.Body.String(), "http://www.w3.org/2000/svg", "")
		if strings.Contains(text, "//") || strings.Contains(text, "@import") || strings.Contains(text, "url(") {
			t.Errorf("%s may load something else", name)
		}
	}
}

func TestPageWeights(t *testing.T) {
	h := newHandlerOn(t, fullFeed())
	css := len(h.assets["style.css"].body.Content())
	for _, tt := range []struct {
		path string
		most int
	}{
		{"/en/browse", 60_000},
		{"/en/", 60_000},
		{"/en/activity/100001", 30_000},
	} {
		if n := len(mustGet(t, h, tt.path)) + css; n > tt.most {
			t.Errorf("%s and the style sheet have %d bytes, more than %d", tt.path, n, tt.most)
		}
	}
}

func TestRoot(t *testing.T) {
	h := newHandlerWith(t, richFeed(), map[string]string{"es": spanish, "ar": arabic})
	for _, tt := range []struct {
		path    string
		headers []string
		want    string
	}{
		{"/", nil, "/en/"},
		{"/", []string{"Accept-Language", "es-PE,es;q=0.9,en;q=0.5"}, "/es/"},
		{"/", []string{"Accept-Language", "qu, ar;q=0.8"}, "/ar/"},
		{"/", []string{"Accept-Language", "ja"}, "/en/"},
		{"/", []string{"Accept-Language", ";;;q=2"}, "/en/"},
		{"/", []string{"Accept-Language", strings.Repeat("es-x-a,", 10000)}, "/es/"},
		{"/", []string{"Accept-Language", "es", "Cookie", "lang=ar"}, "/ar/"},
		{"/", []string{"Accept-Language", "es", "Cookie", "lang=<b>"}, "/es/"},
		{"/?lang=ar", []string{"Accept-Language", "es", "Cookie", "lang=es"}, "/ar/"},
		{"/?lang=es_PE.UTF-8", nil, "/es/"},
		{"/?lang=ja", []string{"Accept-Language", "es"}, "/es/"},
		{"/?sugar=0.120&lang=es", nil, "/es/?sugar=0.120"},
		{"/?lang=//evil.example", nil, "/en/"},
	} {
		w := get(h, tt.path, tt.headers...)
		if w.Code != 302 || w.Header().Get("Location") != tt.want {
			t.Errorf("%s %.60q: %d %q, want %q", tt.path, tt.headers, w.Code, w.Header().Get("Location"), tt.want)
		}
		if !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "Accept-Language, Cookie") {
			t.Errorf("%s: Vary is %q", tt.path, w.Header().Values("Vary"))
		}
	}
	if got := get(h, "/?lang=es").Header().Get("Set-Cookie"); !strings.HasPrefix(got, "lang=es;") {
		t.Errorf("the choice is not remembered: %q", got)
	}
	if got := get(h, "/", "Accept-Language", "es").Header().Get("Set-Cookie"); got != "" {
		t.Errorf("a cookie nobody asked for: %q", got)
	}
}

func TestRedirects(t *testing.T) {
	h := newHandlerWith(t, richFeed(), map[string]string{"es": spanish})
	for path, want := range map[string]string{
		"/en":                              "/en/",
		"/en/browse/":                      "/en/browse",
		"/es-PE/activity/100001":           "/es/activity/100001",
		"/ES/":                             "/es/",
		"/ja/search?q=a%20b":               "/en/search?q=a+b",
		"/en/activity/org.example.a100001": "/en/activity/100001",
		"/en/activity/ORG.example.A100001/versions?sugar=0.98": "/en/activity/100001/versions?sugar=0.98",
		"/en/collection/0f0e": "/en/collection/school",
	} {
		w := get(h, path)
		if w.Code != 302 || w.Header().Get("Location") != want {
			t.Errorf("%s: %d %q, want %q", path, w.Code, w.Header().Get("Location"), want)
		}
	}
	for locale, want := range map[string]string{"es": "es", "es_AR": "es", "en-GB": "en", "zz": "en", "": "en", "!": "en"} {
		if got := h.Language(locale); got != want {
			t.Errorf("Language(%q) = %q, want %q", locale, got, want)
		}
	}
}

func TestNotReady(t *testing.T) {
	library, err := live.New(newFeed(remora.Header{}), nil) // never run
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Library: library})
	if err != nil {
		t.Fatal(err)
	}
	w := get(h, "/en/")
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	checkPage(t, w.Body.String())
	wantText(t, w.Body.String(), "The library is opening")
	if w := get(h, h.assets["style.css"].path); w.Code != 200 {
		t.Errorf("the style sheet answers %d", w.Code)
	}
}

func TestStale(t *testing.T) {
	f := richFeed()
	h, err := New(Config{Library: newLibrary(t, f, &live.Options{StaleAfter: 1})}) // a nanosecond: always
	if err != nil {
		t.Fatal(err)
	}
	f.breakDown()
	body := mustGet(t, h, "/en/activity/100001")
	checkPage(t, body, homes...)
	wantText(t, body, `role="status"`, "does not answer just now", "Download")
	if got := get(h, "/en/").Header().Get("Remora-Snapshot"); !strings.HasSuffix(got, ", stale") {
		t.Errorf("Remora-Snapshot is %q", got)
	}
	wantNoText(t, mustGet(t, newHandlerOn(t, richFeed()), "/en/activity/100001"), "does not answer")
}

func TestEmptyCatalog(t *testing.T) {
	library := newLibrary(t, newFeed(remora.Header{}), nil)
	h, err := New(Config{Library: library})
	if err != nil {
		t.Fatal(err)
	}
	body := mustGet(t, h, "/en/")
	checkPage(t, body)
	wantText(t, body, "This library is empty", "remora-server import FOLDER", "remora-server serve --samples")
	h, err = New(Config{Library: library, Name: "Biblioteca <Uno>", StartHint: func() []string { return []string{"fill & <go>"} }})
	if err != nil {
		t.Fatal(err)
	}
	body = mustGet(t, h, "/en/")
	wantText(t, body, "fill &amp; &lt;go&gt;", "<title>Biblioteca &lt;Uno&gt;</title>")
	wantNoText(t, body, "remora-server")
}

func TestSmallCatalog(t *testing.T) {
	h := newHandlerOn(t, newFeed(games(), numbered(3)...))
	body := mustGet(t, h, "/en/")
	checkPage(t, body)
	wantText(t, body, "All activities", "of-3")
	wantNoText(t, body, "New here", "This library is empty")
}

func TestNewSaysEveryMistake(t *testing.T) {
	_, err := New(Config{Name: strings.Repeat("x", MaxName+1)})
	if err == nil {
		t.Fatal("no error")
	}
	wantText(t, err.Error(), "Library", "Name")
	library := newLibrary(t, newFeed(remora.Header{}), nil)
	for name, files := range map[string]fs.FS{
		"a broken template":  replaced(t, "templates/home.html", `{{define "main"}}{{.`),
		"an odd language":    replaced(t, "locales/xx-yy-zz.po", "msgid \"\"\nmsgstr \"\"\n"),
		"a missing style":    replaced(t, "style", ""),
		"an odd static file": replaced(t, "static/x.js", "1"),
	} {
		if _, err := newHandler(Config{Library: library}, files); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}

func TestRenderFault(t *testing.T) {
	library := newLibrary(t, richFeed(), nil)
	h, err := newHandler(Config{Library: library}, replaced(t, "templates/home.html", `{{define "main"}}half a page{{.Nothing}}{{end}}`))
	if err != nil {
		t.Fatal(err)
	}
	w := get(h, "/en/")
	if w.Code != 500 || w.Header().Get("ETag") != "" {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
	checkPage(t, w.Body.String())
	wantText(t, w.Body.String(), "Something went wrong on our side")
	wantNoText(t, w.Body.String(), "half a page")
	h, err = newHandler(Config{Library: library}, replaced(t, "templates/fault.html", `{{define "main"}}{{.Nothing}}{{end}}`))
	if err != nil {
		t.Fatal(err)
	}
	if w := get(h, "/en/nothing"); w.Code != 404 || !strings.Contains(w.Body.String(), "mistyped") {
		t.Errorf("the page of a fault fails: %d %q", w.Code, w.Body.String())
	}
}

func TestSiteAddress(t *testing.T) {
	s, err := site.New(site.Config{URL: "https://activities.example.net"})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Library: newLibrary(t, richFeed(), nil), Site: s})
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, mustGet(t, h, "/en/browse?sort=name"), `<link rel="canonical" href="https://activities.example.net/en/browse?sort=name">`)
}

// brokenWriter is a reader who has gone away.
type brokenWriter struct{ http.ResponseWriter }

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestReaderGoesAway(t *testing.T) {
	h := newHandlerOn(t, richFeed())
	for _, path := range []string{"/en/", h.assets["style.css"].path} {
		w := httptest.NewRecorder()
		h.ServeHTTP(brokenWriter{w}, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Body.Len() != 0 {
			t.Errorf("%s: %d bytes", path, w.Body.Len())
		}
	}
}

// replaced returns the embedded files with one of them changed; "" takes it away.
func replaced(t testing.TB, name, content string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(embedded, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(embedded, p)
		files[p] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if content == "" {
		for file := range files {
			if file == name || path.Dir(file) == name {
				delete(files, file)
			}
		}
	} else {
		files[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return files
}

func newHandlerWith(t testing.TB, f *fakeFeed, languages map[string]string) *Handler {
	t.Helper()
	files := replaced(t, "none", "").(fstest.MapFS)
	for tag, po := range languages {
		files["locales/"+tag+".po"] = &fstest.MapFile{Data: []byte(po)}
	}
	h, err := newHandler(Config{Library: newLibrary(t, f, nil)}, files)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestDirection(t *testing.T) {
	got := map[string]string{}
	for _, locale := range []string{"ar", "ar-EG", "he", "fa-IR", "ur", "az", "az-Arab", "en", "pa", "pa-Arab", "sd-Deva", "und", "", "dv", "yi"} {
		got[locale] = direction(locale)
	}
	want := map[string]string{"ar": "rtl", "ar-EG": "rtl", "he": "rtl", "fa-IR": "rtl", "ur": "rtl", "az": "ltr", "az-Arab": "rtl", "en": "ltr", "pa": "ltr", "pa-Arab": "rtl", "sd-Deva": "ltr", "und": "ltr", "": "ltr", "dv": "rtl", "yi": "rtl"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutControls(t *testing.T) {
	for in, want := range map[string]string{
		"": "",
		"a\tb\nc ü عربي 漢字 👩\u200d👧\u200e":    "a\tb\nc ü عربي 漢字 👩\u200d👧\u200e",
		"\x00a\x1f\x7f\u0080b\u009f":          "ab",
		"\u202ax\u202e \u2066y\u2069":         "x y",
		"\ufffe\uffff\ufdd0\U0001ffff!\ufffd": "!\ufffd",
		"\xffa\xe2\x82b\xed\xa0\x80":          "ab",
	} {
		if got := string(withoutControls([]byte(in))); got != want {
			t.Errorf("of %q is left %q, want %q", in, got, want)
		}
	}
}
