package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"iter"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/published"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
)

const (
	// feedPoll is how often the change feed is asked what is to be copied.
	feedPoll = 100 * time.Millisecond
	// What is old enough to be swept from the copy, and how often it is looked for.
	sweepAge, sweepEvery = 24 * time.Hour, time.Hour
)

// Behind returns how many files the copy is known to lack, and when the first of them became known,
// as far as [Files.KeepCopy] has got.
func (f *Files) Behind() (files int, oldest time.Time) { return behind(f.stats.Load()) }

func behind(s *nfsstore.MirrorStats) (files int, oldest time.Time) {
	if s == nil {
		return 0, time.Time{}
	}
	return s.Behind, s.Oldest
}

// KeepCopy keeps in the copy what is published, and nothing else, until ctx ends, and mends what was found
// damaged there. There must be a copy.
func (f *Files) KeepCopy(ctx context.Context, feed remora.Feed, log *slog.Logger) error {
	var work errgroup.Group
	work.Go(func() error { return f.sweepCopy(ctx, log) })
	work.Go(func() error { return f.mendCopy(ctx, log) })
	work.Go(func() error {
		for ctx.Err() == nil {
			if err := f.keepCopy(ctx, feed, log); err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
		}
		return nil
	})
	return work.Wait()
}

// keepCopy is KeepCopy until the files move.
func (f *Files) keepCopy(ctx context.Context, feed remora.Feed, log *slog.Logger) error {
	f.moving.Lock()
	moved := f.moved
	f.moving.Unlock()
	h := f.homes.Load()
	until, cancel := context.WithCancel(ctx)
	defer cancel()
	if onePlace(until, f.copy, h.main, log) {
		log.Error("files.copy and files.url lead to the same place; no copy is kept", "copy", f.config.Copy)
		select {
		case <-moved:
		case <-ctx.Done():
		}
		return nil
	}
	within, err := f.within(until, h)
	if err != nil {
		log.Warn("what is in the copy cannot be listed; screenshots are left there", "copy", f.config.Copy, "error", err)
	}
	var work errgroup.Group
	work.Go(func() error {
		defer cancel()
		select {
		case <-moved:
		case <-until.Done():
		}
		return nil
	})
	offered := published.New(feed, feedPoll, log)
	changes := make(chan nfsstore.Change)
	work.Go(func() error {
		return offered.Run(until, func(c published.Change) error {
			select {
			case changes <- change(c):
				return nil
			case <-until.Done():
				return until.Err()
			}
		})
	})
	work.Go(func() error {
		defer cancel()
		return nfsstore.Mirror(until, f.copy, h.main, changes, &nfsstore.MirrorOptions{
			Logger: log, Bandwidth: f.config.Bandwidth, Within: within,
			Progress: func(s nfsstore.MirrorStats) { f.stats.Store(&s) },
			Reconcile: func(ctx context.Context) iter.Seq2[nfsstore.Change, error] {
				return func(yield func(nfsstore.Change, error) bool) {
					for c, err := range offered.Offered(ctx) {
						if !yield(change(c), err) {
							return
						}
					}
				}
			},
		})
	})
	return work.Wait()
}

func change(c published.Change) nfsstore.Change {
	return nfsstore.Change{Name: c.Name, Size: c.Size, SHA256: c.SHA256[:], Gone: c.Gone}
}

// within returns the folders of the copy where only what is offered may be; icons stay, as the main place
// keeps them. Where uploads are there is, or was, a second place, which has screenshots besides that are
// not offered.
func (f *Files) within(ctx context.Context, h *homes) ([]string, error) {
	if f.copy == h.second {
		return []string{"public"}, nil
	}
	for _, err := range f.copy.List(ctx, "uploads") {
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		return []string{"public"}, err
	}
	return []string{"public", "previews"}, nil
}

// onePlace reports whether what is stored in one store shows in another. When that cannot be found out it
// does not.
func onePlace(ctx context.Context, a, b *nfsstore.Store, log *slog.Logger) bool {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	name := "canary/" + rand.Text()
	if err := a.Put(ctx, name, strings.NewReader(name), int64(len(name)), nil); err != nil {
		return false
	}
	file, err := b.Open(ctx, name)
	if err == nil {
		err = file.Close()
	}
	if rerr := a.Remove(ctx, name); rerr != nil {
		log.Warn("a small file is left in the copy", "file", name, "error", rerr)
	}
	return err == nil
}

// sweepCopy tidies the copy up now and then: it is this machine's alone.
func (f *Files) sweepCopy(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if _, err := f.copy.Sweep(ctx, sweepAge); err != nil && ctx.Err() == nil {
			log.Warn("the copy of the files could not be tidied up; it is tried again", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
