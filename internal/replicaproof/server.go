package replicaproof

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/internal/mariachild"
	"github.com/sugarlabs/beamrider/replica/promote"
)

// Accounts on all servers, with one password.
const (
	boss     = "boss"     // has all privileges: the hand of a person
	app      = "app"      // of programs
	promoter = "promoter" // of the guard
	copier   = "copier"   // of replicas
	password = "only for tests"
	schema   = "app"
)

// accounts are made on each server by itself and stay out of the stream of changes.
var accounts = fmt.Sprintf(`SET sql_log_bin = 0;
CREATE USER IF NOT EXISTS '%[1]s'@'%%' IDENTIFIED BY '%[5]s';
GRANT ALL ON *.* TO '%[1]s'@'%%' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS '%[2]s'@'%%' IDENTIFIED BY '%[5]s';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, SLAVE MONITOR ON *.* TO '%[2]s'@'%%';
CREATE USER IF NOT EXISTS '%[3]s'@'%%' IDENTIFIED BY '%[5]s';
GRANT READ_ONLY ADMIN, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR, CONNECTION ADMIN, PROCESS, RELOAD ON *.* TO '%[3]s'@'%%';
CREATE USER IF NOT EXISTS '%[4]s'@'%%' IDENTIFIED BY '%[5]s';
GRANT REPLICATION SLAVE ON *.* TO '%[4]s'@'%%';
`, boss, app, promoter, copier, password)

// patience is how long anything that must happen may take on a busy machine.
const patience = time.Minute

// A server is one MariaDB server with the network in front of it: one way for programs and the guard,
// one for its replicas.
type server struct {
	id       int // server_id, and index in the cluster from 1
	child    *mariachild.Server
	db       *sql.DB // as boss, past the network
	programs *relay
	replicas *relay
	down     bool
}

// settings are those of all servers. Those of a mode are what promote.Prepare asks to be written into the
// settings file. What the page cache holds outlives a killed process, so that syncing would only
// take time.
func settings(id int, mode promote.Mode) []string {
	list := []string{
		fmt.Sprint("--server-id=", id), "--log-bin=bin", "--log-slave-updates", "--binlog-format=ROW", "--gtid-strict-mode=1",
		"--read-only=1", "--slave-net-timeout=4", "--slave-parallel-threads=4", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2",
		"--max-connections=300", "--report-host=127.0.0.1",
	}
	if mode == "" {
		return list
	}
	wait := 10 * time.Second
	if mode == promote.Strict {
		wait = 30 * 24 * time.Hour
	}
	return append(list, "--rpl-semi-sync-slave-enabled=1", "--init-rpl-role=SLAVE", "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
		"--rpl-semi-sync-master-wait-no-slave=1", fmt.Sprint("--rpl-semi-sync-master-timeout=", wait.Milliseconds()))
}

func start(tb testing.TB, id int, mode promote.Mode, delay time.Duration) (_ *server, err error) {
	s := &server{id: id, child: mariachild.Start(tb, accounts, settings(id, mode)...)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.end())
		}
	}()
	real := fmt.Sprintf("127.0.0.1:%d", s.child.Port())
	if s.programs, err = newRelay(real, 0); err != nil {
		return nil, err
	}
	if s.replicas, err = newRelay(real, delay); err != nil {
		return nil, err
	}
	s.db, err = open(s.dsn(boss, real))
	return s, err
}

// open opens a pool whose lost connections are no news.
func open(dsn string) (*sql.DB, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// name is what router and guard call it: a, b, c.
func (s *server) name() string { return string(rune('a' + s.id - 1)) }

func (s *server) dsn(user, addr string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = user, password, "tcp", addr, schema
	if user == boss || user == promoter {
		c.DBName = ""
	}
	return c.FormatDSN()
}

// past is the address that no cut of the network is in front of.
func (s *server) past() string { return fmt.Sprintf("127.0.0.1:%d", s.child.Port()) }

// exec runs statements as boss.
func (s *server) exec(ctx context.Context, statements ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, q := range statements {
		if _, err := s.db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("server %s: %s: %w", s.name(), q, err)
		}
	}
	return nil
}

// text returns the one value that query gives, as boss.
func (s *server) text(ctx context.Context, query string) (text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.db.QueryRowContext(ctx, query).Scan(&text); err != nil {
		return "", fmt.Errorf("server %s: %s: %w", s.name(), query, err)
	}
	return text, nil
}

// follow makes it a replica of another.
func (s *server) follow(ctx context.Context, primary *server) error {
	host, port, err := splitHostPort(primary.replicas.addr())
	if err != nil {
		return err
	}
	return s.exec(ctx, "STOP SLAVE", fmt.Sprintf(
		"CHANGE MASTER TO MASTER_HOST = '%s', MASTER_PORT = %d, MASTER_USER = '%s', MASTER_PASSWORD = '%s', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1",
		host, port, copier, password), "START SLAVE")
}

// catchUp waits until it has applied what primary has written so far.
func (s *server) catchUp(ctx context.Context, primary *server) error {
	at, err := primary.text(ctx, "SELECT @@gtid_binlog_pos")
	if err != nil {
		return err
	}
	got, err := s.text(ctx, fmt.Sprintf("SELECT MASTER_GTID_WAIT('%s', %d)", at, patience/time.Second))
	if err == nil && got != "0" {
		status, _ := s.replication(ctx) // that it cannot be had does not matter beside the rest
		err = fmt.Errorf("server %s has not applied %s in %s; its replication: %s", s.name(), at, patience, status)
	}
	return err
}

// replication says in words what SHOW SLAVE STATUS does, as far as it is wrong.
func (s *server) replication(ctx context.Context) (string, error) {
	rows, err := s.db.QueryContext(ctx, "SHOW SLAVE STATUS")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	status, err := columns(rows)
	var text string
	for _, n := range []string{"Master_Port", "Slave_IO_Running", "Slave_SQL_Running", "Gtid_IO_Pos", "Last_IO_Error", "Last_SQL_Error"} {
		text += fmt.Sprintf("%s=%q ", n, status[n])
	}
	return text, err
}

// received returns how far a replica has received.
func (s *server) received(ctx context.Context) (string, error) {
	rows, err := s.db.QueryContext(ctx, "SHOW SLAVE STATUS")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	status, err := columns(rows)
	return status["Gtid_IO_Pos"], err
}

// columns returns the first row by the names of its columns.
func columns(rows *sql.Rows) (map[string]string, error) {
	names, err := rows.Columns()
	if err != nil || !rows.Next() {
		return nil, errors.Join(err, rows.Err())
	}
	values := make([]sql.NullString, len(names))
	into := make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	found := make(map[string]string)
	for i, n := range names {
		found[n] = values[i].String
	}
	return found, rows.Err()
}

// cut cuts the network on all ways to it.
func (s *server) cut() { s.programs.cut(); s.replicas.cut() }

func (s *server) heal() { s.programs.heal(); s.replicas.heal() }

func (s *server) kill() error {
	s.down = true
	return s.child.Kill()
}

func (s *server) restart() error {
	err := s.child.Restart()
	if err == nil {
		s.down = false
	}
	return err
}

// end kills it and removes what it had.
func (s *server) end() error {
	var errs []error
	for _, r := range []*relay{s.programs, s.replicas} {
		if r != nil {
			errs = append(errs, r.close())
		}
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(append(errs, s.child.End())...)
}
