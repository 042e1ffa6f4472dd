package catalogtest

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/sugarlabs/beamrider/remora"
)

// A Feed is a catalog in memory that answers as a store does. A test changes it, and tells it to
// fail or to hang. All methods may be called concurrently.
type Feed struct {
	mu         sync.Mutex
	header     remora.Header
	activities map[int64]remora.Activity
	touched    map[int64]int64 // id → number of its last change
	floor      int64           // changes up to this number are forgotten
	epochs     int
	downloads  map[int64]int64
	err        error
	hung       chan struct{}
	calls      Calls
}

var _ remora.Feed = (*Feed)(nil)

// Calls is how often the methods of a Feed were called, failures included.
type Calls struct{ Load, Since, Downloads int }

// NewFeed returns a feed of these activities, at position 1 of epoch "epoch-1", with [Categories].
func NewFeed(activities iter.Seq[remora.Activity]) *Feed {
	f := &Feed{
		header:     remora.Header{Position: remora.Position{Epoch: "epoch-1", Seq: 1}, Categories: Categories()},
		activities: map[int64]remora.Activity{},
		touched:    map[int64]int64{},
		epochs:     1,
		floor:      1,
	}
	for a := range activities {
		f.activities[a.ID] = a
	}
	return f
}

// Put adds or replaces activities in one change and returns the position after it.
func (f *Feed) Put(activities ...remora.Activity) remora.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.header.Seq++
	for _, a := range activities {
		f.activities[a.ID] = a
		f.touched[a.ID] = f.header.Seq
	}
	return f.header.Position
}

// Remove takes activities away in one change and returns the position after it.
func (f *Feed) Remove(ids ...int64) remora.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.header.Seq++
	for _, id := range ids {
		delete(f.activities, id)
		f.touched[id] = f.header.Seq
	}
	return f.header.Position
}

// SetCollections replaces the collections in one change and returns the position after it.
func (f *Feed) SetCollections(collections ...remora.Collection) remora.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.header.Seq++
	f.header.Collections = collections
	return f.header.Position
}

// SetDownloads sets what Downloads answers; it is no change of the catalog.
func (f *Feed) SetDownloads(counts map[int64]int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.downloads = maps.Clone(counts)
}

// Forget makes Since answer with a gap to whoever is not at the present position.
func (f *Feed) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.floor = f.header.Seq
}

// NewEpoch goes on under a new epoch, as after a restore, with these activities only.
func (f *Feed) NewEpoch(activities ...remora.Activity) remora.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epochs++
	f.header.Position = remora.Position{Epoch: "epoch-" + strconv.Itoa(f.epochs), Seq: 1}
	f.floor = 1
	clear(f.activities)
	clear(f.touched)
	for _, a := range activities {
		f.activities[a.ID] = a
	}
	return f.header.Position
}

// Fail makes every call answer err, until it is called with nil.
func (f *Feed) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Hang makes every call wait until release is called or the call's context ends.
func (f *Feed) Hang() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hung := make(chan struct{})
	f.hung = hung
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.hung == hung {
			f.hung = nil
		}
		close(hung)
	})
}

// Calls returns how often the feed was called.
func (f *Feed) Calls() Calls {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// answer waits while the feed hangs and returns the error it is to answer with.
func (f *Feed) answer(ctx context.Context, count func(*Calls)) error {
	f.mu.Lock()
	count(&f.calls)
	hung := f.hung
	f.mu.Unlock()
	if hung != nil {
		select {
		case <-ctx.Done():
		case <-hung:
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Load implements [remora.Feed].
func (f *Feed) Load(ctx context.Context, add func(remora.Activity) error) (remora.Header, error) {
	if err := f.answer(ctx, func(c *Calls) { c.Load++ }); err != nil {
		return remora.Header{}, err
	}
	f.mu.Lock()
	header := f.header
	list := slices.SortedFunc(maps.Values(f.activities), func(a, b remora.Activity) int { return cmp.Compare(a.ID, b.ID) })
	f.mu.Unlock()
	for _, a := range list {
		if err := cmp.Or(ctx.Err(), add(a)); err != nil {
			return remora.Header{}, err
		}
	}
	return header, nil
}

// Since implements [remora.Feed].
func (f *Feed) Since(ctx context.Context, after remora.Position) (remora.Delta, error) {
	if err := f.answer(ctx, func(c *Calls) { c.Since++ }); err != nil {
		return remora.Delta{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if after.Epoch != f.header.Epoch || after.Seq < f.floor {
		return remora.Delta{}, remora.ErrGap
	}
	if after.Seq > f.header.Seq {
		return remora.Delta{Header: remora.Header{Position: f.header.Position}}, nil
	}
	d := remora.Delta{Header: f.header}
	if after == f.header.Position {
		return d, nil
	}
	for _, id := range slices.Sorted(maps.Keys(f.touched)) {
		if f.touched[id] <= after.Seq {
			continue
		}
		if a, ok := f.activities[id]; ok {
			d.Activities = append(d.Activities, a)
		} else {
			d.Gone = append(d.Gone, id)
		}
	}
	return d, nil
}

// Downloads implements [remora.Feed].
func (f *Feed) Downloads(ctx context.Context) (map[int64]int64, error) {
	if err := f.answer(ctx, func(c *Calls) { c.Downloads++ }); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.downloads), nil
}
