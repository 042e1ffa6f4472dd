package balance

import (
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// slowOnes answers by the name of the host it is sent to: a hangs for a minute, b answers after a second.
func slowOnes(asked *[]string) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		*asked = append(*asked, r.URL.Host)
		if r.Body != nil {
			io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
		wait := time.Second
		if r.URL.Host == "a" {
			wait = time.Minute
		}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(wait):
		}
		return &http.Response{StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(r.URL.Host)), Request: r}, nil
	}
}

// TestTryTimeout: who waits too long goes elsewhere, if he may and there is room.
func TestTryTimeout(t *testing.T) {
	type outcome struct {
		Asked string
		Body  string
		Took  time.Duration
	}
	two := []Backend{{Name: "a", URL: "http://a"}, {Name: "b", URL: "http://b"}}
	moved := outcome{"a b", "b", 3 * time.Second}
	stayed := outcome{"a", "a", time.Minute}
	for name, tt := range map[string]struct {
		method, body string
		list         []Backend
		retries      RetryOptions
		busy         bool // b has a request that takes long
		want         outcome
	}{
		"GET":                 {"GET", "", two, RetryOptions{}, false, moved},
		"DELETE":              {"DELETE", "", two, RetryOptions{}, false, moved},
		"DELETE is not safe":  {"DELETE", "", two, RetryOptions{SafeOnly: true}, false, stayed},
		"POST":                {"POST", "", two, RetryOptions{}, false, stayed},
		"with a body, held":   {"PUT", "body", two, RetryOptions{}, false, moved},
		"with a body":         {"PUT", "stream", two, RetryOptions{}, false, stayed},
		"no other":            {"GET", "", two[:1], RetryOptions{}, false, stayed},
		"the other is full":   {"GET", "", []Backend{two[0], {Name: "b", URL: "http://b", MaxInFlight: 1}}, RetryOptions{}, true, stayed},
		"no retries are left": {"GET", "", two, RetryOptions{Ratio: -1}, false, stayed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked []string
				tt.retries.TryTimeout = 2 * time.Second
				o := &Options{Picker: ordered{}, Transport: slowOnes(&asked), Retries: tt.retries}
				if tt.body == "stream" {
					o.Bodies.Memory = -1
				}
				b := mustNew(t, tt.list, o)
				if tt.busy {
					s := b.pool.Load().members[1].state
					s.enter(false)
					defer s.leave()
				}
				var body io.Reader
				if tt.body != "" {
					body = strings.NewReader(tt.body)
				}
				w := httptest.NewRecorder()
				start := time.Now()
				b.ServeHTTP(w, httptest.NewRequest(tt.method, "/", body))
				if diff := cmp.Diff(tt.want, outcome{strings.Join(asked, " "), w.Body.String(), time.Since(start)}); diff != "" {
					t.Errorf("status %d (-want +got)\n%s", w.Code, diff)
				}
			})
		})
	}
}

// TestRetrySafeOnly: a PUT that failed is not sent again when the option says so; a GET is.
func TestRetrySafeOnly(t *testing.T) {
	var asked atomic.Int32
	failing := roundTripper(func(r *http.Request) (*http.Response, error) {
		asked.Add(1)
		return nil, errors.New("no luck")
	})
	b := mustNew(t, []Backend{{Name: "a", URL: "http://a"}, {Name: "b", URL: "http://b"}}, &Options{Transport: failing, Retries: RetryOptions{SafeOnly: true}})
	for method, want := range map[string]int32{"GET": 2, "HEAD": 2, "PUT": 1, "DELETE": 1, "POST": 1} {
		asked.Store(0)
		b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/", nil))
		if asked.Load() != want {
			t.Errorf("%s was sent %d times, want %d", method, asked.Load(), want)
		}
	}
}

