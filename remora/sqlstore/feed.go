package sqlstore

import (
	"context"

	"github.com/sugarlabs/beamrider/remora"
)

// offeredActivity selects what readers of the feed see.
const offeredActivity = "state = 'active' AND EXISTS (SELECT 1 FROM versions v WHERE v.activity_id = activities.id AND v.state IN " + offeredStates + ")"

// Load passes every offered activity to add, ordered by id; see [remora.Feed]. Its memory is bounded
// by a page of activities, however many there are.
func (s *Store) Load(ctx context.Context, add func(remora.Activity) error) (h remora.Header, err error) {
	err = s.snapshot(ctx, "Load", func(t *tx) (err error) {
		if h, err = t.header(); err != nil {
			return err
		}
		r := newReader(t, true)
		for last := int64(-1 << 63); ; {
			list, err := r.page("id > ? AND "+offeredActivity, last)
			if err != nil {
				return err
			}
			for _, a := range list {
				if err := add(a); err != nil {
					return yieldError{err}
				}
			}
			if len(list) < pageSize {
				return nil
			}
			last = list[len(list)-1].ID
		}
	})
	if err != nil {
		return remora.Header{}, err
	}
	return h, nil
}

// maxDelta bounds how many activities a Delta holds; with more changed, loading everything anew is
// as quick and can be done in pages.
const maxDelta = 20_000

// Since returns what changed after a position; see [remora.Feed].
func (s *Store) Since(ctx context.Context, after remora.Position) (d remora.Delta, err error) {
	err = s.snapshot(ctx, "Since", func(t *tx) error {
		d = remora.Delta{}
		at, pruned, err := t.position()
		if err != nil {
			return err
		}
		switch {
		case at == after:
			d.Position = at
			return nil
		case after.Epoch != at.Epoch:
			return gap("the database has another history since, as after a restore")
		case after.Seq > at.Seq:
			d.Position = at // a replica that has not got there yet, or a file that was put back by hand
			return nil
		case after.Seq < pruned:
			return gap("the position is older than what is kept")
		}
		var ids []int64
		var id int64
		err = t.each([]any{&id}, func() error {
			ids = append(ids, id)
			return nil
		}, "SELECT DISTINCT activity_id FROM changes WHERE seq > ? AND activity_id <> 0 AND kind <> '"+kindDraft+"' ORDER BY activity_id LIMIT ?", after.Seq, maxDelta+1)
		if err != nil {
			return err
		}
		if len(ids) > maxDelta {
			return gap("too much has changed")
		}
		if d.Header, err = t.headerAt(at); err != nil {
			return err
		}
		r := newReader(t, true)
		for len(ids) > 0 {
			n := min(len(ids), pageSize)
			list, err := r.page("id IN ("+marks(n)+") AND "+offeredActivity, anys(ids[:n])...)
			if err != nil {
				return err
			}
			d.Gone = appendGone(d.Gone, ids[:n], list)
			d.Activities = append(d.Activities, list...)
			ids = ids[n:]
		}
		return nil
	})
	if err != nil {
		return remora.Delta{}, err
	}
	return d, nil
}

func gap(why string) error {
	return remora.Errorf(remora.KindConflict, "feed.gap", "The change feed cannot tell what happened since: %s. Load everything anew.", why)
}

// appendGone adds the ids, ordered, that are not in list, ordered too.
func appendGone(gone, ids []int64, list []remora.Activity) []int64 {
	for _, id := range ids {
		if len(list) > 0 && list[0].ID == id {
			list = list[1:]
			continue
		}
		gone = append(gone, id)
	}
	return gone
}

// Activities passes the activities that q selects to yield; see [remora.Store]. A Ref selects by
// bundle id, else by id, else every activity with that slug, of which there may be several.
func (s *Store) Activities(ctx context.Context, q remora.ActivityQuery, yield func(remora.Activity) error) error {
	return s.snapshot(ctx, "Activities", func(t *tx) error {
		if err := t.whole(); err != nil {
			return err
		}
		where, args := "1 = 1", []any(nil)
		if q.State != nil {
			where, args = "state = ?", []any{q.State.String()}
		}
		if q.Ref != "" {
			ids, err := t.resolve(q.Ref)
			if err != nil || len(ids) == 0 {
				return err
			}
			where += " AND id IN (" + marks(len(ids)) + ")"
			args = append(args, anys(ids)...)
		}
		r := newReader(t, false)
		for last := int64(-1 << 63); ; {
			list, err := r.page("id > ? AND "+where, append([]any{last}, args...)...)
			if err != nil {
				return err
			}
			for _, a := range list {
				if err := yield(a); err != nil {
					return yieldError{err}
				}
			}
			if len(list) < pageSize {
				return nil
			}
			last = list[len(list)-1].ID
		}
	})
}

// maxSlugs bounds how many activities with one slug are told apart.
const maxSlugs = 100

func (t *tx) resolve(ref string) (ids []int64, err error) {
	var id int64
	for _, by := range []struct {
		where string
		arg   any
	}{{"bundle_key = ?", remora.BundleKey(ref)}, {"id = ?", idArg(ref)}, {"slug = ?", ref}} {
		if by.arg == nil {
			continue
		}
		err := t.each([]any{&id}, func() error {
			ids = append(ids, id)
			return nil
		}, "SELECT id FROM activities WHERE "+by.where+" ORDER BY id LIMIT ?", by.arg, maxSlugs)
		if err != nil || len(ids) > 0 {
			return ids, err
		}
	}
	return nil, nil
}
