package sqlstore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// Bounds of one transaction of a copy. A row holds 8 MiB at most, so that a statement stays below
// the 16 MiB that MariaDB takes by default (max_allowed_packet).
const (
	copyRows  = 1000
	copyBytes = 2 << 20
)

// A columnKind is what values of a column are. The drivers do not say by themselves: MariaDB's gives
// text as bytes, which SQLite would keep as a BLOB that equals no text.
type columnKind uint8

const (
	kindInteger columnKind = iota
	kindText
	kindBytes
)

// kinds returns the kinds of the columns of a table, as this database declares them.
func (t *tx) kinds(table table) (list []columnKind, err error) {
	rows, err := t.sql.QueryContext(t.ctx, "SELECT "+table.columns+" FROM "+table.name+" LIMIT 1")
	if err != nil {
		return nil, err
	}
	types, err := rows.ColumnTypes()
	if cerr := rows.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	for _, c := range types {
		switch name := strings.ToUpper(c.DatabaseTypeName()); name {
		case "INTEGER", "INT", "BIGINT":
			list = append(list, kindInteger)
		case "TEXT", "VARCHAR", "MEDIUMTEXT", "LONGTEXT", "CHAR":
			list = append(list, kindText)
		case "BLOB", "VARBINARY", "LONGBLOB", "MEDIUMBLOB", "BINARY":
			list = append(list, kindBytes)
		default:
			return nil, fmt.Errorf("sqlstore: column %s of table %s has the type %q, which cannot be copied", c.Name(), table.name, name)
		}
	}
	return list, nil
}

// normal brings row to int64, string and non-nil []byte, nil standing for an absent value, and
// returns its size in bytes.
func (table table) normal(row []any, kinds []columnKind) (size int, err error) {
	for i, v := range row {
		ok := true
		switch v := v.(type) {
		case nil:
		case int64:
			ok = kinds[i] == kindInteger
		case string:
			switch kinds[i] {
			case kindBytes:
				row[i] = []byte(v)
			case kindInteger:
				ok = false
			}
			size += len(v)
		case []byte:
			switch kinds[i] {
			case kindText:
				row[i] = string(v)
			case kindBytes:
				// SQLite's driver gives an empty value as a nil slice, which would be written as NULL.
				row[i] = append([]byte{}, v...)
			case kindInteger:
				ok = false
			}
			size += len(v)
		default:
			ok = false
		}
		if !ok {
			return 0, remora.Errorf(remora.KindCorrupt, "copy.type", "Column %s of table %s holds a value of another kind than it should. The database was changed by other means than this program; restore the last backup.", split(table.columns)[i], table.name)
		}
		size += 8
	}
	return size, nil
}

// rows passes the rows of a table, in the order of its key, to yield, which may keep them, with
// their size in bytes.
func (t *tx) rows(table table, where string, args []any, yield func(row []any, size int) error) error {
	kinds, err := t.kinds(table)
	if err != nil {
		return err
	}
	scanned, dest := make([]any, len(kinds)), make([]any, len(kinds))
	for i := range scanned {
		dest[i] = &scanned[i]
	}
	return t.each(dest, func() error {
		row := slices.Clone(scanned)
		size, err := table.normal(row, kinds)
		if err != nil {
			return err
		}
		return yield(row, size)
	}, "SELECT "+table.columns+" FROM "+table.name+where+" ORDER BY "+table.key, args...)
}

// after returns the condition, with its arguments, for rows behind the key in the order of the key.
// It is written out: MariaDB finds no range for a comparison of tuples.
func (table table) after(key []any) (where string, args []any) {
	if len(key) == 0 {
		return "", nil
	}
	columns := split(table.key)
	where = columns[len(columns)-1] + " > ?"
	for i := len(columns) - 2; i >= 0; i-- {
		where = columns[i] + " > ? OR " + columns[i] + " = ? AND (" + where + ")"
	}
	for i, v := range key {
		args = append(args, v)
		if i < len(key)-1 {
			args = append(args, v)
		}
	}
	return " WHERE " + where, args
}

// keyOf returns the key of a row.
func (table table) keyOf(row []any) (key []any) {
	columns := split(table.columns)
	for _, c := range split(table.key) {
		key = append(key, row[slices.Index(columns, c)])
	}
	return key
}

