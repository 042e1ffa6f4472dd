package heartbeat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica/internal/tablename"
)

// Config is what [New] needs.
type Config struct {
	// Writes gives the pool of the primary, as the router of package replica does. Required. The account
	// needs SELECT, INSERT and UPDATE on the table; with BINLOG MONITOR, rows tell the place in the binary
	// log too.
	Writes interface {
		Write(context.Context) *sql.DB
	}
	// Table is database.table. Required.
	Table string
	// Create makes the table where there is none; the account needs CREATE on it. The database must be
	// there.
	Create bool
	// Every is the time between two heartbeats. 0 means 500 ms; 100 ms to 5 s: package replica takes one
	// that is silent for 10 s for lost.
	Every time.Duration
	// Timeout bounds one heartbeat. 0 means 2 s; 100 ms to 1 minute.
	Timeout time.Duration
	// Logger is told once when heartbeats fail, and once when they work again. nil discards.
	Logger *slog.Logger
}

// ErrIdle is what [Writer.Err] gives before the first heartbeat.
var ErrIdle = errors.New("heartbeat: none was written yet")

// A Writer writes heartbeats. It is safe for concurrent use; make it with [New].
type Writer struct {
	config  Config
	table   string // quoted
	running atomic.Bool
	last    atomic.Pointer[outcome]
	beats   atomic.Uint64
	fails   atomic.Uint64
	mute    bool // the account may not see the place in the binary log; of Run alone
}

type outcome struct{ err error }

