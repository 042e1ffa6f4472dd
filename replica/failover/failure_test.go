package failover

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/promote"
)

// armed starts a cluster in mode strict with a guard that is ready to act.
func armed(t *testing.T, change func(*Config)) (*watcher, Config, []server) {
	t.Helper()
	servers := cluster(t)
	c := settings(t, servers...)
	if change != nil {
		change(&c)
	}
	w := guard(t, c)
	w.await("the primary is seen", func(s Status) bool { return s.Primary == "a" })
	prepare(t, w.Guard)
	w.await("the cluster is armed", func(s Status) bool { return !s.Armed.IsZero() })
	return w, c, servers
}

func TestFailurePrimaryFrozenStrict(t *testing.T) {
	t.Parallel()
	w, _, servers := armed(t, nil)
	// A client that nobody told goes on to write to the old primary.
	old := open(t, servers[0])
	servers[0].Freeze()
	e := w.heard(Promoted)
	servers[0].Thaw()
	w.heard(SplitBrain)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := old.ExecContext(ctx, "INSERT INTO app.x VALUES (1, 1)"); err == nil {
		t.Error("the old primary acknowledged a write after another was promoted")
	}
	first := servers[strings.Index("abc", e.Node)]
	if got := first.Text("SELECT COUNT(*) FROM app.x"); got != "0" {
		t.Errorf("the new primary has %s rows", got)
	}
	if s := w.Status(); !strings.Contains(s.Problem, "take writes at the same time") {
		t.Errorf("status %+v", s)
	}
}

// TestFailurePrimaryRestartsStrict: the system starts it again before anybody misses it.
func TestFailurePrimaryRestartsStrict(t *testing.T) {
	t.Parallel()
	w, _, servers := armed(t, func(c *Config) { c.Fall = 100 })
	acked, stop := writers(t, 4, router(t, servers...).Write(t.Context()))
	w.await("rows are written", func(Status) bool { return acked.Load() > 50 })
	// Else it does not show that it was started again.
	w.await("the primary has been there for a while", func(s Status) bool { return time.Since(s.Nodes[0].Started) > 5*time.Second })
	servers[0].Kill()
	servers[0].Restart("--init-rpl-role=SLAVE", "--rpl-semi-sync-slave-enabled=1")
	e := w.heard(Promoted)
	if l := w.heard(Lost); !strings.Contains(l.Text, "was started anew") {
		t.Errorf("event %+v", l)
	}
	before := acked.Load()
	w.await("rows are written to the new primary", func(Status) bool { return acked.Load() > before+50 })
	rows := stop()
	first := servers[strings.Index("abc", e.Node)]
	if missing := lost(t, first, rows); len(missing) > 0 {
		t.Errorf("of %d acknowledged rows, %d are lost", len(rows), len(missing))
	}
	servers[0].CatchUp(first)
	if s := w.Status(); s.Problem != "" || s.Primary != e.Node {
		t.Errorf("status %+v", s)
	}
}

// TestReadOnlyByHandIsNoLoss: somebody knows why.
func TestReadOnlyByHandIsNoLoss(t *testing.T) {
	t.Parallel()
	w, _, servers := armed(t, nil)
	w.await("the primary has been there for a while", func(s Status) bool { return time.Since(s.Nodes[0].Started) > 5*time.Second })
	servers[0].Exec("SET GLOBAL read_only = 1")
	w.await("nobody takes writes", func(s Status) bool { return s.Problem == "No server takes writes." })
	if _, err := w.Promoter().Promote(t.Context(), "b", &promote.Options{Automatic: true, Armed: time.Now(), ArmedStart: w.Status().Nodes[0].Started}); err == nil || !strings.Contains(err.Error(), "a person decides") {
		t.Errorf("a promotion by a program gives %v", err)
	}
	for _, e := range w.events() {
		if e.Kind == Lost || e.Kind == Promoting {
			t.Errorf("event %+v", e)
		}
	}
}

func TestFailureFailoverLoop(t *testing.T) {
	t.Parallel()
	w, _, servers := armed(t, nil)
	servers[0].Kill()
	e := w.heard(Promoted)
	servers[strings.Index("abc", e.Node)].Kill()
	w.await("the second loss waits for a person", func(s Status) bool {
		return !s.Lost.IsZero() && strings.Contains(s.Held, "The last failover was")
	})
	if h := w.heard(Held); !strings.Contains(h.Text, "for a person to decide") {
		t.Errorf("event %+v", h)
	}
}

