package live

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/remora"
)

// slowFind is what Find promises, said slowly: all that a View of one layer has for q, whatever its
// place and limit.
func slowFind(v *View, q Query) Found {
	var list []*remora.Activity
	if q.Text != "" {
		// What narrows must not change the order; without it the index alone decides.
		list = v.Find(Query{Text: q.Text, Locale: q.Locale, Sugar: q.Sugar, Limit: MaxFound}).Activities
	} else {
		list, _ = v.List(q.Sort, "", remora.Cursor{}, v.Len())
	}
	var out Found
	for _, a := range list {
		misses, where := 0, Facet(0)
		for f := range facetCount {
			if q.Filter[f] != "" && !slices.ContainsFunc(slowValues(a, f), func(value string) bool {
				return value == q.Filter[f] || f == FacetTag && strings.EqualFold(value, q.Filter[f])
			}) {
				misses++
				where = f
			}
		}
		if q.Counts {
			for _, f := range Facets {
				if misses == 0 || misses == 1 && where == f {
					for _, value := range slowValues(a, f) {
						at := slices.IndexFunc(out.Counts[f], func(c FacetCount) bool { return c.Value == value })
						if at < 0 {
							at = len(out.Counts[f])
							out.Counts[f] = append(out.Counts[f], FacetCount{Value: value})
						}
						out.Counts[f][at].N++
					}
				}
			}
		}
		if misses > 0 {
			continue
		}
		out.Total++
		out.Activities = append(out.Activities, a)
	}
	for f := range out.Counts {
		slices.SortFunc(out.Counts[f], func(a, b FacetCount) int {
			return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Value, b.Value))
		})
	}
	return out
}

// slowValues returns what a has of a facet.
func slowValues(a *remora.Activity, f Facet) (values []string) {
	newest := a.Select(remora.Client{})
	switch f {
	case FacetCategory:
		return a.Categories
	case FacetInterpreter:
		if newest != nil && newest.Interpreter != 0 {
			return []string{newest.Interpreter.String()}
		}
	case FacetSugar:
		for minor := 82; ; minor += 2 {
			n := remora.MustNumber("0." + strconv.Itoa(minor))
			if a.Select(remora.Client{Sugar: n}) != nil {
				values = append(values, n.String())
			}
			if n.Compare(remora.NewestSugar) >= 0 {
				return values
			}
		}
	case FacetLanguage:
		for _, l := range a.Name {
			if base, _, _ := strings.Cut(l.Locale, "-"); base != "und" && !slices.Contains(values, base) {
				values = append(values, base)
			}
		}
	case FacetLicense:
		switch {
		case a.License != "":
			return []string{a.License}
		case a.LicenseText != "":
			return []string{"other"}
		}
		return []string{"none"}
	case FacetSize:
		if newest != nil {
			for _, class := range []int64{1, 5, 20} {
				if newest.Size <= class*1_000_000 {
					return []string{strconv.FormatInt(class, 10)}
				}
			}
			return []string{"more"}
		}
	case FacetNetwork:
		if a.Network != remora.NetworkUnknown {
			return []string{a.Network.String()}
		}
	case FacetTag:
		for _, t := range a.Tags {
			values = append(values, strings.ToLower(t))
		}
	case FacetAuthor:
		for _, p := range a.Authors {
			values = append(values, strconv.FormatInt(p.ID, 10))
		}
	}
	return values
}

// filterValues are some values of each facet, one of which nothing has.
var filterValues = [facetCount][]string{
	FacetCategory:    testCategories[1:],
	FacetInterpreter: {"python2", "web", "cobol"},
	FacetSugar:       {"0.82", "0.98", "0.114", "0.122", "0.33"},
	FacetLanguage:    {"en", "es", "am"},
	FacetLicense:     {"MIT", "GPL-3.0-or-later", "none", "other", "free"},
	FacetSize:        {"1", "5", "20", "more", "6"},
	FacetNetwork:     {"offline", "needed", "unknown"},
	FacetTag:         {"jam", "Jam", "TURTLE", "ñandú", "none"},
	FacetAuthor:      {"1", "22", "3", "2"},
}

