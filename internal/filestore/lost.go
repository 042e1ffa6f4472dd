package filestore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// How long opening the second place may take, which on a mount may hang, and for how long it is not tried
// again after that failed: each who stores something would wait anew.
const lostPatience, lostFor = 5 * time.Second, 5 * time.Second

// A search is for a second place that could not be opened, such as a disk that is not plugged in or that
// the kernel has made read-only after a fault.
type search struct {
	turn  sync.Mutex
	now   *attempt  // nil: none is under way
	err   error     // of the last time
	again time.Time // not before
}

// An attempt at opening a place.
type attempt struct {
	done  chan struct{}
	store *nfsstore.Store
	err   error
}

// openSecond waits for an attempt at opening the second place. On a mount whose server is gone that
// hangs in the kernel, so there is never more than one; who comes later waits for the same. The caller
// has the turn, or is alone.
func (f *Files) openSecond(ctx context.Context) (*nfsstore.Store, error) {
	a := f.search.now
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		f.search.now = a
		unhurried := context.WithoutCancel(ctx)
		go func() {
			defer close(a.done)
			a.store, a.err = f.open(unhurried, f.config.Second, false)
		}()
	}
	brief, cancel := context.WithTimeout(ctx, lostPatience)
	defer cancel()
	select {
	case <-a.done:
		f.search.now = nil
		return a.store, a.err
	case <-brief.Done():
		return nil, fmt.Errorf("%s does not answer: %w", f.config.Second, brief.Err())
	}
}

// whole returns the places as they are to be written to: the second one too, if there is to be one.
func (f *Files) whole(ctx context.Context) (*homes, error) {
	if h := f.homes.Load(); h.lost == nil {
		return h, nil
	}
	f.search.turn.Lock()
	defer f.search.turn.Unlock()
	h := f.homes.Load()
	switch {
	case h.lost == nil:
		return h, nil
	case time.Now().Before(f.search.again):
		return nil, f.secondAway(f.search.err)
	}
	second, err := f.openSecond(ctx)
	if err != nil {
		if ctx.Err() == nil {
			f.search.err, f.search.again = err, time.Now().Add(lostFor)
		}
		return nil, f.secondAway(err)
	}
	found := &homes{main: h.main, second: second}
	if !f.homes.CompareAndSwap(h, found) {
		return nil, f.secondAway(h.lost) // the files move just now; the next one will find it
	}
	f.log.Info("the second place of the files can be used again", "place", f.config.Second)
	f.tellMoved()
	return found, nil
}
