package replica

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func TestSetNodesReportsAllMistakes(t *testing.T) {
	r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}}})
	before := slices.Clone(r.nodes)
	err := r.SetNodes([]Node{{Name: "x", DSN: dsn, Weight: -1}, {Name: "x", DSN: "app:secret@nowhere"}, {DSN: dsn + "?multiStatements=true"}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"weight", "two nodes", "address", "no name", "multiStatements"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows a password: %v", err)
	}
	if !slices.Equal(before, r.nodes) {
		t.Error("it changed the servers all the same")
	}
	db := sql.OpenDB(refused{})
	defer db.Close()
	if err := Single(db).SetNodes([]Node{{Name: "x", DSN: dsn}}); err == nil {
		t.Error("a router over a single database took nodes")
	}
}

func TestSetNodesKeepsWhatItKnows(t *testing.T) {
	r := made(t, Config{Zone: "here", Nodes: []Node{{Name: "p", Zone: "here"}, {Name: "a", Zone: "here"}, {Name: "b", Zone: "here"}}})
	p, a := r.nodes[0], r.nodes[1]
	if err := r.SetNodes([]Node{{Name: "a", DSN: dsn, Weight: 5, Zone: "there"}, {Name: "p", DSN: dsn}, {Name: "b", DSN: dsn + "?timeout=1s"}}); err != nil {
		t.Fatal(err)
	}
	if r.nodes[0] != a || r.nodes[1] != p || r.nodes[2].Name != "b" || r.nodes[2].facts.asked != (time.Time{}) {
		t.Error("nodes of the same name and DSN were not kept, or one of another DSN was")
	}
	if a.Weight != 5 || a.Zone != "there" {
		t.Errorf("its weight is %d, its zone %q", a.Weight, a.Zone)
	}
	s := r.Status()
	if s.Primary != "p" || !s.Nodes[0].Reads || s.Nodes[2].Reads || s.Nodes[2].Role != Unknown {
		t.Errorf("status %+v", s)
	}
	// A primary that is taken out is none any more.
	if err := r.SetNodes([]Node{{Name: "a", DSN: dsn}}); err != nil {
		t.Fatal(err)
	}
	if s := r.Status(); s.Primary != "" || s.Generation != 2 {
		t.Errorf("status %+v", s)
	}
}

func TestDrain(t *testing.T) {
	r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}, {Name: "b"}}})
	if err := r.Drain("p"); err == nil || !strings.Contains(err.Error(), "promote") {
		t.Errorf("draining the primary gives %v, want the way to do it", err)
	}
	for _, err := range []error{r.Drain("x"), r.Undrain("x")} {
		if err == nil || !strings.Contains(err.Error(), "p a b") {
			t.Errorf("draining nobody gives %v, want the names there are", err)
		}
	}
	for range 2 {
		if err := r.Drain("a"); err != nil {
			t.Fatal(err)
		}
	}
	if got := shares(r, t.Context()); !near(got["b"], 1) {
		t.Errorf("reads went to %v, want none to a", got)
	}
	if s := r.Status(); s.Nodes[1].Reads || !strings.Contains(s.Nodes[1].State, "drained") {
		t.Errorf("status %+v", s)
	}
	if err := r.Undrain("a"); err != nil {
		t.Fatal(err)
	}
	if got := shares(r, t.Context()); got["a"] == 0 || got["a"] > 0.1 {
		t.Errorf("reads went to %v, want a few to a", got)
	}
}

func TestRetiredPoolsAreBounded(t *testing.T) {
	r := begin(t, Config{Nodes: []Node{{Name: "a", DSN: dsn}}})
	await(t, r, "it runs", func(s Status) bool { return !s.Nodes[0].Asked.IsZero() }) // or nothing retires
	first := r.nodes[0]
	for i := range 2 * maxNodes {
		if err := r.SetNodes([]Node{{Name: strings.Repeat("x", i+1), DSN: dsn}}); err != nil {
			t.Fatal(err)
		}
	}
	r.mu.Lock()
	if n := len(r.retired); n > maxNodes {
		t.Errorf("%d pools wait for their end, want at most %d", n, maxNodes)
	}
	last := r.retired[len(r.retired)-1]
	r.mu.Unlock()
	if err := first.read.PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("the oldest pool gives %v, want that it is closed", err)
	}
	// Who comes back in time is as before.
	if err := r.SetNodes([]Node{{Name: last.Name, DSN: dsn}}); err != nil {
		t.Fatal(err)
	}
	if r.nodes[0] != last {
		t.Error("a server that came back got another pool")
	}
	await(t, r, "it is asked again", func(s Status) bool { return !s.Nodes[0].Asked.IsZero() })
}

// A load reads and writes until it is told to stop.
type load struct {
	stop    context.CancelFunc
	working sync.WaitGroup
	reads   atomic.Int64
	writes  atomic.Int64
}

