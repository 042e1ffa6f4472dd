package web

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// keptFor returns the page kept for a path and class of readers, nil if there is none.
func keptFor(t testing.TB, h *Handler, target, agent string) *keptPage {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	k, ok := h.keyOf(h.newVisit(r))
	if !ok {
		t.Fatalf("%s is never kept", target)
	}
	k.agent = agent
	p, _ := h.kept.GetIfPresent(k)
	return p
}

func refresh(t testing.TB, h *Handler) {
	t.Helper()
	if err := h.library.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestChangeDropsItsOwn: what does not show a changed activity is not rendered again.
func TestChangeDropsItsOwn(t *testing.T) {
	list := numbered(60)
	for i := range list {
		list[i].Categories = []string{[]string{"games", "math"}[i%2]}
	}
	f := newFeed(games(), list...)
	h := newHandlerOn(t, f)
	const anybody = "Sugar "
	pages := map[string]string{ // and for whom they are kept
		"/en/activity/100001": anybody, "/en/activity/100002": anybody, "/en/activity/100002/versions": anybody,
		"/en/category/games?sort=name": "", "/en/category/math?sort=name": "", "/en/search?q=059": "",
	}
	for _, change := range []struct {
		name  string
		apply func()
		drops []string
	}{
		{"a new text", func() {
			a := list[1]
			a.Summary = remora.PlainText("en", "Quite another thing.")
			f.change([]remora.Activity{a})
		}, []string{"/en/activity/100002", "/en/activity/100002/versions", "/en/category/math?sort=name"}},
		{"an activity on a later page of a list", func() {
			a := list[58]
			a.Summary = remora.PlainText("en", "Quite another thing.")
			f.change([]remora.Activity{a})
		}, nil},
		{"an activity is gone", func() { f.change(nil, list[59].ID) },
			// The list shows how many there are.
			[]string{"/en/category/math?sort=name", "/en/search?q=059"}},
	} {
		before := map[string]*keptPage{}
		bodies := map[string]string{}
		for target, agent := range pages {
			bodies[target] = mustGet(t, h, target)
			if before[target] = keptFor(t, h, target, agent); before[target] == nil {
				t.Fatalf("%s is not kept", target)
			}
			if again := mustGet(t, h, target); again != bodies[target] || keptFor(t, h, target, agent) != before[target] {
				t.Errorf("%s was made twice", target)
			}
		}
		change.apply()
		refresh(t, h)
		for target, agent := range pages {
			body := mustGet(t, h, target)
			dropped := keptFor(t, h, target, agent) != before[target]
			want := slices.Contains(change.drops, target)
			if want && !dropped {
				t.Errorf("%s: %s shows what was", change.name, target)
			}
			if !want && dropped && body == bodies[target] {
				t.Errorf("%s: %s was made again and is the same", change.name, target)
			}
		}
	}
}

// TestKeptForEachClass: a laptop is never shown what another one is offered, nor a reader under
// one name of the site the links of another.
func TestKeptForEachClass(t *testing.T) {
	h := newHandlerOn(t, newFeed(games(), activity(100001, "Thing")))
	const target = "/en/activity/100001"
	for range 2 {
		for agent, number := range map[string]string{"Sugar/0.120": "42", "Sugar/0.98": "41", "Mozilla/5.0": "42"} {
			wantText(t, mustGet(t, h, target, "User-Agent", agent), "Version "+number)
		}
	}
	for range 2 {
		for _, host := range []string{"a.example", "b.example"} {
			r := httptest.NewRequest(http.MethodGet, target, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			wantText(t, w.Body.String(), `rel="canonical" href="http://`+host+target)
		}
	}
	if p := keptFor(t, h, target, ""); p == nil || !p.offers {
		t.Error("the page is not kept for each class")
	}
}

// TestKeptAndStale: the notice that the catalog is old comes and goes with its age.
func TestKeptAndStale(t *testing.T) {
	f := newFeed(games(), activity(100001, "Thing"))
	library := newLibrary(t, f, &live.Options{Poll: time.Millisecond, Idle: time.Millisecond, StaleAfter: 50 * time.Millisecond})
	h, err := New(Config{Library: library})
	if err != nil {
		t.Fatal(err)
	}
	const notice = "does not answer just now"
	wait := func(stale bool) {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(10 * time.Second); library.Status().Stale != stale; <-tick.C {
			if time.Now().After(end) {
				t.Fatal("the library never changed its mind")
			}
		}
	}
	wait(false)
	wantNoText(t, mustGet(t, h, "/en/browse"), notice)
	f.breakDown()
	wait(true)
	wantText(t, mustGet(t, h, "/en/browse"), notice)
}

// TestKeptIsBounded: whoever asks for ever new addresses fills nothing.
func TestKeptIsBounded(t *testing.T) {
	h := newHandlerOn(t, newFeed(games(), numbered(30)...))
	var err error
	const most = 200_000
	if h.kept, err = newKeptPages(most); err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		mustGet(t, h, "/en/browse?x="+strings.Repeat("y", i))
	}
	h.kept.CleanUp()
	if n := h.kept.WeightedSize(); n == 0 || n > most {
		t.Errorf("%d bytes are kept, %d allowed", n, most)
	}
	mustGet(t, h, "/en/browse?x="+strings.Repeat("y", maxKeyLen))
	if _, ok := h.keyOf(h.newVisit(httptest.NewRequest(http.MethodGet, "/en/browse?x="+strings.Repeat("y", maxKeyLen), nil))); ok {
		t.Error("an address without end is kept")
	}
}

// TestKeptHoldsNoPast: a page that nobody asks for again keeps no catalog of the past in memory.
func TestKeptHoldsNoPast(t *testing.T) {
	f := newFeed(games(), numbered(200)...)
	h := newHandlerOn(t, f)
	for _, target := range []string{"/en/", "/en/category/games", "/en/search?q=activity", "/en/activity/100001", "/en/activity/100001/versions"} {
		mustGet(t, h, target)
	}
	past := weak.Make(h.library.View().Activity(100150))
	if past.Value() == nil {
		t.Fatal("there is no such activity")
	}
	f.restore()
	refresh(t, h)
	if h.kept.EstimatedSize() == 0 {
		t.Fatal("nothing is kept")
	}
	for range 10 { // a finalizer may have to run first
		runtime.GC()
		if past.Value() == nil {
			return
		}
	}
	t.Error("the activities of the past are still in memory")
}
