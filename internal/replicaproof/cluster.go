package replicaproof

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/promote"
)

// tables are what the load works on. A token is written once; a register has a version that rises by
// one with each write, and its writes are tokens too, so that in the end the order of all of them can
// be read. Nobody but the server says which server it was.
var tables = []string{
	"CREATE TABLE app.tokens (token BIGINT PRIMARY KEY, k INT NULL, version BIGINT NULL, server INT NOT NULL, UNIQUE (k, version)) ENGINE=InnoDB",
	"CREATE TABLE app.registers (k INT PRIMARY KEY, version BIGINT NOT NULL, token BIGINT NOT NULL, server INT NOT NULL) ENGINE=InnoDB",
}

// A shape is what a cluster is like.
type shape struct {
	servers int
	mode    promote.Mode  // that of the settings file; "": none
	delay   time.Duration // of what goes to replicas and back
}

// A cluster is a primary, the first server, and its replicas.
type cluster []*server

func openCluster(ctx context.Context, tb testing.TB, c shape) (list cluster, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, list.end())
		}
	}()
	for i := range c.servers {
		s, err := start(tb, i+1, c.mode, c.delay)
		if err != nil {
			return list, err
		}
		list = append(list, s)
	}
	first := list[0]
	if err := first.exec(ctx, "SET GLOBAL read_only = 0", "CREATE DATABASE "+schema+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		return list, err
	}
	if err := first.exec(ctx, tables...); err != nil {
		return list, err
	}
	for k := range keys {
		if err := first.exec(ctx, fmt.Sprintf("INSERT INTO app.registers VALUES (%d, 0, 0, 0)", k)); err != nil {
			return list, err
		}
	}
	for _, s := range list[1:] {
		if err := s.follow(ctx, first); err != nil {
			return list, err
		}
		if err := s.catchUp(ctx, first); err != nil {
			return list, err
		}
	}
	return list, nil
}

func (c cluster) end() error {
	var errs []error
	for _, s := range c {
		errs = append(errs, s.end())
	}
	return errors.Join(errs...)
}

// named returns the server that router and guard call name.
func (c cluster) named(name string) *server {
	for _, s := range c {
		if s.name() == name {
			return s
		}
	}
	return nil
}

// nodes are the servers for a router.
func (c cluster) nodes() (list []replica.Node) {
	for _, s := range c {
		list = append(list, replica.Node{Name: s.name(), DSN: s.dsn(app, s.programs.addr())})
	}
	return list
}

// promotion is how the guard of the cluster promotes.
func (c cluster) promotion(mode promote.Mode) promote.Config {
	p := promote.Config{Mode: mode, ReplicationUser: copier, ReplicationPassword: password, Wait: patience}
	for _, s := range c {
		p.Nodes = append(p.Nodes, promote.Node{Name: s.name(), DSN: s.dsn(promoter, s.programs.addr()), Address: s.replicas.addr()})
	}
	return p
}

func splitHostPort(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}

// until waits until ok, or says what did not come about.
func until(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it did not come about that %s: %w", what, ctx.Err())
		}
	}
	return nil
}
