package sitetest

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/sugarlabs/beamrider/remora"
)

// testWalks goes from the first page to a bundle, in every language, on a phone's and a laptop's
// screen, by day and by night, always without scripts and without a mouse.
func testWalks(t *testing.T, b context.Context, r *rig, pictures string) {
	for _, lang := range r.languages {
		for _, width := range []int64{320, 1280} {
			for _, scheme := range []string{"light", "dark"} {
				name := fmt.Sprintf("%s-%d-%s", lang, width, scheme)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					w := &walk{tab: newTab(t, b, r, look{width: width, scheme: scheme}), pictures: filepath.Join(pictures, name)}
					w.walk(lang)
				})
			}
		}
	}
}

// A walk is one visit, by keyboard.
type walk struct {
	*tab
	pictures string // how the names of its pictures begin
}

func (w *walk) walk(lang string) {
	t := w.t
	w.open("/" + lang + "/")
	w.step("1-home")

	w.tabTo("the search box", `e.matches('form[role=search] input[name=q]')`)
	w.press(w.wanted(lang))
	w.enter()
	if at := w.address(); !strings.HasPrefix(at, "/"+lang+"/search?") {
		t.Fatalf("searching leads to %s", at)
	}
	w.step("2-search")

	w.narrow()
	w.step("3-facet")

	w.tabTo("an activity", `e.matches('main a[href*="/activity/"]') && !e.closest('.facets')`)
	w.enter()
	if at := w.address(); !strings.HasPrefix(at, "/"+lang+"/activity/") {
		t.Fatalf("an activity in the list leads to %s", at)
	}
	w.step("4-activity")

	href := w.tabTo("the download", `e.matches('a[type="application/vnd.olpc-sugar"]')`)
	w.press(kb.Enter)
	got := w.downloaded()
	if want := w.rig.get(t, href).body; !bytes.Equal(got, want) {
		t.Errorf("of %s arrive %d bytes, not the %d there are", href, len(got), len(want))
	}
	w.step("5-download")
	w.stayed()
	w.calm()
}

// wanted returns what the visitor looks for: the name of an activity, as it is in their language.
func (w *walk) wanted(lang string) string {
	w.t.Helper()
	found, _ := w.rig.library.View().List(remora.SortName, "", remora.Cursor{}, 1)
	if len(found) == 0 {
		w.t.Fatal("the library is empty")
	}
	name, _ := found[0].Name.In(lang, found[0].DefaultLocale)
	return name
}

// narrow chooses one of the facets of what was found. Where the results of a search have none, the
// list of everything has.
func (w *walk) narrow() {
	const facet = `.facets a:not([aria-current]), .cats a:not([aria-current])`
	if there := evaluate[bool](w.tab, `document.querySelector('`+facet+`') !== null`); !there {
		w.tabTo("the list of everything", `e.matches('header nav a[href$="/browse"]')`)
		w.enter()
	}
	before := w.address()
	what := w.tabTo("a facet", `e.matches('`+facet+`') || e.matches('.facets summary')`)
	if what == "" { // it folds
		w.press(kb.Enter)
		w.tabTo("a facet", `e.matches('`+facet+`')`)
	}
	w.enter()
	if w.address() == before {
		w.t.Errorf("a facet leads from %s to itself", before)
	}
}

// step looks at the page that was come to.
func (w *walk) step(name string) {
	w.t.Helper()
	w.fits()
	w.picture(w.pictures + "-" + name + ".png")
}

// enter follows what the keyboard is at.
func (w *walk) enter() {
	w.t.Helper()
	w.arrive(chromedp.KeyEvent(kb.Enter))
}

// mostTabs bounds how often Tab is pressed to come to something.
const mostTabs = 150

// focus tells what the keyboard is at: where it leads, whether it is what the condition wants, and
// whether one sees that it is there. Lists show it around the whole entry, so that what is around
// counts as well.
const focus = `(() => {
	const e = document.activeElement
	if (!e || e === document.body) return {Nowhere: true}
	const box = e.getBoundingClientRect()
	let shown = getComputedStyle(e).boxShadow !== 'none'
	for (let x = e, i = 0; x && x !== document.body && i < 4; x = x.parentElement, i++) {
		const s = getComputedStyle(x)
		shown = shown || s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2
	}
	return {
		Name: e.tagName + ' ' + (e.textContent.trim() || e.getAttribute('name') || '').slice(0, 40),
		Href: e.getAttribute('href') || '', Wanted: Boolean(%s), Shown: shown,
		Inside: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
	}
})()`

// tabTo presses Tab until the keyboard is where the condition on e holds, and returns where that
// leads. All it comes by must be seen.
func (w *walk) tabTo(what, condition string) (href string) {
	w.t.Helper()
	var passed []string
	for range mostTabs {
		w.press(kb.Tab)
		at := evaluate[struct {
			Name, Href                     string
			Nowhere, Wanted, Shown, Inside bool
		}](w.tab, fmt.Sprintf(focus, condition))
		if at.Nowhere {
			passed = append(passed, "(nowhere)")
			continue
		}
		passed = append(passed, at.Name)
		if !at.Shown || !at.Inside {
			w.t.Errorf("on %s the keyboard is at %s %s and nobody sees it (marked %v, on the screen %v)", w.address(), at.Name, at.Href, at.Shown, at.Inside)
		}
		if at.Wanted {
			return at.Href
		}
	}
	w.t.Fatalf("on %s the keyboard does not come to %s in %s steps; it came by %q", w.address(), what, strconv.Itoa(mostTabs), passed)
	return ""
}
