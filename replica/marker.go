package replica

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

const (
	markerKept   = 24 * time.Hour // before it is swept
	markerKnown  = 12 * time.Hour // for which its absence means something; less, as clocks differ
	sweepEvery   = 64             // marks
	sweepAtOnce  = 256            // rows; more than sweepEvery, so that it gets less
	sweepTime    = time.Second
	markerLength = 16 // bytes: milliseconds since 1970, which keeps old ones together, then chance
)

var markerName = regexp.MustCompile(`^[0-9A-Za-z_$]{1,64}\.[0-9A-Za-z_$]{1,64}$`)

// markerTable returns the table as statements name it; "" if name is not that of one.
func markerTable(name string) string {
	if !markerName.MatchString(name) {
		return ""
	}
	database, table, _ := strings.Cut(name, ".")
	return "`" + database + "`.`" + table + "`"
}

func (r *Router) markers() string { return markerTable(r.config.Marker) }

// CreateMarkerTable makes the table of [Config.Marker] on the primary, if it is not there. The
// account must be allowed to create tables; then it needs SELECT, INSERT and DELETE.
func (r *Router) CreateMarkerTable(ctx context.Context) error {
	if r.config.Marker == "" {
		return errNoMarkers
	}
	_, err := r.Write(ctx).ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+r.markers()+" (id BINARY(16) NOT NULL PRIMARY KEY) ENGINE=InnoDB")
	if err != nil {
		return fmt.Errorf("replica: the table of markers: %w", err)
	}
	return nil
}

var errNoMarkers = errors.New("replica: the router has no table of markers; set Config.Marker")

// mark inserts a marker.
func (r *Router) mark(ctx context.Context, tx *sql.Tx) (string, error) {
	var id [markerLength]byte
	rand.Read(id[6:]) // it never fails
	var now [8]byte
	binary.BigEndian.PutUint64(now[:], uint64(time.Now().UnixMilli()))
	copy(id[:6], now[2:])
	marker := hex.EncodeToString(id[:])
	if _, err := tx.ExecContext(ctx, "INSERT INTO "+r.markers()+" (id) VALUES (0x"+marker+")"); err != nil {
		return "", fmt.Errorf("replica: the marker of a transaction: %w", err)
	}
	return marker, nil
}

// markerTime returns when a marker was made, or an error if it is none.
func markerTime(marker string) (time.Time, error) {
	id, err := hex.DecodeString(marker)
	if err != nil || len(id) != markerLength {
		return time.Time{}, fmt.Errorf("replica: %.40q is not a marker", marker)
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)), nil
}

// Resolve finds out whether the transaction with the marker of an [OutcomeError] was committed. It
// asks the primary of now, and the answer is final: while the transaction may still end either way,
// as when its server waits for a replica to acknowledge it, Resolve waits, until ctx ends or for 30 s
// if it has no deadline. After a failover the transaction is committed if the new primary has it.
//
// A marker is kept for a day, and good for half of one. A session in ctx notes a transaction that was
// committed.
func (r *Router) Resolve(ctx context.Context, marker string) (committed bool, err error) {
	if r.config.Marker == "" {
		return false, errNoMarkers
	}
	made, err := markerTime(marker)
	if err != nil {
		return false, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, endurance)
		defer cancel()
	}
	p := newPersistence(ctx)
	for {
		if time.Since(made) > markerKnown {
			return false, fmt.Errorf("replica: the marker %s is of %s; that is too long ago to know", marker, made.UTC().Format(time.DateTime))
		}
		committed, err = r.askMarker(ctx, marker)
		if err == nil {
			return committed, nil
		}
		p.begun = 0 // who waits for the transaction to end waits for a lock
		if lost := (*OutcomeError)(nil); errors.As(err, &lost) {
			err = fmt.Errorf("%w: the connection was lost while it was asked: %w", ErrNoPrimary, lost.Err)
		}
		if err = p.again(ctx, r, err); err != nil {
			return false, fmt.Errorf("replica: what became of the marker %s: %w", marker, err)
		}
	}
}

// askMarker looks once. The row is locked by the transaction that inserts it, until that ends: asking
// for the same lock is waiting for its end. The commit makes sure that the server still is the
// primary.
func (r *Router) askMarker(ctx context.Context, marker string) (found bool, err error) {
	plain := WithSession(ctx, nil) // nothing is written
	tx, err := r.Write(ctx).BeginTx(plain, nil)
	if err != nil {
		return false, err
	}
	ended := false
	defer func() {
		if !ended {
			_ = tx.Rollback() // nothing was written, and what failed is returned
		}
	}()
	var one int
	err = tx.QueryRowContext(plain, "SELECT 1 FROM "+r.markers()+" WHERE id = 0x"+marker+" FOR UPDATE").Scan(&one)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	found = err == nil
	var at gtids
	s := sessionOf(ctx)
	if found && s != nil {
		var text string
		if err := tx.QueryRowContext(plain, askWritten).Scan(&text); err != nil {
			return false, err
		}
		if at, err = parseGTIDs(text, ","); err != nil {
			return false, err
		}
	}
	ended = true
	if err := tx.Commit(); err != nil {
		return false, err
	}
	if found && s != nil {
		s.wrote(at)
	}
	return found, nil
}

// sweepSometimes removes some old markers. The write of the caller has happened: this must not make
// it look failed.
func (r *Router) sweepSometimes(ctx context.Context, marker string) {
	if marker == "" || r.marks.Add(1)%sweepEvery != 0 {
		return
	}
	if err := r.sweep(ctx, time.Now().Add(-markerKept)); err != nil {
		r.log.Warn("old markers of transactions were not removed", "table", r.config.Marker, "error", err)
	}
}

func (r *Router) sweep(ctx context.Context, before time.Time) error {
	ctx, cancel := context.WithTimeout(WithSession(context.WithoutCancel(ctx), nil), sweepTime)
	defer cancel()
	_, err := r.write.ExecContext(ctx, fmt.Sprintf("DELETE FROM %s WHERE id < 0x%012x%020x ORDER BY id LIMIT %d", r.markers(), before.UnixMilli(), 0, sweepAtOnce))
	return err
}