// lastKey returns the highest key of the table, nil if it is empty, and how many rows it has.
func (t *tx) lastKey(table table) (key []any, n int64, err error) {
	if err := t.one([]any{&n}, "SELECT COUNT(*) FROM "+table.name); err != nil || n == 0 {
		return nil, 0, err
	}
	kinds, err := t.kinds(table)
	if err != nil {
		return nil, 0, err
	}
	row, dest := make([]any, len(kinds)), make([]any, len(kinds))
	for i := range row {
		dest[i] = &row[i]
	}
	order := strings.ReplaceAll(table.key, ",", " DESC,") + " DESC"
	if err := t.one(dest, "SELECT "+table.columns+" FROM "+table.name+" ORDER BY "+order+" LIMIT 1"); err != nil {
		return nil, 0, err
	}
	if _, err := table.normal(row, kinds); err != nil {
		return nil, 0, err
	}
	return table.keyOf(row), n, nil
}

// count counts what is to be copied.
func (c *copying) count(src *tx) error {
	c.rows, c.total = 0, 0
	for _, table := range tables {
		var n int64
		if err := src.one([]any{&n}, "SELECT COUNT(*) FROM "+table.name); err != nil {
			return err
		}
		c.total += n
	}
	return nil
}

func (c *copying) progress(table string) {
	if c.o.Progress != nil {
		c.o.Progress(CopyProgress{Table: table, Rows: c.rows, Total: c.total})
	}
}

// table copies the rows behind those that are in the target. They were written in the order of the
// key, so that the last one tells how far it got.
func (c *copying) table(src *tx, table table) error {
	var from []any
	if c.report.Resumed {
		err := c.to.inTx(src.ctx, c.to.primary(src.ctx), c.to.d.read, func(t *tx) error {
			key, n, err := t.lastKey(table)
			from = key
			c.rows += n
			return err
		})
		if err != nil {
			return c.there(err)
		}
	}
	var batch [][]any
	bytes := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := c.to.writeIn(src.ctx, "Copy", true, func(t *tx) error {
			if err := c.mine(t); err != nil {
				return err
			}
			return t.insertRows("INSERT INTO "+table.name+" ("+table.columns+")", "", len(split(table.columns)), slices.Values(batch))
		})
		if err != nil {
			return c.there(err)
		}
		c.report.Rows += int64(len(batch))
		c.rows += int64(len(batch))
		batch, bytes = batch[:0], 0
		c.progress(table.name)
		return nil
	}
	where, args := table.after(from)
	err := src.rows(table, where, args, func(row []any, size int) error {
		if bytes > 0 && bytes+size > copyBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, bytes = append(batch, row), bytes+size
		if len(batch) < copyRows {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// numbered are the tables whose engine gives out ids.
var numbered = []string{"activities", "versions", "categories", "tags", "previews", "users", "collections"}

// nextID returns a number above every id that was ever given out in the table.
func (t *tx) nextID(table string) (next int64, err error) {
	query := "SELECT COALESCE(MAX(seq), 0) + 1 FROM sqlite_sequence WHERE name = ?"
	if t.d.engine == MariaDB {
		query = "SELECT COALESCE(MAX(auto_increment), 1) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?"
	}
	err = t.one([]any{&next}, query, table)
	return next, err
}

// positions makes the target go on where the original would give out ids, so that an id of something
// that was removed is never given to something else.
func (c *copying) positions(src *tx) error {
	for _, table := range numbered {
		next, err := src.nextID(table)
		if err != nil {
			return err
		}
		if c.to.d.engine == MariaDB {
			// It commits by itself, which does no harm: the engine never goes below what is there.
			query := fmt.Sprintf("ALTER TABLE %s AUTO_INCREMENT = %d", table, next)
			if _, err := c.to.conns.Write(src.ctx).ExecContext(src.ctx, query); err != nil {
				return c.there(err)
			}
			continue
		}
		err = c.to.writeIn(src.ctx, "Copy", true, func(t *tx) error {
			if err := c.mine(t); err != nil {
				return err
			}
			if _, err := t.exec("UPDATE sqlite_sequence SET seq = MAX(seq, ?) WHERE name = ?", next-1, table); err != nil {
				return err
			}
			_, err := t.exec("INSERT INTO sqlite_sequence (name, seq) SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?)", table, next-1, table)
			return err
		})
		if err != nil {
			return c.there(err)
		}
	}
	return nil
}
