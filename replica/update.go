package replica

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	maxTries      = 8                      // of a transaction that there was a primary for
	endurance     = 30 * time.Second       // how long a primary is waited for, if ctx has no deadline
	shortestPause = 2 * time.Millisecond   // between two tries; it doubles
	longestPause  = 200 * time.Millisecond // which it does not exceed, after a lost race
	longestWait   = 40 * time.Millisecond  // and after a lost connection: others may have found a primary
)

// Update runs f in a transaction on the primary and commits it. It begins again, f too, when that is
// safe: after a deadlock or a lock that was waited for too long, when the connection was lost or
// the server became read-only before COMMIT was sent (up to 8 tries), and while there is no primary (as
// long as ctx allows, or for 30 s if it has no deadline). What was tried before was undone.
// f must therefore be repeatable: it does nothing outside the transaction that must not be done
// twice, and keeps nothing from a try that failed.
//
// A COMMIT that was sent and not answered, be it because ctx ended, is never tried again:
// the error wraps [ErrUnknownOutcome]. With [Config.Marker] Update first tries to find out by itself
// what happened, as by [Router.Resolve]: if it was committed, that is no error, and if not, it begins
// again. If it cannot find out, the [OutcomeError] has the marker.
//
// An error of f ends it, if it is none of those; f returns errors of the database so that
// errors.Is and errors.As find them. Statements that commit by themselves, as CREATE TABLE, have no
// place in f. opts may be nil. A session in ctx notes what was written. With a [Single] router of another
// driver than that of MySQL the transaction is tried once.
func (r *Router) Update(ctx context.Context, opts *sql.TxOptions, f func(*sql.Tx) error) error {
	p := newPersistence(ctx)
	for {
		err := r.updateOnce(ctx, opts, f)
		if lost := (*markedError)(nil); errors.As(err, &lost) {
			var committed bool
			if committed, err = r.found(ctx, lost); committed && err == nil {
				return nil
			}
		}
		if err == nil {
			return nil
		}
		if err = p.again(ctx, r, err); err != nil {
			return err
		}
	}
}

// found finds out about a commit. err is why it could not, or if it did not happen, that.
func (r *Router) found(ctx context.Context, lost *markedError) (committed bool, err error) {
	if ctx.Err() != nil {
		return false, lost.OutcomeError
	}
	committed, err = r.Resolve(ctx, lost.Marker)
	switch {
	case err != nil:
		return false, fmt.Errorf("%w; %w", lost.OutcomeError, err)
	case !committed:
		return false, interruption{fmt.Errorf("%w: the connection was lost at COMMIT and nothing was written, do it again: %w", ErrNoPrimary, lost.Err)}
	}
	return true, nil
}

// updateOnce runs f in one transaction.
func (r *Router) updateOnce(ctx context.Context, opts *sql.TxOptions, f func(*sql.Tx) error) error {
	tx, err := r.Write(ctx).BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended {
			// It is undone by the server if the connection is lost, which what went before has said.
			_ = tx.Rollback()
		}
	}()
	if err := f(tx); err != nil {
		return err
	}
	marker := ""
	if r.config.Marker != "" && (opts == nil || !opts.ReadOnly) {
		if marker, err = r.mark(ctx, tx); err != nil {
			return err
		}
	}
	ended = true
	err = tx.Commit()
	if err == nil {
		r.sweepSometimes(ctx, marker)
		return nil
	}
	if r.single != nil && broken(err) && !errors.Is(err, driver.ErrBadConn) {
		return &OutcomeError{Err: err}
	}
	if lost := (*OutcomeError)(nil); marker != "" && errors.As(err, &lost) {
		lost.Marker = marker
		return &markedError{lost}
	}
	return err
}

// A markedError is of the commit of Update itself, and not of something that f did.
type markedError struct{ *OutcomeError }

// A persistence decides how often a transaction is tried again.
type persistence struct {
	begun int // tries that a primary was there for
	tries int
	until time.Time // zero: the context says
}

func newPersistence(ctx context.Context) *persistence {
	if _, ok := ctx.Deadline(); ok {
		return &persistence{}
	}
	return &persistence{until: time.Now().Add(endurance)}
}

// again waits until it is time to try again after err, and returns nil, or why there is no sense in
// it: err, with that of ctx if it has ended.
func (p *persistence) again(ctx context.Context, r *Router, err error) error {
	p.tries++
	race := lostRace(err)
	_, broke := errors.AsType[interruption](err)
	if race || broke || !errors.Is(err, ErrNoPrimary) {
		p.begun++
	}
	switch {
	case errors.Is(err, ErrUnknownOutcome):
		return err
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return err
	case ctx.Err() != nil:
		return errors.Join(err, ctx.Err())
	case !race && !neverSent(err):
		return err
	case p.begun >= maxTries:
		return fmt.Errorf("replica: %d tries: %w", p.tries, err)
	}
	limit := ctx
	if !p.until.IsZero() {
		var cancel context.CancelFunc
		limit, cancel = context.WithDeadline(ctx, p.until)
		defer cancel()
	}
	longest := longestWait
	if race {
		longest = longestPause
	}
	// A random while, so that two that got into each other's way do not meet again.
	most := min(shortestPause<<min(p.tries, 10), longest)
	if !r.awaitPrimary(limit) || !pause(limit, most/4+rand.N(most), nil) {
		return errors.Join(err, ctx.Err())
	}
	return nil
}

// neverSent reports whether err, of a transaction whose COMMIT did not fail, comes of a server that
// could not do it, and of none that did not want to.
func neverSent(err error) bool {
	switch answerOf(err) {
	case tooManyConnections, shutdown, connectionKilled:
		return true
	}
	return errors.Is(err, ErrNoPrimary) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn)
}

// awaitPrimary waits for a primary. It reports false when ctx has ended.
func (r *Router) awaitPrimary(ctx context.Context) bool {
	if r.single != nil {
		return true
	}
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		if r.view.Load().primary != nil {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}
