package web

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
)

type urlset struct {
	URLs []struct {
		Loc     string `xml:"loc"`
		LastMod string `xml:"lastmod"`
		Others  []struct {
			Lang string `xml:"hreflang,attr"`
			Href string `xml:"href,attr"`
		} `xml:"http://www.w3.org/1999/xhtml link"`
	} `xml:"url"`
}

type sitemapIndex struct {
	Parts []struct {
		Loc     string `xml:"loc"`
		LastMod string `xml:"lastmod"`
	} `xml:"sitemap"`
}

// The site map has every page for everybody, once in each language, and nothing else.
func TestSitemap(t *testing.T) {
	f := feedFeed()
	h := newHandlerWith(t, f, map[string]string{"es": spanish, "ar": arabic})
	w := get(h, "/sitemap.xml")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/xml; charset=utf-8" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
	var index sitemapIndex
	readXML(t, w.Body.String(), &index)
	if len(index.Parts) != 1 || index.Parts[0].Loc != "http://example.com/sitemap/1.xml" || index.Parts[0].LastMod == "" {
		t.Fatalf("the index says %+v", index)
	}
	var set urlset
	readXML(t, mustGet(t, h, "/sitemap/1.xml"), &set)
	seen := map[string]bool{}
	for _, u := range set.URLs {
		if seen[u.Loc] {
			t.Errorf("%s is there twice", u.Loc)
		}
		seen[u.Loc] = true
		if len(u.Others) != len(h.Languages()) {
			t.Errorf("%s is in %d languages", u.Loc, len(u.Others))
		}
		if strings.Contains(u.Loc, "/activity/") && u.LastMod == "" {
			t.Errorf("%s has no date", u.Loc)
		}
	}
	for _, u := range set.URLs {
		for _, o := range u.Others {
			if !seen[o.Href] || !strings.HasPrefix(o.Href, "http://example.com/"+o.Lang+"/") {
				t.Errorf("%s leads to %s in %s", u.Loc, o.Href, o.Lang)
			}
		}
	}
	for _, want := range []string{"en/", "es/", "ar/activity/100001", "en/category/games", "es/collection/school", "en/privacy", "en/developers"} {
		if !seen["http://example.com/"+want] {
			t.Errorf("%s is not there", want)
		}
	}
	for _, other := range []string{"en/activity/100901", "en/collection/hidden", "en/category/math", "en/search"} {
		if seen["http://example.com/"+other] {
			t.Errorf("%s is there", other)
		}
	}
	for _, path := range []string{"/sitemap/2.xml", "/sitemap/0.xml", "/sitemap/-1.xml", "/sitemap/01.xml", "/sitemap/99999999999.xml", "/sitemap/4294967297.xml", "/sitemap/1", "/sitemap/", "/robots.txt/", "/en/sitemap.xml"} {
		if w := get(h, path); w.Code != 404 {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

// A crawler that has the site map gets it again only when the catalog has changed.
func TestSitemapTag(t *testing.T) {
	f := richFeed()
	h := newHandlerOn(t, f)
	tag := get(h, "/sitemap/1.xml").Header().Get("ETag")
	if w := get(h, "/sitemap/1.xml", "If-None-Match", tag); tag == "" || w.Code != http.StatusNotModified {
		t.Errorf("with the tag %q: status %d", tag, w.Code)
	}
	f.change(nil, 100001)
	refresh(t, h)
	if w := get(h, "/sitemap/1.xml", "If-None-Match", tag); w.Code != 200 || strings.Contains(w.Body.String(), "100001") {
		t.Errorf("after a change: status %d", w.Code)
	}
}

// The parts of a large site map have every activity once, and stay within the bounds of the format.
func TestLargeSitemap(t *testing.T) {
	const size = 11_000
	h := newHandlerOf(t, size)
	var index sitemapIndex
	readXML(t, mustGet(t, h, "/sitemap.xml"), &index)
	if len(index.Parts) < 2 {
		t.Fatalf("%d parts", len(index.Parts))
	}
	seen := map[string]bool{}
	for i := range index.Parts {
		body := mustGet(t, h, "/sitemap/"+strconv.Itoa(i+1)+".xml")
		if n := strings.Count(body, "<url>"); n > mapAddresses || len(body) > 20<<20 {
			t.Errorf("part %d has %d addresses and %d bytes", i+1, n, len(body))
		}
		for _, line := range strings.Split(body, "\n") {
			if _, rest, ok := strings.Cut(line, "<loc>http://example.com/en/activity/"); ok {
				id, _, _ := strings.Cut(rest, "<")
				if seen[id] {
					t.Fatalf("activity %s is there twice", id)
				}
				seen[id] = true
			}
		}
	}
	if want := h.library.View().Count(""); len(seen) != want {
		t.Errorf("%d activities of %d", len(seen), want)
	}
}

func TestRobots(t *testing.T) {
	s, err := site.New(site.Config{URL: "https://activities.example.net"})
	if err != nil {
		t.Fatal(err)
	}
	unready, err := live.New(richFeed(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, library := range map[string]*live.Library{"ready": newLibrary(t, richFeed(), nil), "not ready": unready} {
		h, err := New(Config{Library: library, Site: s})
		if err != nil {
			t.Fatal(err)
		}
		w := get(h, "/robots.txt")
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: status %d, headers %v", name, w.Code, w.Header())
		}
		wantText(t, w.Body.String(), "User-agent: *\n", "Disallow: /b/\n", "Disallow: /*/search\n", "\nSitemap: https://activities.example.net/sitemap.xml\n")
		if w := get(h, "/sitemap.xml"); (w.Code == 503) != (library == unready) {
			t.Errorf("%s: the site map answers %d", name, w.Code)
		}
	}
}

// BenchmarkSitemap shows what a part of the site map of a large catalog costs.
func BenchmarkSitemap(b *testing.B) {
	h := newHandlerOf(b, 100_000)
	for _, path := range []string{"/sitemap.xml", "/sitemap/2.xml"} {
		b.Run(strings.TrimPrefix(path, "/"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(nowhere{http.Header{}}, httptest.NewRequest(http.MethodGet, path, nil))
			}
		})
	}
}
