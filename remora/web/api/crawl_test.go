package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
	"github.com/sugarlabs/beamrider/remora/sugar"
)

// names are what stands for {name} in the addresses of a crawl: what there is, and what there is not.
var names = map[string][]string{
	"{ref}":      {strconv.Itoa(mazeID), "org.example.Maze", "ORG.EXAMPLE.MAZE", "900002", evil, "900003", "900004", "100001", "0", "-1", "077", "99999999999999999999", strings.Repeat("a", 300), "a/b", "..", "%"},
	"{id}":       {strconv.Itoa(mazeV), strconv.Itoa(mazeV + 2), strconv.Itoa(mazeV + 3), strconv.Itoa(mazeV + 4), "3", "5", "77", "9100000", "9300000", "0", "x", evil, " 3"},
	"{nickname}": {"first-grade", "8c1a", "hidden", "second " + evil, "none", "", ".."},
}

// values are what parameters of a crawl are given besides what the document has for them.
var values = map[string][]string{
	"q":            {"maze", "laberinto", "mazee", "org.example", "the", "\"zigzag maze\"", evil, "  ", strings.Repeat("é", 200), strings.Repeat("é", 201)},
	"category":     {"games", "none", evil},
	"interpreter":  {"perl", "", evil},
	"sugar":        {"0.82", "0.98", "0.113", "0.114", "9.9", "1", "0.120.3.peru", "x", "", "0.-1", "99999.1"},
	"language":     {"es", "es-PE", "pt_BR.UTF-8", "xx", "e", evil},
	"license":      {"none", "other", "MIT", evil},
	"size":         {"2", ""},
	"network":      {"unknown", "1"},
	"tag":          {"MAZE", "play", evil},
	"author":       {"3", "5", "77", "0", "-3", "03", "x"},
	"sort":         {"size", "Name", ""},
	"limit":        {"1", "0", "-1", "101", "201", "1e1", "01", "99999999999999999999", ""},
	"after":        {"AAAA", "first-grade", "%", "é", strings.Repeat("A", 3000), evil},
	"lang":         {"es", "pt-BR", "sr@latin", "ar", "xx", "und", "e", strings.Repeat("a", 40), evil},
	"facets":       {"0", "2", "true", ""},
	"experimental": {"0", "2"},
	"unknown":      {"1"},
}

// queries returns the queries of a crawl for an address that takes these parameters: one at a time
// with each value, and some together.
func queries(o operation, d *document) []string {
	list := []string{"", "?", "q", "&&", "a;b", "%", "limit=1&limit=2", "lang=%ff", "%ff=1", "UNKNOWN=%00", "unknown=1&limit=0&sugar=x&lang=e&facets=y", strings.Repeat("x", maxQuery+1)}
	add := func(name, value string) { list = append(list, url.Values{name: {value}}.Encode()) }
	for name, each := range values {
		for _, v := range each {
			add(name, v)
		}
	}
	for _, p := range d.parameters(o, "query") {
		for _, v := range p.Schema.Enum {
			add(p.Name, v)
		}
		if p.Example != nil {
			add(p.Name, fmt.Sprint(p.Example))
		}
	}
	slices.Sort(list)
	return append(list, "q=maze&facets=1&limit=1&lang=es", "facets=1&category=games&sugar=0.120&network=offline", "q=maze&sort=name", "q=&sort=name", "sugar=0.98&experimental=1&lang=es")
}

// TestAnswersAreDocumented asks every address for everything it takes, and much that it does not,
// and holds every answer against the document.
func TestAnswersAreDocumented(t *testing.T) {
	d, h := readDocument(t), newHandler(t)
	statuses := map[int]int{}
	ask := func(path, asked string, headers ...string) *httptest.ResponseRecorder {
		w := send(h, http.MethodGet, asked, headers...)
		statuses[w.Code]++
		d.check(path, "get", asked, w)
		return w
	}
	for _, r := range routes {
		path := Prefix + r.path
		var addresses []string
		for name, each := range names {
			for _, v := range each {
				if strings.Contains(path, name) {
					addresses = append(addresses, strings.Replace(path, name, url.PathEscape(v), 1))
				}
			}
		}
		if len(addresses) == 0 {
			addresses = []string{path}
		}
		slices.Sort(addresses)
		for _, address := range addresses {
			if strings.HasSuffix(address, "/") {
				continue // is another address, of which the document does not know
			}
			for _, q := range queries(d.Paths[path]["get"], d) {
				w := ask(path, address+"?"+q)
				if tag := w.Header().Get("ETag"); tag != "" {
					if again := ask(path, address+"?"+q, "If-None-Match", tag); again.Code != http.StatusNotModified {
						t.Fatalf("%s?%s has the tag %s and answers %d to it", address, q, tag, again.Code)
					}
				}
			}
		}
	}
	for _, code := range []int{200, 304, 400, 404} {
		if statuses[code] < 100 {
			t.Errorf("%d answers were %d: the crawl is not what it was", statuses[code], code)
		}
	}
	t.Log(statuses)
}

