package replicaproof

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/replica/failover"
)

// fault has one server fail, and come back. In half of the rounds replicas are behind at that moment:
// they have received and acknowledged what they have not applied.
func (r *round) fault(ctx context.Context) error {
	if r.Behind = r.random.IntN(2) == 0; r.Behind {
		release, err := r.hold(ctx)
		if err != nil {
			return err
		}
		struck, over := context.WithCancel(ctx)
		r.struck = over
		var held sync.WaitGroup
		held.Go(func() {
			defer release()
			<-struck.Done()
			if r.Fault != KillReplica && r.Fault != FreezeReplica {
				limit, cancel := context.WithTimeout(ctx, heldMost)
				defer cancel()
				// Nobody may be promoted; then a person does it, and waits for what is not applied yet.
				_ = until(limit, "the guard begins", func() bool { return r.heard(failover.Promoting) != nil })
			}
			r.clients.pause(heldAfter)
		})
		defer held.Wait()
		defer over()
		if err := r.history.more(ctx, after); err != nil {
			return err
		}
	}
	return r.strike(ctx)
}

const (
	heldAfter = 300 * time.Millisecond // of a promotion, or of the loss of a replica, replicas apply nothing
	heldMost  = 15 * time.Second       // after the fault a promotion is waited for
)

// hold has the appliers of all replicas wait for a lock, until release. It is one lock alone, so that
// nobody waits in a circle: what touches another register waits, too, as it is committed in order.
func (r *round) hold(ctx context.Context) (release func(), err error) {
	var locks []*sql.Tx
	release = func() {
		for _, tx := range locks {
			// The server may have been killed meanwhile, and its locks with it.
			_ = tx.Rollback()
		}
	}
	for _, s := range r.cluster[1:] {
		tx, err := s.near.BeginTx(ctx, nil)
		if err != nil {
			release()
			return nil, err
		}
		locks = append(locks, tx)
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM app.registers WHERE k = 0 LOCK IN SHARE MODE").Scan(&n); err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}

// lose has a server fail.
func (r *round) lose(s *server, how func(*server) error) error {
	defer r.struck()
	return how(s)
}

// strike has one server fail, and come back.
func (r *round) strike(ctx context.Context) error {
	switch r.Fault {
	case KillPrimary:
		return r.losePrimary(ctx, (*server).kill, nil)
	case FreezePrimary:
		return r.losePrimary(ctx, (*server).freeze, (*server).thaw)
	case PartitionPrimary:
		return r.losePrimary(ctx, (*server).cut, (*server).heal)
	case RestartPrimary:
		return r.restartPrimary(ctx)
	case KillReplica:
		return r.loseReplica(ctx, (*server).kill, (*server).restart)
	case FreezeReplica:
		return r.loseReplica(ctx, (*server).freeze, (*server).thaw)
	}
	return fmt.Errorf("there is no fault %q", r.Fault)
}

// losePrimary has the guard replace a primary. back, if not nil, lets the old one go on before it is
// restarted; then it still believes to be the primary.
func (r *round) losePrimary(ctx context.Context, lose, back func(*server) error) error {
	old := r.cluster[0]
	// Who is near the old primary goes on to talk to it.
	stop, err := r.clients.strays(old)
	if err != nil {
		return err
	}
	defer stop()
	if err := r.lose(old, lose); err != nil {
		return err
	}
	if err := until(ctx, "the guard promotes", func() bool { return r.heard(failover.Promoted) != nil }); err != nil {
		return err
	}
	r.Promoted = "guard"
	if err := r.history.more(ctx, after); err != nil {
		return err
	}
	if back != nil {
		if err := back(old); err != nil {
			return err
		}
		// Two servers take writes now, as far as they know. Clients go on with the new one.
		if err := until(ctx, "the guard raises the alarm", func() bool { return r.heard(failover.SplitBrain) != nil }); err != nil {
			return err
		}
		if err := r.history.more(ctx, after); err != nil {
			return err
		}
		// What waits there for an acknowledgement must not be let go on: a restart takes it back, while
		// ending those who wait would make it permanent.
		if err := old.kill(); err != nil {
			return err
		}
	}
	stop() // what it finds after the restart is read-only
	return old.restart()
}

// restartPrimary kills the primary and starts it again at once. Whether the guard has noticed or not,
// one of the servers becomes the primary.
func (r *round) restartPrimary(ctx context.Context) error {
	old := r.cluster[0]
	if err := r.lose(old, (*server).kill); err != nil {
		return err
	}
	r.clients.pause(time.Duration(r.random.IntN(1000)) * time.Millisecond)
	if err := old.restart(); err != nil {
		return err
	}
	// It is read-only now. A person waits what the guard does, and else does it.
	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := until(limit, "the guard promotes", func() bool { return r.heard(failover.Promoted) != nil }); ctx.Err() != nil {
		return err
	}
	var err error
	return errors.Join(until(ctx, "somebody is promoted", func() bool {
		if r.heard(failover.Promoted) != nil {
			r.Promoted, err = "guard", nil
			return true
		}
		err = r.person(ctx)
		return err == nil
	}), err)
}

// person makes somebody the primary by hand, without force.
func (r *round) person(ctx context.Context) (err error) {
	for _, s := range r.cluster {
		report, failed := r.guard.Promoter().Promote(ctx, s.Name(), nil)
		if failed == nil {
			r.Promoted = "person"
			r.note("promoted by hand: %s", report.Primary)
			return nil
		}
		err = errors.Join(err, fmt.Errorf("promoting %s: %w", s.Name(), failed))
	}
	return err
}

// loseReplica has a replica fail. The other one goes on to acknowledge, and nobody is promoted.
func (r *round) loseReplica(ctx context.Context, lose, back func(*server) error) error {
	s := r.cluster[1+r.random.IntN(len(r.cluster)-1)]
	if err := r.lose(s, lose); err != nil {
		return err
	}
	if err := r.history.more(ctx, after); err != nil {
		return err
	}
	r.clients.pause(time.Second) // reads and writes go on for a while
	if err := r.history.more(ctx, after); err != nil {
		return err
	}
	if err := back(s); err != nil {
		return err
	}
	if e := r.heard(failover.Promoting); e != nil {
		return fmt.Errorf("the guard promotes although only a replica was lost: %s", e.Text)
	}
	return nil
}
