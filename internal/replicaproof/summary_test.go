package replicaproof

import (
	"strings"
	"testing"
	"time"
)

// A good summary, of one round.
func good() *Summary {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	s := &Summary{
		Date: now, Commit: "abc", Seed: 7, Took: time.Minute,
		Controls:     []*Finding{{Control: "blind", Found: true}},
		Availability: &Availability{Silence: 10 * time.Second, OneCopy: now, First: now.Add(time.Second), Said: "one copy"},
	}
	s.Add(&Round{Number: 1, Fault: KillPrimary, Acknowledged: 500, Unknown: 3, SessionReads: 900})
	return s
}

func TestSummaryIsGoodOnlyIfEverythingIs(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Summary)
		says  string // in what is printed
	}{
		{"good", func(*Summary) {}, "fewer than 95 %"},
		{"a broken rule", func(s *Summary) {
			s.Add(&Round{Number: 2, Violations: []Violation{{Reads, 4, "a stale read"}}})
		}, "2 rounds in 1m0s, 1 with a broken rule"},
		{"a round that could not be carried out", func(s *Summary) { s.Undone = []string{"nobody was promoted"} }, "1 rounds more could not be carried out"},
		{"a control that did not fail", func(s *Summary) { s.Controls[0].Found = false }, "0 of 1 controls failed"},
		{"too long a silence", func(s *Summary) { s.Availability.Silence = LongestSilence + 1 }, ""},
		{"one copy, and nobody said so", func(s *Summary) { s.Availability.OneCopy = time.Time{} }, ""},
		{"one copy, and it was said too late", func(s *Summary) { s.Availability.OneCopy = s.Availability.First.Add(1) }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := good()
			test.spoil(s)
			if got, want := s.Good(), test.name == "good"; got != want {
				t.Errorf("Good() = %v, want %v", got, want)
			}
			var text strings.Builder
			if err := s.Write(&text); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text.String(), test.says) {
				t.Errorf("%q is not in what is printed:\n%s", test.says, text.String())
			}
		})
	}
}

func TestLinesNameWhatIsWrong(t *testing.T) {
	r := &Round{Fault: KillPrimary, Behind: true, Violations: []Violation{{KeepsAcknowledged, 2, "token 7"}}, History: "/tmp/x"}
	for text, wants := range map[string][]string{
		r.Line():                            {"kill primary, behind", "nobody promoted", "BROKEN 2 times: " + string(KeepsAcknowledged), "token 7", "/tmp/x"},
		(&Finding{Control: "blind"}).Line(): {"DID NOT FAIL"},
		(&Finding{Control: "blind", Found: true}).Line():    {"failed as it must"},
		(&Availability{Silence: LongestSilence + 1}).Line(): {"MORE THAN 12s", "NOT SAID"},
	} {
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in %q", want, text)
			}
		}
	}
}
