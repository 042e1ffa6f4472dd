package web

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/remora"
)

// mixed makes n activities that differ in everything lists are narrowed by.
func mixed(n int) []remora.Activity {
	list := numbered(n)
	for i := range list {
		a := &list[i]
		a.Categories = [][]string{{"games"}, {"math"}, {"games", "math"}, nil}[i%4]
		a.License = []string{"MIT", "GPL-3.0-or-later", ""}[i%3]
		a.LicenseText = []string{"", "Do what you like"}[i/3%2]
		a.Tags = []string{[]string{"Play", "play", "learn"}[i%3], "two words"}
		a.Authors = []remora.Author{{ID: int64(100001 + i%5), Name: fmt.Sprintf("Author <%d>", i%5)}}
		a.Network = []remora.Network{remora.NetworkUnknown, remora.NetworkNone, remora.NetworkNeeded}[i/2%3]
		if i%7 == 0 {
			a.Name = remora.NewText(map[string]string{"en": fmt.Sprintf("Activity %03d", i), "es": fmt.Sprintf("Actividad %03d", i)})
		}
		by := []remora.Interpreter{remora.InterpreterPython2, remora.InterpreterPython3, remora.InterpreterWeb}[i/4%3]
		size := []int64{1_000_000, 1_000_001, 20_000_000, 20_000_001}[i/5%4]
		a.Versions = []remora.Version{release(a.ID*10, "7", by, func(v *remora.Version) { v.Size = size })}
	}
	return list
}

var (
	facetLink  = regexp.MustCompile(`<li><a href="([^"]+)" rel="nofollow"><span[^>]*>([^<]*)</span> <small>([\d,]+)</small></a></li>`)
	chosenLink = regexp.MustCompile(`<li><a class="on" href="([^"]+)"><span class="sr">Take away: </span><span[^>]*>([^<]*)</span>`)
	countNote  = regexp.MustCompile(`<span class="note">([\d,]+) activit`)
)

// A choiceLink is a link that narrows a list, or takes back what did.
type choiceLink struct {
	to, name string
	n        int
}

// A failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatal(...any)
}

func linksOf(t failer, re *regexp.Regexp, body string) (links []choiceLink) {
	t.Helper()
	for _, m := range re.FindAllStringSubmatch(body, -1) {
		c := choiceLink{to: html.UnescapeString(m[1]), name: html.UnescapeString(m[2])}
		if len(m) > 3 {
			n, err := strconv.Atoi(strings.ReplaceAll(m[3], ",", ""))
			if err != nil {
				t.Fatal(err)
			}
			c.n = n
		}
		links = append(links, c)
	}
	return links
}

func totalOf(t failer, body string) int {
	t.Helper()
	m := countNote.FindStringSubmatch(body)
	if m == nil {
		t.Fatal("the list does not say how many there are")
	}
	n, err := strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Whichever way a reader goes through the choices: a link leads to as many activities as it says,
// those are fewer, and taking a choice away leads back.
func TestFacetLinksKeepTheirPromise(t *testing.T) {
	h := newHandlerOn(t, newFeed(games(), mixed(120)...))
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SampledFrom([]string{"/en/browse", "/en/browse?sort=name", "/en/category/games", "/en/tag/play", "/en/author/100002", "/en/search?q=activity"}).Draw(t, "path")
		body := get(h, path).Body.String()
		for range 8 {
			links := linksOf(t, facetLink, body)
			if len(links) == 0 {
				break
			}
			before, chosen := totalOf(t, body), len(linksOf(t, chosenLink, body))
			link := rapid.SampledFrom(links).Draw(t, "link")
			w := get(h, link.to)
			if w.Code == 302 {
				w = get(h, w.Header().Get("Location"))
			}
			if w.Code != 200 {
				t.Fatalf("%s answers %d", link.to, w.Code)
			}
			if strings.Contains(link.to, "after=") {
				t.Fatalf("%s begins in the middle", link.to)
			}
			next := w.Body.String()
			if got := totalOf(t, next); got != link.n || got > before || got == 0 || got == before && !strings.HasPrefix(link.name, "Sugar ") {
				t.Fatalf("%q on a list of %d promises %d and leads to %d", link.name, before, link.n, got)
			}
			back := linksOf(t, chosenLink, next)
			if len(back) == chosen+1 {
				i := slices.IndexFunc(back, func(c choiceLink) bool { return c.name == link.name })
				if i < 0 {
					t.Fatalf("%q was chosen, and the page says only %v", link.name, back)
				}
				if got := totalOf(t, get(h, back[i].to).Body.String()); got != before {
					t.Fatalf("without %q there are %d, not %d as before", link.name, got, before)
				}
			} else if !strings.Contains(link.to, "category=") {
				t.Fatalf("after %d choices and %q there are %d", chosen, link.name, len(back))
			}
			body = next
		}
	})
}

