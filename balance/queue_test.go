package balance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A crowd asks a balancer, whose backend is a blocking handler, in the background.
type crowd struct {
	t   *testing.T
	b   *Balancer
	h   *blocking
	end chan string // "path status" of the requests that have ended
}

func newCrowd(t *testing.T, o QueueOptions, limit int, change func(*Options)) *crowd {
	c := &crowd{t: t, h: newBlocking(), end: make(chan string, 100)}
	opts := &Options{Queue: o, Classify: func(in *Info) { in.Priority, _ = strconv.Atoi(in.Header("Priority")) }}
	if change != nil {
		change(opts)
	}
	c.b = mustNew(t, []Backend{{Name: "a", Handler: c.h, MaxInFlight: limit}}, opts)
	return c
}

// ask starts a request and returns when it is in the handler, waits or has ended.
func (c *crowd) ask(ctx context.Context, path string, priority int) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, "GET", path, nil)
	r.Header.Set("Priority", strconv.Itoa(priority))
	w := httptest.NewRecorder()
	go func() {
		c.b.ServeHTTP(w, r)
		c.end <- path + " " + strconv.Itoa(w.Code)
	}()
	synctest.Wait()
	return w
}

// serve lets n requests through, one at a time, and returns what ended in that order.
func (c *crowd) serve(n int) (order []string) {
	for range n {
		<-c.h.in
		c.h.out <- struct{}{}
		order = append(order, <-c.end)
	}
	return order
}

func (c *crowd) expect(want ...string) {
	c.t.Helper()
	if diff := cmp.Diff(want, c.serve(len(want))); diff != "" {
		c.t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestQueueOrder: who came first goes first; a priority is worth a head start of QueueOptions.Ageing, and
// no more.
func TestQueueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, QueueOptions{Ageing: time.Second, MaxWait: time.Minute}, 1, nil)
		for _, r := range []struct {
			path     string
			priority int
		}{{"/in", 0}, {"/old", 0}} {
			c.ask(t.Context(), r.path, r.priority)
		}
		time.Sleep(1500 * time.Millisecond)
		for _, r := range []struct {
			path     string
			priority int
		}{{"/1", 0}, {"/2", 0}, {"/low", -1}, {"/high", 1}, {"/highest", 3}} {
			c.ask(t.Context(), r.path, r.priority)
		}
		// old has waited longer than the head start of high.
		c.expect("/in 200", "/highest 200", "/old 200", "/high 200", "/1 200", "/2 200", "/low 200")
		if s := c.b.Stats().Queue; s.Waiting != 0 || s.Queued != 6 || s.Served != 6 || s.Longest != 1500*time.Millisecond {
			t.Errorf("%+v", s)
		}
	})
}

