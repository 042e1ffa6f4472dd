package sqlstore

import (
	"bytes"
	"context"
	"errors"

	"github.com/sugarlabs/beamrider/remora"
)

// MoveOptions tune [Move]. The zero value, or nil, is good.
type MoveOptions struct {
	// To says to people where the library went, such as "the MariaDB server on beamrider": writers
	// that still use the old database are told so. At most 255 bytes, no secrets; "" is "another database".
	To string
	// Progress is that of [CopyOptions].
	Progress func(CopyProgress)
}

// Move moves a library from one database to another, of any engine, so that it is written to in one of
// them at each moment: writes are frozen at the old one, everything is copied and compared (see
// [Copy]), the old one is marked as moved, and the new one takes writes. Reads go on at the old
// one all the time. It keeps the epoch: the new one goes on with the numbers of the old one,
// which gives out none any more, so that tokens and saved views stay good.
//
// After an error, or when ctx ends, the old database takes writes again, unless the error came
// after it was marked as moved: then the move is all but done, and doing it again finishes it. A
// Move that was killed is finished by doing it again, or undone by SetWriteMode(WriteNormal) on
// the old database; a copy it left is used or replaced by the next. To undo a finished move is to
// begin another history: SetWriteMode gives the old database a new epoch then, and what was
// written to the new one is not there.
//
// While writes are frozen, which is for as long as the copy takes, writers get KindReadOnly, leases
// are neither given nor renewed, and counts of downloads are refused too: who counts keeps them and
// tries again. A program that goes on with the new database hands them in there; one that is ended
// before loses what it counted since the freeze.
func Move(ctx context.Context, from, to *Store, o *MoveOptions) (CopyReport, error) {
	var options MoveOptions
	if o != nil {
		options = *o
	}
	var k checks
	k.line("the place it goes to", options.To, maxMovedTo)
	if err := k.err("move.invalid", "The move"); err != nil {
		return CopyReport{}, dialectOf(SQLite).fail("Move", err)
	}
	// Before anything is frozen: a target that would be refused.
	if err := CheckCopy(ctx, from, to); err != nil {
		if from != nil && to != nil && errors.Is(err, remora.ErrConflict) {
			if report, ok, merr := finishMove(ctx, from, to); ok || merr != nil {
				return report, merr
			}
		}
		return CopyReport{}, err
	}
	if report, ok, err := finishMove(ctx, from, to); ok || err != nil {
		return report, err
	}
	report, err := copyFrozen(ctx, from, to, &options)
	if err != nil {
		return CopyReport{}, errors.Join(err, thaw(ctx, from))
	}
	if err := from.setMode(ctx, WriteMoved, options.To); err != nil {
		if errors.Is(err, &remora.Error{Kind: remora.KindUnavailable, Code: "outcome.unknown"}) {
			// It may be marked already, and then must not be written to again.
			return CopyReport{}, &remora.Error{Kind: remora.KindUnavailable, Op: "sqlstore.Move", Code: "move.unfinished", Message: "Everything is copied, but the connection to the old database broke while it was being marked as moved. Move again to finish; until then neither takes changes.", Err: err}
		}
		return CopyReport{}, errors.Join(err, thaw(ctx, from))
	}
	return opened(ctx, to, report)
}

// copyFrozen freezes the original and copies it.
func copyFrozen(ctx context.Context, from, to *Store, o *MoveOptions) (CopyReport, error) {
	if err := from.SetWriteMode(ctx, WriteFrozen); err != nil {
		return CopyReport{}, err
	}
	return Copy(ctx, from, to, &CopyOptions{Progress: o.Progress})
}

// thaw lets writes in again after a move that failed, even when ctx has ended.
func thaw(ctx context.Context, from *Store) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*from.wait)
	defer cancel()
	if err := from.SetWriteMode(ctx, WriteNormal); err != nil {
		return &remora.Error{Kind: remora.KindOf(err), Op: "sqlstore.Move", Code: "move.frozen", Message: "The old database could not be told to take changes again, so it may be frozen still. Move again, or set its write mode to normal.", Err: err}
	}
	return nil
}

// opened lets writes into the new database.
func opened(ctx context.Context, to *Store, report CopyReport) (CopyReport, error) {
	err := to.SetWriteMode(ctx, WriteNormal)
	if err == nil {
		report.Position, err = to.Position(ctx)
	}
	if err != nil {
		return CopyReport{}, &remora.Error{Kind: remora.KindOf(err), Op: "sqlstore.Move", Code: "move.unfinished", Message: "Everything is in the new database and the old one is marked as moved, but the new one could not be told to take changes. Move again to finish.", Err: err}
	}
	return report, nil
}

// finishMove does what is left of a move whose original is marked as moved already. It reports
// whether it is such a one.
func finishMove(ctx context.Context, from, to *Store) (report CopyReport, ok bool, err error) {
	var mode, where string
	var at remora.Position
	var last int64
	var sum []byte
	err = from.inTx(ctx, from.primary(ctx), from.d.read, func(t *tx) (err error) {
		if mode, err = t.meta("write_mode"); err != nil || mode != WriteMoved {
			return err
		}
		if where, err = t.meta("moved_to"); err != nil {
			return err
		}
		if at, _, err = t.position(); err != nil {
			return err
		}
		// The last line says that it was moved; the one before is the last that was copied.
		err = t.one([]any{&last, &sum}, "SELECT id, sum FROM audit WHERE id = (SELECT audit_id - 1 FROM seq WHERE id = 1)")
		if isNone(err) {
			err = nil
		}
		return err
	})
	if err != nil || mode != WriteMoved {
		return report, false, side(from, "reads from", err)
	}
	same := false
	err = to.inTx(ctx, to.primary(ctx), to.d.read, func(t *tx) error {
		its, _, err := t.position()
		if err != nil || its.Epoch != at.Epoch {
			return err
		}
		var have []byte
		err = t.one([]any{&have}, "SELECT sum FROM audit WHERE id = ?", last)
		if isNone(err) {
			return nil
		}
		same = err == nil && len(sum) > 0 && bytes.Equal(have, sum)
		return err
	})
	switch {
	case err != nil:
		return report, false, side(to, "writes to", err)
	case !same:
		if where == "" {
			where = "another database"
		}
		return report, false, &remora.Error{Kind: remora.KindConflict, Op: "sqlstore.Move", Code: "move.done", Message: "This library was moved already, to " + where + ". To move it from here once more, set its write mode to normal first; what was written there since is not here."}
	}
	report.Resumed = true
	report, err = opened(ctx, to, report)
	if err == nil {
		report.Digest, err = to.Digest(ctx)
	}
	return report, err == nil, err
}
