package failover

import (
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/replica"
)

// A promotion stops replicas from receiving, and may fail to point one of them to the new primary. In
// mode strict, with the old primary gone, nothing could be written until somebody does.
func TestReplicaLeftBehindIsPointedToThePrimary(t *testing.T) {
	t.Parallel()
	w, _, servers := armed(t, func(c *Config) { c.Rejoin = true })
	servers[0].Kill()
	e := w.heard(Promoted)
	first := servers[strings.Index("abc", e.Node)]
	other := servers[3-strings.Index("abc", e.Node)]
	servers[0].Restart("--init-rpl-role=SLAVE", "--rpl-semi-sync-slave-enabled=1")
	follows := func(s Status, node int, source uint32) bool {
		n := s.Nodes[node]
		return n.Role == replica.Replica && n.Source == source && n.Receives && n.Applies
	}
	id := uint32(strings.Index("abc", e.Node) + 1)
	w.await("the old primary follows", func(s Status) bool { return follows(s, 0, id) })

	// A replica that receives from the old primary, which is a replica now, is somebody's wish.
	other.Follow(servers[0], 0)
	w.await("a chain", func(s Status) bool { return follows(s, int(4-id), 1) })
	before := len(w.events())
	other.Exec("STOP SLAVE IO_THREAD")
	w.await("the replica that was left behind follows the primary", func(s Status) bool { return follows(s, int(4-id), id) })
	w.await("it is told", func(Status) bool {
		return slices.ContainsFunc(w.events()[before:], func(e Event) bool { return e.Kind == Rejoined && e.Node == other.Name() })
	})
	other.CatchUp(first)
}
