package diagnose

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica/promote"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// Accounts of the test cluster, beside those of replicatest.
var (
	promoter    = Account{"promoter", "secret of promoter"}
	replication = Account{"follower", "secret of follower"}
)

// sound returns a cluster of a primary and two replicas that is set up as it should be.
func sound(t *testing.T) ([]*replicatest.Server, Config) {
	t.Helper()
	servers := replicatest.Cluster(t, 3)
	c := Config{Promoter: promoter, Replication: replication, Timeout: 20 * time.Second}
	for i, s := range servers {
		s.Exec("SET GLOBAL sync_binlog = 1", "SET GLOBAL innodb_flush_log_at_trx_commit = 1",
			"SET GLOBAL rpl_semi_sync_slave_enabled = 1", "SET GLOBAL rpl_semi_sync_master_timeout = 10000", "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC",
			"SET sql_log_bin = 0",
			fmt.Sprintf("CREATE USER promoter IDENTIFIED BY '%s'", promoter.Password), "GRANT "+strings.Join(promote.Privileges(), ", ")+" ON *.* TO promoter",
			fmt.Sprintf("CREATE USER follower IDENTIFIED BY '%s'", replication.Password), "GRANT REPLICATION SLAVE ON *.* TO follower",
			"SET sql_log_bin = 1")
		if i > 0 {
			s.Exec("STOP SLAVE", "SET GLOBAL slave_parallel_threads = 8", "START SLAVE")
		}
		c.Nodes = append(c.Nodes, Node{Name: string(rune('a' + i)), DSN: s.DSN()})
	}
	servers[0].Exec("SET GLOBAL rpl_semi_sync_master_enabled = 1", "CREATE TABLE app.x (i INT PRIMARY KEY)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}
	return servers, c
}

// until diagnoses again and again until good holds.
func until(t *testing.T, c Config, what string, good func(*Report) bool) *Report {
	t.Helper()
	tooLong := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := Diagnose(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if good(r) {
			return r
		}
		select {
		case <-tooLong:
			t.Fatalf("waiting until %s; last:\n%s", what, text(r))
		case <-tick.C:
		}
	}
}

func text(r *Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s %s: %s\n    -> %s\n", f.Level, f.Node, f.Code, f.Summary, f.Next)
	}
	return b.String()
}

// healthy reports whether nothing but notes was found.
func healthy(r *Report) bool {
	for _, f := range r.Findings {
		if f.Level != Note {
			return false
		}
	}
	return true
}

func find(r *Report, node, code string) *Finding {
	for i, f := range r.Findings {
		if f.Node == node && f.Code == code {
			return &r.Findings[i]
		}
	}
	return nil
}

// A fault is made on a sound cluster, must be found, and is mended: by the statements of the
// finding itself, or where it has none by those of undo.
type fault struct {
	name  string
	node  int // -1: all
	code  string
	level Level
	make  map[int][]string // by server
	also  map[int][]string // to go back, besides what the finding says
	says  string           // in Summary or Next
	set   func(*Config)
	cures bool // the finding's own statements mend it
}

func on(server int, statements ...string) map[int][]string {
	return map[int][]string{server: statements}
}

const a, b, cc = 0, 1, 2

