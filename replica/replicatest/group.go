package replicatest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/mariachild"
	"github.com/sugarlabs/beamrider/internal/require"
)

// A Group is a primary with its replicas.
type Group struct {
	// Servers are all of them. At first Servers[0] is the primary; who is it later, the operator's
	// steps decide.
	Servers []*Server

	judge judge
}

// A judge is told what failed: a test, or the keeper of a program.
type judge interface {
	Helper()
	Fatal(args ...any)
}

// A keeper keeps the first failure.
type keeper struct {
	mu  sync.Mutex
	err error
}

func (k *keeper) Helper() {}

func (k *keeper) Fatal(args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.err = args[0].(error)
	}
}

func (k *keeper) failure() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// Start starts servers and returns them when they run: the first is the primary and has [Schema], the
// others replicate from it and have caught up. They end with the test.
func Start(tb testing.TB, t Topology) *Group {
	tb.Helper()
	g, err := begin(context.Background(), t, tb)
	if errors.Is(err, mariachild.ErrAbsent) {
		require.Skip(tb, err.Error())
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := g.Close(); err != nil {
			tb.Error(err)
		}
	})
	return g
}

// Open is [Start] for programs, which close the group. When ctx ends it gives up, once servers that
// begin have begun; when it has returned, ctx has no meaning any more.
func Open(ctx context.Context, t Topology) (*Group, error) { return begin(ctx, t, &keeper{}) }

// Cluster returns the servers of a simple topology, for tests that need no more.
func Cluster(tb testing.TB, servers int) []*Server {
	tb.Helper()
	return Start(tb, Topology{Servers: servers}).Servers
}

func begin(ctx context.Context, t Topology, j judge) (*Group, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	g := &Group{Servers: make([]*Server, t.Servers), judge: j}
	var all errgroup.Group
	for i := range g.Servers {
		s := &Server{group: g, judge: j, id: i + 1}
		g.Servers[i] = s
		all.Go(func() error { return s.start(ctx, &t) })
	}
	err := all.Wait()
	if err == nil {
		err = g.connect(ctx, &t)
	}
	if err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// connect makes the first server the primary of the others.
func (g *Group) connect(ctx context.Context, t *Topology) error {
	first, others := g.Servers[0], g.Servers[1:]
	if t.Partitionable {
		for _, s := range g.Servers {
			if err := s.hang(); err != nil {
				return fmt.Errorf("server %s: %w", s.Name(), err)
			}
		}
	}
	if err := first.exec(ctx, "SET GLOBAL read_only = 0", "CREATE DATABASE "+Schema+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		return err
	}
	var all errgroup.Group
	for _, s := range others {
		all.Go(func() error {
			if err := s.follow(ctx, first, 0); err != nil {
				return err
			}
			return s.catchUp(ctx, first)
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	if wait := t.wait(); wait > 0 {
		return first.semiSync(ctx, wait, others)
	}
	return nil
}

// Err returns the first failure of a method of the group, its servers or links, where a program opened
// it. In a test that failed the test.
func (g *Group) Err() error {
	if k, ok := g.judge.(*keeper); ok {
		return k.failure()
	}
	return nil
}

// Close kills all servers and removes their data. Connections that go through relays end. A second
// call does nothing.
func (g *Group) Close() error {
	var all errgroup.Group
	for _, s := range g.Servers {
		all.Go(s.end)
	}
	return all.Wait()
}
