package load

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// A Report is what came of a load, so far or in all.
type Report struct {
	Began   time.Time `json:"began"` // zero: it has not begun
	Ended   time.Time `json:"ended"` // zero: it runs
	Steps   []Step    `json:"steps"`
	Acked   int       `json:"acked"`   // imports acknowledged, the first activities included
	Waiting int       `json:"waiting"` // imports that are still to be sent again
}

// A Step is what came of one step. A request belongs to the step in which it was scheduled, whenever
// its answer comes.
type Step struct {
	Name   string        `json:"name"`
	Began  time.Time     `json:"began"`
	Length time.Duration `json:"length_ns"`
	Kinds  []Count       `json:"kinds"` // of the kinds whose rate is above 0
}

// A Count is what came of the requests of one kind in one step. Sent is the sum of OK, Refused,
// Unknown, Failed, Wrong and InFlight.
type Count struct {
	Kind     Kind  `json:"kind"`
	Sent     int64 `json:"sent"` // scheduled, also those for which there was no room
	OK       int64 `json:"ok"`   // good answers, Behind included
	Behind   int64 `json:"behind"`
	Refused  int64 `json:"refused"`
	Unknown  int64 `json:"unknown"`
	Failed   int64 `json:"failed"`
	Wrong    int64 `json:"wrong"`
	InFlight int64 `json:"in_flight"` // not answered yet

	// P50 and P99 are of good answers, from the time they were scheduled to their last byte, and up
	// to a sixteenth too long.
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
	// LongestGap is the longest time between two successive good answers of the kind (for imports:
	// good or refused ones), by when they arrived. The start of the load counts as one. A gap that
	// spans a mark counts for the step before up to the mark, and for the step in which it ends, or
	// that is the last, in full. Without trouble it is the time between two requests.
	LongestGap time.Duration `json:"longest_gap_ns"`
	// LongestPause is, for imports, the longest time between two successive acknowledgements,
	// counted in the same way.
	LongestPause time.Duration `json:"longest_pause_ns"`

	FailedExamples []Example `json:"failed_examples,omitempty"` // the first few that failed or are unknown
	WrongExamples  []Example `json:"wrong_examples,omitempty"`  // the first few
}

// An Example is one request that failed or was answered wrong.
type Example struct {
	At     time.Time `json:"at"`
	Asked  string    `json:"asked"`  // method and path
	Status int       `json:"status"` // of HTTP; 0: there was no answer
	Text   string    `json:"text"`   // what happened
}

// Report returns how the load stands. It may be called at any time.
func (l *Load) Report() Report {
	r := l.tally.report(time.Now())
	r.Acked = len(l.model.imports())
	r.Waiting = l.queue.len()
	return r
}

func (t *tally) report(now time.Time) Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := Report{Ended: t.end}
	if !t.end.IsZero() {
		now = t.end
	} else {
		t.open(now)
	}
	for i, s := range t.steps {
		end := now
		if i+1 < len(t.steps) {
			end = t.steps[i+1].began
		}
		if i == 0 {
			r.Began = s.began
		}
		step := Step{Name: s.name, Began: s.began, Length: end.Sub(s.began)}
		for k := range s.cells {
			if t.used[k] {
				step.Kinds = append(step.Kinds, s.cells[k].count())
			}
		}
		r.Steps = append(r.Steps, step)
	}
	return r
}

func (c *cell) count() Count {
	n := Count{
		Kind: c.kind, Sent: c.sent, OK: c.classes[classOK] + c.classes[classBehind], Behind: c.classes[classBehind],
		Refused: c.classes[classRefused], Unknown: c.classes[classUnknown], Failed: c.classes[classFailed], Wrong: c.classes[classWrong],
		P50: c.took.quantile(0.5), P99: c.took.quantile(0.99), LongestGap: c.gap, LongestPause: c.pause,
		FailedExamples: append([]Example(nil), c.failed...), WrongExamples: append([]Example(nil), c.wrong...),
	}
	if c.kind != KindImport {
		n.LongestPause = 0
	}
	n.InFlight = n.Sent - n.OK - n.Refused - n.Unknown - n.Failed - n.Wrong
	return n
}

// Total returns the sum of all steps of one kind: its quantiles are the longest of any step. Steps
// without it give zero.
func (r Report) Total(k Kind) Count {
	total := Count{Kind: k}
	for _, s := range r.Steps {
		for _, c := range s.Kinds {
			if c.Kind != k {
				continue
			}
			total.Sent += c.Sent
			total.OK += c.OK
			total.Behind += c.Behind
			total.Refused += c.Refused
			total.Unknown += c.Unknown
			total.Failed += c.Failed
			total.Wrong += c.Wrong
			total.InFlight += c.InFlight
			total.P50 = max(total.P50, c.P50)
			total.P99 = max(total.P99, c.P99)
			total.LongestGap = max(total.LongestGap, c.LongestGap)
			total.LongestPause = max(total.LongestPause, c.LongestPause)
			total.FailedExamples = append(total.FailedExamples, c.FailedExamples...)
			total.WrongExamples = append(total.WrongExamples, c.WrongExamples...)
		}
	}
	return total
}

// String returns the report as a table, with the examples below it.
func (r Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	write := func(format string, args ...any) {
		// A strings.Builder takes everything.
		_, _ = fmt.Fprintf(w, format, args...)
	}
	write("step\tkind\tsent\tok\tbehind\trefused\tunknown\tfailed\twrong\tp50\tp99\tlongest gap\tpause\t\n")
	for _, s := range r.Steps {
		name := s.Name
		for _, c := range s.Kinds {
			pause := ""
			if c.Kind == KindImport {
				pause = short(c.LongestPause)
			}
			write("%s\t%v\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t\n", name, c.Kind, c.Sent, c.OK, c.Behind, c.Refused, c.Unknown, c.Failed, c.Wrong,
				short(c.P50), short(c.P99), short(c.LongestGap), pause)
			name = ""
		}
	}
	_ = w.Flush() // as above
	fmt.Fprintf(&b, "%d imports acknowledged, %d still to be sent again\n", r.Acked, r.Waiting)
	for _, s := range r.Steps {
		for _, c := range s.Kinds {
			for _, list := range []struct {
				what string
				of   []Example
			}{{"WRONG", c.WrongExamples}, {"failed", c.FailedExamples}} {
				for _, e := range list.of {
					fmt.Fprintf(&b, "%s in %q at %s: %s, status %d: %s\n", list.what, s.Name, e.At.Format("15:04:05.000"), e.Asked, e.Status, e.Text)
				}
			}
		}
	}
	return b.String()
}

// short writes a duration in milliseconds.
func short(d time.Duration) string {
	return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
}
