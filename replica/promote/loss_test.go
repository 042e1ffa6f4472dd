package promote

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// The primary is lost with what it had written last still on its way to the replicas.
func TestFailurePrimaryKilledAsync(t *testing.T) {
	for _, test := range []struct {
		name   string
		strict bool // the control: what is on its way is not acknowledged
	}{{"asynchronous", false}, {"strict", true}} {
		t.Run(test.name, func(t *testing.T) {
			servers := replicatest.Start(t, replicatest.Topology{Strict: test.strict, Partitionable: true}).Servers
			a, b, c := servers[0], servers[1], servers[2]
			p := promoter(t, servers...)
			db, err := sql.Open("mysql", a.NearDSN())
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var acked []int
			insert := func(i int, within time.Duration) {
				ctx, cancel := context.WithTimeout(t.Context(), within)
				defer cancel()
				if _, err := db.ExecContext(ctx, "INSERT INTO x VALUES (?, @@server_id)", i); err == nil {
					acked = append(acked, i)
				}
			}
			for i := range 5 {
				insert(i, patience)
			}
			b.CatchUp(a)
			c.CatchUp(a)
			arrived := b.Positions().Received
			a.From(b).Slow(time.Hour)
			a.From(c).Slow(time.Hour)
			late := patience
			if test.strict {
				late = time.Second // it waits
			}
			for i := 5; i < 10; i++ {
				insert(i, late)
			}
			a.From(b).Refuse()
			a.From(c).Refuse()
			a.Kill()
			poll(t, "the replicas notice", func() bool {
				return b.ReplicaStatus()["Slave_IO_Running"] != "Yes" && c.ReplicaStatus()["Slave_IO_Running"] != "Yes"
			})

			r := do(t, p, "b")
			missing := lost(t, b, acked)
			said := strings.Join(r.MayLose, "\n")
			if test.strict {
				if len(acked) != 5 || len(missing) != 0 {
					t.Errorf("acknowledged %v, lost %v; want what had arrived, and nothing", acked, missing)
				}
				return
			}
			if fmt.Sprint(missing) != "[5 6 7 8 9]" {
				t.Fatalf("lost are %v: not what was on its way, so the test proves nothing", missing)
			}
			if !strings.Contains(said, "confirmed to clients after "+arrived) || !strings.Contains(r.Acknowledged, "Semi-sync was off") {
				t.Errorf("the report says %q and %q; the last that arrived is %s", r.Acknowledged, said, arrived)
			}
			c.CatchUp(b)
			// The old primary has what is lost, and is not taken back as if nothing had been.
			a.Heal()
			a.Restart()
			left, err := p.Rejoin(t.Context(), "a")
			refusal(t, left, err, "diverged")
		})
	}
}
