package sqlstore

import (
	"context"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// What column linked says of a version's public name.
const (
	linkAbsent  = 0
	linkPresent = 1 // it may exist
	linkLeaving = 2 // somebody may be removing it
)

// linkGrace is how long the name of a draft, or of a version that is about to be shown again, may
// exist before anything is offered under it: an upload takes minutes at most.
const linkGrace = time.Hour

// Withdrawn marks up to limit public names as leaving and returns them, those marked earlier first;
// see [remora.Store]. Names of drafts and those a Relinked was said for stay an hour.
func (s *Store) Withdrawn(ctx context.Context, limit int) (names []remora.FileName, err error) {
	if limit <= 0 {
		return nil, nil
	}
	limit = min(limit, 1000)
	err = s.write(ctx, "Withdrawn", func(t *tx) (err error) {
		names, err = t.withdraw(limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

func (t *tx) withdraw(limit int) (names []remora.FileName, err error) {
	grace := t.time() - linkGrace.Microseconds()
	var versions, activities []any
	at := map[int64]string{}
	var id, activityID int64
	var filename string
	err = t.each([]any{&id, &activityID, &filename}, func() error {
		versions, activities = append(versions, id), append(activities, activityID)
		at[id] = remora.PublicName(activityID, filename)
		return nil
	}, `SELECT v.id, v.activity_id, v.filename FROM versions v JOIN activities a ON a.id = v.activity_id
		WHERE v.linked = 2 OR v.linked = 1 AND v.link_since < ? AND NOT (v.state IN `+offeredStates+` AND a.state = 'active')
		ORDER BY v.linked DESC, v.id LIMIT ?`, grace, limit)
	if err != nil || len(versions) == 0 {
		return nil, err
	}
	// Those were found without locks, as the search goes over many rows. Now look again, with the
	// few rows locked in the order all transactions keep: a version may have been shown meanwhile.
	active := map[int64]bool{}
	err = t.each([]any{&id}, func() error {
		active[id] = true
		return nil
	}, "SELECT id FROM activities WHERE state = 'active' AND id IN ("+marks(len(activities))+")"+t.d.forShare, activities...)
	if err != nil {
		return nil, err
	}
	var ids []any
	var state string
	var linked, since int64
	err = t.each([]any{&id, &activityID, &state, &linked, &since}, func() error {
		offered := active[activityID] && (state == "published" || state == "awaiting")
		if linked == linkLeaving || linked == linkPresent && since < grace && !offered {
			ids = append(ids, id)
			names = append(names, remora.FileName{VersionID: id, Name: at[id]})
		}
		return nil
	}, "SELECT id, activity_id, state, linked, link_since FROM versions WHERE id IN ("+marks(len(versions))+") ORDER BY id"+t.d.forUpdate, versions...)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	_, err = t.exec("UPDATE versions SET linked = 2 WHERE id IN ("+marks(len(ids))+")", ids...)
	return names, err
}

// Unlinked notes that public names are gone: those that [Store.Withdrawn] returned. Others stay as
// they are.
func (s *Store) Unlinked(ctx context.Context, versionIDs []int64) error {
	return s.write(ctx, "Unlinked", func(t *tx) error {
		for rest := versionIDs; len(rest) > 0; {
			n := min(len(rest), pageSize)
			if _, err := t.exec("UPDATE versions SET linked = 0 WHERE linked = 2 AND id IN ("+marks(n)+")", anys(rest[:n])...); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
}

// Relinked notes that the public name of a version may exist again; see [remora.Store]. A name that
// is just being removed is KindConflict, code "link.leaving": try again when it is gone.
func (s *Store) Relinked(ctx context.Context, versionID int64) error {
	return s.write(ctx, "Relinked", func(t *tx) error {
		return t.present(versionID)
	})
}

func (t *tx) present(versionID int64) error {
	var linked int64
	var state string
	switch err := t.one([]any{&linked, &state}, "SELECT linked, state FROM versions WHERE id = ?"+t.d.forUpdate, versionID); {
	case isNone(err):
		return remora.Errorf(remora.KindNotFound, "version.unknown", "There is no version %d.", versionID)
	case err != nil:
		return err
	case linked == linkLeaving:
		return remora.Errorf(remora.KindConflict, "link.leaving", "The public name of version %d is just being removed. Try again in a minute.", versionID)
	case state == remora.StateDeleted.String():
		return remora.Errorf(remora.KindConflict, "version.deleted", "Version %d was deleted for good.", versionID)
	}
	_, err := t.exec("UPDATE versions SET linked = 1, link_since = ? WHERE id = ?", t.time(), versionID)
	return err
}
