package balance

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// near reports whether got is within a hundredth of want.
func near(got, want time.Duration) bool { return got >= want-want/100 && got <= want+want/100 }

func TestLatencyJumpsUpAndFades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newState(env{queue: newQueue(QueueOptions{})})
		want := func(what string, d time.Duration) {
			t.Helper()
			if got := s.latency.estimate(time.Now()); !near(got, d) {
				t.Errorf("%s: %v, want about %v", what, got, d)
			}
		}
		want("no sample", 0)
		s.latency.observe(time.Now(), 10*time.Millisecond, false)
		want("the first sample", 10*time.Millisecond)
		s.latency.observe(time.Now(), time.Second, false)
		want("a peak", time.Second)
		s.latency.observe(time.Now(), 10*time.Millisecond, false)
		want("a quick answer right after", time.Second)
		time.Sleep(10 * time.Second)
		want("a half-life later", 500*time.Millisecond)
		time.Sleep(5 * time.Second)
		want("one and a half", 354*time.Millisecond)
		s.latency.observe(time.Now(), 100*time.Millisecond, false)
		want("a quick answer then", 418*time.Millisecond) // 100 + 900 * 2^-1.5
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			s.latency.observe(time.Now(), 100*time.Millisecond, false)
		}
		want("quick answers for a minute", 105*time.Millisecond)
		time.Sleep(20 * time.Second)
		s.latency.observe(time.Now(), time.Millisecond, true)
		want("a quick failure", 26*time.Millisecond)
		s.latency.observe(time.Now(), 2*time.Second, true)
		want("a slow failure", 2*time.Second)
		time.Sleep(time.Hour)
		want("long idle", 0)
		s.latency.observe(time.Now(), 3*time.Millisecond, false)
		want("the first answer after that", 3*time.Millisecond)
	})
}

// TestLatencyStaysBetween: whatever the order of samples, the estimate is never above the greatest
// nor, right after a sample, below it.
func TestLatencyStaysBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		l := latency{born: now}
		most := time.Duration(0)
		for range rapid.IntRange(1, 50).Draw(t, "n") {
			now = now.Add(time.Duration(rapid.Int64Range(-1e9, 1e11).Draw(t, "passes"))) // backwards: a late goroutine
			took := time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "took"))
			l.observe(now, took, false)
			most = max(most, took, 1)
			got := l.estimate(now)
			if slack := most/1e6 + 1; got > most+slack || got < took-took/1e6-1 {
				t.Fatalf("%v after a sample of %v, the greatest was %v", got, took, most)
			}
		}
	})
}

// TestLatencyIsMeasured: the balancer feeds the estimate, but not with uploads, which take as long as
// the client likes.
func TestLatencyIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(300 * time.Millisecond)
			io.WriteString(w, "late")
		})
		b := mustNew(t, []Backend{{Name: "a", Handler: slow}}, nil)
		client := http.Client{Transport: b.RoundTripper()}
		estimate := func() time.Duration {
			return b.pool.Load().members[0].candidate(time.Now()).Latency
		}
		if got, _ := do(t, &client, request(t, "POST", "http://pool/", strings.NewReader("x"))); got.Status != 200 {
			t.Fatal(got)
		}
		if got := estimate(); got != 0 {
			t.Errorf("after an upload: %v", got)
		}
		if got, _ := do(t, &client, request(t, "GET", "http://pool/", nil)); got.Status != 200 {
			t.Fatal(got)
		}
		if got := estimate(); !near(got, 300*time.Millisecond) {
			t.Errorf("after a GET: %v", got)
		}
	})
}

// TestSlowBackendIsLeftAndTriedAgain: in one stream of requests a backend that has become slow gets
// no more of them, until its estimate has faded.
func TestSlowBackendIsLeftAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		takes := map[string]time.Duration{"a": 10 * time.Millisecond, "b": 10 * time.Millisecond}
		seen := map[string]int{}
		backend := func(name string) Backend {
			return Backend{Name: name, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(takes[name])
				seen[name]++
			})}
		}
		b := mustNew(t, []Backend{backend("a"), backend("b")}, nil)
		client := http.Client{Transport: b.RoundTripper()}
		run := func(n int) {
			clear(seen)
			for range n {
				if got, _ := do(t, &client, request(t, "GET", "http://pool/", nil)); got.Status != 200 {
					t.Fatal(got)
				}
			}
		}
		run(200)
		if seen["a"] < 50 || seen["b"] < 50 {
			t.Errorf("equals share: %v", seen)
		}
		takes["a"] = time.Second
		run(200) // about 3 s
		if seen["a"] > 1 {
			t.Errorf("the slow one was asked %d times of 200", seen["a"])
		}
		takes["a"] = 10 * time.Millisecond
		time.Sleep(2 * time.Minute)
		run(200)
		if seen["a"] < 50 {
			t.Errorf("the slow one has recovered and was asked %d times of 200", seen["a"])
		}
	})
}
