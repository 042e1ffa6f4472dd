package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestGoodSite(t *testing.T) {
	l, stop := running(t, &fakeSite{}, func(c *Config) { c.Target += "/" })
	until(t, l, "every kind is answered", func(r Report) bool {
		for k := range kinds {
			if r.Total(k).OK < 20 {
				return false
			}
		}
		return true
	})
	l.Mark("second")
	until(t, l, "the second step has answers", func(r Report) bool { return len(r.Steps) == 2 && r.Steps[1].Kinds[0].OK > 0 })
	stop()
	r := l.Report()
	checkSums(t, r, true)
	for k := range kinds {
		n := r.Total(k)
		if n.Failed+n.Wrong+n.Refused+n.Unknown > 0 || n.P50 <= 0 || n.P99 < n.P50 || n.LongestGap <= 0 {
			t.Errorf("%v: %+v", k, n)
		}
	}
	if r.Acked != len(l.Acked()) || r.Acked < 20 || r.Ended.IsZero() || r.Steps[0].Name != "start" {
		t.Errorf("%d acknowledged, ended %v", r.Acked, r.Ended)
	}
	if r.Total(KindImport).LongestPause < r.Total(KindImport).LongestGap {
		t.Error("a pause is shorter than a gap")
	}
	table := r.String()
	if !strings.Contains(table, "longest gap") || !strings.Contains(table, "second") {
		t.Error(table)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil || cmp.Diff(r.Steps[0].Kinds, back.Steps[0].Kinds) != "" {
		t.Errorf("the report cannot be read again: %v", err)
	}
	if strings.Contains(string(b)+table, secret) {
		t.Error("the import token is in the report")
	}
	if err := l.Run(t.Context()); err == nil {
		t.Error("Run takes a second call")
	}
	if err := l.VerifyAll(t.Context(), "http://[::1"); err == nil {
		t.Error("VerifyAll takes any target")
	}
}

func hijack(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	if err := conn.Close(); err != nil {
		panic(err)
	}
}

func status(code int, header ...string) trick {
	return func(_ *fakeSite, w http.ResponseWriter, r *http.Request) bool {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		http.Error(w, "trouble", code)
		return true
	}
}

// on plays a trick on some paths only.
func on(prefix string, t trick) trick {
	return func(s *fakeSite, w http.ResponseWriter, r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, prefix) && t(s, w, r)
	}
}

func body(media, text string) trick {
	return func(_ *fakeSite, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", media)
		fmt.Fprint(w, text)
		return true
	}
}

func withHeader(name, value string) trick {
	return func(s *fakeSite, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set(name, value)
		return false
	}
}

func reset(_ *fakeSite, w http.ResponseWriter, r *http.Request) bool {
	hijack(w)
	return true
}

// afterwards answers as the site does, and breaks the connection instead of saying so.
func afterwards(s *fakeSite, w http.ResponseWriter, r *http.Request) bool {
	s.serve(&deaf{header: http.Header{}}, r)
	hijack(w)
	return true
}

type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header         { return d.header }
func (d *deaf) Write(b []byte) (int, error) { return len(b), nil }
func (d *deaf) WriteHeader(int)             {}

// part answers with the first bytes only; whole says that the length of all is promised.
func part(promised bool) trick {
	return func(s *fakeSite, w http.ResponseWriter, r *http.Request) bool {
		if promised {
			w.Header().Set("Content-Length", "9999")
		}
		fmt.Fprint(w, "PK and no more")
		return true
	}
}

// another answers about another activity than the one that was asked for.
func another(s *fakeSite, w http.ResponseWriter, r *http.Request) bool {
	for _, a := range s.shown() {
		if !strings.Contains(r.URL.Path, fmt.Sprint(a.id)) && a.bundleID != r.FormValue("id") {
			if strings.HasPrefix(r.URL.Path, "/services/") {
				document(w, r, a)
			} else {
				sitePage(w, a.bundleID)
			}
			return true
		}
	}
	return false
}

