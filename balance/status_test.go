package balance

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStatusHandler(t *testing.T) {
	b := mustNew(t, []Backend{{Name: "a", URL: "http://192.0.2.1:8000", Weight: 3, MaxInFlight: 7}, {Name: "b", Handler: says("b")}}, nil)
	b.pool.Load().find("a").state.turn(down, "<script>\nalert")
	if err := b.Drain(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, accept, kind string
		want                 []string
	}{
		{"GET", "", "text/plain", []string{"None of 2 backends is well", "b is draining", "BACKEND", "a        unhealthy", "7      3", "http://192.0.2.1:8000", "<script> alert\n", "this process", "requests 0, "}},
		{"GET", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html", []string{`class="unhealthy">unhealthy</td>`, "&lt;script&gt;", `class="n">7</td>`, "this process"}},
		{"GET", "application/json", "application/json", []string{`"name":"a","url":"http://192.0.2.1:8000","weight":3,"max_in_flight":7,"in_flight":0,"draining":false,"state":"unhealthy"`, `"health":"unhealthy"`, `"fail_open":0`}},
		{"HEAD", "application/json", "application/json", nil},
	} {
		r := httptest.NewRequest(tt.method, "/", nil)
		r.Header.Set("Accept", tt.accept)
		w := httptest.NewRecorder()
		b.StatusHandler().ServeHTTP(w, r)
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != tt.kind+"; charset=utf-8" || h.Get("Vary") != "Accept" ||
			h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s %s: %d %v", tt.method, tt.accept, w.Code, h)
		}
		for _, part := range tt.want {
			if !strings.Contains(w.Body.String(), part) {
				t.Errorf("%s: %q is not in\n%s", tt.accept, part, w.Body)
			}
		}
		if tt.want == nil && w.Body.Len() > 0 {
			t.Errorf("HEAD has a body: %s", w.Body)
		}
		if strings.Contains(w.Body.String(), "<script>") && tt.kind == "text/html" {
			t.Error("a reason is not escaped")
		}
		if tt.kind == "application/json" && tt.want != nil {
			var page struct {
				Backends []Status
				Stats    Stats
			}
			if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || len(page.Backends) != 2 || !page.Backends[1].Draining {
				t.Errorf("%v: %+v", err, page)
			}
		}
	}
	w := httptest.NewRecorder()
	b.StatusHandler().ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

// TestStatusSummary: the first sentence says how things are.
func TestStatusSummary(t *testing.T) {
	now := time.Now()
	a := Status{Name: "a", State: "healthy"}
	b := Status{Name: "b", State: "ejected", Until: now.Add(12 * time.Second), Reason: "5 failures in a row, the last: EOF"}
	c := Status{Name: "c", State: "on trial", Until: now.Add(-time.Second)}
	for _, tt := range []struct {
		list  []Status
		queue QueueStats
		want  string
	}{
		{nil, QueueStats{}, "There are no backends: every request is refused."},
		{[]Status{a}, QueueStats{}, "The backend serves."},
		{[]Status{a, b, c}, QueueStats{}, "1 of 3 backends serve. b is ejected for another 12s: 5 failures in a row, the last: EOF. c is on trial."},
		{[]Status{b}, QueueStats{Waiting: 3, Age: 1234 * time.Millisecond}, "The only backend is not well. Unless it is draining it is used all the same. b is ejected for another 12s: 5 failures in a row, the last: EOF. 3 requests wait for a backend, the next of them since 1.2s."},
	} {
		p := statusPage{Backends: tt.list, Stats: Stats{Queue: tt.queue}, now: now}
		if diff := cmp.Diff(tt.want, p.summary()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestPreferred(t *testing.T) {
	for accept, want := range map[string]string{
		"":                                 "text/plain",
		"*/*":                              "text/plain",
		"text/*":                           "text/plain",
		"text/html":                        "text/html",
		"TEXT/HTML; q=1":                   "text/html",
		"application/*":                    "application/json",
		"image/png":                        "text/plain",
		"text/html;q=0.5, */*;q=0.8":       "text/plain",
		"text/html, application/json;q=.9": "text/html",
		"text/html;q=0, text/plain;q=0, application/json;q=0.1": "application/json",
		"text/html;q=NaN":   "text/html", // not understood: not said
		";;;,,q=1,/":        "text/plain",
		"application/json;": "application/json",
	} {
		if got := preferred([]string{accept}, "text/plain", "text/html", "application/json"); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}

func FuzzPreferred(f *testing.F) {
	for _, s := range []string{"", "*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "a;q=;q=2,,;", "application/json;q=-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		types := []string{"text/plain", "text/html", "application/json"}
		got := preferred([]string{accept}, types...)
		if got != types[0] && got != types[1] && got != types[2] {
			t.Fatalf("%q gives %q", accept, got)
		}
		if group, _, _ := strings.Cut(got, "/"); got != types[0] && !strings.Contains(strings.ToLower(accept), group) && !strings.Contains(accept, "*") {
			t.Fatalf("%q gives %s, which it does not ask for", accept, got)
		}
	})
}

// FuzzBackend: whatever is accepted can be sent requests to, and no password is ever repeated.
func FuzzBackend(f *testing.F) {
	for _, s := range []string{"http://192.0.2.1:8000", "https://[::1]/", "http://u:p@h", "//h", "http://h/p?q#f", "http://%41", "http://a b"} {
		f.Add("a", s)
	}
	f.Fuzz(func(t *testing.T, name, address string) {
		p, err := newPool([]Backend{{Name: name, URL: address}}, &pool{}, env{queue: newQueue(QueueOptions{})})
		if err != nil {
			return
		}
		e := p.members[0]
		if e.url.Hostname() == "" || e.url.User != nil || e.url.Scheme != "http" && e.url.Scheme != "https" || strings.ContainsAny(e.url.Host, "/?#@ \r\n") {
			t.Fatalf("%q was accepted as %#v", address, e.url)
		}
		if e.Weight != 1 || strings.ContainsAny(e.Name, " \n<>&\"") {
			t.Fatalf("%q %+v", name, e)
		}
	})
}

// TestStatusRefresh: the page asks anew only when told to, has no script, and loads nothing.
func TestStatusRefresh(t *testing.T) {
	b := mustNew(t, []Backend{{Name: "a", Handler: says("")}}, &Options{Operations: OperationsOptions{
		Extra: func() []Extra { return []Extra{{"Cache", "7 <hits>"}} },
	}})
	for query, want := range map[string]bool{"": false, "?refresh=5": true, "?refresh=0": false, "?refresh=-1": false, "?refresh=99999": false, "?refresh=5%22": false} {
		r := httptest.NewRequest("GET", "/"+query, nil)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		b.StatusHandler().ServeHTTP(w, r)
		page := w.Body.String()
		if strings.Contains(page, `<meta http-equiv="refresh" content="5">`) != want {
			t.Errorf("%s: refresh is not %v", query, want)
		}
		if !strings.Contains(page, "7 &lt;hits&gt;") || strings.Contains(page, "<script") || strings.Contains(page, "src=") {
			t.Errorf("%s: %s", query, page)
		}
	}
}
