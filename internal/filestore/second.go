package filestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// A Catalog knows every file that has to be there; [sqlstore.Store] is one.
type Catalog interface {
	Kept(ctx context.Context) ([]sqlstore.KeptFile, error)
}

// How often the second place is compared with the catalog, and how soon again when that failed. What was
// lost where everything is does not come back by looking for it: each look costs a question for each file.
const secondEvery, secondRetry, secondLost = 24 * time.Hour, time.Minute, time.Hour

// errNameless: everything was looked at, and some files are lost or damaged.
var errNameless = errors.New("not all files can be offered from it")

// SecondBehind is [Files.Behind] of the second place, as far as [Files.KeepSecond] has got.
func (f *Files) SecondBehind() (files int, oldest time.Time) { return behind(f.filling.Load()) }

// KeepSecond brings into the second place what it lacks of what the catalog speaks of: what was stored
// before there was one, or while files.copies was 1. It does so now and once a day, until ctx ends.
func (f *Files) KeepSecond(ctx context.Context, catalog Catalog, log *slog.Logger) error {
	for ctx.Err() == nil {
		f.moving.Lock()
		moved := f.moved
		f.moving.Unlock()
		if err := f.keepSecond(ctx, f.homes.Load(), moved, catalog, log); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// keepSecond is KeepSecond until the files move.
func (f *Files) keepSecond(ctx context.Context, h *homes, moved <-chan struct{}, catalog Catalog, log *slog.Logger) error {
	until, cancel := context.WithCancel(ctx)
	defer cancel()
	var work errgroup.Group
	work.Go(func() error {
		defer cancel()
		select {
		case <-moved:
		case <-until.Done():
		}
		return nil
	})
	work.Go(func() error {
		defer cancel()
		for h.lost != nil {
			if _, err := f.whole(until); err == nil {
				return nil // and it begins anew with the place that was found
			}
			select {
			case <-time.After(secondRetry):
			case <-until.Done():
				return nil
			}
		}
		for h.second != nil {
			wait := secondEvery
			if err := f.fillSecond(until, h, catalog, log); err != nil && until.Err() == nil {
				log.Warn("the second copy of the files could not be completed; it is tried again", "error", err)
				if wait = secondRetry; errors.Is(err, errNameless) {
					wait = secondLost
				}
			}
			select {
			case <-time.After(wait):
			case <-until.Done():
				return nil
			}
		}
		<-until.Done()
		return nil
	})
	return work.Wait()
}

// fillSecond copies what the second place lacks, under one name, and then gives it the others.
func (f *Files) fillSecond(ctx context.Context, h *homes, catalog Catalog, log *slog.Logger) error {
	kept, err := catalog.Kept(ctx)
	if err != nil {
		return err
	}
	none := make(chan nfsstore.Change)
	close(none)
	err = nfsstore.Mirror(ctx, h.second, h.main, none, &nfsstore.MirrorOptions{
		Logger: log, Bandwidth: f.config.Bandwidth,
		Progress: func(s nfsstore.MirrorStats) { f.filling.Store(&s) },
		Reconcile: func(context.Context) iter.Seq2[nfsstore.Change, error] {
			return func(yield func(nfsstore.Change, error) bool) {
				for i := range kept {
					k := &kept[i]
					if !yield(nfsstore.Change{Name: k.Name, Size: k.Size, SHA256: k.SHA256[:]}, nil) {
						return
					}
				}
			}
		},
	})
	if err != nil {
		return err
	}
	// That may have taken hours, and what was withdrawn meanwhile is not to be offered there.
	if kept, err = catalog.Kept(ctx); err != nil {
		return err
	}
	var first error
	nameless := 0
	for _, k := range kept {
		for _, public := range k.Public {
			err := h.second.Link(ctx, k.Name, public)
			switch {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist):
				nameless++ // the others can have theirs
				first = cmp.Or(first, err)
			case err != nil:
				return err
			}
		}
	}
	if nameless > 0 {
		return fmt.Errorf("%w: %d could not be given their names there, as the first: %w", errNameless, nameless, first)
	}
	return nil
}
