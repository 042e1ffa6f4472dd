package failover

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/internal/clienttest"
	"github.com/sugarlabs/beamrider/replica/promote"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen, on a busy machine.
const patience = time.Minute

// settings are those of a guard of servers, which are called a, b, c …
func settings(t testing.TB, servers ...*replicatest.Server) Config {
	t.Helper()
	c := Config{
		Promote:   promote.Config{Mode: promote.Strict, ReplicationUser: "copier", ReplicationPassword: "copies", Wait: 20 * time.Second, Timeout: 3 * time.Second},
		Automatic: true, Folder: t.TempDir(), Timeout: 2 * time.Second,
	}
	for i, s := range servers {
		dsn, err := mysql.ParseDSN(s.AdminDSN())
		if err != nil {
			t.Fatal(err)
		}
		dsn.User, dsn.Passwd = "promoter", "promotes"
		c.Promote.Nodes = append(c.Promote.Nodes, promote.Node{Name: string(rune('a' + i)), DSN: dsn.FormatDSN()})
	}
	return c
}

// cluster starts three servers with the accounts that a guard needs, and a table.
func cluster(t testing.TB) []*replicatest.Server {
	t.Helper()
	return furnish(replicatest.Cluster(t, 3))
}

func furnish(servers []*replicatest.Server) []*replicatest.Server {
	servers[0].Exec("CREATE USER promoter IDENTIFIED BY 'promotes'",
		"GRANT READ_ONLY ADMIN, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR, CONNECTION ADMIN, PROCESS, RELOAD ON *.* TO promoter",
		"CREATE USER copier IDENTIFIED BY 'copies'", "GRANT REPLICATION SLAVE ON *.* TO copier", "CREATE TABLE app.x (i INT PRIMARY KEY, s INT)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}
	return servers
}

// A watcher is a guard at work, and what it told.
type watcher struct {
	*Guard
	t    testing.TB
	mu   sync.Mutex
	told []Event
	stop func()
}

func guard(t testing.TB, c Config) *watcher {
	t.Helper()
	w := &watcher{t: t}
	c.Events = func(e Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, e)
	}
	var err error
	if w.Guard, err = New(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.stop)
	return w
}

func (w *watcher) events() []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.told)
}

// await waits until ok.
func (w *watcher) await(what string, ok func(Status) bool) {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok(w.Status()) {
		select {
		case <-tick.C:
		case <-end:
			w.t.Fatalf("it did not come about that %s: %+v; events %+v", what, w.Status(), w.events())
		}
	}
}

// heard waits for an event of a kind.
func (w *watcher) heard(kind Kind) (found Event) {
	w.t.Helper()
	w.await("there is an event "+string(kind), func(Status) bool {
		list := w.events()
		i := slices.IndexFunc(list, func(e Event) bool { return e.Kind == kind })
		if i >= 0 {
			found = list[i]
		}
		return i >= 0
	})
	return found
}

func ready(s Status) bool { return s.Primary != "" && s.Held == "" }

// prepare makes the cluster strict.
func prepare(t testing.TB, g *Guard) {
	t.Helper()
	if r, err := g.Promoter().Prepare(t.Context()); err != nil {
		t.Fatalf("%v; %+v", err, r)
	}
}

// writers insert rows until stop is called, which returns those that were acknowledged.
func writers(t testing.TB, n int, db *sql.DB) (acked *atomic.Int64, stop func() []int) {
	t.Helper()
	return clienttest.Writers(t, n, db, 2*time.Second)
}

// lost returns which of the rows a server does not have.
func lost(t testing.TB, s *replicatest.Server, rows []int) (missing []int) {
	t.Helper()
	return clienttest.Missing(t, s, rows)
}

// router is a program that writes by package replica.
func router(t testing.TB, servers ...*replicatest.Server) *replica.Router {
	t.Helper()
	return clienttest.Router(t, 2*time.Second, servers...)
}

func TestFailurePrimaryKilledStrict(t *testing.T) {
	t.Parallel()
	servers := cluster(t)
	c := settings(t, servers...)
	c.Rejoin = true
	w := guard(t, c)
	w.await("an unprepared cluster is not armed", func(s Status) bool {
		return s.Primary == "a" && strings.Contains(s.Held, "does not keep to mode strict")
	})
	prepare(t, w.Guard)
	w.await("the cluster is armed", ready)
	acked, stop := writers(t, 8, router(t, servers...).Write(t.Context()))
	w.await("rows are written", func(Status) bool { return acked.Load() > 200 })
	servers[0].Kill()
	e := w.heard(Promoted)
	before := acked.Load()
	w.await("rows are written to the new primary", func(Status) bool { return acked.Load() > before+50 })
	rows := stop()
	first := servers[strings.Index("abc", e.Node)]
	if missing := lost(t, first, rows); len(missing) > 0 {
		t.Errorf("of %d acknowledged rows, %d are lost", len(rows), len(missing))
	}
	if !strings.Contains(e.Text, "every write that it confirmed") || len(e.Report.MayLose) > 0 {
		t.Errorf("event %+v, report %+v", e, e.Report)
	}
	if !slices.ContainsFunc(e.Report.Steps, func(s string) bool { return strings.HasPrefix(s, "A majority agrees: ") }) {
		t.Errorf("steps %q", e.Report.Steps)
	}
	if note, err := load(c.Folder); err != nil || note == nil || note.From != "a" || note.To != e.Node {
		t.Errorf("note %+v, %v", note, err)
	}
	// The old primary throws away what was never acknowledged, and follows.
	servers[0].Restart("--init-rpl-role=SLAVE", "--rpl-semi-sync-slave-enabled=1")
	w.heard(Rejoined)
	w.await("the cluster is armed again, but calm", func(s Status) bool {
		return strings.Contains(s.Held, "The last failover was") && !s.Armed.IsZero() && s.Problem == ""
	})
	servers[0].CatchUp(first)
	if got, want := servers[0].Text("SELECT COUNT(*) FROM app.x"), first.Text("SELECT COUNT(*) FROM app.x"); got != want {
		t.Errorf("the old primary has %s rows, and the new one %s", got, want)
	}
}

type server = *replicatest.Server

// open returns a pool to one server, as a client has that knows no other.
func open(t testing.TB, s server) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}
