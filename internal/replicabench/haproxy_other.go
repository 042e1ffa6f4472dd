//go:build !linux

package main

import (
	"context"
	"database/sql"

	"github.com/go-sql-driver/mysql"
)

// haproxy is nowhere but on Linux, where alone servers are started.
func (b *bench) haproxy(context.Context, *mysql.Config) (*sql.DB, func() error, error) {
	b.missing = append(b.missing, "HAProxy")
	return nil, nil, nil
}
