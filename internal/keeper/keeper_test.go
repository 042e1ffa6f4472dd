package keeper

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/mariaurl"
	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/internal/settings"
	"github.com/sugarlabs/beamrider/replica/failover"
	"github.com/sugarlabs/beamrider/replica/promote"
)

func TestJudge(t *testing.T) {
	now := time.Date(2009, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		status  failover.Status
		level   monitor.Level
		summary string
		next    string
	}{
		{"a person", failover.Status{Held: "A person decides."}, monitor.OK, "A person promotes", ""},
		{"ready", failover.Status{Automatic: true}, monitor.OK, "would be replaced by itself", ""},
		{"held", failover.Status{Automatic: true, Held: "The file is there."}, monitor.Warn, "not be replaced by itself: The file is there.", "db diagnose"},
		{"lost", failover.Status{Automatic: true, Held: "c does not answer either.", Lost: now, Candidate: "b"}, monitor.Bad, "c does not answer", "db promote b"},
		{"lost, and nobody is left", failover.Status{Automatic: true, Held: "No replica.", Lost: now}, monitor.Bad, "No replica", "by hand"},
	} {
		if f := judge(c.status); f.Level != c.level || !strings.Contains(f.Summary, c.summary) || !strings.Contains(f.Next, c.next) {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

func TestOpenTellsMistakes(t *testing.T) {
	var nodes []mariaurl.Server
	for _, raw := range []string{"mysql://u:p@10.0.0.11/x?name=a", "mysql://u:p@10.0.0.13/x?name=b"} {
		s, err := mariaurl.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, s)
	}
	c := Config{Nodes: nodes, Promoter: mariaurl.Account{User: "p", Password: "secret word"}, Replication: mariaurl.Account{User: "r", Password: "x"}, Mode: promote.Strict, Automatic: true, Folder: t.TempDir()}
	if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "at least three servers") || strings.Contains(err.Error(), "secret word") {
		t.Errorf("two servers: %v", err)
	}
	c.Automatic = false
	k, err := Open(c)
	if err != nil || lends(k) {
		t.Errorf("%v, lends a vote without a secret", err)
	}
	c.Secret = "sixteen bytes or more"
	c.Voters = []settings.Named{{Name: "b", URL: "http://10.0.0.12:8081/internal/vote"}}
	if k, err = Open(c); err != nil || !lends(k) {
		t.Errorf("%v, lends no vote", err)
	}
	c.Secret = "short"
	if _, err = Open(c); err == nil || !strings.Contains(err.Error(), "16 or more") {
		t.Errorf("a short secret: %v", err)
	}
}

// lends reports whether somebody is there who may give a vote.
func lends(k *Keeper) bool {
	w := httptest.NewRecorder()
	k.Beside(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodPost, VotePath, nil))
	return w.Code == http.StatusUnauthorized
}