var faults = []fault{
	// Semi-sync.
	{name: "semi-sync is off", node: a, code: "semi_sync_off", level: Bad, make: on(a, "SET GLOBAL rpl_semi_sync_master_enabled = 0"), cures: true},
	{name: "semi-sync says ON and nobody confirms", node: a, code: "semi_sync_no_client", level: Warn,
		make: map[int][]string{b: {"STOP SLAVE IO_THREAD"}, cc: {"STOP SLAVE IO_THREAD"}}, also: map[int][]string{b: {"START SLAVE IO_THREAD"}, cc: {"START SLAVE IO_THREAD"}}, says: "in vain"},
	{name: "semi-sync has given up", node: a, code: "semi_sync_degraded", level: Warn, says: "one copy",
		make: map[int][]string{b: {"STOP SLAVE IO_THREAD"}, cc: {"STOP SLAVE IO_THREAD"}, a: {"SET GLOBAL rpl_semi_sync_master_timeout = 1", "INSERT INTO app.x VALUES (100)"}},
		also: map[int][]string{a: {"SET GLOBAL rpl_semi_sync_master_timeout = 10000"}, b: {"START SLAVE IO_THREAD"}, cc: {"START SLAVE IO_THREAD"}}},
	{name: "a replica does not confirm", node: b, code: "semi_sync_slave_off", level: Bad, make: on(b, "SET GLOBAL rpl_semi_sync_slave_enabled = 0"), cures: true},
	{name: "a replica connected before semi-sync was on", node: b, code: "semi_sync_not_confirming", level: Warn, cures: true,
		make: on(b, "SET GLOBAL rpl_semi_sync_slave_enabled = 0", "STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD", receive, "SET GLOBAL rpl_semi_sync_slave_enabled = 1")},
	{name: "semi-sync on the wrong side", node: b, code: "semi_sync_wrong_side", level: Warn, make: on(b, "SET GLOBAL rpl_semi_sync_master_enabled = 1"), cures: true},
	{name: "others see a write before its copy", node: b, code: "semi_sync_wait_point", level: Warn, make: on(b, "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_COMMIT"), cures: true},
	{name: "an endless time-out in mode available", node: a, code: "semi_sync_timeout", level: Warn, make: on(a, "SET GLOBAL rpl_semi_sync_master_timeout = 3600000"), cures: true},
	{name: "writes go on alone at once", node: a, code: "semi_sync_wait_no_slave", level: Warn, make: on(a, "SET GLOBAL rpl_semi_sync_master_wait_no_slave = 0"), cures: true},
	{name: "a time-out that is too short for mode strict", node: b, code: "semi_sync_timeout", level: Bad, cures: true, set: func(c *Config) { c.Strict = true },
		also: map[int][]string{a: {shortWait}, b: {shortWait}, cc: {shortWait}}, says: "an hour"},
	{name: "nobody confirms in mode strict", node: a, code: "semi_sync_no_client", level: Bad, set: func(c *Config) { c.Strict = true },
		make: map[int][]string{b: {"STOP SLAVE IO_THREAD"}, cc: {"STOP SLAVE IO_THREAD"}}, also: map[int][]string{b: {"START SLAVE IO_THREAD"}, cc: {"START SLAVE IO_THREAD"}}},

	// Settings.
	{name: "no strict mode of GTIDs", node: b, code: "gtid_strict_mode", level: Bad, make: on(b, "SET GLOBAL gtid_strict_mode = 0"), cures: true},
	{name: "commits are not flushed", node: a, code: "innodb_flush_log_at_trx_commit", level: Bad, make: on(a, "SET GLOBAL innodb_flush_log_at_trx_commit = 2"), cures: true},
	{name: "the binary log is not flushed", node: b, code: "sync_binlog", level: Bad, make: on(b, "SET GLOBAL sync_binlog = 0"), cures: true},
	{name: "statements in the binary log", node: a, code: "binlog_format", level: Warn, make: on(a, "SET GLOBAL binlog_format = STATEMENT"), cures: true},
	{name: "a server number twice", node: cc, code: "server_id_twice", level: Bad, make: on(cc, "SET GLOBAL server_id = 2"), also: on(cc, "SET GLOBAL server_id = 3"), says: "like that of b"},
	{name: "a replica that can be written to", node: b, code: "read_only_off", level: Bad, make: on(b, "SET GLOBAL read_only = 0"), cures: true},
	{name: "two primaries", node: -1, code: "two_primaries", level: Bad, make: on(cc, "STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0"), also: on(cc, follow), says: "a, c"},
	{name: "no primary", node: -1, code: "no_primary", level: Bad, make: on(a, "SET GLOBAL read_only = 1"), also: on(a, "SET GLOBAL read_only = 0")},
	{name: "read-only and follows nobody", node: cc, code: "idle", level: Bad, make: on(cc, "STOP SLAVE", "RESET SLAVE ALL"), also: on(cc, follow)},

	// Replication.
	{name: "changes are applied one by one", node: b, code: "apply_threads", level: Warn, cures: true,
		make: on(b, "STOP SLAVE SQL_THREAD", "SET GLOBAL slave_parallel_threads = 0", "START SLAVE SQL_THREAD")},
	{name: "applying was stopped", node: b, code: "apply_stopped", level: Bad, make: on(b, "STOP SLAVE SQL_THREAD"), cures: true},
	{name: "receiving was stopped", node: b, code: "receive_stopped", level: Bad, make: on(b, "STOP SLAVE IO_THREAD"), cures: true},
	{name: "the replication account is refused", node: b, code: "receive_failed", level: Bad, says: "password is wrong",
		make: on(b, "STOP SLAVE", "CHANGE MASTER TO MASTER_PASSWORD = 'wrong'", "START SLAVE"), also: on(b, follow)},
	{name: "a row is there already", node: b, code: "apply_failed", level: Bad, says: "1062",
		make: map[int][]string{b: {"SET sql_log_bin = 0", "INSERT INTO app.x VALUES (200)", "SET sql_log_bin = 1"}, a: {"INSERT INTO app.x VALUES (200)"}},
		also: on(b, "SET sql_log_bin = 0", "DELETE FROM app.x WHERE i = 200", "SET sql_log_bin = 1", "START SLAVE SQL_THREAD")},
	{name: "a backlog", node: b, code: "apply_backlog", level: Warn, says: "1000",
		make: map[int][]string{b: {"FLUSH TABLES WITH READ LOCK"}, a: {backlog}}, also: on(b, "UNLOCK TABLES")},
	{name: "not by GTID", node: b, code: "not_by_gtid", level: Bad, make: on(b, "STOP SLAVE", "CHANGE MASTER TO MASTER_USE_GTID = no", "START SLAVE"), cures: true},
	{name: "by current_pos", node: b, code: "gtid_current_pos", level: Warn, make: on(b, "STOP SLAVE", "CHANGE MASTER TO MASTER_USE_GTID = current_pos", "START SLAVE"), cures: true},
	{name: "a filter", node: b, code: "filters", level: Bad, says: "replicate_ignore_db=other",
		make: on(b, "STOP SLAVE", "SET GLOBAL replicate_ignore_db = 'other'", "START SLAVE"), also: on(b, "STOP SLAVE", "SET GLOBAL replicate_ignore_db = ''", "START SLAVE")},
	{name: "histories that parted", node: b, code: "diverged", level: Bad, says: "0-2-",
		make: on(b, "INSERT INTO app.x VALUES (300)"), also: on(b, "SET sql_log_bin = 0", "DELETE FROM app.x WHERE i = 300", "SET sql_log_bin = 1", resync)},
	{name: "the primary has not what the replica has", node: b, code: "receive_failed", level: Bad, says: "error 1236",
		make: on(b, "STOP SLAVE", "RESET MASTER", "SET GLOBAL gtid_slave_pos = '0-1-999999'", "START SLAVE"), also: on(b, resync)},
	{name: "two sources", node: b, code: "several_sources", level: Bad, make: on(b, "CHANGE MASTER 'x' TO MASTER_HOST = '127.0.0.1', MASTER_USE_GTID = slave_pos"), also: on(b, "RESET SLAVE 'x' ALL")},
	{name: "it follows another replica", node: b, code: "follows_replica", level: Note, make: on(b, followC), also: on(b, follow)},
	{name: "it follows nobody we know", node: b, code: "follows_unknown", level: Bad, make: on(b, followC), also: on(b, follow), set: func(c *Config) { c.Nodes = c.Nodes[:2] }},
	{name: "it follows who follows nobody", node: b, code: "follows_other", level: Bad, make: map[int][]string{b: {followC}, cc: {"STOP SLAVE", "RESET SLAVE ALL"}}, also: map[int][]string{b: {follow}, cc: {follow}}},
	{name: "a delay", node: b, code: "delayed", level: Note, make: on(b, "STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY = 1", "START SLAVE"), also: on(b, "STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY = 0", "START SLAVE")},

	// Accounts.
	{name: "read_only does not stop the application", node: a, code: "account_powerful", level: Bad, make: on(a, "GRANT READ_ONLY ADMIN, SUPER ON *.* TO app"), cures: true, says: "SUPER and READ_ONLY ADMIN"},
	{name: "the application looks after servers", node: a, code: "account_admin", level: Warn, make: on(a, "GRANT CONNECTION ADMIN ON *.* TO app"), cures: true},
	{name: "the application does not see replication", node: a, code: "account_blind", level: Bad, make: on(a, "REVOKE SLAVE MONITOR ON *.* FROM app"), cures: true},
	{name: "the promoter lacks a privilege", node: b, code: "promoter_lacks", level: Bad, make: on(b, "SET sql_log_bin = 0", "REVOKE RELOAD ON *.* FROM promoter", "SET sql_log_bin = 1"), cures: true, says: "lacks RELOAD"},
	{name: "the promoter is refused", node: b, code: "promoter_denied", level: Bad, make: on(b, "SET sql_log_bin = 0", "SET PASSWORD FOR promoter = PASSWORD('another')", "SET sql_log_bin = 1"),
		also: on(b, "SET sql_log_bin = 0", "SET PASSWORD FOR promoter = PASSWORD('"+promoter.Password+"')", "SET sql_log_bin = 1")},
	{name: "the account of replicas lacks its privilege", node: a, code: "replication_lacks", level: Bad, make: on(a, "REVOKE REPLICATION SLAVE ON *.* FROM follower"), cures: true},
	{name: "a clock that is wrong", node: b, code: "clock", level: Warn, says: "behind that of a",
		set: func(c *Config) { c.Nodes[b].DSN = dsnWith(c.Nodes[b].DSN, "timestamp", "1700000000") }},
	{name: "a heartbeat without a table", node: a, code: "heartbeat_missing", level: Warn, set: func(c *Config) { c.Heartbeat = "app.heartbeat" }},
	{name: "a heartbeat that stopped", node: a, code: "heartbeat_stopped", level: Warn, set: func(c *Config) { c.Heartbeat = "app.beat" },
		make: on(a, "CREATE TABLE app.beat (server_id INT PRIMARY KEY, ts VARCHAR(26))", "INSERT INTO app.beat VALUES (1, '2020-01-01T00:00:00.001000')"), also: on(a, "DROP TABLE app.beat")},
	{name: "a heartbeat that may not be read", node: a, code: "heartbeat_denied", level: Warn, cures: true,
		set:  func(c *Config) { c.Heartbeat, c.Nodes[a].DSN = "app.beat", dsnAs(c.Nodes[a].DSN, "meek", "meek") },
		make: on(a, "CREATE TABLE app.beat (server_id INT PRIMARY KEY, ts VARCHAR(26))", "CREATE USER meek IDENTIFIED BY 'meek'", "GRANT SLAVE MONITOR ON *.* TO meek"), also: on(a, "DROP TABLE app.beat", "DROP USER meek")},
	{name: "an account that is refused", node: cc, code: "no_answer", level: Unknown, says: "host part", set: func(c *Config) { c.Nodes[cc].DSN = dsnAs(c.Nodes[cc].DSN, "nobody", "x") }},
	{name: "a server twice", node: cc, code: "same_server", level: Bad, set: func(c *Config) { c.Nodes[cc].DSN = c.Nodes[b].DSN }},
	{name: "a server that does not answer", node: cc, code: "no_answer", level: Unknown, set: func(c *Config) { c.Nodes[cc].DSN = "u:p@tcp(127.0.0.1:1)/" }},
}

