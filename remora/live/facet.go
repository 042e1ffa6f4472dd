package live

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/search"
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
	FacetSize                     // "1", "5", "20": the newest stable version has at most so many MB, and more than the value before; "more"
	FacetNetwork                  // "offline" or "needed"; not known is no value
	FacetTag                      // as it is written, in lower case
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

// sugarReleases are the releases that FacetSugar tells apart, oldest first: the even ones, as
// clients round theirs (see remora.ParseSugar), from the first that could install bundles from a
// catalog. There must be no more than 64.
var sugarReleases = func() (list []remora.Number) {
	for minor := 82; ; minor += 2 {
		n := remora.MustNumber("0." + strconv.Itoa(minor))
		list = append(list, n)
		if n.Compare(remora.NewestSugar) >= 0 {
			return list
		}
	}
}()

// SugarReleases returns the releases of Sugar that [FacetSugar] tells apart, oldest first.
func SugarReleases() []remora.Number { return slices.Clone(sugarReleases) }

// Sizes are the values of [FacetSize], the smallest first.
var Sizes = [...]string{"1", "5", "20", "more"}

// nearestSugar returns the value of FacetSugar for a reader's release: where it is none of those
// told apart, the next newer one, and the newest for what is newer still.
func nearestSugar(n remora.Number) string {
	i, _ := slices.BinarySearchFunc(sugarReleases, n, remora.Number.Compare)
	return sugarReleases[min(i, len(sugarReleases)-1)].String()
}

// facetsOf returns the facets of those activities of a snapshot that are in lists, and which these
// are. Documents are numbered by their place in the snapshot.
func facetsOf(snap *remora.Snapshot) (*search.Facets, *search.Set) {
	all := snap.All()
	listed := search.NewSet(len(all))
	b := search.NewFacetsBuilder(len(all), int(facetCount))
	var span spans
	for i := range all {
		a := &all[i]
		if !a.InLists() {
			continue
		}
		listed.Add(i)
		add := func(f Facet, value string) {
			if value != "" { // which stands for all
				b.Add(i, int(f), value)
			}
		}
		for _, c := range a.Categories {
			add(FacetCategory, c)
		}
		newest := a.Select(remora.Client{}) // there is one, since a is in lists
		if newest.Interpreter != remora.InterpreterUnknown {
			add(FacetInterpreter, newest.Interpreter.String())
		}
		for mask, j := span.of(a), 0; mask != 0; mask, j = mask>>1, j+1 {
			if mask&1 != 0 {
				add(FacetSugar, sugarReleases[j].String())
			}
		}
		for _, l := range a.Name {
			if base, _, _ := strings.Cut(l.Locale, "-"); base != "und" {
				add(FacetLanguage, base)
			}
		}
		add(FacetLicense, license(a))
		add(FacetSize, sizeClass(newest.Size))
		if a.Network != remora.NetworkUnknown {
			add(FacetNetwork, a.Network.String())
		}
		for _, t := range a.Tags {
			add(FacetTag, tagValue(t))
		}
		for _, p := range a.Authors {
			add(FacetAuthor, authorValue(p.ID))
		}
	}
	return b.Facets(), listed
}

// spans tells to which of sugarReleases activities are offered. It remembers the last range, since
// most versions of an activity have the same.
type spans struct {
	last remora.Range
	mask uint64
	know bool
}

// of returns a bit for each release that a stable version of a is offered to. Other releases than
// the reader's Sugar matter to nobody here, so any version will do, not only the newest.
func (s *spans) of(a *remora.Activity) (mask uint64) {
	for i := range a.Versions {
		v := &a.Versions[i]
		if v.State != remora.StatePublished || v.Channel != remora.ChannelStable {
			continue
		}
		if !s.know || v.Range != s.last {
			s.last, s.mask, s.know = v.Range, 0, true
			for j, n := range sugarReleases {
				if v.Range.Contains(n) {
					s.mask |= 1 << j
				}
			}
		}
		mask |= s.mask
	}
	return mask
}

func license(a *remora.Activity) string {
	switch {
	case a.License != "":
		return a.License
	case a.LicenseText != "":
		return "other"
	}
	return "none"
}

func sizeClass(bytes int64) string {
	const mb = 1_000_000
	switch {
	case bytes <= mb:
		return Sizes[0]
	case bytes <= 5*mb:
		return Sizes[1]
	case bytes <= 20*mb:
		return Sizes[2]
	}
	return Sizes[3]
}

func tagValue(tag string) string  { return strings.ToLower(tag) }
func authorValue(id int64) string { return strconv.FormatInt(id, 10) }