// TestQueueRefuses: for each of its reasons.
func TestQueueRefuses(t *testing.T) {
	type refusal struct{ path, why string }
	for name, tt := range map[string]struct {
		o     QueueOptions
		run   func(t *testing.T, c *crowd)
		want  []refusal
		stats QueueStats
	}{
		"overstayed": {QueueOptions{MaxWait: 3 * time.Second}, func(t *testing.T, c *crowd) {
			c.ask(t.Context(), "/in", 0)
			w := c.ask(t.Context(), "/late", 0)
			time.Sleep(2999 * time.Millisecond)
			synctest.Wait()
			if len(c.end) != 0 {
				t.Error("it has not waited as long as it may")
			}
			time.Sleep(time.Millisecond)
			if got := <-c.end; got != "/late 503" || w.Header().Get("Retry-After") != "1" {
				t.Error(got, w.Header())
			}
			c.expect("/in 200")
		}, []refusal{{"/late", errOverstay.Error()}}, QueueStats{Queued: 1, Overstayed: 1}},
		"crowded": {QueueOptions{Max: 2}, func(t *testing.T, c *crowd) {
			for _, p := range []string{"/in", "/1", "/2", "/3"} {
				c.ask(t.Context(), p, 0)
			}
			if got := <-c.end; got != "/3 503" {
				t.Error(got)
			}
			c.expect("/in 200", "/1 200", "/2 200")
		}, []refusal{{"/3", errCrowded.Error()}}, QueueStats{Queued: 2, Served: 2, Crowded: 1}},
		"pushed": {QueueOptions{Max: 2}, func(t *testing.T, c *crowd) {
			for _, p := range []string{"/in", "/1", "/2"} {
				c.ask(t.Context(), p, 0)
			}
			c.ask(t.Context(), "/high", 1)
			if got := <-c.end; got != "/2 503" {
				t.Error(got)
			}
			c.ask(t.Context(), "/lowest", -1)
			if got := <-c.end; got != "/lowest 503" {
				t.Error(got)
			}
			c.expect("/in 200", "/high 200", "/1 200")
		}, []refusal{{"/2", errPushed.Error()}, {"/lowest", errCrowded.Error()}}, QueueStats{Queued: 3, Served: 2, Pushed: 1, Crowded: 1}},
		"nobody waits": {QueueOptions{Max: -1}, func(t *testing.T, c *crowd) {
			c.ask(t.Context(), "/in", 0)
			c.ask(t.Context(), "/1", 0)
			if got := <-c.end; got != "/1 503" {
				t.Error(got)
			}
			c.expect("/in 200")
		}, []refusal{{"/1", errFull.Error()}}, QueueStats{}},
		"drained": {QueueOptions{}, func(t *testing.T, c *crowd) {
			c.ask(t.Context(), "/in", 0)
			c.ask(t.Context(), "/1", 0)
			drained := make(chan error, 1)
			go func() { drained <- c.b.Drain(t.Context(), "a") }()
			if got := <-c.end; got != "/1 503" {
				t.Error(got)
			}
			c.expect("/in 200")
			if err := <-drained; err != nil {
				t.Error(err)
			}
		}, []refusal{{"/1", ErrNoBackend.Error()}}, QueueStats{Queued: 1}},
		"gone": {QueueOptions{}, func(t *testing.T, c *crowd) {
			c.ask(t.Context(), "/in", 0)
			ctx, cancel := context.WithCancel(t.Context())
			c.ask(ctx, "/1", 0)
			c.ask(t.Context(), "/2", 0)
			cancel()
			if got := <-c.end; got != "/1 400" { // in case only the client's side has ended
				t.Error(got)
			}
			c.expect("/in 200", "/2 200")
		}, nil, QueueStats{Queued: 2, Served: 1, Left: 1}},
		"frozen": {QueueOptions{Ageing: time.Minute}, func(t *testing.T, c *crowd) {
			for i := range 30 {
				c.ask(t.Context(), fmt.Sprint("/", i), 0)
			}
			for i := range 20 { // ten in a second
				time.Sleep(100 * time.Millisecond)
				c.expect(fmt.Sprintf("/%d 200", i))
			}
			time.Sleep(3 * time.Second)
			// It stands still, perhaps for three seconds more, and then serves the 9 that wait in another.
			c.ask(t.Context(), "/new", 0)
			for i := 20; i < 30; i++ {
				c.expect(fmt.Sprintf("/%d 200", i))
			}
			c.expect("/new 200")
		}, nil, QueueStats{Queued: 30, Served: 30}},
		"shed": {QueueOptions{MaxWait: time.Minute, Ageing: time.Minute}, func(t *testing.T, c *crowd) {
			for i := range 20 {
				c.ask(t.Context(), fmt.Sprint("/", i), 0)
			}
			for i := range 9 { // one in a second
				c.ask(t.Context(), fmt.Sprint("/more", i), 0)
				time.Sleep(time.Second)
				c.expect(fmt.Sprintf("/%d 200", i))
			}
			// 19 wait and the queue has not been empty for long, so it is cut to 8.
			c.ask(t.Context(), "/late", 0)
			if got := <-c.end; got != "/late 503" {
				t.Error(got)
			}
			c.ask(t.Context(), "/high", 1)
			if got := <-c.end; got != "/more8 503" {
				t.Error(got)
			}
			c.expect("/9 200", "/high 200")
			for i := 10; i < 20; i++ {
				c.expect(fmt.Sprintf("/%d 200", i))
			}
			for i := range 8 {
				c.expect(fmt.Sprintf("/more%d 200", i))
			}
		}, []refusal{{"/late", errShed.Error()}, {"/more8", errShed.Error()}}, QueueStats{Queued: 29, Served: 28, Shed: 2}},
		"hopeless": {QueueOptions{MaxWait: 20 * time.Second, Target: time.Hour, Ageing: time.Minute}, func(t *testing.T, c *crowd) {
			for i := range 36 {
				c.ask(t.Context(), fmt.Sprint("/", i), 0)
			}
			for i := range 10 { // one in a second
				time.Sleep(time.Second)
				c.expect(fmt.Sprintf("/%d 200", i))
			}
			// 25 wait. Who comes now would wait for as many seconds, but not if he mattered more.
			c.ask(t.Context(), "/25s", 0)
			if got := <-c.end; got != "/25s 503" {
				t.Error(got)
			}
			c.ask(t.Context(), "/high", 1)
			// His own deadline counts as well.
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			w := c.ask(ctx, "/3s", 0)
			if got := <-c.end; got != "/3s 503" {
				t.Error(got)
			}
			if after, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || after < 26 || after > 39 {
				t.Error("26 wait, a second each: Retry-After", after, err)
			}
			c.expect("/10 200", "/high 200")
			for i := 11; i < 36; i++ {
				c.expect(fmt.Sprintf("/%d 200", i))
			}
		}, []refusal{{"/25s", errHopeless.Error()}, {"/3s", errHopeless.Error()}}, QueueStats{Queued: 36, Served: 36, Hopeless: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var got []refusal
				c := newCrowd(t, tt.o, 1, func(o *Options) {
					o.Events.Refused = func(in Info, err error) {
						mu.Lock()
						defer mu.Unlock()
						if !errors.Is(err, ErrNoBackend) {
							t.Errorf("%v is not ErrNoBackend", err)
						}
						got = append(got, refusal{in.Path, err.Error()})
					}
				})
				tt.run(t, c)
				if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(refusal{})); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				s := c.b.Stats().Queue
				s.Waited, s.Longest, s.Pace = 0, 0, 0
				if diff := cmp.Diff(tt.stats, s); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

// TestQueueWakes: whatever makes a place, somebody gets it.
func TestQueueWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, QueueOptions{}, 1, nil)
		other := newBlocking()
		for _, p := range []string{"/in", "/1", "/2", "/3"} {
			c.ask(t.Context(), p, 0)
		}
		list := []Backend{{Name: "a", Handler: c.h, MaxInFlight: 1}, {Name: "b", Handler: other, MaxInFlight: 1}}
		if err := c.b.Set(list); err != nil {
			t.Fatal(err)
		}
		<-other.in // /1, at the new one
		list[1].MaxInFlight = 2
		if err := c.b.Set(list); err != nil {
			t.Fatal(err)
		}
		<-other.in // /2, at the place that is new there
		other.out <- struct{}{}
		<-c.end
		<-other.in // /3, at the place that is free again
		for range 2 {
			other.out <- struct{}{}
			<-c.end
		}
		c.expect("/in 200")
	})
}

