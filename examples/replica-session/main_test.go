package main

import (
	"bytes"
	"regexp"
	"testing"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What somebody else sees at once is 0 where this machine is not too slow for the replica's delay.
var shown = regexp.MustCompile(`^Who wrote the note sees 1, on server \d\.
Somebody else, at once, sees [01], on server \d\.
A job that was given the token [-0-9]+ sees 1, on server \d\.
Who wrote it, a little later, sees 1, on server (\d)\.
$`)

func TestOnServersOfItsOwn(t *testing.T) {
	require.Tool(t, "mariadbd")
	var out bytes.Buffer
	if err := run(t.Context(), nil, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if found := shown.FindSubmatch(out.Bytes()); found == nil || string(found[1]) != "2" {
		t.Errorf("it printed\n%s", &out)
	}
}

func TestOnServersThatAreThere(t *testing.T) {
	for _, servers := range []int{1, 3} {
		g := replicatest.Start(t, replicatest.Topology{Servers: servers})
		var dsns []string
		for _, s := range g.Servers {
			dsns = append(dsns, s.DSN())
		}
		var out bytes.Buffer
		if err := run(t.Context(), dsns, &out); err != nil || !shown.Match(out.Bytes()) {
			t.Errorf("%d servers: %v\n%s", servers, err, &out)
		}
		// A table that is there already is somebody else's.
		g.Servers[0].Exec("CREATE TABLE app.beamrider_example (i INT)")
		if err := run(t.Context(), dsns, &out); err == nil {
			t.Error("it took the table of somebody else")
		}
		g.Servers[0].Exec("DROP TABLE app.beamrider_example")
	}
}
