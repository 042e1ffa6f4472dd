package monitor

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Finding is what one run of a check found out. The monitor cuts its texts to a length.
type Finding struct {
	Level Level `json:"level"`
	// Summary is a sentence for a person. The same state should give the same sentence: what changes
	// all the time, such as a duration, belongs into Detail.
	Summary string `json:"summary"`
	// Next is the next command, or what to do; "" where there is nothing to do.
	Next string `json:"next,omitempty"`
	// Detail has further facts in the order in which they are to be read; at most 64 are kept.
	Detail []Pair `json:"detail,omitempty"`
	// NoAnswer tells that nothing came back from the other machine at all: neither a good answer nor
	// a bad one. When all remote checks say so, the fault may be here.
	NoAnswer bool `json:"no_answer,omitempty"`
}

// A Pair is one fact of a finding.
type Pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// A Result is a finding with the name of its check and its times.
type Result struct {
	Name string `json:"name"`
	Finding
	// Since is when the level became what it is; zero where nobody kept watch, as in a single round.
	Since time.Time `json:"since,omitzero"`
	// Checked is when the check ended last; zero: it did not yet.
	Checked time.Time `json:"checked,omitzero"`
	// Suspect tells that the last probe found worse than Level, but not often enough to say so.
	Suspect bool `json:"suspect,omitempty"`
}

// Bounds of the texts of a finding: they may come from another machine.
const (
	maxText   = 600 // bytes of a summary, a next step or a value
	maxDetail = 64
)

// clean makes s fit for a line of a log, a terminal and a page: one line, no control characters, no
// characters that turn the direction of writing, a bounded length.
func clean(s string) string {
	const more = " …"
	cut := len(s) > 4*maxText
	if cut {
		s = s[:4*maxText]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r', unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxText || cut {
		n := min(len(s), maxText-len(more))
		for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		s = strings.TrimRight(s[:n], " ") + more
	}
	return s
}

// cleaned returns f with all its texts cleaned. The caller's Detail is not touched.
func (f Finding) cleaned() Finding {
	f.Summary, f.Next = clean(f.Summary), clean(f.Next)
	if int(f.Level) >= len(levelNames) {
		f.Level = Unknown
	}
	if f.Summary == "" {
		f.Summary = "The check says nothing."
	}
	list := f.Detail[:min(len(f.Detail), maxDetail)]
	f.Detail = nil
	for _, p := range list {
		f.Detail = append(f.Detail, Pair{clean(p.Key), clean(p.Value)})
	}
	return f
}

// pair makes a Pair with a formatted value.
func pair(key, format string, args ...any) Pair { return Pair{key, fmt.Sprintf(format, args...)} }

// worst makes one finding of several about the same matter: the worst is the summary, the others
// stand in the details. Without any it is good.
func worst(fine string, list []Finding, detail ...Pair) Finding {
	if len(list) == 0 {
		return Finding{Level: OK, Summary: fine, Detail: detail}
	}
	first := 0
	for i, f := range list {
		if f.Level.rank() > list[first].Level.rank() {
			first = i
		}
	}
	out := list[first]
	var also []Pair
	for i, f := range list {
		if i != first {
			also = append(also, Pair{"also", f.Summary})
		}
	}
	out.Detail = append(append(also, out.Detail...), detail...)
	return out
}

// sinceText says since when, in the words of a sentence; "" when that is not known.
func sinceText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + t.UTC().Format("2006-01-02 15:04:05 UTC")
}
