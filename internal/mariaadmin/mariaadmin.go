// Package mariaadmin asks MariaDB servers what people who look after them need to know. It changes
// nothing.
package mariaadmin

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
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