// TestBudget: what was saved up, what requests earn and what time pays are all there is.
func TestBudget(t *testing.T) {
	spendAll := func(b *budget) (n int) {
		for b.spend() {
			n++
		}
		return n
	}
	type spent struct{ Start, Requests, Second, Hour int }
	for name, tt := range map[string]struct {
		o    RetryOptions
		want spent
	}{
		"default":    {RetryOptions{}, spent{100, 20, 0, 0}},
		"all set":    {RetryOptions{Ratio: 0.5, Burst: 10, PerSecond: 3}, spent{10, 10, 3, 10}},
		"time alone": {RetryOptions{Ratio: 1e-9, Burst: 1, PerSecond: 1}, spent{1, 0, 1, 1}},
		"none":       {RetryOptions{Ratio: -1, PerSecond: 5}, spent{0, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := tt.o.check(); err != nil {
					t.Fatal(err)
				}
				var b budget
				b.init(tt.o)
				var got spent
				got.Start = spendAll(&b)
				for range 100 {
					b.earn()
				}
				got.Requests = spendAll(&b)
				time.Sleep(time.Second)
				got.Second = spendAll(&b)
				time.Sleep(time.Hour)
				got.Hour = spendAll(&b)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

// TestRetryOptionsCheck: all mistakes are told at once.
func TestRetryOptionsCheck(t *testing.T) {
	_, err := New(nil, &Options{Retries: RetryOptions{Ratio: math.NaN(), Burst: -1, PerSecond: math.Inf(1), TryTimeout: time.Nanosecond}, Queue: QueueOptions{Max: -2, Target: -1}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"Retries.Ratio", "Retries.Burst", "Retries.PerSecond", "Retries.TryTimeout", "Queue.Max", "Queue.Target"} {
		if !strings.Contains(err.Error(), "Options."+name+" is") {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
}

// TestTryTimeoutRaces: answers that come just when the time is over are either used or thrown away, and no
// place is lost.
func TestTryTimeoutRaces(t *testing.T) {
	var n atomic.Uint64
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(time.Duration(n.Add(1)%5) * 500 * time.Microsecond):
		}
		return &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("whole")), Request: r}, nil
	})
	var list []Backend
	for _, name := range []string{"a", "b", "c"} {
		list = append(list, Backend{Name: name, URL: "http://" + name, MaxInFlight: 8})
	}
	b := mustNew(t, list, &Options{Transport: transport, Retries: RetryOptions{TryTimeout: time.Millisecond}, Outliers: OutlierOptions{Off: true}})
	const clients, each = 16, 40
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				w := httptest.NewRecorder()
				b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				// A second attempt may be too slow as well, and the third has no time limit.
				if w.Code != 200 || w.Body.String() != "whole" {
					t.Errorf("status %d, %q", w.Code, w.Body)
				}
			}
		})
	}
	all.Wait()
	s := b.Stats()
	if most := uint64(100 + clients*each/5); s.Requests != clients*each || s.Retries == 0 || s.Retries > most {
		t.Errorf("at most %d retries: %+v", most, s)
	}
	if n := inFlight(b); n != 0 {
		t.Errorf("%d are in flight", n)
	}
}

// TestRetryAfterPasses: what the last backend asked says about when to come again reaches the client.
func TestRetryAfterPasses(t *testing.T) {
	busy := roundTripper(func(r *http.Request) (*http.Response, error) {
		after := map[string]string{"a": "11", "b": "22"}[r.URL.Host]
		return &http.Response{StatusCode: 503, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Retry-After": {after}}, Body: http.NoBody, Request: r}, nil
	})
	b := mustNew(t, []Backend{{Name: "a", URL: "http://a"}, {Name: "b", URL: "http://b"}}, &Options{
		Picker: ordered{}, Transport: busy, Elsewhere: func(_ Info, status int) bool { return status == 503 },
	})
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Header().Values("Retry-After"); w.Code != 503 || len(got) != 1 || got[0] != "22" {
		t.Errorf("status %d, Retry-After %q", w.Code, got)
	}
}
