package replica

import (
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// A session that reads again and again without a pause gets away from the primary, where its write
// brought it, although each read may have seen something new there.
func TestSessionWithoutPauseLeavesThePrimary(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	await(t, r, "the replica is read", reads(1))
	must(t, r.Write(t.Context()), t.Context(), "CREATE TABLE x (i INT PRIMARY KEY)")
	s := NewSession()
	ctx := WithSession(t.Context(), s)
	written := 0
	for written == 0 || serverID(t, ctx, r.Read(ctx)) != 1 { // now and then the replica has it at once
		written++
		must(t, r.Write(ctx), ctx, "INSERT INTO x VALUES (?)", written)
	}
	end := time.Now().Add(patience)
	for serverID(t, ctx, r.Read(ctx)) == 1 {
		if time.Now().After(end) {
			t.Fatalf("after %s the session still reads from the primary", patience)
		}
	}
	// And it stays away.
	var n int
	if err := r.Read(ctx).QueryRowContext(ctx, "SELECT COUNT(*) FROM x").Scan(&n); err != nil || n != written {
		t.Errorf("%d rows (%v), want %d", n, err, written)
	}
}
