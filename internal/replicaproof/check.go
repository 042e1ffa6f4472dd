package replicaproof

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

// A Rule is one of the promises that are checked.
type Rule string

// The rules.
const (
	KeepsAcknowledged Rule = "what was acknowledged is there"
	NothingFromFailed Rule = "what failed for sure is not there"
	NothingElse       Rule = "nothing is there that nobody wrote"
	Reads             Rule = "a session sees its own writes"
	Monotonic         Rule = "a session never sees an older state than before"
	OnlyWhatStays     Rule = "nobody reads what is not there in the end"
	Linearizable      Rule = "writes and reads from the primary have one order (Porcupine)"
	SessionOrder      Rule = "a session's writes and reads have one order (Porcupine)"
	OneWriter         Rule = "one server acknowledges at a time"
	Generations       Rule = "the generation rises with each primary, and each has one server"
	NoFalseAlarm      Rule = "nobody is told that a write was lost, and it is there"
	MarkersTell       Rule = "a marker tells whether a write of unknown outcome happened"
	EqualCopies       Rule = "all servers have the same"
)

// A Violation is a rule that was broken.
type Violation struct {
	Rule  Rule   `json:"rule"`
	Times int    `json:"times"`
	First string `json:"first"` // the first case, in words
}

// findings collects violations.
type findings struct{ list []Violation }

func (f *findings) add(rule Rule, format string, args ...any) {
	for i := range f.list {
		if f.list[i].Rule == rule {
			f.list[i].Times++
			return
		}
	}
	f.list = append(f.list, Violation{rule, 1, fmt.Sprintf(format, args...)})
}

// broken returns how often a rule was.
func broken(list []Violation, rule Rule) int {
	for _, v := range list {
		if v.Rule == rule {
			return v.Times
		}
	}
	return 0
}

// A row is one token on a server.
type row struct {
	key     int // -1: none
	version int64
	server  int
}

// A truth is what servers have in the end.
type truth struct {
	rows      map[int64]row // of the primary
	registers map[int]registerState
	others    map[int64]row // of a server that was the primary and has parted from the rest
}

// check compares a history, which is complete, with the truth.
func check(h *history, t truth) []Violation {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := &findings{}
	f.writes(h, t)
	f.reads(h, t)
	f.order(h, t)
	f.servers(h, t)
	f.turns(h)
	f.alarms(h, t)
	return f.list
}

func (f *findings) writes(h *history, t truth) {
	known := make(map[int64]bool, len(h.writes))
	for _, w := range h.writes {
		known[w.Token] = true
		r, there := t.rows[w.Token]
		switch {
		case w.Outcome == Acknowledged && !there:
			f.add(KeepsAcknowledged, "token %d, acknowledged at %s, is not there", w.Token, w.End)
		case w.Outcome == Failed && there:
			f.add(NothingFromFailed, "token %d failed with %q at %s, and is there", w.Token, w.Error, w.End)
		case there && r.key != w.Key, w.Outcome == Acknowledged && there && r.version != w.Version:
			f.add(KeepsAcknowledged, "token %d was written to register %d as version %d, and is in %d as %d", w.Token, w.Key, w.Version, r.key, r.version)
		}
	}
	latest := make(map[int]registerState)
	written := make(map[int]int64) // how many versions a register has
	for token, r := range t.rows {
		if !known[token] {
			f.add(NothingElse, "token %d is there, and nobody wrote it", token)
		}
		if r.key < 0 {
			continue
		}
		written[r.key]++
		if r.version > latest[r.key].version {
			latest[r.key] = registerState{r.version, token}
		}
	}
	for key, s := range t.registers {
		if s != latest[key] || s.version != written[key] {
			f.add(KeepsAcknowledged, "register %d has version %d by token %d, and there are %d versions, the last is %d by token %d", key, s.version, s.token, written[key], latest[key].version, latest[key].token)
		}
	}
}

