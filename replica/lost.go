package replica

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// ErrWriteLost: a write that was acknowledged is not on the server that is the primary now. It was
// made on another, which was lost before its replicas had received it.
var ErrWriteLost = errors.New("replica: an acknowledged write was lost")

const askState = "SELECT @@global.gtid_binlog_state, CAST(@@global.log_slave_updates AS CHAR)"

// Bounds of what is kept to find lost writes.
const (
	maxCuts  = 16      // primaries of the past
	maxState = 4096    // entries of a gtid_binlog_state
	maxText  = 1 << 18 // bytes of one
)

// A cut is what a primary had when it was asked. It is never changed once it is in a history.
type cut struct {
	server  uint32 // the primary
	state   []gtid // gtid_binlog_state: the last of each domain and server, in that order
	applied gtids  // gtid_slave_pos: where it took over
	asked   int64  // ticks before it was asked
}

// askCut asks what a server that takes writes has in its binary log. There is no answer, and no error,
// when that would not tell what the server has.
func askCut(ctx context.Context, db *sql.DB, f *facts) error {
	if !f.writable || !f.strict || len(f.sources) > 0 {
		return nil
	}
	var state, complete string
	if err := db.QueryRowContext(ctx, askState).Scan(&state, &complete); err != nil {
		return err
	}
	if off(complete) {
		return nil
	}
	list, err := parseState(state)
	if err != nil {
		return fmt.Errorf("gtid_binlog_state: %w", err)
	}
	f.cut = newCut(f.server, list, f.applied, f.began)
	return nil
}

// newCut makes a cut of a state in order.
func newCut(server uint32, state []gtid, applied gtids, asked int64) *cut {
	return &cut{server: server, state: state, applied: applied, asked: asked}
}

// parseState parses a gtid_binlog_state into the order of domains and servers.
func parseState(text string) ([]gtid, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%d bytes are more than %d", len(text), maxText)
	}
	if text == "" {
		return nil, nil
	}
	var list []gtid
	for part := range strings.SplitSeq(text, ",") {
		if len(list) == maxState {
			return nil, fmt.Errorf("more than %d entries", maxState)
		}
		g, err := parseGTID(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	slices.SortFunc(list, compareOrigin)
	return list, nil
}

func compareOrigin(a, b gtid) int {
	return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.server, b.server))
}

// of returns the last transaction of g's server in g's domain.
func (c *cut) of(g gtid) (gtid, bool) {
	i, ok := slices.BinarySearchFunc(c.state, g, compareOrigin)
	if !ok {
		return gtid{}, false
	}
	return c.state[i], true
}

// lacks reports whether g, of another server, was not part of what the primary had, and the last of
// that server that was. Numbers of a domain ascend along the history of any server: had the primary
// received g, then after whatever it has of a lower number, and its log would say so.
func (c *cut) lacks(g gtid) (last gtid, lacks bool) {
	if g.server == c.server || g.server == 0 {
		return gtid{}, false
	}
	if last, ok := c.of(g); ok {
		return last, last.seq < g.seq && !c.passed(g)
	}
	// Nothing of that server. A log that was begun anew by a copy of the data is silent about what came
	// before: only one that goes back further than g says that g is not there.
	for _, x := range c.state {
		if x.domain == g.domain && x.seq < g.seq {
			return gtid{}, !c.passed(g)
		}
	}
	n, ok := c.applied.seq(g.domain)
	return gtid{}, ok && n < g.seq
}

// passed reports whether replication went past g without leaving a trace in the log, by a filter.
func (c *cut) passed(g gtid) bool {
	return slices.ContainsFunc(c.applied, func(a gtid) bool {
		return a.domain == g.domain && a.server == g.server && a.seq >= g.seq
	})
}

// A former primary counts for numbers up to those that its successors have of it.
type former struct {
	*cut
	vouched gtids
}

// A history is what this process knows of who was the primary and what it had. It is never changed.
type history struct {
	now   *cut     // of the primary; nil: there is none, or it cannot be known
	past  []former // the latest last
	since int64    // ticks; positions from before are of a count that was begun anew
}

