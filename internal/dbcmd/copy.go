package dbcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/sugarlabs/beamrider/internal/mariaurl"
	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

type copyCmd struct {
	To   string `required:"" help:"Where to, as in the setting database.url; it holds a password, so the environment is a better place." placeholder:"URL" env:"REMORA_COPY_TO"`
	JSON bool   `help:"Write JSON."`
}

func (c *copyCmd) Help() string {
	return `Copies the whole catalog into an empty MariaDB database, compares both, and hands the library over.
Pages and downloads go on; whoever wants to write is told to come back until the new database is in
use. Interrupted, it is finished by running it again.

  remora-server db copy --to mysql://remora:password@10.0.0.11/remora
  remora-server db write-mode normal       # goes on with the old database after all`
}

func (c *copyCmd) Run(ctx context.Context, e *Env) error {
	target, err := mariaurl.Parse(c.To)
	if err != nil {
		return &remora.Error{Kind: remora.KindInvalid, Code: "config.to", Message: "The address to copy to cannot be used: " + err.Error(), Err: err}
	}
	return e.Library(ctx, func(l Library) (err error) {
		conns, err := sqlstore.OpenMariaDB(target.DSN(), nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conns.Close()) }()
		to, err := sqlstore.New(conns, sqlstore.MariaDB, nil)
		if err != nil {
			return err
		}
		bar := progress.New(e.Stderr, "rows")
		var done int64
		report, err := sqlstore.Move(ctx, l.Store, to, &sqlstore.MoveOptions{To: "the MariaDB server on " + target.Host, Progress: func(p sqlstore.CopyProgress) {
			bar.Total(int(p.Total))
			for ; done < p.Rows; done++ {
				bar.Step(p.Table)
			}
		}})
		bar.Done()
		if err != nil {
			return err
		}
		return e.show(report, c.JSON, fmt.Sprintf("The library is in MariaDB on %s now: %d rows, compared.\nSet database.url (or database.nodes) to it and start the server again; this database takes no changes any more.\n", target.Host, report.Rows))
	})
}

type modeCmd struct {
	Mode string `arg:"" help:"normal, or frozen: everything is shown, nothing can be added." enum:"normal,frozen"`
}

func (c *modeCmd) Run(ctx context.Context, e *Env) error {
	return e.Library(ctx, func(l Library) error { return l.Store.SetWriteMode(ctx, c.Mode) })
}
