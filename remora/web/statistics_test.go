package web

import (
	"context"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

// A fakeStatistics has downloads of activities; those of 0 are of all.
type fakeStatistics struct {
	counts   map[int64][]remora.DownloadCount
	versions map[int64]int64
	away     atomic.Bool
	asked    atomic.Int64
	days     atomic.Pointer[[2]string]
}

func (f *fakeStatistics) DownloadsByDay(_ context.Context, id int64, from, to string) ([]remora.DownloadCount, error) {
	f.asked.Add(1)
	f.days.Store(&[2]string{from, to})
	if f.away.Load() {
		return nil, errBroken
	}
	return f.counts[id], nil
}

func (f *fakeStatistics) DownloadsByVersion(context.Context, int64) (map[int64]int64, error) {
	return f.versions, nil
}

// newHandlerAt makes a handler whose sources believe in a moment.
func newHandlerAt(t testing.TB, f *fakeFeed, statistics Statistics, now func() time.Time) *Handler {
	t.Helper()
	h := newHandlerAsking(t, f, nil, statistics)
	var err error
	if h.sources, err = newSources(nil, statistics, now); err != nil {
		t.Fatal(err)
	}
	return h
}

// tablesOf returns the cells of a page's tables, by caption.
func tablesOf(t testing.TB, body string) map[string]string {
	t.Helper()
	tables := map[string]string{}
	for _, part := range strings.Split(body, "<table>")[1:] {
		rows := regexp.MustCompile(`</t[hd]>\n?<`).ReplaceAllString(said(t, part, "</caption>", "</table>"), "|")
		tables[said(t, part, "<caption>", "</caption>")] = rows
	}
	return tables
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func fixed(now time.Time) func() time.Time { return func() time.Time { return now } }

func TestStatistics(t *testing.T) {
	statistics := &fakeStatistics{
		counts: map[int64][]remora.DownloadCount{100001: {
			{Day: "2026-03-04", Source: "page", N: 3}, {Day: "2026-03-04", Source: "updater", N: 1000}, {Day: "2026-02-03", Source: "other", N: 7},
			{Day: "2026-02-02", Source: "page", N: 9}, {Day: "2025-04-01", Source: "updater", N: 1}, {Day: "", Source: "updater", N: 5}, {Day: "2026-03-01", Source: "updater", N: -5},
		}},
		versions: map[int64]int64{1000010: 1005, 1000011: 15, 5: 2},
	}
	a := activity(100001, "Thing")
	a.Downloads = 1022
	h := newHandlerAt(t, newFeed(games(), a), statistics, fixed(noon))
	w := get(h, "/en/activity/100001/statistics")
	body := w.Body.String()
	checkPage(t, body)
	if got := w.Header().Get("Cache-Control"); got != "public, max-age=60" {
		t.Errorf("Cache-Control %q", got)
	}
	if got := *statistics.days.Load(); got != [2]string{"2025-04-01", "2026-03-04"} {
		t.Errorf("asked for %v", got)
	}
	tables := tablesOf(t, body)
	days := tables["Downloads per day, the last 30 days"]
	if !strings.HasPrefix(days, "Day Downloads 2026-03-04 1,003 2026-03-03 0 ") || !strings.HasSuffix(days, " 2026-02-04 0 2026-02-03 7") || strings.Count(days, "-") != 60 {
		t.Errorf("the days are %s", days)
	}
	delete(tables, "Downloads per day, the last 30 days")
	want := map[string]string{
		"Downloads per month, the last 12 months":   "Month Downloads 2026-03 1,003 2026-02 16 2026-01 0 2025-12 0 2025-11 0 2025-10 0 2025-09 0 2025-08 0 2025-07 0 2025-06 0 2025-05 0 2025-04 1",
		"Who downloaded, in the last twelve months": "By Downloads Laptops that look for updates 1,001 (98%) Readers of these pages 12 (1%) Others, such as links from elsewhere 7 (1%)",
		"Downloads of each version, of all times":   "Version Downloads 42 15 41 1,005 Others 2",
	}
	if diff := cmp.Diff(want, tables); diff != "" {
		t.Error(diff)
	}
	wantText(t, body, "1,022 downloads", "The most were 1,003, 2026-03-04. All together are 1,010.", "The most were 1,003, 2026-03. All together are 1,020.", "<svg ", `scope="row"`, `<time datetime="2026-02">`)
	if n := strings.Count(body, "<rect "); n != 2+3 {
		t.Errorf("%d bars are drawn", n)
	}
	wantText(t, mustGet(t, h, "/en/activity/100001"), `href="/en/activity/100001/statistics"`)
}

func TestStatisticsOfAll(t *testing.T) {
	statistics := &fakeStatistics{counts: map[int64][]remora.DownloadCount{0: {{Day: "2026-03-04", Source: "page", N: 3}}}}
	list := numbered(30)
	for i := range list[:7] {
		list[i].Downloads = 0
	}
	h := newHandlerAt(t, newFeed(games(), list...), statistics, fixed(noon))
	body := mustGet(t, h, "/en/statistics")
	checkPage(t, body)
	tables := tablesOf(t, body)
	best := tables["What is downloaded most, since the library was opened"]
	if !strings.HasPrefix(best, "Activity Downloads Activity 029 30 Activity 028 29 ") || strings.Count(best, "Activity") != 1+listShown {
		t.Errorf("the best are %s", best)
	}
	if _, there := tables["Downloads of each version, of all times"]; there || len(tables) != 4 {
		t.Errorf("there are %d tables", len(tables))
	}
	wantText(t, body, "Downloads from this library", "All together are 3.", `href="/en/activity/100030/statistics"`)
	if w := get(h, "/en/statistics/x"); w.Code != 404 {
		t.Errorf("behind it is %d", w.Code)
	}
}

// TestStatisticsWithout: the page is whole whatever there is not.
func TestStatisticsWithout(t *testing.T) {
	away := &fakeStatistics{}
	away.away.Store(true)
	for name, tt := range map[string]struct {
		statistics  Statistics
		says, cache string
	}{
		"nobody counts": {nil, "does not keep count of downloads by day", "public, max-age=60"},
		"nothing yet":   {&fakeStatistics{}, "Nothing was downloaded in the last twelve months.", "public, max-age=60"},
		"away":          {away, "cannot be shown just now", "no-store"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandlerAt(t, newFeed(games(), activity(100001, "Thing")), tt.statistics, fixed(noon))
			for _, path := range []string{"/en/activity/100001/statistics", "/en/statistics"} {
				w := get(h, path)
				if w.Code != 200 || w.Header().Get("Cache-Control") != tt.cache {
					t.Errorf("%s answers %d, Cache-Control %q", path, w.Code, w.Header().Get("Cache-Control"))
				}
				checkPage(t, w.Body.String())
				wantText(t, w.Body.String(), tt.says)
				wantNoText(t, w.Body.String(), "<svg role")
			}
		})
	}
	h := newHandlerOn(t, newFeed(games()))
	if w := get(h, "/en/activity/7/statistics"); w.Code != 404 {
		t.Errorf("of no activity: %d", w.Code)
	}
}

// TestStatisticsAreKept: a crowd asks the database once a minute, and what was seen stays while the
// database is away, with its time.
func TestStatisticsAreKept(t *testing.T) {
	statistics := &fakeStatistics{counts: map[int64][]remora.DownloadCount{100001: {{Day: "2026-03-04", Source: "page", N: 3}}}}
	var now atomic.Pointer[time.Time]
	set := func(at time.Time) { now.Store(&at) }
	set(noon)
	h := newHandlerAt(t, newFeed(games(), activity(100001, "Thing")), statistics, func() time.Time { return *now.Load() })
	var crowd sync.WaitGroup
	for i := range 50 {
		crowd.Go(func() {
			wantText(t, mustGet(t, h, "/en/activity/100001/statistics?x="+strconv.Itoa(i)), "All together are 3.")
		})
	}
	crowd.Wait()
	if n := statistics.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	statistics.away.Store(true)
	set(noon.Add(time.Hour))
	wantText(t, mustGet(t, h, "/en/activity/100001/statistics"), "All together are 3.", "The numbers are those of 2026-03-04 at 12:00 UTC.")
}

func TestStatisticsMirrored(t *testing.T) {
	statistics := &fakeStatistics{counts: map[int64][]remora.DownloadCount{100001: {{Day: "2026-03-04", Source: "page", N: math.MaxInt64 / 4}}}}
	h := newHandlerWith(t, newFeed(games(), activity(100001, "<b>Thing</b>")), map[string]string{"ar": arabic})
	var err error
	if h.sources, err = newSources(nil, statistics, fixed(noon)); err != nil {
		t.Fatal(err)
	}
	body := mustGet(t, h, "/ar/activity/100001/statistics")
	checkPage(t, body)
	wantText(t, body, `direction="rtl"`, `<rect x="0.47%"`, "&lt;b&gt;Thing")
	wantNoText(t, mustGet(t, h, "/en/activity/100001/statistics"), `direction="rtl"`, `<rect x="0.47%"`)
}
