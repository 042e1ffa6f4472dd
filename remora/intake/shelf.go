package intake

import (
	"context"
	"errors"
	"io/fs"

	"github.com/sugarlabs/beamrider/remora"
)

// ShelfStore is what a Shelf needs of a [remora.Store].
type ShelfStore interface {
	Activities(ctx context.Context, q remora.ActivityQuery, yield func(remora.Activity) error) error
	EditActivity(ctx context.Context, by remora.Actor, activityID int64, e remora.ActivityEdit) error
	EditVersion(ctx context.Context, by remora.Actor, versionID int64, e remora.VersionEdit) error
	Withdrawn(ctx context.Context, limit int) ([]remora.FileName, error)
	Unlinked(ctx context.Context, versionIDs []int64) error
	Relinked(ctx context.Context, versionID int64) error
	Orphans(ctx context.Context, before remora.Time, limit int) ([]remora.Digest, error)
	Forget(ctx context.Context, sums []remora.Digest) error
}

// A Shelf withdraws what is offered and puts it back. It may be used by several goroutines at once.
type Shelf struct {
	store ShelfStore
	files remora.Files
}

// NewShelf returns a Shelf over a store and the files its rows speak of.
func NewShelf(store ShelfStore, files remora.Files) (*Shelf, error) {
	if store == nil || files == nil {
		return nil, errors.New("intake: a store and files are required")
	}
	return &Shelf{store: store, files: files}, nil
}

// HideActivity withdraws an activity, and with gone for good. It is withdrawn when the call
// returns nil or an error of KindUnavailable that names a file; [Shelf.Settle] does the rest then.
func (s *Shelf) HideActivity(ctx context.Context, by remora.Actor, id int64, gone bool) error {
	state := remora.ActivityDisabled
	if gone {
		state = remora.ActivityDeleted
	}
	if err := s.store.EditActivity(ctx, by, id, remora.ActivityEdit{State: &state}); err != nil {
		return err
	}
	return s.removeWithdrawn(ctx)
}

// ShowActivity puts a hidden activity back. One that was deleted is KindConflict.
func (s *Shelf) ShowActivity(ctx context.Context, by remora.Actor, a *remora.Activity) error {
	if a.State == remora.ActivityDeleted {
		// The store would say so too, but only after public names were made.
		return remora.Errorf(remora.KindConflict, "activity.deleted", "The activity %s was deleted for good and cannot be shown again.", a.BundleID)
	}
	for i := range a.Versions {
		if v := &a.Versions[i]; v.State.Offered() {
			if err := s.relink(ctx, a.ID, v, true); err != nil {
				return err
			}
		}
	}
	state := remora.ActivityActive
	return s.store.EditActivity(ctx, by, a.ID, remora.ActivityEdit{State: &state})
}

// HideVersion withdraws a version, and with gone for good.
func (s *Shelf) HideVersion(ctx context.Context, by remora.Actor, id int64, gone bool) error {
	state := remora.StateDisabled
	if gone {
		state = remora.StateDeleted
	}
	if err := s.store.EditVersion(ctx, by, id, remora.VersionEdit{State: &state}); err != nil {
		return err
	}
	return s.removeWithdrawn(ctx)
}

// ShowVersion puts a hidden version back. While its activity is hidden it stays unseen with it.
func (s *Shelf) ShowVersion(ctx context.Context, by remora.Actor, activityID int64, v *remora.Version) error {
	public, err := active(ctx, s.store, activityID)
	if err != nil {
		return err
	}
	if err := s.relink(ctx, activityID, v, public); err != nil {
		return err
	}
	state := remora.StatePublished
	return s.store.EditVersion(ctx, by, v.ID, remora.VersionEdit{State: &state})
}

func (s *Shelf) relink(ctx context.Context, activityID int64, v *remora.Version, public bool) error {
	if err := s.store.Relinked(ctx, v.ID); err != nil || !public {
		return err
	}
	return s.files.Link(ctx, remora.UploadName(v.SHA256), remora.PublicName(activityID, v.Filename))
}

// batch bounds what one question to the store returns.
const batch = 200

// Settle finishes what crashes have left: it removes public names that may not be offered, and the
// bytes of bundles and screenshots that were stored before the moment and never came to be wanted, or
// are not wanted any more since.
func (s *Shelf) Settle(ctx context.Context, before remora.Time) error {
	return errors.Join(s.removeWithdrawn(ctx), s.sweep(ctx, before))
}

func (s *Shelf) removeWithdrawn(ctx context.Context) error {
	for {
		names, err := s.store.Withdrawn(ctx, batch)
		if err != nil || len(names) == 0 {
			return err
		}
		ids := make([]int64, 0, len(names))
		for _, n := range names {
			if err := s.files.Remove(ctx, n.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			ids = append(ids, n.VersionID)
		}
		if err := s.store.Unlinked(ctx, ids); err != nil {
			return err
		}
	}
}

func (s *Shelf) sweep(ctx context.Context, before remora.Time) error {
	for {
		sums, err := s.store.Orphans(ctx, before, batch)
		if err != nil || len(sums) == 0 {
			return err
		}
		for _, sum := range sums {
			// A sum does not say what the bytes were; under the other name there is nothing.
			for _, name := range []string{remora.UploadName(sum), remora.ImageName(sum)} {
				if err := s.files.Remove(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		}
		if err := s.store.Forget(ctx, sums); err != nil {
			return err
		}
	}
}
