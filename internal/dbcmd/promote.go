package dbcmd

import (
	"context"
	"errors"

	"github.com/sugarlabs/beamrider/internal/promotetext"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/replica/promote"
)

type promoteCmd struct {
	Node      string `arg:"" help:"Name of the server, from database.nodes."`
	Plan      bool   `help:"Say what would be done and what may be lost, and change nothing."`
	Force     bool   `help:"Do it although something may be lost; --plan says what."`
	TakeFiles bool   `help:"Also keep the files in files.copy of this machine from now on, because files.url is gone for good."`
	JSON      bool   `help:"Write JSON."`
}

func (c *promoteCmd) Help() string {
	return `Makes a replica the primary, which takes writes, and has the others follow it. While the old primary
answers, nothing is lost: it becomes read-only first. If it does not, the replica applies all it has
received first, and what may be lost is said. Front ends follow by themselves.

  remora-server db promote second --plan
  remora-server db promote second
  remora-server db promote second --take-files     # beamrider is gone, with the files it served`
}

func (c *promoteCmd) Run(ctx context.Context, e *Env) error {
	p, err := e.promoter()
	if err != nil {
		return err
	}
	if c.TakeFiles && e.CopyDir == "" {
		return remora.Errorf(remora.KindInvalid, "config.copy", "There is no copy of the files to go on with: files.copy is not set on this machine.")
	}
	if c.Plan {
		plan, err := p.Plan(ctx, c.Node)
		if err != nil {
			return unavailable(err, "The database servers could not be asked.")
		}
		return e.show(plan, c.JSON, promotetext.Plan(plan))
	}
	report, err := p.Promote(ctx, c.Node, &promote.Options{Force: c.Force})
	if report != nil {
		if printErr := e.show(report, c.JSON, promotetext.Report(report)); printErr != nil {
			return errors.Join(err, printErr)
		}
	}
	if err != nil {
		return unavailable(err, "The server was not promoted.")
	}
	newHistory := !report.Plan.Planned && !report.Plan.Already
	if !newHistory && !c.TakeFiles {
		return nil
	}
	return e.Library(ctx, func(l Library) error {
		if newHistory {
			// Readers may have seen what is lost now; they must not take the new history for the old one.
			if err := l.Store.NewEpoch(ctx); err != nil {
				return err
			}
		}
		if !c.TakeFiles {
			return nil
		}
		return l.TakeFiles(ctx)
	})
}

type rejoinCmd struct {
	Node string `arg:"" help:"Name of the server, from database.nodes."`
	JSON bool   `help:"Write JSON."`
}

func (c *rejoinCmd) Run(ctx context.Context, e *Env) error {
	p, err := e.promoter()
	if err != nil {
		return err
	}
	report, err := p.Rejoin(ctx, c.Node)
	if report != nil {
		if printErr := e.show(report, c.JSON, promotetext.Report(report)); printErr != nil {
			return errors.Join(err, printErr)
		}
	}
	if err != nil {
		return unavailable(err, "The server does not follow the primary.")
	}
	return nil
}

type prepareCmd struct {
	JSON bool `help:"Write JSON."`
}

func (c *prepareCmd) Help() string {
	return `Has the primary confirm a write only when a replica has it too, and tries that it works. In
mode available a write goes on after 10 s without a replica; in mode strict it waits. Run it when the
servers were set up, when database.mode was changed, and when a primary was restarted.

  remora-server db prepare`
}

func (c *prepareCmd) Run(ctx context.Context, e *Env) error {
	p, err := e.promoter()
	if err != nil {
		return err
	}
	report, err := p.Prepare(ctx)
	if report != nil {
		if printErr := e.show(report, c.JSON, promotetext.Report(report)); printErr != nil {
			return errors.Join(err, printErr)
		}
	}
	if err != nil {
		return unavailable(err, "Writes do not wait for a replica as they should.")
	}
	return nil
}
