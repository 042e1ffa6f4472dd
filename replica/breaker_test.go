package replica

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestFaults(t *testing.T) {
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	gaveUp, giveUp := context.WithCancel(t.Context())
	giveUp()
	said := func(number uint16) error { return fmt.Errorf("replica: %w", &mysql.MySQLError{Number: number}) }
	for name, c := range map[string]struct {
		ctx      context.Context
		err      error
		answered bool // others were, while the call lasted
		patient  bool
		want     fault
	}{
		"a wrong statement":         {t.Context(), said(1064), false, true, none},
		"no connection left":        {t.Context(), said(1040), false, true, busy},
		"none left for the account": {t.Context(), said(1203), false, true, busy},
		"shutdown":                  {t.Context(), said(1053), false, true, gone},
		"closed while it was idle":  {t.Context(), driver.ErrBadConn, false, true, none},
		"one connection lost":       {t.Context(), mysql.ErrInvalidConn, true, true, silent},
		"lost or slow":              {t.Context(), mysql.ErrInvalidConn, true, false, none},
		"nobody is answered":        {t.Context(), mysql.ErrInvalidConn, false, false, gone},
		"refused":                   {t.Context(), &net.OpError{Op: "dial", Err: errors.New("refused")}, false, true, gone},
		"no handshake":              {t.Context(), errSilent, false, true, gone},
		"slow":                      {late, context.DeadlineExceeded, true, true, none},
		"silent":                    {late, context.DeadlineExceeded, false, true, silent},
		"the caller gave up":        {gaveUp, context.Canceled, false, true, none},
		"a mistake in the call":     {t.Context(), errors.New("unsupported type"), false, true, none},
		"our own hook":              {t.Context(), &hookError{driver.ErrBadConn}, false, true, none},
	} {
		t.Run(name, func(t *testing.T) {
			n := &node{impatient: !c.patient, kick: make(chan struct{}, 1)}
			before := n.answers.Load()
			if c.answered {
				n.answers.Add(1)
			}
			if got := n.faultOf(c.ctx, before, c.err); got != c.want {
				t.Errorf("it is taken for %d, want %d", got, c.want)
			}
		})
	}
}

func TestBackoffGrows(t *testing.T) {
	r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}, {Name: "b"}}, Breaker: BreakerOptions{Backoff: time.Second, MaxBackoff: 5 * time.Second, Quiet: time.Minute, Busy: 3 * time.Second}})
	n := r.nodes[1]
	lost := errors.New("lost")
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	step := func(f fault, want time.Duration) {
		t.Helper()
		n.open(f, lost, now)
		if got := n.breaker.until.Sub(now); got != want {
			t.Errorf("it is left alone for %s, want %s", got, want)
		}
		if n.due(now.Add(want-1)) || !n.due(now.Add(want)) {
			t.Error("it is not tried just then")
		}
	}
	again := func() { now = now.Add(10 * time.Second); n.close(now); now = now.Add(10 * time.Second) }
	step(gone, 0)
	again()
	step(gone, time.Second)
	step(gone, 2*time.Second) // a trial failed
	again()
	n.answers.Add(1)
	step(silent, 0) // it is asked, that is all
	again()
	step(silent, 4*time.Second) // it was asked, and has answered no read since
	step(gone, 5*time.Second)
	step(gone, 5*time.Second)
	n.close(now)
	now = now.Add(2 * time.Minute)
	step(busy, 3*time.Second)
	again()
	step(busy, 3*time.Second)
	if n.due(now) {
		t.Error("it is tried while it is left alone")
	}
	r.update()
	if r.view.Load().reads(n) || !r.view.Load().reads(r.nodes[2]) {
		t.Error("not just the broken one is out")
	}
	n.close(now)
	r.update()
	if !r.view.Load().reads(n) {
		t.Error("it does not come back")
	}
}

func TestLeftAlone(t *testing.T) {
	r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}}})
	n := r.nodes[1]
	if err := n.leftAlone(); err != nil {
		t.Error(err)
	}
	db := r.Read(t.Context())
	// Nobody listens at the address of the test: this is a connection that is refused.
	if err := db.PingContext(t.Context()); err == nil || errors.Is(err, ErrNoReplica) {
		t.Errorf("a read gives %v, want the network's error", err)
	}
	if r.Read(t.Context()) == db {
		t.Error("a replica is read that just refused a connection")
	}
	r.mu.Lock()
	n.open(gone, errors.New("refused again"), time.Now())
	r.mu.Unlock()
	if err := db.PingContext(t.Context()); !errors.Is(err, ErrNoReplica) {
		t.Errorf("a read gives %v, want ErrNoReplica without a connection", err)
	}
}
