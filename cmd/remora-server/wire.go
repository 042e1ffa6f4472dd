package main

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sugarlabs/beamrider/internal/backup"
	"github.com/sugarlabs/beamrider/internal/cluster"
	"github.com/sugarlabs/beamrider/internal/datalock"
	"github.com/sugarlabs/beamrider/internal/filestore"
	"github.com/sugarlabs/beamrider/internal/settings"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
	"github.com/sugarlabs/beamrider/remora/session"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/remora/sugar"
	"github.com/sugarlabs/beamrider/remora/xo"
)

// The libraries meet here and nowhere else; they fit by structure.
var (
	_ remora.Files      = (*nfsstore.Store)(nil)
	_ remora.Files      = (*filestore.Files)(nil)
	_ remora.Store      = (*sqlstore.Store)(nil)
	_ intake.Store      = (*sqlstore.Store)(nil)
	_ intake.ShelfStore = (*sqlstore.Store)(nil)
	_ sugar.Counter     = (*sugar.Downloads)(nil)
	_ sqlstore.Conns    = (*cluster.Cluster)(nil)
)

// conns is a database that can be closed.
type conns interface {
	Write(ctx context.Context) *sql.DB
	Read(ctx context.Context) *sql.DB
	Close() error
}

// A house is what the configuration names, opened: the catalog and its files.
type house struct {
	config  *config
	engine  sqlstore.Engine
	conns   conns
	cluster *cluster.Cluster // nil: a single database
	store   *sqlstore.Store
	files   *filestore.Files
	lock    *os.File
}

// keyFile is where the key of tokens is kept that no setting gives.
const keyFile = "session.key"

// clusterWait is how long a command waits for a primary to show.
const clusterWait = 5 * time.Second

// openHouse opens what the configuration names and makes what is absent. It does not talk to a
// database server: that one is away is a state, not a reason not to start.
func openHouse(ctx context.Context, c *config, lock datalock.Mode, log *slog.Logger) (_ *house, err error) {
	if err := os.MkdirAll(c.dataDir, 0o755); err != nil {
		return nil, &remora.Error{Kind: remora.KindUnavailable, Message: "The data folder cannot be made. Choose another with --data.", Err: err}
	}
	h := &house{config: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if h.lock, err = datalock.Dir(c.dataDir, lock); err != nil {
		return nil, err
	}
	if err := backup.Unfinished(c.dataDir); err != nil {
		return nil, err
	}
	if h.files, err = filestore.Open(ctx, filestore.Config{Main: c.files(), Copy: c.copyDir, Second: c.second(), Bandwidth: c.copyRate, Reserve: c.keepFree, Logger: log}); err != nil {
		return nil, err
	}
	if err := h.files.ReadAlso(log, c.mirrorURLs()...); err != nil {
		return nil, err
	}
	if err := h.connect(log); err != nil {
		return nil, err
	}
	if h.store, err = sqlstore.New(h.conns, h.engine, &sqlstore.Options{Logger: log}); err != nil {
		return nil, err
	}
	return h, nil
}

// connect prepares the connections to the database; conns stays nil when that fails.
func (h *house) connect(log *slog.Logger) error {
	switch nodes := h.config.nodes; len(nodes) {
	case 0:
		db, err := sqlstore.OpenSQLite(filepath.Join(h.config.dataDir, backup.CatalogFile), nil)
		if err != nil {
			return err
		}
		h.engine, h.conns = sqlstore.SQLite, db
	case 1:
		db, err := sqlstore.OpenMariaDB(nodes[0].DSN(), nil)
		if err != nil {
			return err
		}
		h.engine, h.conns = sqlstore.MariaDB, db
	default:
		all, err := cluster.Open(nodes, h.config.zone, h.config.maxLag, log)
		if err != nil {
			return err
		}
		h.engine, h.conns, h.cluster = sqlstore.MariaDB, all, all
	}
	return nil
}

// openReady is openHouse for commands that need the database at once.
func openReady(ctx context.Context, c *config, lock datalock.Mode, log *slog.Logger) (*house, error) {
	h, err := openHouse(ctx, c, lock, log)
	if err != nil {
		return nil, err
	}
	if h.cluster != nil {
		h.cluster.PreferPrimary()
	}
	if err := h.ready(ctx); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// ready is settled with the schema up to date.
func (h *house) ready(ctx context.Context) error {
	if err := h.settled(ctx); err != nil {
		return err
	}
	return sqlstore.Migrate(ctx, h.conns, h.engine)
}

// settled waits a moment until it is known which server does what.
func (h *house) settled(ctx context.Context) error {
	if h.cluster == nil {
		return nil
	}
	return h.cluster.Settle(ctx, clusterWait)
}

// attach returns a context whose reads see what a replica token covers.
func (h *house) attach(ctx context.Context, token string) context.Context {
	if h.cluster == nil {
		return ctx
	}
	return h.cluster.Attach(ctx, token)
}

// session returns a context for writes, and a function for the token that covers them.
func (h *house) session(ctx context.Context) (context.Context, func() string) {
	if h.cluster == nil {
		return ctx, func() string { return "" }
	}
	return h.cluster.Session(ctx)
}

// sessionKeys returns the keys of the tokens by which writers see what they wrote.
func sessionKeys(c *config) (keys [][]byte, err error) {
	for _, key := range settings.Fields(c.siteKeys.Text()) {
		keys = append(keys, []byte(key))
	}
	if len(keys) > 0 {
		return keys, nil
	}
	path := filepath.Join(c.dataDir, keyFile)
	key, err := session.KeyFile(path)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindUnavailable, Message: "The key of tokens in " + path + " cannot be used.", Err: err}
	}
	return [][]byte{key}, nil
}

// openBackupFiles opens the files of a backup as those of a library are.
func openBackupFiles(ctx context.Context, folder string, readOnly bool) (backup.Files, error) {
	return filestore.OpenPlain(ctx, folder, readOnly)
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

// openSum opens a file that the catalog offers.
func (h *house) openSum(ctx context.Context, name string, size int64, sum remora.Digest) (fs.File, error) {
	return h.files.OpenSum(ctx, name, size, sum[:])
}

func (h *house) importer(history bool) (*intake.Importer, error) {
	return intake.New(h.store, h.files, &intake.Options{XO: xo.Options{History: history}})
}

func (h *house) shelf() (*intake.Shelf, error) { return intake.NewShelf(h.store, h.files) }
