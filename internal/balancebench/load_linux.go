package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// A loadReport is what an open loop saw.
type loadReport struct {
	Low   classReport    `json:"low"`
	High  classReport    `json:"high"`
	Again int            `json:"again"` // connections that were closed before the answer began, and requests repeated for it
	Why   map[string]int `json:"why,omitempty"`
	Took  float64        `json:"took_s"`
}

// A classReport is that of requests of one priority. Latencies are counted from the moment at which a
// request was due, and are those of all requests, refused ones too, unless they say "OK".
type classReport struct {
	Sent    int     `json:"sent"`
	OK      int     `json:"ok"`
	Refused int     `json:"refused"` // 503
	Failed  int     `json:"failed"`  // any other status, no answer, a cut one
	Over100 int     `json:"over_100ms"`
	P50     float64 `json:"ok_p50_ms"`
	P99     float64 `json:"ok_p99_ms"`
	Longest float64 `json:"longest_ms"`
}

// runLoad sends requests at a constant rate whatever becomes of them: those that are due are sent, and
// count from when they were due, also when the answers before are late. (A loop that waits for its
// answers asks less while the server hangs, and so does not notice.)
func runLoad(args []string) error {
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	target := f.String("target", "", "address")
	path := f.String("path", "/bytes/1024", "what is asked for")
	rate := f.Float64("rate", 1000, "requests a second")
	lasts := f.Duration("for", 5*time.Second, "how long")
	every := f.Int("high", 0, "every so many requests one has a high priority; 0: none")
	if err := f.Parse(args); err != nil {
		return err
	}
	c := &client{address: *target, most: 16000}
	low := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\n\r\n", *path)
	high := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\nX-Priority: high\r\n\r\n", *path)
	n := int(*rate * lasts.Seconds())
	samples := make([]sample, n)
	var all sync.WaitGroup
	began := time.Now()
	for i := range samples {
		due := began.Add(time.Duration(float64(i) / *rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait) // a request has its time
		}
		s := &samples[i]
		s.high = *every > 0 && i%*every == 0
		all.Go(func() {
			request := low
			if s.high {
				request = high
			}
			s.status, s.again, s.err = c.do(request)
			s.took = time.Since(due)
		})
	}
	all.Wait()
	c.close()
	return json.NewEncoder(os.Stdout).Encode(report(samples, time.Since(began)))
}

// A sample is one request.
type sample struct {
	high, again bool
	status      int
	took        time.Duration
	err         error
}

func report(samples []sample, took time.Duration) loadReport {
	r := loadReport{Took: took.Seconds(), Why: make(map[string]int)}
	var low, high []time.Duration
	for _, s := range samples {
		c, times := &r.Low, &low
		if s.high {
			c, times = &r.High, &high
		}
		c.Sent++
		c.Longest = max(c.Longest, milliseconds(s.took))
		if s.took > 100*time.Millisecond {
			c.Over100++
		}
		if s.again {
			r.Again++
		}
		switch {
		case s.err != nil:
			c.Failed++
			if len(r.Why) < 20 {
				r.Why[s.err.Error()]++
			}
		case s.status == 200:
			c.OK++
			*times = append(*times, s.took)
		case s.status == 503:
			c.Refused++
		default:
			c.Failed++
			r.Why[fmt.Sprintf("status %d", s.status)]++
		}
	}
	r.Low.P50, r.Low.P99 = percentile(low, 50), percentile(low, 99)
	r.High.P50, r.High.P99 = percentile(high, 50), percentile(high, 99)
	return r
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// percentile returns the smallest time that so many per cent do not exceed, in ms; 0 of none.
func percentile(times []time.Duration, p int) float64 {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return milliseconds(times[(len(times)*p+99)/100-1])
}

// all is both together, as far as that can be said.
func (r loadReport) all() classReport {
	return classReport{
		Sent: r.Low.Sent + r.High.Sent, OK: r.Low.OK + r.High.OK, Refused: r.Low.Refused + r.High.Refused,
		Failed: r.Low.Failed + r.High.Failed, Over100: r.Low.Over100 + r.High.Over100,
		Longest: max(r.Low.Longest, r.High.Longest),
	}
}
