package replicaproof

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica/promote"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// Accounts beside those of the harness, with one password.
const (
	promoter = "promoter" // of the guard
	copier   = "copier"   // of replicas
	password = "only for tests"
)

// accounts are made on the primary and reach the replicas like all else.
var accounts = []string{
	"CREATE USER " + promoter + " IDENTIFIED BY '" + password + "'",
	"GRANT READ_ONLY ADMIN, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR, CONNECTION ADMIN, PROCESS, RELOAD ON *.* TO " + promoter,
	"CREATE USER " + copier + " IDENTIFIED BY '" + password + "'",
	"GRANT REPLICATION SLAVE ON *.* TO " + copier,
}

// patience is how long anything that must happen may take on a busy machine.
const patience = time.Minute

// settings are what promote.Prepare asks to be written into the settings file in a mode.
func settings(mode promote.Mode) []string {
	list := []string{"--max-connections=300"}
	wait := 10 * time.Second
	switch mode {
	case "":
		return list
	case promote.Strict:
		wait = 30 * 24 * time.Hour
	}
	return append(list, "--rpl-semi-sync-slave-enabled=1", "--init-rpl-role=SLAVE", "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
		"--rpl-semi-sync-master-wait-no-slave=1", fmt.Sprint("--rpl-semi-sync-master-timeout=", wait.Milliseconds()))
}

// A server is one of the cluster. Its methods return the first error of the cluster's servers, after
// which they do nothing.
type server struct {
	*replicatest.Server
	group *replicatest.Group
	id    int     // server_id, and index in the cluster from 1
	near  *sql.DB // as a program on the same machine, which no cut of the network is in front of
	down  bool    // or frozen
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

// dsnOf is the address of the server for the guard.
func (s *server) dsnOf(user string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = user, password, "tcp", s.Address()
	return c.FormatDSN()
}

// did returns what went wrong in a step that was just done.
func (s *server) did() error { return s.group.Err() }

// exec runs statements with all privileges.
func (s *server) exec(statements ...string) error {
	s.Exec(statements...)
	return s.did()
}

// text returns the one value that query gives, with all privileges.
func (s *server) text(query string) (string, error) {
	text := s.Text(query)
	return text, s.did()
}

// catchUp waits until it has applied what primary has written so far.
func (s *server) catchUp(primary *server) error {
	s.CatchUp(primary.Server)
	return s.did()
}

// received returns how far a replica has received.
func (s *server) received() (string, error) {
	p := s.Positions()
	return p.Received, s.did()
}

// replication says in words what the server says of its replication.
func (s *server) replication() string {
	if s.down {
		return "it is down"
	}
	if err := s.did(); err != nil {
		return "it cannot be asked: " + err.Error()
	}
	status := s.ReplicaStatus()
	var text string
	for _, n := range []string{"Slave_IO_Running", "Slave_SQL_Running", "Gtid_IO_Pos", "Last_IO_Error", "Last_SQL_Error"} {
		text += fmt.Sprintf("%s=%q ", n, status[n])
	}
	return text
}

// What may happen to it.
func (s *server) cut() error  { s.Isolate(); return s.did() }
func (s *server) heal() error { s.Heal(); return s.did() }

func (s *server) freeze() error {
	s.Freeze()
	s.down = true
	return s.did()
}

func (s *server) thaw() error {
	s.Thaw()
	s.down = false
	return s.did()
}

func (s *server) kill() error {
	s.Kill()
	s.down = true
	return s.did()
}

func (s *server) restart() error {
	s.Restart()
	s.down = false
	return s.did()
}

// rows returns all tokens that it has.
func (s *server) rows(ctx context.Context) (map[int64]row, error) {
	rows, err := s.near.QueryContext(ctx, "SELECT token, COALESCE(k, -1), COALESCE(version, 0), server FROM app.tokens")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[int64]row)
	for rows.Next() {
		var token int64
		var r row
		if err := rows.Scan(&token, &r.key, &r.version, &r.server); err != nil {
			return nil, err
		}
		found[token] = r
	}
	return found, rows.Err()
}

// registers returns all registers that it has.
func (s *server) registers(ctx context.Context) (map[int]registerState, error) {
	rows, err := s.near.QueryContext(ctx, "SELECT k, version, token FROM app.registers")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[int]registerState)
	for rows.Next() {
		var key int
		var r registerState
		if err := rows.Scan(&key, &r.version, &r.token); err != nil {
			return nil, err
		}
		found[key] = r
	}
	return found, rows.Err()
}

// truth returns what it has. was, if not nil, is a server that has parted from the rest.
func (s *server) truth(ctx context.Context, was *server) (t truth, err error) {
	var err1, err2, err3 error
	t.rows, err1 = s.rows(ctx)
	t.registers, err2 = s.registers(ctx)
	if was != nil {
		t.others, err3 = was.rows(ctx)
	}
	return t, errors.Join(err1, err2, err3)
}
