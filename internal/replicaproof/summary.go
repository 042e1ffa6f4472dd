package replicaproof

import (
	"fmt"
	"io"
	"math"
	"time"
)

// A Summary is what a run of the program came to.
type Summary struct {
	Date         time.Time     `json:"date"`
	Commit       string        `json:"commit"`
	Seed         uint64        `json:"seed"`
	Rounds       []*Round      `json:"rounds"`
	Broken       int           `json:"broken"` // rounds with a violation
	Undone       []string      `json:"undone"` // rounds that could not be carried out, and why
	Controls     []*Finding    `json:"controls"`
	Availability *Availability `json:"availability,omitempty"`
	Took         time.Duration `json:"took_ns"`
}

// Bound is the upper bound, with a confidence of 95 %, of the share of rounds that break a rule, when
// none of n did: if more did, then n in a row without would have a chance of less than 5 %.
func Bound(n int) float64 { return 1 - math.Pow(0.05, 1/float64(n)) }

// String is a violation in one sentence.
func (v Violation) String() string {
	return fmt.Sprintf("BROKEN %d times: %s. First: %s.", v.Times, v.Rule, v.First)
}

// Line is a round in one line.
func (r *Round) Line() string {
	promoted := r.Promoted
	if promoted == "" {
		promoted = "nobody"
	}
	fault := string(r.Fault)
	if r.Behind {
		fault += ", behind"
	}
	text := fmt.Sprintf("round %3d  %-25s  %5d acknowledged, %3d unknown (%d had happened), %5d session reads (%d of its own write, %d in the other process); %s promoted, %s is the primary; silence %s, took %s",
		r.Number, fault, r.Acknowledged, r.Unknown, r.Happened, r.SessionReads, r.OwnReads, r.OtherReads, promoted, r.Primary,
		r.Silence.Round(time.Millisecond), r.Took.Round(time.Millisecond))
	for _, v := range r.Violations {
		text += "\n  " + v.String()
	}
	if r.History != "" {
		text += "\n  Everything that happened is in " + r.History
	}
	return text
}

// Line is a control in one line.
func (f *Finding) Line() string {
	verdict := "failed as it must"
	if !f.Found {
		verdict = "DID NOT FAIL"
	}
	return fmt.Sprintf("control %-12s  %s: %s (%s)", f.Control, verdict, f.Text, f.Took.Round(time.Millisecond))
}

// Line is a run in mode available in one line.
func (a *Availability) Line() string {
	text := fmt.Sprintf("mode available: writes stopped for %s at most when the only replica died", a.Silence.Round(time.Millisecond))
	if a.Silence > LongestSilence {
		text += fmt.Sprintf(", MORE THAN %s", LongestSilence)
	}
	if !a.Honest() {
		return text + "; what was acknowledged in one copy was NOT SAID to be"
	}
	return text + "; the guard said: " + a.Said
}

// Good reports whether every promise was kept, and every control failed.
func (s *Summary) Good() bool {
	for _, f := range s.Controls {
		if !f.Found {
			return false
		}
	}
	return s.Broken == 0 && len(s.Undone) == 0 && (s.Availability == nil || s.Availability.Honest() && s.Availability.Silence <= LongestSilence)
}

// Add takes a round in.
func (s *Summary) Add(r *Round) {
	s.Rounds = append(s.Rounds, r)
	if len(r.Violations) > 0 {
		s.Broken++
	}
}

// Write writes the summary for people.
func (s *Summary) Write(w io.Writer) error {
	n := len(s.Rounds)
	acknowledged, unknown, reads := 0, 0, 0
	for _, r := range s.Rounds {
		acknowledged, unknown, reads = acknowledged+r.Acknowledged, unknown+r.Unknown, reads+r.SessionReads
	}
	text := fmt.Sprintf("\n%s, commit %s, seed %d: %d rounds in %s, %d with a broken rule. %d writes were acknowledged, the outcome of %d is unknown; sessions read %d times.\n",
		s.Date.UTC().Format(time.DateOnly), s.Commit, s.Seed, n, s.Took.Round(time.Second), s.Broken, acknowledged, unknown, reads)
	if len(s.Undone) > 0 {
		text += fmt.Sprintf("%d rounds more could not be carried out, and prove nothing.\n", len(s.Undone))
	}
	if n > 0 && s.Broken == 0 {
		text += fmt.Sprintf("With a confidence of 95 %%, fewer than %.2g %% of such rounds break a rule.\n", 100*Bound(n))
	}
	failed := 0
	for _, f := range s.Controls {
		if f.Found {
			failed++
		}
	}
	if len(s.Controls) > 0 {
		text += fmt.Sprintf("%d of %d controls failed as they must.\n", failed, len(s.Controls))
	} else {
		text += "No control was run, so that nothing shows that a broken rule would have been found.\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
