package promote

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	lockName = "beamrider.promote"
	// The wait is for a server that has not noticed yet that the call before this one has ended.
	takeLock = "SELECT GET_LOCK('" + lockName + "', ?)"
	haveLock = "SELECT COALESCE(IS_USED_LOCK('" + lockName + "') = CONNECTION_ID(), 0)"

	// leaseTime is after how long a server takes the lock away from a holder that is silent: its
	// process frozen, its machine or the network gone.
	leaseTime = 10 * time.Second
	// leaseBeat is how often a holder is heard. Three may be missed.
	leaseBeat = leaseTime / 4
)

// A Voter is one more vote on who may promote, beside those of the nodes: mostly a monitor on a
// machine of its own. Its methods are safe for concurrent use.
type Voter interface {
	// Name is what reports call it.
	Name() string
	// Lock gives holder the vote for ttl, if nobody else has it; for the same holder it begins anew.
	// false is a refusal; an error, that there was no answer. A voter that cannot remember whom it
	// gave its vote, as after a restart, gives none for as long as ttl may be, which is 10 s.
	Lock(ctx context.Context, holder string, ttl time.Duration) (bool, error)
	// Unlock gives the vote of holder back.
	Unlock(ctx context.Context, holder string) error
}

// votes is how many there are, and how many are a majority.
func (p *Promoter) votes() (all, majority int) {
	all = len(p.members) + len(p.config.Voters)
	return all, all/2 + 1
}

// tryLock takes the advisory lock, which ends with the connection.
func (s *server) tryLock(ctx context.Context) (taken bool, err error) {
	limit, cancel := s.limit(ctx)
	defer cancel()
	conn, err := s.db.Conn(limit)
	if err != nil {
		return false, err
	}
	var got sql.NullInt64
	_, err = conn.ExecContext(limit, fmt.Sprintf("SET SESSION wait_timeout = %d", leaseTime/time.Second))
	if err == nil {
		err = conn.QueryRowContext(limit, takeLock, min(1, s.promoter.config.Timeout.Seconds()/2)).Scan(&got)
	}
	if err != nil || got.Int64 != 1 {
		_ = conn.Close() // what it says to a server that gave no lock does not matter
		return false, err
	}
	s.lock = conn
	return true, nil
}

// stillLocked makes sure that the lock is ours, and that it stays so for leaseTime from now on.
func (s *server) stillLocked(ctx context.Context) error {
	limit, cancel := s.limit(ctx)
	defer cancel()
	var mine bool
	if err := s.lock.QueryRowContext(limit, haveLock).Scan(&mine); err != nil {
		return fmt.Errorf("promote: node %s: its lock: %w", s.Name, err)
	}
	if !mine {
		return fmt.Errorf("promote: node %s: its lock is not ours any more", s.Name)
	}
	return nil
}

// A lease is what entitles an operation to change servers: the locks of nodes and the votes of others.
type lease struct {
	op     *operation
	holder string
	mu     sync.Mutex // one statement at a time on the connections that hold locks
	voters []Voter    // that gave us their vote
	stop   func()
}

// hold begins to keep what was taken, until drop.
func (l *lease) hold(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	l.stop = func() { cancel(); <-ended }
	go func() {
		defer close(ended)
		beat := time.NewTicker(leaseBeat)
		defer beat.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
				l.mu.Lock()
				l.renew(ctx, nil)
				l.mu.Unlock()
			}
		}
	}()
}

