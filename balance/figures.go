package balance

import (
	"encoding/json"
	"math/bits"
	"sync/atomic"
	"time"
)

// Classes are the classes of final answers: none at all, 1xx (upgraded connections) to 5xx.
const classes = 6

var classNames = [classes]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

func classOf(status int) int {
	if status < 100 || status > 599 {
		return 0
	}
	return status / 100
}

// Answers counts by class of status: [0] those without any, [1] 1xx to [5] 5xx.
type Answers [classes]uint64

// MarshalJSON names the classes.
func (a Answers) MarshalJSON() ([]byte, error) { return byName(classNames[:], a[:]) }

// UnmarshalJSON reads what MarshalJSON has written; it passes over names it does not know.
func (a *Answers) UnmarshalJSON(text []byte) error { return fromNames(text, classNames[:], a[:]) }

// EndCounts counts by [End].
type EndCounts [ends]uint64

// MarshalJSON names the ends.
func (e EndCounts) MarshalJSON() ([]byte, error) { return byName(endNames[:], e[:]) }

// UnmarshalJSON reads what MarshalJSON has written; it passes over names it does not know.
func (e *EndCounts) UnmarshalJSON(text []byte) error { return fromNames(text, endNames[:], e[:]) }

func byName(names []string, counts []uint64) ([]byte, error) {
	m := make(map[string]uint64, len(names))
	for i, name := range names {
		m[name] = counts[i]
	}
	return json.Marshal(m)
}

func fromNames(text []byte, names []string, counts []uint64) error {
	var m map[string]uint64
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	for i, name := range names {
		counts[i] = m[name]
	}
	return nil
}

// answers is what makes Answers.
type answers [classes]atomic.Uint64

func (a *answers) add(status int) { a[classOf(status)].Add(1) }

func (a *answers) load() (s Answers) {
	for i := range a {
		s[i] = a[i].Load()
	}
	return s
}

// Buckets of histograms: eight to each power of two microseconds, so a bound is at most an eighth above
// what is in the bucket; the last is for all above 2^32 µs, more than an hour.
const (
	stepBits = 3
	maxBits  = 32
	buckets  = (maxBits-stepBits)<<stepBits + 1<<stepBits + 1
)

func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0)) / 1000
	n := bits.Len64(us)
	if n > maxBits {
		return buckets - 1
	}
	if n <= stepBits {
		return int(us)
	}
	shift := n - stepBits - 1
	return (shift+1)<<stepBits + int(us>>shift)&(1<<stepBits-1)
}

// bucketEnd is what all in the bucket are below.
func bucketEnd(i int) time.Duration {
	if i < 1<<stepBits {
		return time.Duration(i+1) * time.Microsecond
	}
	shift := i>>stepBits - 1
	return time.Duration(i&(1<<stepBits-1)+1<<stepBits+1) << shift * time.Microsecond
}

// A histogram counts durations.
type histogram struct {
	sum     atomic.Int64
	longest atomic.Int64
	counts  [buckets]atomic.Uint64
}

func (h *histogram) add(d time.Duration) {
	h.sum.Add(int64(d))
	h.counts[bucketOf(d)].Add(1)
	for old := h.longest.Load(); int64(d) > old && !h.longest.CompareAndSwap(old, int64(d)); {
		old = h.longest.Load()
	}
}

// figures are counted at the end of each request.
type figures struct {
	ends  [ends]atomic.Uint64
	total [classes]histogram
	first [classes]histogram
	queue [classes]histogram

	answers   answers
	sent, got atomic.Int64
}

func (f *figures) add(r *Record) {
	f.ends[r.End].Add(1)
	f.sent.Add(r.Sent)
	f.got.Add(r.Received)
	class := classOf(r.Status)
	f.answers[class].Add(1)
	f.total[class].add(r.Total)
	if class > 0 {
		f.first[class].add(r.FirstByte)
	}
	if r.Queue > 0 {
		f.queue[class].add(r.Queue)
	}
}

func (f *figures) endCounts() (c EndCounts) {
	for i := range f.ends {
		c[i] = f.ends[i].Load()
	}
	return c
}

// Timings tell how long requests of [Balancer.ServeHTTP] have taken since [New], by class of status: [0] without
// any, [1] 1xx to [5] 5xx.
type Timings struct {
	// Total is the time until the end, FirstByte that until the header of the answer went to the client.
	Total, FirstByte [classes]Histogram
	// Queue is how long those have waited for a backend that had to.
	Queue [classes]Histogram
}

// MarshalJSON names the classes, and leaves out those that nothing is known of.
func (t Timings) MarshalJSON() ([]byte, error) {
	all := make(map[string]map[string]Histogram, 3)
	for _, s := range []struct {
		name string
		of   *[classes]Histogram
	}{{"total", &t.Total}, {"first_byte", &t.FirstByte}, {"queue", &t.Queue}} {
		m := make(map[string]Histogram)
		for i, h := range s.of {
			if h.Count > 0 {
				m[classNames[i]] = h
			}
		}
		all[s.name] = m
	}
	return json.Marshal(all)
}

// A Histogram is how often durations have happened.
type Histogram struct {
	Count uint64
	Sum   time.Duration
	Max   time.Duration
	// Buckets are those with something in them, in order.
	Buckets []Bucket
}

// A Bucket of a [Histogram] counts durations that are shorter than Below, and not than Below of the bucket before. It is at
// most an eighth longer than what is in it, or a microsecond; what is longer than an hour is all in one.
type Bucket struct {
	Below time.Duration
	Count uint64
}

// Quantile returns what the share q (0 to 1) of the durations is not above, at most an eighth or a
// microsecond too much; 0 if there are none.
func (h Histogram) Quantile(q float64) time.Duration {
	seen := uint64(0)
	for _, b := range h.Buckets {
		if seen += b.Count; float64(seen) >= q*float64(h.Count) {
			return min(b.Below, h.Max)
		}
	}
	return h.Max
}

// MarshalJSON writes count, sum, some quantiles and the longest, in nanoseconds.
func (h Histogram) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Count uint64        `json:"count"`
		Sum   time.Duration `json:"sum_ns"`
		P50   time.Duration `json:"p50_ns"`
		P90   time.Duration `json:"p90_ns"`
		P99   time.Duration `json:"p99_ns"`
		Max   time.Duration `json:"max_ns"`
	}{h.Count, h.Sum, h.Quantile(0.5), h.Quantile(0.9), h.Quantile(0.99), h.Max})
}

func (h *histogram) snapshot() Histogram {
	s := Histogram{Sum: time.Duration(h.sum.Load()), Max: time.Duration(h.longest.Load())}
	for i := range h.counts {
		if n := h.counts[i].Load(); n > 0 {
			s.Count += n
			s.Buckets = append(s.Buckets, Bucket{bucketEnd(i), n})
		}
	}
	return s
}

// Timings returns them as they are now; those of requests that end meanwhile may be half in it.
func (b *Balancer) Timings() Timings {
	var t Timings
	for i := range classes {
		t.Total[i], t.FirstByte[i], t.Queue[i] = b.figures.total[i].snapshot(), b.figures.first[i].snapshot(), b.figures.queue[i].snapshot()
	}
	return t
}

// erred notes the last thing that went wrong with a request.
func (s *state) erred(now time.Time, err error) {
	text := err.Error()
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastError, s.erredAt = text, now
}

// maxErrorText bounds what is kept of an error, of which a backend may have written parts.
const maxErrorText = 500
