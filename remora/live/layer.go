package live

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/search"
)

// A layer is a part of the catalog: the base, or what changed since the layers below it. It
// decides about the ids it holds and those it knows to be gone; older layers are not asked then.
//
// Index, facets and listed number activities by their place in snap.
type layer struct {
	snap   *remora.Snapshot
	index  *search.Index
	facets *search.Facets
	listed *search.Set // what is shown in lists and search, as far as this layer knows
	gone   map[int64]struct{}
}

// decides reports whether this layer has the last word on an id.
func (l *layer) decides(id int64) bool {
	if _, gone := l.gone[id]; gone {
		return true
	}
	return l.snap.Activity(id) != nil
}

func (l *layer) size() int { return l.snap.Len() + len(l.gone) }

// ids yields all ids that this layer decides about.
func (l *layer) ids(yield func(int64) bool) {
	all := l.snap.All()
	for i := range all {
		if !yield(all[i].ID) {
			return
		}
	}
	for id := range l.gone {
		if !yield(id) {
			return
		}
	}
}

// without returns shown, a set of activities of this layer, without some ids. Shown stays as it is,
// and is what is returned where it has none of them.
func (l *layer) without(shown *search.Set, ids iter.Seq[int64]) *search.Set {
	same := true
	for id := range ids {
		i, found := l.snap.Index(id)
		if !found || !shown.Has(i) {
			continue
		}
		if same {
			shown, same = shown.Clone(), false
		}
		shown.Remove(i)
	}
	return shown
}

// newLayer builds a layer of activities that are copied, and ids that are gone.
// When ctx ends it gives up early, and the layer is of no use.
func newLayer(ctx context.Context, header remora.Header, activities iter.Seq[*remora.Activity], gone map[int64]struct{}) *layer {
	var b remora.SnapshotBuilder
	for a := range activities {
		if ctx.Err() != nil {
			break
		}
		b.Add(*a)
	}
	return finishLayer(ctx, &b, header, gone)
}

func finishLayer(ctx context.Context, b *remora.SnapshotBuilder, header remora.Header, gone map[int64]struct{}) *layer {
	snap := b.Snapshot(header)
	l := &layer{snap: snap, index: search.New(documents(ctx, snap)), gone: gone}
	l.facets, l.listed = facetsOf(snap)
	return l
}

// merge makes one layer of several, newest first. With base the result is a base: nothing lies
// below it, so it need not remember what is gone. When ctx ends the result is of no use.
func merge(ctx context.Context, layers []*layer, downloads map[int64]int64, base bool) *layer {
	gone := map[int64]struct{}{}
	if !base {
		for i, l := range layers {
			for id := range l.gone {
				if !decidedAbove(layers[:i], id) {
					gone[id] = struct{}{}
				}
			}
		}
	}
	return newLayer(ctx, *layers[0].snap.Header(), func(yield func(*remora.Activity) bool) {
		for a := range visible(layers) {
			if n, ok := downloads[a.ID]; ok && n != a.Downloads {
				counted := *a
				counted.Downloads = n
				a = &counted
			}
			if !yield(a) {
				return
			}
		}
	}, gone)
}

func decidedAbove(newer []*layer, id int64) bool {
	return slices.ContainsFunc(newer, func(l *layer) bool { return l.decides(id) })
}

// visible yields every activity of the layers, newest first, that no newer layer decides about.
func visible(layers []*layer) iter.Seq[*remora.Activity] {
	return func(yield func(*remora.Activity) bool) {
		for i, l := range layers {
			all := l.snap.All()
			for j := range all {
				if !decidedAbove(layers[:i], all[j].ID) && !yield(&all[j]) {
					return
				}
			}
		}
	}
}

// Weights of the fields in search: what the thing is called counts most.
const (
	weightName        = 16
	weightTag         = 8
	weightSummary     = 4
	weightDescription = 1
)

// popular is the number of downloads at which an activity has half of the boost there is.
const popular = 1000

// documents yields every activity, so that the index numbers them as the snapshot does. Those that
// are in no list have no text.
func documents(ctx context.Context, snap *remora.Snapshot) iter.Seq[search.Document] {
	return func(yield func(search.Document) bool) {
		var fields []search.Field
		all := snap.All()
		for i := range all {
			a := &all[i]
			if ctx.Err() != nil {
				return
			}
			if !a.InLists() {
				if !yield(search.Document{ID: a.ID}) {
					return
				}
				continue
			}
			fields = fields[:0]
			add := func(t remora.Text, weight uint8) {
				for _, l := range t {
					fields = append(fields, search.Field{Locale: l.Locale, Weight: weight, Text: l.Value})
				}
			}
			add(a.Name, weightName)
			add(a.Summary, weightSummary)
			add(a.Description, weightDescription)
			for _, tag := range a.Tags {
				fields = append(fields, search.Field{Weight: weightTag, Text: tag})
			}
			for _, p := range a.Authors {
				fields = append(fields, search.Field{Weight: weightTag, Text: p.Name})
			}
			fields = append(fields, search.Field{Weight: weightTag, Text: a.BundleID})
			boost := float32(a.Downloads) / (float32(a.Downloads) + popular)
			if !yield(search.Document{ID: a.ID, Fields: fields, Boost: boost}) {
				return
			}
		}
	}
}

func compareHits(a, b search.Hit) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
}
