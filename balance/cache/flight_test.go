package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/balance"
)

// A gate is a backend that answers when it is told to. Requests that arrive wait for their turn.
type gate struct {
	mu     sync.Mutex
	asked  int
	answer chan http.HandlerFunc
}

func newGate() *gate { return &gate{answer: make(chan http.HandlerFunc)} }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.asked++
	g.mu.Unlock()
	select {
	case h := <-g.answer:
		h(w, r)
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

// says answers with a body and fields in lines.
func says(status int, body string, fields string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for name, values := range header(fields) {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			io.WriteString(w, body)
		}
	}
}

// A crowd is requests at the same time.
type crowd struct {
	all     sync.WaitGroup
	mu      sync.Mutex
	answers []string
}

// send makes n requests and notes "status body" of each, "cut" if it breaks off.
func (c *crowd) send(h http.Handler, n int, ctx context.Context, fields string) {
	for range n {
		c.all.Go(func() {
			w := httptest.NewRecorder()
			got := "cut"
			if attempt(h, w, request("GET", "/", fields).WithContext(ctx)) {
				got = fmt.Sprintf("%d %s", w.Code, w.Body)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.answers = append(c.answers, got)
		})
	}
}

func (c *crowd) check(t *testing.T, want ...string) {
	t.Helper()
	c.all.Wait()
	slices.Sort(c.answers)
	slices.Sort(want)
	if diff := cmp.Diff(want, c.answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func times(n int, s string) []string { return slices.Repeat([]string{s}, n) }

const minute = "Cache-Control: max-age=60\n"

// TestCollapse: requests at the same time share one fetch, and each gets the answer.
func TestCollapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c, h := site(t, nil, g)
		var all crowd
		all.send(h, 10, t.Context(), "")
		synctest.Wait()
		if g.count() != 1 {
			t.Fatalf("the backend was asked %d times", g.count())
		}
		g.answer <- says(200, "one", minute)
		all.check(t, times(10, "200 one")...)
		if s := c.Stats(); s.Collapsed != 9 || s.Misses != 10 || s.Stored != 1 || s.Pending != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestCollapseEach: what those who wait do when the answer is not for them.
func TestCollapseEach(t *testing.T) {
	for _, tt := range []struct {
		name         string
		first, later http.HandlerFunc
		want         []string
		asked        int
	}{
		{"it fails", says(503, "no", ""), says(200, "one", minute), append(times(4, "200 one"), "503 no"), 5},
		{"it is not stored", says(200, "mine", ""), says(200, "own", ""), append(times(4, "200 own"), "200 mine"), 5},
		{"it is private", says(200, "mine", "Cache-Control: private"), says(200, "own", ""), append(times(4, "200 own"), "200 mine"), 5},
		{"it is stale at once", says(200, "mine", "Etag: \"a\"\nCache-Control: max-age=0"), says(200, "own", ""), append(times(4, "200 own"), "200 mine"), 5},
		{"it breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}, says(200, "own", minute), append(times(4, "200 own"), "cut"), 5},
		{"there is no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, says(200, "own", minute), append(times(4, "200 own"), "cut"), 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				_, h := site(t, nil, g)
				var all crowd
				all.send(h, 5, t.Context(), "")
				synctest.Wait()
				g.answer <- tt.first
				synctest.Wait()
				for range g.count() - 1 {
					g.answer <- tt.later
				}
				all.check(t, tt.want...)
				if g.count() != tt.asked {
					t.Errorf("the backend was asked %d times, want %d", g.count(), tt.asked)
				}
			})
		})
	}
}

// TestAlone: requests do not wait for each other again where that was of no use.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		_, h := site(t, nil, g)
		var all crowd
		all.send(h, 1, t.Context(), "")
		g.answer <- says(200, "one", "")
		all.all.Wait()
		all.send(h, 5, t.Context(), "")
		synctest.Wait()
		if g.count() != 6 {
			t.Errorf("the backend was asked %d times, want each of 5 at once", g.count()-1)
		}
		for range 5 {
			g.answer <- says(200, "one", minute)
		}
		all.check(t, times(6, "200 one")...)
		all.send(h, 1, t.Context(), "")
		all.check(t, times(7, "200 one")...)
	})
}

