package replica

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// ErrUnknownOutcome: a write was sent, and the connection was lost before the server said how it
// ended. It may have happened, may still happen, or never. The error that wraps it is an
// [OutcomeError]. Look what is there before it is done again.
var ErrUnknownOutcome = errors.New("replica: it is not known whether the write happened")

// An OutcomeError says of a write that its outcome is not known. errors.Is finds [ErrUnknownOutcome]
// and what Err wraps, which may be an error of a context.
type OutcomeError struct {
	Node       string // where the write was sent; "" with a [Single] router
	Generation uint64 // as in [Status], when the connection was made
	Marker     string // for [Router.Resolve]; "" if the write had none
	Err        error  // how the connection was lost
}

// Error implements error.
func (e *OutcomeError) Error() string {
	text := ErrUnknownOutcome.Error() + ", look before it is done again"
	if e.Node != "" {
		text += "; it was sent to node " + e.Node
	}
	return text + ": " + e.Err.Error()
}

// Is reports whether target is [ErrUnknownOutcome].
func (e *OutcomeError) Is(target error) bool { return target == ErrUnknownOutcome }

// Unwrap returns how the connection was lost.
func (e *OutcomeError) Unwrap() error { return e.Err }

// Numbers of errors of MariaDB.
const (
	tooManyConnections = 1040
	lockWaitTimeout    = 1205
	deadlock           = 1213
	recordChanged      = 1020 // since the transaction read it
	optionPrevents     = 1290 // read_only, among others
	readOnlyTx         = 1792 // the transaction or session is read-only
	readOnlyMode       = 1836
	shutdown           = 1053
	errorDuringCommit  = 1180
	interrupted        = 1317
	connectionKilled   = 1927
	statementTimeout   = 1969
)

// answerOf returns the number of the error that the server answered with; 0: it did not.
func answerOf(err error) uint16 {
	var answered *mysql.MySQLError
	if errors.As(err, &answered) {
		return answered.Number
	}
	return 0
}

// lostRace reports whether the server undid a transaction, or makes it wait too long, because of others.
func lostRace(err error) bool {
	switch answerOf(err) {
	case lockWaitTimeout, deadlock, recordChanged:
		return true
	}
	return false
}

// undecided reports whether a server that answered err to a write may have done it: it was
// stopped while it waited, perhaps for the acknowledgement of a replica.
func undecided(err error) bool {
	switch answerOf(err) {
	case shutdown, errorDuringCommit, interrupted, connectionKilled, statementTimeout:
		return true
	}
	return false
}

// unknown makes err, which is how a connection was lost that had a write to confirm, into an
// OutcomeError. Reads of the session go to the primary from now on: whatever happened shows there.
func (c *writeConn) unknown(ctx context.Context, err error) error {
	if s := sessionOf(ctx); s != nil {
		s.unsure(c.node, false)
	}
	return &OutcomeError{Node: c.node.Name, Generation: c.generation, Err: err}
}

// written takes in how a statement by Exec ended.
func (c *writeConn) written(ctx context.Context, err error) error {
	switch {
	case err == nil:
		if !c.inTx {
			c.capture(ctx)
		}
		return nil
	case err == driver.ErrSkip:
		return err
	}
	if c.mayBeDone(err) {
		return c.unknown(ctx, err)
	}
	return c.failed(ctx, err)
}

// asked takes in how a statement by Query ended before it gave rows. Most of them only read, and
// those are not of interest here.
func (c *writeConn) asked(ctx context.Context, query string, err error) error {
	if err != driver.ErrSkip && c.mayBeDone(err) && !looksLikeRead(query) {
		return c.unknown(ctx, err)
	}
	return c.failed(ctx, err)
}

// mayBeDone reports whether a statement that ended with err was sent to be committed by itself, and
// the server has not said that it was not.
func (c *writeConn) mayBeDone(err error) bool {
	if c.inTx || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrBusyBuffer) {
		return false
	}
	if answerOf(err) != 0 {
		return undecided(err)
	}
	return !c.serverConn.IsValid() // while it is open, an error is the driver's own and nothing was sent
}

// failed takes in an error of a statement whose outcome is known: it was not done.
func (c *writeConn) failed(ctx context.Context, err error) error {
	if err == nil || err == driver.ErrSkip {
		return err
	}
	switch answerOf(err) {
	case optionPrevents, readOnlyMode:
		return c.refused(ctx, err)
	case readOnlyTx:
		return refusedWrite(err)
	case deadlock, recordChanged:
		// The server has undone the transaction, and would do each further statement for itself.
		if c.inTx {
			c.undone = err
		}
		return err
	}
	// Whoever has given up wants to read that. All others can do the transaction again.
	if c.inTx && ctx.Err() == nil && !c.serverConn.IsValid() {
		return c.interrupted(err)
	}
	return err
}

// An interruption is a loss of the connection before COMMIT was sent. It may be the fault of what
// was sent: a server closes the connection on a packet that is too large.
type interruption struct{ error }

func (e interruption) Unwrap() error { return e.error }

func (c *writeConn) interrupted(err error) error {
	c.node.hurry()
	return interruption{fmt.Errorf("%w: the connection to node %s was lost during the transaction; nothing was written, do it again: %w", ErrNoPrimary, c.node.Name, err)}
}

// refused finds out whether a server that did not do a statement because of a setting has become
// read-only. Outside a transaction the pool then tries another connection, which finds the new
// primary.
func (c *writeConn) refused(ctx context.Context, err error) error {
	readOnly, askErr := askOne(ctx, c.serverConn, askReadOnly)
	if askErr == nil && off(readOnly) {
		return err // another setting
	}
	c.over = true
	c.node.hurry()
	if !c.inTx {
		return driver.ErrBadConn
	}
	return fmt.Errorf("%w: node %s has become read-only during the transaction; nothing was written, do it again (%v): %w", ErrNoPrimary, c.node.Name, err, driver.ErrBadConn)
}
