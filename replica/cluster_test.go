package replica

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen, on a busy machine.
const patience = time.Minute

// run starts a router of servers; they are called a, b, c … It is ready when run returns.
func run(t testing.TB, servers ...*replicatest.Server) *Router {
	t.Helper()
	r := begin(t, Config{Timeout: 5 * time.Second}, servers...)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

func begin(t testing.TB, c Config, servers ...*replicatest.Server) *Router {
	t.Helper()
	for i, s := range servers {
		c.Nodes = append(c.Nodes, Node{Name: string(rune('a' + i)), DSN: s.DSN()})
	}
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, r.Close()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// await waits until the router's status is as it should be.
func await(t testing.TB, r *Router, what string, ok func(Status) bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		s := r.Status()
		if ok(s) {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("it did not come about that %s; status %+v", what, s)
		}
	}
}

func reads(node int) func(Status) bool { return func(s Status) bool { return s.Nodes[node].Reads } }

func not(f func(Status) bool) func(Status) bool { return func(s Status) bool { return !f(s) } }

func primaryIs(name string) func(Status) bool {
	return func(s Status) bool { return s.Primary == name }
}

func must(t testing.TB, db *sql.DB, ctx context.Context, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(ctx, query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func serverID(t testing.TB, ctx context.Context, db *sql.DB) (id int) {
	t.Helper()
	if err := db.QueryRowContext(ctx, "SELECT @@server_id").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestReadsAndWritesGoToTheRightServer(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	ctx := t.Context()
	await(t, r, "the replica is read", reads(1))
	if id := serverID(t, ctx, r.Write(ctx)); id != 1 {
		t.Errorf("writes go to server %d, want 1", id)
	}
	for range 20 {
		if id := serverID(t, ctx, r.Read(ctx)); id != 2 {
			t.Errorf("reads go to server %d, want 2", id)
		}
	}
	s := r.Status()
	if s.Nodes[0].Role != Primary || s.Nodes[1].Role != Replica || s.Nodes[0].Lag >= 0 || s.Nodes[1].Lag < 0 || s.Nodes[1].Picked < 20 || s.Problem != "" {
		t.Errorf("status %+v", s)
	}
	must(t, r.Write(ctx), ctx, "CREATE TABLE x (i INT)")
	servers[1].CatchUp(servers[0])
	if _, err := r.Read(ctx).ExecContext(ctx, "INSERT INTO x VALUES (1)"); err == nil {
		t.Error("a replica took a write")
	}
	if got := r.Stats(); got.Probes == 0 || got.Generation != 1 || got.RefusedReads != 0 {
		t.Errorf("stats %+v", got)
	}
}

func TestSessionReadsItsWrites(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	must(t, r.Write(t.Context()), t.Context(), "CREATE TABLE x (i INT PRIMARY KEY)")
	servers[1].CatchUp(servers[0])
	servers[1].Exec("STOP SLAVE")
	await(t, r, "the stopped replica is not read", not(reads(1))) // or it would be the one before that is found to be read
	servers[1].Exec("CHANGE MASTER TO MASTER_DELAY = 1", "START SLAVE")
	await(t, r, "the late replica is read", reads(1))

	count := func(ctx context.Context, i int) (n int) {
		t.Helper()
		if err := r.Read(ctx).QueryRowContext(ctx, "SELECT COUNT(*) FROM x WHERE i = ?", i).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	stmt, err := r.Write(t.Context()).PrepareContext(t.Context(), "INSERT INTO x VALUES (?)")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	ways := map[string]func(ctx context.Context, i int) error{
		"exec": func(ctx context.Context, i int) error {
			_, err := r.Write(ctx).ExecContext(ctx, fmt.Sprintf("INSERT INTO x VALUES (%d)", i))
			return err
		},
		"arguments": func(ctx context.Context, i int) error {
			_, err := r.Write(ctx).ExecContext(ctx, "INSERT INTO x VALUES (?)", i)
			return err
		},
		"prepared": func(ctx context.Context, i int) error {
			_, err := stmt.ExecContext(ctx, i)
			return err
		},
		"transaction": func(ctx context.Context, i int) error {
			tx, err := r.Write(ctx).BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (?)", i); err != nil {
				return errors.Join(err, tx.Rollback())
			}
			return tx.Commit()
		},
		"RETURNING in a transaction": func(ctx context.Context, i int) error {
			tx, err := r.Write(ctx).BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			var got int
			if err := tx.QueryRowContext(ctx, "INSERT INTO x VALUES (?) RETURNING i", i).Scan(&got); err != nil {
				return errors.Join(err, tx.Rollback())
			}
			return tx.Commit()
		},
	}
	i, stale := 0, 0
	var last Token
	for name, write := range ways {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				i++
				s := NewSession()
				ctx := WithSession(t.Context(), s)
				if err := write(ctx, i); err != nil {
					t.Fatal(err)
				}
				if n := count(ctx, i); n != 1 {
					t.Fatalf("row %d is not seen by the session that wrote it", i)
				}
				// The same in another process.
				token, err := ParseToken(s.Token().String())
				if err != nil {
					t.Fatal(err)
				}
				last = token
				other := NewSession()
				other.Observe(token)
				if n := count(WithSession(t.Context(), other), i); n != 1 {
					t.Fatalf("row %d is not seen by a session with token %s", i, token)
				}
				// The control: nothing else hides how late the replica is.
				if count(t.Context(), i) == 0 {
					stale++
				}
			}
		})
	}
	if stale < i/2 {
		t.Errorf("only %d of %d reads without a session were stale: the replica is not late, and the test proves nothing", stale, i)
	}
	if got := r.Stats().PrimaryReads; got == 0 {
		t.Error("no read went to the primary")
	}
	// Once the replica has it, the replica is read.
	servers[1].CatchUp(servers[0])
	s := NewSession()
	s.Observe(last)
	await(t, r, "a session is answered by the replica that has caught up", func(Status) bool {
		return serverID(t, t.Context(), r.Read(WithSession(t.Context(), s))) == 2
	})
	// A token of another cluster costs nothing.
	forged, err := ParseToken("0-1-18446744073709551615")
	if err != nil {
		t.Fatal(err)
	}
	f := NewSession()
	f.Observe(forged)
	if id := serverID(t, t.Context(), r.Read(WithSession(t.Context(), f))); id != 2 {
		t.Errorf("a made-up token is answered by server %d, want the replica", id)
	}
}

func TestPrimaryIsKilled(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	ctx := t.Context()
	await(t, r, "the replica is read", reads(1))
	must(t, r.Write(ctx), ctx, "CREATE TABLE x (i INT PRIMARY KEY)")
	servers[1].CatchUp(servers[0])

	servers[0].Kill()
	if _, err := r.Write(ctx).ExecContext(ctx, "INSERT INTO x VALUES (1)"); !errors.Is(err, ErrNoPrimary) {
		t.Errorf("a write at once gives %v, want ErrNoPrimary", err)
	}
	await(t, r, "there is no primary", primaryIs(""))
	if _, err := r.Write(ctx).ExecContext(ctx, "INSERT INTO x VALUES (1)"); !errors.Is(err, ErrNoPrimary) {
		t.Errorf("a write gives %v, want ErrNoPrimary", err)
	}
	// The replica notices by itself that the primary is gone, and its lag becomes unknown.
	await(t, r, "the replica is the last resort", func(s Status) bool { return s.Nodes[1].Lag < 0 && s.Nodes[1].Reads })
	for range 20 {
		if id := serverID(t, ctx, r.Read(ctx)); id != 2 {
			t.Errorf("server %d is read, want 2", id)
		}
	}
	// Nobody has what this session must see.
	s := NewSession()
	s.Observe(Token{gtids{{0, 1, 999}}})
	if err := r.Read(WithSession(ctx, s)).PingContext(ctx); !errors.Is(err, ErrNoReplica) {
		t.Errorf("a read of what nobody has gives %v, want ErrNoReplica", err)
	}
	// Stopped by hand, it may fall behind somebody unknown: it is not read any more.
	servers[1].Exec("STOP SLAVE")
	await(t, r, "a stopped replica is not read", not(reads(1)))
	if err := r.Read(ctx).PingContext(ctx); !errors.Is(err, ErrNoReplica) {
		t.Errorf("a read gives %v, want ErrNoReplica", err)
	}
	servers[1].Exec("START SLAVE")

	servers[0].Restart()
	servers[0].Exec("SET GLOBAL read_only = 0")
	await(t, r, "the primary is back", primaryIs("a"))
	await(t, r, "the replica has a lag again", func(s Status) bool { return s.Nodes[1].Reads && s.Nodes[1].Lag >= 0 })
	must(t, r.Write(ctx), ctx, "INSERT INTO x VALUES (1)")
}

func TestPromotionByHand(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := run(t, servers...)
	ctx := t.Context()
	await(t, r, "both replicas are read", func(s Status) bool { return s.Nodes[1].Reads && s.Nodes[2].Reads })
	db := r.Write(ctx)
	must(t, db, ctx, "CREATE TABLE x (i INT PRIMARY KEY, s INT)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}

	// Connections that are open when the primary changes: idle ones, one within a transaction,
	// and one that waits for a frozen server.
	must(t, db, ctx, "INSERT INTO x VALUES (1, @@server_id)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}
	var idle []*sql.Conn
	for range 16 {
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
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (2, @@server_id)"); err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	servers[0].Freeze()
	hangs := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(ctx, "INSERT INTO x VALUES (3, @@server_id)")
		hangs <- err
	}()

	servers[1].Promote()
	// Frozen, the old primary is found dead only by the time-out of questions.
	await(t, r, "the promoted server is the primary", primaryIs("b"))
	await(t, r, "who follows the old primary is not read", func(s Status) bool { return !s.Nodes[2].Reads && s.Nodes[2].Lag < 0 })
	servers[2].Follow(servers[1], 0)
	if err := <-hangs; err == nil {
		t.Error("a write on a frozen server succeeded")
	}
	if err := conn.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
		t.Error(err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("a transaction of the old primary was committed")
	}
	r.cutMu.Lock()
	for _, n := range r.cuts {
		if n.Name == "a" {
			t.Error("a connection to the old primary is still open")
		}
	}
	r.cutMu.Unlock()
	for i := 10; i < 20; i++ {
		must(t, db, ctx, "INSERT INTO x VALUES (?, @@server_id)", i)
	}
	// Back from the cold, still writable: nothing is written there.
	servers[0].Thaw()
	await(t, r, "two servers that take writes are noticed", func(s Status) bool { return s.Primary == "b" && s.Problem != "" })
	for i := 20; i < 30; i++ {
		must(t, db, ctx, "INSERT INTO x VALUES (?, @@server_id)", i)
	}
	var elsewhere int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM x WHERE i >= 10 AND s <> 2").Scan(&elsewhere); err != nil || elsewhere != 0 {
		t.Errorf("%d writes went elsewhere (%v)", elsewhere, err)
	}
	if got := servers[0].Text("SELECT COUNT(*) FROM app.x WHERE i = 2 OR i >= 10"); got != "0" {
		t.Errorf("the old primary has %s rows it should not have", got)
	}
	// A router that starts now cannot know which is right, and writes to neither.
	late := begin(t, Config{Timeout: 5 * time.Second}, servers...)
	await(t, late, "all are known", func(s Status) bool {
		return s.Nodes[0].Role == Primary && s.Nodes[1].Role == Primary && s.Nodes[2].Role == Replica
	})
	if err := late.Write(ctx).PingContext(ctx); !errors.Is(err, ErrNoPrimary) {
		t.Errorf("with two servers that take writes, a fresh router gives %v, want ErrNoPrimary", err)
	}
	servers[0].Exec("SET GLOBAL read_only = 1")
	await(t, r, "the problem is gone", func(s Status) bool { return s.Problem == "" })
	await(t, late, "the late router has a primary", primaryIs("b"))
	await(t, r, "the other replica follows", reads(2))
}

func TestPlannedSwitch(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	ctx := t.Context()
	db := r.Write(ctx)
	must(t, db, ctx, "CREATE TABLE x (i INT PRIMARY KEY)")
	await(t, r, "the replica is read", reads(1))
	for began := time.Now(); ; runtime.Gosched() { // until the replica has the table
		_, err := r.Read(ctx).ExecContext(ctx, "DO (SELECT COUNT(*) FROM x)")
		if err == nil {
			break
		}
		if time.Since(began) > patience {
			t.Fatal(err)
		}
	}

	// Writers and readers work all the time.
	stop := make(chan struct{})
	var working sync.WaitGroup
	var acked sync.Map
	var reached [2]atomic.Int64 // acknowledged writes before and after the switch
	var phase atomic.Int64
	var switching atomic.Bool
	for w := range 4 {
		working.Go(func() {
			for i := 1000 * 1000 * (w + 1); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_, err := db.ExecContext(ctx, "INSERT INTO x VALUES (?)", i)
				switch {
				case err == nil:
					acked.Store(i, true)
					reached[phase.Load()].Add(1)
				case !errors.Is(err, ErrNoPrimary):
					t.Errorf("a write gives %v", err)
					return
				}
			}
		})
		working.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var n int
				err := r.Read(ctx).QueryRowContext(ctx, "SELECT COUNT(*) FROM x WHERE i < 0").Scan(&n)
				// Between its last moment as a replica and its first as the primary the only other server can
				// be seen as neither.
				if errors.Is(err, ErrNoReplica) && switching.Load() {
					continue
				}
				if err != nil {
					t.Errorf("a read gives %v", err)
					return
				}
			}
		})
	}
	for reached[0].Load() < 50 && !t.Failed() {
		runtime.Gosched()
	}
	servers[0].Exec("SET GLOBAL read_only = 1")
	servers[1].CatchUp(servers[0])
	phase.Store(1)
	// The pool's connection is to a server that is read-only now, whether the router knows or not.
	if _, err := db.ExecContext(ctx, "INSERT INTO x VALUES (1)"); !errors.Is(err, ErrNoPrimary) {
		t.Errorf("a write between two primaries gives %v, want ErrNoPrimary", err)
	}
	switching.Store(true)
	servers[1].Promote()
	servers[0].Exec("SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos")
	servers[0].Follow(servers[1], 0)
	await(t, r, "roles are exchanged", func(s Status) bool { return s.Primary == "b" && s.Nodes[0].Reads })
	switching.Store(false)
	for reached[1].Load() < 50 && !t.Failed() {
		runtime.Gosched()
	}
	close(stop)
	working.Wait()
	acked.Range(func(i, _ any) bool {
		var n int
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM x WHERE i = ?", i).Scan(&n); err != nil || n != 1 {
			t.Errorf("the acknowledged row %d is there %d times (%v)", i, n, err)
		}
		return !t.Failed()
	})
	must(t, db, ctx, "DELETE FROM x")
	s := NewSession()
	ctx = WithSession(ctx, s)
	must(t, db, ctx, "INSERT INTO x VALUES (2)")
	var n int
	if err := r.Read(ctx).QueryRowContext(ctx, "SELECT COUNT(*) FROM x").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows (%v), want 1", n, err)
	}
}

