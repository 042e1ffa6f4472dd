package diagnose

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The words of MariaDB 10.11 and newer.
const (
	askWho       = "SELECT VERSION() AS version, CURRENT_USER() AS account"
	askVariables = "SHOW GLOBAL VARIABLES"
	askSemiSync  = "SHOW GLOBAL STATUS LIKE 'Rpl\\_semi\\_sync%'"
	askOrigin    = "SELECT GLOBAL_VALUE_ORIGIN AS origin FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME = 'READ_ONLY'"
	askSources   = "SHOW ALL SLAVES STATUS"
	askBinlog    = "SHOW BINLOG STATUS"
	askGrants    = "SHOW GRANTS"
	askClock     = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
	// Not from SHOW VARIABLES, which cuts long values.
	askPositions = "SELECT CONCAT_WS(',', NULLIF(@@global.gtid_binlog_state, ''), NULLIF(@@global.gtid_slave_pos, '')), @@global.gtid_slave_pos"

	accessRefused = 1227 // ER_SPECIFIC_ACCESS_DENIED_ERROR
	denied        = 1045 // ER_ACCESS_DENIED_ERROR

	maxRows = 8192 // of one answer
)

// facts is what a server said.
type facts struct {
	version   string
	account   string // user@host of who asked
	variables map[string]string
	semi      map[string]string // status variables of semi-sync
	origin    string            // where the value of read_only is from
	sources   []source
	blind     bool // the account may not see replication
	filters   []string
	grants    []string
	clock     bounds
	history   history // the last transaction of each domain and server
	applied   history // gtid_slave_pos
	beat      beat
}

// A source is one line of the replication status.
type source struct {
	name, host, port     string
	id                   string // server_id of whom it follows; "0": it was never reached
	receives, applies    string // Yes, No, Connecting, Preparing
	receiveNo, applyNo   string // numbers of the last errors; "0": none
	receiveErr, applyErr string
	usesGTID             string // No, Slave_Pos, Current_Pos
	delay                string
	received             history // Gtid_IO_Pos
	filters              []string
}

// command is a statement about this connection of the replica: words before and behind its name.
func (s source) command(verb, rest string) string {
	if s.name != "" {
		verb += " " + quote(s.name)
	}
	return strings.TrimSpace(verb + " " + rest)
}

// bounds are limits of how far a clock is ahead of ours. Its zero value: not known.
type bounds struct{ low, high time.Duration }

// A login is how an attempt to connect as another account went.
type login struct {
	err    error
	grants []string
}

// ask fills in what the server says now.
func (s *server) ask(ctx context.Context, c Config) {
	if s.facts, s.err = answer(ctx, s.db, len(c.Nodes) > 1); s.err != nil || !s.mariadb() {
		return
	}
	if c.Heartbeat != "" {
		s.beat = askBeat(ctx, s.db, c.Heartbeat)
	}
	if c.Promoter != (Account{}) {
		s.promoter = s.login(ctx, c.Promoter)
	}
	if c.Replication != (Account{}) {
		s.replication = s.login(ctx, c.Replication)
	}
}

func answer(ctx context.Context, db *sql.DB, several bool) (f facts, err error) {
	who, err := rows(ctx, db, askWho)
	if err != nil {
		return facts{}, err
	}
	f.version, f.account = who[0]["version"], who[0]["account"]
	if !f.mariadb() {
		return f, nil
	}
	if f.variables, err = pairs(ctx, db, askVariables); err != nil {
		return facts{}, err
	}
	if f.semi, err = pairs(ctx, db, askSemiSync); err != nil {
		return facts{}, err
	}
	if f.grants, err = grants(ctx, db); err != nil {
		return facts{}, err
	}
	if !several {
		return f, nil
	}
	origin, err := rows(ctx, db, askOrigin)
	if err != nil {
		return facts{}, err
	}
	if len(origin) > 0 {
		f.origin = origin[0]["origin"]
	}
	if f.clock, err = clock(ctx, db); err != nil {
		return facts{}, err
	}
	if f.history, err = askHistory(ctx, db); err != nil {
		return facts{}, err
	}
	if f.applied, err = parseHistory(f.variables["gtid_slave_pos"]); err != nil {
		return facts{}, fmt.Errorf("gtid_slave_pos: %w", err)
	}
	if f.filters, err = binlogFilters(ctx, db); err != nil {
		return facts{}, err
	}
	lines, err := rows(ctx, db, askSources)
	if refused(err) {
		f.blind = true
		return f, nil
	}
	for _, line := range lines {
		src, err := parseSource(line)
		if err != nil {
			return facts{}, err
		}
		f.sources = append(f.sources, src)
	}
	return f, err
}