// work starts readers and writers of table x. No error of theirs is allowed.
func work(t testing.TB, r *Router, readers, writers int) *load {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	whole := context.Background() // what was begun ends well
	l := &load{stop: stop}
	for range readers {
		l.working.Go(func() {
			for ctx.Err() == nil {
				var n int
				if err := r.Read(whole).QueryRowContext(whole, "SELECT COUNT(*) FROM x WHERE i < ?", 0).Scan(&n); err != nil {
					t.Errorf("a read gives %v", err)
					return
				}
				l.reads.Add(1)
			}
		})
	}
	for w := range writers {
		l.working.Go(func() {
			for i := 1_000_000 * (w + 1); ctx.Err() == nil; i++ {
				if _, err := r.Write(whole).ExecContext(whole, "INSERT INTO x VALUES (?)", i); err != nil {
					t.Errorf("a write gives %v", err)
					return
				}
				l.writes.Add(1)
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

// goOn waits until so many more reads and writes were made.
func (l *load) goOn(t testing.TB, reads, writes int64) {
	t.Helper()
	reads += l.reads.Load()
	writes += l.writes.Load()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for l.reads.Load() < reads || l.writes.Load() < writes {
		if t.Failed() {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("the load does not go on")
		}
	}
}

func (l *load) end() {
	l.stop()
	l.working.Wait()
}

func TestFailureConfigReloadDuringLoad(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := run(t, servers...)
	must(t, r.Write(t.Context()), t.Context(), "CREATE TABLE x (i INT PRIMARY KEY)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}
	await(t, r, "both replicas are read", func(s Status) bool { return s.Nodes[1].Reads && s.Nodes[2].Reads })
	a, b, c := Node{Name: "a", DSN: servers[0].DSN()}, Node{Name: "b", DSN: servers[1].DSN()}, Node{Name: "c", DSN: servers[2].DSN()}
	anew := Node{Name: "c", DSN: servers[2].DSN() + "?timeout=1m"}
	heavy := b
	heavy.Weight, heavy.Zone = 7, "elsewhere"
	sets := [][]Node{{a, b}, {c, a, heavy}, {a}, {a, b, anew}, {a, b, c}}
	l := work(t, r, 8, 2)
	l.goOn(t, 50, 10)
	pools := make(map[*node]bool)
	for i := range 60 {
		if err := r.SetNodes(sets[i%len(sets)]); err != nil {
			t.Fatal(err)
		}
		r.mu.Lock()
		for _, n := range slices.Concat(r.nodes, r.retired) {
			pools[n] = true
		}
		r.mu.Unlock()
		l.goOn(t, 20, 4)
	}
	l.end()
	if len(pools) > 5 {
		t.Errorf("%d nodes were made of 4 different ones", len(pools))
	}
	await(t, r, "both replicas are read again", func(s Status) bool { return len(s.Nodes) == 3 && s.Nodes[1].Reads && s.Nodes[2].Reads })
	if s := r.Status(); s.Primary != "a" || s.Generation != 1 {
		t.Errorf("status %+v", s)
	}
	t.Logf("%d reads, %d writes", l.reads.Load(), l.writes.Load())
}

func TestDrainDuringLoad(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := run(t, servers...)
	must(t, r.Write(t.Context()), t.Context(), "CREATE TABLE x (i INT PRIMARY KEY)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}
	await(t, r, "both replicas are read", func(s Status) bool { return s.Nodes[1].Reads && s.Nodes[2].Reads })
	l := work(t, r, 8, 1)
	l.goOn(t, 100, 1)
	if err := r.Drain("b"); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	b := r.nodes[1]
	r.mu.Unlock()
	eventually(t, "nothing runs there any more", func() bool { st := b.read.Stats(); return st.OpenConnections == 0 })
	picked := b.picks.Load()
	servers[1].Kill() // nobody notices
	l.goOn(t, 200, 1)
	servers[1].Restart()
	if got := b.picks.Load(); got != picked {
		t.Errorf("%d reads went to a drained node", got-picked)
	}
	await(t, r, "it is a replica again", func(s Status) bool { return s.Nodes[1].Role == Replica && s.Nodes[1].Lag >= 0 })
	if err := r.Undrain("b"); err != nil {
		t.Fatal(err)
	}
	await(t, r, "it is read again", reads(1))
	l.goOn(t, 200, 1)
	if b.picks.Load() == picked {
		t.Error("no read goes to the node again")
	}
	if err := r.Drain("a"); err == nil || errors.Is(err, ErrNoPrimary) {
		t.Errorf("draining the primary gives %v", err)
	}
}

func TestRunsAgainWithOtherNodes(t *testing.T) {
	r, err := New(Config{Nodes: []Node{{Name: "a", DSN: dsn}, {Name: "b", DSN: dsn}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range [][]Node{{{Name: "b", DSN: dsn}, {Name: "c", DSN: dsn}}, {{Name: "a", DSN: dsn}}} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		await(t, r, "all are asked", func(s Status) bool {
			return !slices.ContainsFunc(s.Nodes, func(n NodeStatus) bool { return n.Asked.IsZero() })
		})
		if err := r.SetNodes(set); err != nil {
			t.Fatal(err)
		}
		await(t, r, "the new ones are asked", func(s Status) bool {
			return len(s.Nodes) == len(set) && !slices.ContainsFunc(s.Nodes, func(n NodeStatus) bool { return n.Asked.IsZero() })
		})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if s := r.Status(); !s.Nodes[0].Asked.IsZero() {
			t.Errorf("what was known of servers is still there: %+v", s)
		}
		r.mu.Lock()
		if n := len(r.retired); n != 0 {
			t.Errorf("%d pools are still open", n)
		}
		r.mu.Unlock()
	}
	if err := errors.Join(r.SetNodes([]Node{{Name: "d", DSN: dsn}}), r.Close()); err != nil {
		t.Error(err)
	}
}
