package sqlstore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// fill puts a little of everything into a store.
func fill(t testing.TB, s *sqlstore.Store) {
	t.Helper()
	ctx := t.Context()
	log := mustPublish(t, s, "org.laptop.Log", "1")
	mustPublish(t, s, "org.laptop.Log", "2")
	if _, err := draft(ctx, s, bundle("org.laptop.𝒳", "1")); err != nil {
		t.Fatal(err)
	}
	gone := mustPublish(t, s, "org.laptop.Gone", "1")
	_, err := s.PutCollection(ctx, by, remora.Collection{Nickname: "perú ", Name: remora.PlainText("es", "Perú"), Items: []remora.CollectionItem{{BundleID: "org.laptop.Log", Pin: remora.MustNumber("1")}}})
	for _, err := range []error{
		err,
		s.EditActivity(ctx, by, gone.ActivityID, remora.ActivityEdit{State: new(remora.ActivityDeleted)}),
		s.EditActivity(ctx, by, log.ActivityID, remora.ActivityEdit{Categories: &[]string{"games"}, Texts: []remora.TextEdit{{Field: "name", Locale: "ar", Value: "سجل"}}}),
		s.AddDownloads(ctx, []remora.DownloadCount{{Day: "2026-01-01", VersionID: log.VersionID, Source: "page", N: 3}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func digest(t testing.TB, s *sqlstore.Store) string {
	t.Helper()
	d, err := s.Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestBackup(t *testing.T) {
	d := engines["sqlite"](t)
	fill(t, d.store)
	conns := d.Conns.(*sqlstore.SQLiteConns)
	path := filepath.Join(t.TempDir(), "it's a copy.sqlite")
	if err := conns.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	want := digest(t, d.store)
	mustPublish(t, d.store, "org.laptop.Later", "1")
	if digest(t, d.store) == want {
		t.Error("the digest does not tell of a change")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := conns.Backup(t.Context(), path); !errors.Is(err, remora.ErrConflict) {
		t.Errorf("a backup over another file: %v", err)
	}
	if again, err := os.Stat(path); err != nil || again.Size() != info.Size() || again.ModTime() != info.ModTime() {
		t.Errorf("the refused backup touched the file: %v", err)
	}
	if err := conns.Backup(t.Context(), filepath.Join(t.TempDir(), "no", "folder")); err == nil || remora.KindOf(err) != remora.KindUnavailable {
		t.Errorf("a backup into no folder: %v", err)
	}
	copied := openSQLite(t, path, nil).migrated(t, nil)
	if got := digest(t, copied.store); got != want {
		t.Errorf("the copy says %s, the original said %s", got, want)
	}
	if err := copied.store.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if err := copied.store.NewEpoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := digest(t, copied.store); got != want {
		t.Error("a new epoch changes the digest")
	}
}

// TestDigestOnBothEngines copies a database row by row to the other engine: it says the same there.
func TestDigestOnBothEngines(t *testing.T) {
	lite, maria := engines["sqlite"](t), engines["mariadb"](t)
	fill(t, lite.store)
	tables := sqlstore.TableColumns()
	for _, table := range slices.Backward(tables) { // who refers to others comes later in the list
		mustExec(t, maria, "DELETE FROM "+table[0])
	}
	for _, table := range tables {
		rows, err := lite.Read(t.Context()).QueryContext(t.Context(), "SELECT "+table[1]+" FROM "+table[0])
		if err != nil {
			t.Fatal(err)
		}
		n := strings.Count(table[1], ",") + 1
		for rows.Next() {
			row, dest := make([]any, n), make([]any, n)
			for i := range row {
				dest[i] = &row[i]
			}
			if err := rows.Scan(dest...); err != nil {
				t.Fatal(err)
			}
			for i := range row {
				// The driver gives an empty blob as a nil slice, which would be written as NULL.
				if b, ok := row[i].([]byte); ok && b == nil {
					row[i] = []byte{}
				}
			}
			mustExec(t, maria, "INSERT INTO "+table[0]+" ("+table[1]+") VALUES (?"+strings.Repeat(", ?", n-1)+")", row...)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := digest(t, lite.store), digest(t, maria.store); a != b {
		t.Errorf("sqlite says %s, mariadb %s", a, b)
	}
	if err := maria.store.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestKept(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		fill(t, d.store)
		var want []sqlstore.KeptFile
		add := func(id, number string, public ...string) {
			sub := bundle(id, number)
			want = append(want, sqlstore.KeptFile{Name: remora.UploadName(sub.SHA256), Size: sub.Size, SHA256: sub.SHA256, Public: public})
		}
		add("org.laptop.Log", "1", remora.PublicName(100001, "log-1.xo"))
		add("org.laptop.Log", "2", remora.PublicName(100001, "log-2.xo"))
		add("org.laptop.𝒳", "1") // a draft is offered under no name
		for _, id := range []string{"org.laptop.Log", "org.laptop.𝒳"} {
			sub := bundle(id, "1")
			want = append(want, sqlstore.KeptFile{Name: remora.IconName(sub.Icon), Size: sub.IconSize, SHA256: sub.Icon})
		}
		one, two, three := screenshot(t, d.store, 1), screenshot(t, d.store, 2), screenshot(t, d.store, 3)
		gone := mustPublish(t, d.store, "org.laptop.Left", "1")
		for _, e := range []struct {
			id   int64
			edit remora.ActivityEdit
		}{
			{100001, remora.ActivityEdit{Screenshots: &[]remora.Image{one, two}}},
			{100002, remora.ActivityEdit{Screenshots: &[]remora.Image{two}}}, // hidden, it can come back
			{gone.ActivityID, remora.ActivityEdit{Screenshots: &[]remora.Image{three}}},
			{gone.ActivityID, remora.ActivityEdit{State: new(remora.ActivityDeleted)}},
		} {
			if err := d.store.EditActivity(t.Context(), by, e.id, e.edit); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range []remora.Image{one, two} {
			want = append(want, sqlstore.KeptFile{Name: remora.ImageName(m.SHA256), Size: m.Size, SHA256: m.SHA256})
		}
		slices.SortFunc(want, func(a, b sqlstore.KeptFile) int { return strings.Compare(a.Name, b.Name) })
		got, err := d.store.Kept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestVerifyFinds(t *testing.T) {
	filled := engines["sqlite"](t)
	fill(t, filled.store)
	template := filepath.Join(t.TempDir(), "template.sqlite")
	if err := filled.Conns.(*sqlstore.SQLiteConns).Backup(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]string{
		"a changed line of the audit log":     "UPDATE audit SET reason = 'another' WHERE id = 2",
		"a line taken out of the audit log":   "DELETE FROM audit WHERE id = 2",
		"the end cut off the audit log":       "DELETE FROM audit WHERE id = (SELECT audit_id FROM seq)",
		"the whole audit log gone":            "DELETE FROM audit",
		"bytes that are not kept":             "UPDATE blobs SET state = 'staged' WHERE state = 'kept'",
		"bytes without a row":                 "DELETE FROM blobs WHERE state = 'kept'",
		"a screenshot without its bytes":      "INSERT INTO previews (activity_id, position, sha256, media, size, width, height, caption, created, rev) VALUES (100001, 1, x'00', 'image/png', 5, 1, 1, '', 1, 1)",
		"an offered version without its name": "UPDATE versions SET linked = 0",
		"changes from the future":             "UPDATE seq SET n = 1",
		"an activity without a name":          "DELETE FROM activity_texts",
		"a version without a file number":     "UPDATE versions SET file_id = NULL",
		"a pin on another activity's version": "UPDATE collection_items SET activity_id = 100002",
		"the epoch gone":                      "DELETE FROM meta WHERE k = 'epoch'",
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.sqlite")
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			d := openSQLite(t, path, nil).migrated(t, nil)
			if err := d.store.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustExec(t, d, damage)
			err := d.store.Verify(t.Context())
			if err == nil || remora.KindOf(err) != remora.KindCorrupt && what != "the epoch gone" {
				t.Errorf("the error is %v", err)
			}
		})
	}
	t.Run("a damaged file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "c.sqlite")
		d := openSQLite(t, path, nil).migrated(t, nil)
		fill(t, d.store)
		for i := range 40 {
			mustPublish(t, d.store, fmt.Sprintf("org.laptop.A%d", i), "1")
		}
		if err := d.Conns.(*sqlstore.SQLiteConns).Close(); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		for at := int64(4096 + 100); at < info.Size(); at += 4096 {
			if _, err := f.WriteAt([]byte("damage damage damage"), at); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		again := openSQLite(t, path, nil)
		s, err := sqlstore.New(again, again.engine, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context()); err == nil || remora.KindOf(err) != remora.KindCorrupt {
			t.Errorf("the error is %v", err)
		}
	})
}

// TestAuditFinds checks that the log is checked while it is read.
func TestAuditFinds(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		fill(t, d.store)
		mustExec(t, d, "UPDATE audit SET actor_id = 7 WHERE id = 3")
		n := 0
		err := d.store.Audit(t.Context(), func(remora.AuditEntry) error { n++; return nil })
		if remora.KindOf(err) != remora.KindCorrupt || n != 2 {
			t.Errorf("after %d lines: %v", n, err)
		}
	})
}