func TestMisbehaviour(t *testing.T) {
	update := "/services/update-aslo.php"
	for _, c := range []struct {
		name   string
		trick  trick
		freeze bool
		kind   Kind
		want   func(Count) int64
		never  func(Count) int64 // must stay 0
	}{
		{"500 of a page", on("/en/activity/", status(500)), false, KindPage, failed, wrong},
		{"503 of a search", on("/en/search", status(503, "Retry-After", "1")), false, KindSearch, failed, refused},
		{"404 of what a token covers", on("/activities/", status(404)), false, KindDownload, wrong, failed},
		{"404 of a list", on("/en/browse", status(404)), false, KindPage, wrong, failed},
		{"reset", on(update, reset), false, KindUpdate, failed, wrong},
		{"half a page", on("/en/", body("text/html", "<!DOCTYPE html><html><body>")), false, KindPage, wrong, failed},
		{"a page that is none", on("/en/", body("text/plain", "hello")), false, KindSearch, wrong, failed},
		{"a page of another activity", on("/en/activity/", another), false, KindPage, wrong, failed},
		{"a page with a bundle that never was", on("/en/activity/", body("text/html", "<!DOCTYPE html><html></html>")), false, KindPage, wrong, failed},
		{"no result", on("/en/search", body("text/html", "<!DOCTYPE html><html></html>")), false, KindSearch, wrong, failed},
		{"update of another activity", on(update, another), false, KindUpdate, wrong, failed},
		{"update with HTML", on(update, body("text/html", "<html></html>")), false, KindUpdate, wrong, failed},
		{"update without anything", on(update, body("text/xml", "")), false, KindUpdate, wrong, failed},
		{"update without an offer", on(update, body("text/xml", rdfHead+"</RDF:RDF>")), false, KindUpdate, wrong, failed},
		{"half an update", on(update, body("text/xml", rdfHead)), false, KindUpdate, wrong, failed},
		{"update with a page's status", on(update, status(404)), false, KindUpdate, wrong, failed},
		{"batch without offers", on("/api/", body("application/json", `{"seq":1,"etag":"x","updates":{}}`)), false, KindBatch, wrong, failed},
		{"half a batch", on("/api/", body("application/json", `{"seq":1,`)), false, KindBatch, wrong, failed},
		{"short download with an error", on("/activities/", part(true)), false, KindDownload, failed, wrong},
		{"short download without an error", on("/activities/", part(false)), false, KindDownload, wrong, failed},
		{"stale updates", nil, true, KindUpdate, wrong, failed},
		{"stale batches", nil, true, KindBatch, wrong, failed},
		{"stale pages", nil, true, KindPage, wrong, failed},
		{"stale searches", nil, true, KindSearch, wrong, failed},
		{"stale downloads", nil, true, KindDownload, wrong, failed},
		{"stale and says so", withHeader("Remora-Behind", "seq=1"), true, KindUpdate, behind, wrong},
		{"imports refused", on("/internal/", status(503, "Retry-After", "10")), false, KindImport, refused, failed},
		{"imports refused by date", on("/internal/", status(503, "Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT")), false, KindImport, refused, failed},
		{"503 without a Retry-After", on("/internal/", status(503)), false, KindImport, failed, refused},
		{"503 with a bad Retry-After", on("/internal/", status(503, "Retry-After", "soon")), false, KindImport, failed, refused},
		{"imports answered 500", on("/internal/", status(500, "Retry-After", "1")), false, KindImport, failed, refused},
		{"imports answered 400", on("/internal/", status(400)), false, KindImport, failed, refused},
		{"imports taken without an answer", on("/internal/", afterwards), false, KindImport, unknown, wrong},
		{"imports acknowledged with nothing", on("/internal/", body("application/json", "{}")), false, KindImport, wrong, failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			site := &fakeSite{}
			l, stop := running(t, site, nil)
			if c.freeze {
				site.freeze()
			}
			if c.trick != nil {
				site.trick.Store(&c.trick)
			}
			until(t, l, c.name, func(r Report) bool { return c.want(r.Total(c.kind)) > 0 })
			// All goes well again, and what was under way is sorted out.
			ok := l.Report().Total(c.kind).OK
			site.mu.Lock()
			site.frozen = nil
			site.mu.Unlock()
			site.trick.Store(nil)
			until(t, l, "it goes on", func(r Report) bool { return r.Total(c.kind).OK > ok && r.Waiting == 0 })
			stop()
			r := l.Report()
			checkSums(t, r, true)
			n := r.Total(c.kind)
			if c.never(n) > 0 {
				t.Errorf("it is counted as something else too:\n%s", r)
			}
			if failed(n)+unknown(n) > 0 != (len(n.FailedExamples) > 0) || wrong(n) > 0 != (len(n.WrongExamples) > 0) {
				t.Errorf("there are no examples, or too many: %+v", n)
			}
			if err := l.VerifyAll(t.Context(), l.target); err != nil {
				t.Error(err)
			}
		})
	}
}

