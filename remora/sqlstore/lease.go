package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// A Lease says who may do some work that must not be done twice at once, and until when.
type Lease struct {
	Name   string
	Holder string
	// Fence is higher each time the lease begins anew, for another holder or for the same one after
	// it ran out, and stays the same while it is renewed. What the work changes elsewhere can refuse a
	// lower number than the highest it has seen: that holds when every clock is wrong.
	Fence int64
	// Until is when it ends by the clock of the database.
	Until time.Time
}

// Bounds of leases.
const (
	maxLeaseName = 64
	maxHolder    = 255
	minTTL       = time.Millisecond
	maxTTL       = 24 * time.Hour
)

// Lease takes the named lease for ttl (1 ms to 24 h) if nobody has it, or renews it if holder has it,
// and reports whether holder has it now. If not, the Lease tells who has. Holder is to be unique
// for each run of a program, such as a host name with a random number: two who give the same are
// one to it. Leases are no part of the catalog: they touch neither the change feed nor the audit log.
//
// Leases end by the clock of the database, which is one for everybody: that of the MariaDB server, or
// of the machine a file is on. The holder's clock does not count, but its speed does: it must
// consider its lease over when ttl has passed since before it called, by its own count, less a
// margin; [Store.RunLeased] does so. A database clock that is set forward, or a promotion to a server
// whose clock is ahead, can end a lease early by as much: Fence is for that.
//
// It is a write like others: KindReadOnly while writes are frozen, so that a lease runs out then.
func (s *Store) Lease(ctx context.Context, name, holder string, ttl time.Duration) (l Lease, ok bool, err error) {
	var k checks
	if name == "" {
		k.mistake("it has no name")
	}
	k.line("the name", name, maxLeaseName)
	if holder == "" {
		k.mistake("it has no holder")
	}
	k.line("the holder", holder, maxHolder)
	if ttl < minTTL || ttl > maxTTL {
		k.mistake("it is for %v; it can be for %v to %v", ttl, minTTL, maxTTL)
	}
	if err := k.err("lease.invalid", "The lease"); err != nil {
		return Lease{}, false, s.fail("Lease", err)
	}
	err = s.write(ctx, "Lease", func(t *tx) error {
		l, ok = Lease{Name: name}, false
		var until int64
		err := t.one([]any{&l.Holder, &until, &l.Fence}, "SELECT holder, until_at, fence FROM leases WHERE name = ?"+t.d.forUpdate, name)
		none := isNone(err)
		if err != nil && !none {
			return err
		}
		// Only now: waiting for the row must not make the moment an old one.
		now, err := t.clock()
		if err != nil {
			return err
		}
		l.Until = time.UnixMicro(until)
		if until > now && l.Holder != holder {
			return nil
		}
		if until <= now {
			l.Fence++
		}
		until = now + ttl.Microseconds()
		l.Holder, l.Until, ok = holder, time.UnixMicro(until), true
		if none {
			// Of two at once, one finds the key taken, and looks again.
			_, err = t.exec("INSERT INTO leases (name, holder, until_at, fence) VALUES (?, ?, ?, ?)", name, holder, until, l.Fence)
			return err
		}
		_, err = t.exec("UPDATE leases SET holder = ?, until_at = ?, fence = ? WHERE name = ?", holder, until, l.Fence, name)
		return err
	})
	if err != nil {
		return Lease{}, false, err
	}
	return l, ok, nil
}

// clock returns the time of the database, in microseconds since 1970.
func (t *tx) clock() (now int64, err error) {
	if t.d.engine == SQLite || t.fakeClock {
		return t.time(), nil // the file's machine is this one
	}
	err = t.one([]any{&now}, "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)")
	return now, err
}

// Release ends a lease early. One that somebody else has by now, or that was renewed under another
// fence, is left alone.
func (s *Store) Release(ctx context.Context, l Lease) error {
	return s.write(ctx, "Release", func(t *tx) error {
		// The row stays, for its fence.
		_, err := t.exec("UPDATE leases SET until_at = 0 WHERE name = ? AND holder = ? AND fence = ?", l.Name, l.Holder, l.Fence)
		return err
	})
}

