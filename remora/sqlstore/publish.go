package sqlstore

import (
	"context"

	"github.com/sugarlabs/beamrider/remora"
)

// Publish moves a draft or an awaiting version to state to; see [remora.Store]. From other states
// only [Store.EditVersion] brings a version back, so that doing an import again never undoes what a
// person decided. Besides "version.transition", it refuses with KindConflict a version whose public
// name is not there (code "version.unlinked": link it again) and a submission that is not this
// version's ("version.other").
func (s *Store) Publish(ctx context.Context, by remora.Actor, versionID int64, to remora.State, sub *remora.Submission) error {
	if err := checkSubmission(by, sub); err != nil {
		return s.fail("Publish", err)
	}
	if !to.Offered() {
		return s.fail("Publish", remora.Errorf(remora.KindInvalid, "publish.state", "A version is published to state published or awaiting, not %s.", to))
	}
	return s.write(ctx, "Publish", func(t *tx) error {
		v, err := t.lockVersion(versionID)
		if err != nil {
			return err
		}
		if v.number != sub.Number.String() || string(v.sum) != string(sub.SHA256[:]) || v.bundleKey != remora.BundleKey(sub.BundleID) {
			return remora.Errorf(remora.KindConflict, "version.other", "Version %d is %s of %s; the submission is another bundle.", versionID, v.number, v.bundleID)
		}
		switch {
		case v.state == to:
			return nil
		case v.state != remora.StateDraft && v.state != remora.StateAwaiting, !v.state.CanBecome(to):
			return transition(versionID, v.state, to)
		}
		if err := v.needsName(); err != nil {
			return err
		}
		if v.activityState == remora.ActivityDeleted {
			return remora.Errorf(remora.KindConflict, "activity.deleted", "The activity %s was deleted for good.", v.bundleID)
		}
		if err := t.setState(v, to); err != nil {
			return err
		}
		if to == remora.StatePublished {
			if err := t.takeFromBundle(v, sub); err != nil {
				return err
			}
		}
		if err := t.touchActivity(v.activityID); err != nil {
			return err
		}
		kind := "version.publish"
		if to == remora.StateAwaiting {
			kind = "version.submit"
		}
		t.entry = onVersion(by, kind, v.activityID, versionID, map[string]string{"number": v.number})
		return nil
	})
}

func transition(versionID int64, from, to remora.State) error {
	return remora.Errorf(remora.KindConflict, "version.transition", "Version %d is %s and cannot become %s.", versionID, from, to)
}

// takeFromBundle gives the activity what the bundle says of it, when the version is now the highest
// published one.
func (t *tx) takeFromBundle(v *lockedVersion, sub *remora.Submission) error {
	var higher int64
	err := t.one([]any{&higher}, `SELECT COUNT(*) FROM versions WHERE activity_id = ? AND state = 'published'
		AND (number_key > ? OR number_key = ? AND id > ?)`, v.activityID, []byte(sub.Number.Key()), []byte(sub.Number.Key()), v.id)
	if err != nil || higher > 0 {
		return err
	}
	_, err = t.exec(`UPDATE activities SET bundle_id = ?, kind = ?, default_locale = ?, license_spdx = ?, license_text = ?,
		homepage = ?, repository = ?, icon_sha256 = ?, icon_size = ? WHERE id = ?`,
		sub.BundleID, bundleKind(sub), sub.DefaultLocale, sub.License, sub.LicenseText,
		sub.Homepage, sub.Repository, digestArg(sub.Icon), sub.IconSize, v.activityID)
	if err != nil {
		return err
	}
	if err := t.bundleTexts(v.activityID, sub); err != nil {
		return err
	}
	if v.tagsSource == sourceOwner {
		return nil
	}
	return t.setTags(v.activityID, sub.Tags)
}

// touchActivity notes that what readers see of an activity has changed.
func (t *tx) touchActivity(id int64) error {
	_, err := t.exec("UPDATE activities SET rev = rev + 1, updated = ? WHERE id = ?", t.time(), id)
	return err
}

// A lockedVersion is a version and what matters of its activity, locked until the transaction ends.
type lockedVersion struct {
	id, activityID      int64
	number              string
	sum                 []byte
	state               remora.State
	channel             remora.Channel
	rng                 remora.Range
	source              remora.RangeSource
	interpreter         remora.Interpreter
	linked              int64
	bundleID, bundleKey string
	activityState       remora.ActivityState
	tagsSource          string
}

func (t *tx) lockVersion(id int64) (*lockedVersion, error) {
	v := &lockedVersion{id: id}
	unknown := remora.Errorf(remora.KindNotFound, "version.unknown", "There is no version %d.", id)
	// The activity first, as Draft does, so that the two do not wait for each other.
	switch err := t.one([]any{&v.activityID}, "SELECT activity_id FROM versions WHERE id = ?", id); {
	case isNone(err):
		return nil, unknown
	case err != nil:
		return nil, err
	}
	var activityState, state, channel, lo, hi, source, interpreter string
	if err := t.one([]any{&v.bundleID, &v.bundleKey, &activityState, &v.tagsSource},
		"SELECT bundle_id, bundle_key, state, tags_source FROM activities WHERE id = ?"+t.d.forUpdate, v.activityID); err != nil {
		return nil, err
	}
	if err := t.one([]any{&v.number, &v.sum, &state, &channel, &lo, &hi, &source, &interpreter, &v.linked},
		"SELECT number, sha256, state, channel, sugar_min, sugar_max, range_source, interpreter, linked FROM versions WHERE id = ?"+t.d.forUpdate, id); err != nil {
		return nil, err
	}
	var err error
	parse := func(f func() error) {
		if err == nil {
			err = f()
		}
	}
	parse(func() (e error) { v.activityState, e = remora.ParseActivityState(activityState); return })
	parse(func() (e error) { v.state, e = remora.ParseState(state); return })
	parse(func() (e error) { v.channel, e = remora.ParseChannel(channel); return })
	parse(func() (e error) { v.source, e = remora.ParseRangeSource(source); return })
	parse(func() (e error) { v.interpreter, e = remora.ParseInterpreter(interpreter); return })
	parse(func() error { return v.rng.Min.UnmarshalText([]byte(lo)) })
	parse(func() error { return v.rng.Max.UnmarshalText([]byte(hi)) })
	if err != nil {
		return nil, corrupt(err)
	}
	return v, nil
}

// needsName refuses what would offer a version whose public name may be missing.
func (v *lockedVersion) needsName() error {
	if v.linked == linkPresent {
		return nil
	}
	return remora.Errorf(remora.KindConflict, "version.unlinked", "The public name of version %d is not there, or is just being removed. Link it again first.", v.id)
}

// setState moves a version, and notes what follows for its name and its bytes.
func (t *tx) setState(v *lockedVersion, to remora.State) error {
	now := t.time()
	since, query := any(int64(0)), "UPDATE versions SET state = ?, decided = ?, rev = rev + 1, link_since = ?"
	if to.Offered() && v.activityState == remora.ActivityActive {
		since = now
	}
	args := []any{to.String(), now, since}
	if to == remora.StatePublished {
		query += ", published = CASE WHEN published = 0 THEN ? ELSE published END"
		args = append(args, now)
	}
	if _, err := t.exec(query+" WHERE id = ?", append(args, v.id)...); err != nil {
		return err
	}
	if to == remora.StateDeleted {
		return t.releaseBlobs("v.id = ?", v.id)
	}
	return nil
}
