package replica

import (
	"context"
	"database/sql"
	"time"
)

const (
	glancePoll = 10 * time.Millisecond  // between glances at a replica that a session waits for
	glanceTime = 250 * time.Millisecond // bounds one; then the whole question tells what is wrong
	wantTime   = 3 * time.Second        // how long a replica is looked at so often for one position
)

const askPosition = "SELECT @@global.gtid_slave_pos, @@global.gtid_binlog_pos"

// A wanted is a position that sessions wait for: replicas that do not have it are looked at often.
type wanted struct {
	at    gtids
	until int64 // ticks
}

// want has replicas looked at until they have p, for a few seconds.
func (r *Router) want(v *view, p gtids) {
	if len(p) == 0 {
		return
	}
	for {
		old := r.wanted.Load()
		w := &wanted{p, ticks() + int64(wantTime)}
		if old != nil && old.until > w.until-int64(wantTime) {
			if old.at.covers(p) && old.until > w.until-int64(wantTime/10) {
				break
			}
			if w.at = old.at.merge(p); len(w.at) > maxDomains {
				w.at = p
			}
		}
		if r.wanted.CompareAndSwap(old, w) {
			break
		}
	}
	for i := range v.readers {
		select {
		case v.readers[i].node.wake <- struct{}{}:
		default: // it knows
		}
	}
}

// waitedFor reports whether a session waits for the replica.
func (n *node) waitedFor() bool {
	w := n.router.wanted.Load()
	return w != nil && ticks() < w.until && n.applied.Load() != nil && !n.has(w.at) && n.router.view.Load().reads(n)
}

// idle waits for d, or less when early says so, and glances at the server while sessions wait for it.
// It reports false as soon as ctx has ended.
func (n *node) idle(ctx context.Context, db *sql.DB, d time.Duration, early <-chan struct{}) bool {
	end := time.NewTimer(d)
	defer end.Stop()
	glance := time.NewTimer(glancePoll)
	defer glance.Stop()
	for {
		var soon <-chan time.Time
		wake := n.wake
		if n.waitedFor() {
			glance.Reset(glancePoll)
			soon, wake = glance.C, nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-end.C:
			return ctx.Err() == nil
		case <-early:
			return ctx.Err() == nil
		case <-wake:
		case <-soon:
			if !n.glance(ctx, db) {
				return ctx.Err() == nil // the whole question will tell
			}
		}
	}
}

// glance asks a replica how far it is, and nothing else. That is a small part of the work of the
// whole question, which tells whether it is a replica still.
func (n *node) glance(ctx context.Context, db *sql.DB) bool {
	limit, cancel := context.WithTimeout(ctx, min(n.router.config.Timeout, glanceTime))
	defer cancel()
	asked := ticks()
	var applied, written string
	if err := db.QueryRowContext(limit, askPosition).Scan(&applied, &written); err != nil {
		return false
	}
	a, err1 := parseGTIDs(applied, ",")
	w, err2 := parseGTIDs(written, ",")
	if err1 != nil || err2 != nil {
		return false
	}
	n.router.count.glances.Add(1)
	n.reached(a, w, asked)
	return true
}

// reached notes how far a replica is: applied is what it surely holds, and written comes before
// anything can be seen of it.
func (n *node) reached(applied, written gtids, asked int64) {
	if old := n.applied.Load(); old == nil || !old.covers(applied) || !applied.covers(*old) {
		n.applied.Store(&applied)
	}
	n.shown.Store(&shown{applied.merge(written), asked})
}
