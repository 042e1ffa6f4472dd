package testdb

import (
	"database/sql"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/internal/mariachild"
)

// account and password are of an account that may do everything on the servers of this package.
const (
	account  = "beamrider"
	password = "only for tests"
)

// A Server is a running server. Kill, Stop, Cont and Start are for one goroutine at a time, and for
// private servers only.
type Server struct {
	tb      testing.TB
	private bool
	child   *mariachild.Server
}

func start(t testing.TB, private bool) *Server {
	t.Helper()
	accounts := fmt.Sprintf("CREATE USER IF NOT EXISTS '%[1]s'@'%%' IDENTIFIED BY '%[2]s';\nGRANT ALL ON *.* TO '%[1]s'@'%%' WITH GRANT OPTION;\n", account, password)
	return &Server{tb: t, private: private, child: mariachild.Start(t, accounts, "--skip-log-bin")}
}

// Addr returns host:port.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.child.Port()) }

// User returns the name of an account that may do everything.
func (s *Server) User() string { return account }

// Password returns the password of that account.
func (s *Server) Password() string { return password }

// DSN returns the address of a database for go-sql-driver/mysql; "" names none.
func (s *Server) DSN(database string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd = account, password
	c.Net, c.Addr, c.DBName = "tcp", s.Addr(), database
	return c.FormatDSN()
}

// mistreat does to a private server what must not be done to the shared one.
func (s *Server) mistreat(how func() error) {
	s.tb.Helper()
	if !s.private {
		s.tb.Fatal("testdb: only a private server may be mistreated")
	}
	if err := how(); err != nil {
		s.tb.Fatalf("testdb: %v", err)
	}
}

// Kill kills the server as a power cut would, and returns when it is gone.
func (s *Server) Kill() { s.tb.Helper(); s.mistreat(s.child.Kill) }

// Stop freezes the server, and returns when it is frozen: the kernel still accepts connections,
// nobody answers.
func (s *Server) Stop() { s.tb.Helper(); s.mistreat(s.child.Freeze) }

// Cont lets a frozen server go on.
func (s *Server) Cont() { s.tb.Helper(); s.mistreat(s.child.Thaw) }

// Start starts a killed server again, on the same port and data, and returns when it takes
// connections.
func (s *Server) Start() { s.tb.Helper(); s.mistreat(func() error { return s.child.Restart() }) }

var databases atomic.Int64

// Database makes an empty database for the test and returns its name. It is dropped with the test.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), databases.Add(1))
	s.exec(t, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	if !s.private { // the data of a private one goes with its folder
		t.Cleanup(func() { s.exec(t, "DROP DATABASE "+name) })
	}
	return name
}

func (s *Server) exec(t testing.TB, query string) {
	t.Helper()
	db, err := sql.Open("mysql", s.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

var shared struct {
	sync.Mutex
	server *Server
}

// MariaDB returns the address, for go-sql-driver/mysql, of an empty database of the test's own on
// the shared server, and that server.
func MariaDB(t testing.TB) (dsn string, server *Server) {
	t.Helper()
	shared.Lock()
	if shared.server == nil {
		shared.server = start(t, false)
	}
	server = shared.server
	shared.Unlock()
	return server.DSN(server.Database(t)), server
}

// Private returns a server that the test has alone and may mistreat. It ends with the test.
func Private(t testing.TB) *Server {
	t.Helper()
	s := start(t, true)
	t.Cleanup(func() {
		if err := s.child.End(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Main runs the tests of a package, with temporary files in memory as [Memory] does it, and ends the
// shared server. It returns the exit status, for os.Exit.
func Main(m *testing.M) int {
	if err := Memory(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := End(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// Disk returns an empty folder that is not in memory because of [Memory], for a test that is about what
// a disk has. It is removed with the test.
func Disk(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(onDisk, "beamrider-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// End ends the shared server, for a TestMain that does more than [Main].
func End() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return nil
	}
	err := shared.server.child.End()
	shared.server = nil
	return err
}
