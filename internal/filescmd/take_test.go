package filescmd

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/filestore"
	"github.com/sugarlabs/beamrider/internal/samples"
	"github.com/sugarlabs/beamrider/remora/intake"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// TestTakeTheSecondPlace: with the first place gone for good, the second has all files under all their
// names, and is the only one from then on.
func TestTakeTheSecondPlace(t *testing.T) {
	main, second := filepath.Join(t.TempDir(), "main"), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	closed := func(close func() error) {
		t.Cleanup(func() {
			if err := close(); err != nil {
				t.Error(err)
			}
		})
	}
	log := slog.New(slog.DiscardHandler)
	files, err := filestore.Open(t.Context(), filestore.Config{Main: main, Second: second})
	must(err)
	closed(files.Close)
	db, err := sqlstore.OpenSQLite(filepath.Join(t.TempDir(), "catalog.db"), nil)
	must(err)
	closed(db.Close)
	must(sqlstore.Migrate(t.Context(), db, sqlstore.SQLite))
	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
	must(err)
	importer, err := intake.New(store, files, nil)
	must(err)
	must(samples.Take(t.Context(), importer, store, log))
	must(os.RemoveAll(main))
	kept, err := store.Kept(t.Context())
	must(err)
	// A public name that was not come to any more is made up for.
	lost := ""
	for _, k := range kept {
		if len(k.Public) > 0 {
			lost = filepath.Join(second, k.Public[0])
		}
	}
	must(os.Remove(lost))

	var out bytes.Buffer
	var values map[string]string
	e := &Env{Stdout: &out, Stderr: &out, Log: log, Second: second, CopyDir: "/nowhere", Override: func(v map[string]string) (string, error) {
		values = v
		return "overrides.toml", nil
	}}
	must(e.TakeCopy(t.Context(), Library{Store: store, Files: files}))
	if diff := cmp.Diff(map[string]string{"files.url": second, "files.copies": "1"}, values); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if text := out.String(); !strings.Contains(text, "one place only") || strings.Contains(text, "missing") {
		t.Errorf("it says\n%s", text)
	}
	for _, k := range kept {
		for _, name := range append(k.Public, k.Name) {
			if _, err := os.Stat(filepath.Join(second, name)); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is not there", name)
			}
		}
	}
}
