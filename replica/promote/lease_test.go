package promote

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// lostStrict is a cluster of three in mode strict whose primary was killed just now.
func lostStrict(t *testing.T) (p *Promoter, servers []*replicatest.Server, automatic *Options) {
	t.Helper()
	servers = replicatest.Cluster(t, 3)
	p = promoter(t, servers...)
	p.config.Mode = Strict
	prepare(t, p)
	automatic = &Options{Automatic: true, Armed: time.Now()}
	lose(t, p, servers[0], "b")
	return p, servers, automatic
}

// meanwhile calls do once, before a statement of the promoter on a node.
func meanwhile(p *Promoter, node, statement string, do func()) {
	done := false
	p.before = func(n, s string) error {
		if !done && n == node && strings.HasPrefix(s, statement) {
			done = true
			do()
		}
		return nil
	}
}

// Who promotes stands still between the agreement and the deed, until somebody else has promoted another.
func TestPromoterStandsStillBeforeTheDecision(t *testing.T) {
	p, servers, automatic := lostStrict(t)
	other, err := New(p.config)
	if err != nil {
		t.Fatal(err)
	}
	meanwhile(p, "b", "SET GLOBAL read_only = 0", func() {
		if r, err := other.Promote(t.Context(), "c", automatic); err == nil || !strings.Contains(err.Error(), "Another promotion is at work") {
			t.Errorf("while the lock is held: %v, %+v", err, r)
		}
		poll(t, "the servers take the locks away", func() bool {
			_, err := other.Promote(t.Context(), "c", automatic)
			return err == nil
		})
	})
	if r, err := p.Promote(t.Context(), "b", automatic); err == nil || !strings.Contains(err.Error(), "repeat the call") {
		t.Errorf("%v, %+v", err, r)
	}
	primary(t, servers[2], servers[1])
}

// A call that takes longer than a server remembers a silent holder keeps its locks.
func TestLocksAreKeptWhileItWaits(t *testing.T) {
	p, servers, automatic := lostStrict(t)
	other, err := New(p.config)
	if err != nil {
		t.Fatal(err)
	}
	meanwhile(p, "b", "STOP SLAVE ''", func() {
		hold := time.After(leaseTime + leaseBeat)
		for {
			if _, err := other.Promote(t.Context(), "c", automatic); err == nil || !strings.Contains(err.Error(), "Another promotion is at work") {
				t.Errorf("somebody else gets: %v", err)
				return
			}
			select {
			case <-hold:
				return
			default:
			}
		}
	})
	if r, err := p.Promote(t.Context(), "b", automatic); err != nil {
		t.Errorf("%v, %+v", err, r)
	}
	primary(t, servers[1], servers[2])
}

func TestLockIsLostBeforeTheDecision(t *testing.T) {
	p, servers, automatic := lostStrict(t)
	b := servers[1]
	meanwhile(p, "b", "SET GLOBAL rpl_semi_sync_master_enabled = 1", func() {
		b.Exec(fmt.Sprintf("KILL CONNECTION %s", b.Text("SELECT IS_USED_LOCK('beamrider.promote')")))
	})
	if r, err := p.Promote(t.Context(), "b", automatic); err == nil || !strings.Contains(err.Error(), "the lock of b was lost") {
		t.Errorf("%v, %+v", err, r)
	}
	if b.Text("SELECT @@read_only") != "1" {
		t.Error("b takes writes")
	}
	if r, err := p.Promote(t.Context(), "b", automatic); err != nil {
		t.Errorf("repeated: %v, %+v", err, r)
	}
	primary(t, b, servers[2])
}

// A hanging voter answers nobody.
type hanging string

func (h hanging) Name() string { return string(h) }
func (hanging) Lock(ctx context.Context, _ string, _ time.Duration) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}
func (hanging) Unlock(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }

func TestVotersThatDoNotAnswer(t *testing.T) {
	p, servers, automatic := lostStrict(t)
	// Of six votes the servers have two, and with two monitors a majority.
	p.config.Voters = []Voter{hanging("1"), hanging("2"), willing("3")}
	r, err := p.Promote(t.Context(), "b", automatic)
	refusal(t, r, err, "no_majority")
	p.config.Voters[1] = willing("2")
	if r, err := p.Promote(t.Context(), "b", automatic); err != nil || !strings.Contains(strings.Join(r.Steps, " "), "A majority agrees: 2, 3, b, c.") {
		t.Errorf("%v, %+v", err, r)
	}
	primary(t, servers[1], servers[2])
}
