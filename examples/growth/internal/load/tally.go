package load

import (
	"math/bits"
	"sync"
	"time"
)

// MaxSteps bounds the steps of a report. Marks beyond it are not made: the last step goes on.
const MaxSteps = 256

// Bounds of the examples kept of each kind of request in each step.
const (
	failedExamples = 5
	wrongExamples  = 10
)

// A histogram counts durations in buckets that are at most a sixteenth wide of what they hold.
type histogram struct {
	counts [16 * 28]int64
	total  int64
}

// bucket returns where d is counted; the last bucket also holds everything beyond it.
func bucket(d time.Duration) int {
	us := uint64(max(0, d.Microseconds()))
	if us < 16 {
		return int(us)
	}
	shift := bits.Len64(us) - 5
	return min(16*(shift+1)+int(us>>shift)-16, len(histogram{}.counts)-1)
}

// upper returns the longest duration that belongs to bucket i.
func upper(i int) time.Duration {
	if i < 16 {
		return time.Duration(i+1)*time.Microsecond - 1
	}
	shift := i/16 - 1
	return time.Duration((uint64(16+i%16)+1)<<shift)*time.Microsecond - 1
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
}

// quantile returns a duration that the part q of all is at most; 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := min(int64(q*float64(h.total))+1, h.total)
	var seen int64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return upper(i)
		}
	}
	return upper(len(h.counts) - 1)
}

// A cell counts the requests of one kind in one step.
type cell struct {
	kind    Kind
	sent    int64
	classes [classes]int64 // ok does not include behind here
	took    histogram      // of good answers
	gap     time.Duration
	pause   time.Duration
	failed  []Example
	wrong   []Example
}

type step struct {
	name  string
	began time.Time
	cells [kinds]cell
}

// A tally counts. All methods may be called concurrently.
type tally struct {
	mu    sync.Mutex
	used  [kinds]bool
	first string // name of the first step
	steps []*step
	good  [kinds]time.Time // when the last good answer of a kind came
	acked time.Time        // when the last acknowledgement came
	end   time.Time        // zero: the load runs
}

func newTally(rates Rates) *tally {
	t := &tally{first: "start"}
	for k, rate := range rates.list() {
		t.used[k] = rate > 0
	}
	return t
}

// begin starts the first step.
func (t *tally) begin(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.good {
		t.good[k] = now
	}
	t.acked = now
	t.add(t.first, now)
}

func (t *tally) add(name string, now time.Time) {
	s := &step{name: name, began: now}
	for k := range s.cells {
		s.cells[k].kind = Kind(k)
	}
	t.steps = append(t.steps, s)
}

// mark starts the next step; false: there are too many.
func (t *tally) mark(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.steps) == 0:
		t.first = name
		return true
	case len(t.steps) >= MaxSteps:
		return false
	}
	now := time.Now()
	t.open(now)
	t.add(name, now)
	return true
}

// open counts the gaps that are open now for the last step.
func (t *tally) open(now time.Time) {
	if len(t.steps) == 0 {
		return
	}
	last := t.steps[len(t.steps)-1]
	for k := range last.cells {
		last.cells[k].gap = max(last.cells[k].gap, now.Sub(t.good[k]))
	}
	last.cells[KindImport].pause = max(last.cells[KindImport].pause, now.Sub(t.acked))
}

// finish ends the last step.
func (t *tally) finish(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open(now)
	t.end = now
}

// send counts a request as sent and returns where its outcome goes.
func (t *tally) send(k Kind) *cell {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &t.steps[len(t.steps)-1].cells[k]
	c.sent++
	return c
}

// done counts the outcome of a request that was scheduled for a time.
func (t *tally) done(c *cell, scheduled time.Time, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	c.classes[o.class]++
	switch o.class {
	case classOK, classBehind:
		c.took.add(now.Sub(scheduled))
		t.good[c.kind] = t.closed(c.kind, now, t.good[c.kind], func(c *cell) *time.Duration { return &c.gap })
		if c.kind == KindImport {
			t.acked = t.closed(c.kind, now, t.acked, func(c *cell) *time.Duration { return &c.pause })
		}
	case classRefused:
		t.good[c.kind] = t.closed(c.kind, now, t.good[c.kind], func(c *cell) *time.Duration { return &c.gap })
	case classWrong:
		keep(&c.wrong, wrongExamples, now, o)
	case classFailed, classUnknown:
		keep(&c.failed, failedExamples, now, o)
	}
}

// closed counts the gap that began at last and ends now, in the step that runs, and returns when
// the next one begins.
func (t *tally) closed(k Kind, now, last time.Time, of func(*cell) *time.Duration) time.Time {
	if !t.end.IsZero() {
		return last // after the end, answers come in but nothing is sent
	}
	longest := of(&t.steps[len(t.steps)-1].cells[k])
	*longest = max(*longest, now.Sub(last))
	return now
}

func keep(list *[]Example, most int, now time.Time, o outcome) {
	if len(*list) < most {
		*list = append(*list, Example{At: now, Asked: o.asked, Status: o.status, Text: o.text})
	}
}
