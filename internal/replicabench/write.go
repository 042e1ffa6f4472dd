package main

import (
	"context"
	"errors"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

const (
	untracked = "without a session"
	tracked   = "with a session"
)

const addRow = "INSERT INTO app.log (v) VALUES (?)"

// write compares writes that are noted in a session with others. A write waits for the disk and for a
// replica.
func write(ctx context.Context, b *bench) (err error) {
	c, err := b.open(ctx, replicatest.Topology{Servers: 3, SemiSync: true, Durable: true}, 3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.Servers[0].Exec("CREATE TABLE app.log (id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT NOT NULL)")
	if err := c.Err(); err != nil {
		return err
	}
	dsn, err := address(c.Servers[0])
	if err != nil {
		return err
	}
	db, err := direct(dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return b.turns(ctx, "write", []subject{
		{untracked, func(ctx context.Context, i int) error {
			_, err := c.router.Write(ctx).ExecContext(ctx, addRow, i)
			return err
		}},
		{tracked, func(ctx context.Context, i int) error {
			s := replica.NewSession()
			ctx = replica.WithSession(ctx, s)
			if _, err := c.router.Write(ctx).ExecContext(ctx, addRow, i); err != nil {
				return err
			}
			if s.Token().String() == "" {
				return errors.New("a write was not noted in its session")
			}
			return nil
		}},
		{plain, func(ctx context.Context, i int) error {
			_, err := db.ExecContext(ctx, addRow, i)
			return err
		}},
	}, 300, 20)
}
