package live

import (
	"sort"

	"github.com/sugarlabs/beamrider/remora"
)

// A Change is one thing that a View shows differently since the change feed's number Seq.
type Change struct {
	// Seq is the number under which the View shows the change. Several changes of the feed that
	// came into the View together all have the number of the last of them.
	Seq int64
	// ActivityID is what changed; 0: nothing of an activity, but maybe categories and collections.
	// Lists of activities may be others after any change.
	ActivityID int64
	// Gone says that the activity is no longer offered.
	Gone bool
}

// Changes is a part of what changed in the View.
type Changes struct {
	// Position is where the next question begins: all changes up to here are in List or were known.
	// It is older than what was asked after where the View is.
	Position remora.Position
	// Gap says that what changed is not known: everything may have. List is empty then.
	Gap bool
	// List has the changes in the order of their numbers. Its content must not be changed.
	List []Change
}

// What is remembered of changes. A reader that asks every half minute misses something only when
// more than that has changed meanwhile, and then a fresh start costs it less than the list would.
const (
	maxRecent = 4096 // changes
	maxAtOnce = 1024 // changes under one number; with more, all counts as changed
)

// recent is what the View shows differently since floor, numbers rising.
type recent struct {
	floor remora.Position
	list  []Change
}

// forget begins anew: what changed up to a position is not known.
func (r *recent) forget(at remora.Position) { *r = recent{floor: at} }

// add notes a delta that the View shows now.
func (r *recent) add(d *remora.Delta) {
	n := len(d.Activities) + len(d.Gone)
	if n > maxAtOnce || d.Epoch != r.floor.Epoch {
		r.forget(d.Position)
		return
	}
	if n == 0 {
		r.list = append(r.list, Change{Seq: d.Seq})
	}
	for i := range d.Activities {
		r.list = append(r.list, Change{Seq: d.Seq, ActivityID: d.Activities[i].ID})
	}
	for _, id := range d.Gone {
		r.list = append(r.list, Change{Seq: d.Seq, ActivityID: id, Gone: true})
	}
	if len(r.list) <= 2*maxRecent {
		return
	}
	// All of one number go together, so that no reader misses a part of it. The rest moves to a new
	// array: readers hold parts of the old one.
	from := r.after(r.list[len(r.list)-maxRecent-1].Seq)
	r.floor.Seq = r.list[from-1].Seq
	r.list = append(make([]Change, 0, 2*maxRecent+maxAtOnce), r.list[from:]...)
}

// after returns the index of the first change with a higher number.
func (r *recent) after(seq int64) int {
	return sort.Search(len(r.list), func(i int) bool { return r.list[i].Seq > seq })
}

// Changes returns what the View shows differently since a position: about limit changes (at least
// those of one number; 0 and less count as 1), the oldest first. More may follow after the Position
// of the answer. Only the last few thousand changes are remembered; before those, and when the
// position is of another epoch, there is a gap.
func (l *Library) Changes(after remora.Position, limit int) Changes {
	l.mu.Lock()
	r, at := l.recent, l.View().Position()
	l.mu.Unlock()
	switch {
	case after.Epoch != at.Epoch || after.Seq < r.floor.Seq:
		return Changes{Position: at, Gap: true}
	case after.Seq >= at.Seq:
		return Changes{Position: at}
	}
	from := r.after(after.Seq)
	to := from + max(limit, 1)
	if to >= len(r.list) {
		return Changes{Position: at, List: r.list[from:len(r.list):len(r.list)]}
	}
	// Not a part of what has one number: whole ones while they fit, the first in any case.
	to = sort.Search(to, func(i int) bool { return r.list[i].Seq >= r.list[to].Seq })
	if to <= from {
		to = r.after(r.list[from].Seq)
	}
	page := Changes{Position: at, List: r.list[from:to:to]}
	if to < len(r.list) {
		page.Position.Seq = r.list[to-1].Seq
	}
	return page
}

// Changed returns a channel that is closed when the position of the View is next another one. Take
// it before looking at the View: then no change is missed.
func (l *Library) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// moved wakes those who wait for a change. It needs l.mu.
func (l *Library) moved() {
	close(l.changed)
	l.changed = make(chan struct{})
}
