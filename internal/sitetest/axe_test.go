package sitetest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

// axeEnv names the file axe.min.js of the npm package axe-core, which is not ours and not kept here.
const axeEnv = "BEAMRIDER_AXE"

// axeLanguages are those whose pages are examined: one for each direction.
var axeLanguages = []string{"en", "ar"}

// testAxe lets axe-core examine a page of each kind for what WCAG 2.2 AA asks: on a laptop by day, on
// a phone by night.
func testAxe(t *testing.T, b context.Context, r *rig) {
	file := os.Getenv(axeEnv)
	if file == "" {
		require.Skip(t, axeEnv+" does not name the file axe.min.js of axe-core")
	}
	axe, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	examined := map[string]bool{}
	for _, lib := range []*rig{r, newMadeUp(t, 90, "http")} {
		pages = append(pages, axePages(newCrawl(t, lib, 1, 1), examined)...)
	}
	const tabs = 2
	for i := range tabs {
		t.Run(fmt.Sprintf("%d of %d", i+1, tabs), func(t *testing.T) {
			t.Parallel()
			v := newTab(t, b, r, look{width: 1280, scheme: "light", script: true, lax: true})
			for n := i; n < len(pages); n += tabs {
				v.see(look{width: 1280, scheme: "light"})
				v.load(pages[n])
				v.examine(string(axe), pages[n]+" on a laptop by day")
				v.see(look{width: 320, scheme: "dark"})
				v.fits()
				v.examine(string(axe), pages[n]+" on a phone by night")
			}
		})
	}
	t.Logf("%d pages", len(pages))
}

// axePages returns a page of each kind that is not examined yet, narrowed ones in one language only.
func axePages(c *crawl, examined map[string]bool) (list []string) {
	for _, a := range c.pages() {
		lang := a.header.Get("Content-Language")
		kind := looksOf(a)
		if lang != axeLanguages[0] && strings.HasSuffix(kind, narrowed) {
			continue
		}
		if slices.Contains(axeLanguages, lang) && !examined[kind] {
			examined[kind] = true
			list = append(list, a.url.String())
		}
	}
	for _, lang := range axeLanguages {
		// What says that there is nothing is a page too.
		for _, path := range []string{"/" + lang + "/nothing/is/here", "/" + lang + "/search?q=zzzzzzzz"} {
			if slices.Contains(c.rig.languages, lang) && !examined[path] {
				examined[path] = true
				list = append(list, c.rig.url+path)
			}
		}
	}
	return list
}

const narrowed = " narrowed"

// looksOf returns what kind of page this is to the eye: in which order a list is does not matter.
func looksOf(a *answer) string {
	kind, query, _ := strings.Cut(kindOf(a.url), "?")
	if strings.Contains(query, "after") {
		return kind + " further on"
	}
	if query != "" {
		return kind + narrowed
	}
	return kind
}

const axeRun = `axe.run(document, {
	runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}, resultTypes: ['violations'],
}).then(r => JSON.stringify({
	Passed: r.passes.length,
	Violations: r.violations.map(v => ({
		ID: v.id, Help: v.help,
		Nodes: v.nodes.map(n => n.target.join(' ') + ': ' + n.failureSummary.replace(/\s+/g, ' ')),
	})),
}))`

// examine fails the test with everything axe objects to.
func (v *tab) examine(axe, what string) {
	v.t.Helper()
	if known := evaluate[bool](v, "typeof axe !== 'undefined'"); !known {
		evaluate[bool](v, axe+"\ntrue")
	}
	var result struct {
		Passed     int
		Violations []struct {
			ID, Help string
			Nodes    []string
		}
	}
	if err := json.Unmarshal([]byte(evaluate[string](v, axeRun)), &result); err != nil {
		v.t.Fatal(err)
	}
	if result.Passed == 0 {
		v.t.Errorf("%s: axe examined nothing", what)
	}
	for _, violation := range result.Violations {
		v.t.Errorf("%s: %s (%s), %d times, such as\n\t%s", what, violation.Help, violation.ID, len(violation.Nodes),
			cut(strings.Join(violation.Nodes[:min(len(violation.Nodes), 3)], "\n\t"), 1500))
	}
}