// leaseLost is why a context of leased work ends.
func leaseLost(name string, err error) error {
	return &remora.Error{Kind: remora.KindUnavailable, Op: "sqlstore.RunLeased", Code: "lease.lost", Message: "The lease " + name + " could not be renewed in time, so the work under it was stopped. It is done by whoever gets the lease next.", Err: err}
}

// RunLeased does work while it has the named lease, and returns what work returned after that has
// ended. When another has the lease work is not begun, and the error is KindConflict with code
// "lease.held". The lease is renewed each third of ttl (at least 10 ms); when that does not
// succeed until a tenth of ttl before it ends by this machine's count, or another has it, the context
// of work ends (its cause has code "lease.lost") and the error has that code too, whatever work
// returns. Work must end soon after its context does, before the rest of ttl has passed: nothing
// else keeps two from working then but the fence.
//
// Holder is for people, such as a host name; each call counts as a holder of its own.
func (s *Store) RunLeased(ctx context.Context, name, holder string, ttl time.Duration, work func(ctx context.Context, l Lease) error) (err error) {
	if ttl < 10*time.Millisecond {
		return s.fail("RunLeased", remora.Errorf(remora.KindInvalid, "lease.invalid", "A lease to work under cannot be for %v; 10 ms is the least.", ttl))
	}
	if holder == "" || len(holder) > maxHolder-20 {
		return s.fail("RunLeased", remora.Errorf(remora.KindInvalid, "lease.invalid", "A lease needs the name of a holder of at most %d bytes.", maxHolder-20))
	}
	holder += " " + newEpoch()
	term := newTerm(ttl)
	l, ok, err := s.Lease(ctx, name, holder, ttl)
	if err != nil {
		return err
	}
	if !ok {
		return s.fail("RunLeased", remora.Errorf(remora.KindConflict, "lease.held", "The work %s is being done by %s until %s.", name, l.Holder, l.Until.UTC().Format(time.RFC3339)))
	}
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	kept := make(chan error, 1)
	done := make(chan struct{})
	go func() { kept <- s.keep(working, l, term, done, stop) }()
	defer func() {
		// Also when work panics: nothing may renew a lease that nobody works under.
		close(done)
		err = errors.Join(err, <-kept)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.wait)
		defer cancel()
		if rerr := s.Release(end, l); rerr != nil {
			// It ends by itself; the result of the work is not worse for it.
			s.log.Warn("sqlstore: a lease could not be released", "lease", name, "err", rerr)
		}
	}()
	return work(working, l)
}

// keep renews l until done is closed or ctx ends; it stops the work and says why when it cannot.
func (s *Store) keep(ctx context.Context, l Lease, term term, done <-chan struct{}, stop context.CancelCauseFunc) error {
	var last error
	timer := time.NewTimer(term.renewIn())
	defer timer.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return nil // the caller's, who knows
		case <-timer.C:
		}
		next := newTerm(term.ttl)
		if term.over(next.from) {
			err := leaseLost(l.Name, last)
			stop(err)
			return err
		}
		// Ends when the lease does, so that a database that does not answer does not hold it up.
		call, cancel := context.WithTimeout(ctx, term.left(next.from))
		got, ok, err := s.Lease(call, l.Name, l.Holder, term.ttl)
		cancel()
		switch {
		case err == nil && ok && got.Fence == l.Fence:
			term, last = next, nil
			timer.Reset(term.renewIn())
		case err == nil:
			err := leaseLost(l.Name, nil)
			stop(err)
			return err
		default:
			last = err
			timer.Reset(min(term.left(time.Now()), max(term.ttl/20, time.Millisecond)))
		}
	}
}

// A term is how long a lease lasts by this machine's own count: from before it was asked for.
type term struct {
	from time.Time
	ttl  time.Duration
}

func newTerm(ttl time.Duration) term { return term{time.Now(), ttl} }

func (t term) renewIn() time.Duration { return max(t.ttl/3, time.Millisecond) }

// left returns how long the work may go on, 1 ns at least.
func (t term) left(now time.Time) time.Duration {
	gone := now.Sub(t.from)
	// The monotonic clock stands still while a machine sleeps; the other one goes on.
	gone = max(gone, now.Round(0).Sub(t.from.Round(0)))
	return max(t.ttl-t.ttl/10-gone, 1)
}

func (t term) over(now time.Time) bool { return t.left(now) == 1 }
