package web

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/sugarlabs/beamrider/remora"
)

// A fakeReports has reports by version. What is not there is not kept, and err is what goes wrong.
type fakeReports struct {
	byVersion map[int64][]byte
	err       atomic.Pointer[error]
	asked     atomic.Int64
}

func (f *fakeReports) Report(_ context.Context, id int64) ([]byte, error) {
	f.asked.Add(1)
	if err := f.err.Load(); err != nil {
		return nil, *err
	}
	b := f.byVersion[id]
	if b == nil {
		return nil, remora.Errorf(remora.KindNotFound, "report.unknown", "Version %d has no report.", id)
	}
	return b, nil
}

func (f *fakeReports) breakDown() {
	err := error(remora.Errorf(remora.KindUnavailable, "store.away", "The database is away."))
	f.err.Store(&err)
}

// An inside is a report as it is stored.
type inside struct {
	Inventory struct {
		Files []struct {
			Path string
			Size int64
		}
		Bytes    int64
		Binaries []struct{ Path, Arch string }
		Locales  []string
	}
	Warnings []struct{ Code, Where, Message string }
}

func (r *inside) add(path string, size int64) {
	r.Inventory.Files = append(r.Inventory.Files, struct {
		Path string
		Size int64
	}{path, size})
	r.Inventory.Bytes += size
}

func (r *inside) pack(t testing.TB) []byte {
	t.Helper()
	plain, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return squeeze(t, plain)
}

func squeeze(t testing.TB, plain []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(plain, nil)
}

func newHandlerAsking(t testing.TB, f *fakeFeed, reports Reports, statistics Statistics) *Handler {
	t.Helper()
	h, err := New(Config{Library: newLibrary(t, f, nil), Reports: reports, Statistics: statistics})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const versionPath42 = "/en/activity/100001/versions/1000011"

func TestVersionPage(t *testing.T) {
	var r inside
	for _, path := range []string{"COPYING", "activity/activity.info", "activity/icon.svg", "lib/maze.py", "setup.py"} {
		r.add(path, 1000)
	}
	r.Inventory.Binaries = []struct{ Path, Arch string }{{"lib/box.so", "x86_64"}}
	r.Inventory.Locales = []string{"es", "pt-BR"}
	r.Warnings = []struct{ Code, Where, Message string }{{"license.unknown", "activity/activity.info:3", "The licence is not known."}}
	reports := &fakeReports{byVersion: map[int64][]byte{1000011: r.pack(t)}}
	a := activity(100001, "Thing")
	a.Versions[1].Notes = remora.PlainText("ar", "أسرع")
	a.Versions = append(a.Versions, release(3, "43", remora.InterpreterPython3, func(v *remora.Version) { v.State = remora.StateAwaiting }))
	h := newHandlerAsking(t, newFeed(games(), a), reports, nil)
	for range 2 {
		w := get(h, versionPath42, "User-Agent", sugar120)
		body := w.Body.String()
		checkPage(t, body)
		want := "Version 42 for you seen from Sugar 0.120 About this version This is the newest for your Sugar 0.120. أسرع Made for Sugar 0.114 or later inferred: it is started by Python 3 Started by Python 3 Date 2026-03-04 Size 1.3 MB (1,234,567 bytes) SHA-256 " +
			a.Versions[1].SHA256.String() + " Download version 42 1.3 MB Which Sugar do you have?"
		if got := said(t, body, "<h1>", "</label>"); got != want {
			t.Error(cmp.Diff(want, got))
		}
		want = "What is in the bundle 5 files, 5 kB when unpacked Languages Brazilian Portuguese · Spanish Programs for one kind of processor lib/box.so x86_64 " +
			"What the check noticed The licence is not known. activity/activity.info:3 Files " +
			"activity/ 2 files · 2 kB activity.info 1 kB icon.svg 1 kB lib/ 1 file · 1 kB maze.py 1 kB Not in a folder 2 files · 2 kB COPYING 1 kB setup.py 1 kB"
		if got := said(t, body, `<h2 id="inside">`, "</section>"); got != want {
			t.Error(cmp.Diff(want, got))
		}
		if got := w.Header().Get("Cache-Control"); got != "public, max-age=3600" {
			t.Errorf("Cache-Control %q", got)
		}
		if got := w.Header().Get("Vary"); !strings.Contains(got, "User-Agent") {
			t.Errorf("Vary %q", got)
		}
	}
	wantText(t, mustGet(t, h, versionPath42+"?sugar=0.98"), "It is for Sugar 0.114 or later, and you have Sugar 0.98.", `content="noindex"`, "<option selected>0.98</option>")
	if n := reports.asked.Load(); n != 1 {
		t.Errorf("the report was asked for %d times", n)
	}
	awaiting := get(h, "/en/activity/100001/versions/3")
	wantText(t, awaiting.Body.String(), "waiting for review", "It waits for review.")
	wantNoText(t, awaiting.Body.String(), "/b/")
	if got := awaiting.Header().Get("Cache-Control"); got != "public, max-age=60" {
		t.Errorf("of a version that waits: Cache-Control %q", got)
	}
	wantText(t, mustGet(t, h, "/en/activity/100001/versions"), `<a href="`+versionPath42+`">Version 42</a>`)
}

func TestVersionsThatAreNotThere(t *testing.T) {
	a, b := activity(100001, "Thing"), activity(100002, "Other")
	a.Versions = append(a.Versions, release(3, "43", remora.InterpreterPython3, func(v *remora.Version) { v.State = remora.StateRejected }))
	h := newHandlerOn(t, newFeed(games(), a, b))
	for _, path := range []string{
		"/en/activity/100001/versions/7", "/en/activity/100001/versions/x", "/en/activity/100001/versions/01000011", "/en/activity/100001/versions/" + strings.Repeat("9", 40),
		"/en/activity/100001/versions/3", "/en/activity/100001/versions/1000020", "/en/activity/7/versions/1000011", "/en/activity/100001/versions/1000011/x",
	} {
		if w := get(h, path); w.Code != 404 {
			t.Errorf("%s answers %d", path, w.Code)
		}
	}
	for path, want := range map[string]string{
		"/en/activity/org.example.a100001/versions/1000011?sugar=0.98": versionPath42 + "?sugar=0.98",
		versionPath42 + "/": versionPath42,
	} {
		if w := get(h, path); w.Code != 302 || w.Header().Get("Location") != want {
			t.Errorf("%s answers %d to %q", path, w.Code, w.Header().Get("Location"))
		}
	}
}

// TestVersionWithoutReport: a page is whole without its inventory, and is not kept where that may
// come back.
func TestVersionWithoutReport(t *testing.T) {
	var r inside
	r.add("a/b", 1)
	good := map[int64][]byte{1000011: r.pack(t)}
	away := &fakeReports{byVersion: good}
	away.breakDown()
	for name, tt := range map[string]struct {
		reports Reports
		says    string
		cache   string
	}{
		"nowhere":  {nil, "is not kept here", "public, max-age=60"},
		"not kept": {&fakeReports{}, "is not kept here", "public, max-age=60"},
		"away":     {away, "cannot be shown just now", "no-store"},
		"no zstd":  {&fakeReports{byVersion: map[int64][]byte{1000011: []byte("no zstd")}}, "cannot be shown just now", "no-store"},
		"no JSON":  {&fakeReports{byVersion: map[int64][]byte{1000011: squeeze(t, []byte("[1"))}}, "cannot be shown just now", "no-store"},
		"a bomb":   {&fakeReports{byVersion: map[int64][]byte{1000011: squeeze(t, make([]byte, 65<<20))}}, "cannot be shown just now", "no-store"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandlerAsking(t, newFeed(games(), activity(100001, "Thing")), tt.reports, nil)
			w := get(h, versionPath42)
			if w.Code != 200 {
				t.Fatalf("status %d", w.Code)
			}
			checkPage(t, w.Body.String())
			wantText(t, w.Body.String(), tt.says, "Download version 42")
			if got := w.Header().Get("Cache-Control"); got != tt.cache {
				t.Errorf("Cache-Control %q, want %q", got, tt.cache)
			}
		})
	}
	// What was seen once is seen while the database is away too.
	reports := &fakeReports{byVersion: good}
	h := newHandlerAsking(t, newFeed(games(), activity(100001, "Thing")), reports, nil)
	mustGet(t, h, versionPath42)
	reports.breakDown()
	wantText(t, mustGet(t, h, versionPath42+"?sugar=0.120"), "1 file, 1 kB when unpacked")
}

