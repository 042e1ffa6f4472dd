package web

import (
	"context"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fakeFeed is a catalog in memory that tests change under a running library.
type fakeFeed struct {
	mu     sync.Mutex
	header remora.Header
	all    map[int64]remora.Activity
	deltas []remora.Delta
	broken bool
}

var errBroken = errors.New("the database is away")

func newFeed(header remora.Header, list ...remora.Activity) *fakeFeed {
	header.Position = remora.Position{Epoch: "test", Seq: 1}
	f := &fakeFeed{header: header, all: map[int64]remora.Activity{}}
	for _, a := range list {
		f.all[a.ID] = a
	}
	return f
}

func (f *fakeFeed) Load(_ context.Context, add func(remora.Activity) error) (remora.Header, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return remora.Header{}, errBroken
	}
	for _, a := range f.all {
		if err := add(a); err != nil {
			return remora.Header{}, err
		}
	}
	return f.header, nil
}

func (f *fakeFeed) Since(_ context.Context, after remora.Position) (remora.Delta, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return remora.Delta{}, errBroken
	}
	if after.Epoch != f.header.Epoch {
		return remora.Delta{}, remora.ErrGap
	}
	d := remora.Delta{Header: f.header}
	for _, each := range f.deltas {
		if each.Seq > after.Seq {
			d.Activities = append(d.Activities, each.Activities...)
			d.Gone = append(d.Gone, each.Gone...)
		}
	}
	return d, nil
}

func (f *fakeFeed) Downloads(context.Context) (map[int64]int64, error) { return nil, nil }

// change puts activities into the catalog and takes others away.
func (f *fakeFeed) change(now []remora.Activity, gone ...int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.header.Seq++
	for i := range now {
		now[i].Revision = f.header.Seq // as a store does
		a := now[i]
		f.all[a.ID] = a
	}
	for _, id := range gone {
		delete(f.all, id)
	}
	f.deltas = append(f.deltas, remora.Delta{Header: f.header, Activities: now, Gone: gone})
}

// restore makes everything anew, as a restored backup does.
func (f *fakeFeed) restore() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.header.Epoch, f.deltas = "restored", nil
}

func (f *fakeFeed) breakDown() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = true
}

// newLibrary runs a library on a feed until the test ends.
func newLibrary(t testing.TB, f *fakeFeed, o *live.Options) *live.Library {
	t.Helper()
	library, err := live.New(f, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- library.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-library.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("the library did not open")
	}
	return library
}