func TestUnknownLagIsNotNone(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	ctx := t.Context()
	for _, stop := range []string{"STOP SLAVE", "STOP SLAVE SQL_THREAD", "STOP SLAVE IO_THREAD"} {
		t.Run(stop, func(t *testing.T) {
			await(t, r, "the replica is read", reads(1))
			servers[1].Exec(stop)
			await(t, r, "its lag is unknown and it is not read", func(s Status) bool { return !s.Nodes[1].Reads && s.Nodes[1].Lag < 0 })
			if id := serverID(t, ctx, r.Read(ctx)); id != 1 {
				t.Errorf("server %d is read, want the primary", id)
			}
			servers[1].Exec("START SLAVE")
		})
	}
	await(t, r, "the replica is read", reads(1))
}

func TestReplicaIsKilled(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	ctx := t.Context()
	await(t, r, "the replica is read", reads(1))
	servers[1].Kill()
	await(t, r, "it is not read", not(reads(1)))
	for range 20 {
		if id := serverID(t, ctx, r.Read(ctx)); id != 1 {
			t.Errorf("server %d is read, want 1", id)
		}
	}
	servers[1].Restart()
	await(t, r, "it is read again", reads(1))
}

func TestLagLimit(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := begin(t, Config{MaxLag: 2 * time.Second, Timeout: 5 * time.Second}, servers...)
	await(t, r, "the replica is read", reads(1))
	servers[0].Exec("CREATE TABLE app.x (i INT)")
	servers[1].CatchUp(servers[0])
	// A lock on the replica keeps the next change from being applied.
	lock, err := sql.Open("mysql", servers[1].DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	tx, err := lock.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM x").Scan(&n); err != nil {
		t.Fatal(err)
	}
	servers[0].Exec("ALTER TABLE app.x ADD COLUMN j INT")
	await(t, r, "the replica has fallen behind and is not read", func(s Status) bool { return s.Nodes[1].Lag > 2*time.Second && !s.Nodes[1].Reads })
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	await(t, r, "it has caught up and is read", reads(1))
}

