package sqlstore_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// TestMigrateTogether lets several programs start on one empty database.
func TestMigrateTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sqlite")
	dsn, _ := testdb.MariaDB(t)
	for name, open := range map[string]func() *database{
		"sqlite":  func() *database { return openSQLite(t, path, nil) },
		"mariadb": func() *database { return openMariaDB(t, dsn, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			const many = 4
			var wg sync.WaitGroup
			errs := make([]error, many)
			dbs := make([]*database, many)
			for i := range many {
				dbs[i] = open()
				wg.Go(func() { errs[i] = sqlstore.Migrate(t.Context(), dbs[i], dbs[i].engine) })
			}
			wg.Wait()
			for i, err := range errs {
				if err != nil {
					t.Errorf("start %d: %v", i, err)
				}
			}
			if n, err := sqlstore.Pending(t.Context(), dbs[0], dbs[0].engine); err != nil || n != 0 {
				t.Errorf("%d migrations are pending, %v", n, err)
			}
			before, err := dbs[0].migrated(t, nil).store.Position(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			after, err := dbs[1].migrated(t, nil).store.Position(t.Context())
			if err != nil || before != after || before.Epoch == "" {
				t.Errorf("one more start went from %v to %v, %v", before, after, err)
			}
			if err := dbs[0].store.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNotMigrated(t *testing.T) {
	dsn, _ := testdb.MariaDB(t)
	lite := openSQLite(t, filepath.Join(t.TempDir(), "c.sqlite"), nil)
	mustExec(t, lite, "CREATE TABLE other (i INTEGER)")
	for _, d := range []*database{lite, openMariaDB(t, dsn, nil)} {
		if n, err := sqlstore.Pending(t.Context(), d, d.engine); err != nil || n < 1 {
			t.Errorf("%v: %d migrations are pending, %v", d.engine, n, err)
		}
		s, err := sqlstore.New(d, d.engine, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Load(t.Context(), func(remora.Activity) error { return nil })
		if e, ok := err.(*remora.Error); !ok || e.Kind != remora.KindUnavailable || e.Code != "schema.missing" {
			t.Errorf("%v: Load: %v", d.engine, err)
		}
		if _, err := draft(t.Context(), s, bundle("org.laptop.Log", "1")); err == nil || remora.KindOf(err) != remora.KindUnavailable {
			t.Errorf("%v: Draft: %v", d.engine, err)
		}
	}
}

// TestMigrateAfterKill finishes a migration of which a killed program has run only a part: on MariaDB
// every statement of a schema commits by itself.
func TestMigrateAfterKill(t *testing.T) {
	dsn, _ := testdb.MariaDB(t)
	d := openMariaDB(t, dsn, nil).migrated(t, nil)
	want, err := d.store.Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, d, "DELETE FROM goose_db_version WHERE version_id > 0")
	mustExec(t, d, "DROP INDEX previews_sha256 ON previews")
	mustExec(t, d, "DROP TABLE leases")
	mustExec(t, d, "DROP TABLE downloads")
	mustExec(t, d, "DELETE FROM category_texts WHERE locale IN ('es', 'fr')")
	if err := sqlstore.Migrate(t.Context(), d, d.engine); err != nil {
		t.Fatal(err)
	}
	if got, err := d.store.Digest(t.Context()); err != nil || got != want {
		t.Errorf("after finishing, the digest is %s (%v), not %s", got, err, want)
	}
}

// TestSchemasAgree compares the two schemas, and with what Digest knows.
func TestSchemasAgree(t *testing.T) {
	schema := func(d *database, query string) map[string]string {
		out := map[string]string{}
		for _, table := range sqlstore.TableColumns() {
			rows, err := d.Read(t.Context()).QueryContext(t.Context(), query, table[0])
			if err != nil {
				t.Fatal(err)
			}
			var columns []string
			for rows.Next() {
				var c string
				if err := rows.Scan(&c); err != nil {
					t.Fatal(err)
				}
				columns = append(columns, c)
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			out[table[0]] = strings.Join(columns, ", ")
		}
		return out
	}
	lite, maria := engines["sqlite"](t), engines["mariadb"](t)
	a := schema(lite, "SELECT name FROM pragma_table_info(?) ORDER BY cid")
	b := schema(maria, "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position")
	for _, table := range sqlstore.TableColumns() {
		if a[table[0]] != table[1] || b[table[0]] != table[1] {
			t.Errorf("table %s:\n digest  %s\n sqlite  %s\n mariadb %s", table[0], table[1], a[table[0]], b[table[0]])
		}
	}
	for _, c := range []struct {
		d     *database
		query string
	}{
		{lite, "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'goose%'"},
		{maria, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%'"},
	} {
		var n int
		if err := c.d.Read(t.Context()).QueryRowContext(t.Context(), c.query).Scan(&n); err != nil || n != len(sqlstore.TableColumns()) {
			t.Errorf("%v has %d tables, the digest covers %d: %v", c.d.engine, n, len(sqlstore.TableColumns()), err)
		}
	}
}
