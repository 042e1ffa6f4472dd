package live

import (
	"slices"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/search"
)

// A View is an immutable picture of the whole catalog. Activities it hands out are shared and must
// not be changed. All methods may be called concurrently.
type View struct {
	header remora.Header
	layers []*layer // newest first, the base last; never empty
	counts map[string]int
	total  int
}

// newView computes the counts once, so that a page that shows one does not depend on the size of
// the catalog or of the layers.
func newView(header remora.Header, layers []*layer) *View {
	v := &View{header: header, layers: layers, counts: map[string]int{}}
	base := layers[len(layers)-1]
	v.total = base.snap.Len()
	v.counts[""] = base.snap.Order(remora.SortUpdated, "").Len()
	for _, c := range header.Categories {
		v.counts[c.Slug] = base.snap.Order(remora.SortUpdated, c.Slug).Len()
	}
	count := func(a *remora.Activity, by int) {
		v.total += by
		if !a.InLists() {
			return
		}
		v.counts[""] += by
		for _, c := range a.Categories {
			v.counts[c] += by
		}
	}
	for a := range visible(layers[:len(layers)-1]) {
		count(a, +1)
	}
	// Take away what the base holds and a newer layer decides about, each once.
	seen := map[int64]struct{}{}
	for _, l := range layers[:len(layers)-1] {
		hide := func(id int64) {
			if _, done := seen[id]; done {
				return
			}
			seen[id] = struct{}{}
			if a := base.snap.Activity(id); a != nil {
				count(a, -1)
			}
		}
		for id := range l.gone {
			hide(id)
		}
		all := l.snap.All()
		for i := range all {
			hide(all[i].ID)
		}
	}
	return v
}

func emptyView() *View {
	var b remora.SnapshotBuilder
	return newView(remora.Header{}, []*layer{finishLayer(&b, remora.Header{}, nil)})
}

// Position returns the point in the change feed that the View shows.
func (v *View) Position() remora.Position { return v.header.Position }

// Len returns the number of activities, listed or not.
func (v *View) Len() int { return v.total }

// Categories returns the categories in their order.
func (v *View) Categories() []remora.Category { return v.header.Categories }

// Collections returns all collections, listed or not, by nickname.
func (v *View) Collections() []remora.Collection { return v.header.Collections }

// Collection returns the collection with this nickname or UUID, nil if there is none.
func (v *View) Collection(ref string) *remora.Collection {
	if ref == "" {
		return nil
	}
	for i := range v.header.Collections {
		if c := &v.header.Collections[i]; c.Nickname == ref || c.UUID == ref {
			return c
		}
	}
	return nil
}

// Activity returns the activity with this id, nil if there is none.
func (v *View) Activity(id int64) *remora.Activity {
	for _, l := range v.layers {
		if a := l.snap.Activity(id); a != nil {
			return a
		}
		if _, gone := l.gone[id]; gone {
			return nil
		}
	}
	return nil
}

// ByBundleID returns the activity with this bundle id in any case, nil if there is none.
func (v *View) ByBundleID(bundleID string) *remora.Activity {
	return v.find(func(s *remora.Snapshot) *remora.Activity { return s.ByBundleID(bundleID) })
}

// ByFile returns the activity and its version that has this file id, nils if there is none.
func (v *View) ByFile(fileID int64) (*remora.Activity, *remora.Version) {
	a := v.find(func(s *remora.Snapshot) *remora.Activity { return s.ByFile(fileID) })
	return a, versionOf(a, func(w *remora.Version) bool { return w.FileID == fileID })
}

// ByVersion returns the activity and its version with this id, nils if there is none.
func (v *View) ByVersion(versionID int64) (*remora.Activity, *remora.Version) {
	a := v.find(func(s *remora.Snapshot) *remora.Activity { return s.ByVersion(versionID) })
	return a, versionOf(a, func(w *remora.Version) bool { return w.ID == versionID })
}

// BySum returns an activity and its version with these bytes, nils if there is none.
func (v *View) BySum(sum remora.Digest) (*remora.Activity, *remora.Version) {
	a := v.find(func(s *remora.Snapshot) *remora.Activity { return s.BySum(sum) })
	return a, versionOf(a, func(w *remora.Version) bool { return w.SHA256 == sum })
}

func (v *View) find(in func(*remora.Snapshot) *remora.Activity) *remora.Activity {
	for i, l := range v.layers {
		if a := in(l.snap); a != nil && !decidedAbove(v.layers[:i], a.ID) {
			return a
		}
	}
	return nil
}

func versionOf(a *remora.Activity, is func(*remora.Version) bool) *remora.Version {
	if a == nil {
		return nil
	}
	for i := range a.Versions {
		if is(&a.Versions[i]) {
			return &a.Versions[i]
		}
	}
	return nil
}

// Count returns the number of listed activities of a category, "" for all.
func (v *View) Count(category string) int { return v.counts[category] }

// List returns up to limit listed activities of a category ("" for all) behind a place, in order,
// and whether there are more behind those.
func (v *View) List(sort remora.Sort, category string, after remora.Cursor, limit int) (page []*remora.Activity, more bool) {
	if limit <= 0 {
		return nil, false
	}
	orders := make([]remora.Order, len(v.layers))
	at := make([]int, len(v.layers))
	for i, l := range v.layers {
		orders[i] = l.snap.Order(sort, category)
		at[i] = orders[i].Behind(after)
	}
	page = make([]*remora.Activity, 0, limit)
	for {
		best := -1
		var place remora.Cursor
		for i := range orders {
			for at[i] < orders[i].Len() && decidedAbove(v.layers[:i], orders[i].At(at[i]).ID) {
				at[i]++
			}
			if at[i] == orders[i].Len() {
				continue
			}
			if c := remora.CursorOf(sort, orders[i].At(at[i])); best < 0 || c.Compare(place) < 0 {
				best, place = i, c
			}
		}
		if best < 0 {
			return page, false
		}
		if len(page) == limit {
			return page, true
		}
		page = append(page, orders[best].At(at[best]))
		at[best]++
	}
}

// Search returns up to limit listed activities that match the words of text, best first. Matches
// in locale rank above others. A text without a word finds nothing.
func (v *View) Search(text, locale string, limit int) []*remora.Activity {
	if limit <= 0 {
		return nil
	}
	var hits []search.Hit
	for i, l := range v.layers {
		newer := v.layers[:i]
		hits = append(hits, l.index.Search(search.Query{
			Text: text, Locale: locale, Limit: limit,
			Skip: func(id int64) bool { return decidedAbove(newer, id) },
		})...)
	}
	slices.SortFunc(hits, compareHits)
	hits = hits[:min(len(hits), limit)]
	found := make([]*remora.Activity, 0, len(hits))
	for _, h := range hits {
		if a := v.Activity(h.ID); a != nil {
			found = append(found, a)
		}
	}
	return found
}

// All yields every activity, listed or not, in no particular order.
func (v *View) All(yield func(*remora.Activity) bool) {
	visible(v.layers)(yield)
}
