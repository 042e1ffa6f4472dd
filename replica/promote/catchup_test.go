package promote

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// ahead is a cluster of three whose primary was lost. What it wrote last, n rows, c alone has received.
func ahead(t testing.TB, n int) (p *Promoter, servers []*replicatest.Server) {
	t.Helper()
	servers = replicatest.Cluster(t, 3)
	a, b, c := servers[0], servers[1], servers[2]
	p = promoter(t, servers...)
	prepare(t, p)
	b.Exec("STOP SLAVE IO_THREAD")
	for i := range n {
		a.Exec(fmt.Sprintf("INSERT INTO app.x VALUES (%d, 1)", i))
	}
	c.CatchUp(a)
	lose(t, p, a, "b")
	return p, servers
}

// sources counts the servers that s replicates from.
func sources(t testing.TB, s *replicatest.Server) (n int) {
	t.Helper()
	db, err := sql.Open("mysql", s.AdminDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SHOW ALL SLAVES STATUS")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFailureOnlyOneThatIsNeverPromotedHasIt: a small third server was the one that acknowledged.
func TestFailureOnlyOneThatIsNeverPromotedHasIt(t *testing.T) {
	p, servers := ahead(t, 20)
	a, b, c := servers[0], servers[1], servers[2]
	p.members[2].NoPrimary = true
	r, err := p.Promote(t.Context(), "c", &Options{Force: true})
	refusal(t, r, err, "never_primary")
	r = do(t, p, "b")
	if len(r.MayLose) > 1 || !slices.ContainsFunc(r.Steps, func(s string) bool { return strings.HasPrefix(s, "b has got from c what it lacked") }) ||
		!slices.ContainsFunc(r.Plan.Steps, func(s string) bool { return strings.HasPrefix(s, "b gets from c what it lacks") }) {
		t.Errorf("report %+v", r)
	}
	if got := b.Text("SELECT COUNT(*) FROM app.x"); got != "20" {
		t.Errorf("%s rows, want all 20 that were acknowledged", got)
	}
	primary(t, b, c)
	a.Restart(asReplica...)
	rejoin(t, p, "a")
	primary(t, b, a, c)
}

// TestCatchUpInterruptedAnywhere: the same call again finishes the work.
func TestCatchUpInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	p := promoter(t, servers...)
	prepare(t, p)
	names, other := []string{"a", "b"}, servers[2]
	for n := 0; ; n++ {
		from, to := servers[n%2], servers[(n+1)%2]
		to.Exec("STOP SLAVE IO_THREAD")
		from.Exec(fmt.Sprintf("INSERT INTO app.x VALUES (%d, 1)", n))
		other.CatchUp(from)
		lose(t, p, from, names[(n+1)%2])
		interrupted := interrupt(p, n)
		r, err := p.Promote(t.Context(), names[(n+1)%2], nil)
		p.before = nil
		if err == nil && len(r.Left) > 1 {
			err = errors.New(r.Left[0])
		}
		if (err != nil) != interrupted.Load() {
			t.Fatalf("%d statements: interrupted %v, but %v", n, interrupted.Load(), err)
		}
		if r := do(t, p, names[(n+1)%2]); len(r.Left) != 1 {
			t.Fatalf("resumed after %d statements: %+v", n, r)
		}
		if got := sources(t, to); got != 0 {
			t.Fatalf("resumed after %d statements: the primary still replicates from %d servers", n, got)
		}
		from.Restart(asReplica...)
		if r, err := p.Rejoin(t.Context(), names[n%2]); err != nil {
			t.Fatalf("%v, %+v", err, r)
		}
		primary(t, to, from, other)
		if got := to.Text("SELECT COUNT(*) FROM app.x WHERE i >= 0"); got != fmt.Sprint(n+1) {
			t.Fatalf("%s rows, want %d", got, n+1)
		}
		if !interrupted.Load() {
			if n < 9 {
				t.Errorf("only %d statements: the interruptions prove little", n)
			}
			return
		}
	}
}

// TestCatchUpThatFailsIsUndone: c cannot send what it has.
func TestCatchUpThatFailsIsUndone(t *testing.T) {
	p, servers := ahead(t, 3)
	b, c := servers[1], servers[2]
	p.config.Wait = 3 * time.Second
	c.Exec("RESET MASTER") // it sends nothing then, and says nothing
	r, err := p.Promote(t.Context(), "b", nil)
	if err == nil || errors.Is(err, ErrRefused) || r.Primary != "" || !strings.Contains(err.Error(), "from c") {
		t.Fatalf("%v, %+v", err, r)
	}
	if got := sources(t, b); got != 1 {
		t.Errorf("b replicates from %d servers, want the old primary alone", got)
	}
	if s := state(t, p, "b"); !s.ReadOnly || s.Source != "a" {
		t.Errorf("b is %+v", s)
	}
	p.config.Wait = 20 * time.Second
	// The one that has it can be promoted.
	do(t, p, "c")
}

// TestCatchUpFromOneThatIsLate: it applies what it received before it can hand it on.
func TestCatchUpFromOneThatIsLate(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	a, b, c := servers[0], servers[1], servers[2]
	p := promoter(t, servers...)
	prepare(t, p)
	b.Exec("STOP SLAVE IO_THREAD")
	c.Exec("STOP SLAVE SQL_THREAD")
	a.Exec("INSERT INTO app.x VALUES (1, 1)", "INSERT INTO app.x VALUES (2, 1)")
	lose(t, p, a, "b")
	do(t, p, "b")
	if got := b.Text("SELECT COUNT(*) FROM app.x"); got != "2" {
		t.Errorf("%s rows, want both", got)
	}
	primary(t, b, c)
}

// TestFailureOldPrimaryIsBackWithLess: killed, it dropped at its start what a replica had acknowledged.
func TestFailureOldPrimaryIsBackWithLess(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"b", "c"} {
		t.Run(to, func(t *testing.T) {
			servers := replicatest.Cluster(t, 3)
			a, b, c := servers[0], servers[1], servers[2]
			p := promoter(t, servers...)
			prepare(t, p)
			b.Exec("STOP SLAVE IO_THREAD")
			at := a.Text("SELECT @@gtid_binlog_state")
			a.Exec("INSERT INTO app.x VALUES (1, 1)")
			c.CatchUp(a)
			c.Exec("STOP SLAVE IO_THREAD")
			a.Kill()
			a.Restart(asReplica...)
			// As if it had been killed between the acknowledgement and its own commit.
			a.Exec("DELETE FROM app.x", "RESET MASTER", "SET GLOBAL gtid_binlog_state = '"+at+"'")
			b.Exec("START SLAVE IO_THREAD")
			c.Exec("START SLAVE IO_THREAD")
			poll(t, "c is refused by a", func() bool { return state(t, p, "c").Problem != "" })
			r := do(t, p, to)
			if !strings.Contains(r.Acknowledged, "is back without") || len(r.Left) != 0 {
				t.Errorf("report %+v", r)
			}
			first := map[string]*replicatest.Server{"b": b, "c": c}[to]
			if got := first.Text("SELECT COUNT(*) FROM app.x"); got != "1" {
				t.Error("an acknowledged row is lost")
			}
			primary(t, first, slices.DeleteFunc([]*replicatest.Server{a, b, c}, func(s *replicatest.Server) bool { return s == first })...)
		})
	}
}