// next returns the history after the primary was asked; c is nil when there is none.
func (h *history) next(c *cut) *history {
	if c == h.now {
		return h
	}
	n := &history{now: c, past: h.past, since: h.since}
	if h.now != nil {
		var all gtids
		for _, g := range h.now.state {
			if g.server == h.now.server {
				all = append(all, gtid{g.domain, g.server, math.MaxUint64})
			}
		}
		n.past = append(slices.Clip(n.past), former{h.now, all})
	}
	if c == nil {
		return n.bounded()
	}
	// The latest of the same server is no past.
	if i := len(n.past) - 1; i >= 0 && n.past[i].server == c.server {
		old := n.past[i].cut
		n.past = slices.Clip(n.past[:i])
		if !c.continues(old) {
			return &history{now: c, since: c.asked}
		}
		return n
	}
	// Of two servers that took writes, people may have given up the later one: then what that one had
	// not got is not lost. What c has of p vouches for p, up to there.
	past := n.past
	n.past = nil
	for _, p := range past {
		var vouched gtids
		for _, g := range p.vouched {
			if k, ok := c.number(g.domain, p.server); ok {
				g.seq = min(g.seq, k)
				vouched = append(vouched, g)
			}
		}
		if len(vouched) > 0 {
			n.past = append(n.past, former{p.cut, vouched})
		}
	}
	return n.bounded()
}

// number returns the last number of a server that is in the log, or was replicated last.
func (c *cut) number(domain, server uint32) (n uint64, ok bool) {
	if g, found := c.of(gtid{domain, server, 0}); found {
		n, ok = g.seq, true
	}
	for _, g := range c.applied {
		if g.domain == domain && g.server == server {
			n, ok = max(n, g.seq), true
		}
	}
	return n, ok
}

func (h *history) bounded() *history {
	if n := len(h.past) - maxCuts; n > 0 {
		h.past = slices.Clone(h.past[n:])
	}
	return h
}

// continues reports whether c has all that was in the log of the same server before. It has not after
// RESET MASTER, or when the data were put back to an earlier time.
func (c *cut) continues(old *cut) bool {
	for _, g := range old.state {
		if last, ok := c.of(g); !ok || last.seq < g.seq {
			return false
		}
	}
	return true
}

// lost reports whether g is not part of the history, and the last transaction of its server that is;
// known is when g was there for sure. A primary that was asked later than that and lacks it will not
// get it any more. One that was asked before leaves it open: g may be of its successor.
func (h *history) lost(g gtid, known int64) (last gtid, lost, open bool) {
	if known < h.since {
		return gtid{}, false, false
	}
	for _, p := range h.past {
		if n, ok := p.vouched.seq(g.domain); !ok || g.seq > n || p.asked <= known {
			continue
		}
		if last, lacks := p.lacks(g); lacks {
			return last, true, false
		}
	}
	if h.now == nil {
		return gtid{}, false, false
	}
	last, lacks := h.now.lacks(g)
	return last, lacks && h.now.asked > known, lacks && h.now.asked <= known
}

// Lost returns an error that wraps [ErrWriteLost] when a write of s, or one that its token stood for,
// was lost with the server it was made on, as far as this process can tell; else nil. It asks
// nobody: what it says is as of the last question to the primary. Call it when there was a failover,
// or when something is not found that should be there, and tell the author.
//
// A lost write is not looked for any more: reads of s go on, with all that survived. Lost goes on to
// say so for this session; make a new one for the next attempt.
//
// It does not take a write for lost that is there, unless people went back to a server that had been
// given up for another. It may miss a lost one: when the server that lost it is the primary again,
// and the token came to this process only then, or had a higher number than the primary between has
// reached; when the position of the write is not known; and always where gtid_strict_mode or
// log_slave_updates is off.
func (r *Router) Lost(s *Session) error {
	err, _ := r.examine(s)
	return err
}

// CheckLost is Lost that waits, until ctx ends, for the next answer of the primary if the last one
// leaves it open. Most calls return at once. The error is that of ctx if it ended first.
func (r *Router) CheckLost(ctx context.Context, s *Session) error {
	for r.single == nil {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		err, open := r.examine(s)
		if err != nil || !open {
			return err
		}
		if p := r.view.Load().primary; p != nil {
			p.hurry()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *Router) examine(s *Session) (err error, open bool) {
	if err := s.Lost(); err != nil || r.single != nil {
		return err, false
	}
	h := r.history.Load()
	at, known := s.known()
	for _, g := range at {
		last, lost, maybe := h.lost(g, known)
		if lost {
			return s.lose(g, last), false
		}
		open = open || maybe
	}
	return nil, open
}

// lostError says which write was lost.
func lostError(g, last gtid) error {
	if last == (gtid{}) {
		return fmt.Errorf("%w: the primary has nothing of server %d, which gave it the number %s", ErrWriteLost, g.server, gtids{g}.text(','))
	}
	return fmt.Errorf("%w: it was %s, and the last one of that server that the primary has is %s", ErrWriteLost, gtids{g}.text(','), gtids{last}.text(','))
}
