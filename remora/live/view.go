package live

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/search"
)

// A View is an immutable picture of the whole catalog. Activities it hands out are shared and must
// not be changed. All methods may be called concurrently.
type View struct {
	header remora.Header
	layers []*layer // newest first, the base last; never empty
	// shown are, for each of layers, the activities in lists that no newer layer decides about. A
	// change copies a set only to take something out of it.
	shown  []*search.Set
	counts map[string]int
	total  int

	tagsOnce sync.Once
	tags     []Tag // for Tags, the first time they are asked for
}

// wholeView returns the View of one layer. Counts are kept, so that a page that shows one does not
// depend on the size of the catalog.
func wholeView(header remora.Header, base *layer) *View {
	v := &View{header: header, layers: []*layer{base}, shown: []*search.Set{base.listed}, counts: map[string]int{}}
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
// as d is large, however large the layers are, but for a copy of a bit for each activity.
func (v *View) changed(d *remora.Delta, list []*layer) *View {
	w := &View{header: d.Header, layers: list, shown: v.shown, counts: maps.Clone(v.counts), total: v.total}
	if len(d.Activities)+len(d.Gone) > 0 {
		// The layer in front is a new one. If it has taken the place of another it decides about all
		// that the other did, so that of the rest only what is in d is hidden anew.
		rest := v.shown[len(v.shown)-(len(list)-1):]
		w.shown = make([]*search.Set, 0, len(list))
		w.shown = append(w.shown, list[0].listed)
		for i, l := range list[1:] {
			w.shown = append(w.shown, l.without(rest[i], deltaIDs(d)))
		}
	}
	done := make(map[int64]struct{}, len(d.Activities)+len(d.Gone))
	for id := range deltaIDs(d) {
		if _, twice := done[id]; twice {
			continue
		}
		done[id] = struct{}{}
		if a := v.Activity(id); a != nil {
			w.count(a, -1)
		}
		if a := w.Activity(id); a != nil {
			w.count(a, +1)
		}
	}
	return w
}

func deltaIDs(d *remora.Delta) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := range d.Activities {
			if !yield(d.Activities[i].ID) {
				return
			}
		}
		for _, id := range d.Gone {
			if !yield(id) {
				return
			}
		}
	}
}

// relayered returns a View that shows the same in other layers, of which the one at merged is new
// and decides about what several that it replaces did.
func (v *View) relayered(list []*layer, merged int) *View {
	l := list[merged]
	set := l.listed
	for _, newer := range list[:merged] {
		set = l.without(set, newer.ids)
	}
	shown := make([]*search.Set, 0, len(list))
	shown = append(shown, v.shown[:merged]...)
	shown = append(shown, set)
	shown = append(shown, v.shown[len(v.shown)-(len(list)-merged-1):]...)
	return &View{header: v.header, layers: list, shown: shown, counts: v.counts, total: v.total}
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

// ByImage returns the activity and its screenshot with this id, nils if there is none.
func (v *View) ByImage(id int64) (*remora.Activity, *remora.Image) {
	a := v.find(func(s *remora.Snapshot) *remora.Activity { return s.ByImage(id) })
	if a == nil {
		return nil, nil
	}
	i := slices.IndexFunc(a.Screenshots, func(img remora.Image) bool { return img.ID == id })
	return a, &a.Screenshots[i]
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

// All yields every activity, listed or not, in no particular order.
func (v *View) All(yield func(*remora.Activity) bool) {
	visible(v.layers)(yield)
}
