package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

// MariaDBConns is one MariaDB server, which writes and reads.
type MariaDBConns struct{ db *sql.DB }

var _ Conns = (*MariaDBConns)(nil)

// MariaDBDSN returns the dsn, which is of the form of go-sql-driver/mysql,
// user:password@tcp(host:3306)/database, with everything set that this package relies on: UTC, a
// strict sql_mode and, where the dsn names none, time-outs a little below [Options].Wait, so that a
// server that hangs is noticed. It is for callers who make the connections themselves. An error
// never holds the password.
func MariaDBDSN(dsn string, o *Options) (string, error) {
	c, err := mariaDB(dsn, o)
	if err != nil {
		return "", err
	}
	return c.FormatDSN(), nil
}

func mariaDB(dsn string, o *Options) (*mysql.Config, error) {
	n, err := o.normal()
	c, perr := mysql.ParseDSN(dsn)
	if perr != nil {
		// The driver's own words might hold a piece of the password.
		err = errors.Join(err, errors.New("sqlstore: the address of the database cannot be read; write user:password@tcp(host:3306)/database"))
	} else if c.DBName == "" {
		err = errors.Join(err, errors.New("sqlstore: the address of the database names no database; write user:password@tcp(host:3306)/database"))
	}
	if err != nil {
		return nil, err
	}
	quiet := n.Wait * 4 / 5
	setDuration(&c.Timeout, n.Wait*3/5)
	setDuration(&c.ReadTimeout, quiet)
	setDuration(&c.WriteTimeout, quiet)
	c.Collation = "utf8mb4_bin"
	c.InterpolateParams = false
	c.MultiStatements = false
	c.ParseTime = false
	c.ClientFoundRows = true
	c.Loc = time.UTC
	if c.Params == nil {
		c.Params = map[string]string{}
	}
	c.Params["sql_mode"] = "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY,NO_AUTO_VALUE_ON_ZERO'"
	c.Params["time_zone"] = "'+00:00'"
	// Below the time-out of reading, so that a wait for another's lock is not taken for a server that hangs.
	c.Params["innodb_lock_wait_timeout"] = strconv.FormatInt(max(1, int64((quiet-time.Millisecond)/time.Second)), 10)
	return c, nil
}

// OpenMariaDB prepares connections to a server, with the settings of [MariaDBDSN]. It does not
// connect: a server that is away is KindUnavailable in the calls. The caller closes it. An error
// never holds the password.
func OpenMariaDB(dsn string, o *Options) (*MariaDBConns, error) {
	c, err := mariaDB(dsn, o)
	if err != nil {
		return nil, err
	}
	n, err := o.normal()
	if err != nil {
		return nil, err
	}
	c.Logger = log.New(io.Discard, "", 0) // what it would say is in the errors
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: the address of the database: %w", err)
	}
	calls := n.Readers
	if calls == 0 {
		calls = 32
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(calls)
	db.SetMaxIdleConns(min(calls, 8))
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &MariaDBConns{db: db}, nil
}

func setDuration(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

// Write returns the pool of connections.
func (m *MariaDBConns) Write(context.Context) *sql.DB { return m.db }

// Read returns the same pool.
func (m *MariaDBConns) Read(context.Context) *sql.DB { return m.db }

// Close closes all connections, after which calls fail. It may be called again.
func (m *MariaDBConns) Close() error { return m.db.Close() }
