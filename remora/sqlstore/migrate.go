package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"encoding/hex"
	"io/fs"
	"strconv"

	"github.com/pressly/goose/v3"

	"github.com/sugarlabs/beamrider/remora"
)

// The migrations go forward only: expand now, contract a release later, so that the program before
// keeps working on the new schema.
//
//go:embed migrations
var migrations embed.FS

// Migrate brings the schema up to this version of the program and gives a new database its epoch.
// Several processes may do so at once, and one that was killed half way is finished by the next.
// An error of KindUnavailable means: try again later; with code "copy.unfinished" it means that the
// schema is right but the database holds half a copy, see [Copy], and must not be used.
func Migrate(ctx context.Context, conns Conns, engine Engine) error {
	d := dialectOf(engine)
	if d == nil || conns == nil {
		return remora.Errorf(remora.KindInvalid, "store.engine", "A migration needs a database and one of the engines SQLite and MariaDB.")
	}
	if err := migrate(ctx, conns.Write(ctx), d); err != nil {
		return d.fail("Migrate", err)
	}
	var half int
	if err := conns.Write(ctx).QueryRowContext(ctx, "SELECT COUNT(*) FROM meta WHERE k = 'copy_from'").Scan(&half); err != nil {
		return d.fail("Migrate", err)
	}
	if half > 0 {
		return d.fail("Migrate", errHalf())
	}
	return nil
}

func migrate(ctx context.Context, db *sql.DB, d *dialect) error {
	p, err := provider(db, d.engine)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		if _, err = p.Up(ctx); err == nil {
			break
		}
		// Several may start at once. In an embedded database who loses the race finds the tables
		// made; on a server the library looks at its table of versions once before it takes the
		// lock, and may see it half made. The next look finds nothing left to do.
		if attempt == attempts || d.classify(err) == faultGone || !pause(ctx, attempt) {
			return err
		}
	}
	return ensureEpoch(ctx, db, d)
}

func provider(db *sql.DB, engine Engine) (*goose.Provider, error) {
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	folder, dialect := "migrations/sqlite", goose.DialectSQLite3
	if engine == MariaDB {
		folder, dialect = "migrations/mariadb", goose.DialectMySQL
		options = append(options, goose.WithSessionLocker(serverLock{}))
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, db, files, options...)
}

// serverLock is a named lock of the server, one for each database. It goes away with its
// connection, so that a killed process leaves none.
type serverLock struct{}

const lockName = "CONCAT('beamrider migrate ', DATABASE())"

// SessionLock waits for the lock until ctx ends, but at most a minute. It asks again each second,
// as one long wait would look like a server that hangs.
func (serverLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	for range 60 {
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+lockName+", 1)").Scan(&got); err != nil {
			return err
		}
		if got.Int64 == 1 {
			return nil
		}
	}
	return remora.Errorf(remora.KindUnavailable, "migrate.locked", "Another program has been changing the database's schema for a minute. Wait for it, then try again.")
}

// SessionUnlock lets the lock go.
func (serverLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, defaultWait)
	defer cancel()
	_, err := conn.ExecContext(ctx, "DO RELEASE_LOCK("+lockName+")")
	return err
}

// Pending returns how many migrations [Migrate] would run. It changes nothing.
func Pending(ctx context.Context, conns Conns, engine Engine) (n int, err error) {
	d := dialectOf(engine)
	if d == nil || conns == nil {
		return 0, remora.Errorf(remora.KindInvalid, "store.engine", "There is no such database engine.")
	}
	db := conns.Read(ctx)
	p, err := provider(db, engine)
	if err != nil {
		return 0, d.fail("Pending", err)
	}
	sources := p.ListSources()
	var tables int
	count := "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'"
	if engine == MariaDB {
		count = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'goose_db_version'"
	}
	if err := db.QueryRowContext(ctx, count).Scan(&tables); err != nil {
		return 0, d.fail("Pending", beginError{err})
	}
	if tables == 0 {
		return len(sources), nil
	}
	var at sql.NullInt64
	if err := db.QueryRowContext(ctx, "SELECT MAX(version_id) FROM goose_db_version WHERE is_applied").Scan(&at); err != nil {
		return 0, d.fail("Pending", err)
	}
	for _, s := range sources {
		if s.Version > at.Int64 {
			n++
		}
	}
	return n, nil
}

