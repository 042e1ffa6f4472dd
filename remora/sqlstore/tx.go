package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// A tx is a transaction in which the store works.
type tx struct {
	*Store
	sql *sql.Tx
	ctx context.Context

	entry *entry
}

func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	if t.trace != nil {
		t.trace(query)
	}
	return t.sql.ExecContext(t.ctx, query, args...)
}

// insert executes an INSERT and returns the id the engine gave.
func (t *tx) insert(query string, args ...any) (int64, error) {
	res, err := t.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// one scans the only row of a query; no row is sql.ErrNoRows.
func (t *tx) one(dest []any, query string, args ...any) error {
	if t.trace != nil {
		t.trace(query)
	}
	return t.sql.QueryRowContext(t.ctx, query, args...).Scan(dest...)
}

// each calls f after scanning each row into dest. It is the only loop over rows there is, so none
// forgets that a loop may end by an error.
func (t *tx) each(dest []any, f func() error, query string, args ...any) (err error) {
	if t.trace != nil {
		t.trace(query)
	}
	rows, err := t.sql.QueryContext(t.ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := f(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// insertRows executes prefix followed by the rows of values and suffix, many rows a statement.
func (t *tx) insertRows(prefix, suffix string, columns int, rows iter.Seq[[]any]) error {
	const most = 100
	one := ", (" + strings.TrimPrefix(strings.Repeat(", ?", columns), ", ") + ")"
	var args []any
	flush := func() error {
		if len(args) == 0 {
			return nil
		}
		_, err := t.exec(prefix+" VALUES "+strings.TrimPrefix(strings.Repeat(one, len(args)/columns), ", ")+suffix, args...)
		args = args[:0]
		return err
	}
	for row := range rows {
		args = append(args, row...)
		if len(args) >= most*columns {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// marks returns n question marks.
func marks(n int) string { return strings.TrimPrefix(strings.Repeat(", ?", n), ", ") }

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// begin gets a connection within the wait and begins a transaction on it. The connection is asked
// for apart, because the context of BeginTx lives as long as the transaction, and because a server
// that accepts connections and then says nothing would be tried several times by database/sql.
func (s *Store) begin(ctx context.Context, db *sql.DB, o *sql.TxOptions) (*sql.Tx, func() error, error) {
	wait, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	conn, err := db.Conn(wait)
	if err != nil {
		return nil, nil, beginError{err}
	}
	t, err := conn.BeginTx(ctx, o)
	if err != nil {
		return nil, nil, beginError{errors.Join(err, conn.Close())}
	}
	return t, conn.Close, nil
}

// snapshot runs f in a read-only transaction: all its queries see one moment.
func (s *Store) snapshot(ctx context.Context, op string, f func(*tx) error) error {
	return s.failIn(ctx, op, s.inTx(ctx, s.conns.Read(ctx), s.d.read, f))
}

func (s *Store) inTx(ctx context.Context, db *sql.DB, o *sql.TxOptions, f func(*tx) error) (err error) {
	begun, release, err := s.begin(ctx, db, o)
	if err != nil {
		return err
	}
	defer func() {
		// A connection that was closed meanwhile has been reported by what failed on it.
		if cerr := release(); cerr != nil && !errors.Is(cerr, sql.ErrConnDone) {
			err = errors.Join(err, cerr)
		}
	}()
	t := &tx{Store: s, sql: begun, ctx: ctx}
	done := false
	defer func() {
		if !done {
			// The transaction failed or f panicked; an error of rolling back a broken connection adds nothing.
			_ = begun.Rollback()
		}
	}()
	if err := f(t); err != nil {
		return err
	}
	if err := t.finish(); err != nil {
		return err
	}
	done = true
	if err := begun.Commit(); err != nil {
		if o != nil && o.ReadOnly {
			return beginError{err} // nothing was to be saved
		}
		return commitError{err}
	}
	return nil
}

// attempts bounds how often a transaction is tried that lost against others.
const attempts = 8

// write runs f in a write transaction, again if it is the victim of a deadlock or of another's
// insert of the same key. f must not keep anything from an attempt that failed. An f that makes no
// entry changes nothing of the catalog that readers see.
func (s *Store) write(ctx context.Context, op string, f func(*tx) error) error {
	return s.writeIn(ctx, op, false, f)
}

// writeIn is write; with always it does so even when the write mode forbids.
func (s *Store) writeIn(ctx context.Context, op string, always bool, f func(*tx) error) error {
	db := s.conns.Write(ctx)
	var err error
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		err = s.inTx(ctx, db, s.d.write, func(t *tx) error {
			if !always {
				if err := t.checkMode(); err != nil {
					return err
				}
			}
			return f(t)
		})
		if err == nil {
			return nil
		}
		if _, ok := errors.AsType[*remora.Error](err); ok {
			break
		}
		if f := s.d.classify(err); f != faultRetry && f != faultDuplicate || attempt == attempts || time.Since(begun) > s.wait {
			break
		}
		s.log.Debug("sqlstore: a transaction is tried again", "op", op, "attempt", attempt, "err", err)
		if !pause(ctx, attempt) {
			break
		}
	}
	return s.failIn(ctx, op, err)
}

// pause waits a random while that grows with the attempts, so that two victims of each other do
// not meet again. It reports whether ctx let it.
func pause(ctx context.Context, attempt int) bool {
	most := min(time.Millisecond<<attempt, 100*time.Millisecond)
	timer := time.NewTimer(rand.N(most))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
