// Package published tells a copy of the published files what belongs into it: first everything that
// is offered, then what changes, as the change feed says it. It knows the catalog and no store of
// files; who keeps the copy turns a [Change] into what its store understands.
package published

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// A Change is one name and what has to be there.
type Change struct {
	Name   string
	Size   int64         // bytes; negative: not known, as of icons
	SHA256 remora.Digest // of the content
	Gone   bool          // nothing may be there any more; Size and SHA256 mean nothing
}

// A Follower knows what is offered, as far as the change feed has told. It may be run once.
type Follower struct {
	feed  remora.Feed
	poll  time.Duration
	log   *slog.Logger
	tell  func(Change) error
	quiet bool // what is offered in the beginning is not told
	at    remora.Position

	learnt sync.Once
	known  chan struct{} // closed when everything was learnt for the first time

	mu      sync.Mutex
	offered map[int64][]Change // by activity; the lists do not change
}

// New returns a Follower of a feed, which it asks every poll.
func New(feed remora.Feed, poll time.Duration, log *slog.Logger) *Follower {
	return &Follower{feed: feed, poll: poll, log: log, quiet: true, known: make(chan struct{}), offered: map[int64][]Change{}}
}

// Follow passes every name that is offered to tell, and then, until ctx ends, what changes. It asks
// the feed every poll, and goes on when that does not answer. An error of tell ends it; else it
// returns the error of ctx. What was withdrawn before Follow began is not told.
func Follow(ctx context.Context, feed remora.Feed, poll time.Duration, log *slog.Logger, tell func(Change) error) error {
	f := New(feed, poll, log)
	f.quiet = false
	return f.Run(ctx, tell)
}

// Run passes to tell what changes, until ctx ends; not what is offered when it begins, which
// [Follower.Offered] knows. It goes on when the feed does not answer. An error of tell ends it; else it
// returns the error of ctx.
func (f *Follower) Run(ctx context.Context, tell func(Change) error) error {
	f.tell = tell
	timer := time.NewTimer(0)
	defer timer.Stop()
	trouble := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		err := f.step(ctx)
		if told, ok := errors.AsType[*tellError](err); ok {
			return told.error
		}
		if err != nil && !trouble && ctx.Err() == nil {
			f.log.Warn("what is published cannot be learnt; trying again", "error", err)
		}
		trouble = err != nil
		timer.Reset(f.poll)
	}
}

// Offered returns every name that is offered, once that is known. Each is as new as what was told
// before it was asked for, or newer. A name that several activities share comes several times. Its
// only error is that of ctx.
func (f *Follower) Offered(ctx context.Context) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		select {
		case <-f.known:
		case <-ctx.Done():
			yield(Change{}, ctx.Err())
			return
		}
		f.mu.Lock()
		ids := slices.Sorted(maps.Keys(f.offered))
		f.mu.Unlock()
		for _, id := range ids {
			f.mu.Lock()
			list := f.offered[id]
			f.mu.Unlock()
			for _, c := range list {
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

// A tellError is an error of tell on its way out.
type tellError struct{ error }

func (f *Follower) step(ctx context.Context) error {
	if f.at == (remora.Position{}) {
		return f.all(ctx)
	}
	delta, err := f.feed.Since(ctx, f.at)
	if errors.Is(err, remora.ErrGap) {
		return f.all(ctx)
	}
	if err != nil {
		return err
	}
	if delta.Epoch == f.at.Epoch && delta.Seq < f.at.Seq {
		return nil // of a replica that is behind
	}
	for i := range delta.Activities {
		if err := f.activity(&delta.Activities[i]); err != nil {
			return err
		}
	}
	for _, id := range delta.Gone {
		if err := f.replace(id, nil); err != nil {
			return err
		}
	}
	f.at = delta.Position
	return nil
}

// all learns everything, and that what was offered before and is not any more is gone.
func (f *Follower) all(ctx context.Context) error {
	seen := map[int64]bool{}
	header, err := f.feed.Load(ctx, func(a remora.Activity) error {
		seen[a.ID] = true
		return f.activity(&a)
	})
	if err != nil {
		return err
	}
	for id := range f.offered {
		if !seen[id] {
			if err := f.replace(id, nil); err != nil {
				return err
			}
		}
	}
	f.at = header.Position
	f.quiet = false
	f.learnt.Do(func() { close(f.known) })
	return nil
}

func (f *Follower) activity(a *remora.Activity) error {
	var list []Change
	for i := range a.Versions {
		v := &a.Versions[i]
		list = append(list, Change{Name: remora.PublicName(a.ID, v.Filename), Size: v.Size, SHA256: v.SHA256})
	}
	for i := range a.Screenshots {
		m := &a.Screenshots[i]
		list = append(list, Change{Name: remora.ImageName(m.SHA256), Size: m.Size, SHA256: m.SHA256})
	}
	if a.Icon != (remora.Digest{}) {
		list = append(list, Change{Name: remora.IconName(a.Icon), Size: -1, SHA256: a.Icon})
	}
	return f.replace(a.ID, list)
}

// replace knows first, so that who is told can ask for all there is. It tells what is new of an activity, and what of it is gone: its bundles, and screenshots that no
// other activity has. Icons stay: many have the same.
func (f *Follower) replace(id int64, list []Change) error {
	was := f.offered[id] // nobody else writes there
	f.mu.Lock()
	if len(list) == 0 {
		delete(f.offered, id)
	} else {
		f.offered[id] = list
	}
	f.mu.Unlock()
	if f.quiet {
		return nil
	}
	for _, c := range list {
		if !has(was, c.Name) {
			if err := f.tell(c); err != nil {
				return &tellError{err}
			}
		}
	}
	for _, c := range was {
		if !has(list, c.Name) && (strings.HasPrefix(c.Name, "public/") || strings.HasPrefix(c.Name, "previews/") && !f.others(c.Name)) {
			if err := f.tell(Change{Name: c.Name, Gone: true}); err != nil {
				return &tellError{err}
			}
		}
	}
	return nil
}

func has(list []Change, name string) bool {
	return slices.ContainsFunc(list, func(c Change) bool { return c.Name == name })
}

// others reports whether any activity has the name. It looks at all of them: that a screenshot is taken
// away is rare.
func (f *Follower) others(name string) bool {
	for _, list := range f.offered {
		if has(list, name) {
			return true
		}
	}
	return false
}
