package monitor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Node is what is known of one database server.
type Node struct {
	Name string
	// Role is "primary", "replica", or anything else when it does not answer.
	Role string
	// Lag is that of a replica; negative: unknown.
	Lag time.Duration
	// Position is how far it has applied the changes, as MariaDB writes a GTID list; "": unknown.
	Position string
	// State says in words how it is, Problem what is wrong with it, such as the last error of its
	// replication; "" where nothing is.
	State, Problem string
}

// A Cluster is what is known of all database servers at one time.
type Cluster struct {
	Nodes []Node
	// SemiSync tells whether commits of the primary wait for a replica; nil: they are not meant to,
	// or it is not known.
	SemiSync *SemiSync
}

// SemiSync is the state of semi-synchronous replication on the primary
// (https://mariadb.com/kb/en/semisynchronous-replication/).
type SemiSync struct {
	On       bool      // commits wait for a replica now: Rpl_semi_sync_master_status
	Replicas int       // that confirm: Rpl_semi_sync_master_clients
	Since    time.Time // when On became what it is; zero: not known
}

// NodesConfig is what [Nodes] needs.
type NodesConfig struct {
	Name string
	// Ask returns what is known; it must be quick, as a router's own status is.
	Ask func(ctx context.Context) (Cluster, error)
	// Mode is the durability: "" or "single" for one server, "available" or "strict".
	Mode string
	// MaxLag is the lag above which a replica gets a warning. 0 means 10 s.
	MaxLag time.Duration
	// Promote is the command that a replica's name is put behind; "" means "remora-server db promote".
	Promote string
	// Remote is that of the [Check]. It gives no answer when no node does.
	Remote bool
}

// Nodes watches the roles of the database servers. Bad: there is no primary, there are two, or in
// mode strict no replica confirms commits. Warn: there is one copy only, or a replica is broken,
// late, or so that nobody knows.
func Nodes(c NodesConfig) Check {
	if c.MaxLag == 0 {
		c.MaxLag = 10 * time.Second
	}
	if c.Promote == "" {
		c.Promote = "remora-server db promote"
	}
	return Check{Name: c.Name, Remote: c.Remote, Run: func(ctx context.Context) Finding {
		cluster, err := c.Ask(ctx)
		if err != nil {
			return unknown("The state of the database servers", err, "remora-server doctor")
		}
		return c.judge(cluster)
	}}
}

func (c NodesConfig) judge(cluster Cluster) Finding {
	var list []Finding
	var detail []Pair
	var primaries, replicas, silent []Node
	for _, n := range cluster.Nodes {
		detail = append(detail, Pair{n.Name, n.words()})
		switch n.Role {
		case "primary":
			primaries = append(primaries, n)
		case "replica":
			replicas = append(replicas, n)
		default:
			silent = append(silent, n)
		}
	}
	switch {
	case len(cluster.Nodes) == 0:
		return Finding{Level: Unknown, Summary: "There is no database server to look at.", Next: "remora-server config show"}
	case len(primaries) == 0:
		f := Finding{Level: Bad, Summary: "There is no primary: reads go on, every write is refused.", NoAnswer: len(silent) == len(cluster.Nodes)}
		if best, ok := Furthest(replicas); ok {
			f.Next = c.Promote + " " + best.Name
		} else {
			f.Summary = "No database server answers: pages are served from memory, every write is refused."
			f.Next = "On " + silent[0].Name + ": systemctl start mariadb, then journalctl -u mariadb"
		}
		list = append(list, f)
	case len(primaries) > 1:
		var names []string
		for _, p := range primaries {
			names = append(names, p.Name)
		}
		list = append(list, Finding{
			Level:   Bad,
			Summary: "Several servers would take writes: " + strings.Join(names, ", ") + ". Their contents may part.",
			Next:    "Find out which one replicated last; on every other one: SET GLOBAL read_only=ON, then have it follow the right one.",
		})
	}
	for _, n := range silent {
		if len(primaries) > 0 {
			list = append(list, Finding{
				Level: Warn, Summary: fmt.Sprintf("The database server %s does not answer%s.", n.Name, because(cmp.Or(n.Problem, n.State))),
				Next: "On " + n.Name + ": systemctl status mariadb",
			})
		}
	}
	for _, n := range replicas {
		switch {
		case len(primaries) == 0: // it waits for one; that is said already
		case n.Problem != "":
			list = append(list, Finding{
				Level: Warn, Summary: fmt.Sprintf("The replica %s is broken: %s", n.Name, n.Problem),
				Next: "On " + n.Name + ": mariadb -e 'SHOW SLAVE STATUS\\G', then mend the cause and START SLAVE",
			})
		case n.Lag < 0:
			list = append(list, Finding{
				Level: Warn, Summary: fmt.Sprintf("Nobody knows how far the replica %s is behind%s.", n.Name, because(n.State)),
				Next: "On " + n.Name + ": mariadb -e 'SHOW SLAVE STATUS\\G'",
			})
		case n.Lag > c.MaxLag:
			list = append(list, Finding{
				Level: Warn, Summary: fmt.Sprintf("The replica %s is more than %v behind, so it is not read.", n.Name, c.MaxLag),
				Next: "Wait for it to catch up; if it does not: top, iostat and SHOW PROCESSLIST on " + n.Name,
			})
		}
	}
	if f, ok := c.copies(cluster, len(primaries)); ok {
		list = append(list, f)
	}
	if s := cluster.SemiSync; s != nil {
		detail = append(detail, pair("commits wait for a replica", "%t, %d confirm", s.On, s.Replicas))
	}
	fine := fmt.Sprintf("The primary is there, and %d replicas follow it.", len(replicas))
	switch {
	case len(cluster.Nodes) == 1:
		fine = "The database answers."
	case len(replicas) == 1:
		fine = "The primary is there, and one replica follows it."
	}
	return worst(fine, list, detail...)
}

