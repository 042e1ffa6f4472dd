package promote

import (
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// A replica that was set up with the server's own settings, and acknowledges already, is to notice a
// silent primary as soon as others, and is not to take one for silent at which nothing is written.
func TestPrepareHasReplicasNoticeSilence(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	p := promoter(t, servers...)
	p.config.Mode = Strict
	a, b, c := servers[0], servers[1], servers[2]
	for _, s := range []*replicatest.Server{b, c} {
		s.Exec("STOP SLAVE", "SET GLOBAL slave_net_timeout = 60", "CHANGE MASTER TO MASTER_HEARTBEAT_PERIOD = 30", "START SLAVE")
	}
	// One of them has a connection that fits, and was begun before the settings.
	c.Exec("STOP SLAVE", "CHANGE MASTER TO MASTER_HEARTBEAT_PERIOD = 1", "SET GLOBAL rpl_semi_sync_slave_enabled = 1", "START SLAVE")
	prepare(t, p)
	primary(t, a, b, c)

	const dumps = "SELECT GROUP_CONCAT(id ORDER BY id) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"
	before := a.Text(dumps)
	beats := func(s *replicatest.Server) string {
		return s.Text("SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Slave_received_heartbeats'")
	}
	was := beats(b)
	poll(t, "b hears of an idle primary", func() bool { return beats(b) != was })
	if after := a.Text(dumps); after != before {
		t.Errorf("replicas connected anew while nothing was written: %s, then %s", before, after)
	}
	// Nor with a second call, which has nothing to change.
	prepare(t, p)
	if after := a.Text(dumps); after != before {
		t.Errorf("a second call has replicas connect anew: %s, then %s", before, after)
	}
	a.Freeze()
	begun := time.Now()
	poll(t, "both notice that the primary is silent", func() bool {
		return b.ReplicaStatus()["Slave_IO_Running"] != "Yes" && c.ReplicaStatus()["Slave_IO_Running"] != "Yes"
	})
	// Four seconds, with room for a busy machine, and less than the server's own minute.
	if took := time.Since(begun); took > 40*time.Second {
		t.Errorf("it took %s", took)
	}
	a.Thaw()
}
