package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted is a Checker whose verdicts are set by the test.
type scripted struct {
	mu    sync.Mutex
	sick  map[string]error
	count map[string]int
}

func newScripted() *scripted { return &scripted{sick: map[string]error{}, count: map[string]int{}} }

func (c *scripted) Check(_ context.Context, e Backend) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[e.Name]++
	return c.sick[e.Name]
}

func (c *scripted) set(name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sick[name] = err
}

func (c *scripted) checks(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[name]
}

// run runs b until the test's function stops it.
func run(t *testing.T, b *Balancer) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func healths(b *Balancer) string {
	var list []string
	for _, s := range b.Snapshot() {
		list = append(list, s.Name+" "+s.Health)
	}
	return strings.Join(list, ", ")
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScripted()
		var mu sync.Mutex
		var news []string
		b := mustNew(t, []Backend{{Name: "a", Handler: says("a")}, {Name: "b", Handler: says("b")}}, &Options{
			Checker: c, CheckInterval: time.Second, CheckFast: time.Second, Rise: 2, Fall: 3, Picker: ordered{},
			Events: Events{Health: func(name string, healthy bool, reason error) {
				mu.Lock()
				defer mu.Unlock()
				news = append(news, fmt.Sprint(name, " ", healthy, " ", reason))
			}},
		})
		served := func() string {
			w := httptest.NewRecorder()
			b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			return w.Body.String()
		}
		expect := func(when, want, from string) {
			t.Helper()
			synctest.Wait()
			if got := healths(b); got != want {
				t.Errorf("%s: %s, want %s", when, got, want)
			}
			if got := served(); got != from {
				t.Errorf("%s: served by %s, want %s", when, got, from)
			}
		}
		round := func() { time.Sleep(1150 * time.Millisecond) } // virtual: more than an interval with its jitter, less than two

		expect("before Run", "a unknown, b unknown", "a")
		c.set("a", errors.New("starting"))
		stop := run(t, b)
		expect("first check", "a unhealthy, b healthy", "b")
		c.set("a", nil)
		round()
		expect("one check of two passed", "a unhealthy, b healthy", "b")
		round()
		expect("two checks passed", "a healthy, b healthy", "a")
		c.set("a", errors.New("hiccup"))
		round()
		c.set("a", nil)
		round()
		c.set("a", errors.New("ill"))
		round()
		expect("failures with a pass between", "a healthy, b healthy", "a")
		c.set("b", errors.New("ill too"))
		for range 4 {
			round()
		}
		expect("all unhealthy: fail open", "a unhealthy, b unhealthy", "a")
		if st := b.Stats(); st.FailOpen != 1 || st.Refused != 0 {
			t.Errorf("%+v", st)
		}
		if s := b.Snapshot()[1]; s.Reason != "ill too" || !s.Since.After(time.Now().Add(-3*time.Second)) {
			t.Errorf("%+v", s)
		}
		if err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "already") {
			t.Errorf("a second Run: %v", err)
		}
		// A new backend is checked before it gets requests; one that is gone is not checked any more.
		c.set("b", nil)
		if err := b.Set([]Backend{{Name: "b", Handler: says("b")}, {Name: "n", Handler: says("n")}}); err != nil {
			t.Error(err)
		}
		expect("after Set", "b unhealthy, n healthy", "n")
		before := c.checks("a")
		for range 3 {
			round()
		}
		expect("later", "b healthy, n healthy", "b")
		if n := c.checks("a") - before; n != 0 {
			t.Errorf("a backend that is gone was checked %d times", n)
		}
		stop()
		expect("after Run", "b unknown, n unknown", "b")
		want := []string{"a false starting", "b true <nil>", "a true <nil>", "a false ill", "b false ill too", "n true <nil>", "b true <nil>"}
		less := func(s []string) map[string]int { // the order of different backends is that of goroutines
			m := map[string]int{}
			for _, v := range s {
				m[v]++
			}
			return m
		}
		if diff := cmp.Diff(less(want), less(news)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestSuspect: a failed request brings the next check forward, and many do not bring many.
func TestSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScripted()
		b := mustNew(t, []Backend{{Name: "a", URL: "http://a"}}, &Options{
			Checker: c, CheckInterval: 10 * time.Second, Attempts: 1,
			Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("reset") }),
		})
		stop := run(t, b)
		defer stop()
		synctest.Wait()
		c.set("a", errors.New("reset"))
		for range 4 {
			for range 100 {
				b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			}
			synctest.Wait()
			time.Sleep(1001 * time.Millisecond)
			synctest.Wait()
		}
		if n := c.checks("a"); n != 5 {
			t.Errorf("%d checks, want the first one and four", n)
		}
		if got := healths(b); got != "a unhealthy" {
			t.Error(got)
		}
	})
}

