package diagnose

import (
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica/promote"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// TestNothingIsWrongAfterAPromotion: what Prepare, Promote and Rejoin make of servers is no fault, in
// either mode, on any of them.
func TestNothingIsWrongAfterAPromotion(t *testing.T) {
	for _, mode := range []promote.Mode{promote.Available, promote.Strict} {
		t.Run(string(mode), func(t *testing.T) {
			g := replicatest.Start(t, replicatest.Topology{Servers: 3, Durable: true, ApplyThreads: 8})
			c := Config{Strict: mode == promote.Strict, Timeout: 20 * time.Second}
			pc := promote.Config{Mode: mode, Timeout: 20 * time.Second}
			for i, s := range g.Servers {
				name := string(rune('a' + i))
				c.Nodes = append(c.Nodes, Node{Name: name, DSN: s.DSN()})
				pc.Nodes = append(pc.Nodes, promote.Node{Name: name, DSN: s.AdminDSN()})
				account, err := mysql.ParseDSN(s.AdminDSN())
				if err != nil {
					t.Fatal(err)
				}
				pc.ReplicationUser, pc.ReplicationPassword = account.User, account.Passwd
			}
			p, err := promote.New(pc)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			until(t, c, "nothing is wrong once it is prepared", healthy)
			if _, err := p.Promote(t.Context(), "b", nil); err != nil {
				t.Fatal(err)
			}
			r := until(t, c, "nothing is wrong after a promotion", healthy)
			if r.Servers[0].Role != "replica" || r.Servers[1].Role != "primary" {
				t.Errorf("the roles are %+v", r.Servers)
			}

			// Its primary is lost, and comes back.
			g.Servers[1].Kill()
			r = until(t, c, "the loss is seen", func(r *Report) bool { return find(r, "", "no_primary") != nil })
			if find(r, "b", "no_answer") == nil {
				t.Errorf("the lost server answers:\n%s", text(r))
			}
			if _, err := p.Promote(t.Context(), "c", nil); err != nil {
				t.Fatal(err)
			}
			g.Servers[1].Restart()
			until(t, c, "who came back takes part in nothing", func(r *Report) bool {
				return find(r, "b", "idle") != nil || find(r, "b", "follows_other") != nil || find(r, "b", "receive_connecting") != nil
			})
			if _, err := p.Rejoin(t.Context(), "b"); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Prepare(t.Context()); err != nil { // what the restart has switched off
				t.Fatal(err)
			}
			until(t, c, "nothing is wrong when it is back", healthy)
		})
	}
}

// TestFaultsOfStartOptions are found on servers that were started so.
func TestFaultsOfStartOptions(t *testing.T) {
	g := replicatest.Start(t, replicatest.Topology{Servers: 2, Durable: true, Arguments: []string{
		"--log-slave-updates=0", "--read-only=0", "--binlog-ignore-db=other", "--version=10.6.12-MariaDB",
	}})
	c := Config{Timeout: 20 * time.Second}
	for i, s := range g.Servers {
		c.Nodes = append(c.Nodes, Node{Name: string(rune('a' + i)), DSN: s.DSN()})
	}
	g.Servers[0].Exec("GRANT BINLOG MONITOR ON *.* TO app")
	g.Servers[1].CatchUp(g.Servers[0])
	r, err := Diagnose(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for code, says := range map[string]string{"log_slave_updates": "restart", "filters": "binlog_ignore_db=other", "old_version": "10.6.12"} {
		for _, node := range []string{"a", "b"} {
			if f := find(r, node, code); f == nil || !strings.Contains(f.Summary+f.Next, says) {
				t.Errorf("%s of %s: %+v\n%s", code, node, f, text(r))
			}
		}
	}
	g.Servers[0].Kill()
	g.Servers[0].Restart()
	r = until(t, c, "the primary is back", func(r *Report) bool { return r.Servers[0].Role == "primary" })
	if f := find(r, "a", "read_only_not_kept"); f == nil || f.Level != Warn {
		t.Errorf("a primary that came back writable: %+v\n%s", f, text(r))
	}
}

// TestNoBinaryLog: two servers of which one keeps none, and neither follows.
func TestNoBinaryLog(t *testing.T) {
	c := Config{Timeout: 20 * time.Second}
	for i, arguments := range [][]string{nil, {"--skip-log-bin"}} {
		g := replicatest.Start(t, replicatest.Topology{Servers: 1, Durable: true, Arguments: arguments})
		c.Nodes = append(c.Nodes, Node{Name: string(rune('a' + i)), DSN: g.Servers[0].DSN()})
	}
	r, err := Diagnose(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if f := find(r, "b", "log_bin"); f == nil || f.Level != Bad || find(r, "a", "log_bin") != nil || find(r, "", "two_primaries") == nil || find(r, "b", "server_id_twice") == nil {
		t.Errorf("found\n%s", text(r))
	}
}

// TestAFrozenServerHoldsNobodyUp: the diagnosis ends, and says which it was.
func TestAFrozenServerHoldsNobodyUp(t *testing.T) {
	g := replicatest.Start(t, replicatest.Topology{Servers: 2})
	c := Config{Timeout: time.Second}
	for i, s := range g.Servers {
		c.Nodes = append(c.Nodes, Node{Name: string(rune('a' + i)), DSN: s.DSN()})
	}
	g.Servers[1].Freeze()
	begin := time.Now()
	r := until(t, c, "the other one is known", func(r *Report) bool { return r.Servers[0].Role == "primary" })
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	if find(r, "b", "no_answer") == nil || r.ExitCode() == ExitFine {
		t.Errorf("the frozen server is not named:\n%s", text(r))
	}
	g.Servers[1].Thaw()
}