// TestCollapseVary: who waits gets the answer only if Vary lets it.
func TestCollapseVary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		_, h := site(t, nil, g)
		var all crowd
		all.send(h, 1, t.Context(), "A: 1")
		synctest.Wait()
		all.send(h, 1, t.Context(), "A: 1")
		all.send(h, 1, t.Context(), "A: 2")
		synctest.Wait()
		g.answer <- says(200, "one", minute+"Vary: A")
		g.answer <- says(200, "two", minute+"Vary: A")
		all.check(t, "200 one", "200 one", "200 two")
	})
}

// TestCollapsePriority: nobody waits for a request that matters less.
func TestCollapsePriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c, err := New(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		h, err := balance.New([]balance.Backend{{Name: "a", Handler: g}}, &balance.Options{Cache: c, Classify: func(in *balance.Info) { in.Priority = len(in.Header("P")) }})
		if err != nil {
			t.Fatal(err)
		}
		var all crowd
		for _, fields := range []string{"", "P: x", "P: x", "", "P: xx"} {
			all.send(h, 1, t.Context(), fields)
			synctest.Wait()
		}
		if g.count() != 3 {
			t.Errorf("the backend was asked %d times, want once for each priority", g.count())
		}
		for range 3 {
			g.answer <- says(200, "one", minute)
		}
		all.check(t, times(5, "200 one")...)
	})
}

// TestWaitEnds: nobody waits longer than Options.CoalesceWait for another's answer.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		_, h := site(t, &Options{CoalesceWait: 3 * time.Second}, g)
		var all crowd
		all.send(h, 3, t.Context(), "")
		synctest.Wait()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if g.count() != 3 {
			t.Errorf("after the time to wait the backend was asked %d times, want 3", g.count())
		}
		for range 3 {
			g.answer <- says(200, "one", minute)
		}
		all.check(t, times(3, "200 one")...)
	})
}

// TestWaiterLeaves: who goes away while waiting is not kept.
func TestWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		_, h := site(t, nil, g)
		var all, gone crowd
		all.send(h, 1, t.Context(), "")
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		gone.send(h, 1, ctx, "")
		synctest.Wait()
		cancel()
		gone.check(t, "cut")
		g.answer <- says(200, "one", minute)
		all.check(t, "200 one")
	})
}

// TestLeaderLeaves: the fetch goes on when who has caused it goes away, as long as others wait, or
// little is missing; else it ends.
func TestLeaderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		_, h := site(t, nil, g)
		var first, all crowd
		ctx, cancel := context.WithCancel(t.Context())
		first.send(h, 1, ctx, "")
		synctest.Wait()
		all.send(h, 3, t.Context(), "")
		synctest.Wait()
		cancel()
		synctest.Wait()
		g.answer <- says(200, "one", minute)
		all.check(t, times(3, "200 one")...)
		first.all.Wait()
		if g.count() != 1 {
			t.Errorf("the backend was asked %d times", g.count())
		}
		// Nobody else waits for this one.
		ctx, cancel = context.WithCancel(t.Context())
		first.send(h, 1, ctx, "Cache-Control: max-age=0")
		synctest.Wait()
		cancel()
		first.all.Wait()
	})
	for _, tt := range []struct {
		finish int64
		stored bool
	}{{0, true}, {5, true}, {4, false}, {-1, false}} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			_, h := site(t, &Options{FinishBytes: tt.finish}, g)
			var all crowd
			ctx, cancel := context.WithCancel(t.Context())
			all.send(h, 1, ctx, "")
			begun := make(chan bool)
			g.answer <- func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("Content-Length", "10")
				io.WriteString(w, "01234")
				begun <- true
				<-begun
				if r.Context().Err() != nil {
					panic(http.ErrAbortHandler)
				}
				io.WriteString(w, "56789")
			}
			<-begun
			cancel()
			synctest.Wait()
			begun <- true
			all.all.Wait()
			all.send(h, 1, t.Context(), "Cache-Control: only-if-cached")
			all.all.Wait()
			if got := all.answers[1] == "200 0123456789"; got != tt.stored {
				t.Errorf("FinishBytes %d: %q", tt.finish, all.answers)
			}
		})
	}
}

