package replicatest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

// A Server is one MariaDB server. Its methods fail the test when they fail; in a program the first
// failure is kept for [Group.Err], and after it they do nothing. They are for one goroutine at a time.
type Server struct {
	group *Group
	judge judge
	id    int // server_id
	child *mariachild.Server
	db    *sql.DB // as admin, past all relays
	relay *relay  // nil: the topology is not partitionable
	ended bool
}

// accounts are made on each server by itself and stay out of the stream of changes.
var accounts = fmt.Sprintf(`SET sql_log_bin = 0;
CREATE USER IF NOT EXISTS '%[1]s'@'%%' IDENTIFIED BY '%[3]s';
GRANT ALL ON *.* TO '%[1]s'@'%%' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS '%[2]s'@'%%' IDENTIFIED BY '%[3]s';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, SLAVE MONITOR ON *.* TO '%[2]s'@'%%';
`, admin, app, password)

func (s *Server) start(ctx context.Context, t *Topology) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.child, err = mariachild.Open(accounts, t.arguments(s.id)...); err != nil {
		return err
	}
	c, err := mysql.ParseDSN(s.dsn(admin, "", s.near()))
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

// hang puts a relay before the server.
func (s *Server) hang() (err error) {
	s.relay, err = newRelay(s.near(), s.group.server)
	return err
}

// end kills the server and removes its data.
func (s *Server) end() error {
	if s.ended {
		return nil
	}
	s.ended = true
	var errs []error
	if s.relay != nil {
		errs = append(errs, s.relay.close())
	}
	if s.db != nil {
		_ = s.db.Close() // a server that was killed cannot be told goodbye
	}
	if s.child != nil {
		errs = append(errs, s.child.End())
	}
	return errors.Join(errs...)
}

var errClosed = errors.New("the group is closed")

// do does one step and tells who is to know when it fails.
func (s *Server) do(step func(context.Context) error) {
	s.judge.Helper()
	if s.group.Err() != nil {
		return
	}
	err := errClosed
	if !s.ended {
		err = step(context.Background())
	}
	if err != nil {
		s.judge.Fatal(fmt.Errorf("server %s: %w", s.Name(), err))
	}
}

// Name returns a for the first server, b for the second, and so on.
func (s *Server) Name() string { return string(rune('a' + s.id - 1)) }

// Kill kills the server as a power cut would, and returns when it is gone. What a slow [Link] still
// carries arrives.
func (s *Server) Kill() {
	s.judge.Helper()
	s.do(func(context.Context) error { return s.child.Kill() })
}

// Stop ends the server as an administrator would, and returns when it is gone.
func (s *Server) Stop() {
	s.judge.Helper()
	s.do(func(context.Context) error { return s.child.Stop() })
}

// Freeze stops the server from doing anything, and returns when it stands still: the kernel still
// accepts connections, nobody answers.
func (s *Server) Freeze() {
	s.judge.Helper()
	s.do(func(context.Context) error { return s.child.Freeze() })
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() {
	s.judge.Helper()
	s.do(func(context.Context) error { return s.child.Thaw() })
}

// Restart starts a killed or stopped server again, on the same port and data, and returns when it takes
// connections. It is read-only then, and a replica replicates. More arguments, such as
// "--init-rpl-role=SLAVE", are for this run alone.
func (s *Server) Restart(arguments ...string) {
	s.judge.Helper()
	s.do(func(context.Context) error { return s.child.Restart(arguments...) })
}

// near is the address of the server itself.
func (s *Server) near() string { return fmt.Sprintf("127.0.0.1:%d", s.child.Port()) }

// Address returns host:port by which clients and other servers reach the server.
func (s *Server) Address() string {
	if s.relay != nil {
		return s.relay.address()
	}
	return s.near()
}

// DSN returns the address of [Schema], for github.com/go-sql-driver/mysql, with an account that
// may change data and tables and see the state of replication, and nothing else.
func (s *Server) DSN() string { return s.dsn(app, Schema, s.Address()) }

// AdminDSN returns the address of the server, for github.com/go-sql-driver/mysql, with an account
// that has all privileges. Replicas may connect with that account too.
func (s *Server) AdminDSN() string { return s.dsn(admin, "", s.Address()) }

// NearDSN is [Server.DSN] for a client on the server's own machine, which no fault of a [Link] touches.
func (s *Server) NearDSN() string { return s.dsn(app, Schema, s.near()) }

func (s *Server) dsn(user, database, address string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd = user, password
	c.Net, c.Addr, c.DBName = "tcp", address, database
	return c.FormatDSN()
}

// patience is how long one statement of the harness may take on a busy machine.
const patience = time.Minute
