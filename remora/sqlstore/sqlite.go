package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"modernc.org/sqlite"

	"github.com/sugarlabs/beamrider/remora"
)

// SQLiteConns is one SQLite file: a single connection that writes and several that read, beside
// the writer, from the write-ahead log. Other processes may have the file open too.
type SQLiteConns struct {
	path        string
	write, read *sql.DB
	options     Options
}

var _ Conns = (*SQLiteConns)(nil)

// OpenSQLite prepares the database file at path. It does not touch the file: the first write makes
// it, and a read of one that is not there is KindUnavailable. The caller closes it.
//
// On Linux the whole process uses OFD locks (open file description locks) for SQLite files from
// then on where no other SQLite file was used before: with POSIX locks, anything in the process
// that opens and closes the file again would silently drop the locks on it. See
// modernc.org/sqlite's OFDLocking.
func OpenSQLite(path string, o *Options) (*SQLiteConns, error) {
	n, err := o.normal()
	if path == "" {
		err = errors.Join(err, errors.New("sqlstore: a path of the database file is required"))
	}
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("sqlstore: the path of the database file: %w", err)
	}
	if _, err := sqlite.OFDLocking(true); err != nil && !errors.Is(err, sqlite.ErrOFDLockingUnavailable) && !errors.Is(err, sqlite.ErrOFDLockingTooLate) {
		return nil, fmt.Errorf("sqlstore: OFD locks: %w", err)
	}
	readers := n.Readers
	if readers == 0 {
		readers = 8
	}
	s := &SQLiteConns{path: path, options: n}
	if s.write, err = sql.Open("sqlite", s.dsn("rwc", "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)")); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", s.dsn("rw", "_txlock=deferred", "_pragma=query_only(1)")); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	return s, nil
}

func (s *SQLiteConns) dsn(mode string, more ...string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(s.path)}
	q := "mode=" + mode + "&_pragma=busy_timeout(" + strconv.FormatInt(max(1, s.options.Wait.Milliseconds()), 10) + ")&_pragma=foreign_keys(1)&_dqs=0"
	for _, m := range more {
		q += "&" + m
	}
	return "file://" + u.EscapedPath() + "?" + q
}

// Write returns the pool of the one connection that writes.
func (s *SQLiteConns) Write(context.Context) *sql.DB { return s.write }

// Read returns the pool of the connections that read; they refuse to write.
func (s *SQLiteConns) Read(context.Context) *sql.DB { return s.read }

// Close closes all connections, after which calls fail. It may be called again.
func (s *SQLiteConns) Close() error {
	// The reader first: the last connection to close folds the write-ahead log into the file, and
	// only one that may write can.
	return errors.Join(s.read.Close(), s.write.Close())
}

// Backup writes a copy of the database, as of one moment, to a new file at path, while reads and
// writes go on. When it returns nil the copy outlives a power cut. A file that is there already is
// KindConflict and stays; after any other error there is none.
func (s *SQLiteConns) Backup(ctx context.Context, path string) (err error) {
	defer func() { err = dialectOf(SQLite).fail("Backup", err) }()
	if _, err := os.Lstat(path); err == nil {
		return remora.Errorf(remora.KindConflict, "backup.exists", "There is a file %s already. Choose another name, or remove it.", path)
	} else if !errors.Is(err, os.ErrNotExist) {
		return unavailable("The folder of the backup cannot be used.", err)
	}
	// A connection of its own: those of the read pool may not even write to another file, and the
	// writer's must not be held for so long.
	db, err := sql.Open("sqlite", s.dsn("rw"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		if rerr := os.Remove(path); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		return err
	}
	if err := syncFile(path); err != nil {
		return unavailable("The backup was written but cannot be made safe.", errors.Join(err, os.Remove(path)))
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func unavailable(message string, err error) error {
	return &remora.Error{Kind: remora.KindUnavailable, Message: message, Err: err}
}
