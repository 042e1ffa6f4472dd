package live

import (
	"iter"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/search"
)

// Count returns the number of listed activities of a category, "" for all.
func (v *View) Count(category string) int { return v.counts[category] }

// List returns up to limit listed activities of a category ("" for all) behind a place, in order,
// and whether there are more behind those.
func (v *View) List(sort remora.Sort, category string, after remora.Cursor, limit int) (page []*remora.Activity, more bool) {
	return v.walk(sort, category, v.shown, after, limit)
}

// walk returns up to limit activities that are in the list of a category and in the sets of their
// layers.
func (v *View) walk(sort remora.Sort, category string, within []*search.Set, after remora.Cursor, limit int) (page []*remora.Activity, more bool) {
	if limit <= 0 {
		return nil, false
	}
	for a := range v.inOrder(sort, category, within, after) {
		if len(page) == limit {
			return page, true
		}
		if page == nil {
			page = make([]*remora.Activity, 0, min(limit, v.Count(category)))
		}
		page = append(page, a)
	}
	return page, false
}

// inOrder yields the activities behind a place that are in the list of a category and in the sets
// of their layers, in order.
func (v *View) inOrder(sort remora.Sort, category string, within []*search.Set, after remora.Cursor) iter.Seq[*remora.Activity] {
	return func(yield func(*remora.Activity) bool) {
		heads := make([]head, 0, len(v.layers))
		for i, l := range v.layers {
			h := head{order: l.snap.Order(sort, category), within: within[i]}
			h.next = h.order.Behind(after)
			if h.settle(sort) {
				heads = append(heads, h)
			}
		}
		for len(heads) > 0 {
			best := 0
			for i := 1; i < len(heads); i++ {
				if heads[i].place.Compare(heads[best].place) < 0 {
					best = i
				}
			}
			h := &heads[best]
			if !yield(h.first) {
				return
			}
			h.next++
			if !h.settle(sort) {
				heads = append(heads[:best], heads[best+1:]...)
			}
		}
	}
}

// A head stands in the order of one layer, before the first activity not yet listed.
type head struct {
	order  remora.Order
	within *search.Set
	next   int
	first  *remora.Activity
	place  remora.Cursor // of first
}

// settle passes over what is not in the set and reports whether anything is left.
func (h *head) settle(sort remora.Sort) bool {
	for ; h.next < h.order.Len(); h.next++ {
		if h.within.Has(h.order.Index(h.next)) {
			h.first = h.order.At(h.next)
			h.place = remora.CursorOf(sort, h.first)
			return true
		}
	}
	return false
}
