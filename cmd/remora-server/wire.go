package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/internal/backup"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/remora/sugar"
	"github.com/sugarlabs/beamrider/remora/xo"
)

// The libraries meet here and nowhere else; they fit by structure.
var (
	_ remora.Files      = (*nfsstore.Store)(nil)
	_ remora.Files      = (*files)(nil)
	_ remora.Store      = (*sqlstore.Store)(nil)
	_ intake.Store      = (*sqlstore.Store)(nil)
	_ intake.ShelfStore = (*sqlstore.Store)(nil)
	_ sugar.Counter     = (*sugar.Downloads)(nil)
)

// conns is a database that can be closed.
type conns interface {
	Write(ctx context.Context) *sql.DB
	Read(ctx context.Context) *sql.DB
	Close() error
}

// A house is the opened data folder: the catalog and its files.
type house struct {
	config *config
	engine sqlstore.Engine
	conns  conns
	store  *sqlstore.Store
	files  *files
	lock   *os.File
}

// files turns the sentinels of nfsstore into kinds, which commands and pages understand.
type files struct{ *nfsstore.Store }

func (f *files) Put(ctx context.Context, name string, r io.Reader, size int64, sum []byte) error {
	return kindOfFile(f.Store.Put(ctx, name, r, size, sum), name)
}

func (f *files) Open(ctx context.Context, name string) (fs.File, error) {
	file, err := f.Store.Open(ctx, name)
	return file, kindOfFile(err, name)
}

func (f *files) Link(ctx context.Context, from, to string) error {
	return kindOfFile(f.Store.Link(ctx, from, to), to)
}

func (f *files) Remove(ctx context.Context, name string) error {
	return kindOfFile(f.Store.Remove(ctx, name), name)
}

func kindOfFile(err error, name string) error {
	for _, row := range []struct {
		is      error
		kind    remora.Kind
		message string
	}{
		{nfsstore.ErrNoSpace, remora.KindUnavailable, "There is no space left for the bundles."},
		{nfsstore.ErrReadOnly, remora.KindUnavailable, "The folder of the bundles cannot be written to."},
		{nfsstore.ErrUnavailable, remora.KindUnavailable, "The folder of the bundles does not answer as it should."},
		{nfsstore.ErrCorrupt, remora.KindCorrupt, "The bytes that arrived are not those that were checked."},
		{nfsstore.ErrName, remora.KindInvalid, "The name " + name + " cannot be a file's."},
		{fs.ErrExist, remora.KindConflict, "The file " + name + " is there with other content. If it is damaged, restore it from a backup, or move it away and do this again."},
		{fs.ErrNotExist, remora.KindNotFound, "There is no file " + name + "."},
	} {
		if errors.Is(err, row.is) {
			return &remora.Error{Kind: row.kind, Op: "files", Message: row.message, Err: err}
		}
	}
	return err
}

// openHouse opens what the configuration names and makes what is absent. It does not talk to a
// database server: that one is away is a state, not a reason not to start.
func openHouse(c *config, lock lockMode, log *slog.Logger) (_ *house, err error) {
	if err := os.MkdirAll(c.dataDir, 0o755); err != nil {
		return nil, &remora.Error{Kind: remora.KindUnavailable, Message: "The data folder cannot be made. Choose another with --data.", Err: err}
	}
	h := &house{config: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if h.lock, err = lockDir(c.dataDir, lock); err != nil {
		return nil, err
	}
	if err := unfinished(c.dataDir); err != nil {
		return nil, err
	}
	filesDir := c.filesFolder()
	store, err := nfsstore.Open(filesDir, nil)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindUnavailable, Message: "The files folder " + filesDir + " cannot be used.", Err: err}
	}
	h.files = &files{store}
	if err := h.connect(); err != nil {
		return nil, err
	}
	if h.store, err = sqlstore.New(h.conns, h.engine, &sqlstore.Options{Logger: log}); err != nil {
		return nil, err
	}
	return h, nil
}

// connect prepares the connections to the database; conns stays nil when that fails.
func (h *house) connect() error {
	if h.config.database.text() == "" {
		db, err := sqlstore.OpenSQLite(filepath.Join(h.config.dataDir, backup.CatalogFile), nil)
		if err != nil {
			return err
		}
		h.engine, h.conns = sqlstore.SQLite, db
		return nil
	}
	dsn, err := mariaDSN(h.config.database.text())
	if err != nil {
		return err
	}
	db, err := sqlstore.OpenMariaDB(dsn, nil)
	if err != nil {
		return err
	}
	h.engine, h.conns = sqlstore.MariaDB, db
	return nil
}

// openBackupFiles opens the files of a backup as those of a library are.
func openBackupFiles(folder string, readOnly bool) (backup.Files, error) {
	store, err := nfsstore.Open(folder, &nfsstore.Options{ReadOnly: readOnly})
	if err != nil {
		return nil, err
	}
	return &files{store}, nil
}

// openReady is openHouse for commands that need the database at once.
func openReady(ctx context.Context, c *config, lock lockMode, log *slog.Logger) (*house, error) {
	h, err := openHouse(c, lock, log)
	if err != nil {
		return nil, err
	}
	if err := sqlstore.Migrate(ctx, h.conns, h.engine); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// Close closes what is open.
func (h *house) Close() error {
	var errs []error
	if h.conns != nil {
		errs = append(errs, h.conns.Close())
	}
	if h.files != nil {
		errs = append(errs, h.files.Close())
	}
	if h.lock != nil {
		errs = append(errs, h.lock.Close())
	}
	return errors.Join(errs...)
}

func (h *house) importer(history bool) (*intake.Importer, error) {
	return intake.New(h.store, h.files, &intake.Options{XO: xo.Options{History: history}})
}

func (h *house) shelf() (*intake.Shelf, error) { return intake.NewShelf(h.store, h.files) }

// mariaDSN turns the URL of the settings into what the driver reads. Its errors never quote the
// URL, which holds a password.
func mariaDSN(raw string) (string, error) {
	bad := func(why string) error {
		return remora.Errorf(remora.KindInvalid, "config.database", "database.url %s; it should look like mysql://user:password@host:3306/database.", why)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", bad("cannot be read")
	case u.Hostname() == "" && u.Query().Get("socket") == "":
		return "", bad("names no host")
	case strings.Trim(u.Path, "/") == "":
		return "", bad("names no database")
	case u.User == nil:
		return "", bad("names no user")
	}
	c := mysql.NewConfig()
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.DBName = strings.Trim(u.Path, "/")
	c.Net, c.Addr = "tcp", u.Host
	if u.Port() == "" {
		c.Addr = u.Host + ":3306"
	}
	q := u.Query()
	if socket := q.Get("socket"); socket != "" {
		c.Net, c.Addr = "unix", socket
	}
	q.Del("socket")
	for name := range q {
		return "", bad(fmt.Sprintf("has the parameter %q, which there is not", name))
	}
	return c.FormatDSN(), nil
}
