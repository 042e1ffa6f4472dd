package promote

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica"
)

// The words of MariaDB 10.11 and newer are in this file.

const (
	askVariables = `SELECT @@global.server_id, CAST(@@global.read_only AS CHAR), CAST(@@global.gtid_strict_mode AS CHAR),
 CAST(@@global.log_bin AS CHAR), CAST(@@global.log_slave_updates AS CHAR),
 @@global.gtid_slave_pos, @@global.gtid_binlog_pos, @@global.gtid_binlog_state,
 CAST(@@global.rpl_semi_sync_master_enabled AS CHAR), CAST(@@global.rpl_semi_sync_slave_enabled AS CHAR),
 @@global.rpl_semi_sync_master_timeout, CAST(@@global.rpl_semi_sync_master_wait_no_slave AS CHAR), @@global.rpl_semi_sync_master_wait_point, @@global.slave_net_timeout`
	askSemiSync    = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Rpl_semi_sync_master_status', 'Rpl_semi_sync_slave_status', 'Rpl_semi_sync_master_clients', 'Rpl_semi_sync_master_yes_tx', 'Rpl_semi_sync_master_wait_sessions', 'Uptime')"
	askReplication = "SHOW ALL SLAVES STATUS"
	// Those of the account and of the role it has taken.
	askPrivileges = `SELECT PRIVILEGE_TYPE FROM information_schema.user_privileges
 WHERE GRANTEE IN (CONCAT('\'', REPLACE(CURRENT_USER(), '@', '\'@\''), '\''), CONCAT('\'', CURRENT_ROLE(), '\'@\'\''), CONCAT('\'', CURRENT_ROLE(), '\''))`
	// Who only reads, and what replication applies, is left alone.
	askWriters = `SELECT t.trx_mysql_thread_id FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
 WHERE p.user <> 'system user' AND p.id <> CONNECTION_ID() AND (t.trx_rows_modified > 0 OR t.trx_rows_locked > 0 OR t.trx_tables_locked > 0) LIMIT 1000`
	maxSources = 64

	// startedWithin is how fast an answer must be to tell when the server was started.
	startedWithin = 500 * time.Millisecond

	lockTimedOut  = 1205 // ER_LOCK_WAIT_TIMEOUT
	noSuchThread  = 1094 // ER_NO_SUCH_THREAD
	accessRefused = 1227 // ER_SPECIFIC_ACCESS_DENIED_ERROR
)

// filters are columns of the replication status.
var filters = []string{
	"Replicate_Do_DB", "Replicate_Ignore_DB", "Replicate_Do_Table", "Replicate_Ignore_Table", "Replicate_Wild_Do_Table", "Replicate_Wild_Ignore_Table",
	"Replicate_Rewrite_DB", "Replicate_Ignore_Server_Ids", "Replicate_Do_Domain_Ids", "Replicate_Ignore_Domain_Ids",
}

// needed are the privileges that some step needs.
var needed = []string{"READ_ONLY ADMIN", "REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN", "SLAVE MONITOR", "CONNECTION ADMIN", "PROCESS", "RELOAD"}

// facts is what a server said when it was asked.
type facts struct {
	id                   uint32 // server_id
	readOnly, strict     bool
	logs, logsUpdates    bool     // log_bin, log_slave_updates
	applied, written     position // gtid_slave_pos, gtid_binlog_pos
	state                position // gtid_binlog_state
	waitsSemi, sendsSemi bool     // semi-sync is enabled as a primary, as a replica
	waitsNow, sendsNow   bool     // and is at work
	clients              int      // replicas with semi-sync that are connected
	waiting              int      // sessions of a primary that wait for an acknowledgement; those behind them are not counted
	acknowledged         uint64   // transactions that a replica acknowledged, since the server started
	patience             time.Duration
	started              time.Time     // when the server was, give or take 1.5 s; zero: it answered too slowly to tell
	waitsForNobody       bool          // rpl_semi_sync_master_wait_no_slave: it waits also while no replica is connected
	afterSync            bool          // rpl_semi_sync_master_wait_point
	silence              time.Duration // slave_net_timeout
	sources              []source
	catchUp              *source  // the connection that catchUp makes; it is none of sources
	missing              []string // privileges that the account lacks
}

