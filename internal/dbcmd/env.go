// Package dbcmd is the commands that look after the database servers of a library.
package dbcmd

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/sugarlabs/beamrider/internal/keeper"
	"github.com/sugarlabs/beamrider/internal/mariaurl"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/replica/promote"
)

// An Env is what the commands work with.
type Env struct {
	Stdout, Stderr io.Writer
	// Servers are those of the configuration; its Log goes to the commands.
	Servers keeper.Config
	// CopyDir is the folder with a copy of the published files; "": there is none.
	CopyDir string
	// Exit is the error that ends the process with a code after a command has said everything itself.
	Exit func(code int) error
	// Library opens the library around a function.
	Library func(ctx context.Context, do func(Library) error) error
}

// A Library is one that is open.
type Library struct {
	Store *sqlstore.Store
	// TakeFiles goes on with the copy of the published files.
	TakeFiles func(ctx context.Context) error
}

// Commands are they, for kong.
type Commands struct {
	Accounts  accountsCmd `cmd:"" help:"Make the accounts of the database servers, or write the SQL that does."`
	Copy      copyCmd     `cmd:"" help:"Move the library into a MariaDB database."`
	Diagnose  diagnoseCmd `cmd:"" help:"Say what is wrong with the database servers, and what to do."`
	Prepare   prepareCmd  `cmd:"" help:"Have writes wait for a replica, as database.mode says."`
	Promote   promoteCmd  `cmd:"" help:"Make a replica the server that is written to."`
	Rejoin    rejoinCmd   `cmd:"" help:"Have a server follow the primary again."`
	WriteMode modeCmd     `cmd:"" name:"write-mode" help:"Switch writing off and on."`
}

// promoter returns what changes the roles of database servers.
func (e *Env) promoter() (*promote.Promoter, error) {
	c := e.Servers
	if len(c.Nodes) < 2 {
		return nil, remora.Errorf(remora.KindInvalid, "config.nodes", "There is nothing to promote: name all database servers in database.nodes.")
	}
	if c.Promoter == (mariaurl.Account{}) || c.Replication == (mariaurl.Account{}) {
		return nil, remora.Errorf(remora.KindInvalid, "config.promote", "The accounts to promote with are missing: set database.promote and database.replication.")
	}
	c.Voters = nil // a person is a majority
	pc, err := c.Promotion()
	if err != nil {
		return nil, err
	}
	p, err := promote.New(pc)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindInvalid, Code: "config.promote", Message: "The section database of the configuration has mistakes.", Err: err}
	}
	return p, nil
}

func unavailable(err error, message string) error {
	if errors.Is(err, promote.ErrRefused) {
		return &remora.Error{Kind: remora.KindConflict, Op: "db", Message: message, Err: err}
	}
	return &remora.Error{Kind: remora.KindUnavailable, Op: "db", Message: message, Err: err}
}

// show writes v as JSON, or as text.
func (e *Env) show(v any, asJSON bool, text string) error {
	if asJSON {
		enc := json.NewEncoder(e.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	_, err := io.WriteString(e.Stdout, text)
	return err
}
