package replicaproof

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A calm history: two writes to a register, one row, reads of all kinds, and a promotion between.
func calm() (*history, truth) {
	h := newHistory()
	h.writes = []Write{
		{Token: 1, Key: 0, Session: 7, Start: 10, End: 20, Outcome: Acknowledged, Version: 1, First: 1, Last: 1},
		{Token: 2, Key: -1, Start: 11, End: 19, Outcome: Acknowledged, First: 1, Last: 1},
		{Token: 3, Key: 0, Start: 30, End: 40, Outcome: Unknown, First: 1, Last: 2},
		{Token: 4, Key: 0, Start: 31, End: 41, Outcome: Failed, First: 1, Last: 2},
		{Token: 5, Key: -1, Start: 60, End: 70, Outcome: Acknowledged, First: 3, Last: 3},
		{Token: 6, Key: -1, Start: 32, End: 70, Outcome: Unknown, Stray: true},
	}
	h.reads = []Read{
		{Session: 7, Key: -1, Start: 21, End: 22, Own: 1, Found: true},
		{Session: 7, Key: 0, Start: 23, End: 24, Version: 1, Token: 1},
		{Session: 7, Key: 0, Start: 50, End: 51, Version: 2, Token: 3},
		{Key: 0, Start: 52, End: 53, Version: 2, Token: 3},
	}
	h.turns = []Turn{{5, 1, "a"}, {35, 2, ""}, {55, 3, "b"}}
	return h, truth{
		rows:      map[int64]row{1: {0, 1, 1}, 2: {-1, 0, 1}, 3: {0, 2, 1}, 5: {-1, 0, 2}},
		registers: map[int]registerState{0: {2, 3}},
	}
}

func TestCheckFindsEachBrokenRule(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*history, *truth)
		want  []Rule
	}{
		{"nothing is wrong", func(*history, *truth) {}, nil},
		{"an acknowledged row is lost", func(_ *history, s *truth) { delete(s.rows, 2) }, []Rule{KeepsAcknowledged}},
		{"an acknowledged version is lost", func(_ *history, s *truth) { delete(s.rows, 1) }, []Rule{KeepsAcknowledged, OnlyWhatStays}},
		{"a version is another one", func(h *history, _ *truth) { h.writes[0].Version = 2 }, []Rule{KeepsAcknowledged, Monotonic, Linearizable, SessionOrder}},
		{"a failed write is there", func(_ *history, s *truth) { s.rows[4] = row{0, 3, 1}; s.registers[0] = registerState{3, 4} }, []Rule{NothingFromFailed}},
		{"a row comes from nowhere", func(_ *history, s *truth) { s.rows[99] = row{-1, 0, 1} }, []Rule{NothingElse}},
		{"a register lags behind its rows", func(_ *history, s *truth) { s.registers[0] = registerState{1, 1} }, []Rule{KeepsAcknowledged, Linearizable}},
		{"a session misses its write", func(h *history, _ *truth) { h.reads[0].Found = false }, []Rule{Reads}},
		{"a session goes back", func(h *history, _ *truth) {
			h.reads = append(h.reads, Read{Session: 7, Key: 0, Start: 54, End: 55, Version: 1, Token: 1})
		}, []Rule{Monotonic, SessionOrder}},
		{"a session does not see its version", func(h *history, _ *truth) { h.reads[1].Version, h.reads[1].Token = 0, 0 }, []Rule{Monotonic, SessionOrder}},
		{"a read is of what is lost later", func(h *history, s *truth) {
			delete(s.rows, 3)
			s.registers[0] = registerState{1, 1}
		}, []Rule{OnlyWhatStays, Linearizable}},
		{"the primary answers with what is old", func(h *history, _ *truth) { h.reads[3].Start, h.reads[3].Version, h.reads[3].Token = 52, 0, 0 }, []Rule{Linearizable}},
		{"what was seen is not seen any more", func(h *history, _ *truth) {
			h.reads = append(h.reads, Read{Key: 0, Start: 54, End: 55, Version: 1, Token: 1})
		}, []Rule{Linearizable}},
		{"two servers in one generation", func(h *history, _ *truth) { h.writes[4].First, h.writes[4].Last = 1, 1 }, []Rule{Generations}},
		{"the old server acknowledges after the new one", func(h *history, s *truth) {
			h.writes[5].Start, h.writes[5].End, h.writes[5].Outcome = 80, 90, Acknowledged
			s.others = map[int64]row{6: {-1, 0, 1}}
		}, []Rule{KeepsAcknowledged, OneWriter}},
		{"somebody is told of a loss", func(h *history, _ *truth) { h.told = []Told{{7, "lost"}} }, []Rule{NoFalseAlarm}},
		{"somebody is told of a loss that there was", func(h *history, s *truth) {
			h.told = []Told{{7, "lost"}}
			delete(s.rows, 1)
		}, []Rule{KeepsAcknowledged, OnlyWhatStays}},
		{"the generation stays", func(h *history, _ *truth) { h.turns[2].Generation = 2 }, []Rule{Generations}},
		{"the generation falls", func(h *history, _ *truth) { h.turns[2].Generation = 1 }, []Rule{Generations}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, s := calm()
			test.spoil(h, &s)
			var got []Rule
			for _, v := range check(h, s) {
				got = append(got, v.Rule)
			}
			slices.Sort(got)
			slices.Sort(test.want)
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("rules (-want +got):\n%s", d)
			}
		})
	}
}

func TestParseChecksums(t *testing.T) {
	const out = `Checking if all tables can be checksummed ...
Starting checksum ...
            TS ERRORS  DIFFS     ROWS  DIFF_ROWS  CHUNKS SKIPPED    TIME TABLE
11-22T10:00:00      0      0       32          0       1       0   0.016 app.registers
11-22T10:00:01      0      1     2000          1       4       0   0.300 app.tokens
11-22T10:00:01      0      0        1          0       1       0   0.010 other.table
`
	diffs, tables := parseChecksums(out)
	if d := cmp.Diff(map[string]int{"app.registers": 0, "app.tokens": 1}, diffs); d != "" || tables != 2 {
		t.Errorf("%d tables, differences (-want +got):\n%s", tables, d)
	}
}

func TestBound(t *testing.T) {
	for n, want := range map[int]float64{1: 0.95, 20: 0.139, 300: 0.00994} {
		if got := Bound(n); got < want*0.99 || got > want*1.01 {
			t.Errorf("the bound of %d rounds is %g, want %g", n, got, want)
		}
	}
}

func FuzzParseChecksums(f *testing.F) {
	f.Add("11-22T10:00:00 0 0 32 0 1 0 0.016 app.registers\n")
	f.Fuzz(func(t *testing.T, out string) {
		diffs, tables := parseChecksums(out)
		if tables < len(diffs) || tables > strings.Count(out, "\n")+1 {
			t.Errorf("%d tables in %q, differences %v", tables, out, diffs)
		}
	})
}
