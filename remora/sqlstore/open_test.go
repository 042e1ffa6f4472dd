package sqlstore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/remora/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(envFrom) != "" { // a child of TestCopyKilled
		if err := copyChild(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := testdb.Main(m)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// A database is one of either engine, migrated.
type database struct {
	sqlstore.Conns
	engine sqlstore.Engine
	store  *sqlstore.Store
}

func (d *database) migrated(t testing.TB, o *sqlstore.Options) *database {
	t.Helper()
	if err := sqlstore.Migrate(t.Context(), d, d.engine); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.store, err = sqlstore.New(d, d.engine, o); err != nil {
		t.Fatal(err)
	}
	return d
}

func openSQLite(t testing.TB, path string, o *sqlstore.Options) *database {
	t.Helper()
	conns, err := sqlstore.OpenSQLite(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conns.Close(); err != nil {
			t.Error(err)
		}
	})
	return &database{Conns: conns, engine: sqlstore.SQLite}
}

func openMariaDB(t testing.TB, dsn string, o *sqlstore.Options) *database {
	t.Helper()
	conns, err := sqlstore.OpenMariaDB(dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conns.Close(); err != nil {
			t.Error(err)
		}
	})
	return &database{Conns: conns, engine: sqlstore.MariaDB}
}

// engines are the ways to open an empty, migrated database.
var engines = map[string]func(t testing.TB) *database{
	"sqlite": func(t testing.TB) *database {
		return openSQLite(t, filepath.Join(t.TempDir(), "catalog.sqlite"), nil).migrated(t, nil)
	},
	"mariadb": func(t testing.TB) *database {
		dsn, _ := testdb.MariaDB(t)
		return openMariaDB(t, dsn, nil).migrated(t, nil)
	},
}

// onEach runs a test on each engine.
func onEach(t *testing.T, test func(t *testing.T, d *database)) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func TestContract(t *testing.T) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) remora.Store { return open(t).store })
		})
	}
}
