package replicaproof

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/replica/failover"
	"github.com/sugarlabs/beamrider/replica/promote"
)

// LongestSilence is for how long, at most, writes may stop in mode available when the only replica
// dies: a primary waits 10 s for an acknowledgement and then goes on.
const LongestSilence = 12 * time.Second

// An Availability is what a run in mode available came to.
type Availability struct {
	Silence time.Duration `json:"silence_ns"` // the longest time without an acknowledged write
	OneCopy time.Time     `json:"one_copy"`   // since when writes were said to be in one copy
	First   time.Time     `json:"first"`      // when the first of them was acknowledged
	Said    string        `json:"said"`       // the guard's sentence about it
	Took    time.Duration `json:"took_ns"`
}

// Honest says whether everything that was acknowledged in one copy was said to be.
func (a *Availability) Honest() bool { return !a.OneCopy.IsZero() && !a.OneCopy.After(a.First) }

// Available kills the only replica of a primary in mode available, and has it come back. With wait other
// than 0 the primary waits that long for acknowledgements, instead of the 10 s of the mode.
func Available(ctx context.Context, seed uint64, wait time.Duration) (_ *Availability, err error) {
	began := time.Now()
	r := &round{Round: &Round{Number: 1, Seed: seed}}
	if r.cluster, err = openCluster(ctx, shape{servers: 2, mode: promote.Available}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.cluster.end()) }()
	stopGuard, err := r.watch(ctx, promote.Available)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stopGuard()) }()
	primary, replica := r.cluster[0], r.cluster[1]
	if wait != 0 {
		if err := primary.exec(fmt.Sprintf("SET GLOBAL rpl_semi_sync_master_timeout = %d", wait.Milliseconds())); err != nil {
			return nil, err
		}
	}
	router, stopRouter, err := route(ctx, r.cluster.nodes())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stopRouter()) }()
	a := &Availability{}
	if err := r.alone(ctx, newClients(ctx, router, newHistory(), seed), replica, a); err != nil {
		return nil, r.explain(err)
	}
	a.Took = time.Since(began)
	return a, nil
}

// alone has clients at work while the replica is dead.
func (r *round) alone(ctx context.Context, c *clients, replica *server, a *Availability) error {
	r.history, r.clients = c.history, c
	defer c.end()
	c.patient = true
	for i := range writerN {
		c.spawn(uint64(i), c.writer)
	}
	if err := r.history.more(ctx, before); err != nil {
		return err
	}
	if err := replica.kill(); err != nil {
		return err
	}
	killed := r.history.now()
	if err := until(ctx, "the guard says that there is one copy", func() bool { return !r.guard.Status().OneCopy.IsZero() }); err != nil {
		return err
	}
	if err := r.history.more(ctx, after); err != nil {
		return err
	}
	a.OneCopy = r.guard.Status().OneCopy
	if e := r.heard(failover.OneCopy); e != nil {
		a.Said = e.Text
	}
	if err := replica.restart(); err != nil {
		return err
	}
	if err := until(ctx, "there are two copies again", func() bool { return r.heard(failover.TwoCopies) != nil }); err != nil {
		return err
	}
	if err := r.history.more(ctx, after); err != nil {
		return err
	}
	c.end()
	r.count(r.history, truth{})
	a.Silence = r.Silence
	for _, w := range r.history.writes {
		// A write whose replica has died before it began is in one copy.
		if at := r.history.begin.Add(w.End); w.Outcome == Acknowledged && w.Start > killed && (a.First.IsZero() || at.Before(a.First)) {
			a.First = at
		}
	}
	return nil
}
