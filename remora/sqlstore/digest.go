package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// A table is what is known of one: its primary key and all its columns.
type table struct{ name, key, columns string }

// tables are all tables; who refers to others comes after them.
var tables = []table{
	{"meta", "k", "k, v"},
	{"seq", "id", "id, n, audit_id, audit_sum"},
	{"changes", "seq, part", "seq, part, at, kind, activity_id, version_id, actor_id"},
	{"activities", "id", "id, bundle_id, bundle_key, slug, state, listed, kind, default_locale, license_spdx, license_text, homepage, repository, icon_sha256, icon_size, featured_rank, tags_source, created, updated, rev, network"},
	{"activity_texts", "activity_id, locale, field, source", "activity_id, locale, field, source, value"},
	{"versions", "id", "id, file_id, activity_id, number, number_key, state, channel, sugar_min, sugar_max, sugar_min_key, sugar_max_key, range_source, interpreter, archs, filename, size, sha256, uploader_id, linked, link_since, submitted, decided, published, rev"},
	{"version_texts", "version_id, locale", "version_id, locale, notes"},
	{"version_reports", "version_id", "version_id, report"},
	{"blobs", "sha256", "sha256, size, media, state, since"},
	{"categories", "id", "id, slug, position, rev"},
	{"category_texts", "category_id, locale", "category_id, locale, name"},
	{"activity_categories", "activity_id, category_id", "activity_id, category_id"},
	{"tags", "id", "id, name, blocked, rev"},
	{"activity_tags", "activity_id, tag_id", "activity_id, tag_id"},
	{"previews", "id", "id, activity_id, position, sha256, media, size, width, height, caption, created, rev"},
	{"users", "id", "id, name, display_name, state, created, updated, rev"},
	{"activity_people", "activity_id, user_id, role", "activity_id, user_id, role, listed, position"},
	{"collections", "id", "id, uuid, nickname, listed, owner_id, default_locale, created, updated, rev"},
	{"collection_texts", "collection_id, locale, field", "collection_id, locale, field, value"},
	{"collection_items", "collection_id, activity_id", "collection_id, activity_id, version_id, optional, position"},
	{"audit", "id", "id, at, actor_id, action, target, reason, data, sum"},
	{"downloads", "day, version_id, source", "day, version_id, source, n"},
	{"leases", "name", "name, holder, until_at, fence"},
}

// Digest returns a SHA-256 sum, in hexadecimal, over what the database says: every row of every
// table in the order of its primary key. It is the same on both engines, and after a backup and a
// restore; the epoch does not count. It is computed in one snapshot.
func (s *Store) Digest(ctx context.Context) (digest string, err error) {
	err = s.snapshot(ctx, "Digest", func(t *tx) (err error) {
		digest, err = t.digest()
		return err
	})
	return digest, err
}

