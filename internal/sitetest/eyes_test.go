package sitetest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

// A recorder keeps what a check complains of, so that a test can want complaints.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}
func (r *recorder) Error(args ...any) { r.said = append(r.said, fmt.Sprint(args...)) }

// badPage has one of everything that a browser must find.
const badPage = `<!DOCTYPE html>
<html lang="en"><head><title>Bad</title><style>
body { background: #fff; color: #000 } .wide { width: 2000px } .pale { color: #ddd }
a { outline: 0 } .hidden { position: absolute; left: -5000px }
</style></head><body><main><h1>Bad</h1>
<p class="wide">wide</p><p class="pale">pale</p>
<a href="/a">unseen</a><a class="hidden" href="/b" style="outline: 3px solid red">outside</a><a id="end" href="/c" style="outline: 3px solid red">end</a>
<img src="http://elsewhere.invalid/x.png" alt="x">
<script>xhostile()</script>
</main></body></html>`

// testEyes shows the browser a bad page: checks that find nothing there find nothing anywhere.
func testEyes(t *testing.T, b context.Context) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if _, err := io.WriteString(w, badPage); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	v := newTab(t, b, &rig{url: server.URL}, look{width: 320, scheme: "light", script: true, lax: true})
	said := &recorder{TB: t}
	v.t = said
	v.load("/")
	v.fits()
	v.stayed()
	v.calm()
	(&walk{tab: v}).tabTo("the end", `e.id === 'end'`)
	if file := os.Getenv(axeEnv); file != "" {
		axe, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v.examine(string(axe), "the bad page")
	} else {
		said.said = append(said.said, "color-contrast") // what cannot be examined cannot be found
	}
	for _, want := range []string{"is 2", "the browser asked http://elsewhere.invalid/x.png", "A unseen /a and nobody sees it (marked false", "A outside /b and nobody sees it (marked true, on the screen false)", "a script failed", "color-contrast"} {
		if !slices.ContainsFunc(said.said, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("nobody says %q: %q", want, said.said)
		}
	}
}

// testHostilePages shows a browser that runs scripts what bundles may bring: nothing of it may run,
// and none of it may be wider than a phone.
func testHostilePages(t *testing.T, b context.Context) {
	feed, list := hostileFeed()
	r := newRig(t, feed, newMadeUpFiles(slices.Values(list)), "http")
	v := newTab(t, b, r, look{width: 320, scheme: "light", script: true})
	paths := []string{"/en/", "/en/browse", "/en/browse?sort=name"}
	for i, a := range list {
		paths = append(paths, fmt.Sprintf("/en/activity/%d", a.ID))
		if i%4 == 0 {
			paths = append(paths, fmt.Sprintf("/en/activity/%d/versions", a.ID), fmt.Sprintf("/en/activity/%d/versions/%d", a.ID, a.Versions[0].ID),
				"/en/search?q="+url.QueryEscape(strings.ToValidUTF8(cut(payloads[i], 200), "")), "/en/collection/"+url.PathEscape(hostileWord(i, "nickname")))
		}
	}
	for _, path := range paths {
		v.load(path)
		v.fits()
	}
	v.stayed()
	v.calm()
}
