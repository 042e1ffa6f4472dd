package replicatest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/internal/mariachild"
)

// Accounts that exist on all servers. That of the application may not write where read_only is set.
const (
	admin    = "boss"
	app      = "app"
	password = "only for tests"
)

// Schema is a database that exists on all servers of a cluster.
const Schema = "app"

// A Server is one MariaDB server. Its methods fail the test when they fail. They are for one
// goroutine at a time.
type Server struct {
	tb    testing.TB
	id    int // server_id
	child *mariachild.Server
	db    *sql.DB // as admin
}

// accounts are made on each server by itself and stay out of the stream of changes.
var accounts = fmt.Sprintf(`SET sql_log_bin = 0;
CREATE USER IF NOT EXISTS '%[1]s'@'%%' IDENTIFIED BY '%[3]s';
GRANT ALL ON *.* TO '%[1]s'@'%%' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS '%[2]s'@'%%' IDENTIFIED BY '%[3]s';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, SLAVE MONITOR ON *.* TO '%[2]s'@'%%';
`, admin, app, password)

func start(tb testing.TB, id int) *Server {
	tb.Helper()
	s := &Server{tb: tb, id: id, child: mariachild.Start(tb, accounts,
		fmt.Sprint("--server-id=", id), "--log-bin=bin", "--log-slave-updates", "--binlog-format=ROW",
		"--gtid-strict-mode=1", "--read-only=1", "--slave-net-timeout=4", "--slave-parallel-threads=2",
		"--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2")}
	tb.Cleanup(func() {
		if err := s.end(); err != nil {
			tb.Error(err)
		}
	})
	if err := s.open(); err != nil {
		tb.Fatal(err)
	}
	return s
}

func (s *Server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("server %d: %v", s.id, err)
	}
}

// Kill kills the server as a power cut would, and returns when it is gone.
func (s *Server) Kill() { s.tb.Helper(); s.must(s.child.Kill()) }

// Freeze stops the server from doing anything, and returns when it stands still: the kernel still
// accepts connections, nobody answers.
func (s *Server) Freeze() { s.tb.Helper(); s.must(s.child.Freeze()) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.tb.Helper(); s.must(s.child.Thaw()) }

// Restart starts a killed server again, on the same port and data, and returns when it takes
// connections. It is read-only then. It gets args besides those it had at first.
func (s *Server) Restart(args ...string) { s.tb.Helper(); s.must(s.child.Restart(args...)) }

// Cluster starts servers and returns them when they run: the first is the primary and has [Schema],
// the others replicate from it and have caught up. They end with the test.
func Cluster(tb testing.TB, servers int) []*Server {
	tb.Helper()
	all := make([]*Server, servers)
	for i := range all {
		all[i] = start(tb, i+1)
	}
	all[0].Exec("SET GLOBAL read_only = 0", "CREATE DATABASE "+Schema+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	for _, s := range all[1:] {
		s.Follow(all[0], 0)
		s.CatchUp(all[0])
	}
	return all
}

// DSN returns the address of [Schema], for github.com/go-sql-driver/mysql, with an account that
// may change data and tables and see the state of replication, and nothing else.
func (s *Server) DSN() string { return s.dsn(app, Schema) }

// AdminDSN returns the address of the server, for github.com/go-sql-driver/mysql, with an account
// that has all privileges. Replicas may connect with that account too.
func (s *Server) AdminDSN() string { return s.dsn(admin, "") }

func (s *Server) dsn(user, database string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd = user, password
	c.Net, c.Addr, c.DBName = "tcp", fmt.Sprintf("127.0.0.1:%d", s.child.Port()), database
	return c.FormatDSN()
}

// patience is how long one statement of the harness may take on a busy machine.
const patience = time.Minute

// Exec runs statements with all privileges.
func (s *Server) Exec(statements ...string) {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, q := range statements {
		if _, err := s.db.ExecContext(ctx, q); err != nil {
			s.tb.Fatalf("server %d: %s: %v", s.id, q, err)
		}
	}
}

// Text returns the one value that query gives, with all privileges.
func (s *Server) Text(query string) (text string) {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.db.QueryRowContext(ctx, query).Scan(&text); err != nil {
		s.tb.Fatalf("server %d: %s: %v", s.id, query, err)
	}
	return text
}

// Follow makes the server a replica of another that applies everything delay later, in whole
// seconds.
func (s *Server) Follow(primary *Server, delay time.Duration) {
	s.tb.Helper()
	s.Exec("SET GLOBAL read_only = 1", "STOP SLAVE", fmt.Sprintf(
		"CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = %d, MASTER_USER = '%s', MASTER_PASSWORD = '%s', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1, MASTER_DELAY = %d",
		primary.child.Port(), admin, password, int(delay/time.Second)), "START SLAVE")
}

// CatchUp waits until the server has applied what primary has written so far.
func (s *Server) CatchUp(primary *Server) {
	s.tb.Helper()
	at := primary.Text("SELECT @@gtid_binlog_pos")
	if got := s.Text(fmt.Sprintf("SELECT MASTER_GTID_WAIT('%s', 30)", at)); got != "0" {
		s.tb.Fatalf("server %d has not applied %s in 30 seconds", s.id, at)
	}
}

// Promote makes a replica a primary, as an operator would.
func (s *Server) Promote() {
	s.tb.Helper()
	s.Exec("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0")
}

func (s *Server) open() error {
	c, err := mysql.ParseDSN(s.dsn(admin, ""))
	if err != nil {
		return err
	}
	c.Logger = &mysql.NopLogger{} // connections to a killed server are no news
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return err
	}
	s.db = sql.OpenDB(connector)
	return nil
}

// end kills the server and removes its data.
func (s *Server) end() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(append(errs, s.child.End())...)
}