// renew prolongs locks and votes and returns whose there still are. That of first is prolonged before
// any other, so that it ends before any other. l.mu is held.
func (l *lease) renew(ctx context.Context, first *server) (names []string) {
	if first != nil {
		if first.lock == nil || first.stillLocked(ctx) != nil {
			return nil
		}
		names = append(names, first.Name)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	add := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		names = append(names, name)
	}
	for _, s := range l.op.servers {
		if s != first && s.lock != nil {
			all.Go(func() {
				if s.stillLocked(ctx) == nil {
					add(s.Name)
				}
			})
		}
	}
	for _, v := range l.voters {
		all.Go(func() {
			limit, cancel := context.WithTimeout(ctx, l.op.config.Timeout)
			defer cancel()
			if ok, err := v.Lock(limit, l.holder, leaseTime); ok && err == nil {
				add(v.Name())
			}
		})
	}
	all.Wait()
	slices.Sort(names)
	return names
}

// ask takes the votes of those that are no nodes. It returns who gave it to somebody else.
func (l *lease) ask(ctx context.Context) (busy []string) {
	type answer struct {
		ok  bool
		err error
	}
	voters := l.op.config.Voters
	answers := make([]answer, len(voters))
	var all sync.WaitGroup
	for i, v := range voters {
		all.Go(func() {
			limit, cancel := context.WithTimeout(ctx, l.op.config.Timeout)
			defer cancel()
			answers[i].ok, answers[i].err = v.Lock(limit, l.holder, leaseTime)
		})
	}
	all.Wait()
	for i, a := range answers {
		switch {
		case a.err != nil:
			l.op.log.Warn("promote: a voter does not answer", "voter", voters[i].Name(), "error", a.err)
		case a.ok:
			l.voters = append(l.voters, voters[i])
		default:
			busy = append(busy, voters[i].Name())
		}
	}
	return busy
}

// drop gives votes back; those of nodes end with their connections.
func (l *lease) drop(ctx context.Context) {
	if l.stop != nil {
		l.stop()
	}
	var all sync.WaitGroup
	for _, v := range l.voters {
		all.Go(func() {
			limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.op.config.Timeout)
			defer cancel()
			if err := v.Unlock(limit, l.holder); err != nil {
				l.op.log.Warn("promote: a voter keeps its vote until it runs out", "voter", v.Name(), "error", err)
			}
		})
	}
	all.Wait()
}

// missing refuses an operation that needs a majority and has none.
func (l *lease) missing(have int) []Refusal {
	all, majority := l.op.votes()
	switch {
	case all < 3:
		return []Refusal{{Code: "few_voters", Text: fmt.Sprintf(
			"There are %d voters, and it takes at least 3 to tell a lost server from a cut network. Promote by hand, or add a database server or a monitor on another machine.", all)}}
	case have < majority:
		return []Refusal{{Code: "no_majority", Text: fmt.Sprintf(
			"%d of %d voters answer and agree, and %d are a majority: the others may be on the far side of a cut network, with a primary. Promote by hand when you know that they are not.", have, all, majority)}}
	}
	return nil
}

// decide runs statements after which x may take writes, on the connection that holds its lock. With
// majority one has to be ours until then: x's own lock was prolonged first and ends first, and with
// it the connection, so that statements which arrive later than anybody else could be promoted have
// no effect. (A server that stands still with the statements in hand does them when it goes on; in mode
// Strict no replica acknowledges for it any more.) ready is asked last, if it is not nil. sent says that
// they were sent, whatever came of it.
func (l *lease) decide(ctx context.Context, x *server, majority bool, ready func(context.Context) error, statements ...string) (sent bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x.lock == nil {
		return false, fmt.Errorf("promote: node %s: its lock is not ours", x.Name)
	}
	have := l.renew(ctx, x)
	if !slices.Contains(have, x.Name) {
		return false, fmt.Errorf("promote: the lock of %s was lost, so that somebody else may be promoting; repeat the call", x.Name)
	}
	if majority {
		if list := l.missing(len(have)); len(list) > 0 {
			return false, l.op.refuse(list...)
		}
		l.op.did("A majority agrees: %s.", strings.Join(have, ", "))
	}
	if ready != nil {
		if err := ready(ctx); err != nil {
			return false, err
		}
	}
	return true, x.execOn(ctx, x.lock, statements...)
}
