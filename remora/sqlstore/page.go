package sqlstore

import (
	"slices"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// pageSize is how many activities are read with one set of queries. It bounds the memory of a Load:
// the richest activities known have some 240 texts.
const pageSize = 500

// A reader builds activities from rows. It remembers short values that come again and again, up to
// a bound, so that a hundred thousand activities do not hold as many copies of "en".
type reader struct {
	*tx
	words   map[string]string
	numbers map[string]remora.Number
	// offered leaves out versions that are not offered, and tags that are blocked.
	offered bool
}

const remembered = 1 << 14

func newReader(t *tx, offered bool) *reader {
	return &reader{tx: t, words: map[string]string{}, numbers: map[string]remora.Number{}, offered: offered}
}

func (r *reader) word(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if w, ok := r.words[string(b)]; ok {
		return w
	}
	w := string(b)
	if len(r.words) < remembered {
		r.words[w] = w
	}
	return w
}

func (r *reader) number(b []byte) (remora.Number, error) {
	if len(b) == 0 {
		return remora.Number{}, nil
	}
	if n, ok := r.numbers[string(b)]; ok {
		return n, nil
	}
	n, err := remora.ParseNumber(string(b))
	if err != nil {
		return n, corrupt(err)
	}
	if len(r.numbers) < remembered {
		r.numbers[n.String()] = n
	}
	return n, nil
}

// corrupt says that a value we have written cannot be read.
func corrupt(err error) error {
	return &remora.Error{Kind: remora.KindCorrupt, Message: "The database holds a value that this program does not know. Was it written by a newer version?", Err: err}
}

const offeredStates = "('awaiting', 'published')"

// activityColumns are in the order of scanActivity.
const activityColumns = "id, bundle_id, slug, state, listed, kind, default_locale, license_spdx, license_text, homepage, repository, icon_sha256, featured_rank, created, updated, rev, network"

// page reads the first pageSize activities, by id, that where (a condition over table activities)
// selects, with everything that belongs to them: a fixed number of queries however many there are.
func (r *reader) page(where string, args ...any) ([]remora.Activity, error) {
	list, err := r.heads(where, args...)
	if err != nil || len(list) == 0 {
		return list, err
	}
	for _, part := range []func(*belonging) error{r.texts, r.versions, r.notes, r.categories, r.tags, r.authors, r.screenshots} {
		if err := part(&belonging{list: list}); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (r *reader) heads(where string, args ...any) (list []remora.Activity, err error) {
	var a remora.Activity
	var state, kind, locale, spdx, text, icon, network []byte
	var listed int64
	err = r.each([]any{&a.ID, &a.BundleID, &a.Slug, &state, &listed, &kind, &locale, &spdx, &text, &a.Homepage, &a.Repository, &icon, &a.FeaturedRank, &a.Created, &a.Updated, &a.Revision, &network}, func() (err error) {
		if a.State, err = remora.ParseActivityState(string(state)); err != nil {
			return corrupt(err)
		}
		if a.Icon, err = digestOf(icon); err != nil {
			return err
		}
		if a.Network, err = remora.ParseNetwork(string(network)); err != nil {
			return corrupt(err)
		}
		a.Listed = listed != 0
		a.ContentBundle = string(kind) == kindContent
		a.DefaultLocale = r.word(locale)
		a.License, a.LicenseText = r.word(spdx), r.word(text)
		list = append(list, a)
		return nil
	}, "SELECT "+activityColumns+" FROM activities WHERE "+where+" ORDER BY id LIMIT ?", append(slices.Clip(args), pageSize)...)
	return list, err
}

// belonging matches rows ordered by activity to a list ordered by id.
type belonging struct {
	list []remora.Activity
	at   int
}

// owner returns the activity of the next row, nil if it is none of the list.
func (b *belonging) owner(id int64) *remora.Activity {
	for b.at < len(b.list) && b.list[b.at].ID < id {
		b.at++
	}
	if b.at == len(b.list) || b.list[b.at].ID != id {
		return nil
	}
	return &b.list[b.at]
}

// among returns a condition that column holds one of the activities' ids.
func (b *belonging) among(column string) (string, []any) {
	first, last := b.list[0].ID, b.list[len(b.list)-1].ID
	// A dense page is a range; rows of the few others in it are skipped by owner.
	if last-first < 4*int64(len(b.list)) {
		return column + " BETWEEN ? AND ?", []any{first, last}
	}
	ids := make([]any, len(b.list))
	for i := range b.list {
		ids[i] = b.list[i].ID
	}
	return column + " IN (" + marks(len(ids)) + ")", ids
}

// texts reads bundles' and owners' texts. Ordered by source, "bundle" comes before "owner", which
// so wins.
func (r *reader) texts(b *belonging) error {
	where, args := b.among("activity_id")
	var id int64
	var locale, field, value []byte
	return r.each([]any{&id, &locale, &field, &value}, func() error {
		a := b.owner(id)
		if a == nil {
			return nil
		}
		var to *remora.Text
		switch string(field) {
		case fieldName:
			to = &a.Name
		case fieldSummary:
			to = &a.Summary
		case fieldDescription:
			to = &a.Description
		default:
			return nil // of a newer version of the program
		}
		l := remora.Localized{Locale: r.word(locale), Value: string(value)}
		if n := len(*to); n > 0 && (*to)[n-1].Locale == l.Locale {
			(*to)[n-1] = l
		} else {
			*to = append(*to, l)
		}
		return nil
	}, "SELECT activity_id, locale, field, value FROM activity_texts WHERE "+where+" ORDER BY activity_id, locale, field, source", args...)
}

// versionColumns are in the order of versionRow.dest.
const versionColumns = "id, activity_id, file_id, number, state, channel, sugar_min, sugar_max, range_source, interpreter, archs, filename, size, sha256, submitted, published"

type versionRow struct {
	id, activity, file                                    int64
	number, state, channel, lo, hi, source, interp, archs []byte
	filename                                              string
	size                                                  int64
	sum                                                   []byte
	submitted, published                                  remora.Time
}

func (v *versionRow) dest() []any {
	return []any{&v.id, &v.activity, &v.file, &v.number, &v.state, &v.channel, &v.lo, &v.hi, &v.source, &v.interp, &v.archs, &v.filename, &v.size, &v.sum, &v.submitted, &v.published}
}

func (r *reader) version(v *versionRow) (out remora.Version, err error) {
	out = remora.Version{FileID: v.file, Filename: v.filename, Size: v.size, Submitted: v.submitted, Published: v.published}
	out.ID = v.id
	for _, n := range []struct {
		from []byte
		to   *remora.Number
	}{{v.number, &out.Number}, {v.lo, &out.Range.Min}, {v.hi, &out.Range.Max}} {
		if *n.to, err = r.number(n.from); err != nil {
			return out, err
		}
	}
	if out.State, err = remora.ParseState(string(v.state)); err != nil {
		return out, corrupt(err)
	}
	if out.Channel, err = remora.ParseChannel(string(v.channel)); err != nil {
		return out, corrupt(err)
	}
	if out.RangeSource, err = remora.ParseRangeSource(string(v.source)); err != nil {
		return out, corrupt(err)
	}
	if out.Interpreter, err = remora.ParseInterpreter(string(v.interp)); err != nil {
		return out, corrupt(err)
	}
	if len(v.archs) > 0 {
		out.Archs = strings.Split(r.word(v.archs), " ")
	}
	out.SHA256, err = digestOf(v.sum)
	return out, err
}

func (r *reader) versions(b *belonging) error {
	where, args := b.among("activity_id")
	if r.offered {
		where += " AND state IN " + offeredStates
	}
	var row versionRow
	return r.each(row.dest(), func() error {
		a := b.owner(row.activity)
		if a == nil {
			return nil
		}
		v, err := r.version(&row)
		a.Versions = append(a.Versions, v)
		return err
	}, "SELECT "+versionColumns+" FROM versions WHERE "+where+" ORDER BY activity_id, id", args...)
}

func (r *reader) notes(b *belonging) error {
	where, args := b.among("v.activity_id")
	if r.offered {
		where += " AND v.state IN " + offeredStates
	}
	var activity, version int64
	var locale []byte
	var notes string
	return r.each([]any{&activity, &version, &locale, &notes}, func() error {
		a := b.owner(activity)
		if a == nil {
			return nil
		}
		i := slices.IndexFunc(a.Versions, func(v remora.Version) bool { return v.ID == version })
		if i >= 0 {
			a.Versions[i].Notes = append(a.Versions[i].Notes, remora.Localized{Locale: r.word(locale), Value: notes})
		}
		return nil
	}, "SELECT v.activity_id, t.version_id, t.locale, t.notes FROM versions v JOIN version_texts t ON t.version_id = v.id WHERE "+where+" ORDER BY v.activity_id, t.version_id, t.locale", args...)
}

func (r *reader) categories(b *belonging) error {
	where, args := b.among("x.activity_id")
	return r.labels(b, func(a *remora.Activity) *[]string { return &a.Categories },
		"SELECT x.activity_id, c.slug FROM activity_categories x JOIN categories c ON c.id = x.category_id WHERE "+where+" ORDER BY x.activity_id, c.id", args)
}

func (r *reader) tags(b *belonging) error {
	where, args := b.among("x.activity_id")
	if r.offered {
		where += " AND g.blocked = 0"
	}
	return r.labels(b, func(a *remora.Activity) *[]string { return &a.Tags },
		"SELECT x.activity_id, g.name FROM activity_tags x JOIN tags g ON g.id = x.tag_id WHERE "+where+" ORDER BY x.activity_id, g.name", args)
}

func (r *reader) labels(b *belonging, to func(*remora.Activity) *[]string, query string, args []any) error {
	var id int64
	var label []byte
	return r.each([]any{&id, &label}, func() error {
		if a := b.owner(id); a != nil {
			list := to(a)
			*list = append(*list, r.word(label))
		}
		return nil
	}, query, args...)
}

// authors reads those who want to be named, in any state of the activity.
func (r *reader) authors(b *belonging) error {
	where, args := b.among("p.activity_id")
	var activity, user int64
	var name []byte
	return r.each([]any{&activity, &user, &name}, func() error {
		if a := b.owner(activity); a != nil {
			a.Authors = append(a.Authors, remora.Author{ID: user, Name: r.word(name)})
		}
		return nil
	}, "SELECT p.activity_id, u.id, u.display_name FROM activity_people p JOIN users u ON u.id = p.user_id WHERE "+where+" AND "+namedAuthor+" ORDER BY p.activity_id, p.position, u.id", args...)
}

func (r *reader) screenshots(b *belonging) error {
	where, args := b.among("activity_id")
	var id int64
	var image remora.Image
	var sum, media []byte
	return r.each([]any{&id, &image.ID, &sum, &media, &image.Size, &image.Width, &image.Height}, func() (err error) {
		a := b.owner(id)
		if a == nil {
			return nil
		}
		if image.SHA256, err = digestOf(sum); err != nil {
			return err
		}
		image.Media = r.word(media)
		a.Screenshots = append(a.Screenshots, image)
		return nil
	}, "SELECT activity_id, id, sha256, media, size, width, height FROM previews WHERE "+where+" ORDER BY activity_id, position, id", args...)
}
