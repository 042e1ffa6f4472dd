package failover

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// A stale client writes on the machine of a primary that the network has cut off.
type stale struct {
	mu    sync.Mutex
	cut   bool
	rows  []int        // acknowledged, and begun before the cut
	acked atomic.Int64 // of those begun after it
	tried atomic.Int64 // and ended
}

// run writes until stop is called. Its rows have numbers of their own.
func (c *stale) run(t *testing.T, db *sql.DB) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		for i := 1_000_000; ctx.Err() == nil; i++ {
			c.mu.Lock()
			late := c.cut
			c.mu.Unlock()
			limit, done := context.WithTimeout(ctx, time.Second)
			_, err := db.ExecContext(limit, "INSERT INTO app.x VALUES (?, @@server_id)", i)
			done()
			switch {
			case late && err == nil:
				c.acked.Add(1)
				fallthrough
			case late:
				c.tried.Add(1)
			case err == nil:
				c.mu.Lock()
				c.rows = append(c.rows, i)
				c.mu.Unlock()
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(stop)
	return stop
}

func near(t *testing.T, s *replicatest.Server) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", s.NearDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// The network cuts the primary off, which goes on with the clients on its side.
func TestFailurePrimaryCutOff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		split bool // the control: it gives up waiting soon, and both sides acknowledge
	}{{"strict", false}, {"gives up after 200 ms", true}} {
		t.Run(test.name, func(t *testing.T) {
			servers := furnish(replicatest.Start(t, replicatest.Topology{Partitionable: true}).Servers)
			a := servers[0]
			w := guard(t, settings(t, servers...))
			w.await("the primary is seen", func(s Status) bool { return s.Primary == "a" })
			prepare(t, w.Guard)
			w.await("the cluster is armed", ready)
			if test.split {
				a.Exec("SET GLOBAL rpl_semi_sync_master_timeout = 200")
				w.await("a short time-out is noticed", func(s Status) bool { return strings.Contains(s.Held, "it gives up after 200ms") })
			}
			r := router(t, servers...)
			acked, stop := writers(t, 4, r.Write(t.Context()))
			var old stale
			stopOld := old.run(t, near(t, a))
			w.await("rows are written", func(Status) bool {
				old.mu.Lock()
				defer old.mu.Unlock()
				return acked.Load() > 50 && len(old.rows) > 10
			})
			generation := r.Stats().Generation

			a.Isolate()
			old.mu.Lock()
			old.cut = true
			old.mu.Unlock()
			if test.split {
				// The guard does not; a person who overlooks its reason does.
				w.await("the guard holds", func(s Status) bool { return !s.Lost.IsZero() && strings.Contains(s.Held, "gives up") })
				w.await("somebody promotes", func(s Status) bool {
					if s.Candidate == "" {
						return false
					}
					_, err := w.Promoter().Promote(t.Context(), s.Candidate, nil)
					return err == nil
				})
			} else {
				w.heard(Promoted)
			}
			before := acked.Load()
			w.await("rows are written to the new primary, and tried on the old", func(s Status) bool {
				return s.Primary != "a" && s.Primary != "" && acked.Load() > before+50 && old.tried.Load() > 0
			})
			first := servers[strings.Index("abc", w.Status().Primary)]
			if got := r.Stats().Generation; got <= generation {
				t.Errorf("generation %d after %d", got, generation)
			}

			a.Heal()
			w.heard(SplitBrain)
			tried := old.tried.Load()
			w.await("the old primary is tried after the network is whole", func(Status) bool { return old.tried.Load() > tried })
			stopOld()
			rows := append(stop(), old.rows...)
			if missing := lost(t, first, rows); len(missing) > 0 && !test.split {
				t.Errorf("of %d acknowledged rows, %d are lost", len(rows), len(missing))
			}
			if got := old.acked.Load(); got > 0 != test.split {
				t.Errorf("the old primary acknowledged %d of %d writes after it was cut off", got, old.tried.Load())
			}
			if got := first.Text("SELECT COUNT(*) FROM app.x WHERE i >= 1000000 AND s = 1"); !test.split && got == "0" {
				t.Error("nothing of the stale client was there before the cut, so the test proves nothing")
			}
		})
	}
}
