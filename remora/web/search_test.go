package web

import (
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

func searchable() *fakeFeed {
	paint := activity(100001, "Paint with colours")
	chess := activity(100002, "Chess")
	chess.Summary = remora.PlainText("en", "A board to paint? No: to play on.")
	chess.Categories = []string{"math"}
	old := activity(100003, "Paint")
	old.Versions = old.Versions[:1] // for Python 2
	return newFeed(games(), append(numbered(12)[3:], paint, chess, old)...)
}

func TestSearch(t *testing.T) {
	h := newHandlerOn(t, searchable())
	for path, tt := range map[string]struct {
		ids  []string // in their order, nil: whichever
		says []string
	}{
		"/en/search?q=chess":                        {[]string{"100002"}, []string{"1 activity found", "<title>Search for “chess”", `value="chess"`}},
		"/en/search?q=ches":                         {[]string{"100002"}, nil},
		"/en/search?q=chesss":                       {[]string{"100002"}, []string{"Nothing has these words. This is what was found for:", "<strong>chess</strong>"}},
		"/en/search?q=paint&category=math":          {[]string{"100002"}, []string{"1 activity found", "Take away: </span><span>Mathematics"}},
		"/en/search?q=%22paint+with%22":             {[]string{"100001"}, []string{`value="&#34;paint with&#34;"`}},
		"/en/search?q=%22with+paint%22":             {nil, []string{"Nothing was found."}},
		"/en/search?q=" + strings.Repeat("zz+", 60): {nil, []string{"Nothing was found.", "Loved by many", `href="/en/category/games"`, `href="/en/browse"`}},
		"/en/search?q=chess+with+zebras":            {nil, []string{"Nothing was found.", "Each of these words is found alone:", `<a href="/en/search?q=chess"><span dir="auto">chess</span> <small>1</small></a>`, `<a href="/en/search?q=with">`}},
		"/en/search?q=%3Cscript%3E":                 {nil, []string{`value="&lt;script&gt;"`}},
		"/en/search":                                {nil, []string{"Words in quotation marks are looked for side by side.", `href="/en/category/games"`}},
	} {
		t.Run(path[:min(len(path), 40)], func(t *testing.T) {
			body := mustGet(t, h, path)
			checkPage(t, body)
			wantText(t, body, append(tt.says, `content="noindex"`)...)
			if tt.ids == nil {
				return
			}
			wantNoText(t, body, "Nothing was found.")
			if ids, _ := idsOf(body); strings.Join(ids, " ") != strings.Join(tt.ids, " ") {
				t.Errorf("found %v, want %v", ids, tt.ids)
			}
		})
	}
	wantNoText(t, mustGet(t, h, "/en/search?q=chess"), "Nothing has these words.")
	if w := get(h, "/en/search?q=+ORG.example.A100002+"); w.Code != 302 || w.Header().Get("Location") != "/en/activity/100002" {
		t.Errorf("a bundle id: %d %q", w.Code, w.Header().Get("Location"))
	}
	if w := get(h, "/en/search?q=paint&after=AAAA"); w.Code != 400 {
		t.Errorf("a place of another list: %d", w.Code)
	}
}

// What does not run on the reader's laptop comes further down, and says so.
func TestSearchOnAnOldLaptop(t *testing.T) {
	h := newHandlerOn(t, searchable())
	const path = "/en/search?q=paint"
	first, _ := idsOf(mustGet(t, h, path))
	if len(first) != 3 || first[0] != "100003" {
		t.Fatalf("found %v; the activity with the very name is not first", first)
	}
	wantNoText(t, mustGet(t, h, path), "Not for your Sugar")
	body := mustGet(t, h, path, "User-Agent", sugar120)
	ids, _ := idsOf(body)
	if len(ids) != 3 || ids[0] != "100001" {
		t.Errorf("with Sugar 0.120 found %v; 100003 does not run on it and is not the first", ids)
	}
	if n := strings.Count(body, "Not for your Sugar 0.120"); n != 1 {
		t.Errorf("%d of them say that they do not run", n)
	}
	if !strings.Contains(strings.Join(get(h, path).Header().Values("Vary"), ","), "User-Agent") {
		t.Error("caches are not told that the order depends on the reader's Sugar")
	}
}
