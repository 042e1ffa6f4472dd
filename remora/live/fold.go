package live

import (
	"context"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// layers are the parts of the present View, newest first. A list is never changed once it is here.
type layers struct {
	list []*layer
	// folding is how many of list's last layers must stay as they are, because the folder merges
	// some of them now; new layers go in front of them.
	folding int
	counted time.Time // when the base was last compared with the download counts
}

// limits are how layers grow. The newest is rebuilt at each change and so must stay small; when it
// is full a new one is begun. The folder merges full layers into larger ones, and those into the
// base when together they have become a part of it worth the work.
type limits struct {
	top   int // activities in the newest layer
	front int // layers before the newest is let grow: the folder is slower than the changes
	// The folder merges a layer with the newer ones when it is at most growth times as large as
	// they are together: each activity is merged few times, and there are few layers.
	growth  int
	mid     int // activities in the layers between, at most before they go into the base
	share   int // or one in share of the base, if that is more
	recount time.Duration
}

var usualLimits = limits{top: 16, front: 8, growth: 4, mid: 4096, share: 16, recount: 5 * time.Minute}

// replace makes base the whole View.
func (l *Library) replace(base *layer, header remora.Header) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin(base, header)
}

// begin needs l.mu.
func (l *Library) begin(base *layer, header remora.Header) {
	v := wholeView(header, base)
	l.state = layers{list: v.layers, counted: l.state.counted}
	l.view.Store(v)
	l.recent.forget(header.Position)
	l.moved()
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
		rest := list
		var top *layer
		if l.mayGrow(list) {
			top, rest = list[0], list[1:]
		}
		list = append([]*layer{onTop(top, d)}, rest...)
	}
	l.state.list = list
	l.view.Store(v.changed(&d, list))
	l.recent.add(&d)
	l.moved()
	return true
}

// mayGrow reports whether the newest layer takes the next change too. The base and what the folder
// is working on do not. Where full layers pile up faster than they are merged, each one in front
// is let grow twice as large as the one before, so that their number stays small.
func (l *Library) mayGrow(list []*layer) bool {
	front := len(list) - max(l.state.folding, 1)
	return front > 0 && list[0].size() < l.limits.top<<min(max(front-l.limits.front, 0), 16)
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
	return newLayer(context.Background(), d.Header, func(yield func(*remora.Activity) bool) {
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
		for l.fold(ctx) {
		}
		if ctx.Err() != nil {
			return
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

// A plan is what to merge: list[from:to], into a new base if to is the end of list.
type plan struct {
	list     []*layer
	from, to int
	downs    map[int64]int64
}

func (p *plan) intoBase() bool { return p.to == len(p.list) }

// fold merges once if there is something worth merging and reports whether it did.
func (l *Library) fold(ctx context.Context) bool {
	p, worth := l.plan(l.miscounted())
	if !worth {
		return false
	}
	return l.install(ctx, p, merge(ctx, p.list[p.from:p.to], p.downs, p.intoBase()))
}

// install puts what was merged in the place of its parts, unless there is no such place any more.
func (l *Library) install(ctx context.Context, p plan, merged *layer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.folding = 0
	now := l.state.list
	base := len(p.list) - 1
	if ctx.Err() != nil || len(now) < len(p.list) || now[len(now)-1] != p.list[base] {
		return false // given up, or the whole View was replaced meanwhile
	}
	if p.intoBase() {
		l.state.counted = time.Now()
	}
	newer := len(now) - len(p.list) + p.from
	next := make([]*layer, 0, newer+1+len(p.list)-p.to)
	next = append(next, now[:newer]...)
	next = append(next, merged)
	next = append(next, p.list[p.to:]...)
	l.state.list = next
	l.view.Store(l.View().relayered(next, newer))
	return true
}

// miscounted reports whether it is time to compare the download counts of the View with those last
// read, and they differ.
func (l *Library) miscounted() bool {
	l.mu.Lock()
	list, downs := l.state.list, l.downs
	due := downs != nil && time.Since(l.state.counted) > l.limits.recount
	l.mu.Unlock()
	if !due {
		return false
	}
	if differs(list, downs) { // takes a while where there are many, so not under the lock
		return true
	}
	l.mu.Lock()
	l.state.counted = time.Now()
	l.mu.Unlock()
	return false
}

// plan decides what to merge, and keeps the layers from the first one of it on as they are until
// fold is done. With recount everything is merged, to take over the download counts.
func (l *Library) plan(recount bool) (p plan, worth bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.state.list
	if len(list) == 0 {
		return p, false
	}
	base := len(list) - 1
	from := 0 // the newest layer that is full
	if base > 0 && list[0].size() < l.limits.top {
		from = 1
	}
	between := 0
	for _, m := range list[from:base] {
		between += m.size()
	}
	p = plan{list: list, from: from, downs: l.downs}
	if recount || between > max(l.limits.mid, list[base].size()/l.limits.share) {
		p.to = len(list)
	} else {
		if from == base {
			return p, false
		}
		p.to = from + 1
		for size := list[from].size(); p.to < base && list[p.to].size() <= l.limits.growth*size; p.to++ {
			size += list[p.to].size()
		}
		if p.to-from < 2 {
			return p, false
		}
	}
	l.state.folding = len(list) - from
	return p, true
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
