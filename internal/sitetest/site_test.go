package sitetest

import (
	"bytes"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
)

// TestSmallSite goes through all of a library of samples with real files.
func TestSmallSite(t *testing.T) {
	c := newCrawl(t, newSmall(t, "http"), 30, 8)
	c.judgeAll(t, 2)
	c.report(t)
	// What must be found, or the crawl is not one.
	for _, kind := range []string{
		"/en/", "/en/browse", "/en/search?q", "/en/category/{name}", "/en/tag/{name}", "/en/collections", "/en/collection/{name}", "/en/statistics",
		"/en/activity/{n}", "/en/activity/{n}/versions", "/en/activity/{n}/versions/{n}", "/icon/{sum}/{file}", "/b/{sum}/{file}",
		"/en/feed/newest.atom", "/en/opensearch.xml", "/robots.txt", "/sitemap.xml",
	} {
		if c.kinds[kind] == 0 {
			t.Errorf("nothing leads to %s; what was found: %v", kind, slices.Sorted(maps.Keys(c.kinds)))
		}
	}
	t.Logf("%d answers of %d kinds: %v", len(c.answers), len(c.kinds), slices.Sorted(maps.Keys(c.kinds)))
}

// TestLargeSite goes through a part of a library of three thousand.
func TestLargeSite(t *testing.T) {
	r := newMadeUp(t, 3000, "http")
	c := newCrawl(t, r, 6, 2)
	c.judgeAll(t, 1)
	c.report(t)
	if c.kinds["/en/browse?after"] == 0 {
		t.Errorf("no list has a second page; what was found: %v", slices.Sorted(maps.Keys(c.kinds)))
	}
	t.Logf("%d answers of %d kinds", len(c.answers), len(c.kinds))
	t.Run("Weight", func(t *testing.T) { testWeight(t, r) })
}

// mostRequests is how often a browser asks for one page, icons aside.
const mostRequests = 6

// testWeight bounds what a school on a slow line loads for a page, icons aside: those are kept for
// ever. Bytes are of the page and its style sheets, uncompressed.
func testWeight(t *testing.T, r *rig) {
	activity := strconv.FormatInt(catalogtest.FirstActivity, 10)
	for _, lang := range r.languages {
		for _, bar := range []struct {
			path  string
			bytes int
		}{
			{"/" + lang + "/browse", 60_000},
			{"/" + lang + "/browse?sort=popular", 60_000},
			{"/" + lang + "/activity/" + activity, 30_000},
		} {
			a := r.get(t, bar.path)
			weight, requests := len(a.body), 1
			seen := map[string]bool{}
			for _, l := range a.links() {
				u, err := url.Parse(l.address)
				if err != nil {
					t.Fatal(err)
				}
				if !l.loaded || seen[l.address] || strings.HasPrefix(u.Path, "/icon/") {
					continue
				}
				seen[l.address] = true
				requests++
				if strings.Contains(l.rel, "stylesheet") {
					weight += len(r.get(t, l.address).body)
				}
			}
			t.Logf("%s: %d bytes, %d requests", bar.path, weight, requests)
			if weight > bar.bytes {
				t.Errorf("%s is %d bytes with its style, more than %d", bar.path, weight, bar.bytes)
			}
			if requests > mostRequests {
				t.Errorf("%s is %d requests, more than %d", bar.path, requests, mostRequests)
			}
			if strings.Contains(bar.path, "browse") {
				if n := bytes.Count(a.body, []byte(`class="card"`)); n != 20 {
					t.Errorf("%s lists %d activities; the bar is for 20", bar.path, n)
				}
			}
		}
	}
}
