package diagnose

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// A beat is what the heartbeat table says.
type beat struct {
	err     error
	empty   bool
	seconds int64 // since the last one, by the server's own clock
}

const (
	maxSilence = 10   // seconds without a heartbeat
	noTable    = 1146 // ER_NO_SUCH_TABLE
	noSelect   = 1142 // ER_TABLEACCESS_DENIED_ERROR
)

// askBeat reads the last heartbeat. Who writes it does so in UTC or in the server's own time.
func askBeat(ctx context.Context, db *sql.DB, table string) beat {
	const query = "SELECT LEAST(ABS(TIMESTAMPDIFF(SECOND, MAX(ts), UTC_TIMESTAMP())), ABS(TIMESTAMPDIFF(SECOND, MAX(ts), NOW()))) AS age FROM "
	found, err := rows(ctx, db, query+tableName(table))
	switch {
	case err != nil:
		return beat{err: err}
	case len(found) == 0 || found[0]["age"] == "":
		return beat{empty: true}
	}
	b := beat{}
	b.seconds, b.err = strconv.ParseInt(found[0]["age"], 10, 64)
	return b
}

// tableName quotes database.table.
func tableName(name string) string {
	database, table, _ := strings.Cut(name, ".")
	return identifier(database) + "." + identifier(table)
}

func identifier(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// heartbeat looks at the table by which lags are measured.
func (c *cluster) heartbeat(s *server) {
	switch b := s.beat; {
	case c.Heartbeat == "":
	case number(b.err) == noTable:
		c.add(Warn, s, "heartbeat_missing", "There is no table "+c.Heartbeat+", so lags are known in whole seconds at best.", "Start what writes the heartbeat; it makes the table.")
	case number(b.err) == noSelect:
		c.add(Warn, s, "heartbeat_denied", "The account may not read "+c.Heartbeat+".", "", here("GRANT SELECT ON "+tableName(c.Heartbeat)+" TO "+accountOf(s.account))...)
	case b.err != nil:
		c.add(Unknown, s, "heartbeat", "The table "+c.Heartbeat+" could not be read: "+b.err.Error(), "Repeat the diagnosis.")
	case s == c.primary && (b.empty || b.seconds > maxSilence):
		c.add(Warn, s, "heartbeat_stopped", fmt.Sprintf("Nobody has written a heartbeat into %s for more than %d s.", c.Heartbeat, maxSilence), "Start what writes it, or check its account.")
	}
}