func TestSilentNetworkIsLag(t *testing.T) {
	servers := replicatest.Start(t, replicatest.Topology{Servers: 2, Partitionable: true}).Servers
	// The replica would notice by itself after slave_net_timeout; here it does not.
	servers[1].Exec("SET GLOBAL slave_net_timeout = 600", "STOP SLAVE", "CHANGE MASTER TO MASTER_HEARTBEAT_PERIOD = 300", "START SLAVE")
	servers[0].Exec("CREATE TABLE app.x (i INT)")
	servers[1].CatchUp(servers[0])
	r := begin(t, Config{MaxLag: time.Second, Timeout: 5 * time.Second}, servers...)
	await(t, r, "the replica is read", reads(1))
	servers[0].From(servers[1]).Cut()
	servers[0].Exec("INSERT INTO app.x VALUES (1)")
	await(t, r, "it is not read any more", not(reads(1)))
	if s := r.Status(); s.Nodes[1].Lag <= time.Second {
		t.Errorf("it is not read, but not for its lag: %+v", s.Nodes[1])
	}
	replication := sources(t, servers[1])
	if len(replication) != 1 || replication[0].receives != "Yes" || replication[0].lag != 0 {
		t.Errorf("the server itself knows of it (%+v), so the test proves nothing", replication)
	}
}

