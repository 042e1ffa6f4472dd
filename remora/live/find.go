package live

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// A Facet is a property by which lists of activities are narrowed.
type Facet uint8

// The facets, and what their values are.
const (
	FacetCategory    Facet = iota // slug
	FacetInterpreter              // as remora.Interpreter writes it; of the newest stable version
	FacetSugar                    // Sugar release, "0.120": a stable version is offered to it
	FacetLanguage                 // base language of a name, "es": the activity speaks it
	FacetLicense                  // SPDX expression, "other" for any that is none, "none" for none stated
	FacetSize                     // "1", "5", "20": the newest stable version has at most so many MB, and not less than the value before; "more"
	FacetNetwork                  // "offline" or "needed"; not known is no value
	FacetTag                      // as it is written, without case
	FacetAuthor                   // id
	facetCount
)

var facetNames = [...]string{"category", "interpreter", "sugar", "language", "license", "size", "network", "tag", "author"}

// String returns the stable word for the facet.
func (f Facet) String() string {
	if int(f) >= len(facetNames) {
		return "invalid"
	}
	return facetNames[f]
}

// Facets lists the facets that results are counted by: all but tags and authors, of which there
// are too many.
var Facets = [...]Facet{FacetCategory, FacetInterpreter, FacetSugar, FacetLanguage, FacetLicense, FacetSize, FacetNetwork}

// A Filter narrows what is found: each value that is not "" must be one of the activity's.
type Filter [facetCount]string

// A Query asks for listed activities.
type Query struct {
	Text   string // words; "": all activities, in the order of Sort
	Locale string // the reader's: matches in it rank above others
	// Sugar is the reader's release: what is not for it ranks below what is. Zero: not known.
	Sugar  remora.Number
	Filter Filter
	Sort   remora.Sort // without Text
	After  remora.Cursor
	Limit  int // 0 is none: counts only
	Counts bool
}

// A Found is what a Query found.
type Found struct {
	Activities []*remora.Activity
	Next       remora.Cursor // behind the last of Activities; zero: there are no more
	Total      int           // how many there are on all pages
	// Counts has, where asked for, the values of each of Facets among what is found, and how many
	// have it: most first, then by value. A facet's own value in Filter does not narrow its counts.
	Counts [facetCount][]FacetCount
	// Corrected is the text with its words replaced by the words that were found instead, "" where
	// they were found as they are.
	Corrected string
}

// A FacetCount is a value of a facet, and how many activities have it.
type FacetCount struct {
	Value string
	N     int
}

// Find returns the activities that q asks for.
func (v *View) Find(q Query) Found {
	var list []*remora.Activity
	if q.Text != "" {
		list = v.Search(q.Text, q.Locale, 10_000)
	} else {
		list, _ = v.List(q.Sort, "", remora.Cursor{}, v.total)
	}
	var out Found
	begun := q.After == (remora.Cursor{})
	for i, a := range list {
		misses, where := 0, Facet(0)
		for f := range facetCount {
			if q.Filter[f] != "" && !slices.Contains(facetValues(a, f), q.Filter[f]) {
				misses++
				where = f
			}
		}
		if q.Counts {
			for _, f := range Facets {
				if misses == 0 || misses == 1 && where == f {
					for _, value := range facetValues(a, f) {
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
		c := remora.CursorOf(q.Sort, a)
		if q.Text != "" {
			c = remora.Cursor{Num: int64(i) + 1, ID: a.ID}
		}
		if begun && len(out.Activities) < q.Limit {
			out.Activities = append(out.Activities, a)
			out.Next = c
		} else if begun && q.Limit > 0 {
			begun = false
		}
		if c == q.After {
			begun = true
		}
	}
	if begun || q.Limit == 0 {
		out.Next = remora.Cursor{}
	}
	for f := range out.Counts {
		slices.SortFunc(out.Counts[f], func(a, b FacetCount) int {
			return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Value, b.Value))
		})
	}
	return out
}

// facetValues returns what a has of a facet.
func facetValues(a *remora.Activity, f Facet) (values []string) {
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
			const mb = 1_000_000
			switch n := newest.Size; {
			case n <= mb:
				return []string{"1"}
			case n <= 5*mb:
				return []string{"5"}
			case n <= 20*mb:
				return []string{"20"}
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
