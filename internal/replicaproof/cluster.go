package replicaproof

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/promote"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// markers is the table by which the outcome of a transaction can be found out.
const markers = "app.markers"

// tables are what the load works on. A token is written once; a register has a version that rises by
// one with each write, and its writes are tokens too, so that in the end the order of all of them can
// be read. Nobody but the server says which server it was.
var tables = []string{
	"CREATE TABLE app.tokens (token BIGINT PRIMARY KEY, k INT NULL, version BIGINT NULL, server INT NOT NULL, UNIQUE (k, version)) ENGINE=InnoDB",
	"CREATE TABLE app.registers (k INT PRIMARY KEY, version BIGINT NOT NULL, token BIGINT NOT NULL, server INT NOT NULL) ENGINE=InnoDB",
	"CREATE TABLE " + markers + " (id BINARY(16) NOT NULL PRIMARY KEY) ENGINE=InnoDB",
	fmt.Sprintf("INSERT INTO app.registers SELECT seq, 0, 0, 0 FROM app.seq_0_to_%d", keys-1),
}

// A shape is what a cluster is like.
type shape struct {
	servers int
	mode    promote.Mode // that of the settings file; "": none
}

// A cluster is a primary, the first server, and its replicas.
type cluster []*server

func openCluster(ctx context.Context, c shape) (list cluster, err error) {
	group, err := replicatest.Open(ctx, replicatest.Topology{Servers: c.servers, Partitionable: true, ApplyThreads: 4, Arguments: settings(c.mode)})
	if err != nil {
		return nil, err
	}
	for i, s := range group.Servers {
		list = append(list, &server{Server: s, group: group, id: i + 1})
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, list.end())
		}
	}()
	for _, s := range list {
		if s.near, err = open(s.NearDSN()); err != nil {
			return list, err
		}
	}
	if err := list[0].exec(append(accounts, tables...)...); err != nil {
		return list, err
	}
	for _, s := range list[1:] {
		if err := s.catchUp(list[0]); err != nil {
			return list, err
		}
	}
	return list, nil
}

func (c cluster) end() error {
	for _, s := range c {
		if s.near != nil {
			_ = s.near.Close() // a server that was killed cannot be told goodbye
		}
	}
	return c[0].group.Close()
}

// named returns the server that router and guard call name.
func (c cluster) named(name string) *server {
	for _, s := range c {
		if s.Name() == name {
			return s
		}
	}
	return nil
}

// nodes are the servers for a router.
func (c cluster) nodes() (list []replica.Node) {
	for _, s := range c {
		list = append(list, replica.Node{Name: s.Name(), DSN: s.DSN()})
	}
	return list
}

// promotion is how the guard of the cluster promotes.
func (c cluster) promotion(mode promote.Mode) promote.Config {
	p := promote.Config{Mode: mode, ReplicationUser: copier, ReplicationPassword: password, Wait: patience}
	for _, s := range c {
		p.Nodes = append(p.Nodes, promote.Node{Name: s.Name(), DSN: s.dsnOf(promoter)})
	}
	return p
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
