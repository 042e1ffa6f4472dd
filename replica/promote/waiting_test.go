package promote

import (
	"testing"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// TestOldPrimaryWaitsForALostAcknowledgement: the new primary has the write that waits, and only
// the acknowledgement was lost. Behind it are others that are not even in the binary log.
func TestOldPrimaryWaitsForALostAcknowledgement(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	a, b, c := servers[0], servers[1], servers[2]
	p := promoter(t, servers...)
	p.config.Mode = Strict
	prepare(t, p)
	for _, s := range servers[1:] {
		s.CatchUp(a)
		s.Exec("STOP SLAVE IO_THREAD")
	}
	first := stuck(t, a, "INSERT INTO x VALUES (1, 1)")
	b.Exec("SET GLOBAL rpl_semi_sync_slave_enabled = 0", "START SLAVE IO_THREAD")
	poll(t, "b gets what waits", func() bool {
		return b.Text("SELECT @@gtid_slave_pos") == a.Text("SELECT @@gtid_binlog_pos")
	})
	others := stuck(t, a, "INSERT INTO x VALUES (2, 1)", "INSERT INTO x VALUES (3, 1)")
	b.Promote()
	c.Follow(b, 0)
	if got, want := a.Text("SELECT @@gtid_binlog_pos"), b.Text("SELECT @@gtid_slave_pos"); got != want {
		t.Fatalf("a has written %s, b has %s, and the test proves nothing", got, want)
	}
	r, err := p.Rejoin(t.Context(), "a")
	refusal(t, r, err, "unacknowledged")
	none(t, first)
	none(t, others)
	if a.Text("SELECT @@read_only") != "0" {
		t.Error("the refused server was changed")
	}
	a.Kill()
	failed(t, first, 1)
	failed(t, others, 2)
	a.Restart(asReplica...)
	rejoin(t, p, "a")
	primary(t, b, a, c)
	const rows = "SELECT GROUP_CONCAT(i ORDER BY i) FROM app.x"
	for _, s := range []*replicatest.Server{a, c} {
		if got, want := s.Text(rows), b.Text(rows); got != want {
			t.Errorf("rows %s, want %s", got, want)
		}
	}
}
