package live

import (
	"context"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// layers are the parts of the present View, newest first.
type layers struct {
	list []*layer
	// folding is how many of list's last layers the folder is merging now; new layers go in front
	// of them and the rest stays as it is until the folder is done.
	folding int
	counted time.Time // when the base last took over the download counts
}

// How layers grow. The newest is rebuilt at each change and so must stay small; when it is full a
// new one is begun. The folder merges full layers into one, and that into the base when it has
// become a part of it worth the work.
const (
	topSize   = 48   // activities in the newest layer
	midSize   = 4096 // activities in the layers between, at most before they go into the base
	midShare  = 16   // or one in midShare of the base, if that is more
	countFold = 5 * time.Minute
)

// replace makes base the whole View.
func (l *Library) replace(base *layer, header remora.Header) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = layers{list: []*layer{base}, counted: l.state.counted}
	l.view.Store(newView(header, l.state.list))
}

// apply puts a change on top.
func (l *Library) apply(d remora.Delta) (changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.View()
	if d.Position == v.Position() {
		return false
	}
	list := v.layers
	if len(d.Activities)+len(d.Gone) > 0 {
		// A layer that the folder is working on, or the base, is not rebuilt.
		rest := list
		var top *layer
		if free := len(list) - max(l.state.folding, 1); free > 0 && list[0].size() < topSize {
			top, rest = list[0], list[1:]
		}
		list = append([]*layer{onTop(top, d)}, rest...)
	}
	l.state.list = list
	l.view.Store(newView(d.Header, list))
	return true
}

// onTop returns a layer of what top (nil for nothing) holds and d changes.
func onTop(top *layer, d remora.Delta) *layer {
	now := make(map[int64]*remora.Activity, len(d.Activities))
	gone := map[int64]struct{}{}
	if top != nil {
		for id := range top.gone {
			gone[id] = struct{}{}
		}
		all := top.snap.All()
		for i := range all {
			now[all[i].ID] = &all[i]
		}
	}
	for _, id := range d.Gone {
		gone[id] = struct{}{}
		delete(now, id)
	}
	for i := range d.Activities {
		a := &d.Activities[i]
		now[a.ID] = a
		delete(gone, a.ID)
	}
	return newLayer(d.Header, func(yield func(*remora.Activity) bool) {
		for _, a := range now {
			if !yield(a) {
				return
			}
		}
	}, gone)
}

// foldLoop merges layers and saves the View, so that the poller never waits for either.
func (l *Library) foldLoop(ctx context.Context, kick <-chan struct{}) {
	var nextSave time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-kick:
		}
		for l.fold() {
			if ctx.Err() != nil {
				return
			}
		}
		// Saving takes as long as the catalog is large; spending at most a twentieth of the time
		// on it keeps the file fresh where it is small and the machine free where it is not.
		if now := time.Now(); now.After(nextSave) {
			if l.save() {
				nextSave = time.Now().Add(max(20*time.Since(now), time.Second))
			}
		}
	}
}

// fold merges once if there is something worth merging and reports whether it did.
func (l *Library) fold() bool {
	l.mu.Lock()
	list := l.state.list
	if len(list) == 0 {
		l.mu.Unlock()
		return false
	}
	base := len(list) - 1
	full := 0 // how many layers between top and base
	between := 0
	for i, m := range list[:base] {
		if i > 0 || m.size() >= topSize {
			full++
			between += m.size()
		}
	}
	recount := l.downs != nil && time.Since(l.state.counted) > countFold && differs(list, l.downs)
	var from, to int
	intoBase := false
	switch {
	case recount || between > max(midSize, list[base].size()/midShare):
		from, to, intoBase = base-full, len(list), true
	case full >= 2:
		from, to = base-full, base
	default:
		l.mu.Unlock()
		return false
	}
	work := list[from:to]
	// Everything from the first layer merged on down to the base must stay where it is.
	l.state.folding = len(list) - from
	downs := l.downs
	l.mu.Unlock()

	merged := merge(work, downs, intoBase)

	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.state.list); n < len(list) || l.state.list[n-1] != list[base] {
		l.state.folding = 0 // the whole View was replaced meanwhile; the merge is of no use
		return true
	}
	l.state.folding = 0
	if intoBase {
		l.state.counted = time.Now()
	}
	newer := len(l.state.list) - len(list) + from
	next := append([]*layer{}, l.state.list[:newer]...)
	next = append(next, merged)
	next = append(next, list[to:]...)
	l.state.list = next
	l.view.Store(newView(l.View().header, next))
	return true
}

// differs reports whether any count in the layers is not the one last read.
func differs(list []*layer, downs map[int64]int64) bool {
	for a := range visible(list) {
		if n, ok := downs[a.ID]; ok && n != a.Downloads {
			return true
		}
	}
	return false
}
