package main

import (
	"context"

	"github.com/sugarlabs/beamrider/internal/dbcmd"
	"github.com/sugarlabs/beamrider/internal/keeper"
	"github.com/sugarlabs/beamrider/replica/promote"
)

// keeper is what is said of the database servers.
func (c *config) keeper() keeper.Config {
	return keeper.Config{
		Nodes: c.nodes, Promoter: c.promoter, Replication: c.replication, Folder: c.dataDir,
		Mode: promote.Mode(c.mode), Automatic: c.automatic, Voters: c.voters, Secret: c.voteSecret.Text(),
	}
}

// database is what the commands of db work with.
func (a *app) database() *dbcmd.Env {
	e := &dbcmd.Env{Stdout: a.stdout, Stderr: a.stderr, Servers: a.config.keeper(), CopyDir: a.config.copyDir}
	e.Exit = func(code int) error { return &exitError{code} }
	e.Servers.Log = newLog(a.config, a.stderr)
	e.Library = func(ctx context.Context, do func(dbcmd.Library) error) error {
		return with(ctx, a, func(h *house) error {
			return do(dbcmd.Library{Store: h.store, TakeFiles: func(ctx context.Context) error { return a.files().TakeCopy(ctx, h.library()) }})
		})
	}
	return e
}
