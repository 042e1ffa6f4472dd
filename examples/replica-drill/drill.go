package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/failover"
	"github.com/sugarlabs/beamrider/replica/promote"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// A drill is one rehearsal.
type drill struct {
	mu    sync.Mutex // for out
	out   io.Writer
	begin time.Time

	group   *replicatest.Group
	folder  string // the guard's
	guard   *failover.Guard
	router  *replica.Router
	load    *load
	endLoad func() error
	stop    []func() error // what ends what was started, in order
}

// say prints a line with the time since the drill began.
func (d *drill) say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.out, "%6.2f s  %s\n", time.Since(d.begin).Seconds(), fmt.Sprintf(format, args...))
}

// background runs something until the drill ends, or stop is called.
func (d *drill) background(run func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	d.stop = append(d.stop, stop)
	return stop
}

// close ends everything, the last first.
func (d *drill) close() error {
	var errs []error
	for i := len(d.stop) - 1; i >= 0; i-- {
		errs = append(errs, d.stop[i]())
	}
	return errors.Join(errs...)
}

// await waits until ok.
func (d *drill) await(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if err := d.group.Err(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it did not come about that %s: %w; the guard says %+v", what, ctx.Err(), d.guard.Status())
		}
	}
	return nil
}

// start has three servers, the guard and the router run, in mode strict.
func (d *drill) start(ctx context.Context) (err error) {
	d.say("Three database servers start: a is the primary, b and c copy what it writes.")
	group, err := replicatest.Open(ctx, replicatest.Topology{ApplyThreads: 4})
	if err != nil {
		return err
	}
	d.group = group
	d.stop = append(d.stop, group.Close)
	if d.folder, err = os.MkdirTemp("", "beamrider-drill-*"); err != nil {
		return err
	}
	d.stop = append(d.stop, func() error { return os.RemoveAll(d.folder) })
	c := failover.Config{Automatic: true, Rejoin: true, Folder: d.folder, Events: d.event}
	c.Promote.Mode = promote.Strict
	var reads replica.Config
	for _, s := range d.group.Servers {
		// A site has an account for this alone.
		c.Promote.Nodes = append(c.Promote.Nodes, promote.Node{Name: s.Name(), DSN: s.AdminDSN()})
		reads.Nodes = append(reads.Nodes, replica.Node{Name: s.Name(), DSN: s.DSN()})
	}
	admin, err := mysql.ParseDSN(d.group.Servers[0].AdminDSN())
	if err != nil {
		return err
	}
	c.Promote.ReplicationUser, c.Promote.ReplicationPassword = admin.User, admin.Passwd
	if d.guard, err = failover.New(c); err != nil {
		return err
	}
	if d.router, err = replica.New(reads); err != nil {
		return err
	}
	d.stop = append(d.stop, d.router.Close)
	d.background(d.router.Run)
	if err := d.router.WaitReady(ctx); err != nil {
		return err
	}
	if _, err := d.guard.Promoter().Prepare(ctx); err != nil {
		return err
	}
	d.say("Mode strict: a write is acknowledged when a second server has it, however long that takes.")
	d.background(d.guard.Run)
	if err := d.await(ctx, "the guard is ready", func() bool { s := d.guard.Status(); return s.Primary == "a" && s.Held == "" }); err != nil {
		return err
	}
	d.say("The guard watches. If a is lost, %s takes its place.", d.guard.Status().Candidate)
	return nil
}

// event tells what the guard does.
func (d *drill) event(e failover.Event) {
	switch e.Kind {
	case failover.Lost:
		d.say("The guard: %s, the primary, does not answer any more.", e.Node)
	case failover.Promoting, failover.Promoted, failover.Failed, failover.Rejoined, failover.NotRejoin, failover.SplitBrain:
		d.say("The guard: %s", e.Text)
		if e.Kind == failover.Promoted && e.Report != nil {
			for _, s := range e.Report.Steps {
				d.say("    %s", s)
			}
		}
	}
}