// TestQueueTells: a backend learns how crowded it is, and not from clients.
func TestQueueTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		gate := make(chan struct{})
		b := mustNew(t, []Backend{{Name: "a", MaxInFlight: 1, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, fmt.Sprintf("%s|%s|%s", r.Header.Get("X-Queue-Count"), r.Header.Get("X-Queue-Age"), r.Header.Get("X-Queue-Wait")))
			<-gate
		})}}, nil)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set("X-Queue-Count", "1000")
				b.ServeHTTP(httptest.NewRecorder(), r)
			})
			synctest.Wait()
		}
		for range 4 {
			time.Sleep(1250 * time.Millisecond)
			gate <- struct{}{}
			synctest.Wait()
		}
		all.Wait()
		if diff := cmp.Diff([]string{"||", "2|1|1250", "1|2|2500", "0|0|3750"}, seen); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestQueueHoldsTheLimit: many clients, two backends, real goroutines: never more than the limits at
// once, nobody is forgotten, and nobody refused.
func TestQueueHoldsTheLimit(t *testing.T) {
	const clients, each = 32, 50
	var list []Backend
	for i, limit := range []int{1, 3} {
		var now atomic.Int32
		list = append(list, Backend{Name: strconv.Itoa(i), MaxInFlight: limit, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n := now.Add(1); n > int32(limit) {
				t.Errorf("%d at a time; the limit is %d", n, limit)
			}
			now.Add(-1)
		})})
	}
	b := mustNew(t, list, &Options{Queue: QueueOptions{MaxWait: time.Hour}})
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				w := httptest.NewRecorder()
				b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				if w.Code != http.StatusOK {
					t.Errorf("status %d", w.Code)
				}
			}
		})
	}
	all.Wait()
	if s := b.Stats(); s.Requests != clients*each || s.Queue.Queued != s.Queue.Served || s.Queue.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}
