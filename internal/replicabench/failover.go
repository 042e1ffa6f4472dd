package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica/failover"
	"github.com/sugarlabs/beamrider/replica/promote"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

const guarded = "replica/failover, strict"

const (
	pace     = 2 * time.Millisecond // between two writes
	warm     = time.Second          // of writes before the kill
	inFlight = 128                  // writes at once, at most
	deadline = 2 * time.Second      // of one write
)

// failovers kills the primary of a new cluster in each round.
func failovers(ctx context.Context, b *bench) error {
	for round := range b.rounds {
		values, err := b.lose(ctx)
		if err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		b.results.Add("failover", guarded, values)
	}
	return nil
}

// lose measures how long writes stop when the primary is killed.
func (b *bench) lose(ctx context.Context) (values map[string]float64, err error) {
	c, err := b.open(ctx, replicatest.Topology{Servers: 3, Strict: true, ApplyThreads: 8}, 3)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.Servers[0].Exec("CREATE USER promoter IDENTIFIED BY 'promotes'",
		"GRANT READ_ONLY ADMIN, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR, CONNECTION ADMIN, PROCESS, RELOAD ON *.* TO promoter",
		"CREATE USER copier IDENTIFIED BY 'copies'", "GRANT REPLICATION SLAVE ON *.* TO copier",
		"CREATE TABLE app.acked (id BIGINT PRIMARY KEY)")
	for _, s := range c.Servers[1:] {
		s.CatchUp(c.Servers[0])
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "replicabench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	stop, err := c.guard(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()

	var l load
	writing, enough := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(writing, c)
	}()
	defer func() { enough(); <-done }()
	if err := pause(ctx, warm); err != nil {
		return nil, err
	}
	killed := time.Now()
	l.mark(killed)
	c.Servers[0].Kill()
	if err := c.Err(); err != nil {
		return nil, err
	}
	var again time.Time
	for began := time.Now(); again.IsZero(); again = l.first() {
		if time.Since(began) > patience {
			return nil, fmt.Errorf("no write was acknowledged in %v after the kill: %+v", patience, c.router.Status())
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if err := pause(ctx, 200*time.Millisecond); err != nil {
		return nil, err
	}
	enough()
	<-done
	lost, err := l.lost(ctx, c)
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		"s": again.Sub(killed).Seconds(), "acknowledged before": float64(l.before), "lost": float64(lost), "failed": float64(l.failed),
	}, nil
}

// guard starts what promotes, and returns when it would.
func (c *cluster) guard(ctx context.Context, folder string) (stop func() error, err error) {
	config := failover.Config{
		Promote:   promote.Config{Mode: promote.Strict, ReplicationUser: "copier", ReplicationPassword: "copies"},
		Automatic: true, Folder: folder,
	}
	for i, s := range c.Servers {
		dsn, err := mysql.ParseDSN(s.AdminDSN())
		if err != nil {
			return nil, err
		}
		dsn.User, dsn.Passwd = "promoter", "promotes"
		config.Promote.Nodes = append(config.Promote.Nodes, promote.Node{Name: string(rune('a' + i)), DSN: dsn.FormatDSN()})
	}
	g, err := failover.New(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	stop = func() error { cancel(); return <-ended }
	for began := time.Now(); ; {
		s := g.Status()
		if s.Primary != "" && s.Held == "" && !s.Armed.IsZero() {
			return stop, nil
		}
		if time.Since(began) > patience {
			return nil, errors.Join(fmt.Errorf("nobody would promote: %s", s.Held), stop())
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, errors.Join(err, stop())
		}
	}
}

// A load is writes at a constant pace, however they end.
type load struct {
	mu     sync.Mutex
	killed time.Time
	back   time.Time // when the first was acknowledged that began after the kill
	acked  []int64
	before int // acknowledged before the kill
	failed int
}

func (l *load) mark(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killed, l.before = t, len(l.acked)
}

func (l *load) first() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.back
}

// run writes until ctx ends, and returns when the last has ended.
func (l *load) run(ctx context.Context, c *cluster) {
	slots := make(chan struct{}, inFlight)
	var writes sync.WaitGroup
	defer writes.Wait()
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for id := int64(1); ; id++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case slots <- struct{}{}:
		default:
			continue // nobody answers
		}
		writes.Go(func() {
			defer func() { <-slots }()
			began := time.Now()
			limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
			defer cancel()
			_, err := c.router.Write(limit).ExecContext(limit, "INSERT INTO app.acked VALUES (?)", id)
			now := time.Now()
			l.mu.Lock()
			defer l.mu.Unlock()
			if err != nil {
				l.failed++
				return
			}
			l.acked = append(l.acked, id)
			if !l.killed.IsZero() && began.After(l.killed) && l.back.IsZero() {
				l.back = now
			}
		})
	}
}

// lost counts what was acknowledged and is not there.
func (l *load) lost(ctx context.Context, c *cluster) (lost int, err error) {
	found := make(map[int64]bool)
	rows, err := c.router.Write(ctx).QueryContext(ctx, "SELECT id FROM app.acked")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return 0, err
		}
		found[id] = true
	}
	for _, id := range l.acked {
		if !found[id] {
			lost++
		}
	}
	return lost, rows.Err()
}
