package monitor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Server is what a doctor looks at of one MariaDB server.
type Server struct {
	Name string
	Role string // "primary", "replica", or anything else when it does not answer
	// Variables are global ones by lower-case name, as SHOW GLOBAL VARIABLES gives them.
	Variables map[string]string
	// Grants are those of the application's account, as SHOW GRANTS gives them. They are judged and
	// never shown, as they may hold the hash of a password.
	Grants []string
	// Err is why it could not be asked; nil: it was.
	Err error
}

// Servers are the MariaDB servers of an installation.
type Servers struct {
	List []Server
	// Mode is the durability: "" or "single", "available" or "strict".
	Mode string
}

// rule is one row of what a variable should be.
type rule struct {
	variable string
	when     func(s Servers, one Server) bool // nil: always
	good     func(value string) bool
	want     string // for the next step, as in a settings file
	level    Level
	why      string
}

func on(v string) bool  { return v == "1" || strings.EqualFold(v, "ON") }
func off(v string) bool { return v == "0" || strings.EqualFold(v, "OFF") }

func is(words ...string) func(string) bool {
	return func(v string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(v, w) })
	}
}

func between(least, most int64) func(string) bool {
	return func(v string) bool {
		n, err := strconv.ParseInt(v, 10, 64)
		return err == nil && n >= least && n <= most
	}
}

func several(s Servers, _ Server) bool  { return len(s.List) > 1 }
func semiSync(s Servers, _ Server) bool { return s.Mode == "available" || s.Mode == "strict" }
func mode(m string) func(Servers, Server) bool {
	return func(s Servers, _ Server) bool { return s.Mode == m }
}
func role(want string) func(Servers, Server) bool {
	return func(_ Servers, one Server) bool { return one.Role == want }
}

// rules follow https://mariadb.com/kb/en/gtid/, /semisynchronous-replication/ and
// /replication-and-binary-log-system-variables/. Every server gets those of a primary and of a replica
// where it may become either.
var rules = []rule{
	{"log_bin", several, on, "log_bin", Bad, "without a binary log nobody can replicate from it"},
	{"log_slave_updates", several, on, "log_slave_updates=ON", Warn, "after a promotion others could not follow it from where they are"},
	{"gtid_strict_mode", several, on, "gtid_strict_mode=ON", Bad, "without it a position does not say what a server holds"},
	{"innodb_flush_log_at_trx_commit", nil, is("1", "3"), "innodb_flush_log_at_trx_commit=1", Bad, "a power cut loses writes that were acknowledged"},
	{"sync_binlog", several, is("1"), "sync_binlog=1", Bad, "after a power cut replicas may hold what it does not"},
	{"binlog_format", several, is("ROW", "MIXED"), "binlog_format=ROW", Warn, "statements may do something else on a replica"},
	{"read_only", role("replica"), func(v string) bool { return !off(v) }, "read_only=ON", Bad, "what is written to a replica parts it from the primary"},
	{"rpl_semi_sync_master_enabled", semiSync, on, "rpl_semi_sync_master_enabled=ON", Bad, "as a primary it does not wait for a copy of a write"},
	{"rpl_semi_sync_slave_enabled", semiSync, on, "rpl_semi_sync_slave_enabled=ON", Bad, "as a replica it confirms no writes"},
	{"rpl_semi_sync_master_wait_point", semiSync, is("AFTER_SYNC"), "rpl_semi_sync_master_wait_point=AFTER_SYNC", Warn, "others see a write before there is a copy of it"},
	{"rpl_semi_sync_master_timeout", mode("available"), between(1, 60_000), "rpl_semi_sync_master_timeout=10000", Warn, "while the replica is away the first write waits that many milliseconds"},
	{"rpl_semi_sync_master_timeout", mode("strict"), between(3_600_000, 1<<62), "rpl_semi_sync_master_timeout=3600000", Bad, "in mode strict writes wait for a copy, for an hour at least"},
	{"rpl_semi_sync_master_wait_no_slave", mode("strict"), on, "rpl_semi_sync_master_wait_no_slave=ON", Bad, "without a replica writes would go on in one copy"},
}

// powerful are privileges on *.* for which read_only is no barrier, or that hold one which is not.
var powerful = []string{"SUPER", "READ_ONLY ADMIN", "READ ONLY ADMIN", "ALL PRIVILEGES", "ALL"}

// Results judges the servers: one result for each thing that is wrong, and one for each server where
// nothing is.
func (s Servers) Results() []Result {
	var out []Result
	ids := map[string]string{}
	for _, one := range s.List {
		before := len(out)
		add := func(level Level, summary, next string) {
			out = append(out, Result{Name: "MariaDB " + one.Name, Finding: Finding{Level: level, Summary: summary, Next: next}})
		}
		if one.Err != nil {
			add(Unknown, "It could not be asked: "+reason(one.Err), "On "+one.Name+": systemctl status mariadb")
			continue
		}
		for _, r := range rules {
			if r.when != nil && !r.when(s, one) {
				continue
			}
			value, known := one.Variables[r.variable]
			switch {
			case !known:
				add(Unknown, "The variable "+r.variable+" could not be read.", fmt.Sprintf("On %s: mariadb -e \"SHOW GLOBAL VARIABLES LIKE '%s'\"", one.Name, r.variable))
			case !r.good(value):
				add(r.level, fmt.Sprintf("%s is %s: %s.", r.variable, cleanOr(value, "empty"), r.why),
					fmt.Sprintf("On %s, in the section [mariadb] of its settings: %s", one.Name, r.want))
			}
		}
		if id := one.Variables["server_id"]; several(s, one) {
			if other, taken := ids[id]; taken || id == "" || id == "0" {
				text := fmt.Sprintf("server_id is %s, like that of %s: a replica leaves out what has its own number.", id, other)
				if !taken {
					text = "server_id is not set: it cannot replicate."
				}
				add(Bad, text, "On "+one.Name+", in the section [mariadb] of its settings: server_id=, a number of its own")
			}
			ids[id] = one.Name
		}
		held := privileges(one.Grants)
		for _, p := range powerful {
			if held[p] {
				add(Bad, "The account of the application has "+p+": read_only does not stop it, so an old primary could be written to.",
					"As an administrator: REVOKE it, and GRANT SELECT, INSERT, UPDATE, DELETE on its own database and SLAVE MONITOR ON *.*")
				break
			}
		}
		if several(s, one) && len(one.Grants) > 0 && !held["SLAVE MONITOR"] && !held["ALL PRIVILEGES"] {
			add(Bad, "The account of the application may not see replication, so no replica is ever read.", "As an administrator: GRANT SLAVE MONITOR ON *.* to it")
		}
		if len(one.Grants) == 0 {
			add(Unknown, "What the account of the application may do could not be read.", "SHOW GRANTS, as that account")
		}
		if len(out) == before {
			add(OK, "It is set up as it should be.", "")
		}
	}
	return out
}

func cleanOr(value, empty string) string {
	if value == "" {
		return empty
	}
	return clean(value)
}

// privileges returns what grants allow on *.*.
func privileges(grants []string) map[string]bool {
	held := map[string]bool{}
	for _, g := range grants {
		g, found := strings.CutPrefix(strings.ToUpper(strings.TrimSpace(g)), "GRANT ")
		list, _, everywhere := strings.Cut(g, " ON *.* ")
		if !found || !everywhere {
			continue
		}
		for p := range strings.SplitSeq(list, ",") {
			held[strings.TrimSpace(p)] = true
		}
	}
	return held
}
