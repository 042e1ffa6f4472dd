package promote

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// asReplica starts a server so that it drops what nobody acknowledged.
var asReplica = []string{"--init-rpl-role=SLAVE", "--rpl-semi-sync-slave-enabled=1"}

// stuck has clients of a server write what no replica acknowledges, and returns when they wait.
func stuck(t testing.TB, s *replicatest.Server, statements ...string) (outcomes chan error) {
	t.Helper()
	db, err := sql.Open("mysql", s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	waiting := func() int {
		n, err := strconv.Atoi(s.Text("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app' AND state IN ('Waiting for semi-sync ACK from slave', 'Commit', 'Writing to binlog')"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := waiting()
	ctx, cancel := context.WithCancel(t.Context())
	outcomes = make(chan error, len(statements))
	ended := make(chan struct{}, len(statements))
	for _, q := range statements {
		go func() {
			_, err := db.ExecContext(ctx, q)
			outcomes <- err
			ended <- struct{}{}
		}()
	}
	t.Cleanup(func() {
		cancel()
		for range statements {
			<-ended
		}
		db.Close()
	})
	poll(t, "they wait for an acknowledgement", func() bool { return waiting() == before+len(statements) })
	return outcomes
}

// none fails the test if somebody was told something.
func none(t testing.TB, outcomes chan error) {
	t.Helper()
	select {
	case err := <-outcomes:
		t.Fatalf("a client that waited for an acknowledgement got %v", err)
	default:
	}
}

// failed waits until n clients were told that something went wrong, and fails the test if one was not.
func failed(t testing.TB, outcomes chan error, n int) {
	t.Helper()
	limit := time.After(patience)
	for range n {
		select {
		case err := <-outcomes:
			if err == nil {
				t.Fatal("a client was told that its write is kept, and no other server has it")
			}
		case <-limit:
			t.Fatal("a client waits on")
		}
	}
}

// cutOff is a primary a in mode, with commits that wait since nobody receives from it any more, and the
// primary b that was promoted by hand instead.
func cutOff(t testing.TB, mode Mode) (p *Promoter, a, b *replicatest.Server, outcomes chan error) {
	t.Helper()
	servers := replicatest.Cluster(t, 3)
	a, b = servers[0], servers[1]
	p = promoter(t, servers...)
	p.config.Mode = mode
	prepare(t, p)
	for _, s := range servers[1:] {
		s.CatchUp(a)
		s.Exec("STOP SLAVE IO_THREAD")
	}
	outcomes = stuck(t, a, "INSERT INTO x VALUES (1, 1)", "INSERT INTO x VALUES (2, 1)", "INSERT INTO x VALUES (3, 1)")
	b.Promote()
	b.Exec("INSERT INTO app.x VALUES (4, 2)")
	servers[2].Follow(b, 0)
	return p, a, b, outcomes
}

// TestFailureOldPrimaryWithWaitingCommits: it was frozen or cut off, and is back alive.
func TestFailureOldPrimaryWithWaitingCommits(t *testing.T) {
	p, a, b, outcomes := cutOff(t, Strict)
	at := a.Text("SELECT @@gtid_binlog_state")
	for range 2 {
		r, err := p.Rejoin(t.Context(), "a")
		refusal(t, r, err, "unacknowledged")
		for _, want := range []string{"SIGKILL", "init_rpl_role=SLAVE", "rpl_semi_sync_slave_enabled=1", "0-1-"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not say %s", err, want)
			}
		}
		none(t, outcomes)
	}
	if got := a.Text("SELECT CONCAT(@@read_only + 0, @@gtid_binlog_state, (SELECT COUNT(*) FROM app.x))"); got != "0"+at+"0" {
		t.Errorf("the refused server was changed: %s", got)
	}
	// What the sentence says helps, and needs nothing else.
	a.Kill()
	failed(t, outcomes, 3)
	a.Restart(asReplica...)
	rejoin(t, p, "a")
	primary(t, b, a)
	for _, s := range []*replicatest.Server{a, b} {
		if got := s.Text("SELECT GROUP_CONCAT(i ORDER BY i) FROM app.x"); got != "-1,4" {
			t.Errorf("rows %s, want those of b alone", got)
		}
	}
}

// TestFailureOldPrimaryThatWouldGiveUp: in mode available it confirms after 10 s what it has alone.
func TestFailureOldPrimaryThatWouldGiveUp(t *testing.T) {
	p, a, b, outcomes := cutOff(t, Available)
	a.Exec("SET GLOBAL rpl_semi_sync_master_timeout = 3000000") // not within this test, however slow
	r, err := p.Rejoin(t.Context(), "a")
	refusal(t, r, err, "diverged")
	if len(r.Steps) == 0 || !strings.Contains(r.Steps[0], "3 connections were ended on a") {
		t.Errorf("steps %q", r.Steps)
	}
	failed(t, outcomes, 3)
	if got := b.Text("SELECT GROUP_CONCAT(i ORDER BY i) FROM app.x"); got != "4" {
		t.Errorf("rows %s, want those of b alone", got)
	}
	if a.Text("SELECT @@read_only") != "1" {
		t.Error("the old primary takes writes")
	}
}

// TestSwitchingOffConfirms is why: without the care of Rejoin clients are told what is not so.
func TestSwitchingOffConfirms(t *testing.T) {
	_, a, _, outcomes := cutOff(t, Strict)
	a.Exec("SET GLOBAL rpl_semi_sync_master_enabled = 0")
	for range 3 {
		if err := <-outcomes; err != nil {
			t.Errorf("a client got %v; the server is more careful than it was", err)
		}
	}
}

// TestFailureOldPrimaryRejoins: killed under load, again and again, it drops what nobody acknowledged.
func TestFailureOldPrimaryRejoins(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	p := promoter(t, servers...)
	prepare(t, p)
	names := []string{"a", "b", "c"}
	r := router(t, servers...)
	acked, stop := writers(t, 8, r.Write(t.Context()))
	now := 0
	for round := range 4 {
		poll(t, "rows are written", more(acked, 100))
		to := (now + 1) % 3
		lose(t, p, servers[now], names[to])
		report, err := p.Promote(t.Context(), names[to], nil)
		if err != nil {
			t.Fatalf("round %d: %v, %+v", round, err, report)
		}
		poll(t, "rows are written to the new primary", more(acked, 50))
		servers[now].Restart(asReplica...)
		if report, err := p.Rejoin(t.Context(), names[now]); err != nil || len(report.Left) != 0 {
			t.Fatalf("round %d: %v, %+v", round, err, report)
		}
		now = to
	}
	rows := stop()
	others := append(append([]*replicatest.Server(nil), servers[:now]...), servers[now+1:]...)
	primary(t, servers[now], others...)
	for _, s := range servers {
		if missing := lost(t, s, rows); len(missing) > 0 {
			t.Errorf("of %d acknowledged rows, %d are lost", len(rows), len(missing))
		}
	}
	want := servers[now].Text("SELECT CONCAT(COUNT(*), ' ', SUM(CRC32(i))) FROM app.x")
	for _, s := range others {
		if got := s.Text("SELECT CONCAT(COUNT(*), ' ', SUM(CRC32(i))) FROM app.x"); got != want {
			t.Errorf("an old primary has %s, the primary %s", got, want)
		}
	}
}

// TestFailureOldPrimaryHasDiverged: it kept what nobody acknowledged.
func TestFailureOldPrimaryHasDiverged(t *testing.T) {
	for name, restart := range map[string]func(*replicatest.Server){
		"started as a primary": func(a *replicatest.Server) { a.Kill(); a.Restart("--init-rpl-role=MASTER") },
		"ended in good order":  func(a *replicatest.Server) { a.Stop(); a.Restart(asReplica...) },
	} {
		t.Run(name, func(t *testing.T) {
			p, a, b, outcomes := cutOff(t, Strict)
			restart(a)
			failed(t, outcomes, 3)
			r, err := p.Rejoin(t.Context(), "a")
			refusal(t, r, err, "diverged")
			_, last, _ := strings.Cut(a.Text("SELECT @@gtid_binlog_pos"), "0-1-")
			for _, want := range []string{"to 0-1-" + last, "rebuild a from a copy of b", "mariadb-backup"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if len(r.Lost) != 1 || fmt.Sprint(r.Lost[0].Last) != last {
				t.Errorf("lost %v, want up to %s", r.Lost, last)
			}
			if got := b.Text("SELECT GROUP_CONCAT(i ORDER BY i) FROM app.x"); got != "4" {
				t.Errorf("rows %s, want those of b alone", got)
			}
		})
	}
}

// TestRejoinToOneMadeFromACopy: what the new primary got with a copy of the old one is in its
// gtid_slave_pos alone.
func TestRejoinToOneMadeFromACopy(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	a, b := servers[0], servers[1]
	p := promoter(t, servers...)
	a.Exec("INSERT INTO app.x VALUES (1, 1)")
	b.CatchUp(a)
	at := a.Text("SELECT @@gtid_binlog_pos")
	b.Exec("STOP SLAVE", "RESET SLAVE ALL", "RESET MASTER", "SET GLOBAL gtid_slave_pos = '"+at+"'")
	a.Kill()
	a.Restart()
	b.Exec("SET GLOBAL read_only = 0", "INSERT INTO app.x VALUES (2, 2)")
	if got := b.Text("SELECT @@gtid_binlog_state"); strings.Contains(got, "-1-") {
		t.Fatalf("gtid_binlog_state is %s, and the test proves nothing", got)
	}
	rejoin(t, p, "a")
	primary(t, b, a)
}

// TestFailurePrimaryWasFrozenOrCutOff: it is back alive, and its clients have written on as if nothing
// had happened.
func TestFailurePrimaryWasFrozenOrCutOff(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct{ begin, end func(*replicatest.Server) }{
		"frozen":  {(*replicatest.Server).Freeze, (*replicatest.Server).Thaw},
		"cut off": {(*replicatest.Server).Isolate, (*replicatest.Server).Heal},
	} {
		t.Run(name, func(t *testing.T) {
			servers := replicatest.Start(t, replicatest.Topology{Partitionable: true}).Servers
			a, b, c := servers[0], servers[1], servers[2]
			p := promoter(t, servers...)
			p.config.Mode, p.config.Timeout = Strict, time.Second
			prepare(t, p)
			db, err := sql.Open("mysql", a.NearDSN())
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			acked, stop := writers(t, 8, db)
			poll(t, "rows are written", more(acked, 100))
			fault.begin(a)
			poll(t, "the replicas notice", func() bool {
				plan, err := p.Plan(t.Context(), "b")
				return err == nil && len(plan.Refusals) == 0
			})
			do(t, p, "b")
			b.Exec("INSERT INTO app.x VALUES (-2, 2)")
			fault.end(a)
			poll(t, "clients wait on a", func() bool {
				return a.Text("SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'Waiting for semi-sync ACK from slave'") != "0"
			})
			r, err := p.Rejoin(t.Context(), "a")
			refusal(t, r, err, "unacknowledged")
			a.Kill()
			rows := stop()
			if missing := lost(t, b, rows); len(missing) > 0 {
				t.Errorf("of %d acknowledged rows, %d are lost", len(rows), len(missing))
			}
			a.Restart(asReplica...)
			rejoin(t, p, "a")
			primary(t, b, a, c)
		})
	}
}

// TestOldPrimaryThatIsAcknowledgedIsStopped: a replica stayed with it, so that it goes on to confirm
// what the new primary does not get.
func TestOldPrimaryThatIsAcknowledgedIsStopped(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	a, b, c := servers[0], servers[1], servers[2]
	p := promoter(t, servers...)
	p.config.Mode = Strict
	prepare(t, p)
	db, err := sql.Open("mysql", a.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	acked, stop := writers(t, 8, db)
	poll(t, "rows are written", more(acked, 100))
	b.Promote()
	b.Exec("INSERT INTO app.x VALUES (-2, 2)")
	poll(t, "a goes on", more(acked, 100))
	r, err := p.Rejoin(t.Context(), "a")
	refusal(t, r, err, "diverged")
	if got := a.Text("SELECT @@read_only + 0"); got != "1" {
		t.Error("a takes writes still")
	}
	rows := stop()
	c.CatchUp(a)
	if missing := lost(t, c, rows); len(missing) > 0 {
		t.Errorf("%d acknowledged rows are not on the replica that acknowledged them", len(missing))
	}
}

// TestRejoinInterruptedAnywhere: the same call again finishes the work.
func TestRejoinInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	p := promoter(t, servers...)
	names := []string{"a", "b"}
	for n := 0; ; n++ {
		from, to := servers[n%2], servers[(n+1)%2]
		from.Exec(fmt.Sprintf("INSERT INTO app.x VALUES (%d, 1)", n))
		to.CatchUp(from)
		lose(t, p, from, names[(n+1)%2])
		do(t, p, names[(n+1)%2])
		from.Restart(asReplica...)
		from.Exec("SET GLOBAL read_only = 0")
		interrupted := interrupt(p, n)
		r, err := p.Rejoin(t.Context(), names[n%2])
		p.before = nil
		if err == nil && len(r.Left) > 0 {
			err = errors.New(r.Left[0])
		}
		if (err != nil) != interrupted.Load() {
			t.Fatalf("%d statements: interrupted %v, but %v, %+v", n, interrupted.Load(), err, r)
		}
		if r, err := p.Rejoin(t.Context(), names[n%2]); err != nil {
			t.Fatalf("resumed after %d statements: %v, %+v", n, err, r)
		}
		primary(t, to, from)
		if !interrupted.Load() {
			if n < 5 {
				t.Errorf("only %d statements: the interruptions prove little", n)
			}
			return
		}
	}
}

// TestRejoinKeepsTheOnlyCopy: a replica has received what the new primary has not, and not applied it.
func TestRejoinKeepsTheOnlyCopy(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	a, b, c := servers[0], servers[1], servers[2]
	p := promoter(t, servers...)
	prepare(t, p)
	b.CatchUp(a)
	c.CatchUp(a)
	b.Exec("STOP SLAVE IO_THREAD")
	c.Exec("STOP SLAVE SQL_THREAD")
	a.Exec("INSERT INTO app.x VALUES (1, 1)")
	lose(t, p, a, "b")
	b.Promote()
	r, err := p.Rejoin(t.Context(), "c")
	refusal(t, r, err, "received_more")
	// It is there still.
	c.Exec("START SLAVE SQL_THREAD")
	poll(t, "c applies it", func() bool { return c.Text("SELECT COUNT(*) FROM app.x") == "1" })
	r, err = p.Rejoin(t.Context(), "c")
	refusal(t, r, err, "diverged")
}

// TestRejoinOfOneThatHasNotApplied: what it has received, the primary has.
func TestRejoinOfOneThatHasNotApplied(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	a, b, c := servers[0], servers[1], servers[2]
	p := promoter(t, servers...)
	prepare(t, p)
	c.Exec("STOP SLAVE SQL_THREAD")
	a.Exec("INSERT INTO app.x VALUES (1, 1)")
	b.CatchUp(a)
	poll(t, "c has received it", func() bool { return state(t, p, "c").Received == a.Text("SELECT @@gtid_binlog_pos") })
	lose(t, p, a, "b")
	if r := do(t, p, "b"); len(r.Left) != 1 {
		t.Errorf("left %q", r.Left)
	}
	primary(t, b, c)
}
