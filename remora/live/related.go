package live

import (
	"cmp"
	"slices"

	"github.com/sugarlabs/beamrider/remora"
)

// What Related looks at, so that its work does not grow with the catalog.
const (
	relatedTags   = 16  // tags of the activity, and as many categories
	relatedRare   = 256 // all activities with a tag that so many have at most
	relatedWindow = 512 // and so many of the most downloaded of each category, or of all without one
	pointsTag     = 2   // a shared tag says more than
	pointsGroup   = 1   // a shared category
)

// Related returns up to limit listed activities that have tags or categories in common with a: those
// with the most of them first (a tag counts as two categories), then the most downloaded. It looks
// at what shares a rare tag, and at the most downloaded in the same categories. a itself is not among
// them; it need not be listed.
func (v *View) Related(a *remora.Activity, limit int) []*remora.Activity {
	if a == nil || limit <= 0 {
		return nil
	}
	var tags []string
	for _, t := range a.Tags {
		if t = tagValue(t); t != "" && !slices.Contains(tags, t) && len(tags) < relatedTags {
			tags = append(tags, t)
		}
	}
	categories := a.Categories[:min(len(a.Categories), relatedTags)]
	type candidate struct {
		*remora.Activity
		points int
	}
	var list []candidate
	seen := map[int64]struct{}{a.ID: {}}
	consider := func(b *remora.Activity) {
		if _, twice := seen[b.ID]; twice {
			return
		}
		seen[b.ID] = struct{}{}
		points := 0
		for i, t := range b.Tags {
			if t = tagValue(t); slices.Contains(tags, t) && !slices.ContainsFunc(b.Tags[:i], func(u string) bool { return tagValue(u) == t }) {
				points += pointsTag
			}
		}
		for _, c := range b.Categories {
			if slices.Contains(categories, c) {
				points += pointsGroup
			}
		}
		if points > 0 {
			list = append(list, candidate{b, points})
		}
	}
	for _, t := range tags {
		if v.valueCount(FacetTag, t) <= relatedRare {
			v.having(FacetTag, t, consider)
		}
	}
	windows := categories
	if len(windows) == 0 && len(tags) > 0 {
		windows = []string{""}
	}
	for _, c := range windows {
		n := 0
		for b := range v.inOrder(remora.SortPopular, c, v.shown, remora.Cursor{}) {
			consider(b)
			if n++; n == relatedWindow {
				break
			}
		}
	}
	slices.SortFunc(list, func(p, q candidate) int {
		return cmp.Or(cmp.Compare(q.points, p.points), cmp.Compare(q.Downloads, p.Downloads), cmp.Compare(p.ID, q.ID))
	})
	out := make([]*remora.Activity, min(limit, len(list)))
	for i := range out {
		out[i] = list[i].Activity
	}
	return out
}

// valueCount returns how many listed activities have a value.
func (v *View) valueCount(f Facet, value string) (n int) {
	for i, l := range v.layers {
		n += l.facets.Value(int(f), value).Count(v.shown[i])
	}
	return n
}

// having calls do with each listed activity that has a value.
func (v *View) having(f Facet, value string, do func(*remora.Activity)) {
	for i, l := range v.layers {
		all := l.snap.All()
		for n := range l.facets.Value(int(f), value).All() {
			if v.shown[i].Has(n) {
				do(&all[n])
			}
		}
	}
}

// Author returns the author with this id as the most recently updated of the listed activities
// names them, and whether any does.
func (v *View) Author(id int64) (author remora.Author, found bool) {
	var at *remora.Activity
	v.having(FacetAuthor, authorValue(id), func(a *remora.Activity) {
		if at == nil || a.Updated > at.Updated || a.Updated == at.Updated && a.ID > at.ID {
			at = a
		}
	})
	if at == nil {
		return remora.Author{}, false
	}
	i := slices.IndexFunc(at.Authors, func(p remora.Author) bool { return p.ID == id })
	return at.Authors[i], true
}

// A Tag is a word that activities are marked with.
type Tag struct {
	Value string // of FacetTag
	Name  string // as it was first written: in the activity with the smallest id
	N     int    // how many listed activities have it
}

// MaxTags is the greatest number of tags that [View.Tags] returns.
const MaxTags = 200

// Tags returns up to limit tags: those of most listed activities, the most used first, then by
// value. All of them are counted once for each View, which takes about a millisecond for a hundred
// thousand activities.
func (v *View) Tags(limit int) []Tag {
	v.tagsOnce.Do(func() {
		top := v.values(FacetTag, v.shown)
		for _, c := range top[:min(len(top), MaxTags)] {
			v.tags = append(v.tags, Tag{Value: c.Value, Name: v.TagName(c.Value), N: c.N})
		}
	})
	return slices.Clone(v.tags[:min(max(limit, 0), len(v.tags))])
}

// TagName returns a tag, given in any case, as it was first written: in the listed activity with the
// smallest id. A tag that none has comes back as it is.
func (v *View) TagName(tag string) string {
	value := tagValue(tag)
	var first *remora.Activity
	for i, l := range v.layers {
		for n := range l.facets.Value(int(FacetTag), value).All() {
			if v.shown[i].Has(n) { // the layer has them by id
				if a := &l.snap.All()[n]; first == nil || a.ID < first.ID {
					first = a
				}
				break
			}
		}
	}
	if first == nil {
		return tag
	}
	return first.Tags[slices.IndexFunc(first.Tags, func(t string) bool { return tagValue(t) == value })]
}
