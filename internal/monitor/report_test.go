package monitor

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func sample() Report {
	return Ranked(noon,
		Result{Name: "frontend beamrider", Finding: good, Since: noon.Add(-time.Hour)},
		Result{Name: "disk", Finding: poor, Since: noon.Add(-72 * time.Hour)},
		Result{Name: "database", Finding: Finding{
			Level: Bad, Summary: "There is no primary: <b>reads</b> go on.", Next: "remora-server db promote sunjammer",
			Detail: []Pair{{"sunjammer", "replica, 0-1-7"}},
		}, Since: noon.Add(-90 * time.Second), Checked: noon},
		Result{Name: "copy", Finding: Finding{Level: Unknown, Summary: "It was not checked yet."}, Suspect: true},
	)
}

func TestReportText(t *testing.T) {
	const want = `BAD      database            There is no primary: <b>reads</b> go on. (for 90 s)
                             sunjammer: replica, 0-1-7
                             → remora-server db promote sunjammer
UNKNOWN  copy                It was not checked yet.
WARN     disk                It is poor. (for 3 days)
OK       frontend beamrider  It is good.
1 bad, 1 unknown, 1 warn, 1 ok.
`
	var b strings.Builder
	if err := sample().Text(&b, &TextOptions{Detail: true}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("text (-want +got):\n%s", d)
	}
	var colored strings.Builder
	if err := sample().Text(&colored, &TextOptions{Color: true, Detail: true}); err != nil {
		t.Fatal(err)
	}
	plain := strings.NewReplacer("\x1b[32m", "", "\x1b[33m", "", "\x1b[1;31m", "", "\x1b[35m", "", "\x1b[0m", "").Replace(colored.String())
	if plain == colored.String() {
		t.Error("there are no colours")
	}
	if d := cmp.Diff(want, plain); d != "" {
		t.Errorf("text without its colours (-want +got):\n%s", d)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestReportTextTellsErrors(t *testing.T) {
	if err := sample().Text(brokenWriter{}, nil); err == nil {
		t.Error("the error of the writer is lost")
	}
}

func TestExitCode(t *testing.T) {
	is := func(name string, l Level) Result { return Result{Name: name, Finding: Finding{Level: l, Summary: "x"}} }
	for _, tt := range []struct {
		name string
		list []Result
		want int
	}{
		{"nothing", nil, ExitFine},
		{"fine", []Result{is("a", OK)}, ExitFine},
		{"warning", []Result{is("a", OK), is("b", Warn)}, ExitWrong},
		{"bad", []Result{is("a", Bad), is("b", Unknown)}, ExitWrong},
		{"unknown", []Result{is("a", Unknown), is("b", OK)}, ExitUnknown},
		{"unknown and warning", []Result{is("a", Unknown), is("b", Warn)}, ExitWrong},
		{"cut off", []Result{is("a", Bad), is(cutOffName, Bad)}, ExitUnknown},
	} {
		if got := Ranked(noon, tt.list...).ExitCode(); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestReportJSON(t *testing.T) {
	b, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sample(), back); d != "" {
		t.Errorf("there and back (-want +got):\n%s", d)
	}
	const want = `{"at":"2026-03-01T12:00:00Z","level":"bad","results":[{"name":"database","level":"bad",`
	if !strings.HasPrefix(string(b), want) {
		t.Errorf("it begins %.100s, want %s", b, want)
	}
	var l Level
	if err := l.UnmarshalText([]byte("fine")); err == nil {
		t.Error("a level that there is not is read")
	}
}

func TestPage(t *testing.T) {
	h := pageHandler(sample)
	ask := func(method, target, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, target, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") {
			t.Errorf("%s %s: CSP %q", method, target, csp)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: no nosniff", method, target)
		}
		return w
	}
	page := ask("GET", "/", "text/html")
	body := page.Body.String()
	for _, want := range []string{
		`<html lang="en">`, `<title>Bad: the state of this library</title>`, `name="viewport"`,
		`<h2>Bad: database</h2>`, `&lt;b&gt;reads&lt;<wbr`, `Next: <code>remora-server db promote sunjammer</code>`,
		`<dt>sunjammer</dt><dd>replica,<wbr> 0-1-7</dd>`, `For 90 s.`, `The last probe failed.`,
		`<time datetime="2026-03-01T12:00:00Z">`,
	} {
		if want == `&lt;b&gt;reads&lt;<wbr` {
			want = `&lt;b&gt;reads&lt;/<wbr>b&gt;`
		}
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %s:\n%s", want, body)
		}
	}
	for _, not := range []string{"<script", "style", "<b>", "http-equiv", "<img"} {
		if strings.Contains(body, not) {
			t.Errorf("the page has %s", not)
		}
	}
	for _, tt := range []struct {
		method, target, accept string
		status                 int
		kind                   string
	}{
		{"GET", "/", "application/json", 200, "application/json"},
		{"HEAD", "/", "", 200, "text/html; charset=utf-8"},
		{"GET", "/?format=json", "text/html", 200, "application/json"},
		{"GET", "/?format=text", "", 200, "text/plain; charset=utf-8"},
		{"GET", "/?format=pdf", "", 400, "text/plain; charset=utf-8"},
		{"POST", "/", "", 405, "text/plain; charset=utf-8"},
	} {
		w := ask(tt.method, tt.target, tt.accept)
		if w.Code != tt.status || w.Header().Get("Content-Type") != tt.kind {
			t.Errorf("%s %s: %d %s, want %d %s", tt.method, tt.target, w.Code, w.Header().Get("Content-Type"), tt.status, tt.kind)
		}
	}
	m, err := New(Config{Checks: []Check{{Name: "it", Run: (&script{now: good}).run}}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?format=text", nil))
	if !strings.Contains(w.Body.String(), "It was not checked yet.") {
		t.Errorf("the handler of a monitor says %s", w.Body)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		" a \n\tb\r":              "a b",
		"\x1b[31mred\x07":         "[31mred",
		"turn\u202eed\u2066":      "turned",
		"bad \xff byte":           "bad � byte",
		"two\u2028lines\u0085end": "two linesend",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 4000), func(b []byte) string { return string(b) })).Draw(t, "in")
		in = strings.Repeat(in, rapid.IntRange(1, 50).Draw(t, "times"))
		got := clean(in)
		if len(got) > maxText || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("clean(%q) = %q", in, got)
		}
		if clean(got) != got {
			t.Fatalf("clean(clean(%q)) = %q, not %q", in, clean(got), got)
		}
	})
}
