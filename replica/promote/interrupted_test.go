package promote

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// interrupt lets n statements pass and then none any more, as if the program were killed.
func interrupt(p *Promoter, n int) (interrupted *atomic.Bool) {
	interrupted = new(atomic.Bool)
	var count atomic.Int64
	p.before = func(string, string) error {
		if count.Add(1) > int64(n) {
			interrupted.Store(true)
			return errors.New("killed")
		}
		return nil
	}
	return interrupted
}

func TestSwitchInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	p := promoter(t, servers...)
	prepare(t, p)
	names := []string{"a", "b"}
	for n := 0; ; n++ {
		from, to := n%2, (n+1)%2
		servers[from].Exec(fmt.Sprintf("INSERT INTO app.x VALUES (%d, 1)", n))
		interrupted := interrupt(p, n)
		r, err := p.Promote(t.Context(), names[to], nil)
		p.before = nil
		writable := servers[0].Text("SELECT @@read_only") + servers[1].Text("SELECT @@read_only")
		if writable == "00" {
			t.Fatalf("interrupted after %d statements, both take writes: %v, %+v", n, err, r)
		}
		if err == nil && len(r.Left) > 0 {
			err = errors.New(r.Left[0])
		}
		if (err != nil) != interrupted.Load() {
			t.Fatalf("%d statements: interrupted %v, but %v", n, interrupted.Load(), err)
		}
		if r := do(t, p, names[to]); len(r.Left) > 0 {
			t.Fatalf("resumed after %d statements: %+v", n, r)
		}
		primary(t, servers[to], servers[from])
		if got := servers[to].Text("SELECT COUNT(*) FROM app.x WHERE i >= 0"); got != fmt.Sprint(n+1) {
			t.Fatalf("%s rows, want %d", got, n+1)
		}
		if !interrupted.Load() {
			if n < 8 {
				t.Errorf("only %d statements: the interruptions prove little", n)
			}
			return
		}
	}
}

func TestPromotionAfterLossInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	p := promoter(t, servers...)
	prepare(t, p)
	names := []string{"a", "b", "c"}
	for n := 0; ; n++ {
		from, to, other := n%2, (n+1)%2, 2
		servers[from].Exec(fmt.Sprintf("INSERT INTO app.x VALUES (%d, 1)", n))
		servers[other].CatchUp(servers[from])
		servers[to].CatchUp(servers[from])
		lose(t, p, servers[from], names[to])
		interrupted := interrupt(p, n)
		r, err := p.Promote(t.Context(), names[to], nil)
		p.before = nil
		if err == nil && len(r.Left) > 1 {
			err = errors.New(r.Left[0])
		}
		if (err != nil) != interrupted.Load() {
			t.Fatalf("%d statements: interrupted %v, but %v", n, interrupted.Load(), err)
		}
		if r := do(t, p, names[to]); len(r.Left) != 1 {
			t.Fatalf("resumed after %d statements: %+v", n, r)
		}
		servers[from].Restart()
		servers[from].Exec("SET GLOBAL rpl_semi_sync_slave_enabled = 1")
		if r, err := p.Rejoin(t.Context(), names[from]); err != nil {
			t.Fatalf("%v, %+v", err, r)
		}
		primary(t, servers[to], servers[from], servers[other])
		if !interrupted.Load() {
			if n < 6 {
				t.Errorf("only %d statements: the interruptions prove little", n)
			}
			return
		}
	}
}