// drawQuery returns a query without a place, mostly with few filters, as otherwise nothing is found.
func drawQuery(t *rapid.T) Query {
	q := Query{
		Sort:   rapid.SampledFrom([]remora.Sort{remora.SortUpdated, remora.SortNewest, remora.SortName, remora.SortPopular, remora.SortFeatured}).Draw(t, "sort"),
		Limit:  rapid.IntRange(0, 8).Draw(t, "limit"),
		Counts: rapid.Bool().Draw(t, "counts"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "filters") {
		f := rapid.SampledFrom([]Facet{FacetCategory, FacetInterpreter, FacetSugar, FacetLanguage, FacetLicense, FacetSize, FacetNetwork, FacetTag, FacetAuthor}).Draw(t, "facet")
		q.Filter[f] = rapid.SampledFrom(filterValues[f]).Draw(t, "value")
	}
	if rapid.Bool().Draw(t, "with text") {
		q.Text = rapid.SampledFrom(append([]string{"tu", "jam turtle", "turtel", "zzz", "walter", "pipy paint", "!"}, testWords...)).Draw(t, "text")
		q.Locale = rapid.SampledFrom([]string{"", "en", "es"}).Draw(t, "locale")
		q.Sugar = rapid.SampledFrom([]remora.Number{{}, remora.MustNumber("0.98"), remora.MustNumber("0.123"), remora.MustNumber("0.81")}).Draw(t, "sugar")
	}
	return q
}

// turnPages returns all pages of a query.
func turnPages(t *rapid.T, v *View, q Query) (pages []Found) {
	for {
		f := v.Find(q)
		pages = append(pages, f)
		if q.After = f.Next; f.Next == (remora.Cursor{}) {
			return pages
		}
		if len(pages) > 100 {
			t.Fatalf("the pages of %+v do not end", q)
		}
	}
}

// compareFound holds what is found in got, which has layers, against what is in want, which has one,
// and that against the slow way.
func compareFound(t *rapid.T, got, want *View, same func(what string, got, want any)) {
	q := drawQuery(t)
	what := fmt.Sprintf("%+v", q)
	gotPages, wantPages := turnPages(t, got, q), turnPages(t, want, q)
	same("pages of "+what, len(gotPages), len(wantPages))
	var ids []int64
	model := slowFind(want, q)
	for i := range wantPages {
		g, w := &gotPages[i], &wantPages[i]
		same("Activities of "+what, idsOf(g.Activities), idsOf(w.Activities))
		same("Next of "+what, g.Next, w.Next)
		same("Total of "+what, g.Total, w.Total)
		same("Counts of "+what, g.Counts, w.Counts)
		same("Corrected of "+what, g.Corrected, w.Corrected)
		same("slow Total of "+what, w.Total, model.Total)
		same("slow Counts of "+what, w.Counts, model.Counts)
		if len(w.Activities) > q.Limit || len(w.Activities) < q.Limit && i < len(wantPages)-1 {
			t.Fatalf("a page of %d for %s", len(w.Activities), what)
		}
		ids = append(ids, idsOf(w.Activities)...)
	}
	if q.Limit > 0 {
		same("slow Activities of "+what, ids, idsOf(model.Activities))
	}

	// A place of an activity that is no longer there, or never was.
	q.After = remora.Cursor{Num: rapid.Int64Range(-3, 3000).Draw(t, "num"), ID: rapid.Int64Range(0, 30).Draw(t, "odd id")}
	switch {
	case q.Text != "":
		q.After.Num = rapid.Int64().Draw(t, "odd score")
	case q.Sort == remora.SortName:
		q.After = remora.Cursor{Text: strings.ToLower(rapid.SampledFrom(testWords).Draw(t, "odd name")), ID: q.After.ID}
	}
	g, w := got.Find(q), want.Find(q)
	same("Activities from an odd place of "+what, idsOf(g.Activities), idsOf(w.Activities))
	same("Next from an odd place of "+what, g.Next, w.Next)
	same("Total from an odd place of "+what, w.Total, model.Total)
	if q.Text == "" && q.After != (remora.Cursor{}) {
		behind := slices.DeleteFunc(model.Activities, func(a *remora.Activity) bool { return remora.CursorOf(q.Sort, a).Compare(q.After) <= 0 })
		same("slow Activities from an odd place of "+what, idsOf(w.Activities), idsOf(behind[:min(len(behind), q.Limit)]))
	}
}
