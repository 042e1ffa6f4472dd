package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// errStale says that the rows an interrupted copy had left do not belong to this moment of the original.
var errStale = errors.New("sqlstore: what was copied before is of another moment")

// A plan is what is to be done with the target.
type plan uint8

const (
	planNothing plan = iota // it says already what the original says
	planAfresh              // whatever it holds goes
	planGoOn                // an interrupted copy of the same moment is continued
)

// moment names what is copied; two copies of one moment may be pieced together, if still says that
// nothing was written meanwhile.
func (src *tx) moment() (name string, still bool, err error) {
	at, _, err := src.position()
	if err != nil {
		return "", false, err
	}
	mode, err := src.meta("write_mode")
	return fmt.Sprintf("%s.%d.%s", at.Epoch, at.Seq, mode), mode == WriteFrozen || mode == WriteMoved, err
}

// plan looks at the target and decides; it changes nothing. The rows it decides by are locked when
// t writes.
func (c *copying) plan(src, t *tx) (plan, error) {
	lock := t.d.forUpdate
	if c.looking {
		lock = ""
	}
	var mode string
	if err := t.one([]any{&mode}, "SELECT v FROM meta WHERE k = 'write_mode'"+lock); err != nil {
		return 0, err
	}
	mark, err := t.meta("copy_from")
	if err != nil {
		return 0, err
	}
	if mark != "" {
		name, still, err := src.moment()
		before, _, _ := strings.Cut(mark, " ")
		if err == nil && still && before == name && !c.afresh {
			return planGoOn, nil
		}
		return planAfresh, err
	}
	used, err := t.used()
	if err != nil || used == "" {
		return planAfresh, err
	}
	want, err := c.original(src)
	if err != nil {
		return 0, err
	}
	digest, err := t.digest()
	if err != nil {
		return 0, err
	}
	if digest == want {
		return planNothing, nil
	}
	if mode == WriteFrozen {
		if older, err := c.older(src, t); err != nil || older {
			return planAfresh, err
		}
	}
	return 0, remora.Errorf(remora.KindConflict, "copy.used", "The database to copy to holds something already (table %s). Copy into an empty database, so that nothing is overwritten.", used)
}

// used returns the name of a table in which there is more than in a new database, "" if there is none.
// Leases do not count: a server that was started on an empty database may have taken some.
func (t *tx) used() (string, error) {
	for _, table := range tables {
		where := "1 = 1"
		switch table.name {
		case "meta", "leases", "categories", "category_texts": // nothing changes them alone
			continue
		case "seq":
			where = "n > 0"
		case "users":
			where = "id <> 1"
		}
		var one int
		err := t.one([]any{&one}, "SELECT 1 FROM "+table.name+" WHERE "+where+" LIMIT 1")
		if err == nil {
			return table.name, nil
		}
		if !isNone(err) {
			return "", err
		}
	}
	return "", nil
}

// older reports whether the history of the target is a part of the original's, so that nothing is
// lost with it: the chain of the audit log has the target's last line.
func (c *copying) older(src, t *tx) (bool, error) {
	at, _, err := src.position()
	if err != nil {
		return false, err
	}
	its, _, err := t.position()
	if err != nil || its.Epoch != at.Epoch || its.Seq > at.Seq {
		return false, err
	}
	var id int64
	var last, sum []byte
	if err := t.one([]any{&id, &last}, "SELECT audit_id, audit_sum FROM seq WHERE id = 1"); err != nil {
		return false, err
	}
	err = src.one([]any{&sum}, "SELECT sum FROM audit WHERE id = ?", id)
	if isNone(err) {
		return false, nil
	}
	return err == nil && bytes.Equal(last, sum), err
}

// original returns the digest of the moment that is copied.
func (c *copying) original(src *tx) (_ string, err error) {
	if c.report.Digest == "" {
		c.report.Digest, err = src.digest()
		err = c.here(err)
	}
	return c.report.Digest, err
}

