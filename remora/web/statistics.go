package web

import (
	"cmp"
	"context"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/text/number"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/web/internal/chart"
)

// Statistics is where pages find how often something was downloaded. It is asked concurrently, at
// most once a minute for the same, and waited for two seconds at most.
type Statistics interface {
	// DownloadsByDay returns the downloads of an activity, 0 standing for all, from one day to
	// another, both included and written as in [remora.DownloadCount]. Several of a day are added up.
	DownloadsByDay(ctx context.Context, activityID int64, from, to string) ([]remora.DownloadCount, error)
	// DownloadsByVersion returns the downloads of each version of an activity, of all days.
	DownloadsByVersion(ctx context.Context, activityID int64) (map[int64]int64, error)
}

// Bounds of statistics.
const (
	daysShown   = 30
	monthsShown = 12
	keptTallies = 1000 // activities whose numbers are kept
	tallyFresh  = time.Minute
)

// The sources of downloads, in the order of the table.
var downloadSources = [...]string{"updater", "page", "other"}

// A tally is what is known of the downloads of an activity, or of all.
type tally struct {
	days, months []point // the oldest first
	bySource     [len(downloadSources)]int64
	byVersion    map[int64]int64
	total        int64 // of the months
}

// A point is how often something was downloaded on a day, or in a month.
type point struct {
	machine string // as programs read it
	n       int64
}

