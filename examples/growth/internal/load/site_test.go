package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/xo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "let-me-in"

// A siteVersion is a version in a fakeSite.
type siteVersion struct {
	number, name string
	body         []byte
	sum          remora.Digest
}

type siteActivity struct {
	id       int64
	bundleID string
	name     string
	versions []siteVersion
}

// newest returns the highest version.
func (a siteActivity) newest() siteVersion {
	return slices.MaxFunc(a.versions, func(x, y siteVersion) int {
		return remora.MustNumber(x.number).Compare(remora.MustNumber(y.number))
	})
}

// A fakeSite answers as a library does, from memory, unless a trick says otherwise.
type fakeSite struct {
	mu     sync.Mutex
	list   []siteActivity
	frozen []siteActivity // what readers see; nil: list
	seq    int64
	trick  atomic.Pointer[trick]
}

// A trick answers in place of the site, or returns false.
type trick func(s *fakeSite, w http.ResponseWriter, r *http.Request) bool

func (s *fakeSite) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = slices.Clone(s.list)
	for i := range s.frozen {
		s.frozen[i].versions = slices.Clone(s.frozen[i].versions)
	}
}

func (s *fakeSite) shown() []siteActivity {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen != nil {
		return s.frozen
	}
	out := slices.Clone(s.list)
	return out
}

func (s *fakeSite) byID(id string) (siteActivity, bool) {
	for _, a := range s.shown() {
		if strconv.FormatInt(a.id, 10) == id {
			return a, true
		}
	}
	return siteActivity{}, false
}

func (s *fakeSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if t := s.trick.Load(); t != nil && (*t)(s, w, r) {
		return
	}
	s.serve(w, r)
}

func sitePage(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!DOCTYPE html>\n<html><body>%s</body></html>\n", body)
}

func (s *fakeSite) serve(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/internal/import":
		s.take(w, r)
	case r.URL.Path == "/" || r.URL.Path == "/en/" || r.URL.Path == "/en/browse" || r.URL.Path == "/en/search":
		body := ""
		for _, a := range s.shown() {
			if q := r.FormValue("q"); q == "" || strings.EqualFold(q, a.name) {
				body += fmt.Sprintf(`<a href="/en/activity/%d">x</a>`, a.id)
			}
		}
		sitePage(w, body)
	case strings.HasPrefix(r.URL.Path, "/en/activity/"):
		a, ok := s.byID(parts[2])
		if !ok {
			http.NotFound(w, r)
			return
		}
		list := []siteVersion{a.newest()}
		if len(parts) == 4 {
			list = a.versions
		}
		body := "<code>" + a.bundleID + "</code>"
		for _, v := range list {
			body += fmt.Sprintf(`<a href="/b/%s/%s">x</a>`, v.sum, v.name)
		}
		sitePage(w, body)
	case r.URL.Path == "/services/update-aslo.php":
		for _, a := range s.shown() {
			if a.bundleID == r.FormValue("id") {
				document(w, r, a)
				return
			}
		}
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprint(w, rdfHead+"</RDF:RDF>\n")
	case r.URL.Path == "/api/v1/updates":
		var q struct{ Installed map[string]string }
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		updates := map[string]any{}
		for _, a := range s.shown() {
			if _, ok := q.Installed[a.bundleID]; ok {
				v := a.newest()
				updates[a.bundleID] = map[string]any{"version": v.number, "url": link(r, a, v), "size": len(v.body), "sha256": v.sum}
			}
		}
		reply(w, map[string]any{"seq": 1, "etag": "x", "updates": updates})
	case parts[0] == "activities" && len(parts) == 3:
		if a, ok := s.byID(parts[1]); ok {
			for _, v := range a.versions {
				if v.name == parts[2] {
					w.Header().Set("Content-Type", "application/vnd.olpc-sugar")
					http.ServeContent(w, r, v.name, time.Time{}, bytes.NewReader(v.body))
					return
				}
			}
		}
		http.NotFound(w, r)
	default:
		http.NotFound(w, r)
	}
}

const rdfHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<RDF:RDF xmlns:RDF="` + rdfSpace + `" xmlns:em="` + emSpace + `">` + "\n"

func link(r *http.Request, a siteActivity, v siteVersion) string {
	return fmt.Sprintf("http://%s/activities/%d/%s", r.Host, a.id, v.name)
}

func document(w http.ResponseWriter, r *http.Request, a siteActivity) {
	v := a.newest()
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, rdfHead+`<RDF:Description about="urn:mozilla:extension:%[1]s"><em:updates><RDF:Seq><RDF:li resource="urn:mozilla:extension:%[1]s:%[2]s"/></RDF:Seq></em:updates></RDF:Description>
<RDF:Description about="urn:mozilla:extension:%[1]s:%[2]s"><em:version>%[2]s</em:version><em:targetApplication><RDF:Description><em:id>%[3]s</em:id>
<em:minVersion>0.82</em:minVersion><em:maxVersion>0.120</em:maxVersion><em:updateLink>%[4]s</em:updateLink><em:updateSize>%[5]d</em:updateSize><em:updateHash>sha256:%[6]s</em:updateHash>
</RDF:Description></em:targetApplication></RDF:Description></RDF:RDF>
`, a.bundleID, v.number, sugarApp, link(r, a, v), (len(v.body)+1023)/1024, v.sum)
}

func reply(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(b); err != nil {
		return // the client has gone
	}
}

// take imports a bundle.
func (s *fakeSite) take(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+secret {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	b, err := xo.Read(context.Background(), bytes.NewReader(body), int64(len(body)), nil)
	if err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.list, func(a siteActivity) bool { return a.bundleID == b.Manifest.BundleID })
	if at < 0 {
		at = len(s.list)
		name := b.Manifest.BundleID[strings.LastIndex(b.Manifest.BundleID, ".")+1:]
		s.list = append(s.list, siteActivity{id: int64(100001 + at), bundleID: b.Manifest.BundleID, name: name})
	}
	a := &s.list[at]
	v := siteVersion{b.Manifest.Number.String(), strings.ToLower(a.name) + "-" + b.Manifest.Number.String() + ".xo", body, b.SHA256}
	existing := slices.ContainsFunc(a.versions, func(x siteVersion) bool { return x.sum == v.sum })
	if !existing {
		s.seq++
		a.versions = append(slices.Clip(a.versions), v)
	}
	http.SetCookie(w, &http.Cookie{Name: tokenName, Value: "e." + strconv.FormatInt(s.seq, 10), MaxAge: 600})
	reply(w, map[string]any{"activity_id": a.id, "version_id": s.seq, "filename": v.name, "sha256": v.sum, "existing": existing, "seq": s.seq, "epoch": "e"})
}

var allRates = Rates{Page: 60, Search: 60, Update: 60, Batch: 40, Download: 60, Import: 20}

// running starts a load against site and returns it when it has begun.
func running(t *testing.T, site http.Handler, change func(*Config)) (l *Load, stop func()) {
	t.Helper()
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	c := Config{Target: server.URL, Rates: allRates, ImportToken: secret, Seed: 7, Seeds: 3}
	if change != nil {
		change(&c)
	}
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-l.Ready():
	case err := <-done:
		done <- err
		t.Fatalf("the load did not begin: %v", err)
	}
	return l, stop
}

// until polls the report until it is as wanted.
func until(t *testing.T, l *Load, what string, ok func(Report) bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok(l.Report()) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s\n%s", what, l.Report())
		}
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}

func checkSums(t *testing.T, r Report, ended bool) {
	t.Helper()
	for _, s := range r.Steps {
		for _, c := range s.Kinds {
			if c.InFlight < 0 || ended && c.InFlight != 0 {
				t.Errorf("step %s, %v: %d in flight of %+v", s.Name, c.Kind, c.InFlight, c)
			}
		}
	}
}
