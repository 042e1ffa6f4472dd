package diagnose

import (
	"fmt"
	"slices"
	"strings"
)

// A rule is what a variable should be.
type rule struct {
	variable string
	alone    bool // also where there is one server
	good     []string
	want     string
	static   bool // it takes a restart
	level    Level
	why      string
}

// rules follow https://mariadb.com/kb/en/gtid/ and /replication-and-binary-log-system-variables/.
// Every server gets those of a primary and of a replica, as it may become either.
var rules = []rule{
	{"log_bin", false, []string{"ON", "1"}, "ON", true, Bad, "without a binary log nobody can replicate from it"},
	{"log_slave_updates", false, []string{"ON", "1"}, "ON", true, Warn, "after a promotion others could not follow it from where they are"},
	{"gtid_strict_mode", false, []string{"ON", "1"}, "ON", false, Bad, "without it a position does not say what a server holds"},
	{"innodb_flush_log_at_trx_commit", true, []string{"1", "3"}, "1", false, Bad, "a power cut loses writes that were acknowledged"},
	{"sync_binlog", false, []string{"1"}, "1", false, Bad, "after a power cut replicas may hold what it does not"},
	{"binlog_format", false, []string{"ROW", "MIXED"}, "ROW", false, Warn, "statements may do something else on a replica"},
}

// settings holds the variables against the rules.
func (c *cluster) settings(s *server) {
	for _, r := range rules {
		if !r.alone && !c.several() {
			continue
		}
		value, known := s.variables[r.variable]
		switch good := slices.ContainsFunc(r.good, func(w string) bool { return strings.EqualFold(w, value) }); {
		case !known:
			c.add(Unknown, s, r.variable, "The variable "+r.variable+" could not be read.", fmt.Sprintf("On %s: SHOW GLOBAL VARIABLES LIKE '%s'", s.Name, r.variable))
		case !good && r.static:
			c.add(r.level, s, r.variable, fmt.Sprintf("%s is %s: %s.", r.variable, value, r.why), fmt.Sprintf("On %s, %s and restart it", s.Name, file(r.variable+"="+r.want)))
		case !good:
			c.add(r.level, s, r.variable, fmt.Sprintf("%s is %s: %s.", r.variable, value, r.why), file(r.variable+"="+r.want), fmt.Sprintf("SET GLOBAL %s = %s", r.variable, r.want))
		}
	}
	if len(s.filters) > 0 && c.several() {
		c.add(Bad, s, "filters", "Its binary log leaves something out ("+strings.Join(s.filters, ", ")+"): replicas do not hold what it holds.",
			"On "+s.Name+", take it out of the settings, restart, and copy the data to the replicas anew")
	}
}

// file says where a setting is kept.
func file(setting string) string { return "in the section [mariadb] of its settings: " + setting }

// readOnly looks at the barrier that keeps writes from servers they are not meant for.
func (c *cluster) readOnly(s *server) {
	switch role := s.role(); {
	case role == "replica" && !s.on("read_only"):
		c.add(Bad, s, "read_only_off", "read_only is off: what is written to a replica parts it from the primary.", file("read_only=ON"), "SET GLOBAL read_only = ON")
	case role == "primary" && s.origin != "SQL":
		c.add(Warn, s, "read_only_not_kept", "Its settings do not have read_only=ON: after a loss and a promotion it would come back as a second server that takes writes.",
			"On "+s.Name+", "+file("read_only=ON")+"; it need not be restarted for it now, and must be made writable by hand after a restart")
	case role == "replica" && s.origin == "COMPILE-TIME":
		c.add(Warn, s, "read_only_not_kept", "Its settings do not have read_only=ON: after a restart it takes writes.", "On "+s.Name+", "+file("read_only=ON"))
	case role != "primary" && s.origin == "SQL":
		c.add(Note, s, "read_only_by_hand", "read_only was switched on by hand; whether its settings have it too cannot be seen.", "On "+s.Name+", "+file("read_only=ON"))
	}
}
