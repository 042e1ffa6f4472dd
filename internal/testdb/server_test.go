package testdb_test

import (
	"context"
	"database/sql"
	"os"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	one, server := testdb.MariaDB(t)
	two, same := testdb.MariaDB(t)
	if server != same {
		t.Error("two tests of one binary got two servers")
	}
	if _, err := open(t, one).Exec("CREATE TABLE x (i INT)"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := open(t, two).QueryRow("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()").Scan(&n); err != nil || n != 0 {
		t.Errorf("the other database has %d tables (%v), want none", n, err)
	}
}

func TestPrivateServerFails(t *testing.T) {
	server := testdb.Private(t)
	db := open(t, server.DSN(server.Database(t)))
	if _, err := db.Exec("CREATE TABLE x (i INT)"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO x VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	ask := func() (n int, err error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM x").Scan(&n)
		return n, err
	}
	server.Stop()
	if _, err := ask(); err == nil {
		t.Error("a frozen server answers")
	}
	server.Cont()
	if n, err := ask(); err != nil || n != 1 {
		t.Errorf("after Cont: %d rows (%v), want 1", n, err)
	}
	server.Kill()
	if _, err := ask(); err == nil {
		t.Error("a killed server answers")
	}
	server.Start()
	if n, err := ask(); err != nil || n != 1 {
		t.Errorf("after Start: %d rows (%v), want 1", n, err)
	}
}
