package dbcmd

import (
	"context"
	"time"

	"github.com/sugarlabs/beamrider/internal/doctor"
	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/replica/diagnose"
	"github.com/sugarlabs/beamrider/replica/promote"
)

type diagnoseCmd struct {
	JSON bool `help:"Write JSON, with statements that mend what can be mended so."`
}

func (c *diagnoseCmd) Help() string {
	return `Asks all database servers what is wrong with them and between them: roles, replication, semi-sync,
settings, accounts, clocks; the worst comes first, with what to do. It changes nothing. Exit status: 0
nothing to do, 1 there are faults, 4 nobody answers, or not everything could be found out.

  remora-server db diagnose
  remora-server db diagnose --json`
}

func (c *diagnoseCmd) Run(ctx context.Context, e *Env) error {
	s := e.Servers
	if len(s.Nodes) == 0 {
		return remora.Errorf(remora.KindInvalid, "config.nodes", "There is no database server to look at: neither database.url nor database.nodes is set.")
	}
	report, err := diagnose.Diagnose(ctx, doctor.Cluster(doctor.Config{Servers: s.Nodes, Strict: s.Mode == promote.Strict, Promoter: s.Promoter, Replication: s.Replication}))
	if err != nil {
		return &remora.Error{Kind: remora.KindInternal, Op: "db", Message: "The database servers could not be looked at.", Err: err}
	}
	if c.JSON {
		err = e.show(report, true, "")
	} else {
		err = monitor.Ranked(time.Now(), doctor.Results(report)...).Text(e.Stdout, nil)
	}
	if code := report.ExitCode(); err == nil && code != 0 {
		return e.Exit(code)
	}
	return err
}
