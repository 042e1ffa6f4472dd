package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/internal/durable"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// A Restoring makes the data folder To from the backup in From. It is for one goroutine.
type Restoring struct {
	From, To string
	Open     OpenFiles
	Bar      Progress
	// Into is the database that the catalog is restored to, which must be empty, or hold what an
	// interrupted Run has left; nil: a SQLite file in To.
	Into *sqlstore.Store
	// Files is the folder that bundles and icons go to; "": files in To.
	Files string
	// Verify reads everything back afterwards and compares it with the backup.
	Verify bool

	m Manifest
}

// CatalogFile is the name of the database in a data folder.
const CatalogFile = "catalog.sqlite"

// Check reads the whole backup and compares it with its manifest; it writes nothing to From.
func (r *Restoring) Check(ctx context.Context) (_ Manifest, err error) {
	if err := r.checkCatalog(); err != nil {
		return r.m, err
	}
	// SQLite may write beside what it reads; the backup is left as it is.
	dir, err := os.MkdirTemp("", "beamrider-restore-*")
	if err != nil {
		return r.m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	copied := filepath.Join(dir, CatalogFile)
	if err := copyFile(filepath.Join(r.From, r.m.Catalog), copied); err != nil {
		return r.m, err
	}
	return r.m, withStore(copied, func(store *sqlstore.Store) error {
		return r.compare(ctx, store, filepath.Join(r.From, "files"))
	})
}

// RestoringFile marks a data folder whose restore is not done yet; nothing may serve from it.
const RestoringFile = "restoring"

// checkCatalog reads the manifest and compares the database of the backup with it.
func (r *Restoring) checkCatalog() (err error) {
	if r.m, err = ReadManifest(r.From); err != nil {
		return err
	}
	path := filepath.Join(r.From, r.m.Catalog)
	sum, err := sumFile(path)
	if err != nil {
		return &remora.Error{Kind: remora.KindCorrupt, Message: "The database of the backup cannot be read.", Err: err}
	}
	if sum != r.m.SHA256 {
		return remora.Errorf(remora.KindCorrupt, "backup.sum", "The database of the backup, %s, is damaged: its SHA-256 sum is not that of the manifest.", path)
	}
	return nil
}

// Run restores. To must be empty, absent, or what an interrupted Run has left; the caller holds
// whatever keeps others out of it (a file named lock in it does not count).
func (r *Restoring) Run(ctx context.Context) (Manifest, error) {
	if err := r.checkCatalog(); err != nil {
		return r.m, err
	}
	if err := r.prepare(); err != nil {
		return r.m, err
	}
	path := filepath.Join(r.To, CatalogFile)
	if r.Into != nil {
		path = filepath.Join(r.To, passingFile)
	}
	if err := removeDatabase(path); err != nil {
		return r.m, err
	}
	if err := copyFile(filepath.Join(r.From, r.m.Catalog), path); err != nil {
		return r.m, err
	}
	if err := withStore(path, func(store *sqlstore.Store) error { return r.restore(ctx, store) }); err != nil {
		return r.m, err
	}
	if r.Into != nil {
		if err := removeDatabase(path); err != nil {
			return r.m, err
		}
	}
	if err := os.Remove(filepath.Join(r.To, RestoringFile)); err != nil {
		return r.m, err
	}
	return r.m, durable.SyncDir(r.To)
}

// prepare makes the folder, and refuses one that holds anything but an unfinished restore.
func (r *Restoring) prepare() error {
	if err := os.MkdirAll(r.To, 0o755); err != nil {
		return err
	}
	list, err := os.ReadDir(r.To)
	if err != nil {
		return err
	}
	used := false
	for _, e := range list {
		switch e.Name() {
		case RestoringFile:
			return nil
		case "lock":
		default:
			used = true
		}
	}
	if used {
		return remora.Errorf(remora.KindConflict, "restore.used", "The folder %s is not empty. Choose another with --data, so that nothing is overwritten.", r.To)
	}
	return durable.Replace(filepath.Join(r.To, RestoringFile), func(w io.Writer) error {
		_, err := fmt.Fprintln(w, "A restore into this folder is not done yet; run it again.")
		return err
	})
}

// passingFile is the database of the backup in a data folder while it is restored to a server.
const passingFile = "restoring.sqlite"

// removeDatabase removes a SQLite file and what SQLite keeps beside it.
func removeDatabase(path string) error {
	for _, name := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (r *Restoring) filesFolder() string {
	if r.Files != "" {
		return r.Files
	}
	return filepath.Join(r.To, "files")
}

// restore makes a library of store, which is the database of the backup in the data folder.
func (r *Restoring) restore(ctx context.Context, store *sqlstore.Store) error {
	if r.Into != nil {
		// Before anything large is copied.
		if err := sqlstore.CheckCopy(ctx, store, r.Into); err != nil {
			return err
		}
	}
	if err := r.copyFiles(ctx, store); err != nil {
		return err
	}
	made := store
	if r.Into == nil {
		// Readers must not take the numbers of this history for those of the one before.
		if err := store.NewEpoch(ctx); err != nil {
			return err
		}
	} else {
		// Last, as other machines may serve from it at once. A restore that was killed after it finds
		// that the database says already what the backup says.
		if _, err := sqlstore.Copy(ctx, store, r.Into, &sqlstore.CopyOptions{NewEpoch: true}); err != nil {
			return err
		}
		made = r.Into
	}
	if !r.Verify {
		return nil
	}
	return r.compare(ctx, made, r.filesFolder())
}

func (r *Restoring) copyFiles(ctx context.Context, store *sqlstore.Store) (err error) {
	from, err := r.Open(ctx, filepath.Join(r.From, "files"), true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := r.Open(ctx, r.filesFolder(), false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	return CopyFiles(ctx, store, from, to, r.Bar)
}

// compare checks a database against the manifest, and every file it speaks of.
func (r *Restoring) compare(ctx context.Context, store *sqlstore.Store, filesDir string) (err error) {
	files, err := r.Open(ctx, filesDir, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	if err := store.Verify(ctx); err != nil {
		return err
	}
	digest, err := store.Digest(ctx)
	if err != nil {
		return err
	}
	if digest != r.m.Digest {
		return remora.Errorf(remora.KindCorrupt, "backup.digest", "The database does not say what it said when it was backed up.")
	}
	kept, err := store.Kept(ctx)
	if err != nil {
		return err
	}
	r.Bar.Total(len(kept))
	for _, k := range kept {
		if err := checkBlob(ctx, files, k); err != nil {
			return err
		}
		r.Bar.Step(k.Name)
	}
	return nil
}

func checkBlob(ctx context.Context, files remora.Files, k sqlstore.KeptFile) (err error) {
	f, err := files.Open(ctx, k.Name)
	if err != nil {
		return &remora.Error{Kind: remora.KindCorrupt, Message: "The file " + k.Name + " is missing.", Err: err}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if remora.Digest(sum.Sum(nil)) != k.SHA256 {
		return remora.Errorf(remora.KindCorrupt, "backup.file", "The file %s is damaged: its SHA-256 sum is another.", k.Name)
	}
	return nil
}

func withStore(path string, f func(*sqlstore.Store) error) error {
	db, err := sqlstore.OpenSQLite(path, nil)
	if err != nil {
		return err
	}
	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	return errors.Join(f(store), db.Close())
}

func sumFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, f.Close())
}

// copyFile copies a file durably; what is at to is replaced whole.
func copyFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	err = durable.Replace(to, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
	return errors.Join(err, f.Close())
}
