package live

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/search"
)

// A Filter narrows what is found: each value that is not "" must be one of the activity's. A value
// that no activity has finds nothing. Tags may be written in any case.
type Filter [facetCount]string

// MaxFound is the greatest Query.Limit.
const MaxFound = 1000

// A Query asks for listed activities.
type Query struct {
	Text   string // words; "": all activities, in the order of Sort
	Locale string // the reader's: matches in it rank above others
	// Sugar is the reader's release: with Text, what is not for it ranks below what is. Zero: not
	// known.
	Sugar  remora.Number
	Filter Filter
	Sort   remora.Sort // without Text; SortFeatured finds featured activities only
	After  remora.Cursor
	Limit  int // at most MaxFound; 0 is none: Total and Counts only
	Counts bool
}

// A Found is what a Query found.
type Found struct {
	Activities []*remora.Activity
	// Next is the place behind the last of Activities, for Query.After of the same Query; zero: there
	// are no more. It stays good when the catalog changes meanwhile. With Text it is no place of
	// [View.List].
	Next  remora.Cursor
	Total int // how many there are on all pages
	// Counts has, where asked for, the values of each of Facets among what is found, and how many
	// have it: most first, then by value. A facet's own value in Filter does not narrow its counts.
	Counts [facetCount][]FacetCount
	// Corrected is the text with its words replaced by the words that were found instead, "" where
	// they were found as they are.
	Corrected string
	// Partial says that the words are so common that the least popular activities were not looked
	// at: Total and Counts are lower bounds.
	Partial bool
}

// A FacetCount is a value of a facet, and how many activities have it.
type FacetCount struct {
	Value string
	N     int
}

// Find returns the activities that q asks for. The same of them are found, in the same order and
// with the same counts, however the catalog is spread over layers.
//
// Without Text it looks at a bit for each activity that comes before the end of the page, at worst
// all there are.
//
// With Text the words are first looked for as they are written. Only where no activity at all has
// them, whatever the Filter, are words found that differ by a letter or two: a reader who gets
// something is not given what was not asked for.
func (v *View) Find(q Query) Found {
	q.Limit = min(max(q.Limit, 0), MaxFound)
	q.Filter[FacetTag] = tagValue(q.Filter[FacetTag])
	if q.Text != "" {
		return v.findText(q)
	}
	from := v.shown
	if q.Sort == remora.SortFeatured {
		from = v.featured()
	}
	within := v.narrow(from, q.Filter, facetCount)
	out := Found{Total: total(within)}
	if q.Counts {
		v.facetCounts(&out, q.Filter, from, within)
	}
	if out.Total == 0 {
		return out // without looking through the whole list
	}
	var more bool
	out.Activities, more = v.walk(q.Sort, q.Filter[FacetCategory], within, q.After, q.Limit)
	if more {
		out.Next = remora.CursorOf(q.Sort, out.Activities[len(out.Activities)-1])
	}
	return out
}

// featured returns what is shown of each layer and has a rank.
func (v *View) featured() []*search.Set {
	out := make([]*search.Set, len(v.layers))
	for i, l := range v.layers {
		out[i] = search.NewSet(l.snap.Len())
		o := l.snap.Order(remora.SortFeatured, "")
		for j := range o.Len() {
			out[i].Add(o.Index(j))
		}
		out[i].And(v.shown[i])
	}
	return out
}

// narrow returns what of each layer's set passes the filter, of all facets but one (facetCount: of all). It returns the
// sets themselves where nothing narrows them.
func (v *View) narrow(from []*search.Set, filter Filter, but Facet) []*search.Set {
	out := from
	for f := range facetCount {
		if filter[f] == "" || f == but {
			continue
		}
		if &out[0] == &from[0] {
			out = make([]*search.Set, len(from))
			for i, s := range from {
				out[i] = s.Clone()
			}
		}
		for i, l := range v.layers {
			l.facets.Value(int(f), filter[f]).Narrow(out[i])
		}
	}
	return out
}

func total(sets []*search.Set) (n int) {
	for _, s := range sets {
		n += s.Len()
	}
	return n
}

// facetCounts fills in Counts: from is what is found without the filter, within what is found with it.
func (v *View) facetCounts(out *Found, filter Filter, from, within []*search.Set) {
	for _, f := range Facets {
		in := within
		if filter[f] != "" {
			in = v.narrow(from, filter, f)
		}
		out.Counts[f] = v.values(f, in)
	}
}

// values counts the values of a facet in sets of each layer.
func (v *View) values(f Facet, in []*search.Set) []FacetCount {
	var list []FacetCount
	at := map[string]int{}
	for i, l := range v.layers {
		for value, d := range l.facets.Values(int(f)) {
			n := d.Count(in[i])
			if n == 0 {
				continue
			}
			j, known := at[value]
			if !known {
				j = len(list)
				at[value] = j
				list = append(list, FacetCount{Value: value})
			}
			list[j].N += n
		}
	}
	slices.SortFunc(list, func(a, b FacetCount) int {
		return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Value, b.Value))
	})
	return list
}
