package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/mariaurl"
	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/remora/storetest"
	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func TestMain(m *testing.M) {
	if err := testdb.Memory(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// A store is one on a primary and its replicas. What it is asked with a context of Attach sees what
// was written with one.
type store struct {
	*sqlstore.Store
	cluster *Cluster
	session *replica.Session
}

// Attach is what the tests of the contract ask for.
func (s *store) Attach(ctx context.Context) context.Context {
	return replica.WithSession(ctx, s.session)
}

var databases atomic.Int64

// open makes a store in a database of its own.
func open(t *testing.T, servers []*replicatest.Server) *store {
	t.Helper()
	name := fmt.Sprintf("contract%d", databases.Add(1))
	servers[0].Exec("CREATE DATABASE " + name + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	var nodes []mariaurl.Server
	for i, server := range servers {
		c, err := mysql.ParseDSN(server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		address := url.URL{Scheme: "mysql", User: url.UserPassword(c.User, c.Passwd), Host: c.Addr, Path: name, RawQuery: fmt.Sprintf("name=%c", 'a'+i)}
		n, err := mariaurl.Parse(address.String())
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	c, err := Open(nodes, "", 0, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Settle(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	s := &store{cluster: c, session: replica.NewSession()}
	// The database itself was made by somebody else, who tells how far he got.
	made, err := replica.ParseToken(strings.ReplaceAll(servers[0].Text("SELECT @@gtid_binlog_pos"), ",", "."))
	if err != nil {
		t.Fatal(err)
	}
	s.session.Observe(made)
	if err := sqlstore.Migrate(s.Attach(t.Context()), c, sqlstore.MariaDB); err != nil {
		t.Fatal(err)
	}
	if s.Store, err = sqlstore.New(c, sqlstore.MariaDB, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// delayed starts a primary with two replicas, of which one is a second late.
func delayed(t *testing.T) []*replicatest.Server {
	t.Helper()
	servers := replicatest.Cluster(t, 3)
	servers[2].Follow(servers[0], time.Second)
	servers[2].CatchUp(servers[0])
	return servers
}

// The store keeps its contract on a primary with replicas, though one of them is late.
func TestContract(t *testing.T) {
	servers := delayed(t)
	var picked uint64
	storetest.Run(t, func(t *testing.T) remora.Store {
		s := open(t, servers)
		t.Cleanup(func() {
			for _, n := range s.cluster.Status().Nodes {
				picked += n.Picked
			}
		})
		return s
	})
	if picked == 0 {
		t.Error("no replica was read, so the test proves nothing")
	}
	t.Logf("replicas answered %d reads", picked)
}

// It does so by its sessions: without, what was published is not seen at once.
func TestContractNeedsSessions(t *testing.T) {
	servers := delayed(t)
	s := open(t, servers)
	for _, replica := range servers[1:] {
		replica.CatchUp(servers[0])
	}
	ctx := t.Context() // not of Attach
	stale := 0
	const rounds = 20
	for i := range rounds {
		sub := &remora.Submission{
			BundleID: fmt.Sprintf("org.laptop.A%d", i), Number: remora.MustNumber("1"),
			Name: remora.PlainText("en", "A"), DefaultLocale: "en",
			Interpreter: remora.InterpreterPython3, Range: remora.InferRange(remora.InterpreterPython3),
			Size: 1000, SHA256: sha256.Sum256(fmt.Append(nil, i)),
		}
		if err := s.Stage(ctx, sub.SHA256, sub.Size, "application/vnd.olpc-sugar"); err != nil {
			t.Fatal(err)
		}
		by := remora.Actor{UserID: remora.SystemUser, Reason: "test"}
		if _, err := s.Draft(ctx, by, sub); err != nil {
			t.Fatal(err)
		}
		found := false
		err := s.Activities(ctx, remora.ActivityQuery{Ref: sub.BundleID}, func(remora.Activity) error {
			found = true
			return nil
		})
		var e *remora.Error
		if err != nil && (!errors.As(err, &e) || e.Kind != remora.KindNotFound) {
			t.Fatal(err)
		}
		if !found {
			stale++
		}
	}
	t.Logf("%d of %d reads straight after a write were stale", stale, rounds)
	if stale == 0 {
		t.Error("reads without a session see every write at once, so the contract proves nothing about sessions")
	}
}
