package live

import (
	"math"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

func TestNearestSugar(t *testing.T) {
	for sugar, want := range map[string]string{
		"0.82": "0.82", "0.98": "0.98", "0.121": "0.122", "0.122": "0.122", "0.99": "0.100",
		"0.30": "0.82", "0.200": "0.122", "1.0": "0.122", "0.114.3": "0.116",
	} {
		if got := nearestSugar(remora.MustNumber(sugar)); got != want {
			t.Errorf("nearestSugar(%s) = %s, want %s", sugar, got, want)
		}
	}
	if n := len(sugarReleases); n > 64 {
		t.Errorf("%d releases do not fit into the bits of a spans mask", n)
	}
}

func TestFacetNames(t *testing.T) {
	seen := map[string]Facet{}
	for f := range facetCount {
		if other, twice := seen[f.String()]; twice || f.String() == "invalid" {
			t.Errorf("facet %d is called %s, as is %d", f, f, other)
		}
		seen[f.String()] = f
	}
	if got := facetCount.String(); got != "invalid" {
		t.Errorf("what is no facet is called %s", got)
	}
	for _, f := range Facets {
		if f >= facetCount {
			t.Errorf("%d is no facet", f)
		}
	}
}

// TestFindTakesAnything asks for what no page links to.
func TestFindTakesAnything(t *testing.T) {
	v := viewWith(t, plain(1), plain(2))
	for name, test := range map[string]struct {
		q           Query
		shown, many int
	}{
		"a negative limit":    {Query{Limit: -5}, 0, 2},
		"an enormous limit":   {Query{Limit: math.MaxInt}, 2, 2},
		"an unknown order":    {Query{Sort: 99, Limit: 5}, 0, 2},
		"an unknown value":    {Query{Filter: Filter{FacetSize: "\xff"}, Limit: 5}, 0, 0},
		"a place behind all":  {Query{After: remora.Cursor{Num: -1 << 62}, Limit: 5}, 0, 2},
		"text without a word": {Query{Text: " ?!", Limit: 5}, 0, 0},
		"text place, NaN":     {Query{Text: "thing", After: remora.Cursor{Num: 0x7fc00000, ID: 1}, Limit: 5}, 2, 2},
		"text place, large":   {Query{Text: "thing", After: remora.Cursor{Num: 1 << 50, ID: 1}, Limit: 5}, 2, 2},
		"text place, below":   {Query{Text: "thing", After: remora.Cursor{Num: -1, ID: 1}, Limit: 5}, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			got := v.Find(test.q)
			if len(got.Activities) != test.shown || got.Total != test.many {
				t.Errorf("%d shown of %d, want %d of %d", len(got.Activities), got.Total, test.shown, test.many)
			}
		})
	}
	if got := emptyView().Find(Query{Limit: 5, Counts: true}); got.Total != 0 || got.Activities != nil {
		t.Errorf("an empty View has %+v", got)
	}
}
