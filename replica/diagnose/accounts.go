package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sugarlabs/beamrider/replica/promote"
)

// Privileges on *.* that the account of an application should not have.
var (
	// For these read_only is no barrier, or they can take it down.
	breaching = []string{"ALL PRIVILEGES", "SUPER", "READ_ONLY ADMIN", "READ ONLY ADMIN"}
	// These change who does what.
	powerful = []string{"CONNECTION ADMIN", "REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN", "BINLOG ADMIN", "CREATE USER"}
)

// accounts looks at what the accounts may do on a server.
func (c *cluster) accounts(s *server) {
	if !c.Admin {
		c.application(s)
	}
	if !c.several() {
		return
	}
	if c.Promoter != (Account{}) {
		c.login(s, Bad, "promoter", c.Promoter, s.promoter, promote.Privileges())
	}
	if c.Replication != (Account{}) {
		// Replicas may be let in from their own machines only.
		c.login(s, Warn, "replication", c.Replication, s.replication, []string{"REPLICATION SLAVE"})
	}
}

func (c *cluster) application(s *server) {
	held := everywhere(s.grants)
	who := accountOf(s.account)
	switch breach := among(breaching, held); {
	case slices.Contains(breach, "ALL PRIVILEGES"):
		c.add(Bad, s, "account_powerful", "The account of the application has ALL PRIVILEGES: read_only does not stop it, so an old primary could be written to.",
			"Before it, GRANT the account what it needs on its own database.", here("REVOKE ALL PRIVILEGES, GRANT OPTION FROM "+who, "GRANT SLAVE MONITOR ON *.* TO "+who)...)
	case len(breach) > 0:
		c.add(Bad, s, "account_powerful", "The account of the application has "+strings.Join(breach, " and ")+": read_only does not stop it, so an old primary could be written to.",
			"", here("REVOKE "+strings.Join(breach, ", ")+" ON *.* FROM "+who)...)
	}
	if more := among(powerful, held); len(more) > 0 {
		c.add(Warn, s, "account_admin", "The account of the application has "+strings.Join(more, " and ")+", which are for who looks after servers.", "", here("REVOKE "+strings.Join(more, ", ")+" ON *.* FROM "+who)...)
	}
	if s.blind {
		c.add(Bad, s, "account_blind", "The account may not see replication: no replica is ever read, and this diagnosis misses most of it.", "", here("GRANT SLAVE MONITOR ON *.* TO "+who)...)
	}
}

// login judges an attempt to connect as another account.
func (c *cluster) login(s *server, level Level, code string, a Account, l login, needed []string) {
	if l.err != nil {
		if number(l.err) == 0 {
			level = Unknown
		}
		c.add(level, s, code+"_denied", fmt.Sprintf("The account %s cannot connect from here: %v", a.User, l.err), "Make it on every server, with the host part and the password that are configured.")
		return
	}
	held := everywhere(l.grants)
	missing := slices.DeleteFunc(slices.Clone(needed), func(p string) bool {
		return held[p] || held["ALL PRIVILEGES"] || held[strings.ReplaceAll(p, "READ_ONLY", "READ ONLY")]
	})
	if len(missing) > 0 {
		list := strings.Join(missing, ", ")
		c.add(Bad, s, code+"_lacks", fmt.Sprintf("The account %s lacks %s.", a.User, list), "", here("GRANT "+list+" ON *.* TO "+granted(l.grants, a))...)
	}
}

// here keeps statements about an account out of the binary log: on a replica they would be writes that
// the primary has not, and the account may be another on other servers.
func here(statements ...string) []string {
	return append(append([]string{"SET SESSION sql_log_bin = 0"}, statements...), "SET SESSION sql_log_bin = 1")
}

// everywhere returns the privileges on *.* of what SHOW GRANTS says.
func everywhere(grants []string) map[string]bool {
	held := map[string]bool{}
	for _, g := range grants {
		g, found := strings.CutPrefix(strings.ToUpper(strings.TrimSpace(g)), "GRANT ")
		list, _, all := strings.Cut(g, " ON *.* ")
		if !found || !all {
			continue
		}
		for p := range strings.SplitSeq(list, ",") {
			held[strings.TrimSpace(p)] = true
		}
	}
	return held
}

func among(list []string, held map[string]bool) (found []string) {
	for _, p := range list {
		if held[p] {
			found = append(found, p)
		}
	}
	return found
}

// accountOf quotes what CURRENT_USER() says. A host has no @, a user may.
func accountOf(user string) string {
	i := max(strings.LastIndexByte(user, '@'), 0)
	return quote(user[:i]) + "@" + quote(strings.TrimPrefix(user[i:], "@"))
}

// granted is the account as the server calls it, from its grants on *.*.
func granted(grants []string, a Account) string {
	for _, g := range grants {
		if _, to, ok := strings.Cut(g, " ON *.* TO `"+strings.ReplaceAll(a.User, "`", "``")+"`@`"); ok {
			host, _, _ := strings.Cut(to, "`")
			return quote(a.User) + "@" + quote(host)
		}
	}
	return quote(a.User) + "@'%'"
}
