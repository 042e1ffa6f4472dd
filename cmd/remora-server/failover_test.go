package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/replica/failover"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// TestALostPrimaryIsReplacedByItself: in mode strict, with nobody at a keyboard, bundles are taken again
// after the primary was killed, and those that were acknowledged before are there.
func TestALostPrimaryIsReplacedByItself(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 3)
	env := append(clusterEnv(t, servers, "first", "second", "third"), importTokenEnv,
		"REMORA_SITE_KEY=a key of forty characters only for tests", "REMORA_DATABASE_MODE=strict", "REMORA_DATABASE_AUTOMATIC=true")
	env[0] += "&primary=never&reads=never"
	data, bundles := t.TempDir(), t.TempDir()
	mustRunIn(t, env, "import", "--data", data, writeBundle(t, bundles, "org.example.First", "1", ""))
	if out := mustRunIn(t, env, "db", "prepare", "--data", data); !strings.Contains(out, "however long that takes") {
		t.Fatal(out)
	}
	s := startServer(t, env, "--data", data)
	s.ready()
	monitor := func(text string) func() bool {
		return func() bool {
			_, body := s.get("/internal/monitor")
			return strings.Contains(body, text)
		}
	}
	eventually(t, "the monitor says that it would promote", monitor("A lost primary would be replaced by itself"))
	x := s.send(writeBundle(t, bundles, "org.example.Before", "1", ""), importToken)
	if x.status != http.StatusCreated {
		t.Fatalf("a bundle got %d %s", x.status, x.body)
	}

	// While a person says no, nothing happens.
	stop := filepath.Join(data, failover.NoFailover)
	if err := os.WriteFile(stop, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	servers[0].Kill()
	eventually(t, "the monitor says why it does not promote", monitor(failover.NoFailover))
	if x := s.send(writeBundle(t, bundles, "org.example.Meanwhile", "1", ""), importToken); x.status != http.StatusServiceUnavailable {
		t.Errorf("without a primary a bundle got %d %s", x.status, x.body)
	}
	if err := os.Remove(stop); err != nil {
		t.Fatal(err)
	}
	after := writeBundle(t, bundles, "org.example.After", "1", "")
	eventually(t, "a bundle is taken again", func() bool { return s.send(after, importToken).status == http.StatusCreated })
	// The small one is never the primary.
	if servers[1].Text("SELECT @@read_only") != "0" || servers[2].Text("SELECT @@read_only") != "1" {
		t.Error("the second server is not the primary, or not alone")
	}
	for _, id := range []string{"First", "Before", "After"} {
		if got := servers[1].Text("SELECT COUNT(*) FROM " + replicatest.Schema + ".activities WHERE bundle_id = 'org.example." + id + "'"); got != "1" {
			t.Errorf("%s is there %s times", id, got)
		}
	}
	servers[0].Restart("--init-rpl-role=SLAVE", "--rpl-semi-sync-slave-enabled=1")
	eventually(t, "the old primary follows", func() bool {
		out, _, code := runProgramIn(t, env, "status", "--data", data, "--json")
		return code != 4 && strings.Contains(out, "2 replicas follow")
	})
	s.stop()
}