// TestMove: requests that wait for a backend that hangs go elsewhere when it is found unhealthy, if
// they may and if somebody else is healthy.
func TestMove(t *testing.T) {
	for _, tt := range []struct {
		method, body string
		sick         string // also unhealthy
		want         string
		at           time.Duration // when the answer comes
	}{
		{"GET", "", "", "good", 3 * time.Second},
		{"DELETE", "", "", "good", 3 * time.Second},
		{"POST", "", "", "late", time.Minute},
		{"PUT", "body", "", "late", time.Minute},
		{"GET", "", "good", "late", time.Minute},
	} {
		t.Run(tt.method+" "+tt.body+tt.sick, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newScripted()
				if tt.sick != "" {
					c.set(tt.sick, errors.New("ill"))
				}
				answer := func(r *http.Request, word string) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(word)), ContentLength: -1, Request: r}, nil
				}
				b := mustNew(t, []Backend{{Name: "hung", URL: "http://hung"}, {Name: "good", URL: "http://good"}}, &Options{
					Picker: ordered{}, Bodies: BodyOptions{Memory: -1}, Checker: c, CheckInterval: time.Second, CheckFast: time.Second, Fall: 3, Outliers: OutlierOptions{Off: true},
					Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
						if r.URL.Host == "good" {
							return answer(r, "good")
						}
						select {
						case <-time.After(time.Minute):
							return answer(r, "late")
						case <-r.Context().Done():
							return nil, r.Context().Err()
						}
					}),
				})
				stop := run(t, b)
				defer stop()
				synctest.Wait()
				c.set("hung", errors.New("no answer"))
				start := time.Now()
				w := httptest.NewRecorder()
				var body io.Reader
				if tt.body != "" {
					body = strings.NewReader(tt.body)
				}
				b.ServeHTTP(w, httptest.NewRequest(tt.method, "/", body))
				took := time.Since(start)
				if w.Body.String() != tt.want || took < tt.at*8/10 || took > tt.at*12/10 {
					t.Errorf("%d %q after %v, want %q after about %v", w.Code, w.Body, took, tt.want, tt.at)
				}
				for _, e := range b.pool.Load().members {
					if n := len(e.state.waiting); n != 0 {
						t.Errorf("%d requests still wait for %s", n, e.Name)
					}
				}
			})
		})
	}
}

// TestCheckerMisbehaves: a check that hangs is ended by its time-out, one that panics has failed.
func TestCheckerMisbehaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, []Backend{{Name: "hang", Handler: says("")}, {Name: "panic", Handler: says("")}}, &Options{
			Checker: checkFunc(func(ctx context.Context, e Backend) error {
				if e.Name == "panic" {
					panic("mistake")
				}
				<-ctx.Done()
				return ctx.Err()
			}),
			CheckTimeout: time.Second,
		})
		stop := run(t, b)
		time.Sleep(1100 * time.Millisecond) // virtual
		synctest.Wait()
		if got := healths(b); got != "hang unhealthy, panic unhealthy" {
			t.Error(got)
		}
		if s := b.Snapshot(); s[1].Reason != "the health check panicked: mistake" || s[0].Reason != "context deadline exceeded" {
			t.Errorf("%+v", s)
		}
		stop()
	})
}

type checkFunc func(context.Context, Backend) error

func (f checkFunc) Check(ctx context.Context, e Backend) error { return f(ctx, e) }

func TestHTTPCheck(t *testing.T) {
	status := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var code int
		fmt.Sscanf(r.URL.Path, "/%d", &code)
		if code == 0 {
			code = 204
		}
		w.Header().Set("Location", "/500")
		w.WriteHeader(code)
		if r.Method == "GET" && code == 200 {
			fmt.Fprint(w, r.Host, " ", r.URL.RawQuery)
		}
	})
	short := rawServer(t, func(c *net.TCPConn) {
		readHead(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
	})
	url := serve(t, status).URL
	for name, tt := range map[string]struct {
		check   HTTPCheck
		backend Backend
		want    string // part of the error; "": none
	}{
		"zero value":           {HTTPCheck{}, Backend{URL: url}, ""},
		"slash at the end":     {HTTPCheck{}, Backend{URL: url + "/"}, ""},
		"200":                  {HTTPCheck{Path: "/200?x=1"}, Backend{URL: url}, ""},
		"redirect":             {HTTPCheck{Path: "/302"}, Backend{URL: url}, ""},
		"404":                  {HTTPCheck{Path: "/404"}, Backend{URL: url}, "status 404"},
		"500":                  {HTTPCheck{Path: "/500"}, Backend{URL: url}, "status 500"},
		"handler":              {HTTPCheck{Path: "/200"}, Backend{Handler: status}, ""},
		"handler 503":          {HTTPCheck{Path: "/503"}, Backend{Handler: status}, "status 503"},
		"handler panics":       {HTTPCheck{}, Backend{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("mistake") })}, "panicked: mistake"},
		"dead":                 {HTTPCheck{}, Backend{URL: deadURL(t)}, "refused"},
		"breaks off":           {HTTPCheck{}, Backend{URL: short}, "broke off"},
		"path without a slash": {HTTPCheck{Path: "x"}, Backend{URL: url}, "must begin with a slash"},
		"no address":           {HTTPCheck{}, Backend{}, "neither a URL nor a Handler"},
		"own transport": {HTTPCheck{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("own") })},
			Backend{URL: url}, "own"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.check.Check(t.Context(), tt.backend)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&HTTPCheck{}).Check(ctx, Backend{URL: url}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}
