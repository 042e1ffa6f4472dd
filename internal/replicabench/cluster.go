package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// patience is how long something may take that takes a moment.
const patience = time.Minute

// A cluster is servers with a router for some of them at work.
type cluster struct {
	*replicatest.Group
	router *replica.Router
	stop   context.CancelFunc
	ended  chan error
}

// open starts servers of a topology and a router for the first so many, which are called a, b, c.
func (b *bench) open(ctx context.Context, t replicatest.Topology, routed int) (c *cluster, err error) {
	c = &cluster{ended: make(chan error, 1)}
	starting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if c.Group, err = replicatest.Open(starting, t); err != nil {
		return nil, err
	}
	fail := func(err error) (*cluster, error) { return nil, errors.Join(err, c.Close()) }
	config := replica.Config{}
	for i, s := range c.Servers[:routed] {
		dsn, err := address(s)
		if err != nil {
			return fail(err)
		}
		config.Nodes = append(config.Nodes, replica.Node{Name: string(rune('a' + i)), DSN: dsn.FormatDSN()})
	}
	if c.router, err = replica.New(config); err != nil {
		return fail(err)
	}
	run, stop := context.WithCancel(ctx)
	c.stop = stop
	go func() { c.ended <- c.router.Run(run) }()
	if err := c.ready(starting); err != nil {
		return fail(err)
	}
	version := c.Servers[0].Text("SELECT @@version")
	if err := c.Err(); err != nil {
		return fail(err)
	}
	b.version("MariaDB " + version)
	return c, nil
}

// ready waits until all replicas are read.
func (c *cluster) ready(ctx context.Context) error {
	if err := c.router.WaitReady(ctx); err != nil {
		return err
	}
	for {
		all := true
		for _, n := range c.router.Status().Nodes {
			all = all && (n.Reads || n.Role == replica.Primary)
		}
		if all {
			return nil
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("not all replicas are read: %+v: %w", c.router.Status(), err)
		}
	}
}

// Close ends the router and the servers.
func (c *cluster) Close() error {
	var errs []error
	if c.stop != nil {
		c.stop()
		errs = append(errs, <-c.ended)
	}
	if c.router != nil {
		errs = append(errs, c.router.Close())
	}
	return errors.Join(append(errs, c.Group.Close(), c.Err())...)
}

// address is that of a server, for an account of an application. Arguments go with the statement, in
// one round trip, so that it is not the driver that is measured.
func address(s *replicatest.Server) (*mysql.Config, error) {
	c, err := mysql.ParseDSN(s.DSN())
	if err != nil {
		return nil, err
	}
	c.InterpolateParams = true
	return c, nil
}

// direct opens a pool as a program without a router would; its settings are those of a router's pools.
func direct(c *mysql.Config) (*sql.DB, error) {
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(32)
	db.SetMaxIdleConns(32)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

func (b *bench) version(text string) {
	for _, v := range b.versions {
		if v == text {
			return
		}
	}
	b.versions = append(b.versions, text)
}