// count asks for the tally of an activity, 0 standing for all, as of a moment.
func count(ctx context.Context, from Statistics, activityID int64, now time.Time) (*tally, error) {
	year, month, day := now.UTC().Date()
	today := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	first := time.Date(year, month-monthsShown+1, 1, 0, 0, 0, 0, time.UTC)
	rows, err := from.DownloadsByDay(ctx, activityID, first.Format(time.DateOnly), today.Format(time.DateOnly))
	if err != nil {
		return nil, err
	}
	const ofMonth = "2006-01"
	t := &tally{}
	byDay, byMonth := map[string]int64{}, map[string]int64{}
	for _, r := range rows {
		if len(r.Day) != len(time.DateOnly) || r.N <= 0 {
			continue
		}
		byDay[r.Day] += r.N
		byMonth[r.Day[:len(ofMonth)]] += r.N
		t.total += r.N
		if i := slices.Index(downloadSources[:], r.Source); i >= 0 {
			t.bySource[i] += r.N
		}
	}
	for i := range daysShown {
		day := today.AddDate(0, 0, i-daysShown+1).Format(time.DateOnly)
		t.days = append(t.days, point{day, byDay[day]})
	}
	for i := range monthsShown {
		month := first.AddDate(0, i, 0).Format(ofMonth)
		t.months = append(t.months, point{month, byMonth[month]})
	}
	if activityID != 0 {
		if t.byVersion, err = from.DownloadsByVersion(ctx, activityID); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// A statisticsPage is the content of statistics.html.
type statisticsPage struct {
	activityHead          // of the activity; empty for all
	Heading      string   // where there is no activity
	Sum          string   // how often in all months
	Notes        []string // why something is not as it should be
	Figures      []figure
	Tables       []table
}

// A figure is a chart with the table of the same numbers beside it.
type figure struct {
	Chart  template.HTML
	Table  table
	Folded bool // the table is long
}

// A table has two columns: what, and how often.
type table struct {
	ID      string
	Caption string
	What    string // heads the first column
	Rows    []tableRow
}

type tableRow struct {
	Name, Href string
	Machine    string // the day or month, as programs read it
	N, Share   string
}

// serveStatistics answers with the page of an activity's downloads.
func (h *Handler) serveStatistics(w http.ResponseWriter, v *visit, a *remora.Activity) {
	l := v.tongue
	p := statisticsPage{activityHead: v.newHead(a), Sum: l.downloads(a.Downloads)}
	t := h.tell(v, &p, a.ID)
	if t != nil && len(t.byVersion) > 0 {
		p.Tables = append(p.Tables, l.versionTable(a, t))
	}
	f := v.newFrame(l.t("Downloads of %s", p.Name.Value), &p)
	f.NoIndex = !a.InLists()
	f.at(v, "activity/"+strconv.FormatInt(a.ID, 10)+"/statistics", nil)
	h.showStatistics(w, v, f, t)
}

// serveAllStatistics answers with the page of all downloads.
func (h *Handler) serveAllStatistics(w http.ResponseWriter, v *visit) {
	l := v.tongue
	p := statisticsPage{Heading: l.t("Downloads from this library")}
	t := h.tell(v, &p, 0)
	if t != nil {
		popular, _ := v.view.List(remora.SortPopular, "", remora.Cursor{}, listShown)
		best := table{ID: "popular", Caption: l.t("What is downloaded most, since the library was opened"), What: l.t("Activity")}
		for _, a := range popular {
			if a.Downloads > 0 {
				best.Rows = append(best.Rows, tableRow{Name: l.name(a).Value, Href: l.activityStatisticsPath(a.ID), N: l.number(a.Downloads)})
			}
		}
		if len(best.Rows) > 0 {
			p.Tables = append(p.Tables, best)
		}
	}
	f := v.newFrame(p.Heading, &p)
	f.at(v, "statistics", nil)
	h.showStatistics(w, v, f, t)
}

func (h *Handler) showStatistics(w http.ResponseWriter, v *visit, f *frame, t *tally) {
	f.with(h, "numbers.css")
	m := manner{cache: "public, max-age=60"}
	if t == nil && h.statistics != nil {
		m.cache = "no-store" // it may well be there in a moment
	}
	h.showAs(w, v, "statistics", f, m)
}

// listShown is how many versions or activities a table of them has.
const listShown = 20

// tell puts what is known of downloads into a page, and returns it; nil if nothing is known.
func (h *Handler) tell(v *visit, p *statisticsPage, activityID int64) *tally {
	l := v.tongue
	if h.statistics == nil {
		p.Notes = append(p.Notes, l.t("This library does not keep count of downloads by day."))
		return nil
	}
	of := h.statistics
	if activityID == 0 {
		of = h.totals
	}
	a, err := of.get(v.request.Context(), activityID)
	if troubled(err) {
		h.log.WarnContext(v.request.Context(), "the statistics of downloads cannot be had", "activity", activityID, "error", err)
	}
	if err != nil && a.value != nil {
		p.Notes = append(p.Notes, l.t("The library's database does not answer just now. The numbers are those of %s at %s UTC.", l.day(remora.TimeOf(a.at)).Text, l.clock(a.at)))
	} else if err != nil {
		p.Notes = append(p.Notes, l.t("How often it was downloaded each day cannot be shown just now, as the library's database does not answer. Try again in a minute."))
		return nil
	}
	t := a.value
	if t.total == 0 {
		p.Notes = append(p.Notes, l.t("Nothing was downloaded in the last twelve months."))
		return t
	}
	p.Figures = []figure{
		l.newFigure("days", l.t("Downloads per day, the last %s days", l.number(daysShown)), l.t("Day"), t.days),
		l.newFigure("months", l.t("Downloads per month, the last %s months", l.number(monthsShown)), l.t("Month"), t.months),
	}
	p.Figures[0].Folded = true
	p.Tables = append(p.Tables, l.sourceTable(t))
	return t
}

// newFigure draws points, and lists them with the newest first.
func (l *tongue) newFigure(id, title, what string, points []point) figure {
	f := figure{Table: table{ID: id, Caption: title, What: what}}
	drawn := chart.Bars{ID: "chart-" + id, Title: title, Mirror: l.dir == "rtl", Number: l.number}
	best, sum := points[0], int64(0)
	for _, p := range points {
		label := l.pointName(p)
		drawn.Bars = append(drawn.Bars, chart.Bar{Label: label, Value: p.n})
		f.Table.Rows = append(f.Table.Rows, tableRow{Name: label, Machine: p.machine, N: l.number(p.n)})
		sum += p.n
		if p.n > best.n {
			best = p
		}
	}
	slices.Reverse(f.Table.Rows)
	// Translators: the first is a number, the second a day or a month, the third a number.
	drawn.Desc = l.t("The most were %s, %s. All together are %s. The table has every number.", l.number(best.n), l.pointName(best), l.number(sum))
	var err error
	if f.Chart, err = drawn.SVG(); err != nil {
		f.Chart = "" // the table says it all
	}
	return f
}

// pointName writes a day as the language does, and a month in the order of the standard (ISO 8601).
func (l *tongue) pointName(p point) string {
	if day, err := time.Parse(time.DateOnly, p.machine); err == nil {
		return l.day(remora.TimeOf(day)).Text
	}
	if month, err := time.Parse("2006-01", p.machine); err == nil {
		return l.digits(month.Year()) + "-" + l.digits(int(month.Month()))
	}
	return p.machine
}

// sourceTable says who downloaded.
func (l *tongue) sourceTable(t *tally) table {
	out := table{ID: "sources", Caption: l.t("Who downloaded, in the last twelve months"), What: l.t("By")}
	names := [...]string{l.t("Laptops that look for updates"), l.t("Readers of these pages"), l.t("Others, such as links from elsewhere")}
	for i, n := range t.bySource {
		share := l.printer.Sprint(number.Percent(float64(n)/float64(t.total), number.MaxFractionDigits(0)))
		out.Rows = append(out.Rows, tableRow{Name: names[i], N: l.number(n), Share: share})
	}
	return out
}

// versionTable says which versions were downloaded, the newest first.
func (l *tongue) versionTable(a *remora.Activity, t *tally) table {
	out := table{ID: "by-version", Caption: l.t("Downloads of each version, of all times"), What: l.t("Version")}
	var list []*remora.Version
	rest := int64(0)
	for _, n := range t.byVersion {
		rest += n
	}
	for i := range a.Versions {
		if v := &a.Versions[i]; v.State.Offered() {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(x, y *remora.Version) int {
		return -cmp.Or(x.Number.Compare(y.Number), cmp.Compare(x.ID, y.ID))
	})
	for _, v := range list[:min(len(list), listShown)] {
		n := t.byVersion[v.ID]
		rest -= n
		out.Rows = append(out.Rows, tableRow{Name: v.Number.String(), Href: l.versionPath(a.ID, v), N: l.number(n)})
	}
	if rest > 0 {
		out.Rows = append(out.Rows, tableRow{Name: l.t("Others"), N: l.number(rest)})
	}
	return out
}
