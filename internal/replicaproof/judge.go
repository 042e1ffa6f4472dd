package replicaproof

import (
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// judgeTime bounds Porcupine's search for one order; it takes milliseconds.
const judgeTime = time.Minute

// A registerState is what a register holds.
type registerState struct{ version, token int64 }

// An act is the question and the answer of an operation on a register.
type act struct {
	write          bool
	version, token int64
}

// register is a register that counts its writes: whoever writes makes the next version, whoever reads
// gets the last one.
var register = porcupine.Model{
	Init: func() any { return registerState{} },
	Step: func(state, in, _ any) (bool, any) {
		s, a := state.(registerState), in.(act)
		if !a.write {
			return s == registerState{a.version, a.token}, s
		}
		return a.version == s.version+1, registerState{a.version, a.token}
	},
}

// following is what a session sees of a register: never an older version than before, and never an older
// one than it wrote itself.
var following = porcupine.Model{
	Init: func() any { return registerState{} },
	Step: func(state, in, _ any) (bool, any) {
		s, a := state.(registerState), in.(act)
		ok := a.version > s.version || !a.write && s == registerState{a.version, a.token}
		return ok, registerState{a.version, a.token}
	},
}

// strongOperations are, by register, the operations that must look as if one happened after the other:
// all writes, and reads from the primary. A write that nobody knows the outcome of counts if it is among
// rows, and may have happened at any time after its start. The last read is that of the end.
func strongOperations(h *history, rows map[int64]row, last map[int]registerState) map[int][]porcupine.Operation {
	all := make(map[int][]porcupine.Operation)
	add := func(key int, a act, start, end time.Duration) {
		all[key] = append(all[key], porcupine.Operation{Input: a, Call: int64(start), Return: int64(end)})
	}
	for _, w := range h.writes {
		if w.Key < 0 {
			continue
		}
		r, there := rows[w.Token]
		switch {
		case w.Outcome == Acknowledged:
			add(w.Key, act{true, w.Version, w.Token}, w.Start, w.End)
		case there:
			add(w.Key, act{true, r.version, w.Token}, w.Start, math.MaxInt64)
		}
	}
	for _, r := range h.reads {
		if r.Session == 0 && r.Key >= 0 {
			add(r.Key, act{false, r.Version, r.Token}, r.Start, r.End)
		}
	}
	end := h.now()
	for key, s := range last {
		add(key, act{false, s.version, s.token}, end, end+1)
	}
	return all
}

// A sessionKey is one session's view of one register.
type sessionKey struct{ session, key int }

// sessionOperations are, by session and register, what the session wrote for sure and read.
func sessionOperations(h *history) map[sessionKey][]porcupine.Operation {
	all := make(map[sessionKey][]porcupine.Operation)
	add := func(session, key int, a act, start, end time.Duration) {
		k := sessionKey{session, key}
		all[k] = append(all[k], porcupine.Operation{Input: a, Call: int64(start), Return: int64(end)})
	}
	for _, w := range h.writes {
		if w.Session != 0 && w.Key >= 0 && w.Outcome == Acknowledged {
			add(w.Session, w.Key, act{true, w.Version, w.Token}, w.Start, w.End)
		}
	}
	for _, r := range h.reads {
		if r.Session != 0 && r.Key >= 0 {
			add(r.Session, r.Key, act{false, r.Version, r.Token}, r.Start, r.End)
		}
	}
	return all
}

// judge asks Porcupine about every history; what it does not allow is returned.
func judge[K comparable](m porcupine.Model, all map[K][]porcupine.Operation) (illegal, undecided []K) {
	for k, list := range all {
		switch porcupine.CheckOperationsTimeout(m, list, judgeTime) {
		case porcupine.Illegal:
			illegal = append(illegal, k)
		case porcupine.Unknown:
			undecided = append(undecided, k)
		}
	}
	return illegal, undecided
}