// copies tells when an acknowledged write is in one place only.
func (c NodesConfig) copies(cluster Cluster, primaries int) (Finding, bool) {
	s := cluster.SemiSync
	if s == nil || s.On && s.Replicas > 0 || primaries == 0 {
		return Finding{}, false
	}
	switch c.Mode {
	case "available":
		return Finding{
			Level: Warn, Summary: "New writes are in one copy only" + sinceText(s.Since) + ": no replica confirms them.",
			Next: "Bring a replica back: systemctl status mariadb there, then SHOW SLAVE STATUS\\G",
		}, true
	case "strict":
		return Finding{
			Level: Bad, Summary: "No replica confirms writes" + sinceText(s.Since) + ", though the mode is strict: they wait, or are in one copy only.",
			Next: "Bring a replica back: systemctl status mariadb there, then SHOW SLAVE STATUS\\G; remora-server doctor shows the settings.",
		}, true
	}
	return Finding{}, false
}

func (n Node) words() string {
	parts := []string{cmp.Or(n.Role, "unknown")}
	if n.Role == "replica" && n.Lag >= 0 {
		parts = append(parts, fmt.Sprintf("%v behind", n.Lag.Round(time.Second)))
	}
	for _, s := range []string{n.State, n.Problem, n.Position} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "; ")
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// Furthest returns the replica to promote: the one that has applied the most, among equals the one
// without a problem and with the smaller lag. When no position says more, the first by name. false:
// there is none. Whether it may be promoted is decided by who does it.
func Furthest(replicas []Node) (Node, bool) {
	if len(replicas) == 0 {
		return Node{}, false
	}
	list := slices.Clone(replicas)
	slices.SortStableFunc(list, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	best := list[0]
	for _, n := range list[1:] {
		switch ahead := further(n.Position, best.Position); {
		case ahead > 0, ahead == 0 && n.better(best):
			best = n
		}
	}
	return best, true
}

func (n Node) better(o Node) bool {
	if (n.Problem == "") != (o.Problem == "") {
		return n.Problem == ""
	}
	return n.Lag >= 0 && (o.Lag < 0 || n.Lag < o.Lag)
}

// further compares two GTID lists (domain-server-sequence, …): 1 when a has all of b and more, -1 the
// other way round, 0 when they are equal, or neither has all of the other.
func further(a, b string) int {
	x, y := sequences(a), sequences(b)
	more, less := false, false
	for domain, n := range x {
		more = more || n > y[domain]
		less = less || n < y[domain]
	}
	for domain, n := range y {
		less = less || n > x[domain]
	}
	switch {
	case more && !less:
		return 1
	case less && !more:
		return -1
	}
	return 0
}

// sequences reads a GTID list; what is no GTID is left out.
func sequences(position string) map[string]uint64 {
	out := map[string]uint64{}
	for part := range strings.SplitSeq(position, ",") {
		fields := strings.Split(strings.TrimSpace(part), "-")
		if len(fields) != 3 {
			continue
		}
		if n, err := strconv.ParseUint(fields[2], 10, 64); err == nil {
			out[fields[0]] = max(out[fields[0]], n)
		}
	}
	return out
}
