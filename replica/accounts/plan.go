package accounts

import (
	"fmt"
	"strings"
)

// A Statement is one line of SQL.
type Statement struct {
	before, after string
	password      Password // between both, as a literal; "": none
}

// String returns the statement without the password.
func (s Statement) String() string {
	if s.password == "" {
		return s.before
	}
	return s.before + quote("…") + s.after
}

// SQL returns the statement as a server is to get it, with the password.
func (s Statement) SQL() string {
	if s.password == "" {
		return s.before
	}
	return s.before + quote(s.password.Reveal()) + s.after
}

// mode makes quotes mean the same everywhere, and keeps GRANT from making accounts without a password.
const mode = "SET SESSION sql_mode = 'NO_AUTO_CREATE_USER,NO_BACKSLASH_ESCAPES'"

// Plan returns the statements that make what c asks for, to be run on the primary by an
// administrator. They may be run again; passwords of accounts that are there stay as they are. An
// account without a password gets a new one in each plan. The error names all mistakes in c.
func Plan(c Config) ([]Statement, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	list := []Statement{{before: mode}}
	for _, db := range c.databases() {
		list = append(list, Statement{before: createDatabase(db)})
	}
	for _, u := range c.generate().users() {
		list = append(list, u.create())
		for _, g := range u.grants {
			list = append(list, u.grant(g))
		}
	}
	return list, nil
}

func createDatabase(name string) string {
	return "CREATE DATABASE IF NOT EXISTS " + identifier(name) + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
}

// name is the account as a server calls it.
func (u user) name() string { return quote(u.User) + "@" + quote(u.host) }

func (u user) create() Statement {
	return Statement{before: "CREATE USER IF NOT EXISTS " + u.name() + " IDENTIFIED BY ", password: u.Password}
}

// setPassword does nothing on a replica that has not the account.
func (u user) setPassword() Statement {
	return Statement{before: "ALTER USER IF EXISTS " + u.name() + " IDENTIFIED BY ", password: u.Password}
}

func (u user) grant(g grant) Statement {
	return Statement{before: fmt.Sprintf("GRANT %s ON %s TO %s", strings.Join(g.privileges, ", "), g.place(), u.name())}
}

// place is where a grant holds. In the name of a database _ and % stand for others there.
func (g grant) place() string {
	if g.database == "" {
		return "*.*"
	}
	return identifier(strings.NewReplacer(`\`, `\\`, "_", `\_`, "%", `\%`).Replace(g.database)) + ".*"
}

// quote makes a literal, for a session in which a backslash escapes nothing.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func identifier(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
