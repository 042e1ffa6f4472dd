package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/replica/heartbeat"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

const beats = "app.heartbeat"

func TestParseBeat(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-28T16:00:01.500000": "2026-11-28T16:00:01.5Z", // pt-heartbeat
		"2026-11-28T16:00:01":        "2026-11-28T16:00:01Z",   // older ones
		"2026-11-28 16:00:01.000250": "2026-11-28T16:00:01.00025Z",
		"":                           "",
		"now":                        "",
		"2026-11-28T16:00:01Z":       "",
		"2026-13-28T16:00:01":        "",
		"0000-00-00 00:00:00":        "",
	} {
		got, err := parseBeat(text)
		if err != nil && want == "" {
			continue
		}
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("parseBeat(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestLagByHeartbeats(t *testing.T) {
	const s = time.Second
	// The clock of who writes is far from ours.
	clock := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	now := time.Now()
	p := pulse{}
	p.take(&beat{server: 1, at: now.Add(-20 * s)}) // there is no row yet
	if got := p.until(&beat{at: now}); got != 0 {
		t.Errorf("without a heartbeat, a replica is %s late", got)
	}
	p.take(&beat{server: 1, ts: clock.Add(-6 * s), at: now.Add(-7 * s)})
	p.take(&beat{server: 1, ts: clock, at: now.Add(-s / 4)})
	for _, test := range []struct {
		what string
		ts   time.Time
		want time.Duration
	}{
		{"the same", clock, 0},
		{"a later one, as the primary was asked before", clock.Add(s / 2), 0},
		{"one of three seconds before", clock.Add(-3 * s), 3*s + s/4},
		{"none", time.Time{}, 7 * s},
	} {
		if got := p.until(&beat{ts: test.ts, at: now}); got != test.want {
			t.Errorf("a replica with %s is %s late, want %s", test.what, got, test.want)
		}
	}
	// Somebody else's.
	p.take(&beat{server: 2, ts: clock, at: now})
	if p.server != 2 || !p.first.Equal(now) || !p.since.Equal(now) {
		t.Errorf("of another server: %+v", p)
	}
	p.take(&beat{server: 2, problem: "locked", at: now})
	if p != (pulse{}) {
		t.Errorf("of a locked table: %+v", p)
	}
}

// Whatever the clocks say and whenever servers are asked, a lag is wrong by less than the time between two
// heartbeats.
func TestLagByHeartbeatsIsRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := func(most int, what string) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(t, what)) * time.Millisecond
		}
		every := ms(4900, "every") + 100*time.Millisecond
		lag, poll := ms(60_000, "lag"), ms(1000, "poll")
		start := time.Now()
		primaryAsked := start.Add(time.Hour + ms(10_000, "asked"))
		replicaAsked := primaryAsked.Add(poll)
		offset := ms(1_000_000, "offset") - 500*time.Second // of the writer's clock
		at := func(then time.Time) time.Time { return start.Add(then.Sub(start).Truncate(every) + offset) }

		var p pulse
		p.take(&beat{server: 1, ts: at(primaryAsked), at: primaryAsked})
		got := p.until(&beat{server: 1, ts: at(replicaAsked.Add(-lag)), at: replicaAsked})
		if got == 0 && lag > every+poll {
			t.Errorf("a lag of %s is not seen", lag)
		}
		if wrong := (got - lag).Abs(); got != 0 && wrong >= every {
			t.Errorf("a lag of %s is taken for %s, with a heartbeat each %s", lag, got, every)
		}
	})
}

func TestSilenceIsTold(t *testing.T) {
	now := time.Now()
	r := &Router{heartbeat: "`app`.`heartbeat`", config: Config{Heartbeat: beats}}
	n := &node{Node: Node{Name: "a"}, router: r, facts: facts{asked: now, server: 1, writable: true, beat: beat{server: 1, at: now}}}
	n.hear(n)
	if got := r.whyUnheard(n, now.Add(silence)); got != "" {
		t.Errorf("at first it says %q", got)
	}
	if got := r.whyUnheard(n, now.Add(silence+1)); !strings.Contains(got, "nobody has written a heartbeat of a (server_id 1) into app.heartbeat") {
		t.Errorf("when nobody writes it says %q", got)
	}
	n.facts.beat.ts, n.facts.beat.at = now, now.Add(silence)
	n.hear(n)
	if got := r.whyUnheard(n, now.Add(silence+1)); got != "" {
		t.Errorf("when somebody writes it says %q", got)
	}
	n.facts.beat.problem = "it is broken"
	if got := r.whyUnheard(n, now); !strings.Contains(got, "on a it is broken") {
		t.Errorf("of a problem it says %q", got)
	}
}

