package replica

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The words of MariaDB 10.11 and newer.
const (
	askVariables   = "SELECT @@global.server_id, CAST(@@global.read_only AS CHAR), CAST(@@global.gtid_strict_mode AS CHAR), @@global.gtid_slave_pos, @@global.gtid_binlog_pos"
	askReplication = "SHOW ALL SLAVES STATUS"
	askReadOnly    = "SELECT CAST(@@global.read_only AS CHAR)"
	askLast        = "SELECT CONCAT(@@last_gtid, ';', @@global.gtid_binlog_pos)"
	askWritten     = "SELECT @@global.gtid_binlog_pos"
)

// off reports whether a variable that is a switch is off; newer servers have words for it.
func off(value string) bool { return value == "0" || value == "OFF" }

// facts is what a server said when it was asked last. Its zero value: never asked.
type facts struct {
	began    int64     // ticks before it was asked
	asked    time.Time // when it answered or failed
	err      error     // why it did not answer
	server   uint32    // server_id
	writable bool      // read_only is off
	strict   bool      // gtid_strict_mode is on
	beat     beat      // what it has in the heartbeat table
	written  gtids     // gtid_binlog_pos
	applied  gtids     // gtid_slave_pos
	sources  []source  // whom it replicates from
	cut      *cut      // of a server that takes writes
}

// A source is one line of the replication status.
type source struct {
	server            uint32 // its server_id
	receives, applies string // Yes, No, Connecting, Preparing
	lag               time.Duration
	lagKnown          bool
	received          gtids // Gtid_IO_Pos
	usesGTID          bool
	problem           string // the last error of either part
}

// ask asks a server.
func ask(ctx context.Context, db *sql.DB) (f facts, err error) {
	f.began = ticks()
	var readOnly, strict, applied, written string
	if err := db.QueryRowContext(ctx, askVariables).Scan(&f.server, &readOnly, &strict, &applied, &written); err != nil {
		return facts{}, err
	}
	f.writable, f.strict = off(readOnly), !off(strict)
	if f.applied, err = parseGTIDs(applied, ","); err != nil {
		return facts{}, fmt.Errorf("gtid_slave_pos: %w", err)
	}
	if f.written, err = parseGTIDs(written, ","); err != nil {
		return facts{}, fmt.Errorf("gtid_binlog_pos: %w", err)
	}
	f.sources, err = askSources(ctx, db)
	if err == nil {
		err = askCut(ctx, db, &f)
	}
	if denied := (*mysql.MySQLError)(nil); errors.As(err, &denied) && denied.Number == 1227 {
		return facts{}, fmt.Errorf("the account may not see the state of replication; GRANT SLAVE MONITOR ON *.* to it (%w)", err)
	}
	return f, err
}

// maxSources bounds the lines that are read of a server's replication status.
const maxSources = 64

func askSources(ctx context.Context, db *sql.DB) (found []source, err error) {
	rows, err := db.QueryContext(ctx, askReplication)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	// Columns come and go with versions: they are found by name.
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	byName := make(map[string]*sql.NullString, len(columns))
	for i, name := range columns {
		into[i], byName[name] = &values[i], &values[i]
	}
	column := func(name string) sql.NullString {
		if v := byName[name]; v != nil {
			return *v
		}
		return sql.NullString{}
	}
	for rows.Next() {
		if len(found) == maxSources {
			return nil, fmt.Errorf("the server replicates from more than %d others", maxSources)
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		s := source{receives: column("Slave_IO_Running").String, applies: column("Slave_SQL_Running").String}
		if seconds := column("Seconds_Behind_Master"); seconds.Valid {
			n, err := strconv.ParseUint(seconds.String, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("Seconds_Behind_Master: %w", err)
			}
			s.lag, s.lagKnown = time.Duration(n)*time.Second, true
		}
		if s.received, err = parseGTIDs(column("Gtid_IO_Pos").String, ","); err != nil {
			return nil, fmt.Errorf("Gtid_IO_Pos: %w", err)
		}
		id, err := strconv.ParseUint(column("Master_Server_Id").String, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("Master_Server_Id: %w", err)
		}
		s.server = uint32(id)
		use := column("Using_Gtid").String
		s.usesGTID = use == "Slave_Pos" || use == "Current_Pos"
		if s.problem = column("Last_SQL_Error").String; s.problem == "" {
			s.problem = column("Last_IO_Error").String
		}
		found = append(found, s)
	}
	return found, rows.Err()
}

// role is what the server does in the cluster.
func (f *facts) role() Role {
	switch {
	case f.asked.IsZero() || f.err != nil:
		return Unknown
	case len(f.sources) > 0:
		return Replica
	case f.writable:
		return Primary
	default:
		return Unknown // read-only and on its own: it may be as old as it likes
	}
}

// lag is the longest of all sources. Unknown lag is not a number: ok is false, and the duration
// negative, so that nobody takes it for none.
func (f *facts) lag() (lag time.Duration, ok bool) {
	if f.role() != Replica {
		return -1, false
	}
	for _, s := range f.sources {
		// The number means nothing while either part does not run.
		if !s.lagKnown || s.receives != "Yes" || s.applies != "Yes" {
			return -1, false
		}
		lag = max(lag, s.lag)
	}
	return lag, true
}

// drained reports whether the server has applied all it ever received, from sources it still
// tries to reach: nobody stopped it, and it can have nothing newer.
func (f *facts) drained() bool {
	if f.role() != Replica {
		return false
	}
	for _, s := range f.sources {
		waits := s.receives == "Connecting" || s.receives == "Yes" || s.receives == "Preparing"
		if !waits || s.applies != "Yes" || !s.usesGTID || !f.applied.covers(s.received) {
			return false
		}
	}
	return true
}

// state says in words what the server does, for people.
func (f *facts) state() string {
	switch {
	case f.asked.IsZero():
		return "was not asked yet"
	case f.err != nil:
		return "does not answer: " + f.err.Error()
	}
	switch f.role() {
	case Primary:
		return "takes writes"
	case Unknown:
		return "is read-only and replicates from nobody"
	}
	text := "is a replica"
	if _, ok := f.lag(); !ok {
		text += " whose lag is unknown"
	}
	for _, s := range f.sources {
		if s.receives != "Yes" || s.applies != "Yes" {
			text += fmt.Sprintf("; receiving: %s, applying: %s", s.receives, s.applies)
			if s.problem != "" {
				text += " (" + s.problem + ")"
			}
		}
	}
	if !f.strict {
		text += "; gtid_strict_mode is off, so reads of sessions go to the primary"
	}
	if f.writable {
		text += "; read_only is off: set it, or run STOP ALL SLAVES and RESET SLAVE ALL if this is to be the primary"
	}
	return text
}

// askOne asks for one text on a connection of the driver.
func askOne(ctx context.Context, q driver.QueryerContext, query string) (text string, err error) {
	rows, err := q.QueryContext(ctx, query, nil)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	if len(values) != 1 {
		return "", fmt.Errorf("%s gave %d columns, not one", query, len(values))
	}
	if err := rows.Next(values); err != nil {
		return "", err
	}
	switch v := values[0].(type) {
	case []byte:
		text = string(v)
	case string:
		text = v
	default:
		return "", fmt.Errorf("%s gave %T, not a text", query, v)
	}
	// To the end, or the connection is not free for the next.
	if err := rows.Next(values); err != io.EOF {
		return "", fmt.Errorf("%s did not end after one row: %w", query, err)
	}
	return text, nil
}
