package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/backup"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// killAfter starts the program and kills it after a while, unless it ends before; it reports
// whether it was killed.
func killAfter(t *testing.T, after time.Duration, args ...string) (killed bool) {
	t.Helper()
	cmd := program(t, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended just now
	err := cmd.Wait()
	timer.Stop()
	return err != nil && cmd.ProcessState.ExitCode() == -1
}

// checkWhole looks at a data folder as a crash has left it: what readers are told of must be there,
// whole, and what they are not told of must not be offered.
func checkWhole(t *testing.T, data string) (offered int) {
	t.Helper()
	ctx := t.Context()
	if _, err := os.Stat(filepath.Join(data, "catalog.sqlite")); errors.Is(err, os.ErrNotExist) {
		return 0 // killed before anything was made
	}
	store := openStore(t, data)
	if pending, err := sqlstore.Pending(ctx, mustConns(t, data), sqlstore.SQLite); err != nil || pending > 0 {
		return 0 // killed before the schema was made
	}
	if err := store.Verify(ctx); err != nil {
		if e, ok := errors.AsType[*remora.Error](err); ok && e.Code == "schema.missing" {
			return 0 // killed between the schema and the first row, which the next start makes up for
		}
		t.Fatalf("the database is not whole: %v", err)
	}
	files, err := nfsstore.Open(ctx, filepath.Join(data, "files"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	_, err = store.Load(ctx, func(a remora.Activity) error {
		if name, _ := a.Name.In("en", ""); name == "" || len(a.Versions) == 0 {
			t.Errorf("activity %d is visible by half: name %q, %d versions", a.ID, name, len(a.Versions))
		}
		for _, v := range a.Versions {
			offered++
			for _, name := range []string{remora.UploadName(v.SHA256), remora.PublicName(a.ID, v.Filename)} {
				if err := readWhole(ctx, files, name, v.SHA256); err != nil {
					t.Errorf("version %d is visible, but %v", v.ID, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return offered
}

func mustConns(t *testing.T, data string) sqlstore.Conns {
	t.Helper()
	db, err := sqlstore.OpenSQLite(filepath.Join(data, "catalog.sqlite"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func readWhole(ctx context.Context, files *nfsstore.Store, name string, sum remora.Digest) error {
	f, err := files.Open(ctx, name)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := digestOf(f)
	if err == nil && got != sum {
		err = errors.New(name + " has other bytes")
	}
	return err
}

func digestOf(r io.Reader) (remora.Digest, error) {
	b, err := io.ReadAll(r)
	return sum256(b), err
}

func TestKilledImportLeavesNothingByHalf(t *testing.T) {
	t.Parallel()
	bundles, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	const n = 40
	writeBundles(t, bundles, n)
	rnd := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	kills := 0
	for i := 0; kills < 25 && i < 200; i++ {
		// Times vary over the whole import, which the first rounds measure.
		if killAfter(t, time.Duration(20+rnd.IntN(250))*time.Millisecond, "import", "--data", data, bundles) {
			kills++
		} else if err := os.RemoveAll(data); err != nil { // it got to its end: begin anew
			t.Fatal(err)
		}
		checkWhole(t, data)
	}
	if kills < 25 {
		t.Fatalf("only %d imports were killed before their end", kills)
	}
	mustRun(t, "import", "--data", data, bundles)
	if got := checkWhole(t, data); got != n {
		t.Errorf("after the last import %d versions are offered, want %d", got, n)
	}
	var drafts int
	err := openStore(t, data).Activities(t.Context(), remora.ActivityQuery{}, func(a remora.Activity) error {
		for _, v := range a.Versions {
			if v.State == remora.StateDraft {
				drafts++
			}
		}
		return nil
	})
	if err != nil || drafts != 0 {
		t.Errorf("%d drafts are left (%v); the next import should have finished them", drafts, err)
	}
}

func TestKilledHideAndUnhideSettle(t *testing.T) {
	t.Parallel()
	bundles, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	writeBundles(t, bundles, 3)
	mustRun(t, "import", "--data", data, bundles)
	rnd := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
	kills := 0
	for i := 0; kills < 20 && i < 400; i++ {
		verb := "hide"
		if i%2 == 1 {
			verb = "unhide"
		}
		ref := "org.example.Act000" + strconv.Itoa(i/2%3)
		if killAfter(t, time.Duration(5+rnd.IntN(60))*time.Millisecond, "catalog", verb, ref, "--reason", "a test", "--data", data) {
			kills++
		}
		checkWhole(t, data)
	}
	if kills < 20 {
		t.Fatalf("only %d were killed before their end", kills)
	}
	// Hiding everything once more removes whatever name a killed one has left.
	for i := range 3 {
		mustRun(t, "catalog", "hide", "org.example.Act000"+strconv.Itoa(i), "--reason", "the end", "--data", data)
	}
	left, err := filepath.Glob(filepath.Join(data, "files", "public", "files", "*", "*.xo"))
	if err != nil || len(left) != 0 {
		t.Errorf("public names are left of hidden activities: %v (%v)", left, err)
	}
	for i := range 3 {
		mustRun(t, "catalog", "unhide", "org.example.Act000"+strconv.Itoa(i), "--data", data)
	}
	if got := checkWhole(t, data); got != 3 {
		t.Errorf("%d versions are offered again, want 3", got)
	}
}

func TestKilledBackupKeepsTheOneBefore(t *testing.T) {
	t.Parallel()
	bundles, data, folder := t.TempDir(), filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	writeBundles(t, bundles, 30)
	mustRun(t, "import", "--data", data, bundles)
	rnd := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
	kills := 0
	for i := 0; kills < 20 && i < 300; i++ {
		if i%3 == 0 {
			writeBundle(t, bundles, "org.example.More"+strconv.Itoa(i), "1", "")
			mustRun(t, "import", "--data", data, bundles)
		}
		if i%10 == 0 {
			if err := os.RemoveAll(folder); err != nil {
				t.Fatal(err)
			}
		}
		if killAfter(t, time.Duration(10+rnd.IntN(120))*time.Millisecond, "backup", folder, "--data", data) {
			kills++
		}
		if _, err := backup.ReadManifest(folder); err == nil {
			mustRun(t, "restore", folder, "--dry-run", "--data", filepath.Join(t.TempDir(), "none"))
		}
	}
	if kills < 20 {
		t.Fatalf("only %d were killed before their end", kills)
	}
	mustRun(t, "backup", folder, "--data", data)
	again := filepath.Join(t.TempDir(), "again")
	// A restore that is killed is finished by the next.
	for range 5 {
		killAfter(t, time.Duration(5+rnd.IntN(80))*time.Millisecond, "restore", folder, "--data", again)
	}
	if _, err := os.Stat(filepath.Join(again, "restoring")); err == nil || len(dirNames(t, again)) == 0 {
		mustRun(t, "restore", folder, "--verify", "--data", again)
	}
	if got, want := checkWhole(t, again), checkWhole(t, data); got != want {
		t.Errorf("the restored library offers %d versions, want %d", got, want)
	}
	if got, want := digest(t, again), digest(t, data); got != want {
		t.Errorf("the restored database says something else: %s, want %s", got, want)
	}
}

func dirNames(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func digest(t *testing.T, data string) string {
	t.Helper()
	d, err := openStore(t, data).Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}
