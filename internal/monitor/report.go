package monitor

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Report is what is known about an installation at one time.
type Report struct {
	At      time.Time `json:"at"`
	Level   Level     `json:"level"`   // of the worst result; ok where there are none
	Results []Result  `json:"results"` // the worst first; equals in the order of the checks
}

// Ranked makes a report of results, such as those of a doctor's checks. It sorts a copy of them.
func Ranked(at time.Time, results ...Result) Report {
	r := Report{At: at, Level: OK, Results: make([]Result, 0, len(results))}
	for _, one := range results {
		one.Name, one.Finding = clean(one.Name), one.cleaned()
		r.Results = append(r.Results, one)
	}
	slices.SortStableFunc(r.Results, func(a, b Result) int {
		if d := b.Level.rank() - a.Level.rank(); d != 0 {
			return d
		}
		// What casts doubt on the rest comes before it.
		return boolRank(b.Name == cutOffName) - boolRank(a.Name == cutOffName)
	})
	if len(r.Results) > 0 {
		r.Level = r.Results[0].Level
	}
	return r
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Exit statuses of [Report.ExitCode].
const (
	ExitFine    = 0 // nothing to do
	ExitWrong   = 1 // something is wrong, or will be
	ExitUnknown = 4 // nothing is known to be wrong, but not everything could be found out
)

// ExitCode returns the exit status of a command that prints the report. When this machine may be cut
// off, what it says about others is not known, so the status is ExitUnknown.
func (r Report) ExitCode() int {
	code := ExitFine
	for _, one := range r.Results {
		switch {
		case one.Name == cutOffName && one.Level == Bad:
			return ExitUnknown
		case one.Level == Bad, one.Level == Warn:
			code = ExitWrong
		case one.Level == Unknown && code == ExitFine:
			code = ExitUnknown
		}
	}
	return code
}

// Count returns how many results have the level l.
func (r Report) Count(l Level) int {
	n := 0
	for _, one := range r.Results {
		if one.Level == l {
			n++
		}
	}
	return n
}

// Headline is one line about all results.
func (r Report) Headline() string {
	if r.Count(OK) == len(r.Results) {
		return fmt.Sprintf("All is well: %d of %d checks are ok.", len(r.Results), len(r.Results))
	}
	var parts []string
	for _, l := range []Level{Bad, Unknown, Warn, OK} {
		if n := r.Count(l); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, l))
		}
	}
	return strings.Join(parts, ", ") + "."
}

// TextOptions say how [Report.Text] writes.
type TextOptions struct {
	// Color marks the levels with colours, for a terminal. They are words either way.
	Color bool
	// Detail writes the details of results that are not ok, too.
	Detail bool
}

var colors = map[Level]string{OK: "\x1b[32m", Warn: "\x1b[33m", Bad: "\x1b[1;31m", Unknown: "\x1b[35m"}

// Text writes the report for a person, in columns, with the next step of each result below it. nil
// options are good. The error is that of w.
func (r Report) Text(w io.Writer, o *TextOptions) error {
	if o == nil {
		o = &TextOptions{}
	}
	const level = 7 // of "unknown"
	name := 0
	for _, one := range r.Results {
		name = max(name, utf8.RuneCountInString(one.Name))
	}
	name = min(name, 28)
	indent := strings.Repeat(" ", level+2+name+2)
	b := bufio.NewWriter(w)
	for _, one := range r.Results {
		word := strings.ToUpper(one.Level.String())
		pad := strings.Repeat(" ", level-len(word))
		if o.Color {
			word = colors[one.Level] + word + "\x1b[0m"
		}
		since := ""
		if one.Level != OK && !one.Since.IsZero() {
			since = " (for " + span(r.At.Sub(one.Since)) + ")"
		}
		fmt.Fprintf(b, "%s%s  %-*s  %s%s\n", word, pad, name, one.Name, one.Summary, since)
		if one.Level == OK {
			continue
		}
		if o.Detail {
			for _, p := range one.Detail {
				fmt.Fprintf(b, "%s%s: %s\n", indent, p.Key, p.Value)
			}
		}
		if one.Next != "" {
			fmt.Fprintf(b, "%s→ %s\n", indent, one.Next)
		}
	}
	fmt.Fprintf(b, "%s\n", r.Headline())
	return b.Flush() // a bufio.Writer keeps its first error
}

// span is a length of time as people say it.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int64(d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int64(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int64(d/time.Hour))
	}
	return fmt.Sprintf("%d days", int64(d/(24*time.Hour)))
}
