package replica

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// A tally counts what is acknowledged to writers, by the router they write through and the server that
// did it.
type tally struct {
	mu sync.Mutex
	n  map[[2]int]int
}

func (c *tally) of(router, server int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[[2]int{router, server}]
}

// insert returns the server_id of the server that has acknowledged a row.
func insert(ctx context.Context, r *Router, router int) (server int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	tx, err := r.Write(ctx).BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO x (s, r) VALUES (@@server_id, ?)", router); err != nil {
		return 0, errors.Join(err, tx.Rollback())
	}
	if err := tx.QueryRowContext(ctx, "SELECT @@server_id").Scan(&server); err != nil {
		return 0, errors.Join(err, tx.Rollback())
	}
	return server, tx.Commit()
}

// Two programs with a router each see one failover, made by neither.
func TestFailureTwoRoutersFollow(t *testing.T) {
	servers := replicatest.Start(t, replicatest.Topology{Strict: true}).Servers
	a := servers[0]
	a.Exec("CREATE TABLE app.x (i INT PRIMARY KEY AUTO_INCREMENT, s INT, r INT)")
	for _, s := range servers[1:] {
		s.CatchUp(a)
	}
	routers := []*Router{run(t, servers...), run(t, servers...)}
	acked := tally{n: make(map[[2]int]int)}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	stop := func() { cancel(); all.Wait() }
	defer stop()
	for i, r := range routers {
		for range 4 {
			all.Go(func() {
				for ctx.Err() == nil {
					if server, err := insert(ctx, r, i); err == nil {
						acked.mu.Lock()
						acked.n[[2]int{i, server}]++
						acked.mu.Unlock()
					}
				}
			})
		}
	}
	// more waits until a few more rows are acknowledged by a server through each router.
	more := func(server int) {
		t.Helper()
		from := []int{acked.of(0, server), acked.of(1, server)}
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for end := time.After(patience); acked.of(0, server) < from[0]+30 || acked.of(1, server) < from[1]+30; {
			select {
			case <-tick.C:
			case <-end:
				t.Fatalf("it did not come about that both routers write to server %d: %+v, %+v", server, routers[0].Status(), routers[1].Status())
			}
		}
	}
	more(1)

	a.Kill()
	// An operator promotes the one that has more, when it has applied that.
	first, other := servers[1], servers[2]
	var received [2]int
	for i, s := range servers[1:] {
		s.Exec("STOP SLAVE IO_THREAD")
		at := s.Positions().Received
		n, err := strconv.Atoi(at[strings.LastIndexByte(at, '-')+1:])
		if err != nil {
			t.Fatal(err)
		}
		if received[i] = n; i == 1 && n > received[0] {
			first, other = other, first
		}
	}
	if got := first.Text(fmt.Sprintf("SELECT MASTER_GTID_WAIT('%s', 30)", first.Positions().Received)); got != "0" {
		t.Fatal("the candidate does not apply what it has received")
	}
	// Its number is its server_id.
	id, err := strconv.Atoi(first.Text("SELECT @@server_id"))
	if err != nil {
		t.Fatal(err)
	}
	first.Promote()
	other.Follow(first, 0)
	more(id)
	onOld := []int{acked.of(0, 1), acked.of(1, 1)}
	// The old primary is back, read-only and behind; nobody writes there any more.
	a.Restart()
	more(id)
	stop()
	if diff := cmp.Diff(onOld, []int{acked.of(0, 1), acked.of(1, 1)}); diff != "" {
		t.Errorf("the old primary acknowledged rows after both routers had left it:\n%s", diff)
	}
	for i, r := range routers {
		if s := r.Status(); s.Primary != first.Name() || s.Generation < 2 {
			t.Errorf("router %d writes to %q in generation %d, want %s and a later one than at first", i, s.Primary, s.Generation, first.Name())
		}
		for _, server := range []int{1, id} {
			have, err := strconv.Atoi(first.Text(fmt.Sprintf("SELECT COUNT(*) FROM app.x WHERE r = %d AND s = %d", i, server)))
			if err != nil || have < acked.of(i, server) {
				t.Errorf("router %d: of %d rows that server %d acknowledged, %d are there; %v", i, acked.of(i, server), server, have, err)
			}
		}
	}
	for at := range acked.n {
		if at[1] != 1 && at[1] != id {
			t.Errorf("server %d acknowledged rows", at[1])
		}
	}
}