// New returns a writer. It checks c and reports all mistakes at once; it connects to nobody.
func New(c Config) (*Writer, error) {
	var errs []error
	if c.Writes == nil {
		errs = append(errs, errors.New("heartbeat: Writes is nil; give it what knows the primary"))
	}
	table, err := tablename.Quote(c.Table)
	if err != nil {
		errs = append(errs, fmt.Errorf("heartbeat: Table: %w", err))
	}
	between := func(what string, d *time.Duration, preset, low, high time.Duration) {
		if *d == 0 {
			*d = preset
		}
		if *d < low || *d > high {
			errs = append(errs, fmt.Errorf("heartbeat: %s is %s; it must be from %s to %s", what, *d, low, high))
		}
	}
	between("Every", &c.Every, 500*time.Millisecond, 100*time.Millisecond, 5*time.Second)
	between("Timeout", &c.Timeout, 2*time.Second, 100*time.Millisecond, time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	w := &Writer{config: c, table: table}
	w.last.Store(&outcome{ErrIdle})
	return w, nil
}

// Run writes heartbeats until ctx ends, and then returns nil. One that fails is not the end: see
// [Writer.Err]. It may run again, but only once at a time.
func (w *Writer) Run(ctx context.Context) error {
	if !w.running.CompareAndSwap(false, true) {
		return errors.New("heartbeat: this writer runs already")
	}
	defer w.running.Store(false)
	w.mute = false // the account may have got more rights
	ticker := time.NewTicker(w.config.Every)
	defer ticker.Stop()
	for {
		err := w.beat(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.note(err)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Err returns why the last heartbeat failed; nil if it did not.
func (w *Writer) Err() error { return w.last.Load().err }

// Stats counts what a writer did since [New]. Numbers only rise.
type Stats struct {
	Beats    uint64 // heartbeats written, or found fresh
	Failures uint64
}

// Stats returns the counts.
func (w *Writer) Stats() Stats { return Stats{Beats: w.beats.Load(), Failures: w.fails.Load()} }

func (w *Writer) note(err error) {
	before := w.last.Swap(&outcome{err}).err
	if err == nil {
		w.beats.Add(1)
		if before != nil && !errors.Is(before, ErrIdle) {
			w.config.Logger.Info("heartbeats are written again", "table", w.config.Table)
		}
		return
	}
	w.fails.Add(1)
	if before == nil || errors.Is(before, ErrIdle) {
		w.config.Logger.Warn("heartbeats fail", "table", w.config.Table, "problem", err)
	}
}

// beat writes one heartbeat.
func (w *Writer) beat(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, w.config.Timeout)
	defer cancel()
	// All on one connection: who is asked for its number must be who is written to.
	conn, err := w.config.Writes.Write(ctx).Conn(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closed := conn.Close(); !errors.Is(closed, sql.ErrConnDone) { // the driver gave it up already
			err = errors.Join(err, closed)
		}
	}()
	var server uint32
	var readOnly bool
	if err := conn.QueryRowContext(ctx, "SELECT @@global.server_id, CAST(@@global.read_only AS CHAR) NOT IN ('0', 'OFF')").Scan(&server, &readOnly); err != nil {
		return err
	}
	if readOnly {
		return fmt.Errorf("heartbeat: server %d is read-only; heartbeats are for the primary alone", server)
	}
	err = w.write(ctx, conn, server)
	if numbered(err, noSuchTable) && w.config.Create {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf(create, w.table)); err != nil {
			return fmt.Errorf("heartbeat: the table %s cannot be made; make its database, and GRANT CREATE on it to the account: %w", w.config.Table, err)
		}
		err = w.write(ctx, conn, server)
	}
	return err
}

// create makes the table as pt-heartbeat documents it.
const create = `CREATE TABLE IF NOT EXISTS %s (
  ts                    VARCHAR(26) NOT NULL,
  server_id             INT UNSIGNED NOT NULL PRIMARY KEY,
  file                  VARCHAR(255) DEFAULT NULL,
  position              BIGINT UNSIGNED DEFAULT NULL,
  relay_master_log_file VARCHAR(255) DEFAULT NULL,
  exec_master_log_pos   BIGINT UNSIGNED DEFAULT NULL
)`

const (
	form = "%Y-%m-%dT%H:%i:%s.%f"

	// A row of the future is not fresh: clocks are set back.
	lookAt = "SELECT ts, ts BETWEEN DATE_FORMAT(UTC_TIMESTAMP(6) - INTERVAL %[2]d MICROSECOND, '%[3]s') AND DATE_FORMAT(UTC_TIMESTAMP(6), '%[3]s') FROM %[1]s WHERE server_id = ?"

	// Statements go into the binary log as they stand, twice a second: they are short. A row may be locked
	// for as long as replicas are waited for; whoever waits for that lock shall not outlive the call by much.
	bounded = "SET STATEMENT innodb_lock_wait_timeout=1 FOR "
	moveOn  = bounded + "UPDATE %s SET ts=DATE_FORMAT(UTC_TIMESTAMP(6),'%s'),file=?,position=? WHERE server_id=? AND ts=?"
	add     = bounded + "INSERT INTO %s (ts,server_id,file,position) VALUES (DATE_FORMAT(UTC_TIMESTAMP(6),'%s'),?,?,?) ON DUPLICATE KEY UPDATE ts=VALUES(ts)"
)

// write leaves a fresh row as it is, and one that somebody else writes meanwhile, so that not every
// writer makes work for the replicas.
func (w *Writer) write(ctx context.Context, conn *sql.Conn, server uint32) error {
	var ts string
	var fresh bool
	look := fmt.Sprintf(lookAt, w.table, (w.config.Every / 2).Microseconds(), form)
	err := conn.QueryRowContext(ctx, look, server).Scan(&ts, &fresh)
	if err != nil && !errors.Is(err, sql.ErrNoRows) || fresh {
		return err
	}
	file, position, placeErr := w.place(ctx, conn)
	switch {
	case placeErr != nil:
		return placeErr
	case err != nil:
		_, err = conn.ExecContext(ctx, fmt.Sprintf(add, w.table, form), server, file, position)
	default:
		_, err = conn.ExecContext(ctx, fmt.Sprintf(moveOn, w.table, form), file, position, server, ts)
	}
	return err
}

// place returns where the binary log is, if the account may know that.
func (w *Writer) place(ctx context.Context, conn *sql.Conn) (file sql.NullString, position sql.NullInt64, err error) {
	if w.mute {
		return file, position, nil
	}
	var do, ignore sql.NullString
	err = conn.QueryRowContext(ctx, "SHOW MASTER STATUS").Scan(&file, &position, &do, &ignore)
	switch {
	case numbered(err, denied):
		w.mute = true
		err = nil
	case errors.Is(err, sql.ErrNoRows): // it has no binary log
		err = nil
	}
	return file, position, err
}

// Errors of servers.
const (
	noSuchTable = 1146
	denied      = 1227
)

func numbered(err error, number uint16) bool {
	said := (*mysql.MySQLError)(nil)
	return errors.As(err, &said) && said.Number == number
}
