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

// TestBackground: stale-while-revalidate validates once at a time, not more than Options.Background,
// and Close ends it.
func TestBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		c, h := site(t, &Options{Background: 1}, g)
		get := func(path string) string { return serve(h, request("GET", path)).Body.String() }
		fill := func(path, body string) {
			go func() {
				g.answer <- says(200, body, "Cache-Control: max-age=10, stale-while-revalidate=100")
			}()
			get(path)
		}
		fill("/a", "one")
		fill("/b", "two")
		time.Sleep(11 * time.Second)
		for range 5 {
			if got := get("/a"); got != "one" {
				t.Errorf("stale: %q", got)
			}
		}
		synctest.Wait()
		if n := g.count(); n != 3 {
			t.Errorf("the backend was asked %d times, want 3", n)
		}
		// There is no room for a second one, so this request asks itself.
		var all crowd
		all.all.Go(func() {
			if got := get("/b"); got != "two two" {
				t.Errorf("validated in the foreground: %q", got)
			}
		})
		synctest.Wait()
		if n := g.count(); n != 4 {
			t.Errorf("the backend was asked %d times, want 4", n)
		}
		// Which of the two takes the answer is chance.
		g.answer <- again
		g.answer <- again
		all.all.Wait()
		synctest.Wait()
		if got := get("/a"); got != "one one" {
			t.Errorf("after the validation: %q", got)
		}
		time.Sleep(11 * time.Second)
		get("/a")
		synctest.Wait()
		c.Close()
		n := g.count()
		go func() { g.answer <- again }()
		if got := get("/a"); got != "one one" || g.count() != n+1 {
			t.Errorf("after Close: %q, asked %d times", got, g.count()-n)
		}
	})
}

func again(w http.ResponseWriter, r *http.Request) {
	body := "one one"
	if r.URL.Path == "/b" {
		body = "two two"
	}
	says(200, body, "Cache-Control: max-age=10, stale-while-revalidate=100")(w, r)
}

// TestBackgroundPanic: a backend that panics where no server catches it ends no process.
func TestBackgroundPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c, h := site(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n++; n == 2 {
				panic("a mistake")
			}
			says(200, "one", "Cache-Control: max-age=10, stale-while-revalidate=100")(w, r)
		}))
		for range 3 {
			if got := serve(h, request("GET", "/")).Body.String(); got != "one" {
				t.Errorf("%q", got)
			}
			synctest.Wait()
			time.Sleep(11 * time.Second)
		}
		if n != 3 || c.Stats().Background != 2 {
			t.Errorf("the backend was asked %d times; %+v", n, c.Stats())
		}
	})
}

// TestPanic: a panic of a backend reaches the server, and nobody waits for what will not come.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		_, h := site(t, nil, g)
		var all crowd
		all.all.Go(func() {
			defer func() {
				if p := recover(); p != "a mistake" {
					t.Errorf("recovered %v", p)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), request("GET", "/"))
		})
		synctest.Wait()
		all.send(h, 1, t.Context(), "")
		synctest.Wait()
		g.answer <- func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			io.WriteString(w, "half")
			panic("a mistake")
		}
		g.answer <- says(200, "one", minute)
		all.check(t, "200 one")
	})
}

// TestChangeOnTheWay: an answer to a request that was sent before a change or a purge is not stored,
// and who comes after the change does not wait for it.
func TestChangeOnTheWay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *Cache, h http.Handler, g *gate)
	}{
		{"POST", func(_ *Cache, h http.Handler, g *gate) {
			go serve(h, request("POST", "/"))
			synctest.Wait()
			g.answer <- nil
		}},
		{"purge", func(c *Cache, _ http.Handler, _ *gate) { c.Purge("http://example.com/") }},
		{"purge of a tag", func(c *Cache, _ http.Handler, _ *gate) { c.PurgeTag("t") }},
		{"purge of everything", func(c *Cache, _ http.Handler, _ *gate) { c.PurgeAll() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old := newGate()
				g := newGate()
				first := true
				c, h := site(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == "POST" {
						<-g.answer
						return
					}
					if first {
						first = false
						old.ServeHTTP(w, r)
						return
					}
					g.ServeHTTP(w, r)
				}))
				var all crowd
				all.send(h, 1, t.Context(), "")
				synctest.Wait()
				tt.change(c, h, g)
				synctest.Wait()
				all.send(h, 1, t.Context(), "")
				synctest.Wait()
				old.answer <- says(200, "old", minute+"Surrogate-Key: t")
				synctest.Wait()
				if n := c.Stats().Stored; n != 0 {
					t.Errorf("%d are stored", n)
				}
				g.answer <- says(200, "new", minute+"Surrogate-Key: t")
				all.all.Wait()
				all.send(h, 1, t.Context(), "")
				all.check(t, "200 new", "200 new", "200 old")
			})
		})
	}
}

