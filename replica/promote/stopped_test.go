package promote

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// A willing voter agrees with everybody.
type willing string

func (w willing) Name() string                                            { return string(w) }
func (willing) Lock(context.Context, string, time.Duration) (bool, error) { return true, nil }
func (willing) Unlock(context.Context, string) error                      { return nil }

// The old primary stood still and goes on, and a replica comes to receive from it again while another is
// promoted: it would acknowledge there what the new primary has not.
func TestReplicaReceivesAgainDuringPromotion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		again func(c *replicatest.Server)
		code  string
	}{
		{"somebody starts it", func(c *replicatest.Server) { c.Exec("START SLAVE") }, "receives_again"},
		{"its server is restarted", func(c *replicatest.Server) { c.Kill(); c.Restart("--rpl-semi-sync-slave-enabled=1") }, "receives_again"},
		{"its server dies", func(c *replicatest.Server) { c.Kill() }, "other_silent"},
	} {
		t.Run(test.name, func(t *testing.T) {
			servers := replicatest.Cluster(t, 3)
			p := promoter(t, servers...)
			p.config.Mode, p.config.Voters = Strict, []Voter{willing("monitor"), willing("other")}
			prepare(t, p)
			a, b, c := servers[0], servers[1], servers[2]
			a.Freeze()
			poll(t, "the replicas notice that the primary stands still", func() bool {
				return b.ReplicaStatus()["Slave_IO_Running"] != "Yes" && c.ReplicaStatus()["Slave_IO_Running"] != "Yes"
			})
			done := false
			p.before = func(node, statement string) error {
				// It is the last before the decision.
				if !done && node == "b" && strings.HasPrefix(statement, "SET GLOBAL rpl_semi_sync_master_enabled = 1") {
					done = true
					a.Thaw()
					test.again(c)
				}
				return nil
			}
			r, err := p.Promote(t.Context(), "b", &Options{Automatic: true, Armed: time.Now()})
			refusal(t, r, err, test.code)
			if got := b.Text("SELECT @@read_only"); got != "1" || !done {
				t.Errorf("read_only is %s", got)
			}
			// The old primary is there again, and so are its replicas.
			poll(t, "b receives from a again", func() bool { return b.ReplicaStatus()["Slave_IO_Running"] == "Yes" })
			a.Exec("INSERT INTO app.x VALUES (1, 1)")
		})
	}
}
