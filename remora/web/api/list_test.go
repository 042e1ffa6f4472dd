package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
)

// walk follows next from a path to the end of its list, and calls between for each page.
func walk(t *testing.T, h http.Handler, path string, between func()) (ids []int64) {
	t.Helper()
	for path != "" {
		w := send(h, http.MethodGet, path)
		page := get[activityList](t, h, path)
		for _, a := range page.Items {
			ids = append(ids, a.ID)
		}
		link := w.Header().Get("Link")
		if next := page.next(); next == "" {
			if link != "" {
				t.Errorf("%s is the last and links to %s", path, link)
			}
			path = ""
		} else {
			if link != "<"+next+`>; rel="next"` {
				t.Errorf("%s links to %s, next is %s", path, link, next)
			}
			path = strings.TrimPrefix(next, "http://example.com")
		}
		if len(ids) > 1000 {
			t.Fatalf("there is no end: %s", path)
		}
		between()
	}
	return ids
}

// TestPaging goes through lists in every order while activities come and go: what stays is seen once.
func TestPaging(t *testing.T) {
	for _, query := range []string{"", "sort=updated", "sort=newest", "sort=name", "sort=popular", "category=games", "lang=es&category=games", "q=org", "q=o&license=MIT"} {
		t.Run(query, func(t *testing.T) {
			f := newFeed()
			library := open(t, f)
			h, err := New(Config{Library: library})
			if err != nil {
				t.Fatal(err)
			}
			all := walk(t, h, "/api/v1/activities?limit=100&"+query, func() {})
			slices.Sort(all)
			if len(all) < 7 {
				t.Fatalf("there are %d, which is one page", len(all))
			}
			n := 0
			got := walk(t, h, "/api/v1/activities?limit=3&"+query, func() {
				fresh := catalogtest.Activity(1000 + n)
				f.Put(fresh)
				if n > 0 {
					f.Remove(catalogtest.FirstActivity + int64(999+n))
				}
				n++
				if err := library.Refresh(context.Background()); err != nil {
					t.Fatal(err)
				}
			})
			got = slices.DeleteFunc(got, func(id int64) bool { return id >= catalogtest.FirstActivity+1000 && id < mazeID })
			slices.Sort(got)
			if diff := cmp.Diff(all, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	h := newHandler(t)
	// How many of all there are, counted by hand on the catalog.
	list := []remora.Activity{maze(), hostile()}
	for a := range catalogtest.Activities(60) {
		list = append(list, a)
	}
	count := func(has func(a *remora.Activity) bool) (n int) {
		for i := range list {
			if list[i].Listed && has(&list[i]) {
				n++
			}
		}
		return n
	}
	newest := func(a *remora.Activity) *remora.Version { return a.Select(remora.Client{}) }
	for query, has := range map[string]func(a *remora.Activity) bool{
		"":                     func(*remora.Activity) bool { return true },
		"category=games":       func(a *remora.Activity) bool { return slices.Contains(a.Categories, "games") },
		"category=none":        func(*remora.Activity) bool { return false },
		"interpreter=web":      func(a *remora.Activity) bool { return newest(a).Interpreter == remora.InterpreterWeb },
		"interpreter=&size=":   func(*remora.Activity) bool { return true },
		"sugar=0.98":           func(a *remora.Activity) bool { return a.Select(remora.Client{Sugar: remora.MustNumber("0.98")}) != nil },
		"sugar=0.97":           func(a *remora.Activity) bool { return a.Select(remora.Client{Sugar: remora.MustNumber("0.98")}) != nil },
		"sugar=9.9":            func(a *remora.Activity) bool { return a.Select(remora.Client{Sugar: remora.NewestSugar}) != nil },
		"language=es-PE":       func(a *remora.Activity) bool { _, used := a.Name.In("es", ""); return used == "es" },
		"license=MIT":          func(a *remora.Activity) bool { return a.License == "MIT" },
		"license=none":         func(a *remora.Activity) bool { return a.License == "" && a.LicenseText == "" },
		"size=1":               func(a *remora.Activity) bool { return newest(a).Size <= 1_000_000 },
		"network=offline":      func(a *remora.Activity) bool { return a.Network == remora.NetworkNone },
		"network=needed":       func(a *remora.Activity) bool { return a.Network == remora.NetworkNeeded },
		"tag=MAZE":             func(a *remora.Activity) bool { return slices.Contains(a.Tags, "Maze") },
		"author=3":             func(a *remora.Activity) bool { return slices.Contains(a.Authors, remora.Author{ID: 3, Name: "Ana"}) },
		"sort=featured":        func(a *remora.Activity) bool { return a.FeaturedRank > 0 },
		"q=laberinto&lang=es":  func(a *remora.Activity) bool { return a.ID == mazeID },
		"q=laberinto&author=5": func(*remora.Activity) bool { return false },
	} {
		got := get[activityList](t, h, "/api/v1/activities?limit=100&"+query)
		if want := count(has); got.Total != want || len(got.Items) != want || got.Items == nil || got.Next != nil {
			t.Errorf("%q finds %d of %d, want %d; next %v", query, len(got.Items), got.Total, want, got.Next)
		}
	}
}

func TestOrder(t *testing.T) {
	h := newHandler(t)
	by := map[string]func(x, y summary) bool{
		"updated": func(x, y summary) bool { return *x.Updated >= *y.Updated },
		"newest":  func(x, y summary) bool { return *x.Created >= *y.Created },
		"popular": func(x, y summary) bool { return x.Downloads >= y.Downloads },
		"name":    func(x, y summary) bool { return strings.ToLower(x.Name) <= strings.ToLower(y.Name) },
	}
	for sort, before := range by {
		got := get[activityList](t, h, "/api/v1/activities?limit=100&sort="+sort).Items
		got = slices.DeleteFunc(got, func(s summary) bool { return s.ID == 900_002 }) // its name is not one
		for i := 1; i < len(got); i++ {
			if !before(got[i-1], got[i]) {
				t.Errorf("by %s, %+v is before %+v", sort, got[i-1], got[i])
			}
		}
	}
}

func TestFacets(t *testing.T) {
	h := newHandler(t)
	if got := get[activityList](t, h, "/api/v1/activities?limit=1"); got.Facets != nil {
		t.Error("facets come unasked")
	}
	got := get[activityList](t, h, "/api/v1/activities?limit=1&facets=1&interpreter=web")
	for facet, list := range got.Facets {
		for _, v := range list {
			query := url.Values{"limit": {"1"}, "interpreter": {"web"}}
			query.Set(facet, v.Value) // of its own facet another value is not narrowed by the one chosen
			if facet == "category" && v.Value == clean(evil) {
				continue // the real value is no UTF-8 and cannot be asked for
			}
			if n := get[activityList](t, h, "/api/v1/activities?"+query.Encode()).Total; n != v.Count {
				t.Errorf("%s=%q is said to be had by %d and is by %d", facet, v.Value, v.Count, n)
			}
		}
	}
	if len(got.Facets) != 7 || len(got.Facets["interpreter"]) < 3 || len(got.Facets["license"]) == 0 {
		t.Errorf("the facets are %v", got.Facets)
	}
}

func TestCorrected(t *testing.T) {
	h := newHandler(t)
	got := get[activityList](t, h, "/api/v1/activities?q=laberimto")
	if got.Corrected == nil || *got.Corrected != "laberinto" || got.Total != 1 {
		t.Errorf("laberimto is corrected to %v and finds %d", got.Corrected, got.Total)
	}
}

// TestAllWrong wants everything that is wrong with a query to be said at once.
func TestAllWrong(t *testing.T) {
	p := problemAt(t, newHandler(t), "/api/v1/activities?limit=0&sort=size&lagn=es&sugar=x&facets=2&tag=a&tag=b&q=%ff&after=&interpreter=perl")
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Parameter)
		if e.Detail == "" {
			t.Errorf("of %s nothing is said", e.Parameter)
		}
	}
	if diff := cmp.Diff([]string{"facets", "interpreter", "lagn", "limit", "q", "sort", "sugar", "tag"}, got); diff != "" || p.Code != "query" {
		t.Errorf("%s: %s", p.Code, diff)
	}
	p = problemAt(t, newHandler(t), "/api/v1/activities?q=a&sort=name")
	if len(p.Errors) != 1 || p.Errors[0].Parameter != "sort" {
		t.Errorf("q with sort: %+v", p)
	}
	place := get[activityList](t, newHandler(t), "/api/v1/activities?limit=1&sort=name").next()
	_, place, _ = strings.Cut(place, "after=")
	place, _, _ = strings.Cut(place, "&")
	p = problemAt(t, newHandler(t), "/api/v1/activities?sort=popular&after="+place)
	if len(p.Errors) != 1 || p.Errors[0].Parameter != "after" {
		t.Errorf("a place of another order: %+v", p)
	}
}

func TestGroups(t *testing.T) {
	h := newHandler(t)
	categories := get[whole[category]](t, h, "/api/v1/categories").Items
	if len(categories) != len(catalogtest.Categories()) {
		t.Errorf("there are %d categories", len(categories))
	}
	for _, c := range categories {
		path := strings.TrimPrefix(c.URL, "http://example.com")
		if n := get[activityList](t, h, path).Total; n != c.Count || c.Names["en"] == "" {
			t.Errorf("%s has %d activities and says %d", path, n, c.Count)
		}
	}
	tags := get[whole[tag]](t, h, "/api/v1/tags?limit=200").Items
	if !slices.IsSortedFunc(tags, func(x, y tag) int { return y.Count - x.Count }) || !slices.ContainsFunc(tags, func(t tag) bool { return t.Tag == "Maze" && t.Count == 1 }) {
		t.Errorf("the tags are %v", tags)
	}
	if n := len(get[whole[tag]](t, h, "/api/v1/tags?limit=2").Items); n != 2 {
		t.Errorf("of two tags there are %d", n)
	}
	ana := get[authorPage](t, h, "/api/v1/authors/3")
	if ana.Name != "Ana" || ana.Count != 1 || get[activityList](t, h, strings.TrimPrefix(ana.Activities, "http://example.com")).Items[0].ID != mazeID {
		t.Errorf("the author is %+v", ana)
	}
}

func TestCollections(t *testing.T) {
	h := newHandler(t)
	first := get[list[group]](t, h, "/api/v1/collections?limit=1")
	if first.Total != 2 || len(first.Items) != 1 || first.Items[0].Nickname != "first-grade" || first.Items[0].Count != 2 || first.Next == nil {
		t.Fatalf("the first page is %+v", first)
	}
	if got := first.Items[0].UpdateGroup; got != "http://example.com/services/micro-format.php?collection_nickname=first-grade" {
		t.Errorf("laptops are set to %s", got)
	}
	second := get[list[group]](t, h, strings.TrimPrefix(first.next(), "http://example.com"))
	if len(second.Items) != 1 || second.Items[0].Nickname != clean("second "+evil) || second.Next != nil {
		t.Errorf("the second page is %+v", second)
	}
	for _, ref := range []string{"first-grade", "8c1a"} {
		g := get[groupPage](t, h, "/api/v1/collections/"+ref+"?lang=es")
		if len(g.Items) != 2 || g.Items[0].ID != mazeID || *g.Items[0].Pin != "41" || !g.Items[0].Optional || g.Items[1].Pin != nil || g.Items[1].Optional {
			t.Errorf("%s has %+v", ref, g.Items)
		}
		if diff := cmp.Diff(text{"es": "Primer grado"}, g.Names); diff != "" || g.Items[0].Name != "Laberinto" {
			t.Error(diff, g.Items[0].Name)
		}
	}
	if g := get[groupPage](t, h, "/api/v1/collections/hidden"); len(g.Items) != 0 || g.Items == nil {
		t.Errorf("a collection of nothing has %v", g.Items)
	}
}

func TestSuggest(t *testing.T) {
	h := newHandler(t)
	for q, want := range map[string]int64{"zigz": mazeID, "laberi": mazeID, "": 0, "encuentra": 0} { // a word of its summary is no name
		got := get[whole[suggestion]](t, h, "/api/v1/suggest?lang=es&limit=5&q="+q).Items
		switch {
		case got == nil || want == 0 && len(got) > 0:
			t.Errorf("%q suggests %v", q, got)
		case want != 0 && (len(got) == 0 || got[0].ID != want || got[0].Name != "Laberinto" || !strings.HasSuffix(got[0].Page, "/es/activity/"+strconv.FormatInt(want, 10))):
			t.Errorf("%q suggests %v", q, got)
		}
	}
}
