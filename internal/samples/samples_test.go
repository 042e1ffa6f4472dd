package samples

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/filestore"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// TestTakeTwice: the samples say who made them, and do not say it again to a person who knows better.
func TestTakeTwice(t *testing.T) {
	ctx, dir, log := t.Context(), t.TempDir(), slog.New(slog.DiscardHandler)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := filestore.OpenPlain(ctx, filepath.Join(dir, "files"), false)
	must(err)
	t.Cleanup(func() {
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	})
	db, err := sqlstore.OpenSQLite(filepath.Join(dir, "catalog.db"), nil)
	must(err)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	must(sqlstore.Migrate(ctx, db, sqlstore.SQLite))
	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
	must(err)
	importer, err := intake.New(store, files, nil)
	must(err)

	must(Take(ctx, importer, store, log))
	type said struct {
		Authors int
		Network remora.Network
	}
	all := func() map[string]said {
		got := map[string]said{}
		must(store.Activities(ctx, remora.ActivityQuery{}, func(a remora.Activity) error {
			got[a.Slug] = said{len(a.Authors), a.Network}
			return nil
		}))
		return got
	}
	want := map[string]said{
		"starcounter": {1, remora.NetworkNone}, "paperboats": {1, remora.NetworkNone},
		"echodrum": {}, "wordgarden": {}, "turtlepost": {}, "nightsky": {},
	}
	if diff := cmp.Diff(want, all()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	needed := remora.NetworkNeeded
	by := remora.Actor{UserID: remora.SystemUser, Reason: "a test"}
	must(store.EditActivity(ctx, by, idOf(ctx, t, store, described[0]), remora.ActivityEdit{Network: &needed, Authors: &[]string{}}))
	want["starcounter"] = said{0, remora.NetworkNeeded}
	must(Take(ctx, importer, store, log))
	if diff := cmp.Diff(want, all()); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
}

func idOf(ctx context.Context, t *testing.T, store Store, ref string) (id int64) {
	t.Helper()
	err := store.Activities(ctx, remora.ActivityQuery{Ref: ref}, func(a remora.Activity) error {
		id = a.ID
		return nil
	})
	if err != nil || id == 0 {
		t.Fatalf("%s: %d, %v", ref, id, err)
	}
	return id
}
