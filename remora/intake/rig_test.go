package intake_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/remora/xo"
)

func TestMain(m *testing.M) {
	if err := testdb.Memory(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

var by = remora.Actor{UserID: remora.SystemUser, Reason: "test"}

// disk is remora.Files in a folder, without the care of a real one: what matters here is the order
// in which it is called.
type disk struct{ root *os.Root }

func (d *disk) Put(ctx context.Context, name string, r io.Reader, size int64, sum []byte) error {
	content, err := io.ReadAll(io.LimitReader(r, size+1))
	if err != nil {
		return err
	}
	if got := sha256.Sum256(content); int64(len(content)) != size || !bytes.Equal(got[:], sum) {
		return fmt.Errorf("%s: the content is not what was announced", name)
	}
	if old, err := d.root.ReadFile(name); err == nil {
		if bytes.Equal(old, content) {
			return nil
		}
		return &fs.PathError{Op: "put", Path: name, Err: fs.ErrExist}
	}
	if err := d.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	return d.root.WriteFile(name, content, 0o644)
}

func (d *disk) Open(ctx context.Context, name string) (fs.File, error) { return d.root.Open(name) }

func (d *disk) Link(ctx context.Context, from, to string) error {
	content, err := d.root.ReadFile(from)
	if err != nil {
		return err
	}
	if old, err := d.root.ReadFile(to); err == nil {
		if bytes.Equal(old, content) {
			return nil
		}
		return &fs.PathError{Op: "link", Path: to, Err: fs.ErrExist}
	}
	if err := d.root.MkdirAll(path.Dir(to), 0o755); err != nil {
		return err
	}
	return d.root.Link(from, to)
}

func (d *disk) Remove(ctx context.Context, name string) error { return d.root.Remove(name) }

// names returns the files below a folder.
func (d *disk) names(t testing.TB, folder string) (list []string) {
	t.Helper()
	err := fs.WalkDir(d.root.FS(), folder, func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !e.IsDir() {
			list = append(list, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// errCut is what a call returns that a fault befalls.
var errCut error = &remora.Error{Kind: remora.KindUnavailable, Op: "test", Message: "The connection was cut."}

// faults counts calls, and makes one fail: before it does anything, or after it has done everything
// and only its answer is lost. It tells watch about the moment after each call.
type faults struct {
	mu    sync.Mutex
	calls []string
	at    int // which call fails; 0: none
	late  bool
	err   error
	watch func(call string)
}

func (f *faults) do(call string, op func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
	struck := len(f.calls) == f.at
	if struck && !f.late {
		return f.err
	}
	err := op()
	if f.watch != nil {
		f.watch(call)
	}
	if struck { // whatever it did, the answer is lost
		return f.err
	}
	return err
}

// arm makes the n-th call from now on fail.
func (f *faults) arm(n int, late bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.at, f.late, f.err = nil, n, late, err
}

type faultyFiles struct {
	*disk
	f *faults
}

func (x faultyFiles) Put(ctx context.Context, name string, r io.Reader, size int64, sum []byte) error {
	return x.f.do("Put", func() error { return x.disk.Put(ctx, name, r, size, sum) })
}

func (x faultyFiles) Link(ctx context.Context, from, to string) error {
	return x.f.do("Link", func() error { return x.disk.Link(ctx, from, to) })
}

func (x faultyFiles) Remove(ctx context.Context, name string) error {
	return x.f.do("Remove", func() error { return x.disk.Remove(ctx, name) })
}

type faultyStore struct {
	*sqlstore.Store
	f *faults
}

func (x faultyStore) Stage(ctx context.Context, sum remora.Digest, size int64, media string) error {
	return x.f.do("Stage", func() error { return x.Store.Stage(ctx, sum, size, media) })
}

func (x faultyStore) Draft(ctx context.Context, by remora.Actor, s *remora.Submission) (stored remora.Stored, err error) {
	err = x.f.do("Draft", func() (err error) {
		stored, err = x.Store.Draft(ctx, by, s)
		return err
	})
	if err != nil {
		stored = remora.Stored{}
	}
	return stored, err
}

func (x faultyStore) Publish(ctx context.Context, by remora.Actor, id int64, to remora.State, s *remora.Submission) error {
	return x.f.do("Publish", func() error { return x.Store.Publish(ctx, by, id, to, s) })
}

func (x faultyStore) EditActivity(ctx context.Context, by remora.Actor, id int64, e remora.ActivityEdit) error {
	return x.f.do("EditActivity", func() error { return x.Store.EditActivity(ctx, by, id, e) })
}

func (x faultyStore) EditVersion(ctx context.Context, by remora.Actor, id int64, e remora.VersionEdit) error {
	return x.f.do("EditVersion", func() error { return x.Store.EditVersion(ctx, by, id, e) })
}

func (x faultyStore) Activities(ctx context.Context, q remora.ActivityQuery, yield func(remora.Activity) error) error {
	return x.f.do("Activities", func() error { return x.Store.Activities(ctx, q, yield) })
}

func (x faultyStore) Withdrawn(ctx context.Context, limit int) (names []remora.FileName, err error) {
	err = x.f.do("Withdrawn", func() (err error) {
		names, err = x.Store.Withdrawn(ctx, limit)
		return err
	})
	return names, err
}

func (x faultyStore) Unlinked(ctx context.Context, ids []int64) error {
	return x.f.do("Unlinked", func() error { return x.Store.Unlinked(ctx, ids) })
}

func (x faultyStore) Relinked(ctx context.Context, id int64) error {
	return x.f.do("Relinked", func() error { return x.Store.Relinked(ctx, id) })
}

func (x faultyStore) Orphans(ctx context.Context, before remora.Time, limit int) (sums []remora.Digest, err error) {
	err = x.f.do("Orphans", func() (err error) {
		sums, err = x.Store.Orphans(ctx, before, limit)
		return err
	})
	return sums, err
}

func (x faultyStore) Forget(ctx context.Context, sums []remora.Digest) error {
	return x.f.do("Forget", func() error { return x.Store.Forget(ctx, sums) })
}

// A shop is a catalog, its files, and what takes bundles in and out, with faults between them.
type shop struct {
	testing.TB
	*faults
	conns    *sqlstore.SQLiteConns
	store    *sqlstore.Store
	files    *disk
	importer *intake.Importer
	shelf    *intake.Shelf
}

// emptyCatalog returns the database of an empty catalog. To make one takes longer than most tests.
var emptyCatalog = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "intake-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "catalog.sqlite")
	conns, err := sqlstore.OpenSQLite(path, nil)
	if err != nil {
		return nil, err
	}
	err = sqlstore.Migrate(context.Background(), conns, sqlstore.SQLite)
	if err = errors.Join(err, conns.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func newShop(t testing.TB) *shop {
	t.Helper()
	dir := t.TempDir()
	empty, err := emptyCatalog()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "catalog.sqlite"), empty, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	return openShop(t, dir)
}

// another returns a shop that has what this one has, without faults.
func (s *shop) another() *shop {
	s.Helper()
	dir := s.TempDir()
	s.must(s.conns.Backup(s.Context(), filepath.Join(dir, "catalog.sqlite")))
	s.must(os.CopyFS(filepath.Join(dir, "files"), s.files.root.FS()))
	return openShop(s.TB, dir)
}

func openShop(t testing.TB, dir string) *shop {
	t.Helper()
	conns, err := sqlstore.OpenSQLite(filepath.Join(dir, "catalog.sqlite"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conns.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &shop{TB: t, faults: &faults{}, conns: conns}
	s.store, err = sqlstore.New(conns, sqlstore.SQLite, nil)
	s.must(err)
	root, err := os.OpenRoot(filepath.Join(dir, "files"))
	s.must(err)
	t.Cleanup(func() {
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	s.files = &disk{root}
	store, files := faultyStore{s.store, s.faults}, faultyFiles{s.files, s.faults}
	s.importer, err = intake.New(store, files, &intake.Options{TempDir: t.TempDir()})
	s.must(err)
	s.shelf, err = intake.NewShelf(store, files)
	s.must(err)
	return s
}

func (s *shop) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// unpacked writes the folder of an activity and returns its path; extra goes into activity.info.
func unpacked(t testing.TB, id, number, extra string) string {
	t.Helper()
	short := id[strings.LastIndexByte(id, '.')+1:]
	dir := filepath.Join(t.TempDir(), short+".activity")
	for name, content := range map[string]string{
		"activity/activity.info": "[Activity]\nname = " + short + "\nbundle_id = " + id + "\nexec = sugar-activity3 activity.Main\nactivity_version = " + number + "\nicon = icon\nlicense = GPLv3+\nsummary = What it does\n" + extra,
		"activity/icon.svg":      `<!DOCTYPE svg [<!ENTITY fill_color "#fff"><!ENTITY stroke_color "#000">]><svg width="55" height="55"><rect width="45" height="45" fill="&fill_color;" stroke="&stroke_color;"/></svg>`,
		"activity.py":            "class Main:\n    pass\n",
	} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// packed returns the path of a bundle.
func packed(t testing.TB, id, number, extra string) string {
	t.Helper()
	dir := unpacked(t, id, number, extra)
	p := filepath.Join(t.TempDir(), id+"-"+number+".xo")
	f, err := os.Create(p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = xo.Pack(t.Context(), dir, f, nil)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return p
}

// offered returns what clients are told of, by bundle id.
func (s *shop) offered() map[string]remora.Activity {
	s.Helper()
	all := map[string]remora.Activity{}
	_, err := s.store.Load(context.WithoutCancel(s.Context()), func(a remora.Activity) error {
		all[a.BundleID] = a
		return nil
	})
	s.must(err)
	return all
}

// activity returns one with all its versions, whatever their state.
func (s *shop) activity(ref string) (found remora.Activity) {
	s.Helper()
	s.must(s.store.Activities(s.Context(), remora.ActivityQuery{Ref: ref}, func(a remora.Activity) error {
		found = a
		return nil
	}))
	if found.ID == 0 {
		s.Fatalf("there is no activity %s", ref)
	}
	return found
}

// whole checks that everything clients are told of is there: each offered version under its public
// name and its own, the icon, and the texts that the bundle has.
func (s *shop) whole(when string) {
	s.Helper()
	for id, a := range s.offered() {
		icon, err := s.files.root.ReadFile(remora.IconName(a.Icon))
		if err != nil || remora.Digest(sha256.Sum256(icon)) != a.Icon {
			s.Errorf("%s: %s is offered and its icon is not there: %v", when, id, err)
		}
		if summary, _ := a.Summary.In("en", "en"); summary == "" {
			s.Errorf("%s: %s is offered without its summary", when, id)
		}
		for _, v := range a.Versions {
			for _, name := range []string{remora.UploadName(v.SHA256), remora.PublicName(a.ID, v.Filename)} {
				content, err := s.files.root.ReadFile(name)
				if err != nil || int64(len(content)) != v.Size || remora.Digest(sha256.Sum256(content)) != v.SHA256 {
					s.Errorf("%s: version %s of %s is offered and %s is not there: %v", when, v.Number, id, name, err)
				}
			}
		}
	}
}

// tidy checks that public names are those of offered versions and no others, and that the database
// is whole.
func (s *shop) tidy(when string) {
	s.Helper()
	want := map[string]bool{}
	for _, a := range s.offered() {
		for _, v := range a.Versions {
			want[remora.PublicName(a.ID, v.Filename)] = true
		}
	}
	for _, name := range s.files.names(s, "public") {
		if !want[name] {
			s.Errorf("%s: %s is public, and nothing is offered under it", when, name)
		}
	}
	s.whole(when)
	s.must(s.store.Verify(s.Context()))
}