const (
	// These are replaced: by what has a server follow a, or c, or take its contents for those of a, or
	// wait until it has got something from a.
	follow, followC, resync, receive = "FOLLOW", "FOLLOW C", "RESYNC", "RECEIVE"

	shortWait = "SET GLOBAL rpl_semi_sync_master_timeout = 10000"
	backlog   = "BEGIN NOT ATOMIC FOR i IN 1000..2200 DO INSERT INTO app.x VALUES (i); END FOR; END"
)

func dsnWith(dsn, name, value string) string {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		panic(err) // it is the harness's own
	}
	c.Params = map[string]string{name: value}
	return c.FormatDSN()
}

func dsnAs(dsn, user, password string) string {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		panic(err)
	}
	c.User, c.Passwd = user, password
	return c.FormatDSN()
}

// TestEveryFaultIsFoundAndMended makes them one after the other on one real cluster.
func TestEveryFaultIsFoundAndMended(t *testing.T) {
	servers, sane := sound(t)
	until(t, sane, "a sound cluster has no findings", healthy)
	exec := func(list map[int][]string) {
		t.Helper()
		for _, i := range []int{b, cc, a} {
			for _, q := range list[i] {
				switch q {
				case follow, followC:
					servers[i].Exec("STOP SLAVE", "RESET SLAVE ALL")
					servers[i].Follow(servers[map[string]int{follow: a, followC: cc}[q]], 0)
				case resync:
					servers[i].Exec("STOP SLAVE", "RESET MASTER", "SET GLOBAL gtid_slave_pos = '"+servers[a].Text("SELECT @@gtid_binlog_pos")+"'", "START SLAVE")
				case receive:
					servers[a].Exec("FLUSH USER_RESOURCES")
					servers[i].CatchUp(servers[a])
				default:
					servers[i].Exec(q)
				}
			}
		}
	}
	for _, f := range faults {
		ok := t.Run(f.name, func(t *testing.T) {
			c := sane
			c.Nodes = append([]Node(nil), sane.Nodes...)
			if f.set != nil {
				f.set(&c)
			}
			node := ""
			if f.node >= 0 {
				node = c.Nodes[f.node].Name
			}
			if find(until(t, sane, "the cluster is sound", healthy), node, f.code) != nil {
				t.Fatal("it is found before it is there")
			}
			exec(f.make)
			if strings.Contains(f.code, "account_") || f.code == "replication_lacks" { // of one server, and replicated
				for _, s := range servers[1:] {
					s.CatchUp(servers[a])
				}
			}
			r := until(t, c, "it is found", func(r *Report) bool { return find(r, node, f.code) != nil })
			got := find(r, node, f.code)
			if got.Level != f.level || !strings.Contains(got.Summary+got.Next, f.says) || got.Next == "" && f.level != Note {
				t.Errorf("%+v", got)
			}
			if f.cures != (len(got.SQL) > 0) && f.cures {
				t.Errorf("it has no statements: %+v", got)
			}
			if strings.Contains(text(r), "secret of") || strings.Contains(text(r), "only for tests") {
				t.Errorf("a password is shown:\n%s", text(r))
			}
			if f.cures {
				for i, s := range servers { // an account may be wrong on all of them
					if same := find(r, c.Nodes[i].Name, f.code); same != nil {
						s.Exec(same.SQL...)
					}
				}
			}
			exec(f.also)
			until(t, sane, "it is gone", healthy)
		})
		if !ok {
			t.FailNow()
		}
	}
}
