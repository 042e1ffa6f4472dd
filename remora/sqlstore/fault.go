package sqlstore

import (
	"context"
	"errors"

	"github.com/sugarlabs/beamrider/remora"
)

// commitError is an error of COMMIT itself: whether the transaction took place is not known.
type commitError struct{ error }

func (e commitError) Unwrap() error { return e.error }

// beginError is an error of getting a connection or beginning a transaction: whatever it is, the
// database cannot be used.
type beginError struct{ error }

func (e beginError) Unwrap() error { return e.error }

// fail turns any error into the one a caller sees: ours get their Op, those of the driver a kind and
// a sentence. It is called once for each call that failed.
func (s *Store) fail(op string, err error) error {
	if callback, ok := errors.AsType[yieldError](err); ok {
		return callback.error // the caller's own
	}
	return s.d.fail(op, err)
}

func (d *dialect) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	op = "sqlstore." + op
	if ours, ok := errors.AsType[*remora.Error](err); ok {
		if ours.Op != "" {
			return err
		}
		e := *ours
		e.Op = op
		return &e
	}
	e := &remora.Error{Kind: remora.KindInternal, Op: op, Err: err}
	f := d.classify(err)
	_, begin := errors.AsType[beginError](err)
	_, commit := errors.AsType[commitError](err)
	gone := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	switch {
	case commit && (f == faultGone || f == faultNone || gone):
		e.Kind, e.Code = remora.KindUnavailable, "outcome.unknown"
		e.Message = "The connection to the database broke while the change was being saved, so it may or may not have been made. Do it again in a minute: what is there already is not made twice."
	case f == faultBusy:
		e.Kind = remora.KindUnavailable
		e.Message = "The database is held by another program. Try again when that one is done; if it goes on, look for a second server or a tool that has the file open."
	case f == faultRetry:
		e.Kind = remora.KindUnavailable
		e.Message = "The database is too busy with other changes just now. Try again in a minute."
	case f == faultSchema && !begin:
		e.Kind, e.Code = remora.KindUnavailable, "schema.missing"
		e.Message = "The database is not set up for this version of the program. Start the server once, or run its migrations."
	case f == faultReadOnly:
		e.Kind = remora.KindReadOnly
		e.Message = "The database takes no changes: it is read-only. If another one has become the primary, write to that; else check the permissions of the file or the server's read_only."
	case f == faultCorrupt:
		e.Kind = remora.KindCorrupt
		e.Message = "The database is damaged. Stop the server and restore the last backup."
	case f == faultTooLarge:
		e.Kind = remora.KindTooLarge
		e.Message = "One of the values is too long for the database."
	case f == faultDuplicate:
		e.Kind = remora.KindConflict
		e.Message = "Somebody else has made the same thing in the meantime. Look at what is there now, then try again."
	case f == faultSpace:
		e.Kind, e.Code = remora.KindUnavailable, "disk.full"
		e.Message = "There is no space left for the database, or its disk does not write. Make room, then do it again; nothing was changed."
	case f == faultGone || begin || gone:
		e.Kind = remora.KindUnavailable
		e.Message = "The database does not answer. Check that it runs and can be reached, then try again in a minute."
	}
	return e
}

// failIn is fail for errors of statements. SQLite has one code for all bad SQL; it means a missing
// table only while migrations are to come, and a mistake of ours otherwise.
func (s *Store) failIn(ctx context.Context, op string, err error) error {
	failed := s.fail(op, err)
	if s.d.engine != SQLite || err == nil || s.d.classify(err) != faultSchema {
		return failed
	}
	if n, perr := Pending(ctx, s.conns, s.d.engine); perr == nil && n == 0 {
		return &remora.Error{Kind: remora.KindInternal, Op: "sqlstore." + op, Err: err}
	}
	return failed
}

// yieldError carries an error of a caller's callback through a transaction unchanged.
type yieldError struct{ error }

func (e yieldError) Unwrap() error { return e.error }