// run copies the moment that src sees.
func (c *copying) run(src *tx) error {
	c.report = CopyReport{}
	name, _, err := src.moment()
	if err != nil {
		return err
	}
	if c.report.Position, _, err = src.position(); err != nil {
		return err
	}
	var what plan
	err = c.to.writeIn(src.ctx, "Copy", true, func(t *tx) (err error) {
		if what, err = c.plan(src, t); err != nil || what == planNothing {
			return err
		}
		c.mark = name + " " + c.id
		if _, err := t.exec("UPDATE meta SET v = ? WHERE k = 'write_mode'", WriteCopying); err != nil {
			return err
		}
		_, err = t.exec("INSERT INTO meta (k, v) VALUES ('copy_from', ?)"+t.d.upsert("meta", "k", []string{"v"}, nil), c.mark)
		return err
	})
	if err != nil {
		return c.there(err)
	}
	if what == planNothing {
		at, err := c.to.Position(src.ctx)
		c.report.Position = at
		return c.there(err)
	}
	c.report.Resumed = what == planGoOn
	if what == planAfresh {
		if err := c.wipe(src.ctx); err != nil {
			return c.there(err)
		}
	}
	if err := c.count(src); err != nil {
		return err
	}
	for _, table := range tables {
		if slices.Contains(lastTables, table.name) {
			continue
		}
		if err := c.table(src, table); err != nil {
			return err
		}
	}
	if err := c.positions(src); err != nil {
		return err
	}
	return c.complete(src)
}

// lastTables are small, and are copied in the transaction that completes the copy.
var lastTables = []string{"meta", "seq", "leases"}

// mine locks the target against others that copy, and fails when one has taken over.
func (c *copying) mine(t *tx) error {
	var mark string
	err := t.one([]any{&mark}, "SELECT v FROM meta WHERE k = 'copy_from'"+t.d.forUpdate)
	if err != nil && !isNone(err) {
		return err
	}
	if mark != c.mark {
		return remora.Errorf(remora.KindConflict, "copy.taken", "Another program has begun to copy into the same database, so this one gave up.")
	}
	return nil
}

// wipeBatch bounds how many rows one transaction on a server takes away.
const wipeBatch = 5000

// wipe empties the target, those that refer to others first.
func (c *copying) wipe(ctx context.Context) error {
	for _, table := range slices.Backward(tables) {
		if slices.Contains(lastTables, table.name) {
			continue
		}
		query := "DELETE FROM " + table.name
		if c.to.d.engine == MariaDB {
			// A statement that takes long looks like a server that hangs.
			query += fmt.Sprintf(" ORDER BY %s LIMIT %d", table.key, wipeBatch)
		}
		for more := true; more; {
			err := c.to.writeIn(ctx, "Copy", true, func(t *tx) error {
				if err := c.mine(t); err != nil {
					return err
				}
				res, err := t.exec(query)
				if err != nil {
					return err
				}
				n, err := res.RowsAffected()
				more = c.to.d.engine == MariaDB && n >= wipeBatch
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// complete copies the last tables, compares, and takes the mark away: all or nothing.
func (c *copying) complete(src *tx) error {
	want, err := c.original(src)
	if err != nil {
		return err
	}
	last := map[string][][]any{}
	for _, table := range tables {
		if slices.Contains(lastTables, table.name) {
			err := src.rows(table, "", nil, func(row []any, _ int) error {
				last[table.name] = append(last[table.name], row)
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	err = c.to.writeIn(src.ctx, "Copy", true, func(t *tx) error {
		if err := c.mine(t); err != nil {
			return err
		}
		for _, table := range tables {
			if !slices.Contains(lastTables, table.name) {
				continue
			}
			if _, err := t.exec("DELETE FROM " + table.name); err != nil {
				return err
			}
			if err := t.insertRows("INSERT INTO "+table.name+" ("+table.columns+")", "", len(split(table.columns)), slices.Values(last[table.name])); err != nil {
				return err
			}
		}
		if c.o.NewEpoch {
			if err := t.newEpoch(); err != nil {
				return err
			}
		}
		digest, err := t.digest()
		if err != nil {
			return err
		}
		if digest != want {
			if c.report.Resumed {
				return errStale
			}
			return remora.Errorf(remora.KindCorrupt, "copy.differs", "The copy does not say what the original says, so it was not made usable. Check both databases, then copy again.")
		}
		c.report.Position, _, err = t.position()
		return err
	})
	if err != nil {
		return c.there(err)
	}
	c.rows = c.total
	c.progress("")
	return nil
}
