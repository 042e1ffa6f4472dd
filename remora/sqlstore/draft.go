package sqlstore

import (
	"context"
	"slices"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// Words in columns.
const (
	fieldName        = "name"
	fieldSummary     = "summary"
	fieldDescription = "description"

	sourceBundle = "bundle"
	sourceOwner  = "owner"

	kindProgram = "xo"
	kindContent = "xol"
)

// Draft records a submission; see [remora.Store]. Besides, it refuses with KindConflict: a number
// whose version was deleted (code "version.deleted"), an activity that was deleted
// ("activity.deleted"), wanted ids that are taken ("activity.id", "file.id"), and bytes that were
// not staged or were swept since ("blob.unstaged").
func (s *Store) Draft(ctx context.Context, by remora.Actor, sub *remora.Submission) (out remora.Stored, err error) {
	if err := checkSubmission(by, sub); err != nil {
		return out, s.fail("Draft", err)
	}
	err = s.write(ctx, "Draft", func(t *tx) (err error) {
		out, err = t.draft(by, sub)
		return err
	})
	if err != nil {
		return remora.Stored{}, err
	}
	return out, nil
}

func (t *tx) draft(by remora.Actor, sub *remora.Submission) (out remora.Stored, err error) {
	a, err := t.activityFor(sub)
	if err != nil {
		return out, err
	}
	out.ActivityID, out.Slug = a.id, a.slug
	if a.id != 0 {
		if found, err := t.existing(sub, &out); found || err != nil {
			return out, err
		}
	}
	if err := t.keepBlob(sub.SHA256); err != nil {
		return out, err
	}
	if a.id == 0 {
		if err := t.newActivity(sub, &out); err != nil {
			return out, err
		}
	}
	if err := t.newVersion(by, sub, &out); err != nil {
		return out, err
	}
	t.entry = onVersion(by, kindDraft, out.ActivityID, out.VersionID, map[string]string{
		"bundle": sub.BundleID, "number": sub.Number.String(), "sha256": sub.SHA256.String(),
	})
	return out, nil
}

type activityRow struct {
	id    int64
	slug  string
	state string
}

// activityFor finds the activity of a submission; id 0 means there is none yet.
func (t *tx) activityFor(sub *remora.Submission) (a activityRow, err error) {
	key := remora.BundleKey(sub.BundleID)
	err = t.one([]any{&a.id, &a.slug, &a.state}, "SELECT id, slug, state FROM activities WHERE bundle_key = ?"+t.d.forUpdate, key)
	if err != nil && !isNone(err) {
		return a, err
	}
	if a.state == remora.ActivityDeleted.String() {
		return a, remora.Errorf(remora.KindConflict, "activity.deleted", "The activity %s was deleted for good; its bundle id stays taken. Publish under another bundle id.", sub.BundleID)
	}
	if sub.ActivityID == 0 || sub.ActivityID == a.id {
		return a, nil
	}
	var other string
	switch err := t.one([]any{&other}, "SELECT bundle_id FROM activities WHERE id = ?", sub.ActivityID); {
	case isNone(err):
		return a, nil
	case err != nil:
		return a, err
	}
	return a, remora.Errorf(remora.KindConflict, "activity.id", "The activity number %d wanted for %s belongs to %s.", sub.ActivityID, sub.BundleID, other)
}

// existing looks for the submission's number among the activity's versions.
func (t *tx) existing(sub *remora.Submission, out *remora.Stored) (found bool, err error) {
	type row struct {
		id, file      int64
		number, state string
		filename      string
		sum           []byte
	}
	var rows []row
	var r row
	err = t.each([]any{&r.id, &r.file, &r.number, &r.state, &r.filename, &r.sum}, func() error {
		r.sum = slices.Clone(r.sum)
		rows = append(rows, r)
		return nil
	}, "SELECT id, file_id, number, state, filename, sha256 FROM versions WHERE activity_id = ? AND (number = ? OR number_key = ?) ORDER BY id LIMIT 100",
		out.ActivityID, sub.Number.String(), []byte(sub.Number.Key()))
	if err != nil {
		return false, err
	}
	for _, r := range rows {
		if r.number != sub.Number.String() {
			continue
		}
		if r.state == remora.StateDeleted.String() {
			return true, remora.Errorf(remora.KindConflict, "version.deleted", "Version %s of %s was deleted for good; its number stays taken. Raise the number.", r.number, sub.BundleID)
		}
		if string(r.sum) != string(sub.SHA256[:]) {
			return true, remora.Errorf(remora.KindConflict, "version.exists", "There is a version %s of %s already, with other content. Raise the number: a released version never changes.", r.number, sub.BundleID)
		}
		out.VersionID, out.FileID, out.Filename, out.Existing = r.id, r.file, r.filename, true
		if out.State, err = remora.ParseState(r.state); err != nil {
			return true, corrupt(err)
		}
		if out.State == remora.StateDraft {
			// The caller is about to link its name, so the grace of drafts begins anew; and whoever was
			// removing it must have said so first.
			return true, t.present(r.id)
		}
		return true, nil
	}
	if len(rows) > 0 && !sub.History {
		return true, remora.Errorf(remora.KindConflict, "version.equal", "Version %s of %s is equal to the existing %s: neither would be newer. Raise the number.", sub.Number, sub.BundleID, rows[0].number)
	}
	return false, nil
}

func (t *tx) newActivity(sub *remora.Submission, out *remora.Stored) (err error) {
	out.Slug = slugOf(sub.BundleID, sub.Name)
	now := t.time()
	id := any(nil)
	if sub.ActivityID != 0 {
		id = sub.ActivityID
	}
	out.ActivityID, err = t.insert(`INSERT INTO activities (id, bundle_id, bundle_key, slug, state, listed, kind, default_locale,
		license_spdx, license_text, homepage, repository, icon_sha256, icon_size, featured_rank, tags_source, created, updated, rev)
		VALUES (?, ?, ?, ?, 'active', 1, ?, ?, ?, ?, ?, ?, ?, ?, 0, 'bundle', ?, ?, 1)`,
		id, sub.BundleID, remora.BundleKey(sub.BundleID), out.Slug, bundleKind(sub), sub.DefaultLocale,
		sub.License, sub.LicenseText, sub.Homepage, sub.Repository, digestArg(sub.Icon), sub.IconSize, now, now)
	if err != nil {
		return err
	}
	if sub.ActivityID != 0 {
		out.ActivityID = sub.ActivityID
	}
	if err := t.bundleTexts(out.ActivityID, sub); err != nil {
		return err
	}
	return t.setTags(out.ActivityID, sub.Tags)
}

func bundleKind(sub *remora.Submission) string {
	if sub.ContentBundle {
		return kindContent
	}
	return kindProgram
}

// bundleTexts replaces what bundles have said of an activity.
func (t *tx) bundleTexts(activityID int64, sub *remora.Submission) error {
	if _, err := t.exec("DELETE FROM activity_texts WHERE activity_id = ? AND source = 'bundle'", activityID); err != nil {
		return err
	}
	return t.insertRows("INSERT INTO activity_texts (activity_id, locale, field, source, value)", "", 5, func(yield func([]any) bool) {
		for _, f := range []struct {
			field string
			text  remora.Text
		}{{fieldName, sub.Name}, {fieldSummary, sub.Summary}, {fieldDescription, sub.Description}} {
			for _, l := range f.text {
				if !yield([]any{activityID, l.Locale, f.field, sourceBundle, l.Value}) {
					return
				}
			}
		}
	})
}

// setTags replaces the tags of an activity.
func (t *tx) setTags(activityID int64, tags []string) error {
	if _, err := t.exec("DELETE FROM activity_tags WHERE activity_id = ?", activityID); err != nil {
		return err
	}
	tags = normalTags(tags)
	if len(tags) == 0 {
		return nil
	}
	err := t.insertRows(t.d.insertIgnore+"tags (name, blocked, rev)", "", 3, func(yield func([]any) bool) {
		for _, name := range tags {
			if !yield([]any{name, 0, 1}) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	_, err = t.exec("INSERT INTO activity_tags (activity_id, tag_id) SELECT ?, id FROM tags WHERE name IN ("+marks(len(tags))+")", append([]any{activityID}, anys(tags)...)...)
	return err
}

func normalTags(tags []string) []string {
	out := make([]string, 0, len(tags))
	for _, tag := range tags {
		out = append(out, strings.TrimSpace(tag))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (t *tx) newVersion(by remora.Actor, sub *remora.Submission, out *remora.Stored) (err error) {
	if sub.FileID != 0 {
		var taken int64
		switch err := t.one([]any{&taken}, "SELECT id FROM versions WHERE file_id = ?", sub.FileID); {
		case err == nil:
			return remora.Errorf(remora.KindConflict, "file.id", "The file number %d wanted for version %s of %s belongs to version %d.", sub.FileID, sub.Number, sub.BundleID, taken)
		case !isNone(err):
			return err
		}
	}
	out.Filename = filenameOf(out.Slug, sub.Number, sub.ContentBundle)
	out.State = remora.StateDraft
	now := t.time()
	fileID := any(nil)
	if sub.FileID != 0 {
		fileID = sub.FileID
	}
	out.VersionID, err = t.insert(`INSERT INTO versions (file_id, activity_id, number, number_key, state, channel,
		sugar_min, sugar_max, sugar_min_key, sugar_max_key, range_source, interpreter, archs, filename, size, sha256,
		uploader_id, linked, link_since, submitted, decided, published, rev)
		VALUES (?, ?, ?, ?, 'draft', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, 0, 0, 1)`,
		fileID, out.ActivityID, sub.Number.String(), []byte(sub.Number.Key()), sub.Channel.String(),
		sub.Range.Min.String(), sub.Range.Max.String(), []byte(sub.Range.Min.Key()), []byte(sub.Range.Max.Key()), sub.RangeSource.String(),
		sub.Interpreter.String(), strings.Join(sub.Archs, " "), out.Filename, sub.Size, sub.SHA256[:],
		by.UserID, now, now)
	if err != nil {
		return err
	}
	if out.FileID = sub.FileID; out.FileID == 0 {
		if out.FileID, err = t.newFileID(out.VersionID); err != nil {
			return err
		}
	}
	err = t.insertRows("INSERT INTO version_texts (version_id, locale, notes)", "", 3, func(yield func([]any) bool) {
		for _, l := range sub.Notes {
			if !yield([]any{out.VersionID, l.Locale, l.Value}) {
				return
			}
		}
	})
	if err != nil || len(sub.Report) == 0 {
		return err
	}
	_, err = t.exec("INSERT INTO version_reports (version_id, report) VALUES (?, ?)", out.VersionID, sub.Report)
	return err
}

// newFileID gives a version a file id: its own id unless an older site's number took that.
func (t *tx) newFileID(versionID int64) (id int64, err error) {
	id = versionID
	var taken int64
	switch err := t.one([]any{&taken}, "SELECT COUNT(*) FROM versions WHERE file_id = ?", id); {
	case err != nil:
		return 0, err
	case taken > 0:
		if err := t.one([]any{&id}, "SELECT MAX(file_id) + 1 FROM versions"); err != nil {
			return 0, err
		}
	}
	_, err = t.exec("UPDATE versions SET file_id = ? WHERE id = ?", id, versionID)
	return id, err
}

// Report returns what a version's check has found, as [remora.Submission] gave it: KindNotFound for
// a version that has none.
func (s *Store) Report(ctx context.Context, versionID int64) (report []byte, err error) {
	err = s.snapshot(ctx, "Report", func(t *tx) error {
		if err := t.whole(); err != nil {
			return err
		}
		err := t.one([]any{&report}, "SELECT report FROM version_reports WHERE version_id = ?", versionID)
		if isNone(err) {
			return remora.Errorf(remora.KindNotFound, "report.unknown", "Version %d has no report.", versionID)
		}
		return err
	})
	return report, err
}
