package accounts

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/replica/promote"
)

// A Password is text that formatting, JSON and logs do not show.
type Password string

const hidden = "(hidden)"

// String returns words in place of the password.
func (p Password) String() string { return hidden }

// GoString is String, for %#v.
func (p Password) GoString() string { return hidden }

// MarshalText is String, for JSON.
func (p Password) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue is String, for logs.
func (p Password) LogValue() slog.Value { return slog.StringValue(hidden) }

// Reveal returns the password.
func (p Password) Reveal() string { return string(p) }

// An Account is a user of the servers. The zero one is none.
type Account struct {
	User string // at most 80 characters
	// Password is what it logs in with. "": that of an account that is there already stays, and a new
	// one gets one that nobody can guess.
	Password Password
}

// Config says which accounts there are to be.
type Config struct {
	// Hosts are patterns of the hosts from which accounts may log in, such as "10.0.0.%" or "localhost".
	// At least one is required; "%", which is anybody, is refused.
	Hosts []string
	// Database is the one database of the application; it is made when absent. Required.
	Database string
	// Application reads and writes rows, and sees the state of replication.
	Application Account
	// Migrations also changes tables. Without it the application may do so itself.
	Migrations Account
	// Promoter may do what package promote needs.
	Promoter Account
	// Replication is the one with which replicas connect to their primary.
	Replication Account
	// Heartbeat writes the heartbeat table, which is in HeartbeatDatabase; "" is Database.
	Heartbeat         Account
	HeartbeatDatabase string
}

// Privileges of an application on its own database, and what it needs more to change tables.
var (
	rowPrivileges   = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE", "CREATE TEMPORARY TABLES", "LOCK TABLES"}
	tablePrivileges = []string{"CREATE", "ALTER", "DROP", "INDEX", "REFERENCES", "TRIGGER", "CREATE VIEW", "SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE"}
	beatPrivileges  = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE"}
	// To see the state of replication, and what the binary log leaves out. Neither allows a change.
	seePrivileges = []string{"SLAVE MONITOR", "BINLOG MONITOR"}
)

// A grant is what an account may do in one place.
type grant struct {
	privileges []string
	database   string // "": everywhere
}

// A user is an account on one host pattern.
type user struct {
	what string // what it is for
	Account
	host   string
	grants []grant
}

// users are all that c asks for.
func (c Config) users() (all []user) {
	everywhere := func(p ...string) grant { return grant{privileges: p} }
	own := grant{rowPrivileges, c.Database}
	if c.Migrations == (Account{}) {
		own.privileges = append(append([]string(nil), rowPrivileges...), tablePrivileges...)
	}
	application := []grant{own, everywhere(seePrivileges...)}
	beats := c.HeartbeatDatabase
	if beats == "" {
		beats = c.Database
	}
	if c.Heartbeat != (Account{}) && beats != c.Database {
		application = append(application, grant{[]string{"SELECT"}, beats})
	}
	for _, one := range []struct {
		what string
		Account
		grants []grant
	}{
		{"application", c.Application, application},
		{"migrations", c.Migrations, []grant{{append(append([]string(nil), rowPrivileges...), tablePrivileges...), c.Database}, everywhere(seePrivileges...)}},
		{"promoter", c.Promoter, []grant{everywhere(append(promote.Privileges(), "BINLOG MONITOR")...)}},
		{"replication", c.Replication, []grant{everywhere("REPLICATION SLAVE")}},
		{"heartbeat", c.Heartbeat, []grant{{beatPrivileges, beats}, everywhere(seePrivileges...)}},
	} {
		if one.User == "" {
			continue
		}
		for _, host := range c.Hosts {
			all = append(all, user{one.what, one.Account, host, one.grants})
		}
	}
	return all
}

// databases are those that must be there.
func (c Config) databases() []string {
	if c.HeartbeatDatabase == "" || c.HeartbeatDatabase == c.Database {
		return []string{c.Database}
	}
	return []string{c.Database, c.HeartbeatDatabase}
}

// Limits of MariaDB, in characters.
const (
	maxUser     = 80
	maxHost     = 255
	maxDatabase = 64
	maxPassword = 256
	maxHosts    = 32
)

// check returns all mistakes of c.
func (c Config) check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("accounts: "+format, args...))
	}
	fits := func(what, text string, most int) {
		if text == "" || utf8.RuneCountInString(text) > most || !plain(text) {
			bad("%s must have 1 to %d characters, none of them a control character or outside of Unicode's first plane", what, most)
		}
	}
	name := func(what, text string, most int) {
		fits(what, text, most)
		if strings.TrimSpace(text) != text {
			bad("%s must not begin or end with a space, which a server leaves out", what)
		}
	}
	if n := len(c.Hosts); n == 0 || n > maxHosts {
		bad("there are %d hosts; name 1 to %d, such as 10.0.0.%%", n, maxHosts)
	}
	for i, h := range c.Hosts {
		name(fmt.Sprintf("host %d", i+1), h, maxHost)
		if strings.Trim(h, "%_ ") == "" {
			bad("host %d is anybody; name a network such as 10.0.0.%%", i+1)
		}
	}
	for _, db := range c.databases() {
		name("the name of a database", db, maxDatabase)
		switch strings.ToLower(db) {
		case "mysql", "information_schema", "performance_schema", "sys":
			bad("the database %s is the server's own", db)
		}
	}
	names := map[string]string{}
	for _, one := range []struct {
		what string
		Account
	}{{"application", c.Application}, {"migrations", c.Migrations}, {"promoter", c.Promoter}, {"replication", c.Replication}, {"heartbeat", c.Heartbeat}} {
		if one.Account == (Account{}) {
			continue
		}
		name("the user for "+one.what, one.User, maxUser)
		if other, taken := names[one.User]; taken {
			bad("%s and %s are the same user; what one may do the other must not", other, one.what)
		}
		names[one.User] = one.what
		if one.Password != "" {
			fits("the password for "+one.what, one.Password.Reveal(), maxPassword)
		}
	}
	if len(names) == 0 {
		bad("no account is named")
	}
	return errors.Join(errs...)
}

// plain reports whether text is what a server keeps as it is, on one line.
func plain(text string) bool {
	for _, r := range text {
		// Names are kept in three bytes a character; the fourth would become a question mark.
		if unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || r > 0xffff || r == utf8.RuneError {
			return false
		}
	}
	return utf8.ValidString(text)
}

// generate gives every account without a password one that nobody can guess.
func (c Config) generate() Config {
	for _, a := range []*Account{&c.Application, &c.Migrations, &c.Promoter, &c.Replication, &c.Heartbeat} {
		if a.User != "" && a.Password == "" {
			a.Password = Password(rand.Text())
		}
	}
	return c
}
