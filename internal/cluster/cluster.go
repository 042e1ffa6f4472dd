// Package cluster is the database servers of a library as its parts use them: a router that runs until
// it is closed, sessions in contexts, and what the monitor asks.
package cluster

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/mariaadmin"
	"github.com/sugarlabs/beamrider/internal/mariaurl"
	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/replica"
)

// A Cluster is a router that runs until it is closed. Its connections are a [sqlstore.Conns].
type Cluster struct {
	*replica.Router
	stop  func() error
	fresh bool
}

// Open begins to watch the servers. That none answers is a state, not an error.
// Readers in zone go to servers there first; "": to all alike.
func Open(nodes []mariaurl.Server, zone string, maxLag time.Duration, log *slog.Logger) (*Cluster, error) {
	rc := replica.Config{Zone: zone, MaxLag: maxLag, Logger: log}
	for _, n := range nodes {
		dsn, err := sqlstore.MariaDBDSN(n.DSN(), nil)
		if err != nil {
			return nil, err
		}
		rc.Nodes = append(rc.Nodes, replica.Node{Name: n.Name, DSN: dsn, Weight: n.Weight, Zone: n.Zone, NoReads: n.NoReads})
	}
	router, err := replica.New(rc)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindInvalid, Code: "config.database", Message: "The section database of the configuration has mistakes.", Err: err}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running errgroup.Group
	running.Go(func() error { return router.Run(ctx) })
	return &Cluster{Router: router, stop: func() error { cancel(); return running.Wait() }}, nil
}

// Close ends what watches the servers, and all connections.
func (c *Cluster) Close() error { return errors.Join(c.stop(), c.Router.Close()) }

// PreferPrimary makes the primary answer all reads, for whoever must not go by what was true a moment
// ago. It is to be called before the connections are used.
func (c *Cluster) PreferPrimary() { c.fresh = true }

// Settle waits, for at most patience, until it is known that there is a server to write to.
func (c *Cluster) Settle(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := c.WaitReady(ctx); err != nil {
		return &remora.Error{Kind: remora.KindUnavailable, Code: "database.primary", Message: "The database cannot be written to. \"remora-server status\" says more.", Err: err}
	}
	return nil
}

// OnPrimary returns a context whose reads the primary answers, not a replica that may lag.
func OnPrimary(ctx context.Context) context.Context { return replica.WithPrimary(ctx) }

// Read heeds what [OnPrimary] asks for.
func (c *Cluster) Read(ctx context.Context) *sql.DB {
	if c.fresh {
		return c.Router.Write(ctx)
	}
	return c.Router.Read(ctx)
}

// Attach returns a context whose reads see what a replica token covers.
func (c *Cluster) Attach(ctx context.Context, token string) context.Context {
	t, err := replica.ParseToken(token)
	if err != nil || token == "" {
		return OnPrimary(ctx)
	}
	s := replica.NewSession()
	s.Observe(t)
	return replica.WithSession(ctx, s)
}

// Session returns a context for writes, and a function for the token that covers them.
func (c *Cluster) Session(ctx context.Context) (context.Context, func() string) {
	s := replica.NewSession()
	// What is decided by while writing must not be what a replica had a moment ago.
	return replica.WithSession(OnPrimary(ctx), s), func() string { return s.Token().String() }
}

// Asked waits, for at most patience, until every database server was asked once.
func (c *Cluster) Asked(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for slices.ContainsFunc(c.Status().Nodes, func(n replica.NodeStatus) bool { return n.Asked.IsZero() }) {
		select {
		case <-ctx.Done():
			return // which the report then shows
		case <-tick.C:
		}
	}
}

// State is what the monitor asks.
func (c *Cluster) State(ctx context.Context) (monitor.Cluster, error) {
	var s monitor.Cluster
	status := c.Status()
	for _, n := range status.Nodes {
		node := monitor.Node{Name: n.Name, Role: string(n.Role), Lag: n.Lag, Position: n.Position, State: n.State}
		s.Nodes = append(s.Nodes, node)
	}
	if status.Primary == "" {
		return s, nil
	}
	if semi, err := mariaadmin.AskSemiSync(ctx, c.Write(ctx)); err == nil && semi.Enabled {
		s.SemiSync = &monitor.SemiSync{On: semi.On, Replicas: semi.Replicas}
	}
	return s, nil
}
