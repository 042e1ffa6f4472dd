package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// valuesShown is how many values of a facet are shown before the others are folded away, and
// valuesMost how many there are at all.
const (
	valuesShown = 6
	valuesMost  = 60
)

// A facetGroup is a facet with its values, each of which leads to the list narrowed by it.
type facetGroup struct {
	ID, Name string
	Links    []link
	More     []link // folded away
}

// facets returns what a list can be narrowed by, and what it is narrowed by. fixed, if not nil, is
// the facet that the address of the list says, which is neither. to returns the address of the list
// with another filter.
func (v *visit) facets(found *live.Found, filter live.Filter, fixed *live.Facet, to func(live.Filter) string) (groups []facetGroup, chosen []link) {
	namer := v.newValueNamer()
	for f := range filter {
		facet := live.Facet(f)
		if filter[f] == "" || fixed != nil && facet == *fixed {
			continue
		}
		without := filter
		without[f] = ""
		chosen = append(chosen, link{Href: to(without), Name: namer.name(facet, filter[f])})
	}
	for _, facet := range live.Facets {
		if filter[facet] != "" {
			continue // it is chosen: to choose another, take it away first
		}
		// What everything in the list has narrows nothing. Only releases of Sugar are shown nevertheless,
		// where any narrows: a gap among them would read as if nothing ran there.
		counts := slices.DeleteFunc(slices.Clone(found.Counts[facet]), func(c live.FacetCount) bool { return c.N == found.Total })
		if len(counts) == 0 {
			continue
		}
		if facet == live.FacetSugar {
			counts = slices.Clone(found.Counts[facet])
		}
		if facet == live.FacetLanguage {
			v.orderLanguages(namer, counts)
		}
		counts = counts[:min(len(counts), valuesMost)]
		switch facet {
		case live.FacetSugar:
			slices.SortFunc(counts, func(x, y live.FacetCount) int { return compareSugar(y.Value, x.Value) })
		case live.FacetSize:
			slices.SortFunc(counts, func(x, y live.FacetCount) int {
				return slices.Index(live.Sizes[:], x.Value) - slices.Index(live.Sizes[:], y.Value)
			})
		}
		g := facetGroup{ID: facet.String(), Name: v.tongue.facetName(facet)}
		for i, c := range counts {
			with := filter
			with[facet] = c.Value
			each := link{Href: to(with), Name: namer.name(facet, c.Value), Count: v.tongue.number(int64(c.N))}
			if i < valuesShown || len(counts) == valuesShown+1 {
				g.Links = append(g.Links, each)
			} else {
				g.More = append(g.More, each)
			}
		}
		groups = append(groups, g)
	}
	return groups, chosen
}

// orderLanguages puts the reader's own language first, and those that as many activities have in the
// order of their names.
func (v *visit) orderLanguages(namer *valueNamer, counts []live.FacetCount) {
	base, _, _ := strings.Cut(v.tongue.tag, "-")
	names := make(map[string]string, len(counts))
	for _, c := range counts {
		names[c.Value] = namer.name(live.FacetLanguage, c.Value).Value
	}
	slices.SortStableFunc(counts, func(x, y live.FacetCount) int {
		if (x.Value == base) != (y.Value == base) {
			return map[bool]int{true: -1, false: 1}[x.Value == base]
		}
		return cmp.Or(cmp.Compare(y.N, x.N), byName(names[x.Value], names[y.Value]))
	})
}

func compareSugar(a, b string) int {
	x, errX := remora.ParseNumber(a)
	y, errY := remora.ParseNumber(b)
	if errX != nil || errY != nil {
		return strings.Compare(a, b)
	}
	return x.Compare(y)
}

// facetName says what a facet is about.
func (l *tongue) facetName(f live.Facet) string {
	switch f {
	case live.FacetCategory:
		return l.t("Category")
	case live.FacetInterpreter:
		return l.t("Made with")
	case live.FacetSugar:
		return l.t("For which Sugar")
	case live.FacetLanguage:
		return l.t("Language")
	case live.FacetLicense:
		return l.t("Licence")
	case live.FacetSize:
		return l.t("Size")
	case live.FacetNetwork:
		return l.t("Internet")
	}
	return f.String()
}

// A valueNamer says what the values of facets are called.
type valueNamer struct {
	v         *visit
	languages display.Namer
}

func (v *visit) newValueNamer() *valueNamer {
	return &valueNamer{v, display.Languages(language.Make(v.tongue.tag))}
}

// name returns what a value is called. One that nobody knows, which only a made-up address has, is
// called what it is.
func (n *valueNamer) name(f live.Facet, value string) phrase {
	l := n.v.tongue
	const mb = 1_000_000
	switch f {
	case live.FacetCategory:
		categories := n.v.view.Categories()
		if i := slices.IndexFunc(categories, func(c remora.Category) bool { return c.Slug == value }); i >= 0 {
			return l.categoryName(&categories[i])
		}
	case live.FacetInterpreter:
		switch value {
		case remora.InterpreterPython2.String():
			return phrase{Value: l.t("Python 2")}
		case remora.InterpreterPython3.String():
			return phrase{Value: l.t("Python 3")}
		case remora.InterpreterWeb.String():
			return phrase{Value: l.t("Web technology")}
		case remora.InterpreterNative.String():
			return phrase{Value: l.t("A program of its own")}
		case remora.InterpreterScript.String():
			return phrase{Value: l.t("A script")}
		}
	case live.FacetSugar:
		return phrase{Value: l.t("Sugar %s", shorten(value, maxTagShown))}
	case live.FacetLanguage:
		return phrase{Value: shorten(languageName(n.languages, value), maxTagShown)}
	case live.FacetLicense:
		switch value {
		case "other":
			return phrase{Value: l.t("Another licence")}
		case "none":
			return phrase{Value: l.t("No licence stated")}
		}
		return phrase{Value: shorten(value, maxTagShown), Dir: "ltr"}
	case live.FacetSize:
		switch value {
		case "1":
			return phrase{Value: l.t("Up to %s", l.size(mb))}
		case "5":
			// Translators: two sizes, such as 1 MB and 5 MB.
			return phrase{Value: l.t("%s to %s", l.size(mb), l.size(5*mb))}
		case "20":
			return phrase{Value: l.t("%s to %s", l.size(5*mb), l.size(20*mb))}
		case "more":
			return phrase{Value: l.t("More than %s", l.size(20*mb))}
		}
	case live.FacetNetwork:
		switch value {
		case remora.NetworkNone.String():
			return phrase{Value: l.t("Works without internet")}
		case remora.NetworkNeeded.String():
			return phrase{Value: l.t("Needs the internet")}
		}
	case live.FacetTag:
		value = n.v.view.TagName(value)
	case live.FacetAuthor:
		if id, err := strconv.ParseInt(value, 10, 64); err == nil {
			if author, known := n.v.view.Author(id); known {
				value = author.Name
			}
		}
	}
	return phrase{Value: shorten(value, maxTagShown), Dir: "auto"}
}
