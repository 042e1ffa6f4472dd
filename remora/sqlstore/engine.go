package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// Conns gives the database to write to and one to read from. A single database has one for both,
// a router of replicas may choose. Neither blocks; a pool whose calls fail stands for "none".
// A store calls one of them once for each of its methods.
type Conns interface {
	Write(ctx context.Context) *sql.DB
	Read(ctx context.Context) *sql.DB
}

// An Engine is a kind of database.
type Engine uint8

// The engines.
const (
	SQLite  Engine = iota + 1 // a file, opened by this process
	MariaDB                   // MariaDB 10.11 or newer
)

// String returns "sqlite" or "mariadb".
func (e Engine) String() string {
	switch e {
	case SQLite:
		return "sqlite"
	case MariaDB:
		return "mariadb"
	}
	return "invalid"
}

// Options tune a store or the opening of a database. The zero value, or nil, is good.
type Options struct {
	// Logger gets warnings about retries; nil discards them.
	Logger *slog.Logger
	// Wait is how long a call waits for a connection or a lock before it gives up with
	// KindUnavailable: 5 s if 0. Give the same to Open and New.
	Wait time.Duration
	// Readers is how many reads may run at once in an embedded database, or how many calls at
	// once on a server: 8 or 32 if 0.
	Readers int
}

const defaultWait = 5 * time.Second

func (o *Options) normal() (Options, error) {
	n := Options{}
	if o != nil {
		n = *o
	}
	var errs []error
	if n.Wait < 0 {
		errs = append(errs, fmt.Errorf("sqlstore: Options.Wait is %v; it cannot be negative", n.Wait))
	}
	if n.Readers < 0 {
		errs = append(errs, fmt.Errorf("sqlstore: Options.Readers is %d; it cannot be negative", n.Readers))
	}
	if n.Logger == nil {
		n.Logger = slog.New(slog.DiscardHandler)
	}
	if n.Wait == 0 {
		n.Wait = defaultWait
	}
	return n, errors.Join(errs...)
}

// A Store is the catalog of record; see the package comment. All methods may be called
// concurrently.
type Store struct {
	conns Conns
	d     *dialect
	log   *slog.Logger
	wait  time.Duration
	now   func() time.Time
	// fakeClock makes leases end by now on every engine; tests set it.
	fakeClock bool
	// trace sees every statement; tests count them.
	trace func(query string)
}

var _ remora.Store = (*Store)(nil)

// New returns a Store over conns, which must be of the given engine. It does not touch the
// database; [Migrate] makes the schema. Errors name every mistake at once.
func New(conns Conns, engine Engine, o *Options) (*Store, error) {
	n, err := o.normal()
	if conns == nil {
		err = errors.Join(err, errors.New("sqlstore: conns are required"))
	}
	d := dialectOf(engine)
	if d == nil {
		err = errors.Join(err, fmt.Errorf("sqlstore: there is no engine %d; it is SQLite or MariaDB", engine))
	}
	if err != nil {
		return nil, err
	}
	return &Store{conns: conns, d: d, log: n.Logger, wait: n.Wait, now: time.Now}, nil
}

func (s *Store) time() int64 { return s.now().UnixMicro() }
