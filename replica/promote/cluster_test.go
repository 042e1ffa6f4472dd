package promote

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/internal/clienttest"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func TestMain(m *testing.M) {
	if err := testdb.Memory(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen, on a busy machine.
const patience = time.Minute

// promoter makes an account with no more than the documented privileges and returns a promoter that
// uses it, and connects replicas with another. Servers are called a, b, c …
func promoter(t testing.TB, servers ...*replicatest.Server) *Promoter {
	t.Helper()
	servers[0].Exec("CREATE USER promoter IDENTIFIED BY 'its \\'own'",
		"GRANT READ_ONLY ADMIN, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR, CONNECTION ADMIN, PROCESS, RELOAD ON *.* TO promoter",
		"CREATE USER copier IDENTIFIED BY 'quote \\' and \\\\ slash'", "GRANT REPLICATION SLAVE ON *.* TO copier", "CREATE TABLE app.x (i INT PRIMARY KEY, s INT)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}
	c := Config{ReplicationUser: "copier", ReplicationPassword: `quote ' and \ slash`, Wait: 20 * time.Second}
	for i, s := range servers {
		dsn, err := mysql.ParseDSN(s.AdminDSN())
		if err != nil {
			t.Fatal(err)
		}
		dsn.User, dsn.Passwd = "promoter", "its 'own"
		c.Nodes = append(c.Nodes, Node{Name: string(rune('a' + i)), DSN: dsn.FormatDSN()})
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// do promotes and fails the test if that fails.
func do(t testing.TB, p *Promoter, to string) *Report {
	t.Helper()
	r, err := p.Promote(t.Context(), to, nil)
	if err != nil {
		t.Fatalf("promotion of %s: %v; report %+v", to, err, r)
	}
	if r.Primary != to {
		t.Fatalf("report %+v, want primary %s", r, to)
	}
	return r
}

// rejoin brings a server back, and fails the test if anything is left to do.
func rejoin(t testing.TB, p *Promoter, name string) {
	t.Helper()
	if r, err := p.Rejoin(t.Context(), name); err != nil || len(r.Left) != 0 {
		t.Fatalf("%v, %+v", err, r)
	}
}

// refusal fails the test unless err is a refusal for the reason code alone.
func refusal(t testing.TB, r *Report, err error, code string) {
	t.Helper()
	if !errors.Is(err, ErrRefused) || r == nil || len(r.Refusals) != 1 || r.Refusals[0].Code != code {
		t.Fatalf("error %v, report %+v; want it refused as %s", err, r, code)
	}
	if r.Primary != "" && !slices.Contains([]string{"diverged", "unacknowledged", "received_more"}, code) {
		t.Fatalf("report %+v names a primary", r)
	}
}

// poll waits until ok.
func poll(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

// state is what the promoter sees of a node.
func state(t testing.TB, p *Promoter, name string) NodeState {
	t.Helper()
	plan, err := p.Plan(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(plan.Nodes, func(n NodeState) bool { return n.Name == name })
	return plan.Nodes[i]
}

// primary fails the test unless the first server takes writes alone, and the others replicate them.
func primary(t testing.TB, first *replicatest.Server, others ...*replicatest.Server) {
	t.Helper()
	if first.Text("SELECT @@read_only") != "0" {
		t.Fatal("the primary is read-only")
	}
	first.Exec("REPLACE INTO app.x VALUES (-1, @@server_id)")
	for _, s := range others {
		if s.Text("SELECT @@read_only") != "1" {
			t.Fatal("a replica is not read-only")
		}
		s.CatchUp(first)
	}
}

// lose kills a primary, and returns when its replicas have noticed. to is one of them.
func lose(t testing.TB, p *Promoter, s *replicatest.Server, to string) {
	t.Helper()
	s.Kill()
	poll(t, "the replicas notice", func() bool {
		plan, err := p.Plan(t.Context(), to)
		return err == nil && !slices.ContainsFunc(plan.Refusals, func(r Refusal) bool { return r.Code == "primary_alive" })
	})
}

// prepare switches semi-sync on.
func prepare(t testing.TB, p *Promoter) {
	t.Helper()
	if r, err := p.Prepare(t.Context()); err != nil || len(r.Left) != 1 || !strings.Contains(r.Left[0], "init_rpl_role=SLAVE") {
		t.Fatalf("%v, %+v", err, r)
	}
}

// writers insert rows until stop is called, which returns those that were acknowledged.
func writers(t testing.TB, n int, db *sql.DB) (acked *atomic.Int64, stop func() []int) {
	t.Helper()
	return clienttest.Writers(t, n, db, 15*time.Second)
}

// lost returns which of the rows a server does not have.
func lost(t testing.TB, s *replicatest.Server, rows []int) (missing []int) {
	t.Helper()
	return clienttest.Missing(t, s, rows)
}

// router is a program that writes by package replica.
func router(t testing.TB, servers ...*replicatest.Server) *replica.Router {
	t.Helper()
	return clienttest.Router(t, 5*time.Second, servers...)
}

func more(acked *atomic.Int64, n int64) func() bool {
	from := acked.Load()
	return func() bool { return acked.Load() >= from+n }
}

func TestSwitchUnderWriters(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	p := promoter(t, servers...)
	// Late, so that it has rows to apply when the old primary is read-only, however fast the machine is.
	servers[1].Follow(servers[0], time.Second)
	poll(t, "the late replica receives", func() bool { return servers[1].ReplicaStatus()["Slave_IO_Running"] == "Yes" })
	prepare(t, p)
	r := router(t, servers...)
	acked, stop := writers(t, 8, r.Write(t.Context()))
	poll(t, "rows are written", more(acked, 50))
	plan, err := p.Plan(t.Context(), "b")
	if err != nil || !plan.Planned || plan.From != "a" || len(plan.Refusals) != 0 || len(plan.Steps) == 0 || len(plan.MayLose) != 0 {
		t.Fatalf("%v, plan %+v", err, plan)
	}
	// There and back, and to the third.
	for _, to := range []string{"b", "a", "c"} {
		report := do(t, p, to)
		if len(report.Left) != 0 || len(report.MayLose) != 0 || report.NoWrites <= 0 || report.Position == "" {
			t.Errorf("report %+v", report)
		}
		t.Logf("%s: %s without writes, %s in all", to, report.NoWrites, report.Took)
		poll(t, "rows are written to "+to, more(acked, 50))
		poll(t, to+" waits for acknowledgements", func() bool { return state(t, p, to).SemiSync })
		if got := r.Status().Primary; got != to {
			t.Errorf("the router writes to %s, want %s", got, to)
		}
	}
	rows := stop()
	primary(t, servers[2], servers[0], servers[1])
	for _, s := range servers {
		if missing := lost(t, s, rows); len(missing) > 0 {
			t.Errorf("of %d acknowledged rows, %d are lost", len(rows), len(missing))
		}
	}
	// Once more is a success that changes nothing.
	if report := do(t, p, "c"); len(report.Steps) != 0 || !report.Plan.Already || report.Position != "" {
		t.Errorf("report %+v", report)
	}
}

func TestPrimaryIsLost(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	p := promoter(t, servers...)
	prepare(t, p)
	r := router(t, servers...)
	acked, stop := writers(t, 8, r.Write(t.Context()))
	poll(t, "rows are written", more(acked, 100))
	// The primary waits for one replica only, so this one may have to get the rest from the other.
	lose(t, p, servers[0], "b")
	report := do(t, p, "b")
	if !strings.Contains(report.Acknowledged, "every write") || len(report.MayLose) != 0 || report.Plan.Planned || report.Position == "" {
		t.Errorf("report %+v", report)
	}
	if len(report.Left) != 1 || !strings.HasPrefix(report.Left[0], "a does not answer") {
		t.Errorf("left %q", report.Left)
	}
	poll(t, "rows are written to the new primary", more(acked, 50))
	rows := stop()
	primary(t, servers[1], servers[2])
	if missing := lost(t, servers[1], rows); len(missing) > 0 {
		t.Errorf("of %d acknowledged rows, %d are lost", len(rows), len(missing))
	}
}

func TestRejoin(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	p := promoter(t, servers...)
	prepare(t, p)
	if r, err := p.Rejoin(t.Context(), "a"); true {
		refusal(t, r, err, "no_primary")
	}
	servers[0].Exec("INSERT INTO app.x VALUES (1, 1)")
	servers[0].Kill()
	report := do(t, p, "b")
	if len(report.Left) != 2 || !strings.Contains(report.Left[1], "one copy only") {
		t.Errorf("left %q", report.Left)
	}
	servers[1].Exec("INSERT INTO app.x VALUES (2, 2)")
	if r, err := p.Rejoin(t.Context(), "a"); true {
		refusal(t, r, err, "target_silent")
	}
	// It comes back as if it still were the primary.
	servers[0].Restart()
	servers[0].Exec("SET GLOBAL read_only = 0")
	if r, err := p.Promote(t.Context(), "b", &Options{Force: true}); true {
		refusal(t, r, err, "two_writers")
	}
	for range 2 {
		if r, err := p.Rejoin(t.Context(), "a"); err != nil || r.Primary != "b" || len(r.Left) != 0 || len(r.Steps) == 0 {
			t.Fatalf("%v, %+v", err, r)
		}
	}
	primary(t, servers[1], servers[0])
	poll(t, "b waits for acknowledgements", func() bool { return state(t, p, "b").SemiSync })

	// Without semi-sync, b writes what a does not get, and is lost.
	servers[1].Exec("SET GLOBAL rpl_semi_sync_master_enabled = 0")
	servers[0].Exec("STOP SLAVE IO_THREAD")
	servers[1].Exec("INSERT INTO app.x VALUES (3, 2)", "INSERT INTO app.x VALUES (4, 2)")
	servers[1].Kill()
	report = do(t, p, "a")
	if len(report.MayLose) != 1 || strings.Contains(report.Acknowledged, "every write") {
		t.Errorf("report %+v", report)
	}
	servers[0].Exec("INSERT INTO app.x VALUES (5, 1)", "INSERT INTO app.x VALUES (6, 1)", "INSERT INTO app.x VALUES (7, 1)")
	servers[1].Restart()
	r, err := p.Rejoin(t.Context(), "b")
	refusal(t, r, err, "diverged")
	if !strings.Contains(err.Error(), "rebuild b from a copy of a") || !strings.Contains(err.Error(), "-2-") {
		t.Error(err)
	}
	if got := servers[1].Text("SELECT COUNT(*) FROM app.x WHERE i = 4"); got != "1" {
		t.Error("the refused server was changed")
	}
	// A promotion of who is the primary already leaves it alone as well.
	if report := do(t, p, "a"); len(report.Left) == 0 || !strings.Contains(report.Left[0], "parted") {
		t.Errorf("left %q", report.Left)
	}
}

func TestLateReplicaDrainsFirst(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	p := promoter(t, servers...)
	servers[1].Follow(servers[0], 3*time.Second)
	servers[1].CatchUp(servers[0])
	prepare(t, p)
	for i := range 20 {
		servers[0].Exec(fmt.Sprintf("INSERT INTO app.x VALUES (%d, 1)", i))
	}
	servers[0].Kill()
	if got := servers[1].Text("SELECT COUNT(*) FROM app.x"); got == "20" {
		t.Fatal("the replica is not late, and the test proves nothing")
	}
	ended := make(chan error, 1)
	go func() {
		_, err := p.Promote(context.WithoutCancel(t.Context()), "b", nil)
		ended <- err
	}()
	for over := false; !over; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		default:
		}
		// In one statement: whoever finds it writable finds everything.
		got := servers[1].Text("SELECT CONCAT(@@read_only + 0, ' ', (SELECT COUNT(*) FROM app.x))")
		if strings.HasPrefix(got, "0") && got != "0 20" || over && got != "0 20" {
			t.Fatalf("read_only and rows are %s, want 0 20", got)
		}
	}
}

func TestStoppedReplicaKeepsItsRelayLog(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	p := promoter(t, servers...)
	prepare(t, p)
	servers[1].Exec("STOP SLAVE SQL_THREAD")
	servers[0].Exec("INSERT INTO app.x VALUES (1, 1)")
	servers[0].Kill()
	// Received, acknowledged and not applied: it applies before it takes writes.
	do(t, p, "b")
	if got := servers[1].Text("SELECT COUNT(*) FROM app.x"); got != "1" {
		t.Error("an acknowledged row is lost")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	a, b, c := servers[0], servers[1], servers[2]
	p := promoter(t, servers...)
	p.config.Timeout = time.Second
	try := func(to, code string) *Report {
		t.Helper()
		r, err := p.Promote(t.Context(), to, nil)
		refusal(t, r, err, code)
		return r
	}
	if _, err := p.Promote(t.Context(), "z", nil); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("an unknown name gives %v", err)
	}
	hold := func(on *replicatest.Server, statements ...string) *sql.Conn {
		t.Helper()
		db, err := sql.Open("mysql", on.AdminDSN())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range statements {
			if _, err := conn.ExecContext(t.Context(), q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		return conn
	}
	t.Run("two at once", func(t *testing.T) {
		conn := hold(a, "DO GET_LOCK('beamrider.promote', 60)")
		defer conn.Close()
		if _, err := p.Promote(t.Context(), "b", nil); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "Another promotion is at work on a") {
			t.Error(err)
		}
		if _, err := conn.ExecContext(t.Context(), "DO RELEASE_LOCK('beamrider.promote')"); err != nil {
			t.Error(err)
		}
	})
	t.Run("not fenced", func(t *testing.T) {
		conn := hold(a, "LOCK TABLES app.x WRITE")
		defer conn.Close()
		try("b", "not_fenced")
		if _, err := conn.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Error(err)
		}
	})
	t.Run("privileges", func(t *testing.T) {
		// Out of the log, or b would have something that a has not.
		defer hold(b, "SET sql_log_bin = 0", "REVOKE RELOAD ON *.* FROM promoter").Close()
		if r := try("b", "privileges"); !strings.Contains(r.Refusals[0].Text, "GRANT RELOAD ON") {
			t.Error(r.Refusals)
		}
		defer hold(b, "SET sql_log_bin = 0", "GRANT RELOAD ON *.* TO promoter").Close()
	})
	t.Run("not catching up", func(t *testing.T) {
		// Whoever waits in vain lets the old primary go on.
		b.Exec("STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY = 10", "START SLAVE")
		a.Exec("INSERT INTO app.x VALUES (1, 1)")
		p.config.Wait = 2 * time.Second
		try("b", "delayed")
		b.Exec("STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY = 0", "START SLAVE SQL_THREAD")
		// Receiving starts when it is asked to; a replica that may not connect never gets there.
		b.Exec("CHANGE MASTER 'x' TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USE_GTID = slave_pos")
		try("b", "several_sources")
		b.Exec("RESET SLAVE 'x' ALL", "STOP SLAVE", "START SLAVE")
		b.CatchUp(a)
		// A lock on the replica, behind which it cannot apply.
		blocker := hold(b, "LOCK TABLES app.x READ")
		defer blocker.Close()
		a.Exec("INSERT INTO app.x VALUES (2, 1)")
		r, err := p.Promote(t.Context(), "b", nil)
		if err == nil || errors.Is(err, ErrRefused) || r.Primary != "" || !slices.Contains(r.Steps, "a takes writes again.") {
			t.Errorf("%v, %+v", err, r)
		}
		if _, err := blocker.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Fatal(err)
		}
		p.config.Wait = 20 * time.Second
	})
	primary(t, a, b, c)
	t.Run("applying broken", func(t *testing.T) {
		b.Exec("INSERT INTO app.x VALUES (10, 2)") // admin may, and it will collide
		a.Exec("INSERT INTO app.x VALUES (10, 1)")
		poll(t, "b cannot apply", func() bool { return state(t, p, "b").Problem != "" })
		try("b", "applying_broken")
	})
	if a.Text("SELECT @@read_only") != "0" {
		t.Fatal("a refused promotion left no primary")
	}
	if r, err := p.Rejoin(t.Context(), "a"); true {
		refusal(t, r, err, "no_primary")
	}
}

func TestOtherHasMore(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	a, b, c := servers[0], servers[1], servers[2]
	p := promoter(t, servers...)
	p.config.Timeout = time.Second
	b.Exec("STOP SLAVE IO_THREAD")
	a.Exec("INSERT INTO app.x VALUES (1, 1)")
	c.CatchUp(a)
	a.Freeze()
	// Frozen, not dead: c is connected until it notices.
	plan, err := p.Plan(t.Context(), "c")
	if err != nil || len(plan.Refusals) != 1 || plan.Refusals[0].Code != "primary_alive" {
		t.Fatalf("%v, %+v", err, plan)
	}
	a.Kill()
	poll(t, "c notices", func() bool {
		plan, err := p.Plan(t.Context(), "c")
		return err == nil && len(plan.Refusals) == 0
	})
	if plan, err := p.Plan(t.Context(), "b"); err != nil || !strings.Contains(strings.Join(plan.Steps, " "), "b gets from c what it lacks") {
		t.Errorf("%v, %+v", err, plan)
	}
	// What c has is no use if c has not all of what it was sent.
	c.Exec("STOP SLAVE SQL_THREAD", "SET GLOBAL replicate_ignore_table = 'app.nothing'", "START SLAVE SQL_THREAD")
	r, err := p.Promote(t.Context(), "b", nil)
	refusal(t, r, err, "other_has_more")
	if !strings.Contains(err.Error(), "Promote c instead") || !strings.Contains(err.Error(), "replication filters") {
		t.Error(err)
	}
	// c falls silent too: it may have more.
	c.Freeze()
	r, err = p.Promote(t.Context(), "b", nil)
	refusal(t, r, err, "other_silent")
	r, err = p.Promote(t.Context(), "b", &Options{Force: true})
	if err != nil || len(r.MayLose) == 0 || !strings.Contains(strings.Join(r.MayLose, " "), "Transactions that c has") {
		t.Fatalf("%v, %+v", err, r)
	}
	c.Thaw()
	r, err = p.Rejoin(t.Context(), "c")
	refusal(t, r, err, "diverged")
}

func TestOpenTransactionsAreEnded(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	p := promoter(t, servers...)
	db, err := sql.Open("mysql", servers[0].DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "INSERT INTO x VALUES (1, 1)"); err != nil {
		t.Fatal(err)
	}
	do(t, p, "b")
	// Its row lock would hold the new replica up.
	servers[1].Exec("INSERT INTO app.x VALUES (1, 2)")
	primary(t, servers[1], servers[0])
	if err := tx.Commit(); err == nil {
		t.Error("a transaction was committed on the old primary after the promotion")
	}
}

func TestWritesOfAnAdministratorEndTheSwitch(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	p := promoter(t, servers...)
	p.config.Wait = 3 * time.Second
	// They write on while b, which is late, applies what they wrote before.
	servers[1].Follow(servers[0], time.Second)
	db, err := sql.Open("mysql", servers[0].AdminDSN()+replicatest.Schema)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	acked, stop := writers(t, 4, db)
	poll(t, "rows are written", more(acked, 50))
	r, err := p.Promote(t.Context(), "b", nil)
	rows := stop()
	if err == nil || r.Primary != "" || !slices.Contains(r.Steps, "a takes writes again.") {
		t.Fatalf("%v, %+v", err, r)
	}
	if strings.Contains(err.Error(), " -") {
		t.Errorf("%q has a duration below zero", err)
	}
	primary(t, servers[0], servers[1])
	if missing := lost(t, servers[1], rows); len(missing) > 0 {
		t.Errorf("of %d acknowledged rows, %d are lost", len(rows), len(missing))
	}
}
