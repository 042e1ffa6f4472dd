package replicaproof

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

// A Control is a way to run a cluster in which a promise cannot be kept. It has gone as it must when the
// checks found the rule broken.
type Control struct {
	Name  string
	About string // what is taken away, and what comes of it
	run   func(*control) error
}

// Controls are all of them.
var Controls = []Control{
	{"asynchronous", "without semi-sync, a killed primary takes acknowledged writes with it", (*control).asynchronous},
	{"blind", "without the session, a read straight after the write does not see it", (*control).blind},
	{"impatient", "with a semi-sync time-out of 200 ms, both sides of a cut network acknowledge", (*control).impatient},
	{"undrained", "a replica that is promoted before it has applied what it received loses that", (*control).undrained},
}

// A Finding is what a control found.
type Finding struct {
	Control    string        `json:"control"`
	Found      bool          `json:"found"` // the checks found what they had to find
	Text       string        `json:"text"`
	Tries      int           `json:"tries"`
	Took       time.Duration `json:"took_ns"`
	Violations []Violation   `json:"violations"`
}

// control is a control at work.
type control struct {
	ctx     context.Context
	seed    uint64
	cluster cluster
	router  *replica.Router
	history *history
	clients *clients
	finding *Finding
	rows    map[int64]row // of the new primary, once it was compared
}

// RunControl runs a control. An error means that it could not be carried out.
func RunControl(ctx context.Context, what Control, seed uint64) (*Finding, error) {
	began := time.Now()
	c := &control{ctx: ctx, seed: seed, finding: &Finding{Control: what.Name, Tries: 1}}
	err := what.run(c)
	c.finding.Took = time.Since(began)
	if err != nil {
		return c.finding, fmt.Errorf("control %s: %w", what.Name, err)
	}
	return c.finding, nil
}

// with opens a cluster with a router for do, and closes both.
func (c *control) with(s shape, do func() error) (err error) {
	if c.cluster, err = openCluster(c.ctx, s); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.cluster.end()) }()
	var stop func() error
	if c.router, stop, err = route(c.ctx, c.cluster.nodes()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c.history = newHistory()
	c.clients = newClients(c.ctx, c.router, c.history, c.seed)
	defer c.clients.end()
	c.clients.all.Go(c.clients.watch)
	return do()
}

// slow has everything reach the replicas some milliseconds later.
func (c *control) slow() error {
	for _, s := range c.cluster[1:] {
		c.cluster[0].From(s.Server).Slow(5 * time.Millisecond)
	}
	return c.cluster[0].did()
}

func (c *control) writers() {
	for i := range writerN {
		c.clients.spawn(uint64(i), c.clients.writer)
	}
}

// semiSync has the primary wait that long for a replica's acknowledgement.
func (c *control) semiSync(wait time.Duration) error {
	for _, s := range c.cluster[1:] {
		if err := s.exec("SET GLOBAL rpl_semi_sync_slave_enabled = 1", "STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD"); err != nil {
			return err
		}
	}
	first := c.cluster[0]
	if err := first.exec("SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC, GLOBAL rpl_semi_sync_master_wait_no_slave = 1",
		fmt.Sprintf("SET GLOBAL rpl_semi_sync_master_timeout = %d", wait.Milliseconds()), "SET GLOBAL rpl_semi_sync_master_enabled = 1"); err != nil {
		return err
	}
	var failed error
	return errors.Join(until(c.ctx, "all replicas acknowledge", func() bool {
		var n string
		n, failed = first.text("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Rpl_semi_sync_master_clients'")
		return failed != nil || n == fmt.Sprint(len(c.cluster)-1)
	}), failed)
}

// takeOver makes a replica the primary as somebody in a hurry would. Only with drain it applies first
// what it has received.
func (c *control) takeOver(s *server, drain bool) error {
	if drain {
		if err := s.exec("STOP SLAVE IO_THREAD"); err != nil {
			return err
		}
		at, err := s.received()
		if err != nil {
			return err
		}
		got, err := s.text(fmt.Sprintf("SELECT MASTER_GTID_WAIT('%s', %d)", at, patience/time.Second))
		if err != nil || got != "0" {
			return errors.Join(err, fmt.Errorf("server %s has not applied %s", s.Name(), at))
		}
	}
	return s.exec("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0")
}

