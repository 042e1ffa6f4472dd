package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/backup"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/remora/sugar"
	"github.com/sugarlabs/beamrider/remora/xo"
	"github.com/sugarlabs/beamrider/replica"
)

// The libraries meet here and nowhere else; they fit by structure.
var (
	_ remora.Files      = (*nfsstore.Store)(nil)
	_ remora.Files      = (*files)(nil)
	_ remora.Store      = (*sqlstore.Store)(nil)
	_ intake.Store      = (*sqlstore.Store)(nil)
	_ intake.ShelfStore = (*sqlstore.Store)(nil)
	_ sugar.Counter     = (*sugar.Downloads)(nil)
	_ sqlstore.Conns    = (*replica.Router)(nil)
)

// conns is a database that can be closed.
type conns interface {
	Write(ctx context.Context) *sql.DB
	Read(ctx context.Context) *sql.DB
	Close() error
}

// A house is what the configuration names, opened: the catalog and its files.
type house struct {
	config *config
	engine sqlstore.Engine
	conns  conns
	router *replica.Router // nil: a single database
	store  *sqlstore.Store
	files  *files
	lock   *os.File
}

// clusterWait is how long a command waits for a primary to show.
const clusterWait = 5 * time.Second

// openHouse opens what the configuration names and makes what is absent. It does not talk to a
// database server: that one is away is a state, not a reason not to start.
func openHouse(ctx context.Context, c *config, lock lockMode, log *slog.Logger) (_ *house, err error) {
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
	if h.files, err = openFiles(ctx, c, log); err != nil {
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
		cluster, err := openCluster(h.config, log)
		if err != nil {
			return err
		}
		h.engine, h.conns, h.router = sqlstore.MariaDB, cluster, cluster.Router
	}
	return nil
}

// A cluster is a router that runs until it is closed.
type cluster struct {
	*replica.Router
	stop func() error
}

func openCluster(c *config, log *slog.Logger) (*cluster, error) {
	rc := replica.Config{MaxLag: c.maxLag, Logger: log}
	for _, n := range c.nodes {
		dsn, err := sqlstore.MariaDBDSN(n.DSN(), nil)
		if err != nil {
			return nil, err
		}
		rc.Nodes = append(rc.Nodes, replica.Node{Name: n.Name, DSN: dsn, Weight: n.Weight})
	}
	router, err := replica.New(rc)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindInvalid, Code: "config.database", Message: "The section database of the configuration has mistakes.", Err: err}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running errgroup.Group
	running.Go(func() error { return router.Run(ctx) })
	return &cluster{router, func() error { cancel(); return running.Wait() }}, nil
}

// Close ends what watches the servers, and all connections.
func (c *cluster) Close() error { return errors.Join(c.stop(), c.Router.Close()) }

// openReady is openHouse for commands that need the database at once.
func openReady(ctx context.Context, c *config, lock lockMode, log *slog.Logger) (*house, error) {
	h, err := openHouse(ctx, c, lock, log)
	if err != nil {
		return nil, err
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
	if h.router == nil {
		return nil
	}
	soon, cancel := context.WithTimeout(ctx, clusterWait)
	defer cancel()
	if err := h.router.WaitReady(soon); err != nil {
		return &remora.Error{Kind: remora.KindUnavailable, Code: "database.primary", Message: "The database cannot be written to. \"remora-server status\" says more.", Err: err}
	}
	return nil
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
