package sqlstore

import (
	"context"

	"github.com/sugarlabs/beamrider/remora"
)

// The modes of writing, as table meta keeps them under write_mode.
const (
	WriteNormal = "normal"
	WriteFrozen = "frozen" // for a while, such as during a move
	WriteMoved  = "moved"  // for good: another database has taken over
	// WriteCopying is the mode of a database that [Copy] has not finished filling. SetWriteMode
	// neither sets it nor leaves it, and an older program takes it for frozen.
	WriteCopying = "copying"
)

// errHalf is what a database answers that holds half a copy.
func errHalf() error {
	return remora.Errorf(remora.KindUnavailable, "copy.unfinished", "This database holds half a copy of a library, because the copying was interrupted or still goes on. Run the same copy or restore again to finish it, or use an empty database.")
}

// checkMode refuses a write while writes are frozen. The row is locked, so that a change of the
// mode waits for the writes that are under way, and none commits after it.
func (t *tx) checkMode() error {
	var mode string
	err := t.one([]any{&mode}, "SELECT v FROM meta WHERE k = 'write_mode'"+t.d.forShare)
	switch {
	case err != nil:
		return err
	case mode == WriteNormal:
		return nil
	case mode == WriteMoved:
		where, err := t.meta("moved_to")
		if err != nil {
			return err
		}
		if where == "" {
			where = "another database"
		}
		return remora.Errorf(remora.KindReadOnly, "write.moved", "This library was moved to %s; here it takes no changes any more. Use it there: set database.url and start the server again.", where)
	case mode == WriteCopying:
		return errHalf()
	}
	return remora.Errorf(remora.KindReadOnly, "write.frozen", "Changes are switched off for now, while the library is being looked after. Try again later.")
}

// meta returns what table meta has under a key, "" if it has nothing.
func (t *tx) meta(key string) (v string, err error) {
	err = t.one([]any{&v}, "SELECT v FROM meta WHERE k = ?", key)
	if isNone(err) {
		return "", nil
	}
	return v, err
}

// whole refuses a database that holds half a copy.
func (t *tx) whole() error {
	half, err := t.meta("copy_from")
	if err == nil && half != "" {
		err = errHalf()
	}
	return err
}

// maxMovedTo bounds, in bytes, the words for the place a library was moved to.
const maxMovedTo = 255

// SetWriteMode switches writes off or on, for every program on this database. When it returns nil,
// no write that was refused by the new mode is under way. It is KindInvalid for another mode than
// WriteNormal, WriteFrozen and WriteMoved, and KindUnavailable, code "copy.unfinished", for a database
// that holds half a copy.
//
// A change is a line of the audit log and of the change feed. Leaving WriteMoved begins a new epoch
// too: the database that took over goes on with the same numbers, and readers must not take one
// history for the other.
func (s *Store) SetWriteMode(ctx context.Context, mode string) error {
	switch mode {
	case WriteNormal, WriteFrozen, WriteMoved:
	default:
		return s.fail("SetWriteMode", remora.Errorf(remora.KindInvalid, "write.mode", "There is no write mode %q; the known ones are normal, frozen and moved.", mode))
	}
	return s.setMode(ctx, mode, "")
}

// setMode sets the mode and, for WriteMoved, notes where to ("": not known).
func (s *Store) setMode(ctx context.Context, mode, movedTo string) error {
	return s.writeIn(ctx, "SetWriteMode", true, func(t *tx) error {
		var now string
		err := t.one([]any{&now}, "SELECT v FROM meta WHERE k = 'write_mode'"+t.d.forUpdate)
		switch {
		case err != nil:
			return err
		case now == WriteCopying:
			return errHalf()
		case now == mode:
			return nil
		}
		if _, err := t.exec("UPDATE meta SET v = ? WHERE k = 'write_mode'", mode); err != nil {
			return err
		}
		if _, err := t.exec("DELETE FROM meta WHERE k = 'moved_to'"); err != nil {
			return err
		}
		if movedTo != "" {
			if _, err := t.exec("INSERT INTO meta (k, v) VALUES ('moved_to', ?)", movedTo); err != nil {
				return err
			}
		}
		if now == WriteMoved {
			if err := t.newEpoch(); err != nil {
				return err
			}
		}
		t.entry = &entry{by: remora.Actor{UserID: remora.SystemUser}, kind: "store.mode", target: "store", data: map[string]string{"mode": mode}}
		return nil
	})
}

// WriteMode returns the present mode of writing, WriteCopying included.
func (s *Store) WriteMode(ctx context.Context) (mode string, err error) {
	err = s.snapshot(ctx, "WriteMode", func(t *tx) error {
		return t.one([]any{&mode}, "SELECT v FROM meta WHERE k = 'write_mode'")
	})
	return mode, err
}