// A source is one line of the replication status.
type source struct {
	connection        string // its name, mostly ""
	host              string
	port              uint16
	id                uint32 // server_id; 0: it was never reached
	receiving         string // Yes, No, Connecting, Preparing
	applying          bool
	usesGTID          bool
	filtered          bool     // it applies only a part of what it gets
	received          position // Gtid_IO_Pos
	delay             time.Duration
	heartbeat         time.Duration // how often an idle primary shows that it is there; 0: it does not
	ioError, sqlError string
}

// name is the connection as a literal.
func (s *source) name() string { return quote(s.connection) }

func (s *source) address() string {
	return strings.ToLower(s.host) + ":" + strconv.Itoa(int(s.port))
}

// role is what the server does in the cluster, in the words of package replica.
func (f *facts) role() replica.Role {
	switch {
	case len(f.sources) > 0:
		return replica.Replica
	case f.readOnly:
		return replica.Unknown
	}
	return replica.Primary
}

// holds is the last transaction of each domain that the server has.
func (f *facts) holds() position { return f.applied.latest(f.written) }

// has is holds with what a replica has received and not applied yet.
func (f *facts) has() position {
	p := f.holds()
	for _, s := range f.sources {
		p = p.latest(s.received)
	}
	return p
}

// lacks returns which of the transactions of q are not in the server's history.
func (f *facts) lacks(q position) position { return f.history().lacks(q) }

// history is the last transaction of each domain and server that is known to be there. What came with
// the copy of another server that this one was made from is in gtid_slave_pos alone.
func (f *facts) history() position { return slices.Concat(f.state, f.written, f.applied) }

// drained reports whether everything that was received is applied.
func (f *facts) drained() bool {
	return len(f.sources) == 1 && len(f.applied.beyond(f.sources[0].received)) == 0
}

// A server is a node that is asked and changed during one call.
type server struct {
	*member
	promoter *Promoter
	db       *sql.DB
	lock     *sql.Conn // holds the advisory lock; nil: we have it not
	watched  bool      // it is asked again and again, and not changed
	facts    facts
	err      error // why it did not answer; facts are none then
}

func (p *Promoter) server(m *member) (*server, error) {
	connector, err := mysql.NewConnector(m.config.Clone())
	if err != nil {
		return nil, fmt.Errorf("promote: node %q: %w", m.Name, err)
	}
	s := &server{member: m, promoter: p, db: sql.OpenDB(connector)}
	s.db.SetMaxOpenConns(3)
	return s, nil
}

// close ends the connections. All that can fail is telling a server that is gone already.
func (s *server) close() {
	if s.lock != nil {
		_ = s.lock.Close()
		s.lock = nil
	}
	_ = s.db.Close()
}

// limit gives ctx the bound of one question.
func (s *server) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.promoter.config.Timeout)
}

// ask takes in what the server says now.
func (s *server) ask(ctx context.Context) {
	limit, cancel := s.limit(ctx)
	defer cancel()
	s.facts, s.err = s.answer(limit)
	if denied := (*mysql.MySQLError)(nil); errors.As(s.err, &denied) && denied.Number == accessRefused {
		s.err = fmt.Errorf("the account lacks a privilege: %w", s.err)
	}
}

