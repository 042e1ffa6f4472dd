package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// A site is a pool of pretended backends with scripted behaviour; it is a transport.
type site struct {
	t     *testing.T
	b     *Balancer
	hosts map[string]func(r *http.Request) (int, error) // by name
	mu    sync.Mutex
	asked map[string]int
}

func newSite(t *testing.T, names []string, change func(*Options)) *site {
	s := &site{t: t, hosts: map[string]func(*http.Request) (int, error){}, asked: map[string]int{}}
	var list []Backend
	for _, n := range names {
		list = append(list, Backend{Name: n, URL: "http://" + n})
	}
	o := &Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		host := r.URL.Host
		s.mu.Lock()
		s.asked[host]++
		f := s.hosts[host]
		s.mu.Unlock()
		status := 200
		if f != nil {
			var err error
			if status, err = f(r); err != nil {
				return nil, err
			}
		}
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(host)), ContentLength: -1, Request: r}, nil
	}), Picker: &RoundRobin{}, Checker: checkFunc(func(context.Context, Backend) error { return nil })}
	if change != nil {
		change(o)
	}
	s.b = mustNew(t, list, o)
	return s
}

func (s *site) ask(method string) string {
	w := httptest.NewRecorder()
	s.b.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
	return fmt.Sprint(w.Code, " ", w.Body.String())
}

// asks makes n requests and returns how many each backend was asked for.
func (s *site) asks(n int) map[string]int {
	s.asked = map[string]int{}
	for range n {
		s.ask("GET")
	}
	return s.asked
}

func (s *site) expect(when string, n int, want map[string]int) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.asks(n)); diff != "" {
		s.t.Errorf("%s: asked (-want +got)\n%s", when, diff)
	}
}

func refuses(*http.Request) (int, error) { return 0, errors.New("refused") }

// TestEjection: failures in a row eject, for longer each time; then one request at a time tries, and
// three that go well end it.
func TestEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var news []string
		s := newSite(t, []string{"a", "b"}, func(o *Options) {
			o.Outliers = OutlierOptions{Consecutive: 3, Base: 10 * time.Second, Most: 25 * time.Second}
			o.Events.Health = func(name string, healthy bool, reason error) {
				news = append(news, fmt.Sprint(name, " ", healthy, " ", reason))
			}
		})
		s.hosts["b"] = refuses
		// Each failed request is made good by a.
		s.expect("until it is ejected", 10, map[string]int{"a": 10, "b": 3})
		for _, length := range []time.Duration{10, 20, 25, 25} {
			time.Sleep(length*time.Second - time.Millisecond)
			s.expect("ejected", 10, map[string]int{"a": 10})
			time.Sleep(time.Millisecond)
			s.expect("tried once", 10, map[string]int{"a": 10, "b": 1})
		}
		time.Sleep(25 * time.Second)
		s.asked = map[string]int{}
		for range 10 {
			s.ask("POST")
		}
		if diff := cmp.Diff(map[string]int{"a": 10}, s.asked); diff != "" {
			t.Errorf("what cannot be repeated tries nobody (-want +got)\n%s", diff)
		}
		s.hosts["b"] = nil
		s.expect("well again", 20, map[string]int{"a": 10, "b": 10})
		want := []string{
			"b false 3 failures in a row, the last: refused",
		}
		for range 4 {
			want = append(want, "b false it has failed when it was tried again: refused")
		}
		if diff := cmp.Diff(append(want, "b true <nil>"), news); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestOneTrial: while one request tries an ejected backend, no other does.
func TestOneTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"a", "b"}, func(o *Options) { o.Outliers.Consecutive = 1 })
		s.hosts["b"] = refuses
		s.asks(2)
		time.Sleep(10 * time.Second)
		in, out := make(chan bool), make(chan bool)
		s.hosts["b"] = func(*http.Request) (int, error) { in <- true; <-out; return 200, nil }
		var asking sync.WaitGroup
		for range 2 {
			asking.Go(func() { s.ask("GET") })
		}
		<-in
		synctest.Wait()
		s.expect("during a trial", 10, map[string]int{"a": 10})
		out <- true
		asking.Wait()
		// A trial whose client goes away is over too.
		s.hosts["b"] = func(r *http.Request) (int, error) { in <- true; <-r.Context().Done(); return 0, r.Context().Err() }
		ctx, cancel := context.WithCancel(t.Context())
		for range 2 {
			asking.Go(func() {
				s.b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
			})
		}
		<-in
		cancel()
		asking.Wait()
		s.hosts["b"] = nil
		s.expect("the next one", 2, map[string]int{"a": 1, "b": 1})
	})
}

// TestLastIsSpared: neither too many are ejected, nor the last that works.
func TestLastIsSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"a", "b", "c", "d"}, func(o *Options) { o.Outliers.Consecutive = 1 })
		for _, n := range []string{"a", "b", "c", "d"} {
			s.hosts[n] = refuses
		}
		for range 8 {
			s.ask("GET")
		}
		ejected := 0
		for _, st := range s.b.Snapshot() {
			if st.State == "ejected" {
				ejected++
				if st.Reason == "" || !st.Until.Equal(st.Since.Add(10*time.Second)) {
					t.Errorf("%+v", st)
				}
			}
		}
		if ejected != 2 || s.b.Stats().Spared == 0 {
			t.Errorf("%d of 4 are ejected; %+v", ejected, s.b.Stats())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"a", "b"}, func(o *Options) { o.Outliers = OutlierOptions{Consecutive: 1, Share: 1} })
		s.hosts["a"], s.hosts["b"] = refuses, refuses
		for range 8 {
			s.ask("GET")
		}
		if st := s.b.Stats(); st.Ejections != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// TestShares: who errs much more often than the others is ejected; where all err, nobody is. Statuses