func sources(t *testing.T, server *replicatest.Server) []source {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := askSources(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSetUpMistakesAreNamed(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	ctx := t.Context()
	servers[0].Exec("CREATE USER meek IDENTIFIED BY 'x'", "GRANT SELECT ON *.* TO meek")
	servers[1].CatchUp(servers[0])

	meek, err := mysql.ParseDSN(servers[0].DSN())
	if err != nil {
		t.Fatal(err)
	}
	meek.User, meek.Passwd = "meek", "x"
	r := begin(t, Config{Timeout: 5 * time.Second, Nodes: []Node{{Name: "m", DSN: meek.FormatDSN()}}})
	await(t, r, "the missing privilege is named", func(s Status) bool { return strings.Contains(s.Problem, "GRANT SLAVE MONITOR") })
	if err := r.Write(ctx).PingContext(ctx); !errors.Is(err, ErrNoPrimary) || !strings.Contains(err.Error(), "GRANT SLAVE MONITOR") {
		t.Errorf("a write gives %v", err)
	}

	twice := begin(t, Config{Timeout: 5 * time.Second}, servers[0], servers[0])
	await(t, twice, "a server that is named twice is noticed", func(s Status) bool { return strings.Contains(s.Problem, "same server") })

	r = run(t, servers...)
	await(t, r, "the replica is read", reads(1))
	s := NewSession()
	ctx = WithSession(ctx, s)
	must(t, r.Write(ctx), ctx, "CREATE TABLE x (i INT)")
	servers[1].CatchUp(servers[0])
	await(t, r, "the session reads from the replica", func(Status) bool { return serverID(t, ctx, r.Read(ctx)) == 2 })
	servers[1].Exec("SET GLOBAL gtid_strict_mode = 0")
	await(t, r, "lax numbers are named", func(s Status) bool { return strings.Contains(s.Nodes[1].State, "gtid_strict_mode") })
	if id := serverID(t, ctx, r.Read(ctx)); id != 1 {
		t.Errorf("without strict mode the session reads from server %d, want the primary", id)
	}
	if id := serverID(t, t.Context(), r.Read(t.Context())); id != 2 {
		t.Errorf("without strict mode others read from server %d, want the replica", id)
	}
}