func (f *findings) reads(h *history, t truth) {
	last := make(map[sessionKey]int64)
	// Reads and writes of one session come one after the other.
	type step struct {
		at      time.Duration
		session sessionKey
		version int64
		read    bool
	}
	var steps []step
	for _, w := range h.writes {
		if w.Session != 0 && w.Key >= 0 && w.Outcome == Acknowledged {
			steps = append(steps, step{w.Start, sessionKey{w.Session, w.Key}, w.Version, false})
		}
	}
	for _, r := range h.reads {
		if r.Own != 0 {
			if !r.Found {
				f.add(Reads, "session %d (in another process: %v), at %q, did not see its token %d at %s on server %d", r.Session, r.Other, r.At, r.Own, r.Start, r.Server)
			}
			continue
		}
		if r.Version != 0 && t.rows[r.Token] != (row{r.Key, r.Version, t.rows[r.Token].server}) {
			f.add(OnlyWhatStays, "version %d of register %d, by token %d, was read at %s", r.Version, r.Key, r.Token, r.Start)
		}
		if r.Session != 0 {
			steps = append(steps, step{r.Start, sessionKey{r.Session, r.Key}, r.Version, true})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	for _, s := range steps {
		if s.read && s.version < last[s.session] {
			f.add(Monotonic, "session %d saw version %d of register %d at %s, after %d", s.session.session, s.version, s.session.key, s.at, last[s.session])
		}
		last[s.session] = max(last[s.session], s.version)
	}
}

func (f *findings) order(h *history, t truth) {
	illegal, undecided := judge(register, strongOperations(h, t.rows, t.registers))
	for _, key := range illegal {
		f.add(Linearizable, "there is no order of all operations on register %d that explains their answers", key)
	}
	for _, key := range undecided {
		f.add(Linearizable, "no order of all operations on register %d was found in %s", key, judgeTime)
	}
	wrong, open := judge(following, sessionOperations(h))
	for _, k := range append(wrong, open...) {
		f.add(SessionOrder, "session %d saw register %d out of order", k.session, k.key)
	}
}

// servers looks who acknowledged what, and when.
func (f *findings) servers(h *history, t truth) {
	by := make(map[uint64]int)            // generation: server
	first := make(map[int]time.Duration)  // server: end of its first acknowledgement
	newest := make(map[int]time.Duration) // server: start of the last write that it acknowledged
	for _, w := range h.writes {
		if w.Outcome != Acknowledged {
			continue
		}
		r, there := t.rows[w.Token]
		if !there {
			if r, there = t.others[w.Token]; !there {
				continue // lost without a trace, which is said elsewhere
			}
		}
		if w.First == w.Last && w.First != 0 {
			if s, ok := by[w.First]; ok && s != r.server {
				f.add(Generations, "in generation %d, servers %d and %d acknowledged", w.First, s, r.server)
			}
			by[w.First] = r.server
		}
		if e, ok := first[r.server]; !ok || w.End < e {
			first[r.server] = w.End
		}
		newest[r.server] = max(newest[r.server], w.Start)
	}
	for a := range first {
		for b := range first {
			if a == b || first[a] > first[b] {
				continue
			}
			// b came after a: what a acknowledges must have been sent before.
			if newest[a] > first[b] {
				f.add(OneWriter, "server %d acknowledged what was sent at %s, after server %d had acknowledged at %s", a, newest[a], b, first[b])
			}
		}
	}
}

func (f *findings) turns(h *history) {
	for i, t := range h.turns[min(1, len(h.turns)):] {
		if was := h.turns[i]; t.Generation < was.Generation || t.Primary != was.Primary && t.Generation == was.Generation {
			f.add(Generations, "generation %d with primary %q came after %d with %q", t.Generation, t.Primary, was.Generation, was.Primary)
		}
	}
}

// alarms looks whether somebody was told of a lost write, and none was lost.
func (f *findings) alarms(h *history, t truth) {
	lost := make(map[int]bool)
	for _, w := range h.writes {
		if _, there := t.rows[w.Token]; w.Outcome == Acknowledged && !there {
			lost[w.Session] = true
		}
	}
	for _, x := range h.told {
		if !lost[x.Session] {
			f.add(NoFalseAlarm, "session %d was told %q, and has lost nothing", x.Session, x.Error)
		}
	}
}

// markers finds out by markers what became of writes, and compares that with the truth.
func (f *findings) markers(ctx context.Context, router *replica.Router, h *history, t truth) error {
	for _, w := range h.writes {
		if w.Marker == "" {
			continue
		}
		happened, err := router.Resolve(ctx, w.Marker)
		if err != nil {
			return err
		}
		if _, there := t.rows[w.Token]; there != happened {
			f.add(MarkersTell, "token %d is there: %v; its marker says %v", w.Token, there, happened)
		}
	}
	return nil
}

// copies compares tables on all servers.
func (f *findings) copies(c cluster) error {
	for _, table := range c.tables() {
		var sums []string
		for _, s := range c {
			sums = append(sums, s.Checksum(table))
			if err := s.did(); err != nil {
				return err
			}
		}
		if len(slices.Compact(slices.Clone(sums))) != 1 {
			f.add(EqualCopies, "CHECKSUM TABLE %s gives %q", table, sums)
		}
	}
	return nil
}