// TestParametersAreTaken asks for every documented value alone: none may be refused, and what is no
// parameter of an address must be.
func TestParametersAreTaken(t *testing.T) {
	d, h := readDocument(t), newHandler(t)
	known := map[string]string{"{ref}": "org.example.Maze", "{id}": "3", "{nickname}": "first-grade"}
	for _, r := range routes {
		path := Prefix + r.path
		address := path
		for name, value := range known {
			address = strings.Replace(address, name, value, 1)
		}
		if r.path == "versions/{id}" {
			address = Prefix + "versions/" + strconv.Itoa(mazeV)
		}
		var taken []string
		for _, p := range d.parameters(d.Paths[path]["get"], "query") {
			taken = append(taken, p.Name)
			var list []string
			list = append(list, p.Schema.Enum...)
			if p.Example != nil {
				list = append(list, fmt.Sprint(p.Example))
			}
			for _, bound := range []*int{p.Schema.Minimum, p.Schema.Maximum} {
				if bound != nil {
					list = append(list, strconv.Itoa(*bound))
				}
			}
			if len(list) == 0 && p.Name != "after" {
				t.Errorf("%s of %s has no example", p.Name, path)
			}
			for _, v := range list {
				if w := send(h, http.MethodGet, address+"?"+url.Values{p.Name: {v}}.Encode()); w.Code != http.StatusOK {
					t.Errorf("%s refuses %s=%s: %d %s", path, p.Name, v, w.Code, w.Body)
				}
			}
			if p.Schema.Maximum != nil {
				problemAt(t, h, address+"?"+p.Name+"="+strconv.Itoa(*p.Schema.Maximum+1))
			}
		}
		for name := range values {
			if slices.Contains(taken, name) {
				continue
			}
			p := problemAt(t, h, address+"?"+name+"=1")
			if p.Status != http.StatusBadRequest || len(p.Errors) != 1 || p.Errors[0].Parameter != name {
				t.Errorf("%s?%s=1 is the problem %+v", address, name, p)
			}
		}
	}
}

// TestNotReadyIsDocumented asks a library that has read nothing yet.
func TestNotReadyIsDocumented(t *testing.T) {
	d := readDocument(t)
	library, err := live.New(newFeed(), nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Library: library})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		if r.answer == nil {
			continue // the document is there from the beginning
		}
		address := Prefix + strings.NewReplacer("{", "", "}", "").Replace(r.path)
		w := send(h, http.MethodGet, address)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s answers %d, to be kept %q", address, w.Code, w.Header().Get("Cache-Control"))
		}
		d.check(Prefix+r.path, "get", address, w)
	}
	if w := send(h, http.MethodGet, "/api/v1/openapi.json"); w.Code != http.StatusOK {
		t.Errorf("the document answers %d", w.Code)
	}
}

// noFiles is where nothing is kept.
type noFiles struct{ remora.Files }

// TestLaptopAddressesAreDocumented holds the two addresses of another package against the document.
func TestLaptopAddressesAreDocumented(t *testing.T) {
	d := readDocument(t)
	address, err := site.New(site.Config{})
	if err != nil {
		t.Fatal(err)
	}
	start := func(f remora.Feed, ready bool) http.Handler {
		library, err := live.New(f, nil)
		if ready {
			library = open(t, f)
		}
		h, err2 := sugar.New(sugar.Config{Library: library, Files: noFiles{}, Site: address})
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		return h
	}
	feed := catalogtest.NewFeed(catalogtest.Activities(60))
	feed.Put(maze())
	h, early := start(feed, true), start(feed, false)
	const catalog, updates = "/api/v1/activities.json", "/api/v1/updates"
	w := send(h, http.MethodGet, catalog)
	d.check(catalog, "get", catalog, w)
	d.check(catalog, "get", catalog, send(h, http.MethodGet, catalog, "If-None-Match", w.Header().Get("ETag")))
	d.check(catalog, "get", catalog, send(early, http.MethodGet, catalog))
	if w.Code != http.StatusOK {
		t.Errorf("the catalog answers %d", w.Code)
	}
	post := func(h http.Handler, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, updates, strings.NewReader(body)))
		d.check(updates, "post", body[:min(len(body), 100)], w)
		return w
	}
	var many strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&many, `,"a%d":"1"`, i)
	}
	for body, want := range map[string]int{
		`{"sugar":"0.120","installed":{"org.example.Maze":"41"}}`:              200,
		`{"sugar":"","experimental":true,"installed":{"org.example.Maze":""}}`: 200,
		`{}`: 200, `[]`: 400, `{"sugar":"x"}`: 400, `{"installed":{` + many.String()[1:] + `}}`: 413, `"` + strings.Repeat("a", 70000) + `"`: 413,
	} {
		w := post(h, body)
		if w.Code != want {
			t.Errorf("%.60s answers %d, want %d: %s", body, w.Code, want, w.Body)
		}
	}
	w = post(h, `{"installed":{"org.example.Maze":"41"}}`)
	if tag := strings.Trim(w.Header().Get("ETag"), `"`); post(h, `{"installed":{"org.example.Maze":"41"},"known":"`+tag+`"}`).Code != http.StatusNoContent {
		t.Error("what is known is sent again")
	}
	if post(early, `{}`).Code != http.StatusServiceUnavailable {
		t.Error("a library that has read nothing answers")
	}
}