// What is listed is what was asked for, by what the activities themselves say.
func TestFacetsNarrow(t *testing.T) {
	list := mixed(120)
	h := newHandlerOn(t, newFeed(games(), list...))
	for query, has := range map[string]func(*remora.Activity) bool{
		"license=MIT":         func(a *remora.Activity) bool { return a.License == "MIT" },
		"license=none":        func(a *remora.Activity) bool { return a.License == "" && a.LicenseText == "" },
		"license=other":       func(a *remora.Activity) bool { return a.License == "" && a.LicenseText != "" },
		"interpreter=web":     func(a *remora.Activity) bool { return a.Versions[0].Interpreter == remora.InterpreterWeb },
		"network=offline":     func(a *remora.Activity) bool { return a.Network == remora.NetworkNone },
		"language=es":         func(a *remora.Activity) bool { return len(a.Name) > 1 },
		"size=1":              func(a *remora.Activity) bool { return a.Versions[0].Size == 1_000_000 },
		"size=5":              func(a *remora.Activity) bool { return a.Versions[0].Size == 1_000_001 },
		"size=more":           func(a *remora.Activity) bool { return a.Versions[0].Size > 20_000_000 },
		"sugar=0.98":          func(a *remora.Activity) bool { return a.Versions[0].Interpreter == remora.InterpreterPython2 },
		"size=20&license=MIT": func(a *remora.Activity) bool { return a.Versions[0].Size == 20_000_000 && a.License == "MIT" },
		"language=xx":         func(*remora.Activity) bool { return false },
		"license=%3Cb%3E":     func(*remora.Activity) bool { return false },
	} {
		t.Run(query, func(t *testing.T) {
			var want, got []string
			for i := range list {
				if has(&list[i]) {
					want = append(want, strconv.FormatInt(list[i].ID, 10))
				}
			}
			for path := "/en/browse?sort=name&" + query; path != ""; {
				body := mustGet(t, h, path)
				checkPage(t, body)
				if n := totalOf(t, body); n != len(want) {
					t.Fatalf("the page says %d, there are %d", n, len(want))
				}
				var ids []string
				ids, path = idsOf(body)
				got = append(got, ids...)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFacetNames(t *testing.T) {
	h := newHandlerWith(t, newFeed(games(), mixed(120)...), map[string]string{"es": spanish})
	body := mustGet(t, h, "/en/browse")
	wantText(t, body, ">Spanish<", ">Web technology<", ">Python 2<", ">Up to 1 MB<", ">1 MB to 5 MB<", ">5 MB to 20 MB<", ">More than 20 MB<",
		">Works without internet<", ">Needs the internet<", ">Sugar 0.122<", ">Another licence<", ">No licence stated<", ">Games<",
		`<nav class="facets" aria-labelledby="narrow">`, `href="#narrow"`)
	wantText(t, mustGet(t, h, "/es/browse"), ">español<", ">Juegos<")
	// Sizes and releases are in their own order, not in that of their counts.
	inOrder(t, body, ">Up to 1 MB<", ">1 MB to 5 MB<", ">5 MB to 20 MB<", ">More than 20 MB<")
	inOrder(t, body, ">Sugar 0.122<", ">Sugar 0.120<", ">Sugar 0.118<", "<summary>More</summary>", ">Sugar 0.82<")
	_, releases, _ := strings.Cut(body, `<h3 id="by-sugar">`)
	shown, _, _ := strings.Cut(releases, "<details>")
	if n := len(linksOf(t, facetLink, shown)); n != valuesShown {
		t.Errorf("%d releases are shown before the others are folded away", n)
	}
	// What every activity has narrows nothing.
	one := mustGet(t, newHandlerOn(t, newFeed(games(), numbered(1)...)), "/en/browse")
	checkPage(t, one)
	wantText(t, one, "1 activity<")
	wantNoText(t, one, "Narrow the list")
}

// The reader's own language comes first, then those that most have, by name where it is as many.
func TestFacetLanguages(t *testing.T) {
	list := numbered(4)
	for i, locales := range [][]string{{"en", "fr", "de", "ar"}, {"en", "fr", "de"}, {"en", "ja"}, {"en", "ja", "es", "it"}} {
		names := map[string]string{}
		for _, locale := range locales {
			names[locale] = "Maze"
		}
		list[i].Name = remora.NewText(names)
	}
	h := newHandlerWith(t, newFeed(games(), list...), map[string]string{"es": spanish})
	for path, want := range map[string]string{
		"/en/browse": "French 2, German 2, Japanese 2, Arabic 1, Italian 1, Spanish 1", // all are in English, so it narrows nothing
		"/es/browse": "español 1, alemán 2, francés 2, japonés 2, árabe 1, italiano 1",
	} {
		_, part, _ := strings.Cut(mustGet(t, h, path), `id="by-language"`)
		part, _, _ = strings.Cut(part, "</section>")
		var got []string
		for _, c := range linksOf(t, facetLink, part) {
			got = append(got, fmt.Sprint(c.name, " ", c.n))
		}
		if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func inOrder(t testing.TB, body string, texts ...string) {
	t.Helper()
	for i, rest := 0, body; i < len(texts); i++ {
		_, after, found := strings.Cut(rest, texts[i])
		if !found {
			t.Fatalf("%q is not behind %q", texts[i], texts[max(i-1, 0)])
		}
		rest = after
	}
}

// Where nothing is left, each choice can be taken back, and all of them.
func TestNothingIsAllOfThat(t *testing.T) {
	h := newHandlerOn(t, newFeed(games(), mixed(120)...))
	for _, path := range []string{"/en/category/games?interpreter=web&sugar=0.82&sort=name", "/en/search?q=activity&interpreter=web&sugar=0.82"} {
		body := mustGet(t, h, path)
		checkPage(t, body)
		wantText(t, body, "Nothing is all of that.", "Take all away", `content="noindex"`)
		back := linksOf(t, chosenLink, body)
		if len(back) != 2 {
			t.Fatalf("%s: %v can be taken back", path, back)
		}
		for _, c := range back {
			if ids, _ := idsOf(mustGet(t, h, c.to)); len(ids) == 0 {
				t.Errorf("%s: without %s there is still nothing", path, c.name)
			}
		}
	}
}

// Search engines keep lists by one word, and no others.
func TestWhichListsAreIndexed(t *testing.T) {
	h := newHandlerOn(t, newFeed(games(), mixed(120)...))
	_, next := idsOf(mustGet(t, h, "/en/browse"))
	for path, indexed := range map[string]bool{
		"/en/browse": true, "/en/browse?license=MIT": true, "/en/category/games": true, "/en/tag/learn": true, "/en/author/100001": true,
		"/en/tags": true, "/en/categories": true, "/en/collections": true,
		"/en/browse?license=MIT&size=1": false, next: false, "/en/browse?license=nobody": false, "/en/search?q=activity": false, "/en/collections?after=a": false,
	} {
		if got := !strings.Contains(mustGet(t, h, path), `<meta name="robots" content="noindex">`); got != indexed {
			t.Errorf("%s: for search engines %t, want %t", path, got, indexed)
		}
	}
}

// Lists of a catalog of real shape, which has names in eighty languages, come over a slow line.
func TestListWeights(t *testing.T) {
	h := newHandlerOf(t, 1000)
	css := len(h.assets["style.css"].body.Content())
	for _, path := range []string{"/en/", "/en/browse", "/en/category/games?license=MIT&sort=popular", "/en/search?q=ka", "/en/tags", "/en/categories"} {
		body := mustGet(t, h, path)
		checkPage(t, body)
		if n := len(body) + css; n > 60_000 {
			t.Errorf("%s and the style sheet have %d bytes", path, n)
		} else {
			t.Logf("%s: %d bytes, the style sheet %d", path, len(body), css)
		}
	}
}
