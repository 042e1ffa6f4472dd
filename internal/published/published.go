// Package published tells a copy of the published files what belongs into it: first everything that
// is offered, then what changes, as the change feed says it. It knows the catalog and no store of
// files; who keeps the copy turns a [Change] into what its store understands.
package published

import (
	"context"
	"errors"
	"log/slog"
	"strings"
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

// Follow passes every name that is offered to tell, and then, until ctx ends, what changes. It asks
// the feed every poll, and goes on when that does not answer. An error of tell ends it; else it
// returns the error of ctx. What was withdrawn before Follow began is not told.
func Follow(ctx context.Context, feed remora.Feed, poll time.Duration, log *slog.Logger, tell func(Change) error) error {
	f := &follower{feed: feed, tell: tell, names: map[int64]map[string]bool{}}
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
			log.Warn("what is published cannot be learnt; trying again", "error", err)
		}
		trouble = err != nil
		timer.Reset(poll)
	}
}

// A tellError is an error of tell on its way out.
type tellError struct{ error }

// A follower is one call of Follow.
type follower struct {
	feed  remora.Feed
	tell  func(Change) error
	at    remora.Position
	names map[int64]map[string]bool // told, by activity
}

func (f *follower) step(ctx context.Context) error {
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

// all tells everything, and that what was told before and is not offered any more is gone.
func (f *follower) all(ctx context.Context) error {
	seen := map[int64]bool{}
	header, err := f.feed.Load(ctx, func(a remora.Activity) error {
		seen[a.ID] = true
		return f.activity(&a)
	})
	if err != nil {
		return err
	}
	for id := range f.names {
		if !seen[id] {
			if err := f.replace(id, nil); err != nil {
				return err
			}
		}
	}
	f.at = header.Position
	return nil
}

func (f *follower) activity(a *remora.Activity) error {
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

// replace tells what is new of an activity, and what of it is gone: its bundles, and screenshots that no
// other activity has. Icons stay: many have the same.
func (f *follower) replace(id int64, list []Change) error {
	was, is := f.names[id], map[string]bool{}
	for _, c := range list {
		is[c.Name] = true
		if was[c.Name] {
			continue
		}
		if err := f.tell(c); err != nil {
			return &tellError{err}
		}
	}
	for name := range was {
		if !is[name] && (strings.HasPrefix(name, "public/") || strings.HasPrefix(name, "previews/") && !f.others(id, name)) {
			if err := f.tell(Change{Name: name, Gone: true}); err != nil {
				return &tellError{err}
			}
		}
	}
	if len(is) == 0 {
		delete(f.names, id)
	} else {
		f.names[id] = is
	}
	return nil
}

// others reports whether another activity than id has the name too. It looks at all of them: that a
// screenshot is taken away is rare.
func (f *follower) others(id int64, name string) bool {
	for other, names := range f.names {
		if other != id && names[name] {
			return true
		}
	}
	return false
}
