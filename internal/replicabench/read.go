package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// rows is how many there are to read.
const rows = 10_000

const readRow = "SELECT v FROM app.kv WHERE id = ?"

// read compares ways to read on the same replica: the router has only that one.
func read(ctx context.Context, b *bench) (err error) {
	c, err := b.open(ctx, replicatest.Topology{Servers: 3}, 2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.Servers[0].Exec("CREATE TABLE app.kv (id INT PRIMARY KEY, v VARCHAR(100) NOT NULL)",
		fmt.Sprintf("INSERT INTO app.kv SELECT seq, REPEAT('x', 100) FROM app.seq_1_to_%d", rows))
	for _, s := range c.Servers[1:] {
		s.CatchUp(c.Servers[0])
	}
	s := replica.NewSession()
	bound := replica.WithSession(ctx, s)
	if _, err := c.router.Write(bound).ExecContext(bound, "UPDATE app.kv SET v = REPEAT('y', 100) WHERE id = 1"); err != nil {
		return err
	}
	for _, s := range c.Servers[1:] {
		s.CatchUp(c.Servers[0])
	}
	if err := c.Err(); err != nil {
		return err
	}
	position := strings.ReplaceAll(s.Token().String(), ".", ",")
	if position == "" {
		return errors.New("the session has no position")
	}
	dsn, err := address(c.Servers[1])
	if err != nil {
		return err
	}
	db, err := direct(dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	subjects := []subject{
		{plain, func(ctx context.Context, i int) error { return scan(db.QueryRowContext(ctx, readRow, key(i))) }},
		{routed, func(ctx context.Context, i int) error {
			return scan(c.router.Read(ctx).QueryRowContext(ctx, readRow, key(i)))
		}},
		{session, func(_ context.Context, i int) error {
			return scan(c.router.Read(bound).QueryRowContext(bound, readRow, key(i)))
		}},
		{view, func(ctx context.Context, i int) error {
			return c.router.View(ctx, func(ctx context.Context, q replica.Querier) error {
				return scan(q.QueryRowContext(ctx, readRow, key(i)))
			})
		}},
		{"MASTER_GTID_WAIT before each", func(ctx context.Context, i int) error { return waitAndRead(ctx, db, position, i) }},
	}
	proxied, stop, err := b.haproxy(ctx, dsn)
	if err != nil {
		return err
	}
	if proxied != nil {
		defer func() { err = errors.Join(err, stop()) }()
		subjects = append(subjects, subject{"HAProxy, TCP", func(ctx context.Context, i int) error {
			return scan(proxied.QueryRowContext(ctx, readRow, key(i)))
		}})
	}
	// The replica has what the session wrote; the router has to hear of it.
	before := c.router.Stats().PrimaryReads
	for began := time.Now(); ; {
		c.router.Read(bound)
		now := c.router.Stats().PrimaryReads
		if now == before {
			break
		}
		if before = now; time.Since(began) > patience {
			return errors.New("the replica does not answer the session")
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	if err := b.turns(ctx, "read", subjects, 3000, 100); err != nil {
		return err
	}
	if n := c.router.Stats().PrimaryReads - before; n > 0 {
		return fmt.Errorf("%d reads went to the primary, so that not the same was measured", n)
	}
	return nil
}

func key(i int) int { return i*7919%rows + 1 }

func scan(row *sql.Row) error {
	var v string
	if err := row.Scan(&v); err != nil {
		return err
	}
	if len(v) != 100 {
		return fmt.Errorf("a row has %d characters, not 100", len(v))
	}
	return nil
}

// waitAndRead is how a program sees its own writes that knows positions but not where servers are.
func waitAndRead(ctx context.Context, db *sql.DB, position string, i int) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var reached int
	if err := conn.QueryRowContext(ctx, "SELECT MASTER_GTID_WAIT(?, 1)", position).Scan(&reached); err != nil {
		return err
	}
	if reached != 0 {
		return errors.New("the replica does not get to the position")
	}
	return scan(conn.QueryRowContext(ctx, readRow, key(i)))
}
