package failover

import (
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/promote"
)

// Who promoted was killed when the new primary took writes already, and before the others followed it.
// In mode strict nothing could be written until they do.
func TestFailureGuardKilledHalfWay(t *testing.T) {
	t.Parallel()
	w, _, servers := armed(t, func(c *Config) { c.Rejoin, c.Automatic = true, false })
	b, c := servers[1], servers[2]
	b.CatchUp(servers[0])
	c.CatchUp(servers[0])
	servers[0].Kill()
	c.Exec("STOP SLAVE IO_THREAD")
	b.Exec("STOP SLAVE", "SET GLOBAL rpl_semi_sync_master_enabled = 1", "SET GLOBAL read_only = 0", "RESET SLAVE ALL")
	w.heard(Rejoined)
	if _, err := open(t, b).ExecContext(t.Context(), "INSERT INTO app.x VALUES (1, 2)"); err != nil {
		t.Error(err)
	}
	c.CatchUp(b)
}

func TestStrays(t *testing.T) {
	const later = 2 * strayFor
	replicaOf := func(source uint32, receives bool) promote.Sight {
		return promote.Sight{Name: "c", Role: replica.Replica, ID: 3, Source: source, Receives: receives, Position: "0-1-1"}
	}
	alone := func(position string) promote.Sight {
		return promote.Sight{Name: "c", Role: replica.Unknown, ID: 3, Alone: true, Position: position}
	}
	for _, c := range []struct {
		name  string
		sight promote.Sight
		after time.Duration
		want  bool
	}{
		{"follows", replicaOf(1, true), later, false},
		{"a person stopped it", replicaOf(1, false), later, false},
		{"receives from another", replicaOf(2, true), later, false},
		{"was left behind", replicaOf(2, false), later, true},
		{"was left behind just now", replicaOf(2, false), strayFor / 2, false},
		{"points to nobody that was reached", replicaOf(0, false), later, false},
		{"stands alone", alone("0-1-1"), 0, true},
		{"is empty", alone(""), later, false},
	} {
		k := strict()
		for _, at := range []time.Time{start, start.Add(c.after)} {
			c.sight.At = at
			k.take(k.nodes[2], c.sight)
		}
		if got := k.strays(k.nodes[2]); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
