// Package backup copies a library into a folder, and makes a library from such a folder. The form is one
// whatever engine the library's database is of: a SQLite file and the files it speaks of. A backup of
// one engine can be restored into the other.
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/durable"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// Files are bundles that can be closed.
type Files interface {
	remora.Files
	Close() error
}

// OpenFiles opens the files in a folder, which it makes when absent, unless it is only to be read.
type OpenFiles func(ctx context.Context, folder string, readOnly bool) (Files, error)

// Progress hears how the work goes on.
type Progress interface {
	Total(n int)
	Step(name string)
}

// A Manifest says what a backup holds. It is written last: a folder without one is no backup.
type Manifest struct {
	Format  int
	Made    time.Time
	Catalog string // file name of the database
	SHA256  string // of that file
	Digest  string // of what the database says
	Seq     int64
	Blobs   int
	Bytes   int64
}

const (
	manifestFile   = "manifest.json"
	manifestFormat = 1
)

// Make copies the database and every file it speaks of into folder, which may hold an earlier
// backup: files that are there are not copied again, and the earlier backup stays good until the
// new one is complete. It may run beside readers and writers. Memory is bounded whatever the size of the
// catalog, but for a few dozen bytes a file. A folder that a library is served
// from is refused: its files would be taken for copies of themselves.
func Make(ctx context.Context, catalog *sqlstore.Store, from remora.Files, folder string, open OpenFiles, bar Progress) (m Manifest, err error) {
	if _, err := os.Lstat(filepath.Join(folder, CatalogFile)); err == nil {
		return m, remora.Errorf(remora.KindConflict, "backup.used", "The folder %s holds a library of its own. Choose another folder for the backup, best on another disk.", folder)
	}
	to, err := open(ctx, filepath.Join(folder, "files"), false)
	if err != nil {
		return m, &remora.Error{Kind: remora.KindUnavailable, Message: "The folder " + folder + " cannot be used for a backup.", Err: err}
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	// A name of its own: the database of the backup before stays until this one is complete.
	m = Manifest{Format: manifestFormat, Made: time.Now().UTC().Truncate(time.Second)}
	m.Catalog = "catalog-" + time.Now().UTC().Format(catalogStamp) + ".sqlite"
	path := filepath.Join(folder, m.Catalog)
	if err := catalog.Backup(ctx, path, nil); err != nil {
		return m, err
	}
	if err := m.copyFiles(ctx, path, from, to, bar); err != nil {
		return m, errors.Join(err, os.Remove(path))
	}
	if m.SHA256, err = sumFile(path); err != nil {
		return m, err
	}
	err = durable.Replace(filepath.Join(folder, manifestFile), func(w io.Writer) error { return writeJSON(w, m) })
	if err != nil {
		return m, err
	}
	return m, removeOthers(folder, m.Catalog)
}

// copyFiles copies every file that the copied database speaks of, and nothing that is there.
func (m *Manifest) copyFiles(ctx context.Context, path string, from, to remora.Files, bar Progress) (err error) {
	copied, err := sqlstore.OpenSQLite(path, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, copied.Close()) }()
	store, err := sqlstore.New(copied, sqlstore.SQLite, nil)
	if err != nil {
		return err
	}
	if m.Digest, err = store.Digest(ctx); err != nil {
		return err
	}
	at, err := store.Position(ctx)
	if err != nil {
		return err
	}
	m.Seq = at.Seq
	kept, err := store.Kept(ctx)
	if err != nil {
		return err
	}
	bar.Total(len(kept))
	for _, k := range kept {
		if err := copyBlob(ctx, from, to, k); err != nil {
			return err
		}
		m.Blobs++
		m.Bytes += max(k.Size, 0) // the size of an icon may not be known
		bar.Step(k.Name)
	}
	return nil
}

// copyBlob copies one file and checks its sum on the way.
func copyBlob(ctx context.Context, from, to remora.Files, k sqlstore.KeptFile) (err error) {
	if have, err := to.Open(ctx, k.Name); err == nil {
		info, err := have.Stat()
		if err = errors.Join(err, have.Close()); err != nil {
			return err
		}
		if info.Size() == k.Size || k.Size < 0 {
			return nil
		}
	}
	f, err := from.Open(ctx, k.Name)
	if err != nil {
		return &remora.Error{Kind: remora.KindCorrupt, Op: "backup", Message: "The catalog speaks of the file " + k.Name + ", which cannot be read.", Err: err}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := to.Put(ctx, k.Name, f, info.Size(), k.SHA256[:]); err != nil {
		return &remora.Error{Kind: remora.KindOf(err), Op: "backup", Message: "The file " + k.Name + " could not be copied.", Err: err}
	}
	return nil
}

// catalogStamp is the moment in the name of a backup's database.
const catalogStamp = "20060102T150405.000000"

// madeHere reports whether a file is the database of some backup, or what SQLite keeps beside one.
// A folder may hold other things of people whose names begin alike.
func madeHere(name string) bool {
	rest, ok := strings.CutPrefix(name, "catalog-")
	if !ok {
		return false
	}
	stamp, tail, ok := strings.Cut(rest, ".sqlite")
	if !ok || tail != "" && tail != "-wal" && tail != "-shm" && tail != "-journal" {
		return false
	}
	_, err := time.Parse(catalogStamp, stamp)
	return err == nil
}

// removeOthers removes the databases of earlier or interrupted backups.
func removeOthers(folder, keep string) error {
	list, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range list {
		if name := e.Name(); name != keep && madeHere(name) {
			errs = append(errs, os.Remove(filepath.Join(folder, name)))
		}
	}
	return errors.Join(append(errs, durable.SyncDir(folder))...)
}

// ReadManifest reads what a complete backup says of itself.
func ReadManifest(folder string) (m Manifest, err error) {
	b, err := os.ReadFile(filepath.Join(folder, manifestFile))
	if err != nil {
		return m, &remora.Error{Kind: remora.KindOf(err), Message: "There is no complete backup in " + folder + ": it has no " + manifestFile + ".", Err: err}
	}
	if err := json.Unmarshal(b, &m); err != nil || m.Format != manifestFormat || m.Catalog != filepath.Base(m.Catalog) || m.Catalog == "" {
		return m, &remora.Error{Kind: remora.KindCorrupt, Message: "The file " + manifestFile + " in " + folder + " is damaged, or of a newer version of this program.", Err: err}
	}
	return m, nil
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