// TestLargeInventory: a bundle with many files has a page that is not large, and says what it leaves out.
func TestLargeInventory(t *testing.T) {
	var r inside
	for i := range 2000 {
		r.add(fmt.Sprintf("big/%04d-%s", i, strings.Repeat("x", 400)), 1)
	}
	for i := range 150 {
		r.add(fmt.Sprintf("folder%03d/one", i), 1)
	}
	for range 200 {
		r.Inventory.Binaries = append(r.Inventory.Binaries, struct{ Path, Arch string }{strings.Repeat("ü", 3000), "arm"})
		r.Warnings = append(r.Warnings, struct{ Code, Where, Message string }{"x", "y", strings.Repeat("word ", 1000)})
		r.Inventory.Locales = append(r.Inventory.Locales, "es", strings.Repeat("x", 40))
	}
	h := newHandlerAsking(t, newFeed(games(), activity(100001, "Thing")), &fakeReports{byVersion: map[int64][]byte{1000011: r.pack(t)}}, nil)
	body := mustGet(t, h, versionPath42)
	checkPage(t, body)
	if n := strings.Count(body, "<li><code"); n > filesShown+binariesShown {
		t.Errorf("%d files are listed", n)
	}
	if len(body) > 250_000 {
		t.Errorf("the page has %d bytes", len(body))
	}
	wantText(t, body, "2,150 files, 3 kB when unpacked", "and 1,599 more files", "and 51 more files in other folders", "and 150 more", "folder098/")
	wantNoText(t, body, "folder099/", "\uFFFD")
}

func TestHostileInventory(t *testing.T) {
	const evil = `"'><script>alert(1)</script><img src=x onerror=alert(2)>` + "\u202e\x00"
	var r inside
	r.add(evil+"/"+evil, -5)
	r.add("../../etc/passwd", 1<<62)
	r.Inventory.Binaries = []struct{ Path, Arch string }{{evil, evil}}
	r.Inventory.Locales = []string{evil}
	r.Warnings = []struct{ Code, Where, Message string }{{evil, evil, evil}}
	h := newHandlerAsking(t, newFeed(games(), activity(100001, "Thing")), &fakeReports{byVersion: map[int64][]byte{1000011: r.pack(t)}}, nil)
	body := mustGet(t, h, versionPath42)
	checkPage(t, body)
	wantNoText(t, body, "<script", "<img src=x", "\u202e")
}