func parseSource(line map[string]string) (s source, err error) {
	s = source{
		name: line["Connection_name"], host: line["Master_Host"], port: line["Master_Port"], id: line["Master_Server_Id"],
		receives: line["Slave_IO_Running"], applies: line["Slave_SQL_Running"], usesGTID: line["Using_Gtid"], delay: line["SQL_Delay"],
		receiveNo: line["Last_IO_Errno"], receiveErr: line["Last_IO_Error"], applyNo: line["Last_SQL_Errno"], applyErr: line["Last_SQL_Error"],
	}
	for _, name := range []string{
		"Replicate_Do_DB", "Replicate_Ignore_DB", "Replicate_Do_Table", "Replicate_Ignore_Table", "Replicate_Wild_Do_Table",
		"Replicate_Wild_Ignore_Table", "Replicate_Do_Domain_Ids", "Replicate_Ignore_Domain_Ids", "Replicate_Rewrite_DB",
	} {
		if v := line[name]; v != "" {
			s.filters = append(s.filters, strings.ToLower(name)+"="+v)
		}
	}
	if s.received, err = parseHistory(line["Gtid_IO_Pos"]); err != nil {
		return source{}, fmt.Errorf("Gtid_IO_Pos: %w", err)
	}
	return s, nil
}

func askHistory(ctx context.Context, db *sql.DB) (history, error) {
	var all, applied string
	if err := db.QueryRowContext(ctx, askPositions).Scan(&all, &applied); err != nil {
		return nil, err
	}
	return parseHistory(all)
}

// binlogFilters returns what the binary log leaves out. Without the privilege to see it, nothing.
func binlogFilters(ctx context.Context, db *sql.DB) (found []string, err error) {
	lines, err := rows(ctx, db, askBinlog)
	if refused(err) {
		return nil, nil
	}
	for _, line := range lines {
		for _, name := range []string{"Binlog_Do_DB", "Binlog_Ignore_DB"} {
			if v := line[name]; v != "" {
				found = append(found, strings.ToLower(name)+"="+v)
			}
		}
	}
	return found, err
}

// clock asks a few times how late it is, as one slow answer says little.
func clock(ctx context.Context, db *sql.DB) (b bounds, err error) {
	for i := range 3 {
		before := time.Now()
		var micros int64
		if err := db.QueryRowContext(ctx, askClock).Scan(&micros); err != nil {
			return bounds{}, err
		}
		after, said := time.Now(), time.UnixMicro(micros)
		low, high := said.Sub(after), said.Sub(before)
		if i == 0 || high-low < b.high-b.low {
			b = bounds{low, high}
		}
	}
	return b, nil
}

// login connects to the server as another account.
func (s *server) login(ctx context.Context, a Account) (l login) {
	config := s.config.Clone()
	config.User, config.Passwd = a.User, a.Password
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return login{err: err}
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	l.grants, l.err = grants(ctx, db)
	if err := db.Close(); l.err == nil {
		l.err = err
	}
	return l
}

func grants(ctx context.Context, db *sql.DB) (all []string, err error) {
	lines, err := rows(ctx, db, askGrants)
	for _, line := range lines {
		for _, grant := range line { // its only column is named after the account
			all = append(all, grant)
		}
	}
	return all, err
}

// pairs returns what a SHOW of names and values gives, by lower-case name.
func pairs(ctx context.Context, db *sql.DB, query string) (map[string]string, error) {
	lines, err := rows(ctx, db, query)
	values := make(map[string]string, len(lines))
	for _, line := range lines {
		values[strings.ToLower(line["Variable_name"])] = line["Value"]
	}
	return values, err
}

// rows returns an answer, each row by the names of its columns, as these come and go with versions.
func rows(ctx context.Context, db *sql.DB, query string, args ...any) (all []map[string]string, err error) {
	found, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	columns, err := found.Columns()
	if err != nil {
		return nil, err
	}
	values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for found.Next() {
		if len(all) == maxRows {
			return nil, fmt.Errorf("an answer has more than %d rows", maxRows)
		}
		if err := found.Scan(into...); err != nil {
			return nil, err
		}
		line := make(map[string]string, len(columns))
		for i, name := range columns {
			line[name] = values[i].String
		}
		all = append(all, line)
	}
	return all, found.Err()
}

// refused reports whether a privilege is missing.
func refused(err error) bool {
	answered, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && answered.Number == accessRefused
}

func (f *facts) mariadb() bool { return strings.Contains(strings.ToLower(f.version), "mariadb") }

// release returns the first two numbers of the version: 10.11 is {10, 11}.
func (f *facts) release() (r [2]int) {
	parts := strings.SplitN(strings.TrimPrefix(f.version, "5.5.5-"), ".", 3)
	for i := range min(len(parts), len(r)) {
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return [2]int{}
		}
		r[i] = n
	}
	return r
}

// on reports whether a variable that is a switch is on; newer servers have words for it.
func (f *facts) on(variable string) bool {
	v := f.variables[variable]
	return v != "" && v != "0" && !strings.EqualFold(v, "OFF")
}

// role is what the server does.
func (f *facts) role() string {
	switch {
	case len(f.sources) > 0:
		return "replica"
	case !f.on("read_only"):
		return "primary"
	case f.blind:
		return "replica" // most likely
	}
	return "idle"
}
