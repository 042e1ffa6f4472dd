package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// ErrNotPrimary is wrapped by the error of [Apply] when the server does not take writes, or follows
// another: accounts that are made on a replica part it from the primary.
var ErrNotPrimary = errors.New("accounts: the server is not the primary")

// timeout bounds one statement and one attempt to connect.
const timeout = 10 * time.Second

// A Report is what [Apply] did.
type Report struct {
	Changed []string `json:"changed"` // sentences, in the order in which it was done
	Kept    []string `json:"kept"`    // accounts that were as they should be
	Left    []string `json:"left"`    // what is left for a person
	// Generated are passwords that were made up, by user. They are shown nowhere else.
	Generated map[string]Password `json:"generated,omitempty"`
}

// Apply makes what c asks for on the primary, with the account of adminDSN, which is in the form of
// github.com/go-sql-driver/mysql and may do everything. It then tries to connect as each account. A
// password that c names replaces another one. The report is not nil once something may have been
// changed; a call that failed may be repeated. ctx bounds it all.
func Apply(ctx context.Context, adminDSN string, c Config) (_ *Report, err error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	config, err := mysql.ParseDSN(adminDSN)
	if err != nil {
		return nil, errors.New("accounts: the address of the administrator cannot be read") // the driver's own words might hold the password
	}
	config.DBName, config.MultiStatements, config.Timeout = "", false, timeout
	config.Logger = &mysql.NopLogger{}
	m, closeAll, err := open(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("accounts: connecting as the administrator: %w", err)
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	if err := m.primary(ctx); err != nil {
		return nil, err
	}
	m.report = &Report{Changed: []string{}, Kept: []string{}, Left: []string{}}
	m.fresh = c.generate()
	if err := m.run(ctx, c); err != nil {
		return m.report, fmt.Errorf("accounts: %w", err)
	}
	m.try(ctx, config, c)
	return m.report, nil
}

// A maker makes accounts through one connection.
type maker struct {
	conn   *sql.Conn
	fresh  Config // with a password for every account
	report *Report
}

func open(ctx context.Context, config *mysql.Config) (*maker, func() error, error) {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	m := &maker{conn: conn}
	if err := m.exec(ctx, mode); err != nil {
		return nil, nil, errors.Join(err, conn.Close(), db.Close())
	}
	return m, func() error { return errors.Join(conn.Close(), db.Close()) }, nil
}

// primary makes sure that what is written here goes to all servers.
func (m *maker) primary(ctx context.Context) error {
	var readOnly string
	if err := m.conn.QueryRowContext(ctx, "SELECT CAST(@@global.read_only AS CHAR)").Scan(&readOnly); err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	sources, err := m.column(ctx, "SHOW ALL SLAVES STATUS")
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	if readOnly != "0" && !strings.EqualFold(readOnly, "OFF") || len(sources) > 0 {
		return fmt.Errorf("%w: it is read-only or replicates from another server; name the one that takes writes", ErrNotPrimary)
	}
	return nil
}

func (m *maker) run(ctx context.Context, c Config) error {
	for _, db := range c.databases() {
		there, err := m.column(ctx, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", db)
		if err != nil {
			return err
		}
		if len(there) > 0 {
			continue
		}
		if err := m.exec(ctx, createDatabase(db)); err != nil {
			return fmt.Errorf("making the database %s: %w", db, err)
		}
		m.changed("The database %s was made.", db)
	}
	asked := c.users()
	for i, u := range m.fresh.users() {
		if err := m.user(ctx, u, asked[i].Password != ""); err != nil {
			return fmt.Errorf("the account %s: %w", u.name(), err)
		}
	}
	return nil
}

func (m *maker) changed(format string, args ...any) {
	m.report.Changed = append(m.report.Changed, fmt.Sprintf(format, args...))
}

func (m *maker) left(format string, args ...any) {
	m.report.Left = append(m.report.Left, fmt.Sprintf(format, args...))
}

// user makes one account what it should be. given tells that its password was asked for.
func (m *maker) user(ctx context.Context, u user, given bool) error {
	before := len(m.report.Changed)
	limit, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var plugin, hash, wanted string
	err := m.conn.QueryRowContext(limit, "SELECT plugin, authentication_string, PASSWORD(?) FROM mysql.user WHERE User = ? AND Host = ?", u.Password.Reveal(), u.User, u.host).Scan(&plugin, &hash, &wanted)
	switch isNew := errors.Is(err, sql.ErrNoRows); {
	case isNew:
		if !given {
			m.generated(u) // first: should a later step fail, it is told all the same
		}
		// A replica may have an account of that name with another password; the second makes it the same.
		if err := m.exec(ctx, u.create().SQL(), u.setPassword().SQL()); err != nil {
			return err
		}
		m.changed("The account %s was made, for %s.", u.name(), u.what)
	case err != nil:
		return err
	case given && plugin != "mysql_native_password" && plugin != "":
		m.left("%s logs in by %s, which was left as it is, with its password.", u.name(), plugin)
	case given && hash != wanted:
		if err := m.exec(ctx, u.setPassword().SQL()); err != nil {
			return err
		}
		m.changed("The password of %s was replaced.", u.name())
	}
	held, err := m.held(ctx, u)
	if err != nil {
		return err
	}
	for _, g := range u.grants {
		missing := g
		missing.privileges = slices.DeleteFunc(slices.Clone(g.privileges), func(p string) bool { return held[g.database][p] || held[g.database]["ALL PRIVILEGES"] })
		if len(missing.privileges) == 0 {
			continue
		}
		if err := m.exec(ctx, u.grant(missing).before); err != nil {
			return err
		}
		m.changed("%s got %s on %s.", u.name(), strings.Join(missing.privileges, ", "), g.place())
	}
	m.extra(u, held)
	if len(m.report.Changed) == before {
		m.report.Kept = append(m.report.Kept, u.name())
	}
	return nil
}

func (m *maker) generated(u user) {
	if m.report.Generated == nil {
		m.report.Generated = map[string]Password{}
	}
	m.report.Generated[u.User] = u.Password
}

// extra names what an account may do everywhere and does not need.
func (m *maker) extra(u user, held map[string]map[string]bool) {
	var more []string
	for p := range held[""] {
		if !slices.ContainsFunc(u.grants, func(g grant) bool { return g.database == "" && slices.Contains(g.privileges, p) }) && p != "USAGE" {
			more = append(more, p)
		}
	}
	if slices.Sort(more); len(more) > 0 {
		list := strings.Join(more, ", ")
		m.left("%s has %s everywhere, which it does not need: REVOKE %s ON *.* FROM %s", u.name(), list, list, u.name())
	}
}

// held returns the privileges of an account by database; "": everywhere.
func (m *maker) held(ctx context.Context, u user) (map[string]map[string]bool, error) {
	lines, err := m.column(ctx, "SHOW GRANTS FOR "+u.name())
	if err != nil {
		return nil, err
	}
	held := map[string]map[string]bool{}
	for _, line := range lines {
		for _, g := range u.grants {
			list, _, here := strings.Cut(strings.TrimPrefix(line, "GRANT "), " ON "+g.place()+" TO ")
			if !here {
				continue
			}
			if held[g.database] == nil {
				held[g.database] = map[string]bool{}
			}
			for p := range strings.SplitSeq(list, ",") {
				held[g.database][strings.TrimSpace(p)] = true
			}
		}
	}
	return held, nil
}

// try connects as each account whose password is known. A host pattern may keep us out.
func (m *maker) try(ctx context.Context, admin *mysql.Config, c Config) {
	done := map[string]bool{}
	for _, u := range c.users() {
		password := u.Password
		if password == "" {
			password = m.report.Generated[u.User]
		}
		if done[u.User] || password == "" {
			continue
		}
		done[u.User] = true
		config := admin.Clone()
		config.User, config.Passwd = u.User, password.Reveal()
		if err := connect(ctx, config); err != nil {
			m.left("%s could not be tried from here: %v. Try it from a machine it is for.", u.User, err)
		}
	}
}

func connect(ctx context.Context, config *mysql.Config) error {
	limit, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	return errors.Join(db.PingContext(limit), db.Close())
}

// exec runs statements. Errors of a server may repeat a statement, so they do not leave as they are.
func (m *maker) exec(ctx context.Context, statements ...string) error {
	for _, q := range statements {
		limit, cancel := context.WithTimeout(ctx, timeout)
		_, err := m.conn.ExecContext(limit, q)
		cancel()
		if answered, ok := errors.AsType[*mysql.MySQLError](err); ok && strings.Contains(q, "IDENTIFIED BY") {
			return fmt.Errorf("the server refused with error %d", answered.Number)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// column returns the first column of an answer.
func (m *maker) column(ctx context.Context, query string, args ...any) (values []string, err error) {
	limit, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	rows, err := m.conn.QueryContext(limit, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	cells := make([]any, len(columns))
	first := sql.NullString{}
	cells[0] = &first
	for i := 1; i < len(cells); i++ {
		cells[i] = new(sql.RawBytes)
	}
	for rows.Next() {
		if err := rows.Scan(cells...); err != nil {
			return nil, err
		}
		values = append(values, first.String)
	}
	return values, rows.Err()
}
