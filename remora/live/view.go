package live

import (
	"context"
	"maps"
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

// wholeView returns the View of one layer. Counts are kept, so that a page that shows one does not
// depend on the size of the catalog.
func wholeView(header remora.Header, base *layer) *View {
	v := &View{header: header, layers: []*layer{base}, counts: map[string]int{}}
	all := base.snap.All()
	for i := range all {
		v.count(&all[i], +1)
	}
	return v
}

func emptyView() *View {
	var b remora.SnapshotBuilder
	return wholeView(remora.Header{}, finishLayer(context.Background(), &b, remora.Header{}, nil))
}

// changed returns the View after d, whose activities are in the newest of list. It takes as long
// as d is large, however large the layers are.
func (v *View) changed(d *remora.Delta, list []*layer) *View {
	w := &View{header: d.Header, layers: list, counts: maps.Clone(v.counts), total: v.total}
	done := make(map[int64]struct{}, len(d.Activities)+len(d.Gone))
	recount := func(id int64) {
		if _, twice := done[id]; twice {
			return
		}
		done[id] = struct{}{}
		if a := v.Activity(id); a != nil {
			w.count(a, -1)
		}
		if a := w.Activity(id); a != nil {
			w.count(a, +1)
		}
	}
	for i := range d.Activities {
		recount(d.Activities[i].ID)
	}
	for _, id := range d.Gone {
		recount(id)
	}
	return w
}

// relayered returns a View that shows the same in other layers.
func (v *View) relayered(list []*layer) *View {
	return &View{header: v.header, layers: list, counts: v.counts, total: v.total}
}

// count is for a View under construction.
func (v *View) count(a *remora.Activity, by int) {
	v.total += by
	if !a.InLists() {
		return
	}
	in := func(category string) {
		if v.counts[category] += by; v.counts[category] == 0 {
			delete(v.counts, category)
		}
	}
	in("")
	for _, c := range a.Categories {
		in(c)
	}
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
	heads := make([]head, len(v.layers))
	for i, l := range v.layers {
		heads[i] = head{order: l.snap.Order(sort, category), newer: v.layers[:i]}
		heads[i].next = heads[i].order.Behind(after)
		heads[i].settle(sort)
	}
	page = make([]*remora.Activity, 0, min(limit, v.Count(category)))
	for {
		best := -1
		for i := range heads {
			if heads[i].first != nil && (best < 0 || heads[i].place.Compare(heads[best].place) < 0) {
				best = i
			}
		}
		if best < 0 {
			return page, false
		}
		if len(page) == limit {
			return page, true
		}
		h := &heads[best]
		page = append(page, h.first)
		h.next++
		h.settle(sort)
	}
}

// A head stands in the order of one layer, before the first activity not yet listed.
type head struct {
	order remora.Order
	newer []*layer
	next  int
	first *remora.Activity // nil at the end
	place remora.Cursor    // of first
}

// settle passes over what newer layers decide about.
func (h *head) settle(sort remora.Sort) {
	h.first = nil
	for ; h.next < h.order.Len(); h.next++ {
		if a := h.order.At(h.next); !decidedAbove(h.newer, a.ID) {
			h.first, h.place = a, remora.CursorOf(sort, a)
			return
		}
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