func newHandlerOn(t testing.TB, f *fakeFeed) *Handler {
	t.Helper()
	h, err := New(Config{Library: newLibrary(t, f, nil)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const sugar120 = "Sugar/0.120"

// get asks for a page as a plain browser does.
func get(h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// mustGet asks for a page that must be there and whole.
func mustGet(t testing.TB, h http.Handler, path string, headers ...string) string {
	t.Helper()
	w := get(h, path, headers...)
	if w.Code != http.StatusOK {
		t.Fatalf("%s answers %d", path, w.Code)
	}
	return w.Body.String()
}

func wantText(t testing.TB, body string, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if !strings.Contains(body, s) {
			t.Errorf("the page does not say %q", s)
		}
	}
}

func wantNoText(t testing.TB, body string, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if strings.Contains(body, s) {
			t.Errorf("the page says %q", s)
		}
	}
}

var epoch = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func sumOf(s string) remora.Digest { return sha256.Sum256([]byte(s)) }

// release makes a version; more changes it.
func release(id int64, number string, by remora.Interpreter, more ...func(*remora.Version)) remora.Version {
	v := remora.Version{
		Release: remora.Release{
			ID: id, Number: remora.MustNumber(number), State: remora.StatePublished,
			Interpreter: by, Range: remora.InferRange(by),
		},
		FileID: id, Filename: "thing-" + number + ".xo", Size: 1_234_567, SHA256: sumOf("bundle" + strconv.FormatInt(id, 10)),
		Published: remora.TimeOf(epoch),
	}
	for _, change := range more {
		change(&v)
	}
	return v
}

// activity makes a listed activity with two versions: 41 for Python 2, 42 for Python 3.
func activity(id int64, name string) remora.Activity {
	return remora.Activity{
		ID: id, BundleID: fmt.Sprintf("org.example.A%d", id), Slug: "thing", Listed: true, DefaultLocale: "en",
		Name: remora.PlainText("en", name), Summary: remora.PlainText("en", "What "+name+" is for."),
		Description: remora.PlainText("en", "First.\n\nSecond\nline."), License: "GPL-3.0-or-later",
		Homepage: "https://example.org/thing", Repository: "https://git.example.org/thing",
		Icon: sumOf("icon"), Categories: []string{"games"}, Tags: []string{"play"}, Downloads: id % 100,
		Created: remora.TimeOf(epoch.Add(time.Duration(id%1000) * time.Minute)), Updated: remora.TimeOf(epoch.Add(time.Duration(id%1000) * time.Hour)),
		Versions: []remora.Version{
			release(id*10, "41", remora.InterpreterPython2),
			release(id*10+1, "42", remora.InterpreterPython3),
		},
	}
}

func games() remora.Header {
	return remora.Header{Categories: []remora.Category{
		{ID: 1, Slug: "games", Name: remora.NewText(map[string]string{"en": "Games", "es": "Juegos"})},
		{ID: 2, Slug: "math", Name: remora.PlainText("en", "Mathematics")},
	}}
}

// numbered makes n activities from id 100001 on.
func numbered(n int) []remora.Activity {
	list := make([]remora.Activity, n)
	for i := range list {
		list[i] = activity(int64(100001+i), fmt.Sprintf("Activity %03d", i))
	}
	return list
}

// An element is a start tag of a page.
type element struct {
	name  string
	attrs map[string]string
}

// parsePage reads a page, with every element closed in its place, and returns its start tags.
func parsePage(t testing.TB, body string) []element {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(body))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var list []element
	var open []string
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("the page cannot be read: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, attrs: map[string]string{}}
			for _, a := range token.Attr {
				if _, twice := e.attrs[a.Name.Local]; twice {
					t.Errorf("<%s> has %s twice", e.name, a.Name.Local)
				}
				e.attrs[a.Name.Local] = a.Value
			}
			list = append(list, e)
			open = append(open, e.name)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != token.Name.Local {
				t.Fatalf("</%s> closes %v", token.Name.Local, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Fatalf("the page ends inside %v", open)
	}
	return list
}

// checkPage checks what holds for every page: its structure, that everything has a name, and that
// nothing leads or loads from elsewhere but the links in allowed.
func checkPage(t testing.TB, body string, allowed ...string) {
	t.Helper()
	if !strings.HasPrefix(body, "<!DOCTYPE html>\n<html lang=\"") {
		t.Errorf("the page begins with %.40q", body)
	}
	count := map[string]int{}
	ids := map[string]bool{}
	level := 0
	list := parsePage(t, body)
	for _, e := range list {
		if e.name != "title" || e.attrs["id"] == "" { // those of drawings have one
			count[e.name]++
		}
		if id := e.attrs["id"]; id != "" {
			if ids[id] {
				t.Errorf("two elements have the id %q", id)
			}
			ids[id] = true
		}
	}
	for _, e := range list {
		for _, name := range []string{"for", "aria-labelledby", "aria-describedby"} {
			if ref := e.attrs[name]; ref != "" && !ids[ref] {
				t.Errorf("<%s %s=%q> names nothing", e.name, name, ref)
			}
		}
		if len(e.name) == 2 && e.name[0] == 'h' && e.name[1] >= '1' && e.name[1] <= '6' {
			if now := int(e.name[1] - '0'); now > level+1 {
				t.Errorf("a heading <%s> follows one of level %d", e.name, level)
			} else {
				level = now
			}
		}
		switch e.name {
		case "script", "style", "iframe", "object", "embed", "base":
			t.Errorf("the page has a <%s>", e.name)
		case "img":
			if _, ok := e.attrs["alt"]; !ok || e.attrs["width"] == "" || e.attrs["height"] == "" {
				t.Errorf("an image has no alt, width or height: %v", e.attrs)
			}
		}
		for name, value := range e.attrs {
			if strings.HasPrefix(name, "on") || name == "style" {
				t.Errorf("<%s> has the attribute %s=%q", e.name, name, value)
			}
			if name != "href" && name != "src" && name != "action" {
				continue
			}
			local := strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "//") || strings.HasPrefix(value, "#") && ids[value[1:]] || strings.HasPrefix(value, "http://example.com/")
			if !local && !slices.Contains(allowed, value) {
				t.Errorf("<%s %s=%q> leads elsewhere", e.name, name, value)
			}
			if !local && e.attrs["rel"] != "noopener nofollow" {
				t.Errorf("<%s %s=%q> has rel=%q", e.name, name, value, e.attrs["rel"])
			}
		}
	}
	for _, name := range []string{"h1", "main", "header", "footer", "title"} {
		if count[name] != 1 {
			t.Errorf("the page has %d <%s>", count[name], name)
		}
	}
	if strings.Contains(body, "%!") {
		t.Errorf("a sentence lacks an argument: %.60q", body[strings.Index(body, "%!"):])
	}
	for rest := body; ; {
		i := strings.Index(rest, "://")
		if i < 0 {
			break
		}
		around := rest[max(0, i-6):min(len(rest), i+60)]
		rest = rest[i+3:]
		if strings.Contains(around, "://example.com/") {
			continue
		}
		if !slices.ContainsFunc(allowed, func(a string) bool { _, tail, _ := strings.Cut(a, "://"); return strings.HasPrefix(rest, tail) }) {
			t.Errorf("the page names another site: %q", around)
		}
	}
}