func (s *server) answer(ctx context.Context) (f facts, err error) {
	var readOnly, strict, logs, updates, applied, written, state, waits, sends, nobody, point string
	var milliseconds, silence uint64
	if err := s.db.QueryRowContext(ctx, askVariables).Scan(&f.id, &readOnly, &strict, &logs, &updates, &applied, &written, &state, &waits, &sends,
		&milliseconds, &nobody, &point, &silence); err != nil {
		return facts{}, err
	}
	f.patience = time.Duration(min(milliseconds, uint64(endless/time.Millisecond))) * time.Millisecond
	f.silence = time.Duration(min(silence, math.MaxInt32)) * time.Second
	f.waitsForNobody, f.afterSync = on(nobody), strings.EqualFold(point, "AFTER_SYNC")
	f.readOnly, f.strict, f.logs, f.logsUpdates = on(readOnly), on(strict), on(logs), on(updates)
	f.waitsSemi, f.sendsSemi = on(waits), on(sends)
	for name, p := range map[string]struct {
		text string
		into *position
	}{"gtid_slave_pos": {applied, &f.applied}, "gtid_binlog_pos": {written, &f.written}, "gtid_binlog_state": {state, &f.state}} {
		if *p.into, err = parsePosition(p.text); err != nil {
			return facts{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	asked := time.Now()
	err = s.rows(ctx, askSemiSync, func(column func(string) string) error {
		switch value := column("Value"); strings.ToLower(column("Variable_name")) {
		case "rpl_semi_sync_master_status":
			f.waitsNow = on(value)
		case "rpl_semi_sync_slave_status":
			f.sendsNow = on(value)
		case "rpl_semi_sync_master_clients":
			f.clients, err = strconv.Atoi(value)
			return err
		case "uptime":
			seconds, err := strconv.ParseUint(value, 10, 32)
			if took := time.Since(asked); err == nil && took < startedWithin {
				f.started = asked.Add(-time.Duration(seconds) * time.Second)
			}
			return err
		case "rpl_semi_sync_master_wait_sessions":
			f.waiting, err = strconv.Atoi(value)
			return err
		case "rpl_semi_sync_master_yes_tx":
			f.acknowledged, err = strconv.ParseUint(value, 10, 64)
			return err
		}
		return nil
	})
	if err != nil {
		return facts{}, err
	}
	if f.missing, err = s.lacking(ctx); err != nil {
		return facts{}, err
	}
	err = s.rows(ctx, askReplication, func(column func(string) string) error {
		if len(f.sources) == maxSources {
			return fmt.Errorf("the server replicates from more than %d others", maxSources)
		}
		line, err := parseSource(column)
		if line.connection == catchUpName {
			f.catchUp = &line
			return err
		}
		f.sources = append(f.sources, line)
		return err
	})
	if err != nil {
		return facts{}, err
	}
	return f, nil
}

// lacking returns the privileges that the account lacks. One that only watches needs fewer, and asks
// too often to ask for that.
func (s *server) lacking(ctx context.Context) ([]string, error) {
	if s.watched {
		return nil, nil
	}
	missing := slices.Clone(needed)
	err := s.rows(ctx, askPrivileges, func(column func(string) string) error {
		missing = slices.DeleteFunc(missing, func(name string) bool { return name == column("PRIVILEGE_TYPE") })
		return nil
	})
	return missing, err
}

func parseSource(column func(string) string) (s source, err error) {
	s = source{
		connection: column("Connection_name"), host: column("Master_Host"), receiving: column("Slave_IO_Running"),
		applying: column("Slave_SQL_Running") == "Yes", ioError: column("Last_IO_Error"), sqlError: column("Last_SQL_Error"),
		usesGTID: column("Using_Gtid") == "Slave_Pos" || column("Using_Gtid") == "Current_Pos",
	}
	for _, name := range filters {
		if value := column(name); value != "" && value != "[]" {
			s.filtered = true
		}
	}
	number := func(name string, bits int) (n uint64) {
		if text := column(name); text != "" && err == nil {
			if n, err = strconv.ParseUint(text, 10, bits); err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
		}
		return n
	}
	s.port = uint16(number("Master_Port", 16))
	s.id = uint32(number("Master_Server_Id", 32))
	s.delay = time.Duration(number("SQL_Delay", 31)) * time.Second
	if text := column("Slave_heartbeat_period"); text != "" && err == nil {
		var seconds float64
		if seconds, err = strconv.ParseFloat(text, 64); err != nil {
			return s, fmt.Errorf("heartbeat period: %w", err)
		}
		s.heartbeat = time.Duration(seconds * float64(time.Second))
	}
	if err == nil {
		s.received, err = parsePosition(column("Gtid_IO_Pos"))
	}
	return s, err
}

// rows calls each with the columns of every row, by name: they come and go with versions.
func (s *server) rows(ctx context.Context, query string, each func(column func(string) string) error) (err error) {
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		err := each(func(name string) string {
			if i := slices.Index(columns, name); i >= 0 {
				return values[i].String
			}
			return ""
		})
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

// exec runs statements that change the server. Each may take as long as a wait.
func (s *server) exec(ctx context.Context, statements ...string) error {
	return s.execOn(ctx, s.db, statements...)
}

// An execer runs a statement: a pool, or one connection of it.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (s *server) execOn(ctx context.Context, on execer, statements ...string) error {
	limit, cancel := context.WithTimeout(ctx, s.promoter.config.Wait)
	defer cancel()
	for _, q := range statements {
		// Only the words up to here are shown: an account and its password may follow.
		shown, _, _ := strings.Cut(q, " MASTER_HOST")
		if before := s.promoter.before; before != nil {
			if err := before(s.Name, shown); err != nil {
				return err
			}
		}
		if _, err := on.ExecContext(limit, q); err != nil {
			return fmt.Errorf("promote: node %s: %s: %w", s.Name, shown, err)
		}
	}
	return nil
}

// fence makes the server read-only. Transactions that hold that up are ended, and at the end also
// those that could not commit any more, as their locks would hold up replication. held is called before
// the first, if it is not nil.
func (s *server) fence(ctx context.Context, held func(context.Context) error) error {
	const attempts = 3
	for attempt := 1; ; attempt++ {
		err := s.exec(ctx, "SET GLOBAL read_only = 1")
		if err == nil {
			return s.endWriters(ctx)
		}
		late := (*mysql.MySQLError)(nil)
		if !errors.As(err, &late) || late.Number != lockTimedOut || attempt == attempts {
			return err
		}
		if held != nil {
			if err := held(ctx); err != nil {
				return err
			}
		}
		if err := s.endWriters(ctx); err != nil {
			return err
		}
	}
}

// endWriters ends the connections of everybody who has a transaction open.
func (s *server) endWriters(ctx context.Context) error {
	_, err := s.end(ctx, askWriters, "trx_mysql_thread_id", "open transactions")
	return err
}

// end ends the connections that query has in a column, and returns how many there were.
func (s *server) end(ctx context.Context, query, name, what string) (ended int, err error) {
	limit, cancel := s.limit(ctx)
	defer cancel()
	var threads []string
	err = s.rows(limit, query, func(column func(string) string) error {
		threads = append(threads, column(name))
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("promote: node %s: %s: %w", s.Name, what, err)
	}
	for _, id := range threads {
		n, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			return ended, fmt.Errorf("promote: node %s: %s: %w", s.Name, what, err)
		}
		err = s.exec(ctx, fmt.Sprintf("KILL CONNECTION %d", n))
		if gone := (*mysql.MySQLError)(nil); errors.As(err, &gone) && gone.Number == noSuchThread {
			continue
		}
		if err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

// stopReceiving keeps the server from getting more, and lets it apply what it has.
func (s *server) stopReceiving(ctx context.Context) error {
	return s.exec(ctx, "STOP SLAVE "+s.facts.sources[0].name()+" IO_THREAD")
}

// follow makes the server a replica of primary. semi says whether it is to acknowledge.
func (s *server) follow(ctx context.Context, primary *server, semi bool) error {
	statements := []string{"STOP ALL SLAVES"}
	for i := range s.facts.sources {
		if c := &s.facts.sources[i]; c.connection != "" {
			statements = append(statements, "RESET SLAVE "+c.name()+" ALL")
		}
	}
	if s.facts.catchUp != nil {
		statements = append(statements, dropCatchUp)
	}
	// A replica that waits for replicas of its own would apply one transaction each time-out.
	statements = append(statements, "SET GLOBAL rpl_semi_sync_master_enabled = 0")
	if semi {
		statements = append(statements, "SET GLOBAL rpl_semi_sync_slave_enabled = 1")
	}
	if len(s.facts.sources) == 0 {
		// Its own writes are not in gtid_slave_pos yet.
		statements = append(statements, "SET GLOBAL gtid_slave_pos = "+quote(s.facts.holds().String()))
	}
	statements = append(statements, "CHANGE MASTER '' TO "+s.promoter.link(primary, connectRetry),
		"START SLAVE ''")
	return s.exec(ctx, statements...)
}

// quote makes a literal; the connections' sql_mode lets a backslash escape.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`).Replace(text) + "'"
}

// on reports whether a variable that is a switch is on; newer servers have words for it.
func on(value string) bool { return value != "0" && !strings.EqualFold(value, "OFF") }
