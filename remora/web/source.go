package web

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/sugarlabs/beamrider/remora"
)

// Bounds of what pages ask a database, so that one which is slow or away delays a page a little and
// never fills the server with pages that wait.
const (
	sourceWait  = 2 * time.Second // until a page does without the answer
	sourcePause = 5 * time.Second // in which a database that did not answer is not asked again
)

// errSilent: the database is not asked, as it has not answered just now.
var errSilent error = &remora.Error{Kind: remora.KindUnavailable, Code: "page.source", Message: "The database does not answer just now."}

// A source is a database that pages show more from than the View has. It keeps answers for a while,
// and a crowd that wants the same asks once. It is safe for concurrent use.
type source[K comparable, V any] struct {
	ask    func(context.Context, K) (V, error)
	fresh  time.Duration // how long an answer counts; 0: for ever
	now    func() time.Time
	kept   *otter.Cache[K, answered[V]]
	asking singleflight.Group
	places chan struct{}
	silent atomic.Int64 // until when it is not asked, in nanoseconds since 1970
}

// An answered is an answer and when it was given.
type answered[V any] struct {
	value V
	at    time.Time
}

// newSource returns a source that asks places questions at once and keeps answers of most in all,
// each as large as weigh says.
func newSource[K comparable, V any](ask func(context.Context, K) (V, error), places int, fresh time.Duration, most uint64, weigh func(V) uint32, now func() time.Time) (*source[K, V], error) {
	kept, err := otter.New(&otter.Options[K, answered[V]]{
		MaximumWeight: most,
		Weigher:       func(_ K, a answered[V]) uint32 { return weigh(a.value) },
	})
	if err != nil {
		return nil, err
	}
	return &source[K, V]{ask: ask, fresh: fresh, now: now, kept: kept, places: make(chan struct{}, places)}, nil
}

// get returns the answer for a key. With an error the answer may be an old one: its time is not
// zero then. An error of KindNotFound says that there is none.
func (s *source[K, V]) get(ctx context.Context, key K) (answered[V], error) {
	old, fresh := s.known(key)
	if fresh {
		return old, nil
	}
	if s.isSilent() {
		return old, errSilent
	}
	ctx, cancel := context.WithTimeout(ctx, sourceWait)
	defer cancel()
	// The question outlives the reader who was the first to have it: others wait for it too.
	done := s.asking.DoChan(fmt.Sprint(key), func() (any, error) {
		asked, cancel := context.WithTimeout(context.WithoutCancel(ctx), sourceWait)
		defer cancel()
		return s.put(asked, key)
	})
	select {
	case <-ctx.Done():
		return old, ctx.Err()
	case r := <-done:
		if r.Err != nil {
			return old, r.Err
		}
		return r.Val.(answered[V]), nil
	}
}

// known returns the answer that is kept, and whether it still counts.
func (s *source[K, V]) known(key K) (answered[V], bool) {
	old, found := s.kept.GetIfPresent(key)
	return old, found && (s.fresh == 0 || s.now().Sub(old.at) < s.fresh)
}

func (s *source[K, V]) isSilent() bool { return s.now().UnixNano() < s.silent.Load() }

// put asks, once there is a place, and keeps the answer.
func (s *source[K, V]) put(ctx context.Context, key K) (answered[V], error) {
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	case <-ctx.Done():
		return answered[V]{}, ctx.Err()
	}
	// Somebody may have had the answer between the caller's look and now.
	if a, fresh := s.known(key); fresh {
		return a, nil
	}
	if s.isSilent() {
		return answered[V]{}, errSilent
	}
	value, err := s.ask(ctx, key)
	if err != nil {
		switch remora.KindOf(err) {
		case remora.KindNotFound, remora.KindInvalid, remora.KindCorrupt:
		default:
			s.silent.Store(s.now().Add(sourcePause).UnixNano())
		}
		return answered[V]{}, err
	}
	a := answered[V]{value, s.now()}
	s.kept.Set(key, a)
	return a, nil
}

// troubled reports whether an error of a source is for the log: not that there is nothing, nor that
// what was noted already goes on, nor that a reader went away.
func troubled(err error) bool {
	return err != nil && remora.KindOf(err) != remora.KindNotFound && !errors.Is(err, errSilent) && !errors.Is(err, context.Canceled)
}

// sources are the databases that pages show more from. Each is nil where there is none.
type sources struct {
	reports    *source[int64, *contents] // by version
	statistics *source[int64, *tally]    // by activity
	totals     *source[int64, *tally]    // of all activities, which takes the database longer
}

func newSources(reports Reports, statistics Statistics, now func() time.Time) (s sources, err error) {
	if reports != nil {
		read := func(ctx context.Context, versionID int64) (*contents, error) {
			packed, err := reports.Report(ctx, versionID)
			if err != nil {
				return nil, err
			}
			return readContents(packed)
		}
		if s.reports, err = newSource(read, 2, 0, keptReports, (*contents).weight, now); err != nil {
			return s, err
		}
	}
	if statistics == nil {
		return s, nil
	}
	read := func(ctx context.Context, activityID int64) (*tally, error) {
		return count(ctx, statistics, activityID, now())
	}
	each := func(*tally) uint32 { return 1 }
	if s.statistics, err = newSource(read, 4, tallyFresh, keptTallies, each, now); err != nil {
		return s, err
	}
	s.totals, err = newSource(read, 1, tallyFresh, 1, each, now)
	return s, err
}
