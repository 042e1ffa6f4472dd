package replica

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// table makes table x, which all servers have when it returns.
func table(t testing.TB, r *Router, servers []*replicatest.Server) {
	t.Helper()
	must(t, r.Write(t.Context()), t.Context(), "CREATE TABLE x (i INT PRIMARY KEY)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}
}

func bothRead(s Status) bool { return s.Nodes[1].Reads && s.Nodes[2].Reads }

// A crowd reads without end, each with budget for a read, and keeps count of what fails.
type crowd struct {
	stop    context.CancelFunc
	readers sync.WaitGroup
	done    atomic.Int64
	failed  atomic.Int64
	longest atomic.Int64 // of those that failed
}

func gather(t testing.TB, r *Router, readers int, budget time.Duration) *crowd {
	t.Helper()
	return gatherTo(t, readers, budget, func(ctx context.Context) error {
		var one int
		return r.Read(ctx).QueryRowContext(ctx, "SELECT ?", 1).Scan(&one)
	})
}

func gatherTo(t testing.TB, readers int, budget time.Duration, read func(context.Context) error) *crowd {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c := &crowd{stop: stop}
	for range readers {
		c.readers.Go(func() {
			for ctx.Err() == nil {
				limit, cancel := context.WithTimeout(context.Background(), budget)
				began := time.Now()
				err := read(limit)
				cancel()
				if err == nil {
					c.done.Add(1)
					continue
				}
				c.failed.Add(1)
				for took, longest := int64(time.Since(began)), c.longest.Load(); took > longest && !c.longest.CompareAndSwap(longest, took); longest = c.longest.Load() {
				}
			}
		})
	}
	t.Cleanup(c.end)
	return c
}

func (c *crowd) end() {
	c.stop()
	c.readers.Wait()
}

// goOn waits until so many more reads have ended well.
func (c *crowd) goOn(t testing.TB, reads int64) {
	t.Helper()
	reads += c.done.Load()
	eventually(t, "reads go on", func() bool { return c.done.Load() >= reads })
}

func TestFailureReplicaKilled(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := run(t, servers...)
	await(t, r, "both replicas are read", bothRead)
	c := gather(t, r, 32, patience)
	viewers := gatherTo(t, 8, patience, func(ctx context.Context) error {
		return r.View(ctx, func(ctx context.Context, q Querier) error {
			var one int
			return q.QueryRowContext(ctx, "SELECT ?", 1).Scan(&one)
		})
	})
	c.goOn(t, 1000)
	viewers.goOn(t, 100)
	b := r.nodes[1]
	servers[1].Kill()
	await(t, r, "it is not read", not(reads(1)))
	picked := b.picks.Load()
	c.goOn(t, 1000)
	// A call that was on its way fails, with the connection it was on, and its like on a new one.
	if got := c.failed.Load(); got > 32 {
		t.Errorf("%d reads failed, of 32 at a time", got)
	}
	failed := c.failed.Load()
	c.goOn(t, 1000)
	if got := c.failed.Load(); got != failed {
		t.Errorf("%d more reads failed after the replica was out", got-failed)
	}
	if got := b.picks.Load(); got != picked {
		t.Errorf("a killed replica was picked %d times more", got-picked)
	}
	if s := r.Status(); !s.Nodes[2].Reads || s.Primary != "a" {
		t.Errorf("status %+v", s)
	}
	servers[1].Restart()
	await(t, r, "it is read again", reads(1))
	c.goOn(t, 1000)
	if got := c.failed.Load(); got != failed {
		t.Errorf("%d reads failed when it came back", got-failed)
	}
	viewers.goOn(t, 100)
	if got := viewers.failed.Load(); got != 0 {
		t.Errorf("%d reads by View failed", got)
	}
}

func TestFailureReplicaFrozen(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := run(t, servers...) // a question takes up to 5 s: it is the reads that notice
	await(t, r, "both replicas are read", bothRead)
	const budget = 500 * time.Millisecond
	c := gather(t, r, 32, budget)
	c.goOn(t, 1000)
	early := c.failed.Load() // on a busy machine
	servers[1].Freeze()
	await(t, r, "it is not read", not(reads(1)))
	if s := r.Status(); s.Nodes[1].Role != Replica {
		t.Logf("it was the question that noticed, not the reads: %+v", s.Nodes[1])
	}
	c.goOn(t, 1000)
	if got := c.failed.Load() - early; got > 2*32 {
		t.Errorf("%d reads failed, of 32 at a time", got)
	}
	if got := time.Duration(c.longest.Load()); got > 10*budget {
		t.Errorf("a read with %s of time took %s", budget, got)
	}
	servers[1].Thaw()
	await(t, r, "it is read again", reads(1))
	c.goOn(t, 500)
}

func TestFailureReplicaLagging(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := run(t, servers...)
	await(t, r, "both replicas are read", bothRead)
	table(t, r, servers)
	l := work(t, r, 8, 1)
	l.goOn(t, 100, 10)
	servers[1].Exec("STOP SLAVE SQL_THREAD")
	await(t, r, "its lag is unknown and it is not read", func(s Status) bool { return s.Nodes[1].Lag < 0 && !s.Nodes[1].Reads })
	b := r.nodes[1]
	picked := b.picks.Load()
	l.goOn(t, 200, 10)
	ctx := WithSession(t.Context(), NewSession())
	must(t, r.Write(ctx), ctx, "INSERT INTO x VALUES (-1)")
	var n int
	if err := r.Read(ctx).QueryRowContext(ctx, "SELECT COUNT(*) FROM x WHERE i = -1").Scan(&n); err != nil || n != 1 {
		t.Errorf("a session sees %d of its rows (%v)", n, err)
	}
	if got := b.picks.Load(); got != picked {
		t.Errorf("a replica of unknown lag was picked %d times", got-picked)
	}
	servers[1].Exec("START SLAVE SQL_THREAD")
	await(t, r, "it is read again", reads(1))
	l.end()
}

func TestFailureAllReplicasDown(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := begin(t, Config{Timeout: 5 * time.Second, MaxPrimaryReads: 2, MaxOpen: 4}, servers...)
	await(t, r, "both replicas are read", func(s Status) bool { return s.Primary == "a" && bothRead(s) })
	table(t, r, servers)
	servers[1].Kill()
	servers[2].Kill()
	await(t, r, "no replica is read", func(s Status) bool { return !s.Nodes[1].Reads && !s.Nodes[2].Reads })
	if id := serverID(t, t.Context(), r.Read(t.Context())); id != 1 {
		t.Errorf("server %d is read, want the primary", id)
	}
	ctx := t.Context()
	var held []*sql.Conn
	for range 2 {
		conn, err := r.Read(ctx).Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	for _, ctx := range []context.Context{ctx, WithSession(ctx, NewSession())} {
		if err := r.Read(ctx).PingContext(ctx); !errors.Is(err, ErrNoReplica) {
			t.Errorf("a read beyond the limit gives %v, want ErrNoReplica", err)
		}
	}
	// Writes, and reads that ask for the primary, have their own connections.
	must(t, r.Write(ctx), ctx, "INSERT INTO x VALUES (1)")
	if id := serverID(t, ctx, r.Read(WithPrimary(ctx))); id != 1 {
		t.Errorf("server %d is read, want the primary", id)
	}
	if got := r.Status().PrimaryReads; got.Limit != 2 || got.InUse != 2 || got.Refused < 2 {
		t.Errorf("status %+v", got)
	}
	if _, err := held[0].ExecContext(ctx, "INSERT INTO x VALUES (2)"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a write among reads gives %v, want ErrReadOnly", err)
	}
	for _, conn := range held {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if id := serverID(t, ctx, r.Read(ctx)); id != 1 {
		t.Errorf("server %d is read, want the primary", id)
	}
}

func TestFailureReplicaReturns(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := begin(t, Config{Timeout: 5 * time.Second, SlowStart: time.Hour}, servers...)
	await(t, r, "both replicas are read", func(s Status) bool { return s.Primary == "a" && bothRead(s) })
	share := func() float64 {
		b, c := r.nodes[1], r.nodes[2]
		before, others := b.picks.Load(), c.picks.Load()
		for range 10_000 {
			r.Read(t.Context())
		}
		return float64(b.picks.Load()-before) / float64(b.picks.Load()-before+c.picks.Load()-others)
	}
	if got := share(); math.Abs(got-0.5) > 0.05 {
		t.Errorf("before, it gets %v of the reads", got)
	}
	servers[1].Kill()
	await(t, r, "it is not read", not(reads(1)))
	servers[1].Restart()
	await(t, r, "it is read again", reads(1))
	if got := share(); got == 0 || got > 0.1 {
		t.Errorf("just back, it gets %v of the reads, want a twentieth", got)
	}
	r.mu.Lock()
	r.nodes[1].ramping = time.Now().Add(-2 * time.Hour)
	r.mu.Unlock()
	await(t, r, "it has its full share", func(s Status) bool { return math.Abs(share()-0.5) < 0.05 })
}

func TestFailurePromotedBySomebodyElse(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := run(t, servers...)
	await(t, r, "both replicas are read", bothRead)
	table(t, r, servers)
	ctx := t.Context()
	db := r.Write(ctx)
	servers[0].Exec("SET GLOBAL read_only = 1")
	servers[1].CatchUp(servers[0])
	servers[2].CatchUp(servers[0])
	servers[1].Promote()
	servers[2].Follow(servers[1], 0)
	servers[0].Exec("SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos")
	servers[0].Follow(servers[1], 0)
	await(t, r, "the promoted server is the primary, the others are read", func(s Status) bool {
		return s.Primary == "b" && s.Nodes[0].Reads && s.Nodes[2].Reads
	})
	must(t, db, ctx, "INSERT INTO x VALUES (1)")
	if id := serverID(t, ctx, db); id != 2 {
		t.Errorf("server %d is written to, want 2", id)
	}
	for range 20 {
		if id := serverID(t, ctx, r.Read(ctx)); id == 2 {
			t.Error("the new primary is read as if it were a replica")
		}
	}
	// Reads that fall back to the primary have followed as well.
	for _, name := range []string{"a", "c"} {
		if err := r.Drain(name); err != nil {
			t.Fatal(err)
		}
	}
	if id := serverID(t, ctx, r.Read(ctx)); id != 2 {
		t.Errorf("server %d is read, want the new primary", id)
	}
}

func TestFailureOldPrimaryReturnsWritable(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	await(t, r, "the replica is read", reads(1))
	table(t, r, servers)
	servers[0].Kill()
	servers[1].Promote()
	await(t, r, "the promoted server is the primary", primaryIs("b"))
	generation := r.Status().Generation
	servers[0].Restart()
	servers[0].Exec("SET GLOBAL read_only = 0")
	await(t, r, "two that take writes are noticed", func(s Status) bool {
		return s.Nodes[0].Role == Primary && strings.Contains(s.Problem, "a and b take writes")
	})
	ctx := t.Context()
	for i := range 50 {
		must(t, r.Write(ctx), ctx, "INSERT INTO x VALUES (?)", i)
		if id := serverID(t, ctx, r.Read(ctx)); id != 2 {
			t.Errorf("server %d is read", id)
		}
	}
	if got := servers[0].Text("SELECT COUNT(*) FROM app.x"); got != "0" {
		t.Errorf("%s writes went to the old primary", got)
	}
	if s := r.Status(); s.Primary != "b" || s.Generation != generation {
		t.Errorf("status %+v", s)
	}
	servers[0].Exec("SET GLOBAL read_only = 1")
	await(t, r, "the problem is over", func(s Status) bool { return s.Problem == "" })
}

func TestFailureOldConnectionsInPool(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	await(t, r, "the replica is read", reads(1))
	table(t, r, servers)
	ctx := t.Context()
	db := r.Write(ctx)
	var idle []*sql.Conn
	for range 32 {
		conn, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	for _, conn := range idle {
		if err := conn.Close(); err != nil { // to the pool
			t.Fatal(err)
		}
	}
	if n := db.Stats().Idle; n != 32 {
		t.Fatalf("%d connections are idle, want 32", n)
	}
	servers[0].Exec("SET GLOBAL read_only = 1")
	servers[1].CatchUp(servers[0])
	servers[1].Promote()
	await(t, r, "the promoted server is the primary", primaryIs("b"))
	var writers sync.WaitGroup
	for i := range 32 {
		writers.Go(func() {
			if _, err := db.ExecContext(ctx, "INSERT INTO x VALUES (?)", i); err != nil {
				t.Errorf("a write gives %v", err)
			}
		})
	}
	writers.Wait()
	if got := servers[1].Text("SELECT COUNT(*) FROM app.x"); got != "32" {
		t.Errorf("%s of 32 writes are on the new primary", got)
	}
}

func TestFailureTooManyConnections(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := begin(t, Config{Timeout: 5 * time.Second, Breaker: BreakerOptions{Busy: 2 * time.Second}}, servers...)
	await(t, r, "the replica is read", func(s Status) bool { return s.Primary == "a" && s.Nodes[1].Reads })
	ctx := t.Context()
	servers[1].Exec("SET GLOBAL max_connections = 10")
	others, err := sql.Open("mysql", servers[1].DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer others.Close()
	var held []*sql.Conn
	for {
		conn, err := others.Conn(ctx)
		if err != nil {
			if !isBusy(err) {
				t.Fatal(err)
			}
			break
		}
		held = append(held, conn)
	}
	refusals := func() int {
		n, err := strconv.Atoi(servers[1].Text("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Connection_errors_max_connections'"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := refusals()
	// All at once, so that some need a connection that is not to be had.
	c := gather(t, r, 16, patience)
	await(t, r, "it is not read, and not taken for down", func(s Status) bool {
		return !s.Nodes[1].Reads && s.Nodes[1].Role == Replica && strings.Contains(s.Nodes[1].State, "Too many connections")
	})
	c.goOn(t, 2000) // by the primary
	c.end()
	if got := c.failed.Load(); got > 16 {
		t.Errorf("%d reads failed, of 16 at a time", got)
	}
	if now := refusals(); now-before > 100 {
		t.Errorf("it had to refuse %d connections in %d reads", now-before, c.done.Load())
	}
	if opened := func() uint64 { r.mu.Lock(); defer r.mu.Unlock(); return r.nodes[1].breaker.opened }(); opened == 0 || opened > 5 {
		t.Errorf("it was taken out %d times", opened)
	}
	if s := r.Status(); s.Nodes[1].Role != Replica || s.Nodes[1].Lag < 0 {
		t.Errorf("it is taken for down: %+v", s.Nodes[1])
	}
	for _, conn := range held {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := others.Close(); err != nil {
		t.Error(err)
	}
	await(t, r, "it is read again", reads(1))
}

// A server may say that all is well while its data cannot be read.
func TestFailureReplicaStalls(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := run(t, servers...)
	await(t, r, "both replicas are read", bothRead)
	table(t, r, servers)
	admin, err := sql.Open("mysql", servers[1].AdminDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	conn, err := admin.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "LOCK TABLES "+replicatest.Schema+".x WRITE"); err != nil {
		t.Fatal(err)
	}
	var failed, done atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for ctx.Err() == nil {
				limit, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
				var n int
				if err := r.Read(limit).QueryRowContext(limit, "SELECT COUNT(*) FROM x").Scan(&n); err != nil {
					failed.Add(1)
				} else {
					done.Add(1)
				}
				cancel()
			}
		})
	}
	defer func() { stop(); readers.Wait() }()
	failures := func() int { r.mu.Lock(); defer r.mu.Unlock(); return r.nodes[1].breaker.failures }
	eventually(t, "it was taken out again and again", func() bool { return failures() >= 3 })
	s := r.Status()
	if s.Nodes[1].Role != Replica || s.Nodes[1].Lag != 0 {
		t.Errorf("the server itself notices, so the test proves nothing: %+v", s.Nodes[1])
	}
	if got := failed.Load(); got > 8*4 {
		t.Errorf("%d reads failed, of 8 at a time, in 3 times", got)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := admin.Close(); err != nil { // and with it the lock
		t.Fatal(err)
	}
	picked := r.nodes[1].picks.Load()
	await(t, r, "it is read again", reads(1))
	eventually(t, "it answers reads", func() bool { return r.nodes[1].picks.Load() > picked+10 })
	t.Logf("%d reads were answered, %d not", done.Load(), failed.Load())
}
