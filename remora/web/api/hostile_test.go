package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestHostileTexts reads everything that shows texts of a bundle made to harm: valid JSON comes out
// that is harmless where somebody puts it into a page as it is.
func TestHostileTexts(t *testing.T) {
	h := newHandler(t)
	for _, path := range []string{
		"/api/v1/activities?limit=100&facets=1", "/api/v1/activities?author=5", "/api/v1/activities/900002", "/api/v1/activities/900002?lang=es&sugar=0.120", "/api/v1/activities/900002/versions",
		"/api/v1/versions/9100000", "/api/v1/authors/5", "/api/v1/tags?limit=200", "/api/v1/collections", "/api/v1/collections/8c1c", "/api/v1/suggest?q=onerror",
		"/api/v1/activities?%3Cscript%3E=1", "/api/v1/activities?sort=%3Cscript%3E%E2%80%A8", "/api/v1/activities/%3Cscript%3E",
	} {
		w := send(h, http.MethodGet, path)
		body := w.Body.String()
		if !utf8.ValidString(body) || !json.Valid(w.Body.Bytes()) || strings.ContainsAny(body, "<>&\u2028\u2029\x00\x07") || strings.Contains(body, `\u0000`) || strings.Contains(body, "javascript:") {
			t.Errorf("%s: %q", path, body)
		}
		if link := w.Header().Get("Link"); strings.ContainsAny(strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`), "<> \x00\r\n") {
			t.Errorf("%s links to %q", path, link)
		}
	}
	got := get[activity](t, h, "/api/v1/activities/900002")
	if want := clean(evil); got.Name != want || got.Tags[0] != want || got.Authors[0].Name != want || len(got.Descriptions["en"]) != 200*len(want) {
		t.Errorf("a text came out as %q", got.Name)
	}
	if got.Homepage != nil || len(got.Screenshots) != 0 || *got.Repository != "https://example.org/%3Cb%3E?a&\u2028" {
		t.Errorf("leads to %v and %v, shows %v", got.Homepage, got.Repository, got.Screenshots)
	}
}

// FuzzAsk reads queries. What is taken keeps within its bounds, and what is refused says why.
func FuzzAsk(f *testing.F) {
	for _, s := range []string{"", "q=maze&limit=20&lang=es", "after=AAKkoIAB&sort=name", "sugar=0.113&experimental=1", "q=%ff", "lang=sr@latin", "a;b", "limit=0&limit=1", "author=03&size=2&network=x", "language=pt_BR&interpreter=web&facets=1"} {
		for i := range routes {
			f.Add(s, i)
		}
	}
	f.Fuzz(func(t *testing.T, raw string, n int) {
		r := &routes[uint(n)%uint(len(routes))]
		a, p := ask(raw, r)
		if p != nil {
			if p.Status != http.StatusBadRequest || p.Code != "query" || p.Detail == "" {
				t.Fatalf("%q is refused with %+v", raw, p)
			}
			for _, e := range p.Errors {
				if e.Detail == "" || !utf8.ValidString(e.Parameter) || !utf8.ValidString(e.Detail) || len(e.Detail) > 1000 {
					t.Fatalf("%q is refused with %+v", raw, e)
				}
			}
			return
		}
		if a.limit < 1 || a.limit > max(r.most, defaultLimit) || a.lang == "" || a.lang == "und" || utf8.RuneCountInString(a.text) > maxText || !utf8.ValidString(a.text) {
			t.Fatalf("%q is taken as %+v", raw, a)
		}
		for _, v := range a.filter {
			if !utf8.ValidString(v) || utf8.RuneCountInString(v) > maxText {
				t.Fatalf("%q narrows by %q", raw, v)
			}
		}
	})
}

// FuzzPath asks for any address: whatever it is, the answer is JSON.
func FuzzPath(f *testing.F) {
	for _, r := range routes {
		f.Add(r.path, "q=a")
	}
	f.Add("activities/%2e%2e/versions", "limit=1")
	f.Add("activities//versions", "")
	f.Add("collections/%", "after=%00")
	h := newHandler(f)
	f.Fuzz(func(t *testing.T, path, query string) {
		r, err := http.NewRequest(http.MethodGet, "http://example.com"+Prefix+path+"?"+query, nil)
		if err != nil {
			return // no server gets it
		}
		w := sendRequest(h, r)
		if !json.Valid(w.Body.Bytes()) || w.Code >= 500 || w.Code < 200 {
			t.Fatalf("%q?%q answers %d %q", path, query, w.Code, w.Body)
		}
	})
}