// digest is Digest within a transaction. Its memory is bounded by one row.
func (t *tx) digest() (string, error) {
	sum := sha256.New()
	var length [8]byte
	put := func(b []byte) {
		binary.BigEndian.PutUint64(length[:], uint64(len(b)))
		sum.Write(length[:]) // a hash does not fail
		sum.Write(b)
	}
	for _, table := range tables {
		put([]byte(table.name))
		row := make([]sql.RawBytes, len(split(table.columns)))
		dest := make([]any, len(row))
		for i := range row {
			dest[i] = &row[i]
		}
		where := ""
		if table.name == "meta" {
			where = " WHERE k <> 'epoch'"
		}
		err := t.each(dest, func() error {
			for _, v := range row {
				put(v) // an absent value counts as an empty one: SQLite's driver does not tell them apart
			}
			return nil
		}, "SELECT "+table.columns+" FROM "+table.name+where+" ORDER BY "+table.key)
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// split takes a list of columns apart.
func split(columns string) []string { return strings.Split(columns, ", ") }

// rules are what must hold of every database; each counts the rows that break it.
var rules = []struct{ says, count string }{
	{"%d versions that are offered or may come to be lack their bytes' row, or it is not kept",
		"SELECT COUNT(*) FROM versions v JOIN activities a ON a.id = v.activity_id LEFT JOIN blobs b ON b.sha256 = v.sha256 WHERE v.state <> 'deleted' AND a.state <> 'deleted' AND (b.state IS NULL OR b.state <> 'kept')"},
	{"%d screenshots lack their bytes' row, or it is not kept",
		"SELECT COUNT(*) FROM previews p JOIN activities a ON a.id = p.activity_id LEFT JOIN blobs b ON b.sha256 = p.sha256 WHERE a.state <> 'deleted' AND (b.state IS NULL OR b.state NOT IN ('kept', 'shown'))"},
	{"%d versions are offered although their public name may be missing",
		"SELECT COUNT(*) FROM versions v JOIN activities a ON a.id = v.activity_id WHERE a.state = 'active' AND v.state IN " + offeredStates + " AND v.linked <> 1"},
	{"%d versions have no activity", "SELECT COUNT(*) FROM versions v LEFT JOIN activities a ON a.id = v.activity_id WHERE a.id IS NULL"},
	{"%d versions have no file number", "SELECT COUNT(*) FROM versions WHERE file_id IS NULL"},
	{"%d texts have no activity", "SELECT COUNT(*) FROM activity_texts x LEFT JOIN activities a ON a.id = x.activity_id WHERE a.id IS NULL"},
	{"%d release notes have no version", "SELECT COUNT(*) FROM version_texts x LEFT JOIN versions v ON v.id = x.version_id WHERE v.id IS NULL"},
	{"%d reports have no version", "SELECT COUNT(*) FROM version_reports x LEFT JOIN versions v ON v.id = x.version_id WHERE v.id IS NULL"},
	{"%d activities have no name", "SELECT COUNT(*) FROM activities a WHERE NOT EXISTS (SELECT 1 FROM activity_texts x WHERE x.activity_id = a.id AND x.field = 'name')"},
	{"%d activities are in a category that is not there", "SELECT COUNT(*) FROM activity_categories x LEFT JOIN categories c ON c.id = x.category_id LEFT JOIN activities a ON a.id = x.activity_id WHERE c.id IS NULL OR a.id IS NULL"},
	{"%d activities have a tag that is not there", "SELECT COUNT(*) FROM activity_tags x LEFT JOIN tags g ON g.id = x.tag_id LEFT JOIN activities a ON a.id = x.activity_id WHERE g.id IS NULL OR a.id IS NULL"},
	{"%d items of collections name what is not there", "SELECT COUNT(*) FROM collection_items x LEFT JOIN collections c ON c.id = x.collection_id LEFT JOIN activities a ON a.id = x.activity_id LEFT JOIN versions v ON v.id = x.version_id WHERE c.id IS NULL OR a.id IS NULL OR (x.version_id IS NOT NULL AND (v.id IS NULL OR v.activity_id <> x.activity_id))"},
	{"%d changes have numbers that were not given out", "SELECT COUNT(*) FROM changes c JOIN seq ON seq.id = 1 WHERE c.seq > seq.n OR c.seq < 1"},
	{"the counter of changes is there %d times too many or few", "SELECT ABS(COUNT(*) - 1) FROM seq"},
}

// Verify reads the whole database and checks it: the engine's own structures (SQLite), the chain of
// the audit log, and that rows fit one another. The error is KindCorrupt and says what is wrong.
func (s *Store) Verify(ctx context.Context) error {
	return s.snapshot(ctx, "Verify", func(t *tx) error {
		if t.d.engine == SQLite {
			if err := t.integrity(); err != nil {
				return err
			}
		}
		if _, _, err := t.position(); err != nil {
			return err
		}
		for _, r := range rules {
			var n int64
			if err := t.one([]any{&n}, r.count); err != nil {
				return err
			}
			if n > 0 {
				return remora.Errorf(remora.KindCorrupt, "verify.rows", "The database does not fit together: %s. Restore the last backup.", fmt.Sprintf(r.says, n))
			}
		}
		return t.audit(func(remora.AuditEntry) error { return nil })
	})
}

func (t *tx) integrity() error {
	for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
		var first string
		query := "SELECT integrity_check FROM pragma_integrity_check LIMIT 1"
		if pragma == "foreign_key_check" {
			query = "SELECT COUNT(*) FROM pragma_foreign_key_check"
		}
		if err := t.one([]any{&first}, query); err != nil {
			return err
		}
		if first != "ok" && first != "0" {
			return remora.Errorf(remora.KindCorrupt, "verify.engine", "The database file is damaged (%s: %.200s). Restore the last backup.", pragma, first)
		}
	}
	return nil
}
