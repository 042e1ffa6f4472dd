package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/sugarlabs/beamrider/internal/mariaurl"
	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/internal/promotetext"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/replica/promote"
)

type dbCmd struct {
	Copy      dbCopyCmd    `cmd:"" help:"Move the library into a MariaDB database."`
	Promote   dbPromoteCmd `cmd:"" help:"Make a replica the server that is written to."`
	Rejoin    dbRejoinCmd  `cmd:"" help:"Have a server follow the primary again."`
	WriteMode dbModeCmd    `cmd:"" name:"write-mode" help:"Switch writing off and on."`
}

type dbCopyCmd struct {
	To   string `required:"" help:"Where to, as in the setting database.url; it holds a password, so the environment is a better place." placeholder:"URL" env:"REMORA_COPY_TO"`
	JSON bool   `help:"Write JSON."`
}

func (c *dbCopyCmd) Help() string {
	return `Copies the whole catalog into an empty MariaDB database, compares both, and hands the library over.
Pages and downloads go on; whoever wants to write is told to come back until the new database is in
use. Interrupted, it is finished by running it again.

  remora-server db copy --to mysql://remora:password@10.0.0.11/remora
  remora-server db write-mode normal       # goes on with the old database after all`
}

func (c *dbCopyCmd) Run(ctx context.Context, a *app) error {
	target, err := mariaurl.Parse(c.To)
	if err != nil {
		return &remora.Error{Kind: remora.KindInvalid, Code: "config.to", Message: "The address to copy to cannot be used: " + err.Error(), Err: err}
	}
	return with(ctx, a, func(h *house) (err error) {
		conns, err := sqlstore.OpenMariaDB(target.DSN(), nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conns.Close()) }()
		to, err := sqlstore.New(conns, sqlstore.MariaDB, nil)
		if err != nil {
			return err
		}
		bar := progress.New(a.stderr, "rows")
		var done int64
		report, err := sqlstore.Move(ctx, h.store, to, &sqlstore.MoveOptions{To: "the MariaDB server on " + target.Host, Progress: func(p sqlstore.CopyProgress) {
			bar.Total(int(p.Total))
			for ; done < p.Rows; done++ {
				bar.Step(p.Table)
			}
		}})
		bar.Done()
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a.stdout, report)
		}
		_, err = fmt.Fprintf(a.stdout, "The library is in MariaDB on %s now: %d rows, compared.\nSet database.url (or database.nodes) to it and start the server again; this database takes no changes any more.\n", target.Host, report.Rows)
		return err
	})
}

type dbModeCmd struct {
	Mode string `arg:"" help:"normal, or frozen: everything is shown, nothing can be added." enum:"normal,frozen"`
}

func (c *dbModeCmd) Run(ctx context.Context, a *app) error {
	return with(ctx, a, func(h *house) error { return h.store.SetWriteMode(ctx, c.Mode) })
}

// newPromoter returns what changes the roles of database servers.
func newPromoter(a *app) (*promote.Promoter, error) {
	c := a.config
	if len(c.nodes) < 2 {
		return nil, remora.Errorf(remora.KindInvalid, "config.nodes", "There is nothing to promote: name all database servers in database.nodes.")
	}
	if c.promoter == (mariaurl.Account{}) || c.replication == (mariaurl.Account{}) {
		return nil, remora.Errorf(remora.KindInvalid, "config.promote", "The accounts to promote with are missing: set database.promote and database.replication.")
	}
	pc := promote.Config{ReplicationUser: c.replication.User, ReplicationPassword: c.replication.Password, Logger: newLog(c, a.stderr)}
	for _, n := range c.nodes {
		host, port := n.HostPort()
		node := promote.Node{Name: n.Name, DSN: n.As(c.promoter)}
		if port != "" {
			node.Address = net.JoinHostPort(host, port)
		}
		pc.Nodes = append(pc.Nodes, node)
	}
	p, err := promote.New(pc)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindInvalid, Code: "config.promote", Message: "The section database of the configuration has mistakes.", Err: err}
	}
	return p, nil
}

type dbPromoteCmd struct {
	Node      string `arg:"" help:"Name of the server, from database.nodes."`
	Plan      bool   `help:"Say what would be done and what may be lost, and change nothing."`
	Force     bool   `help:"Do it although something may be lost; --plan says what."`
	TakeFiles bool   `help:"Also keep the files in files.copy of this machine from now on, because files.url is gone for good."`
	JSON      bool   `help:"Write JSON."`
}

func (c *dbPromoteCmd) Help() string {
	return `Makes a replica the primary, which takes writes, and has the others follow it. While the old primary
answers, nothing is lost: it becomes read-only first. If it does not, the replica applies all it has
received first, and what may be lost is said. Front ends follow by themselves.

  remora-server db promote second --plan
  remora-server db promote second
  remora-server db promote second --take-files     # beamrider is gone, with the files it served`
}

func (c *dbPromoteCmd) Run(ctx context.Context, a *app) error {
	p, err := newPromoter(a)
	if err != nil {
		return err
	}
	if c.TakeFiles && a.config.copyDir == "" {
		return remora.Errorf(remora.KindInvalid, "config.copy", "There is no copy of the files to go on with: files.copy is not set on this machine.")
	}
	if c.Plan {
		plan, err := p.Plan(ctx, c.Node)
		if err != nil {
			return unavailable(err, "The database servers could not be asked.")
		}
		return show(a, plan, c.JSON, promotetext.Plan(plan))
	}
	report, err := p.Promote(ctx, c.Node, &promote.Options{Force: c.Force})
	if report != nil {
		if printErr := show(a, report, c.JSON, promotetext.Report(report)); printErr != nil {
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
	return with(ctx, a, func(h *house) error {
		if newHistory {
			// Readers may have seen what is lost now; they must not take the new history for the old one.
			if err := h.store.NewEpoch(ctx); err != nil {
				return err
			}
		}
		if !c.TakeFiles {
			return nil
		}
		return takeFiles(ctx, a, h)
	})
}

func unavailable(err error, message string) error {
	if errors.Is(err, promote.ErrRefused) {
		return &remora.Error{Kind: remora.KindConflict, Op: "db", Message: message, Err: err}
	}
	return &remora.Error{Kind: remora.KindUnavailable, Op: "db", Message: message, Err: err}
}

// show writes v as JSON, or as text.
func show(a *app, v any, asJSON bool, text string) error {
	if asJSON {
		return printJSON(a.stdout, v)
	}
	_, err := io.WriteString(a.stdout, text)
	return err
}

type dbRejoinCmd struct {
	Node string `arg:"" help:"Name of the server, from database.nodes."`
	JSON bool   `help:"Write JSON."`
}

func (c *dbRejoinCmd) Run(ctx context.Context, a *app) error {
	p, err := newPromoter(a)
	if err != nil {
		return err
	}
	report, err := p.Rejoin(ctx, c.Node)
	if report != nil {
		if printErr := show(a, report, c.JSON, promotetext.Report(report)); printErr != nil {
			return errors.Join(err, printErr)
		}
	}
	if err != nil {
		return unavailable(err, "The server does not follow the primary.")
	}
	return nil
}