// TestUnwanted: a fetch that no client waits for any more ends after Options.FetchTimeout.
func TestUnwanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		_, h := site(t, &Options{FetchTimeout: 7 * time.Second}, g)
		var all crowd
		ctx, cancel := context.WithCancel(t.Context())
		all.send(h, 1, ctx, "")
		var took time.Duration
		g.answer <- func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "01234")
			start := time.Now()
			cancel()
			<-r.Context().Done()
			took = time.Since(start)
			panic(http.ErrAbortHandler)
		}
		all.all.Wait()
		if took != 7*time.Second {
			t.Errorf("the fetch has ended after %v", took)
		}
	})
}

// slow is a client that takes a byte at a time when it is told to.
type slow struct {
	*httptest.ResponseRecorder
	next chan bool
}

func (s *slow) Write(p []byte) (int, error) {
	for i := range p {
		if !<-s.next {
			return i, errors.New("gone")
		}
		if _, err := s.ResponseRecorder.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// TestSlowClient: one that reads slowly holds up neither the backend nor the others.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		_, h := site(t, nil, g)
		s := &slow{httptest.NewRecorder(), make(chan bool)}
		var all crowd
		all.all.Go(func() { attempt(h, s, request("GET", "/")) })
		synctest.Wait()
		all.send(h, 2, t.Context(), "")
		synctest.Wait()
		done := make(chan bool)
		body := strings.Repeat("x", small+1)
		g.answer <- func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			for part := range slices.Chunk([]byte(body), 10000) {
				w.Write(part)
			}
			close(done)
		}
		<-done
		synctest.Wait()
		if len(all.answers) != 2 || s.Body.Len() != 0 {
			t.Errorf("%d others have their answer, the slow one %d bytes", len(all.answers), s.Body.Len())
		}
		close(s.next)
		all.check(t, times(2, "200 "+body)...)
	})
}

// TestStreams: the client gets what there is before the end.
func TestStreams(t *testing.T) {
	for _, length := range []string{"", "40000"} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			c, h := site(t, nil, g)
			w := httptest.NewRecorder()
			var all crowd
			all.all.Go(func() { attempt(h, w, request("GET", "/")) })
			step := make(chan bool)
			g.answer <- func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				io.WriteString(w, "begin")
				http.NewResponseController(w).Flush()
				<-step
				io.WriteString(w, strings.Repeat("x", 39995))
			}
			synctest.Wait()
			if got := w.Body.String(); got != "begin" || !w.Flushed {
				t.Errorf("in the middle the client has %q, flushed: %v", got, w.Flushed)
			}
			if p := c.Stats().Pending; p == 0 {
				t.Error("no memory is reserved")
			}
			step <- true
			all.all.Wait()
			if w.Body.Len() != 40000 {
				t.Errorf("the client has %d bytes", w.Body.Len())
			}
			if s := c.Stats(); s.Pending != 0 || s.Stored != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestTooLarge: what does not fit passes whole, and is not stored.
func TestTooLarge(t *testing.T) {
	for _, o := range []Options{{ObjectBytes: 1 << 10}, {PendingBytes: 1 << 10}} {
		for _, length := range []bool{true, false} {
			for _, fields := range []string{"", "Range: bytes=0-1"} {
				synctest.Test(t, func(t *testing.T) {
					g := newGate()
					c, h := site(t, &o, g)
					for range 2 {
						var all crowd
						all.send(h, 1, t.Context(), fields)
						g.answer <- func(w http.ResponseWriter, _ *http.Request) {
							w.Header().Set("Cache-Control", "max-age=60")
							if length {
								w.Header().Set("Content-Length", "3000")
							}
							for range 30 {
								io.WriteString(w, strings.Repeat("x", 100))
							}
						}
						all.check(t, "200 "+strings.Repeat("x", 3000))
					}
					if s := c.Stats(); s.Stored != 0 || s.Pending != 0 || s.Passed != 2 {
						t.Errorf("%+v", s)
					}
				})
			}
		}
	}
}