// check ends clients and compares.
func (c *control) check(now, was *server) error {
	c.clients.end()
	t, err := now.truth(c.ctx, was)
	if err != nil {
		return err
	}
	c.finding.Violations = check(c.history, t)
	return nil
}

// blindReads is how many reads follow a write at once.
const blindReads = 300

func (c *control) blind() error {
	return c.with(shape{servers: 2}, func() error {
		if err := c.slow(); err != nil {
			return err
		}
		if err := until(c.ctx, "the replica is read", func() bool { return c.router.Status().Nodes[1].Reads }); err != nil {
			return err
		}
		for range blindReads {
			ctx, cancel := c.clients.call()
			w := c.clients.write(ctx, byStatement, 0, 1, nil)
			if w.Outcome != Acknowledged {
				cancel()
				return fmt.Errorf("a write in a healthy cluster: %s", w.Error)
			}
			c.clients.own(ctx, nil, w.Token, 1, false)
			cancel()
		}
		if err := c.check(c.cluster[0], nil); err != nil {
			return err
		}
		stale := broken(c.finding.Violations, Reads)
		c.finding.Found = stale > blindReads*9/10
		c.finding.Text = fmt.Sprintf("%d of %d reads did not see the write before them", stale, blindReads)
		return nil
	})
}

func (c *control) impatient() error {
	return c.with(shape{servers: 3}, func() error {
		if err := c.semiSync(200 * time.Millisecond); err != nil {
			return err
		}
		c.writers()
		if err := c.history.more(c.ctx, before); err != nil {
			return err
		}
		old, next := c.cluster[0], c.cluster[1]
		stop, err := c.clients.strays(old)
		if err != nil {
			return err
		}
		defer stop()
		if err = old.cut(); err == nil {
			err = until(c.ctx, "the old primary acknowledges alone", func() bool { return c.history.strays() >= 10 })
		}
		if err == nil {
			err = c.takeOver(next, true)
		}
		if err == nil {
			err = c.history.more(c.ctx, after)
		}
		if err == nil {
			alone := c.history.strays()
			err = until(c.ctx, "both acknowledge", func() bool { return c.history.strays() >= alone+10 })
		}
		stop()
		if err == nil {
			err = c.check(next, old)
		}
		if err != nil {
			return err
		}
		lost := broken(c.finding.Violations, KeepsAcknowledged)
		c.finding.Found = lost > 0 && broken(c.finding.Violations, OneWriter) > 0
		c.finding.Text = fmt.Sprintf("%d writes acknowledged on the wrong side of the cut, while the other side acknowledged too", lost)
		return nil
	})
}

func (c *control) undrained() error {
	return c.with(shape{servers: 3}, func() error {
		if err := c.semiSync(time.Hour); err != nil {
			return err
		}
		// They receive and acknowledge, and apply nothing: an extreme way to be behind.
		for _, s := range c.cluster[1:] {
			if err := s.exec("STOP SLAVE SQL_THREAD"); err != nil {
				return err
			}
		}
		c.writers()
		if err := c.history.more(c.ctx, before); err != nil {
			return err
		}
		if err := c.cluster[0].kill(); err != nil {
			return err
		}
		if err := c.takeOver(c.cluster[1], false); err != nil {
			return err
		}
		if err := c.history.more(c.ctx, after); err != nil {
			return err
		}
		if err := c.check(c.cluster[1], nil); err != nil {
			return err
		}
		lost := broken(c.finding.Violations, KeepsAcknowledged)
		c.finding.Found = lost > 0
		c.finding.Text = fmt.Sprintf("%d acknowledged writes lost that the replica had received", lost)
		return nil
	})
}

// ControlNamed returns the control of a name.
func ControlNamed(name string) (Control, bool) {
	for _, c := range Controls {
		if c.Name == name {
			return c, true
		}
	}
	return Control{}, false
}
