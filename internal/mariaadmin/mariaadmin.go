// Package mariaadmin asks MariaDB servers what people who look after them need to know. It changes
// nothing.
package mariaadmin

import (
	"context"
	"database/sql"
	"errors"
	"strconv"

	"github.com/go-sql-driver/mysql"
)

// A SemiSync is the state of semi-synchronous replication on a primary
// (https://mariadb.com/kb/en/semisynchronous-replication/).
type SemiSync struct {
	Enabled  bool // commits are meant to wait for a replica
	On       bool // they do now
	Replicas int  // that confirm
}

// AskSemiSync asks the server behind db.
func AskSemiSync(ctx context.Context, db *sql.DB) (s SemiSync, err error) {
	values, err := pairs(ctx, db, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_%'")
	if err != nil {
		return s, err
	}
	enabled, err := pairs(ctx, db, "SHOW GLOBAL VARIABLES LIKE 'rpl_semi_sync_master_enabled'")
	if err != nil {
		return s, err
	}
	s.Enabled = enabled["rpl_semi_sync_master_enabled"] == "ON"
	s.On = values["Rpl_semi_sync_master_status"] == "ON"
	if text := values["Rpl_semi_sync_master_clients"]; text != "" {
		s.Replicas, err = strconv.Atoi(text)
	}
	return s, err
}

// A Server is what one server says of itself.
type Server struct {
	Variables map[string]string // global ones, by lower-case name
	Grants    []string          // of the account that asks; they may hold hashes of passwords
}

// Ask connects to a server, by a dsn in the form of go-sql-driver/mysql, and asks it.
func Ask(ctx context.Context, dsn string) (s Server, err error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return s, errors.New("the address of the server cannot be read") // the driver's own words might hold the password
	}
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return s, err
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	if s.Variables, err = pairs(ctx, db, "SHOW GLOBAL VARIABLES"); err != nil {
		return s, err
	}
	rows, err := db.QueryContext(ctx, "SHOW GRANTS")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var grant string
		if err := rows.Scan(&grant); err != nil {
			return s, err
		}
		s.Grants = append(s.Grants, grant)
	}
	return s, rows.Err()
}

// pairs reads rows of two columns.
func pairs(ctx context.Context, db *sql.DB, query string) (values map[string]string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values = map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, rows.Err()
}