func TestNoFailoverFile(t *testing.T) {
	t.Parallel()
	w, c, servers := armed(t, nil)
	name := filepath.Join(c.Folder, NoFailover)
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	servers[0].Kill()
	if h := w.heard(Held); !strings.Contains(h.Text, NoFailover) {
		t.Errorf("event %+v", h)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	w.heard(Promoted)
}

func TestFailureOneReplicaUnreachable(t *testing.T) {
	t.Parallel()
	w, _, servers := armed(t, nil)
	servers[2].Freeze()
	w.await("the frozen replica is noticed", func(s Status) bool { return strings.Contains(s.Held, "c does not answer either") })
	servers[0].Kill()
	w.heard(Lost)
	w.heard(Held)
	if _, err := w.Promoter().Promote(t.Context(), "b", &promote.Options{Automatic: true, Armed: time.Now(), ArmedStart: w.Status().Nodes[0].Started}); err == nil || !strings.Contains(err.Error(), "c does not answer") {
		t.Errorf("a promotion without c gives %v", err)
	}
	servers[2].Thaw()
	w.heard(Promoted)
}

func TestFailureSemiSyncGivesUp(t *testing.T) {
	t.Parallel()
	w, _, servers := armed(t, nil)
	servers[0].Exec("SET GLOBAL rpl_semi_sync_master_timeout = 200")
	w.await("a short time-out is noticed", func(s Status) bool { return strings.Contains(s.Held, "it gives up after 200ms") })
	servers[0].Kill()
	if h := w.heard(Held); !strings.Contains(h.Text, "gives up") {
		t.Errorf("event %+v", h)
	}
	r, err := w.Promoter().Promote(t.Context(), "b", &promote.Options{Automatic: true, Force: true})
	if err == nil || len(r.Refusals) != 1 || r.Refusals[0].Code != "not_armed" {
		t.Errorf("%v, report %+v", err, r)
	}
	// A person may.
	if _, err := w.Promoter().Promote(t.Context(), "b", nil); err != nil {
		t.Error(err)
	}
}

func TestFailureSemiSyncIsOff(t *testing.T) {
	t.Parallel()
	w, _, servers := armed(t, nil)
	servers[0].Exec("SET GLOBAL rpl_semi_sync_master_enabled = 0")
	w.await("it is noticed", func(s Status) bool { return strings.Contains(s.Held, "rpl_semi_sync_master_enabled is off") })
	if e := w.heard(OneCopy); e.Node != "a" || w.Status().OneCopy.IsZero() {
		t.Errorf("event %+v", e)
	}
}

func TestFailureBothReplicasGoneStrict(t *testing.T) {
	t.Parallel()
	w, _, servers := armed(t, nil)
	servers[1].Kill()
	servers[2].Kill()
	db := open(t, servers[0])
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		_, err := db.ExecContext(ctx, "INSERT INTO app.x VALUES (1, 1)")
		ended <- err
	}()
	w.heard(Waiting)
	if got := servers[0].Text("SELECT COUNT(*) FROM app.x"); got != "0" {
		t.Errorf("%s rows are seen that nobody acknowledged", got)
	}
	select {
	case err := <-ended:
		t.Fatalf("a write in one copy ended with %v", err)
	default:
	}
	servers[1].Restart("--rpl-semi-sync-slave-enabled=1")
	if err := <-ended; err != nil {
		t.Errorf("the write that waited: %v", err)
	}
}

func TestFailureReplicaDiesAvailable(t *testing.T) {
	t.Parallel()
	servers := cluster(t)
	c := settings(t, servers...)
	c.Automatic, c.Promote.Mode = false, promote.Available
	w := guard(t, c)
	w.await("the primary is seen", func(s Status) bool { return s.Primary == "a" })
	prepare(t, w.Guard)
	w.await("writes are in two copies", func(s Status) bool { return s.OneCopy.IsZero() && s.Problem == "" })
	servers[1].Kill()
	servers[2].Kill()
	// Ten seconds at the most, times five for a busy machine.
	ctx, cancel := context.WithTimeout(t.Context(), 5*12*time.Second)
	defer cancel()
	if _, err := open(t, servers[0]).ExecContext(ctx, "INSERT INTO app.x VALUES (1, 1)"); err != nil {
		t.Fatalf("a write without replicas: %v", err)
	}
	w.await("it is said that writes are in one copy", func(s Status) bool {
		return !s.OneCopy.IsZero() && strings.Contains(s.Problem, "is in one copy, and lost with that server")
	})
	for _, s := range servers[1:] {
		s.Restart()
		s.Exec("SET GLOBAL rpl_semi_sync_slave_enabled = 1", "STOP SLAVE", "START SLAVE")
		s.CatchUp(servers[0])
	}
	servers[0].Exec("INSERT INTO app.x VALUES (2, 1)")
	w.await("it is said that writes are in two copies again", func(s Status) bool {
		events := w.events()
		return s.OneCopy.IsZero() && s.Problem == "" && events[len(events)-1].Kind == TwoCopies
	})
}

// Of two guards that see the same loss one promotes, and the other follows.
func TestFailureTwoGuardsAtOnce(t *testing.T) {
	t.Parallel()
	w, c, servers := armed(t, nil)
	c.Folder = t.TempDir()
	other := guard(t, c)
	other.await("the other guard is armed too", ready)
	servers[0].Kill()
	w.await("somebody is promoted", func(s Status) bool { return s.Primary != "" && s.Primary != "a" && other.Status().Primary == s.Primary })
	primary := w.Status().Primary
	w.stop()
	other.stop()
	promoted := 0
	for _, e := range append(w.events(), other.events()...) {
		switch e.Kind {
		case Promoted:
			if promoted++; e.Node != primary {
				t.Errorf("%s was promoted, and %s is the primary", e.Node, primary)
			}
		case SplitBrain:
			t.Errorf("event %+v", e)
		}
	}
	if promoted != 1 {
		t.Errorf("promoted %d times; events %+v and %+v", promoted, w.events(), other.events())
	}
	writable := 0
	for _, s := range servers[1:] {
		if s.Text("SELECT @@read_only") == "0" {
			writable++
		}
	}
	if writable != 1 {
		t.Errorf("%d servers take writes", writable)
	}
}
