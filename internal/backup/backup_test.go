package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/backup"
	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

var by = remora.Actor{UserID: remora.SystemUser, Reason: "test"}

func open(ctx context.Context, folder string, readOnly bool) (backup.Files, error) {
	s, err := nfsstore.Open(ctx, folder, &nfsstore.Options{ReadOnly: readOnly})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// A home is a data folder that is open.
type home struct {
	t     *testing.T
	dir   string
	store *sqlstore.Store
	files backup.Files
}

func openHome(t *testing.T, dir string) *home {
	t.Helper()
	h := &home{t: t, dir: dir}
	conns, err := sqlstore.OpenSQLite(filepath.Join(dir, backup.CatalogFile), nil)
	h.must(err)
	h.use(conns, sqlstore.SQLite)
	h.files, err = open(t.Context(), filepath.Join(dir, "files"), false)
	h.must(err)
	t.Cleanup(func() {
		if err := h.files.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// use makes a database the one of the folder.
func (h *home) use(conns interface {
	sqlstore.Conns
	Close() error
}, engine sqlstore.Engine) {
	h.t.Helper()
	h.t.Cleanup(func() {
		if err := conns.Close(); err != nil {
			h.t.Error(err)
		}
	})
	h.must(sqlstore.Migrate(h.t.Context(), conns, engine))
	var err error
	h.store, err = sqlstore.New(conns, engine, nil)
	h.must(err)
}

// onServer makes the database of the folder one on a MariaDB server.
func (h *home) onServer() *home {
	h.t.Helper()
	dsn, _ := testdb.MariaDB(h.t)
	conns, err := sqlstore.OpenMariaDB(dsn, nil)
	h.must(err)
	h.use(conns, sqlstore.MariaDB)
	return h
}

func (h *home) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// add publishes an activity and returns its bytes' name.
func (h *home) add(id string) string {
	h.t.Helper()
	ctx := h.t.Context()
	content := []byte("the bundle of " + id)
	sub := &remora.Submission{
		BundleID: id, Number: remora.MustNumber("1"), Name: remora.PlainText("en", id), DefaultLocale: "en",
		Size: int64(len(content)), SHA256: sha256.Sum256(content),
	}
	h.must(h.store.Stage(ctx, sub.SHA256, sub.Size, "application/vnd.olpc-sugar"))
	name := remora.UploadName(sub.SHA256)
	h.must(h.files.Put(ctx, name, bytes.NewReader(content), sub.Size, sub.SHA256[:]))
	stored, err := h.store.Draft(ctx, by, sub)
	h.must(err)
	h.must(h.files.Link(ctx, name, stored.PublicName()))
	h.must(h.store.Publish(ctx, by, stored.VersionID, remora.StatePublished, sub))
	return name
}

func (h *home) digest() string {
	h.t.Helper()
	d, err := h.store.Digest(h.t.Context())
	h.must(err)
	return d
}

func (h *home) backUp(folder string) (backup.Manifest, error) {
	return backup.Make(h.t.Context(), h.store, h.files, folder, open, (*progress.Bar)(nil))
}

func restoring(from, to string) *backup.Restoring {
	return &backup.Restoring{From: from, To: to, Open: open, Bar: (*progress.Bar)(nil), Verify: true}
}

func TestRoundTrip(t *testing.T) {
	h := openHome(t, t.TempDir())
	for i := range 3 {
		h.add(fmt.Sprintf("org.example.A%d", i))
	}
	before, err := h.store.Position(t.Context())
	h.must(err)
	folder, to := t.TempDir(), filepath.Join(t.TempDir(), "data")
	m, err := h.backUp(folder)
	h.must(err)
	if m.Blobs != 3 || m.Bytes != 3*int64(len("the bundle of org.example.A0")) || m.Digest != h.digest() || m.Seq != before.Seq {
		t.Errorf("the manifest is %+v", m)
	}
	h.add("org.example.Later")

	checked, err := restoring(folder, "").Check(t.Context())
	h.must(err)
	if checked != m {
		t.Errorf("checked was %+v, made was %+v", checked, m)
	}
	_, err = restoring(folder, to).Run(t.Context())
	h.must(err)
	got := openHome(t, to)
	if got.digest() != m.Digest {
		t.Error("the restored database says something else")
	}
	after, err := got.store.Position(t.Context())
	h.must(err)
	if after.Epoch == before.Epoch || after.Seq != before.Seq {
		t.Errorf("the position was %+v and is %+v; want another epoch", before, after)
	}
	_, err = got.store.Load(t.Context(), func(a remora.Activity) error {
		f, err := got.files.Open(t.Context(), remora.PublicName(a.ID, a.Versions[0].Filename))
		if err != nil {
			return err
		}
		return f.Close()
	})
	h.must(err)
	if left, err := filepath.Glob(filepath.Join(to, backup.RestoringFile)); err != nil || len(left) > 0 {
		t.Errorf("the folder is still marked: %v, %v", left, err)
	}
	if _, err := restoring(folder, to).Run(t.Context()); !errors.Is(err, remora.ErrConflict) {
		t.Errorf("a library that is in use was restored over: %v", err)
	}
}

// TestAgain: the next backup into the same folder has what is new, and one database.
func TestAgain(t *testing.T) {
	h := openHome(t, t.TempDir())
	h.add("org.example.One")
	folder := t.TempDir()
	first, err := h.backUp(folder)
	h.must(err)
	h.add("org.example.Two")
	second, err := h.backUp(folder)
	h.must(err)
	if second.Blobs != 2 || second.Catalog == first.Catalog || second.Digest == first.Digest {
		t.Errorf("the manifests are %+v and %+v", first, second)
	}
	if list, err := filepath.Glob(filepath.Join(folder, "catalog-*")); err != nil || len(list) != 1 {
		t.Errorf("there are %v, %v", list, err)
	}
	_, err = restoring(folder, "").Check(t.Context())
	h.must(err)
}

// TestMakeFails: a backup that cannot be completed leaves the one before as it was.
func TestMakeFails(t *testing.T) {
	h := openHome(t, t.TempDir())
	h.add("org.example.One")
	folder := t.TempDir()
	first, err := h.backUp(folder)
	h.must(err)
	lost := h.add("org.example.Two")
	h.must(h.files.Remove(t.Context(), lost))
	if _, err := h.backUp(folder); remora.KindOf(err) != remora.KindCorrupt || !strings.Contains(err.Error(), lost) {
		t.Errorf("a file is lost, and the backup says %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := backup.Make(ctx, h.store, h.files, folder, open, (*progress.Bar)(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("ended, the backup says %v", err)
	}
	m, err := restoring(folder, "").Check(t.Context())
	h.must(err)
	if m != first {
		t.Errorf("the folder holds %+v, want %+v", m, first)
	}
	if list, err := filepath.Glob(filepath.Join(folder, "catalog-*")); err != nil || len(list) != 1 {
		t.Errorf("there are %v, %v", list, err)
	}
}

// TestDamage: whatever is wrong with a backup is found when it is checked and when it is restored,
// and a folder that was half restored can be finished once the backup is whole again.
func TestDamage(t *testing.T) {
	edit := func(name string, change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, folder string) {
			t.Helper()
			list, err := filepath.Glob(filepath.Join(folder, name))
			if err != nil || len(list) != 1 {
				t.Fatalf("%s is %v, %v", name, list, err)
			}
			b, err := os.ReadFile(list[0])
			if err != nil {
				t.Fatal(err)
			}
			// Another file, as the stored one may be read-only.
			if err := os.Remove(list[0]); err != nil {
				t.Fatal(err)
			}
			if b = change(b); b == nil {
				return
			}
			if err := os.WriteFile(list[0], b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	cut := func(b []byte) []byte { return b[:len(b)/2] }
	gone := func([]byte) []byte { return nil }
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
	}
	const file = "files/uploads/sha256/*/*"
	for _, c := range []struct {
		name   string
		damage func(*testing.T, string)
		kind   remora.Kind
	}{
		{"no manifest", edit("manifest.json", gone), remora.KindNotFound},
		{"half a manifest", edit("manifest.json", cut), remora.KindCorrupt},
		{"a newer manifest", edit("manifest.json", replace(`"Format": 1`, `"Format": 2`)), remora.KindCorrupt},
		{"a manifest that leads elsewhere", edit("manifest.json", replace(`"Catalog": "`, `"Catalog": "../`)), remora.KindCorrupt},
		{"another digest", edit("manifest.json", replace(`"Digest": "`, `"Digest": "0`)), remora.KindCorrupt},
		{"a flipped bit in the database", edit("catalog-*", flip), remora.KindCorrupt},
		{"half a database", edit("catalog-*", cut), remora.KindCorrupt},
		{"no database", edit("catalog-*", gone), remora.KindCorrupt},
		{"a flipped bit in a file", edit(file, flip), remora.KindCorrupt},
		{"half a file", edit(file, cut), remora.KindCorrupt},
		{"no file", edit(file, gone), remora.KindCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := openHome(t, t.TempDir())
			h.add("org.example.One")
			folder, to := t.TempDir(), filepath.Join(t.TempDir(), "data")
			_, err := h.backUp(folder)
			h.must(err)
			c.damage(t, folder)
			if _, err := restoring(folder, "").Check(t.Context()); err == nil || remora.KindOf(err) != c.kind {
				t.Errorf("the check says %v; want kind %v", err, c.kind)
			}
			if _, err := restoring(folder, to).Run(t.Context()); err == nil {
				t.Error("a damaged backup was restored")
			}
			if entries, err := os.ReadDir(to); err == nil && len(entries) > 0 {
				if _, err := os.Stat(filepath.Join(to, backup.RestoringFile)); err != nil {
					t.Errorf("half a library is not marked as such: %v", err)
				}
			}
			whole := t.TempDir()
			_, err = h.backUp(whole)
			h.must(err)
			_, err = restoring(whole, to).Run(t.Context())
			h.must(err)
			if got := openHome(t, to); got.digest() != h.digest() {
				t.Error("the restored database says something else")
			}
		})
	}
}

func TestRunRefusesAFullFolder(t *testing.T) {
	h := openHome(t, t.TempDir())
	folder, to := t.TempDir(), t.TempDir()
	_, err := h.backUp(folder)
	h.must(err)
	mine := filepath.Join(to, "thesis.txt")
	h.must(os.WriteFile(mine, []byte("mine"), 0o600))
	if _, err := restoring(folder, to).Run(t.Context()); !errors.Is(err, &remora.Error{Kind: remora.KindConflict, Code: "restore.used"}) {
		t.Errorf("the error is %v", err)
	}
	entries, err := os.ReadDir(to)
	h.must(err)
	if len(entries) != 1 {
		t.Errorf("there is %v now", entries)
	}
	h.must(os.Remove(mine))
	h.must(os.WriteFile(filepath.Join(to, "lock"), nil, 0o600)) // the caller's
	_, err = restoring(folder, to).Run(t.Context())
	h.must(err)
}

// TestServer backs up a library whose database is on a server, and restores it into either engine.
func TestServer(t *testing.T) {
	h := openHome(t, t.TempDir()).onServer()
	for i := range 3 {
		h.add(fmt.Sprintf("org.example.A%d", i))
	}
	before, err := h.store.Position(t.Context())
	h.must(err)
	folder := t.TempDir()
	m, err := h.backUp(folder)
	h.must(err)
	if m.Blobs != 3 || m.Digest != h.digest() || m.Seq != before.Seq {
		t.Errorf("the manifest is %+v", m)
	}
	if list, err := filepath.Glob(filepath.Join(folder, "catalog-*")); err != nil || len(list) != 1 {
		t.Errorf("there are %v, %v", list, err)
	}
	lite := filepath.Join(t.TempDir(), "data")
	_, err = restoring(folder, lite).Run(t.Context())
	h.must(err)
	if got := openHome(t, lite); got.digest() != m.Digest {
		t.Error("the restored SQLite database says something else")
	}

	into := openHome(t, t.TempDir()).onServer()
	to, files := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "elsewhere")
	r := restoring(folder, to)
	r.Into, r.Files = into.store, files
	// Interrupted while files are copied, then in the middle of the catalog, it is finished by the next.
	ctx, cancel := context.WithCancel(t.Context())
	r.Bar = stopper(cancel)
	if _, err := r.Run(ctx); err == nil {
		t.Fatal("the restore was not interrupted")
	}
	r.Bar = (*progress.Bar)(nil)
	half, err := sqlstore.OpenSQLite(filepath.Join(folder, m.Catalog), nil)
	h.must(err)
	halfStore, err := sqlstore.New(half, sqlstore.SQLite, nil)
	h.must(err)
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	_, err = sqlstore.Copy(ctx, halfStore, into.store, &sqlstore.CopyOptions{NewEpoch: true, Progress: func(sqlstore.CopyProgress) { cancel() }})
	if err == nil {
		t.Fatal("the copy was not interrupted")
	}
	h.must(half.Close())
	if _, err := into.store.Position(t.Context()); !errors.Is(err, remora.ErrUnavailable) {
		t.Errorf("half a catalog answers: %v", err)
	}
	_, err = r.Run(t.Context())
	h.must(err)
	after, err := into.store.Position(t.Context())
	h.must(err)
	if into.digest() != m.Digest || after.Epoch == before.Epoch || after.Seq != before.Seq {
		t.Errorf("restored it is at %v, the original was at %v", after, before)
	}
	if list, err := os.ReadDir(to); err != nil || len(list) != 0 {
		t.Errorf("the data folder holds %v, %v", list, err)
	}
	if list, err := filepath.Glob(filepath.Join(files, "public", "files", "*", "*.xo")); err != nil || len(list) != 3 {
		t.Errorf("the files are %v, %v", list, err)
	}
	// Killed after the catalog was complete: the mark in the folder is all that is left to remove.
	h.must(os.WriteFile(filepath.Join(to, backup.RestoringFile), nil, 0o600))
	_, err = r.Run(t.Context())
	h.must(err)
	if now, err := into.store.Position(t.Context()); err != nil || now != after {
		t.Errorf("it went from %v to %v, %v", after, now, err)
	}
	into.add("org.example.Later")
	if _, err := r.Run(t.Context()); !errors.Is(err, &remora.Error{Kind: remora.KindConflict, Code: "copy.used"}) {
		t.Errorf("a library that is in use was restored over: %v", err)
	}
}

// A stopper ends a context at the first file.
type stopper func()

func (s stopper) Total(int)   {}
func (s stopper) Step(string) { s() }