func newEpoch() string {
	var b [8]byte
	rand.Read(b[:]) // does not fail, by its documentation
	return hex.EncodeToString(b[:])
}

func ensureEpoch(ctx context.Context, db *sql.DB, d *dialect) error {
	_, err := db.ExecContext(ctx, d.insertIgnore+"meta (k, v) VALUES ('epoch', ?)", newEpoch())
	return err
}

// NewEpoch says that history is another one from here on, as after a restore: no reader takes the
// numbers of the change feed for those of the time before: [Store.Since] answers [remora.ErrGap] to
// every earlier position, so that a view loads everything anew. It is done in the modes normal,
// frozen and moved, and leaves the mode, the audit log and [Store.Digest] as they are; half a copy
// (see [Copy]) refuses it. At a promotion call it on the new primary before writes are let in.
func (s *Store) NewEpoch(ctx context.Context) error {
	return s.writeIn(ctx, "NewEpoch", true, func(t *tx) error {
		if err := t.whole(); err != nil {
			return err
		}
		return t.newEpoch()
	})
}

func (t *tx) newEpoch() error {
	_, err := t.exec("UPDATE meta SET v = ? WHERE k = 'epoch'", newEpoch())
	return err
}

// Position returns the present end of the change feed.
func (s *Store) Position(ctx context.Context) (at remora.Position, err error) {
	err = s.snapshot(ctx, "Position", func(t *tx) (err error) {
		at, _, err = t.position()
		return err
	})
	return at, err
}

// position returns the end of the feed and the highest number that was pruned from it.
func (t *tx) position() (at remora.Position, pruned int64, err error) {
	at.Seq = -1
	var k, v string
	var n int64
	err = t.each([]any{&n, &k, &v}, func() error {
		at.Seq = n
		switch k {
		case "epoch":
			at.Epoch = v
		case "pruned":
			var err error
			pruned, err = strconv.ParseInt(v, 10, 64)
			return err
		case "copy_from":
			return errHalf()
		}
		return nil
	}, "SELECT seq.n, meta.k, meta.v FROM seq CROSS JOIN meta WHERE seq.id = 1 AND meta.k IN ('epoch', 'pruned', 'copy_from')")
	if err == nil && (at.Epoch == "" || at.Seq < 0) {
		err = remora.Errorf(remora.KindUnavailable, "schema.missing", "The database is not set up yet. Start the server once, or run its migrations.")
	}
	return at, pruned, err
}

// pruneBatch bounds how many numbers one transaction of Prune takes away.
const pruneBatch = 5000

// Prune takes changes from before the moment out of the feed. Readers that are further behind load
// everything anew.
func (s *Store) Prune(ctx context.Context, before remora.Time) error {
	for {
		more := false
		err := s.write(ctx, "Prune", func(t *tx) error {
			more = false
			at, pruned, err := t.position()
			if err != nil {
				return err
			}
			// By number, not by time: clocks step back, numbers do not.
			to := at.Seq
			switch err := t.one([]any{&to}, "SELECT seq FROM changes WHERE at >= ? ORDER BY seq LIMIT 1", int64(before)); {
			case err == nil:
				to--
			case !isNone(err):
				return err
			}
			if to <= pruned {
				return nil
			}
			if to > pruned+pruneBatch {
				to, more = pruned+pruneBatch, true
			}
			if _, err := t.exec("DELETE FROM changes WHERE seq <= ?", to); err != nil {
				return err
			}
			_, err = t.exec("UPDATE meta SET v = ? WHERE k = 'pruned'", strconv.FormatInt(to, 10))
			return err
		})
		if err != nil || !more {
			return err
		}
	}
}
