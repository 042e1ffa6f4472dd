package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A cluster is all servers together while they are judged.
type cluster struct {
	Config
	servers []*server
	primary *server // nil: there is none, or there are two
	report  *Report
}

func newCluster(c Config, servers []*server) *cluster {
	cl := &cluster{Config: c, servers: servers, report: &Report{Findings: []Finding{}}}
	var primaries []*server
	for _, s := range servers {
		if s.answers() && s.role() == "primary" {
			primaries = append(primaries, s)
		}
	}
	if len(primaries) == 1 {
		cl.primary = primaries[0]
	}
	return cl
}

// answers reports whether there is something to judge.
func (s *server) answers() bool { return s.err == nil && s.mariadb() }

// several reports whether there is more than one server.
func (c *cluster) several() bool { return len(c.servers) > 1 }

// add takes a finding about s, or about all when s is nil. next comes behind the statements.
func (c *cluster) add(level Level, s *server, code, summary, next string, sql ...string) {
	f := Finding{Level: level, Code: code, Summary: clean(summary), SQL: sql}
	if s != nil {
		f.Node = s.Name
	}
	if len(sql) > 0 {
		next = strings.TrimSuffix("On "+f.Node+": "+strings.Join(sql, "; ")+"; "+next, "; ")
	}
	f.Next = clean(next)
	c.report.Findings = append(c.report.Findings, f)
}

// judge makes the report.
func (c *cluster) judge() *Report {
	for _, s := range c.servers {
		one := Server{Name: s.Name, Version: clean(s.version)}
		switch {
		case s.err != nil:
			c.unanswered(s)
		case c.product(s):
			one.Role = s.role()
			c.settings(s)
			c.accounts(s)
			if c.several() {
				c.readOnly(s)
				c.semiSync(s)
				c.replication(s)
				c.parted(s)
				c.heartbeat(s)
			}
		}
		c.report.Servers = append(c.report.Servers, one)
	}
	if c.several() {
		c.writers()
		c.numbers()
		c.clocks()
		c.versions()
	}
	slices.SortStableFunc(c.report.Findings, func(a, b Finding) int { return a.Level.rank() - b.Level.rank() })
	return c.report
}

func (c *cluster) unanswered(s *server) {
	if number(s.err) == denied {
		c.add(Unknown, s, "no_answer", "The account may not connect from here: "+s.err.Error(), "Check its name, its password and the host part of the account.")
		return
	}
	c.add(Unknown, s, "no_answer", "It does not answer: "+s.err.Error(), "On "+s.Name+": systemctl status mariadb")
}

// product names servers that are not what this library is for. It reports whether to go on.
func (c *cluster) product(s *server) bool {
	if !s.mariadb() {
		c.add(Bad, s, "not_mariadb", "It is not MariaDB but "+s.version+", which is not supported: GTIDs and the statements of a promotion are others there.", "Use MariaDB 10.11 or newer.")
		return false
	}
	if s.on("wsrep_on") {
		c.add(Bad, s, "galera", "It is a node of a Galera cluster, which is not supported: there is no one primary, and positions are not to be had by GTID.", "Use a primary with replicas, or point the program to a single node.")
	}
	if r := s.release(); r[0] < 10 || r[0] == 10 && r[1] < 11 {
		c.add(Warn, s, "old_version", "Its version is "+s.version+"; older ones than 10.11 are not tried.", "Upgrade replicas first, then promote one, then the old primary.")
	}
	return true
}

// writers looks for the one server that takes writes.
func (c *cluster) writers() {
	var names []string
	answered := 0
	for _, s := range c.servers {
		if !s.answers() {
			continue
		}
		answered++
		switch s.role() {
		case "primary":
			names = append(names, s.Name)
		case "idle":
			c.add(Bad, s, "idle", "It is read-only and follows nobody.", "Have it follow the primary again (rejoin), or promote it when there is no primary.")
		}
	}
	switch {
	case answered > 0 && len(names) == 0:
		c.add(Bad, nil, "no_primary", "No server that answers takes writes.", "Bring the old primary back, or promote a replica.")
	case len(names) > 1:
		c.add(Bad, nil, "two_primaries", "Several servers take writes: "+strings.Join(names, ", ")+". Their contents may part.",
			"Find out which one the replicas follow; on every other one: SET GLOBAL read_only = ON; then have it follow the right one.")
	}
}

// numbers looks for servers that are the same, or call themselves the same.
func (c *cluster) numbers() {
	ids, places := map[string]string{}, map[string]string{}
	for _, s := range c.servers {
		if !s.answers() {
			continue
		}
		place := strings.Join([]string{s.variables["hostname"], s.variables["port"], s.variables["socket"], s.variables["datadir"]}, "\x00")
		if other, taken := places[place]; taken {
			c.add(Bad, s, "same_server", "It and "+other+" are the same server.", "Correct the addresses.")
			continue
		}
		places[place] = s.Name
		id := s.variables["server_id"]
		const file = "in the section [mariadb] of its settings: server_id=, a number of its own; then restart it"
		switch other, taken := ids[id]; {
		case id == "0" || id == "":
			c.add(Bad, s, "server_id_missing", "server_id is not set: it cannot replicate.", "On "+s.Name+", "+file)
		case taken:
			c.add(Bad, s, "server_id_twice", fmt.Sprintf("server_id is %s, like that of %s: a replica leaves out what has its own number.", id, other), "On "+s.Name+", "+file)
		}
		ids[id] = s.Name
	}
}

// clockLimit is how far two clocks may be apart.
const clockLimit = time.Second

// clocks compares those of all servers with one.
func (c *cluster) clocks() {
	base := c.primary
	for _, s := range c.servers {
		if base == nil && s.answers() {
			base = s
		}
	}
	for _, s := range c.servers {
		if s == base || !s.answers() {
			continue
		}
		word, apart := "ahead of", s.clock.low-base.clock.high
		if behind := base.clock.low - s.clock.high; behind > apart {
			word, apart = "behind", behind
		}
		if apart > clockLimit {
			c.add(Warn, s, "clock", fmt.Sprintf("Its clock is at least %v %s that of %s: lags and times of rows are wrong.", apart.Truncate(time.Second), word, base.Name),
				"On both: chronyc tracking, or timedatectl timesync-status")
		}
	}
}

// versions looks for replicas that are older than what they follow.
func (c *cluster) versions() {
	if c.primary == nil {
		return
	}
	for _, s := range c.servers {
		if r, p := s.release(), c.primary.release(); s.answers() && slices.Compare(r[:], p[:]) < 0 {
			c.add(Warn, s, "version_behind", fmt.Sprintf("Its version %s is older than %s of %s: it may not understand what that writes.", s.version, c.primary.version, c.primary.Name),
				"Upgrade replicas before their primary.")
		}
	}
}

// maxText bounds the texts of a finding, which may come from a server.
const maxText = 1000

// clean makes a single line of text, without what would steer a terminal.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxText {
		return text
	}
	n := maxText
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + " …"
}

// quote makes a literal, for the sql_mode that servers have unless told otherwise.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(text) + "'"
}