// TestBodies: requests with a body, and upgrades, pass untouched.
func TestBodies(t *testing.T) {
	_, h := site(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Cache-Control", "max-age=60")
		w.Write(body)
	}))
	for _, body := range []string{"one", "two"} {
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		w := serve(h, r)
		if w.Body.String() != body || w.Header().Get("Cache-Status") != "balance; fwd=bypass" {
			t.Errorf("%q: %q %v", body, w.Body, w.Header())
		}
		w = serve(h, request("GET", "/", "Upgrade: x"))
		if w.Header().Get("Cache-Status") != "" || w.Header().Get("Age") != "" {
			t.Errorf("an upgrade: %v", w.Header())
		}
	}
}

// loud panics when it is written to.
type loud struct{ *httptest.ResponseRecorder }

func (loud) Write([]byte) (int, error) { panic("no") }

// TestWriterPanics: a writer that panics, where the cache writes in a goroutine of its own, breaks its
// own answer off and nothing else.
func TestWriterPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := site(t, nil, http.HandlerFunc(says(200, strings.Repeat("x", small+1), minute)))
		if attempt(h, loud{httptest.NewRecorder()}, request("GET", "/")) {
			t.Error("the answer seems whole")
		}
		if got := serve(h, request("GET", "/")).Body.Len(); got != small+1 {
			t.Errorf("others get %d bytes", got)
		}
	})
}

// TestLateFollower: who joins a fetch that goes on without its client makes it one that is waited for.
func TestLateFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		_, h := site(t, &Options{FetchTimeout: 2 * time.Second}, g)
		var first, all crowd
		ctx, cancel := context.WithCancel(t.Context())
		first.send(h, 1, ctx, "")
		next := make(chan bool)
		g.answer <- func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Length", "2")
			io.WriteString(w, "1")
			<-next
			if r.Context().Err() != nil {
				panic(http.ErrAbortHandler)
			}
			io.WriteString(w, "2")
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		all.send(h, 1, t.Context(), "")
		time.Sleep(10 * time.Second)
		next <- true
		all.check(t, "200 12")
		first.all.Wait()
	})
}

// TestOverNetwork: everything through servers and real connections, with a backend that has an address.
func TestOverNetwork(t *testing.T) {
	n := 0
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		switch r.URL.Path {
		case "/cut":
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Length", "100000")
			w.Write(make([]byte, 50000))
			return
		case "/trailer":
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "body")
			w.Header().Set("X-Sum", "1")
			return
		case "/hints":
			w.Header().Set("Link", "</a>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
		}
		w.Header().Set("Cache-Control", "max-age=60")
		for range 10 {
			w.Write(make([]byte, 10000))
			http.NewResponseController(w).Flush()
		}
	}))
	defer back.Close()
	c, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	b, err := balance.New([]balance.Backend{{Name: "a", URL: back.URL}}, &balance.Options{Cache: c, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(b)
	defer front.Close()
	for _, tt := range []struct {
		path   string
		length int
		whole  bool
		asked  int
	}{
		{"/", 100000, true, 1}, {"/", 100000, true, 1},
		{"/cut", 50000, false, 2}, {"/cut", 50000, false, 3},
		{"/trailer", 4, true, 4}, {"/trailer", 4, true, 5},
		{"/hints", 100000, true, 6}, {"/hints", 100000, true, 6},
	} {
		res, err := front.Client().Get(front.URL + tt.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if (err == nil) != tt.whole || tt.whole && len(body) != tt.length || n != tt.asked {
			t.Errorf("%s: %d bytes, %v, the backend was asked %d times; want %+v", tt.path, len(body), err, n, tt)
		}
		if tt.path == "/trailer" && res.Trailer.Get("X-Sum") != "1" {
			t.Errorf("trailers: %v", res.Trailer)
		}
		if res.Header.Get("Link") != "" {
			t.Error("a field of an informational answer has stayed")
		}
	}
}
