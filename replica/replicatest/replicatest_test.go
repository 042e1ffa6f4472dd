package replicatest_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// isProgram is set where the test binary is run as a program that opens a group.
const isProgram = "REPLICATEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(isProgram) != "" {
		os.Exit(program())
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen, on a busy machine.
const patience = time.Minute

// open returns a pool, that ends with the test.
func open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// ask returns what one question gives within a time.
func ask(t testing.TB, db *sql.DB, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var id int
	return db.QueryRowContext(ctx, "SELECT @@server_id").Scan(&id)
}

// hangs fails the test unless a question has no answer.
func hangs(t testing.TB, db *sql.DB) {
	t.Helper()
	if err := ask(t, db, 300*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, want none within the time", err)
	}
}

// answers fails the test unless a question has an answer.
func answers(t testing.TB, db *sql.DB) {
	t.Helper()
	if err := ask(t, db, patience); err != nil {
		t.Fatal(err)
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

func receives(s *replicatest.Server) bool { return s.ReplicaStatus()["Slave_IO_Running"] == "Yes" }

func TestSteps(t *testing.T) {
	g := replicatest.Start(t, replicatest.Topology{Strict: true, ApplyThreads: 3, Durable: true, Arguments: []string{"--max-connections=33"}})
	a, b, c := g.Servers[0], g.Servers[1], g.Servers[2]
	a.Exec("CREATE TABLE app.x (i INT PRIMARY KEY)", "INSERT INTO app.x VALUES (1)")
	b.CatchUp(a)
	got := map[string]string{
		"names":       a.Name() + b.Name() + c.Name(),
		"connections": b.Text("SELECT @@max_connections"),
		"threads":     b.Text("SELECT @@slave_parallel_threads"),
		"durable":     b.Text("SELECT CONCAT(@@sync_binlog, @@innodb_flush_log_at_trx_commit)"),
		"waits":       a.Status("Rpl_semi_sync_master_status"),
		"clients":     a.Status("Rpl_semi_sync_master_clients"),
		"nothing":     a.Status("No_such_status"),
		"received":    b.Positions().Received,
		"applied":     b.Positions().Applied,
		"logged":      b.Positions().Logged,
		"error":       errorText(g.Err()),
	}
	at := a.Positions()
	want := map[string]string{
		"names": "abc", "connections": "33", "threads": "3", "durable": "11", "waits": "ON", "clients": "2", "nothing": "",
		"received": at.Logged, "applied": at.Logged, "logged": at.Logged, "error": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if at.Received != "" || a.ReplicaStatus() != nil {
		t.Errorf("the primary has the position %+v of a replica", at)
	}

	a.SemiSync(0, b, c)
	if a.Status("Rpl_semi_sync_master_status") != "OFF" || b.Status("Rpl_semi_sync_slave_status") != "OFF" {
		t.Error("semi-sync was not switched off")
	}
	a.SemiSync(time.Second, b)
	if a.Status("Rpl_semi_sync_master_clients") != "1" {
		t.Error("semi-sync was not switched on for one replica")
	}

	c.Delay(time.Hour)
	a.Exec("INSERT INTO app.x VALUES (2)")
	b.CatchUp(a)
	if a.Checksum("app.x") != b.Checksum("app.x") || a.Checksum("app.x") == c.Checksum("app.x") {
		t.Errorf("sums %s, %s and, late, %s", a.Checksum("app.x"), b.Checksum("app.x"), c.Checksum("app.x"))
	}

	b.Promote()
	c.Follow(b, 0)
	a.Follow(b, 0)
	b.Exec("INSERT INTO app.x VALUES (3)")
	c.CatchUp(b)
	a.CatchUp(b)
	if a.Checksum("app.x") != c.Checksum("app.x") {
		t.Error("the replicas of the new primary differ")
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestProcessFaults(t *testing.T) {
	g := replicatest.Start(t, replicatest.Topology{Servers: 2})
	a, b := g.Servers[0], g.Servers[1]
	db := open(t, a.DSN())
	answers(t, db)

	a.Freeze()
	hangs(t, db)
	poll(t, "the replica notices that its primary is frozen", func() bool { return !receives(b) })
	a.Thaw()
	answers(t, db)
	poll(t, "the replica is back", func() bool { return receives(b) })

	a.Kill()
	if err := ask(t, db, patience); err == nil {
		t.Error("a killed server answers")
	}
	poll(t, "the replica notices that its primary is gone", func() bool { return !receives(b) })
	a.Restart("--max-connections=44")
	if got := a.Text("SELECT @@max_connections"); got != "44" {
		t.Errorf("max_connections %s after a restart with 44", got)
	}
	answers(t, db)
	poll(t, "the replica has come back", func() bool { return receives(b) })

	a.Stop()
	a.Restart()
	if got := a.Text("SELECT CONCAT(@@max_connections, ' ', @@read_only + 0)"); got != "100 1" {
		t.Errorf("%s after a restart without arguments", got)
	}
	answers(t, db)
}

func TestLinkOfClientsIsCut(t *testing.T) {
	g := replicatest.Start(t, replicatest.Topology{Servers: 2, Partitionable: true})
	a, b := g.Servers[0], g.Servers[1]
	far, near := open(t, a.DSN()), open(t, a.NearDSN())
	answers(t, far)
	a.Exec("CREATE TABLE app.x (i INT)")

	a.From(nil).Cut()
	hangs(t, far) // the connection that there is; its end closes it
	hangs(t, far) // a new one
	answers(t, near)
	answers(t, open(t, b.DSN()))
	b.CatchUp(a) // replication goes on

	// What is under way when the network heals arrives.
	insert := make(chan error, 1)
	go func() {
		_, err := far.Exec("INSERT INTO x VALUES (1)")
		insert <- err
	}()
	hangs(t, far)
	select {
	case err := <-insert:
		t.Fatalf("a write through a link that is cut ended: %v", err)
	default:
	}
	a.From(nil).Heal()
	if err := <-insert; err != nil {
		t.Errorf("a write that waited for the network: %v", err)
	}
	answers(t, far)

	a.From(nil).Refuse()
	if err := ask(t, far, patience); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v through a link that refuses", err)
	}
	answers(t, near)
	a.From(nil).Heal()
	answers(t, far)
}

func TestLinkOfReplicaIsCut(t *testing.T) {
	g := replicatest.Start(t, replicatest.Topology{Partitionable: true})
	a, b, c := g.Servers[0], g.Servers[1], g.Servers[2]
	db := open(t, a.DSN())
	a.From(b).Cut()
	a.Exec("CREATE TABLE app.x (i INT)")
	c.CatchUp(a)
	answers(t, db)
	poll(t, "the replica that is cut off notices", func() bool { return !receives(b) })
	if b.Positions().Received == a.Positions().Logged {
		t.Error("a replica that was cut off has received")
	}
	a.From(b).Heal()
	b.CatchUp(a)

	a.From(c).Refuse()
	poll(t, "the replica that is refused notices", func() bool { return !receives(c) })
	a.Exec("INSERT INTO app.x VALUES (1)")
	b.CatchUp(a)
	a.From(c).Heal()
	c.CatchUp(a)

	// A replica that was started again is known too.
	c.Kill()
	c.Restart()
	poll(t, "the replica is back", func() bool { return receives(c) })
	a.From(c).Cut()
	answers(t, db)
	poll(t, "the replica that was restarted notices", func() bool { return !receives(c) })
	a.From(c).Heal()
	c.CatchUp(a)

	// The same where somebody else has made another server the primary.
	b.Promote()
	c.Follow(b, 0)
	c.CatchUp(b)
	b.From(c).Cut()
	b.Exec("INSERT INTO app.x VALUES (2)")
	answers(t, open(t, b.DSN()))
	poll(t, "it is noticed at the new primary too", func() bool { return !receives(c) })
	b.From(c).Heal()
	c.CatchUp(b)
}

func TestSlowLink(t *testing.T) {
	g := replicatest.Start(t, replicatest.Topology{Servers: 2, Partitionable: true})
	a, b := g.Servers[0], g.Servers[1]
	db := open(t, a.DSN())
	answers(t, db)
	const latency = 30 * time.Millisecond
	a.From(nil).Slow(latency)
	begin := time.Now()
	answers(t, db)
	if took := time.Since(begin); took < 2*latency {
		t.Errorf("a question and its answer took %v, want at least twice %v", took, latency)
	}
	a.From(nil).Heal()
	// What is on a slow link when that breaks is lost, as at the end of a machine.
	a.From(b).Slow(time.Hour)
	a.Exec("CREATE TABLE app.x (i INT)")
	a.From(b).Refuse()
	a.Kill()
	if b.Text("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME = 'x'") != "0" {
		t.Error("what was still on its way has arrived")
	}
}

func TestIsolatedPrimary(t *testing.T) {
	for _, test := range []struct {
		name string
		wait time.Duration
		acks bool
	}{
		{"waits for ever", 24 * time.Hour, false},
		{"gives up soon", 100 * time.Millisecond, true}, // the control
	} {
		t.Run(test.name, func(t *testing.T) {
			g := replicatest.Start(t, replicatest.Topology{Servers: 2, Partitionable: true})
			a, b := g.Servers[0], g.Servers[1]
			a.Exec("CREATE TABLE app.x (i INT)")
			a.SemiSync(test.wait, b)
			near := open(t, a.NearDSN())
			answers(t, near)
			a.Isolate()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			done := make(chan error, 1)
			go func() {
				_, err := near.ExecContext(ctx, "INSERT INTO x VALUES (1)")
				done <- err
			}()
			if test.acks {
				if err := <-done; err != nil {
					t.Error(err)
				}
				return
			}
			poll(t, "the write waits", func() bool { return a.Status("Rpl_semi_sync_master_wait_sessions") == "1" })
			poll(t, "the replica notices", func() bool { return !receives(b) })
			a.Heal()
			if err := <-done; err != nil {
				t.Error(err)
			}
			b.CatchUp(a)
		})
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		g, err := replicatest.Open(b.Context(), replicatest.Topology{})
		if err != nil {
			b.Fatal(err)
		}
		if err := g.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