// that the application answers with are no failures in a row.
func TestShares(t *testing.T) {
	for name, tt := range map[string]struct {
		statuses map[string]int // of every third request
		all      bool           // of every request
		want     string
	}{
		"one":         {map[string]int{"b": 500}, false, "b: 20 of 60 answers were errors, and 0 of 120 of the others"},
		"all":         {map[string]int{"a": 500, "b": 500, "c": 500}, true, ""},
		"not found":   {map[string]int{"b": 404}, true, ""},
		"unavailable": {map[string]int{"b": 503}, true, "b: 60 of 60 answers were errors, and 0 of 120 of the others"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, []string{"a", "b", "c"}, nil)
				stop := run(t, s.b)
				defer stop()
				for n, status := range tt.statuses {
					count := 0
					s.hosts[n] = func(*http.Request) (int, error) {
						if count++; tt.all || count%3 == 0 {
							return status, nil
						}
						return 200, nil
					}
				}
				synctest.Wait()
				s.asks(180)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				got := ""
				for _, st := range s.b.Snapshot() {
					if st.State == "ejected" {
						got += st.Name + ": " + st.Reason
					}
				}
				if got != tt.want {
					t.Errorf("ejected: %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestSlow: who is much slower than the others for a while is ejected; a hiccup is forgiven.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"a", "b", "c"}, nil)
		stop := run(t, s.b)
		defer stop()
		synctest.Wait()
		took := map[string]time.Duration{"a": 20 * time.Millisecond, "b": 30 * time.Millisecond, "c": 400 * time.Millisecond}
		for n := range took {
			s.hosts[n] = func(*http.Request) (int, error) { time.Sleep(took[n]); return 200, nil }
		}
		for range 9 { // not yet for a whole interval
			s.asks(6)
			time.Sleep(100 * time.Millisecond)
		}
		if st := s.b.Stats(); st.Ejections != 0 {
			t.Errorf("too early: %+v", st)
		}
		for range 12 {
			s.asks(6)
			time.Sleep(100 * time.Millisecond)
		}
		if got := s.b.Snapshot()[2]; got.State != "ejected" || !strings.HasPrefix(got.Reason, "its answers take 39") || !strings.HasSuffix(got.Reason, "those of the others 30ms") {
			t.Errorf("%+v", got)
		}
	})
}

// TestStall: requests that wait for a frozen backend move within moments, one whose pages are slow keeps
// its requests, and a lonely one too.
func TestStall(t *testing.T) {
	for name, tt := range map[string]struct {
		names  []string
		check  func(ctx context.Context) error // of a
		usual  time.Duration                   // how long checks take
		took   time.Duration                   // the request
		served string
		stalls uint64
		checks int // at most, besides the regular ones
	}{
		"frozen":      {[]string{"a", "b"}, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 0, 112500 * time.Microsecond, "b", 1, 1},
		"slow checks": {[]string{"a", "b"}, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 100 * time.Millisecond, 462500 * time.Microsecond, "b", 1, 1},
		"slow page":   {[]string{"a", "b"}, func(context.Context) error { return nil }, 0, 3 * time.Second, "a", 0, 5},
		"alone":       {[]string{"a"}, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 0, 3 * time.Second, "a", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var frozen atomic.Bool
				var checks atomic.Int32
				s := newSite(t, tt.names, func(o *Options) {
					o.Picker, o.CheckInterval = ordered{}, time.Minute
					o.Checker = checkFunc(func(ctx context.Context, e Backend) error {
						if frozen.Load() && e.Name == "a" {
							checks.Add(1)
							return tt.check(ctx)
						}
						time.Sleep(tt.usual)
						return nil
					})
				})
				stop := run(t, s.b)
				defer stop()
				time.Sleep(time.Second)
				s.hosts["a"] = func(r *http.Request) (int, error) {
					select {
					case <-time.After(3 * time.Second):
						return 200, nil
					case <-r.Context().Done():
						return 0, context.Cause(r.Context())
					}
				}
				frozen.Store(true)
				start := time.Now()
				if got, took := s.ask("GET"), time.Since(start); got != "200 "+tt.served || took != tt.took {
					t.Errorf("%s after %v, want it from %s after %v", got, took, tt.served, tt.took)
				}
				if st := s.b.Stats(); st.Stalls != tt.stalls || int(checks.Load()) > tt.checks || st.Failed != 0 {
					t.Errorf("%d checks, %+v", checks.Load(), st)
				}
			})
		})
	}
}

// TestStallIsNotForgotten: who was found to hang needs as many good checks as anybody else to come back.
func TestStallIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var frozen atomic.Bool
		s := newSite(t, []string{"a", "b"}, func(o *Options) {
			o.Picker, o.CheckInterval, o.CheckFast, o.Rise = ordered{}, time.Second, time.Second, 3
			o.Checker = checkFunc(func(ctx context.Context, e Backend) error {
				if frozen.Load() && e.Name == "a" {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			})
		})
		stop := run(t, s.b)
		defer stop()
		time.Sleep(10 * time.Second) // ten checks passed
		frozen.Store(true)
		s.hosts["a"] = func(r *http.Request) (int, error) { <-r.Context().Done(); return 0, context.Cause(r.Context()) }
		if got := s.ask("GET"); got != "200 b" {
			t.Fatal(got)
		}
		frozen.Store(false)
		time.Sleep(1600 * time.Millisecond) // one or two checks
		if st := s.b.Snapshot()[0]; st.State != "unhealthy" {
			t.Errorf("%+v", st)
		}
		time.Sleep(3 * time.Second)
		if st := s.b.Snapshot()[0]; st.State != "healthy" {
			t.Errorf("%+v", st)
		}
	})
}