func failed(c Count) int64  { return c.Failed }
func wrong(c Count) int64   { return c.Wrong }
func refused(c Count) int64 { return c.Refused }
func unknown(c Count) int64 { return c.Unknown }
func behind(c Count) int64  { return c.Behind }

// TestHang lets the site not answer: requests fail when their time is up, and an import whose
// bundle was sent is unknown.
func TestHang(t *testing.T) {
	site := &fakeSite{}
	release := make(chan struct{})
	l, stop := running(t, site, func(c *Config) { c.Timeout = 300 * time.Millisecond })
	hang := trick(func(_ *fakeSite, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet || r.URL.Path == "/internal/import" {
			<-release
		}
		return false
	})
	site.trick.Store(&hang)
	until(t, l, "time-outs", func(r Report) bool {
		return r.Total(KindUpdate).Failed > 0 && r.Total(KindImport).Unknown > 0
	})
	close(release)
	site.trick.Store(nil)
	stop()
	n := l.Report().Total(KindUpdate)
	if n.Wrong > 0 || !strings.Contains(n.FailedExamples[0].Text, "no answer within") {
		t.Errorf("%+v", n)
	}
}

// TestUnknownIsExisting sends an import again whose answer did not arrive.
func TestUnknownIsExisting(t *testing.T) {
	site := &fakeSite{}
	l, _ := running(t, site, nil)
	lost := on("/internal/", afterwards)
	site.trick.Store(&lost)
	until(t, l, "an unknown import", func(r Report) bool { return r.Total(KindImport).Unknown > 0 })
	site.trick.Store(nil)
	until(t, l, "it is sent again", func(r Report) bool { return r.Waiting == 0 })
	until(t, l, "it is existing", func(Report) bool {
		for _, i := range l.Acked() {
			if i.Existing {
				return true
			}
		}
		return false
	})
}

func TestLoss(t *testing.T) {
	site := &fakeSite{}
	l, stop := running(t, site, nil)
	until(t, l, "a second version", func(Report) bool { return len(l.Acked()) > 8 })
	stop()
	if err := l.VerifyAll(t.Context(), l.target); err != nil {
		t.Fatal(err)
	}
	site.mu.Lock()
	gone := site.list[0]
	site.list[0].versions = gone.versions[:len(gone.versions)-1]
	if len(site.list[0].versions) == 0 {
		site.list = site.list[1:]
	}
	site.mu.Unlock()
	err := l.VerifyAll(t.Context(), l.target)
	loss, ok := errors.AsType[*LossError](err)
	if !ok || len(loss.Lost) != 1 || loss.Lost[0].Import.BundleID != gone.bundleID || loss.Checked != len(l.Acked()) || !strings.Contains(err.Error(), gone.bundleID) {
		t.Errorf("VerifyAll: %v", err)
	}
}

func TestNewSaysAllMistakes(t *testing.T) {
	_, err := New(Config{Target: "ftp://x/y", Rates: Rates{Page: -1, Import: MaxRate + 1}, Clients: mostClients + 1, MaxInFlight: mostInFlight + 1, Seeds: mostSeeds + 1})
	if err == nil {
		t.Fatal("it takes everything")
	}
	for _, part := range []string{"Target", "ImportToken", "page", "import", "Clients", "MaxInFlight", "Seeds"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not tell of %s", err, part)
		}
	}
	for _, target := range []string{"", "http://", "http://h/path", "http://u:hidden@h", "http://h?q", "://"} {
		if _, err := New(Config{Target: target, Rates: allRates, ImportToken: secret}); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("target %q: %v", target, err)
		}
	}
	if _, err := New(Config{Target: "http://h", ImportToken: secret}); err == nil {
		t.Error("it takes no rates")
	}
}

func TestFirstImportsAreNotTaken(t *testing.T) {
	site := &fakeSite{}
	refusing := status(http.StatusUnauthorized)
	site.trick.Store(&refusing)
	server := httptest.NewServer(site)
	defer server.Close()
	l, err := New(Config{Target: server.URL, Rates: allRates, ImportToken: secret})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), secret) {
		t.Errorf("Run: %v", err)
	}
}
