package sqlstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// fillMany puts n activities of real shape into a store, and a little of everything else.
func fillMany(t testing.TB, d *database, n int) {
	t.Helper()
	s := d.store
	fill(t, s)
	for a := range catalogtest.Activities(n) {
		v := a.Versions[0]
		sub := &remora.Submission{
			BundleID: a.BundleID, Number: v.Number, Name: a.Name, Summary: a.Summary, Description: a.Description, Notes: v.Notes,
			DefaultLocale: a.DefaultLocale, ContentBundle: a.ContentBundle, Tags: a.Tags, License: a.License, LicenseText: a.LicenseText,
			Homepage: a.Homepage, Repository: a.Repository, Icon: a.Icon, Interpreter: v.Interpreter, Range: v.Range,
			Size: v.Size, SHA256: v.SHA256, Report: []byte(strings.Repeat("\x00report ", 100)),
		}
		if a.ID%40 == 0 { // one that stays a draft
			if _, err := draft(t.Context(), s, sub); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, err := publish(t.Context(), s, sub); err != nil {
			t.Fatal(err)
		}
	}
	images := []remora.Image{screenshot(t, s, 1), screenshot(t, s, 2)}
	for _, shown := range [][]remora.Image{images, images[:1]} { // the second one's id must not come back
		if err := s.EditActivity(t.Context(), by, 100001, remora.ActivityEdit{Screenshots: &shown, Network: new(remora.NetworkNeeded)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{
		"UPDATE previews SET caption = ' c '",
		"INSERT INTO users (name, display_name, state, created, updated, rev) VALUES ('ana', 'Ana 𝒳', 'active', 1, 1, 1)",
		"INSERT INTO activity_people (activity_id, user_id, role, listed, position) VALUES (100001, 100001, 'owner', 1, 0)",
		"UPDATE tags SET blocked = 1 WHERE name = 'one'",
	} {
		mustExec(t, d, query)
	}
	if err := s.EditActivity(t.Context(), by, 100001, remora.ActivityEdit{Authors: &[]string{"Bert 𝒳"}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Lease(t.Context(), "tidy", "somebody", 1e9); err != nil {
		t.Fatal(err)
	}
	disabled := mustPublish(t, s, "org.laptop.Disabled", "1")
	if err := s.EditActivity(t.Context(), by, disabled.ActivityID, remora.ActivityEdit{State: new(remora.ActivityDisabled)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Stage(t.Context(), remora.Digest{7}, 0, ""); err != nil { // bytes that nobody wants
		t.Fatal(err)
	}
}

func mustCopy(t testing.TB, from, to *database, o *sqlstore.CopyOptions) sqlstore.CopyReport {
	t.Helper()
	r, err := sqlstore.Copy(t.Context(), from.store, to.store, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func position(t testing.TB, s *sqlstore.Store) remora.Position {
	t.Helper()
	at, err := s.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// list returns the only column of a query.
func list(t testing.TB, d *database, query string, args ...any) (out []string) {
	t.Helper()
	rows, err := d.Read(t.Context()).QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCopyThereAndBack(t *testing.T) {
	lite, maria, back := engines["sqlite"](t), engines["mariadb"](t), engines["sqlite"](t)
	fillMany(t, lite, 120)
	if n := list(t, lite, "SELECT COUNT(*) > 2000 FROM activity_texts"); n[0] != "1" {
		t.Fatal("the texts do not fill three batches")
	}
	want, at := digest(t, lite.store), position(t, lite.store)
	var last sqlstore.CopyProgress
	calls := 0
	r := mustCopy(t, lite, maria, &sqlstore.CopyOptions{Progress: func(p sqlstore.CopyProgress) {
		if p.Rows < last.Rows || p.Total < p.Rows {
			t.Errorf("progress went from %+v to %+v", last, p)
		}
		last = p
		calls++
	}})
	if r.Digest != want || r.Position != at || r.Resumed || r.Rows == 0 || last.Rows != last.Total || calls < 3 {
		t.Errorf("the report is %+v, the last progress of %d %+v; the source is at %v, %s", r, calls, last, at, want)
	}
	r = mustCopy(t, maria, back, nil)
	if r.Digest != want || r.Position != at {
		t.Errorf("the report of the way back is %+v", r)
	}
	for _, d := range []*database{maria, back} {
		if got := digest(t, d.store); got != want {
			t.Errorf("%v says %s, the original %s", d.engine, got, want)
		}
		if err := d.store.Verify(t.Context()); err != nil {
			t.Errorf("%v: %v", d.engine, err)
		}
		if mode, err := d.store.WriteMode(t.Context()); err != nil || mode != sqlstore.WriteNormal {
			t.Errorf("%v is %s, %v", d.engine, mode, err)
		}
		if r := mustCopy(t, lite, d, nil); r.Rows != 0 || r.Position != at {
			t.Errorf("%v: copied again, the report is %+v", d.engine, r)
		}
	}
	// The digest does not tell a text from bytes, or an absent value from an empty one; queries do.
	for _, table := range sqlstore.TableColumns() {
		for _, c := range strings.Split(table[1], ", ") {
			query := "SELECT typeof(" + c + ") || COUNT(*) FROM " + table[0] + " GROUP BY typeof(" + c + ")"
			if diff := cmp.Diff(list(t, lite, query), list(t, back, query)); diff != "" {
				t.Errorf("%s.%s: -before +after\n%s", table[0], c, diff)
			}
		}
	}
	// All three give out the same ids next: none of them twice.
	var ids []remora.Stored
	for _, d := range []*database{lite, maria, back} {
		mustExec(t, d, "INSERT INTO previews (activity_id, position, sha256, media, size, width, height, caption, created, rev) VALUES (100001, 9, '', '', 0, 0, 0, '', 0, 0)")
		if got := list(t, d, "SELECT id FROM previews ORDER BY id"); !slices.Equal(got, []string{"100001", "100003"}) {
			t.Errorf("%v: the previews have ids %v", d.engine, got)
		}
		ids = append(ids, mustPublish(t, d.store, "org.laptop.Next", "1"))
	}
	if ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("the next ids are %+v", ids)
	}
	old := position(t, maria.store)
	fresh := engines["mariadb"](t)
	if r := mustCopy(t, maria, fresh, &sqlstore.CopyOptions{NewEpoch: true}); r.Position.Epoch == old.Epoch || r.Position.Seq != old.Seq || r.Position != position(t, fresh.store) {
		t.Errorf("a copy with a new epoch is at %v, the original at %v", r.Position, old)
	}
}

// TestNumbered: a new table that gives out ids must be told of.
func TestNumbered(t *testing.T) {
	want := slices.Sorted(slices.Values(sqlstore.Numbered()))
	for _, c := range []struct {
		d     *database
		query string
	}{
		{engines["sqlite"](t), "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%' AND name NOT LIKE 'goose%' ORDER BY name"},
		{engines["mariadb"](t), "SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND extra LIKE '%auto_increment%' AND table_name NOT LIKE 'goose%' ORDER BY table_name"},
	} {
		if diff := cmp.Diff(want, list(t, c.d, c.query)); diff != "" {
			t.Errorf("%v: -known +there\n%s", c.d.engine, diff)
		}
	}
}

func TestCopyRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, to *database) {
		from := engines["sqlite"](t)
		fill(t, from.store)
		mustPublish(t, to.store, "org.laptop.Mine", "1")
		want := digest(t, to.store)
		copies := func(s *sqlstore.Store) error {
			_, err := sqlstore.Copy(t.Context(), from.store, s, nil)
			return err
		}
		for what, err := range map[string]error{
			"Copy": copies(to.store), "CheckCopy": sqlstore.CheckCopy(t.Context(), from.store, to.store),
		} {
			if !errors.Is(err, &remora.Error{Kind: remora.KindConflict, Code: "copy.used"}) {
				t.Errorf("%s over other data: %v", what, err)
			}
		}
		if _, err := sqlstore.Move(t.Context(), from.store, to.store, nil); !errors.Is(err, remora.ErrConflict) {
			t.Errorf("a move over other data: %v", err)
		}
		if digest(t, to.store) != want || position(t, to.store).Seq == 0 {
			t.Error("a refused copy changed the target")
		}
		// The same database by way of other connections.
		again, err := sqlstore.New(to.Conns, to.engine, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range [][2]*sqlstore.Store{{to.store, again}, {to.store, to.store}, {nil, to.store}, {to.store, nil}} {
			if _, err := sqlstore.Copy(t.Context(), pair[0], pair[1], nil); !errors.Is(err, &remora.Error{Kind: remora.KindInvalid, Code: "copy.same"}) {
				t.Errorf("a copy onto itself: %v", err)
			}
		}
		if mode, err := from.store.WriteMode(t.Context()); err != nil || mode != sqlstore.WriteNormal {
			t.Errorf("after refusals the source is %s, %v", mode, err)
		}
	})
}

// stopAfter returns options that end ctx after n calls of Progress.
func stopAfter(t *testing.T, n int) (context.Context, *sqlstore.CopyOptions) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, &sqlstore.CopyOptions{Progress: func(sqlstore.CopyProgress) {
		if n--; n <= 0 {
			cancel()
		}
	}}
}

// TestHalfACopy: what is half copied is neither served from nor written to, until it is finished.
func TestHalfACopy(t *testing.T) {
	onEach(t, func(t *testing.T, to *database) {
		from := engines["sqlite"](t)
		fill(t, from.store)
		ctx, o := stopAfter(t, 4)
		if _, err := sqlstore.Copy(ctx, from.store, to.store, o); err == nil {
			t.Fatal("the copy was not interrupted")
		}
		s, ctx := to.store, t.Context()
		_, load := s.Load(ctx, func(remora.Activity) error { return nil })
		_, since := s.Since(ctx, remora.Position{})
		_, at := s.Position(ctx)
		_, kept := s.Kept(ctx)
		_, downloads := s.Downloads(ctx)
		_, drafted := draft(ctx, s, bundle("org.laptop.Log", "9"))
		_, _, lease := s.Lease(ctx, "tidy", "me", 1e9)
		_, onward := sqlstore.Copy(ctx, s, engines["sqlite"](t).store, nil)
		for what, err := range map[string]error{
			"Load": load, "Since": since, "Position": at, "Kept": kept, "Downloads": downloads, "Stage": drafted, "Lease": lease, "Copy": onward,
			"Activities":   s.Activities(ctx, remora.ActivityQuery{}, func(remora.Activity) error { return nil }),
			"Audit":        s.Audit(ctx, func(remora.AuditEntry) error { return nil }),
			"Verify":       s.Verify(ctx),
			"SetWriteMode": s.SetWriteMode(ctx, sqlstore.WriteNormal),
			"NewEpoch":     s.NewEpoch(ctx),
			"Migrate":      sqlstore.Migrate(ctx, to, to.engine),
		} {
			if !errors.Is(err, &remora.Error{Kind: remora.KindUnavailable, Code: "copy.unfinished"}) {
				t.Errorf("%s of half a copy: %v", what, err)
			}
		}
		if mode, err := s.WriteMode(ctx); err != nil || mode != sqlstore.WriteCopying {
			t.Errorf("the mode is %s, %v", mode, err)
		}
		// Written to meanwhile, the original is another moment: what was copied does not count.
		mustPublish(t, from.store, "org.laptop.Meanwhile", "1")
		if r := mustCopy(t, from, to, nil); r.Resumed || r.Digest != digest(t, from.store) || r.Digest != digest(t, s) {
			t.Errorf("the report is %+v", r)
		}
		if err := sqlstore.Migrate(ctx, to, to.engine); err != nil {
			t.Error(err)
		}
		mustPublish(t, s, "org.laptop.After", "1")
	})
}

// TestGoOn: with the original frozen, an interrupted copy is continued, and one whose rows were
// tampered with is found out and made anew.
func TestGoOn(t *testing.T) {
	onEach(t, func(t *testing.T, to *database) {
		from := engines["sqlite"](t)
		fill(t, from.store)
		if err := from.store.SetWriteMode(t.Context(), sqlstore.WriteFrozen); err != nil {
			t.Fatal(err)
		}
		ctx, o := stopAfter(t, 5)
		if _, err := sqlstore.Copy(ctx, from.store, to.store, o); err == nil {
			t.Fatal("the copy was not interrupted")
		}
		ctx, o = stopAfter(t, 3)
		if _, err := sqlstore.Copy(ctx, from.store, to.store, o); err == nil {
			t.Fatal("the copy was not interrupted")
		}
		whole := engines["sqlite"](t)
		all := mustCopy(t, from, whole, nil)
		if r := mustCopy(t, from, to, nil); !r.Resumed || r.Rows >= all.Rows || r.Rows == 0 || r.Digest != all.Digest || digest(t, to.store) != all.Digest {
			t.Errorf("the report is %+v, of a whole copy %+v", r, all)
		}

		spoiled := engines[to.engine.String()](t)
		ctx, o = stopAfter(t, 4)
		if _, err := sqlstore.Copy(ctx, from.store, spoiled.store, o); err == nil {
			t.Fatal("the copy was not interrupted")
		}
		mustExec(t, spoiled, "UPDATE activities SET slug = 'spoiled'")
		if r := mustCopy(t, from, spoiled, nil); r.Resumed || r.Digest != digest(t, spoiled.store) || r.Rows != all.Rows {
			t.Errorf("the report is %+v, of a whole copy %+v", r, all)
		}
	})
}

// Two environment variables make the test binary a program that copies.
const envFrom, envTo = "BEAMRIDER_COPY_FROM", "BEAMRIDER_COPY_TO"

// copyChild copies from a SQLite file into a MariaDB database and writes a line for each batch.
func copyChild() error {
	from, err := sqlstore.OpenSQLite(os.Getenv(envFrom), nil)
	if err != nil {
		return err
	}
	to, err := sqlstore.OpenMariaDB(os.Getenv(envTo), nil)
	if err != nil {
		return err
	}
	a, err := sqlstore.New(from, sqlstore.SQLite, nil)
	if err != nil {
		return err
	}
	b, err := sqlstore.New(to, sqlstore.MariaDB, nil)
	if err != nil {
		return err
	}
	_, err = sqlstore.Copy(context.Background(), a, b, &sqlstore.CopyOptions{Progress: func(p sqlstore.CopyProgress) { fmt.Println(p.Table, p.Rows) }})
	return err
}

func TestCopyKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sqlite")
	from := openSQLite(t, path, nil).migrated(t, nil)
	fillMany(t, from, 60)
	for _, mode := range []string{sqlstore.WriteNormal, sqlstore.WriteFrozen} {
		t.Run(mode, func(t *testing.T) {
			if err := from.store.SetWriteMode(t.Context(), mode); err != nil {
				t.Fatal(err)
			}
			dsn, _ := testdb.MariaDB(t)
			kills := 0
			for lines := 1; ; lines += 3 {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), envFrom+"="+path, envTo+"="+dsn)
				cmd.Stderr = os.Stderr
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				scanner, n := bufio.NewScanner(out), 0
				for n < lines && scanner.Scan() {
					n++
				}
				if n < lines { // it came to its end before
					if err := cmd.Wait(); err != nil {
						t.Fatal(err)
					}
					break
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, out); err != nil {
					t.Fatal(err)
				}
				if err := cmd.Wait(); err == nil {
					break // the kill came too late
				}
				kills++
			}
			if kills < 3 {
				t.Errorf("only %d were killed", kills)
			}
			to := openMariaDB(t, dsn, nil).migrated(t, nil)
			if r := mustCopy(t, from, to, nil); r.Rows != 0 {
				t.Errorf("the copy was not complete: %+v", r)
			}
			if err := to.store.Verify(t.Context()); err != nil {
				t.Error(err)
			}
			if a, b := digest(t, from.store), digest(t, to.store); a != b {
				t.Errorf("the copy says %s, the original %s", b, a)
			}
		})
	}
}

func TestBackupOfMariaDB(t *testing.T) {
	d := engines["mariadb"](t)
	fill(t, d.store)
	path := filepath.Join(t.TempDir(), "c.sqlite")
	rows := int64(0)
	if err := d.store.Backup(t.Context(), path, func(p sqlstore.CopyProgress) { rows = p.Rows }); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 || rows == 0 {
		t.Errorf("there are %v, %v; %d rows", entries, err, rows)
	}
	if err := d.store.Backup(t.Context(), path, nil); !errors.Is(err, remora.ErrConflict) {
		t.Errorf("a backup over another file: %v", err)
	}
	copied := openSQLite(t, path, nil).migrated(t, nil)
	if digest(t, copied.store) != digest(t, d.store) {
		t.Error("the backup says something else")
	}
	ctx, cancel := context.WithCancel(t.Context())
	other := filepath.Join(t.TempDir(), "c.sqlite")
	if err := d.store.Backup(ctx, other, func(sqlstore.CopyProgress) { cancel() }); err == nil {
		t.Error("an interrupted backup is no error")
	}
	if entries, err := os.ReadDir(filepath.Dir(other)); err != nil || len(entries) != 0 {
		t.Errorf("an interrupted backup left %v, %v", entries, err)
	}
}
