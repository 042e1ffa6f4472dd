package dbcmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sugarlabs/beamrider/internal/mariaurl"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/replica/accounts"
)

type accountsCmd struct {
	Host          []string `required:"" help:"Where accounts may log in from, such as 10.0.0.%; may be given several times." placeholder:"PATTERN"`
	ShowPasswords bool     `help:"Write the passwords of the configuration into the SQL."`
	Apply         bool     `help:"Make the accounts, in place of writing the SQL."`
	Admin         string   `help:"The primary with the account of an administrator, for --apply; it holds a password, so the environment is a better place." placeholder:"URL" env:"REMORA_DATABASE_ADMIN"`
	JSON          bool     `help:"Write JSON."`
}

func (c *accountsCmd) Help() string {
	return `Writes the SQL that makes the accounts of the configuration: that of the library, which read_only must
stop, that of database.promote and that of database.replication, each with what it needs and no more.
With --apply it makes them on the primary, from where replicas get them, says what it changed, and
tries each. What is so already stays as it is.

  remora-server db accounts --host 10.0.0.%
  REMORA_DATABASE_ADMIN='mysql://root@/mysql?socket=/run/mysqld/mysqld.sock' \
    remora-server db accounts --host 10.0.0.% --apply`
}

func (c *accountsCmd) Run(ctx context.Context, e *Env) error {
	wanted, err := c.wanted(e)
	if err != nil {
		return err
	}
	list, err := accounts.Plan(wanted)
	if err != nil {
		return &remora.Error{Kind: remora.KindInvalid, Code: "config.accounts", Message: "The accounts cannot be made so.", Err: err}
	}
	if c.Apply {
		return c.apply(ctx, e, wanted)
	}
	lines := make([]string, 0, len(list))
	for _, s := range list {
		line := s.String()
		if c.ShowPasswords {
			line = s.SQL()
		}
		lines = append(lines, line+";")
	}
	return e.show(lines, c.JSON, strings.Join(lines, "\n")+"\n")
}

// wanted are the accounts that the configuration names. The library changes its tables itself.
func (c *accountsCmd) wanted(e *Env) (accounts.Config, error) {
	nodes := e.Servers.Nodes
	if len(nodes) == 0 {
		return accounts.Config{}, remora.Errorf(remora.KindInvalid, "config.nodes", "There is no database server to make accounts on: name it in database.url, or all of them in database.nodes.")
	}
	first := nodes[0]
	for _, n := range nodes[1:] {
		if n.Account() != first.Account() || n.Database() != first.Database() {
			return accounts.Config{}, remora.Errorf(remora.KindInvalid, "config.nodes", "The servers %s and %s are named with different accounts or databases. Name both with the same: a replica has what its primary has.", first.Name, n.Name)
		}
	}
	if first.Account().Password == "" {
		return accounts.Config{}, remora.Errorf(remora.KindInvalid, "config.nodes", "The address of the server %s has no password; an account is not made without.", first.Name)
	}
	account := func(a mariaurl.Account) accounts.Account {
		return accounts.Account{User: a.User, Password: accounts.Password(a.Password)}
	}
	return accounts.Config{
		Hosts: c.Host, Database: first.Database(), Application: account(first.Account()),
		Promoter: account(e.Servers.Promoter), Replication: account(e.Servers.Replication),
	}, nil
}

func (c *accountsCmd) apply(ctx context.Context, e *Env, wanted accounts.Config) error {
	if c.Admin == "" {
		return remora.Errorf(remora.KindInvalid, "config.admin", "Name the primary with the account of an administrator in REMORA_DATABASE_ADMIN, or by --admin.")
	}
	admin, err := mariaurl.Parse(c.Admin)
	if err != nil {
		return &remora.Error{Kind: remora.KindInvalid, Code: "config.admin", Message: "The address of the administrator cannot be used: " + err.Error(), Err: err}
	}
	report, err := accounts.Apply(ctx, admin.DSN(), wanted)
	if report != nil {
		if printErr := e.show(report, c.JSON, accountsText(report)); printErr != nil {
			return errors.Join(err, printErr)
		}
	}
	switch {
	case errors.Is(err, accounts.ErrNotPrimary):
		return &remora.Error{Kind: remora.KindConflict, Op: "db", Message: "The accounts were not made.", Err: err}
	case err != nil:
		return &remora.Error{Kind: remora.KindUnavailable, Op: "db", Message: "Not all accounts were made; run it again when the cause is mended.", Err: err}
	}
	return nil
}

func accountsText(r *accounts.Report) string {
	var b strings.Builder
	for _, part := range []struct {
		word  string
		lines []string
	}{{"did", r.Changed}, {"is so", r.Kept}, {"left to do", r.Left}} {
		for _, line := range part.lines {
			fmt.Fprintf(&b, "%-11s  %s\n", part.word, line)
		}
	}
	return b.String()
}