// beatWith starts a writer for the primary of r.
func beatWith(t *testing.T, r *Router) *heartbeat.Writer {
	t.Helper()
	w, err := heartbeat.New(heartbeat.Config{Writes: r, Table: beats, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// measured returns how late a node is by the heartbeat alone.
func measured(r *Router, node int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nodes[node].behind
}

func heard(r *Router, node int) func(Status) bool {
	return func(Status) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !r.nodes[node].pulse.ts.IsZero()
	}
}

func TestHeartbeatWithoutTable(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := begin(t, Config{Timeout: 5 * time.Second, Heartbeat: beats}, servers...)
	await(t, r, "the replica is read without a heartbeat", reads(1))
	await(t, r, "it is said that there is no table", func(s Status) bool { return strings.Contains(s.Heartbeat, "no table "+beats) })
	if s := r.Status(); s.Nodes[1].Lag < 0 || s.Problem != "" {
		t.Errorf("status %+v", s)
	}
	w := beatWith(t, r)
	await(t, r, "the heartbeat is heard", heard(r, 0))
	if s := r.Status(); s.Heartbeat != "" || !s.Nodes[1].Reads || w.Err() != nil {
		t.Errorf("status %+v, %v", s, w.Err())
	}
	// A session that wrote nothing is not held up by them.
	session := NewSession()
	ctx := WithSession(t.Context(), session)
	if id := serverID(t, ctx, r.Read(ctx)); id != 2 || session.Writes() != 0 {
		t.Errorf("server %d answers a session that made %d writes", id, session.Writes())
	}
}

func TestHeartbeatIsNotGranted(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	servers[0].Exec("CREATE TABLE app.heartbeat (ts VARCHAR(26), server_id INT UNSIGNED PRIMARY KEY)",
		"CREATE USER poor@'%' IDENTIFIED BY 'poor'", "GRANT SLAVE MONITOR ON *.* TO poor@'%'")
	dsn, err := mysql.ParseDSN(servers[0].DSN())
	if err != nil {
		t.Fatal(err)
	}
	dsn.User, dsn.Passwd, dsn.DBName = "poor", "poor", ""
	r := begin(t, Config{Nodes: []Node{{Name: "poor", DSN: dsn.FormatDSN()}}, Timeout: 5 * time.Second, Heartbeat: beats})
	await(t, r, "it is said what to grant", func(s Status) bool {
		return s.Primary == "poor" && strings.Contains(s.Heartbeat, "GRANT SELECT")
	})
}

// Who locks the table takes out no server.
func TestHeartbeatIsLocked(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := begin(t, Config{Timeout: 5 * time.Second, Heartbeat: beats}, servers...)
	await(t, r, "there is a primary", primaryIs("a"))
	beatWith(t, r)
	await(t, r, "the heartbeat is heard", heard(r, 0))
	await(t, r, "the replica is read", reads(1))
	generation := r.Stats().Generation
	for i, said := range []func(Status) string{
		func(s Status) string { return s.Heartbeat },
		func(s Status) string { return s.Nodes[1].State },
	} {
		c, err := mysql.ParseDSN(servers[i].AdminDSN())
		if err != nil {
			t.Fatal(err)
		}
		connector, err := mysql.NewConnector(c)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := connector.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.(serverConn).ExecContext(t.Context(), "LOCK TABLES "+beats+" WRITE", nil); err != nil {
			t.Fatal(err)
		}
		await(t, r, "it is said that the table is locked", func(s Status) bool { return strings.Contains(said(s), "who locks it") })
		s := r.Status()
		if s.Primary != "a" || s.Generation != generation || s.Nodes[i].Role == Unknown {
			t.Errorf("with a locked table on %d: %+v", i, s)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		await(t, r, "the heartbeat is heard again", func(s Status) bool {
			return s.Heartbeat == "" && s.Nodes[1].Reads && !strings.Contains(s.Nodes[1].State, "locks")
		})
	}
}

// A filter that keeps heartbeats away is not taken for a replica that is up to date.
func TestHeartbeatIsFiltered(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	servers[1].Exec("STOP SLAVE", "SET GLOBAL replicate_ignore_table = '"+beats+"'", "START SLAVE")
	r := begin(t, Config{Timeout: 5 * time.Second, MaxLag: time.Second, Heartbeat: beats}, servers...)
	await(t, r, "the replica is read", reads(1))
	beatWith(t, r)
	await(t, r, "the replica is not read", func(s Status) bool {
		return !s.Nodes[1].Reads && strings.Contains(s.Nodes[1].State, "a filter keeps it away") && s.Heartbeat == ""
	})
}

// After a promotion the heartbeat of the new primary counts.
func TestHeartbeatAfterPromotion(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := begin(t, Config{Timeout: 5 * time.Second, Heartbeat: beats}, servers...)
	await(t, r, "there is a primary", primaryIs("a"))
	beatWith(t, r)
	await(t, r, "the heartbeat is heard", heard(r, 0))
	servers[1].CatchUp(servers[0])
	servers[0].Exec("SET GLOBAL read_only = 1")
	servers[1].CatchUp(servers[0])
	servers[1].Promote()
	servers[0].Exec("SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos")
	servers[0].Follow(servers[1], 3*time.Second)
	await(t, r, "the new primary's heartbeat is heard", func(s Status) bool {
		return s.Primary == "b" && heard(r, 1)(s) && !heard(r, 0)(s)
	})
	await(t, r, "the old primary is late by it", func(Status) bool { return measured(r, 0) > 2*time.Second })
	if rows := servers[1].Text("SELECT GROUP_CONCAT(server_id ORDER BY server_id) FROM " + beats); rows != "1,2" {
		t.Errorf("there are heartbeats of %s", rows)
	}
}

// perconaHeartbeat makes a call of pt-heartbeat on the server.
func perconaHeartbeat(t *testing.T, ctx context.Context, s *replicatest.Server, args ...string) *exec.Cmd {
	t.Helper()
	c, err := mysql.ParseDSN(s.AdminDSN())
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(c.Addr, ":")
	args = append(args, "--utc", "--database", "app", "--table", "heartbeat", "--no-version-check",
		fmt.Sprintf("h=%s,P=%s,u=%s,p=%s", host, port, c.User, c.Passwd))
	return exec.CommandContext(ctx, require.Tool(t, "pt-heartbeat"), args...)
}

// What pt-heartbeat writes is read, and what it says of a replica that is late is what the router says.
func TestLagIsWhatPerconaSays(t *testing.T) {
	require.Tool(t, "pt-heartbeat")
	servers := replicatest.Cluster(t, 2)
	r := begin(t, Config{Timeout: 5 * time.Second, Heartbeat: beats}, servers...)
	ctx, cancel := context.WithCancel(context.Background())
	writer := perconaHeartbeat(t, ctx, servers[0], "--update", "--create-table", "--interval", "0.25")
	var said strings.Builder
	writer.Stdout, writer.Stderr = &said, &said
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := writer.Wait(); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
			t.Error(err)
		}
		if said.Len() > 0 {
			t.Log(said.String())
		}
	})
	await(t, r, "pt-heartbeat is heard", heard(r, 0))
	await(t, r, "the replica has heartbeats", func(s Status) bool { return s.Nodes[1].Reads && measured(r, 1) == 0 })

	servers[1].Exec("STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY = 3", "START SLAVE")
	await(t, r, "the replica is late", func(s Status) bool { return measured(r, 1) > 2*time.Second && s.Nodes[1].Lag > 0 })
	for range 3 {
		start, low := time.Now(), measured(r, 1)
		out, err := perconaHeartbeat(t, ctx, servers[1], "--check", "--master-server-id", "1", "--skew", "0.001", "--interval", "0.05").CombinedOutput()
		if err != nil {
			t.Fatalf("pt-heartbeat: %v: %s", err, out)
		}
		words := strings.Fields(string(out))
		if len(words) == 0 {
			t.Fatal("pt-heartbeat said nothing")
		}
		delay, err := strconv.ParseFloat(words[len(words)-1], 64)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		high := measured(r, 1)
		low, high = min(low, high), max(low, high)
		// What came meanwhile, and what both agree within.
		slack := (500*time.Millisecond + time.Since(start)).Seconds()
		if delay < low.Seconds()-slack || delay > high.Seconds()+slack {
			t.Errorf("pt-heartbeat says %f s, the router %s to %s", delay, low, high)
		}
		t.Logf("pt-heartbeat %.2f s, router %s to %s, slack %.2f s", delay, low, high, slack)
	}
	// The server knows nothing any more; a heartbeat does not hide that.
	servers[1].Exec("STOP SLAVE SQL_THREAD")
	await(t, r, "the lag is unknown", func(s Status) bool { return s.Nodes[1].Lag < 0 && !s.Nodes[1].Reads })
}

func TestSilenceIsLoggedOnce(t *testing.T) {
	var out strings.Builder
	now := time.Now()
	r := &Router{heartbeat: "`app`.`heartbeat`", config: Config{Heartbeat: beats}, log: slog.New(slog.NewTextHandler(&out, nil))}
	a := &node{Node: Node{Name: "a"}, router: r, pulse: pulse{server: 1, since: now, ts: now}}
	b := &node{Node: Node{Name: "b"}, router: r, pulse: pulse{server: 2, since: now}}
	for i, step := range []struct {
		primary *node
		after   time.Duration
		logged  int // lines so far
	}{
		{nil, 0, 0},
		{a, 0, 0},
		{a, silence + 1, 1},
		{a, silence + 2, 1},
		{nil, silence + 2, 1},
		{b, 0, 1}, // it is too early to say anything of another
		{a, 0, 2},
		{a, 1, 2},
		{b, silence + 1, 3},
	} {
		r.tellHeartbeat(step.primary, now.Add(step.after))
		if got := strings.Count(out.String(), "\n"); got != step.logged {
			t.Errorf("after step %d there are %d lines, want %d:\n%s", i, got, step.logged, out.String())
		}
	}
}
