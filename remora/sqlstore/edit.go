package sqlstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/sugarlabs/beamrider/remora"
)

// activityEdit is what the audit log keeps of an edit.
type activityEdit struct {
	State        string            `json:",omitempty"`
	Listed       *bool             `json:",omitempty"`
	FeaturedRank *int              `json:",omitempty"`
	Categories   *[]string         `json:",omitempty"`
	Tags         *[]string         `json:",omitempty"`
	Texts        []remora.TextEdit `json:",omitempty"`
	Network      string            `json:",omitempty"`
	Authors      *[]string         `json:",omitempty"`
	Screenshots  *[]remora.Digest  `json:",omitempty"`
}

func (e *activityEdit) none() bool {
	return e.State == "" && e.Listed == nil && e.FeaturedRank == nil && e.Categories == nil && e.Tags == nil &&
		e.Texts == nil && e.Network == "" && e.Authors == nil && e.Screenshots == nil
}

// EditActivity changes an activity; see [remora.Store]. An edit that changes nothing leaves no trace.
// It refuses with KindConflict to bring a deleted activity back (code "activity.transition") and to
// show one whose public names are not there ("activity.unlinked"), with KindInvalid an unknown
// category ("category.unknown") and other values that cannot be kept ("edit.invalid"). A screenshot whose
// bytes were not staged, or were swept since, is KindConflict with code "blob.unstaged".
func (s *Store) EditActivity(ctx context.Context, by remora.Actor, activityID int64, e remora.ActivityEdit) error {
	e, err := checkActivityEdit(by, e)
	if err != nil {
		return s.fail("EditActivity", err)
	}
	return s.write(ctx, "EditActivity", func(t *tx) error {
		var stateWord, tagsSource, network string
		var listed int64
		var rank int
		err := t.one([]any{&stateWord, &listed, &rank, &tagsSource, &network}, "SELECT state, listed, featured_rank, tags_source, network FROM activities WHERE id = ?"+t.d.forUpdate, activityID)
		if isNone(err) {
			return remora.Errorf(remora.KindNotFound, "activity.unknown", "There is no activity %d.", activityID)
		}
		if err != nil {
			return err
		}
		state, err := remora.ParseActivityState(stateWord)
		if err != nil {
			return corrupt(err)
		}
		if e.State != nil && *e.State == state && state != remora.ActivityActive {
			// A call to show it may have ended between Relinked and the edit; hiding it again must
			// hide those names too, now and not when they have gone stale.
			if _, err := t.exec("UPDATE versions SET link_since = 0 WHERE activity_id = ?", activityID); err != nil {
				return err
			}
		}
		var done activityEdit
		kind := "activity.edit"
		if e.State != nil && *e.State != state {
			if err := t.setActivityState(activityID, state, *e.State); err != nil {
				return err
			}
			done.State = e.State.String()
			kind = map[remora.ActivityState]string{remora.ActivityActive: "activity.show", remora.ActivityDisabled: "activity.hide", remora.ActivityDeleted: "activity.delete"}[*e.State]
		}
		if e.Listed != nil && *e.Listed != (listed != 0) {
			if _, err := t.exec("UPDATE activities SET listed = ? WHERE id = ?", flag(*e.Listed), activityID); err != nil {
				return err
			}
			done.Listed = e.Listed
		}
		if e.FeaturedRank != nil && *e.FeaturedRank != rank {
			if _, err := t.exec("UPDATE activities SET featured_rank = ? WHERE id = ?", *e.FeaturedRank, activityID); err != nil {
				return err
			}
			done.FeaturedRank = e.FeaturedRank
		}
		if e.Categories != nil {
			changed, err := t.setCategories(activityID, *e.Categories)
			if err != nil {
				return err
			}
			if changed {
				done.Categories = e.Categories
			}
		}
		if e.Tags != nil {
			changed, err := t.setOwnerTags(activityID, *e.Tags, tagsSource)
			if err != nil {
				return err
			}
			if changed {
				done.Tags = e.Tags
			}
		}
		if e.Network != nil && e.Network.String() != network {
			if _, err := t.exec("UPDATE activities SET network = ? WHERE id = ?", e.Network.String(), activityID); err != nil {
				return err
			}
			done.Network = e.Network.String()
		}
		var also []int64
		if e.Authors != nil {
			var changed bool
			if changed, also, err = t.setAuthors(activityID, *e.Authors); err != nil {
				return err
			}
			if changed {
				done.Authors = e.Authors
			}
		}
		if e.Screenshots != nil {
			changed, err := t.setScreenshots(activityID, *e.Screenshots)
			if err != nil {
				return err
			}
			if changed {
				sums := sumsOf(*e.Screenshots)
				done.Screenshots = &sums
			}
		}
		for _, text := range e.Texts {
			changed, err := t.setOwnerText(activityID, text)
			if err != nil {
				return err
			}
			if changed {
				done.Texts = append(done.Texts, text)
			}
		}
		if done.none() {
			return nil
		}
		for _, id := range append([]int64{activityID}, also...) {
			if err := t.touchActivity(id); err != nil {
				return err
			}
		}
		t.entry = onActivity(by, kind, activityID, done)
		t.entry.also = also
		return nil
	})
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkActivityEdit returns a normal copy of e.
func checkActivityEdit(by remora.Actor, e remora.ActivityEdit) (remora.ActivityEdit, error) {
	var c checks
	c.by(by)
	if e.State != nil && *e.State > remora.ActivityDeleted {
		c.mistake("there is no activity state %d", *e.State)
	}
	if e.FeaturedRank != nil && (*e.FeaturedRank < 0 || *e.FeaturedRank > 1<<20) {
		c.mistake("the rank %d is not between 0 and %d", *e.FeaturedRank, 1<<20)
	}
	if e.Categories != nil {
		list := slices.Compact(slices.Sorted(slices.Values(*e.Categories)))
		if len(list) > maxTags {
			c.mistake("there are more than %d categories", maxTags)
		}
		e.Categories = &list
	}
	if e.Tags != nil {
		c.tags(*e.Tags)
		list := normalTags(*e.Tags)
		e.Tags = &list
	}
	if e.Network != nil && *e.Network > remora.NetworkNeeded {
		c.mistake("there is no network %d", *e.Network)
	}
	if e.Authors != nil {
		list := c.authors(*e.Authors)
		e.Authors = &list
	}
	if e.Screenshots != nil {
		list := c.screenshots(*e.Screenshots)
		e.Screenshots = &list
	}
	if len(e.Texts) > 3*maxLocales {
		c.mistake("there are more than %d texts", 3*maxLocales)
	}
	e.Texts = slices.Clone(e.Texts)
	for i := range e.Texts {
		text := &e.Texts[i]
		switch text.Field {
		case fieldName, fieldSummary, fieldDescription:
		default:
			c.mistake("there is no text %.30q; it is name, summary or description", text.Field)
		}
		normal := remora.NormalizeLocale(text.Locale)
		if normal == "und" || len(normal) > maxLocale {
			c.mistake("%.40q is no locale; write a BCP 47 tag such as es-PE", text.Locale)
		}
		text.Locale = normal
		c.line("the "+text.Field, text.Value, maxValue)
	}
	return e, c.err("edit.invalid", "The edit")
}

func (t *tx) setActivityState(id int64, from, to remora.ActivityState) error {
	if from == remora.ActivityDeleted {
		return remora.Errorf(remora.KindConflict, "activity.transition", "Activity %d was deleted for good and cannot become %s.", id, to)
	}
	if to == remora.ActivityActive {
		missing := 0
		var linked int64
		err := t.each([]any{&linked}, func() error {
			if linked != linkPresent {
				missing++
			}
			return nil
		}, "SELECT linked FROM versions WHERE activity_id = ? AND state IN "+offeredStates+t.d.forUpdate, id)
		if err != nil {
			return err
		}
		if missing > 0 {
			return remora.Errorf(remora.KindConflict, "activity.unlinked", "The public names of %d versions of activity %d are not there, or are just being removed. Link them again first.", missing, id)
		}
	} else if _, err := t.exec("UPDATE versions SET link_since = 0 WHERE activity_id = ?", id); err != nil {
		return err
	}
	if _, err := t.exec("UPDATE activities SET state = ? WHERE id = ?", to.String(), id); err != nil {
		return err
	}
	if to == remora.ActivityDeleted {
		if err := t.releaseBlobs("v.activity_id = ?", id); err != nil {
			return err
		}
		sums, err := t.screenshotSums(id)
		if err != nil {
			return err
		}
		return t.releaseImages(sums)
	}
	return nil
}

func (t *tx) setCategories(id int64, slugs []string) (changed bool, err error) {
	var have []string
	var slug string
	err = t.each([]any{&slug}, func() error {
		have = append(have, slug)
		return nil
	}, "SELECT c.slug FROM activity_categories x JOIN categories c ON c.id = x.category_id WHERE x.activity_id = ?", id)
	if err != nil {
		return false, err
	}
	slices.Sort(have)
	if slices.Equal(have, slugs) {
		return false, nil
	}
	known := map[string]any{}
	if len(slugs) > 0 {
		var category int64
		err = t.each([]any{&category, &slug}, func() error {
			known[slug] = category
			return nil
		}, "SELECT id, slug FROM categories WHERE slug IN ("+marks(len(slugs))+")", anys(slugs)...)
		if err != nil {
			return false, err
		}
	}
	for _, slug := range slugs {
		if known[slug] == nil {
			return false, remora.Errorf(remora.KindInvalid, "category.unknown", "There is no category %.60q.", slug)
		}
	}
	if _, err := t.exec("DELETE FROM activity_categories WHERE activity_id = ?", id); err != nil {
		return false, err
	}
	return true, t.insertRows("INSERT INTO activity_categories (activity_id, category_id)", "", 2, func(yield func([]any) bool) {
		for _, slug := range slugs {
			if !yield([]any{id, known[slug]}) {
				return
			}
		}
	})
}

// setOwnerTags makes the tags the owner's, so that bundles do not change them any more.
func (t *tx) setOwnerTags(id int64, tags []string, source string) (changed bool, err error) {
	var have []string
	var name string
	err = t.each([]any{&name}, func() error {
		have = append(have, name)
		return nil
	}, "SELECT g.name FROM activity_tags x JOIN tags g ON g.id = x.tag_id WHERE x.activity_id = ?", id)
	if err != nil {
		return false, err
	}
	slices.Sort(have)
	if source == sourceOwner && slices.Equal(have, tags) {
		return false, nil
	}
	if err := t.setTags(id, tags); err != nil {
		return false, err
	}
	_, err = t.exec("UPDATE activities SET tags_source = 'owner' WHERE id = ?", id)
	return true, err
}

func (t *tx) setOwnerText(id int64, e remora.TextEdit) (changed bool, err error) {
	var have string
	err = t.one([]any{&have}, "SELECT value FROM activity_texts WHERE activity_id = ? AND locale = ? AND field = ? AND source = 'owner'", id, e.Locale, e.Field)
	switch {
	case err != nil && !isNone(err):
		return false, err
	case have == e.Value: // both empty, or the same
		return false, nil
	case e.Value == "":
		_, err = t.exec("DELETE FROM activity_texts WHERE activity_id = ? AND locale = ? AND field = ? AND source = 'owner'", id, e.Locale, e.Field)
	default:
		_, err = t.exec("INSERT INTO activity_texts (activity_id, locale, field, source, value) VALUES (?, ?, ?, 'owner', ?)"+
			t.d.upsert("activity_texts", "activity_id, locale, field, source", []string{"value"}, nil), id, e.Locale, e.Field, e.Value)
	}
	return true, err
}

// EditVersion changes a version; see [remora.Store]. An edit that changes nothing leaves no trace.
// A version is offered again only when its public name is there: else KindConflict, code
// "version.unlinked".
func (s *Store) EditVersion(ctx context.Context, by remora.Actor, versionID int64, e remora.VersionEdit) error {
	var c checks
	c.by(by)
	if e.Channel != nil && *e.Channel > remora.ChannelExperimental {
		c.mistake("there is no channel %d", *e.Channel)
	}
	if e.Range != nil {
		if e.Range.Source > remora.RangeSet {
			c.mistake("there is no source %d of a range", e.Range.Source)
		}
		if r := e.Range.Range; !r.Min.IsZero() && !r.Max.IsZero() && r.Min.Compare(r.Max) > 0 {
			c.mistake("the Sugar range %s ends before it begins", r)
		}
	}
	if err := c.err("edit.invalid", "The edit"); err != nil {
		return s.fail("EditVersion", err)
	}
	return s.write(ctx, "EditVersion", func(t *tx) error {
		v, err := t.lockVersion(versionID)
		if err != nil {
			return err
		}
		done := map[string]string{}
		kind := "version.edit"
		if e.State != nil && *e.State != v.state {
			if !v.state.CanBecome(*e.State) {
				return transition(versionID, v.state, *e.State)
			}
			if e.State.Offered() {
				if err := v.needsName(); err != nil {
					return err
				}
			}
			if err := t.setState(v, *e.State); err != nil {
				return err
			}
			done["state"] = e.State.String()
			kind = "version." + map[remora.State]string{
				remora.StateAwaiting: "submit", remora.StatePublished: "publish", remora.StateRejected: "reject",
				remora.StateDisabled: "hide", remora.StateDeleted: "delete",
			}[*e.State]
		}
		if e.Channel != nil && *e.Channel != v.channel {
			if _, err := t.exec("UPDATE versions SET channel = ?, rev = rev + 1 WHERE id = ?", e.Channel.String(), versionID); err != nil {
				return err
			}
			done["channel"] = e.Channel.String()
		}
		if e.Range != nil {
			to := e.Range.Range
			if e.Range.Source == remora.RangeInferred {
				to = remora.InferRange(v.interpreter)
			}
			if to != v.rng || e.Range.Source != v.source {
				_, err := t.exec("UPDATE versions SET sugar_min = ?, sugar_max = ?, sugar_min_key = ?, sugar_max_key = ?, range_source = ?, rev = rev + 1 WHERE id = ?",
					to.Min.String(), to.Max.String(), []byte(to.Min.Key()), []byte(to.Max.Key()), e.Range.Source.String(), versionID)
				if err != nil {
					return err
				}
				done["range"] = fmt.Sprintf("%s (%s)", to, e.Range.Source)
			}
		}
		if len(done) == 0 {
			return nil
		}
		if err := t.touchActivity(v.activityID); err != nil {
			return err
		}
		t.entry = onVersion(by, kind, v.activityID, versionID, done)
		return nil
	})
}
