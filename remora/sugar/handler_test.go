package sugar

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewSaysEverything(t *testing.T) {
	_, err := New(Config{Languages: []string{"en", "not a language"}})
	if err == nil {
		t.Fatal("an empty Config is accepted")
	}
	for _, want := range []string{"Library", "Files", "Site", "not a language"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestNext(t *testing.T) {
	r := newRig(t, rigOptions{})
	for _, target := range []string{
		"/", "/en", "/en/", "/en/activity/4024", "/en/browse", "/es/browse?category=games", "/en/search?q=x", "/en/collection/school", "/static/x.css",
		"/api/v1/other", "/en/activity/4024/versions", "/activities/", "/activities/4024", "/b/", "/icon/", "/services/", "/update/",
		"/en-US/sugar/pages/faq", "/" + strings.Repeat("a/", 100), "//", "/en-US/sugar/addon/", "/en-US/sugar/addon/99", "/addon/x", "/app/none.html", "/app/",
		"/en-US/sugar/browse/type:1/cat:999", "/en-US/sugar/collection/none", "/user/bert", "/en-US/sugar/images/addon_icon", "/en-US/sugar/addons/versions/9",
	} {
		w := r.do("GET", target)
		if !strings.Contains(w.Body.String(), "<p>next ") || !strings.HasSuffix(w.Body.String(), target) {
			t.Errorf("%s: status %d, %s; want it passed on", target, w.Code, w.Body)
		}
	}
	bare := newRig(t, rigOptions{change: func(c *Config) { c.Next = nil }})
	if w := bare.do("GET", "/"); w.Code != 404 {
		t.Errorf("without Next: status %d", w.Code)
	}
}

// fuzzHandler returns one handler for all runs of a fuzz target in this process.
func fuzzHandler(t testing.TB) http.Handler {
	t.Helper()
	h, err := fuzzed()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var fuzzed = sync.OnceValues(func() (http.Handler, error) {
	feed := newFeed(sample()...)
	feed.header.Collections = sampleCollections()
	library, err := live.New(feed, nil)
	if err != nil {
		return nil, err
	}
	if err := library.Refresh(emptyContext); err != nil {
		return nil, err
	}
	s, err := site.New(site.Config{})
	if err != nil {
		return nil, err
	}
	return New(Config{Library: library, Files: folder("testdata/none"), Site: s})
})

// FuzzPaths asks for anything at all: nothing panics, and nothing but the documents for it is a
// 200 below the addresses of clients.
func FuzzPaths(f *testing.F) {
	for _, seed := range []string{
		"/services/update-aslo.php?id=org.laptop.Log", "/activities/4024/log-41.xo", "/en-US/sugar/browse/type:1/cat:100/sort:name/format:rss",
		"/en-US/sugar/images/addon_icon/4024/1", "/versions/updateInfo/3/%APP_LOCALE%/", "/downloads/latest/4024", "/%00//..;/", "/xx-/sugar/search/rss?q=log",
	} {
		path, query, _ := strings.Cut(seed, "?")
		f.Add(path, query, "de-DE,es;q=0.5")
	}
	f.Fuzz(func(t *testing.T, path, query, accept string) {
		q := httptest.NewRequest("GET", "/", nil)
		q.URL.Path, q.URL.RawQuery = path, query
		q.Header.Set("Accept-Language", accept)
		w := httptest.NewRecorder()
		fuzzHandler(t).ServeHTTP(w, q)
		location := w.Header().Get("Location")
		if w.Code/100 == 3 && w.Code != 304 {
			if !strings.HasPrefix(location, "/") || strings.HasPrefix(location, "//") || strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
				t.Errorf("a redirect to %q", location)
			}
		}
		if w.Code == 500 {
			t.Errorf("status 500: %s", w.Body)
		}
	})
}

type exampleFeed struct{ *fakeFeed }

func ExampleNew() {
	feed := exampleFeed{newFeed(remora.Activity{
		ID: 100001, BundleID: "org.example.Hello", Listed: true, DefaultLocale: "en", Name: remora.PlainText("en", "Hello"),
		Versions: []remora.Version{{
			Release:  remora.Release{ID: 1000001, Number: remora.MustNumber("2"), State: remora.StatePublished},
			Filename: "hello-2.xo", Size: 20480,
		}},
	})}
	library, err := live.New(feed, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := library.Refresh(emptyContext); err != nil { // a server would let library.Run do this
		fmt.Println(err)
		return
	}
	address, err := site.New(site.Config{URL: "http://activities.example.org"})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := New(Config{Library: library, Files: folder("."), Site: address})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/services/update-aslo.php?id=org.example.Hello&appVersion=0.120", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if strings.Contains(line, "update") && !strings.Contains(line, "updates>") {
			fmt.Print(line)
		}
	}
	// Output:
	// <em:updateLink>http://activities.example.org/activities/100001/hello-2.xo</em:updateLink>
	// <em:updateSize>20</em:updateSize>
}
