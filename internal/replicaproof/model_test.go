package replicaproof

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Any history that a single server made, one operation after the other, is found well, however late
// its clients heard of it; and one in which an old state is read is not.
func TestOneServerIsLinearizable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory()
		s := truth{rows: make(map[int64]row), registers: make(map[int]registerState)}
		now := time.Duration(1)
		var reads []int
		for i := range rapid.IntRange(2, 60).Draw(t, "operations") {
			key := rapid.IntRange(0, 2).Draw(t, "key")
			start := now - time.Duration(rapid.IntRange(0, 1).Draw(t, "early"))*min(now, 3)
			now += 2
			end := now + time.Duration(rapid.IntRange(0, 5).Draw(t, "late"))
			at := s.registers[key]
			if rapid.Bool().Draw(t, "write") {
				at = registerState{at.version + 1, int64(i + 1)}
				s.registers[key] = at
				s.rows[at.token] = row{key, at.version, 1}
				w := Write{Token: at.token, Key: key, Start: start, End: end, Outcome: Acknowledged, Version: at.version, First: 1, Last: 1}
				if rapid.IntRange(0, 3).Draw(t, "unknown") == 0 {
					w.Outcome, w.Version = Unknown, 0
				}
				h.writes = append(h.writes, w)
				continue
			}
			h.reads = append(h.reads, Read{Key: key, Start: start, End: end, Version: at.version, Token: at.token})
			if at.version > 0 {
				reads = append(reads, len(h.reads)-1)
			}
		}
		h.begin = time.Now().Add(-time.Hour) // the end is after all of it
		if list := check(h, s); len(list) > 0 {
			t.Fatalf("a good history is found bad: %+v; %+v", list, h)
		}
		if len(reads) == 0 {
			return
		}
		// The same, long after, with an answer from the beginning.
		r := h.reads[reads[rapid.IntRange(0, len(reads)-1).Draw(t, "stale")]]
		acknowledged := false
		for _, w := range h.writes {
			acknowledged = acknowledged || w.Key == r.Key && w.Outcome == Acknowledged
		}
		h.reads = append(h.reads, Read{Key: r.Key, Start: time.Minute, End: time.Minute + 1})
		if list := check(h, s); acknowledged && broken(list, Linearizable) == 0 {
			t.Fatalf("a stale read is not found: %+v", h)
		}
	})
}
