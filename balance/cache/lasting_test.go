package cache

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

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
