package httpsession

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sealer(t testing.TB, cluster string, key string) *replica.Sealer {
	t.Helper()
	s, err := replica.NewSealer(replica.SealerConfig{Keys: [][]byte{[]byte(key)}, Cluster: cluster})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const key = "thirty-two bytes nobody can guess"

func made(t testing.TB, c Config) *Middleware {
	t.Helper()
	if c.Sealer == nil {
		c.Sealer = sealer(t, "", key)
	}
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func token(t testing.TB, text string) replica.Token {
	t.Helper()
	got, err := replica.ParseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestNewReportsAllMistakes(t *testing.T) {
	_, err := New(Config{CookieName: "a b", Header: "X Token", OnLost: func(r *http.Request, _ error) context.Context { return r.Context() }})
	for _, want := range []string{"no Sealer", "CookieName", "Header", "needs a Router"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// seen is a handler that tells the token of its request's session.
func seen(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, replica.SessionOf(r.Context()).Token())
}

func TestTokensOfRequests(t *testing.T) {
	good := sealer(t, "", key).Seal(token(t, "0-1-7"))
	newer := sealer(t, "", key).Seal(token(t, "0-1-9"))
	for name, c := range map[string]struct {
		header, cookies []string
		want            string
		stats           Stats
	}{
		"none":             {nil, nil, "", Stats{}},
		"empty":            {[]string{""}, []string{""}, "", Stats{}},
		"cookie":           {nil, []string{good}, "0-1-7", Stats{Opened: 1}},
		"header":           {[]string{good}, nil, "0-1-7", Stats{Opened: 1, Issued: 1}},
		"both":             {[]string{good}, []string{newer}, "0-1-9", Stats{Opened: 2, Issued: 1}},
		"two headers":      {[]string{good, newer}, nil, "", Stats{}},
		"two cookies":      {nil, []string{good, newer}, "0-1-9", Stats{Opened: 2}},
		"too many cookies": {nil, []string{"a", "b", "c", "d", good}, "", Stats{Malformed: 4}},
		"forged":           {nil, []string{sealer(t, "", key+"?").Seal(token(t, "0-1-7"))}, "", Stats{Forged: 1}},
		"foreign":          {[]string{sealer(t, "other", key).Seal(token(t, "0-1-7"))}, []string{good}, "0-1-7", Stats{Opened: 1, Foreign: 1}},
		"cut short":        {[]string{good[:30]}, nil, "", Stats{Malformed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			m := made(t, Config{})
			r := httptest.NewRequest("GET", "/", nil)
			for _, h := range c.header {
				r.Header.Add("X-Replica-Token", h)
			}
			for _, v := range c.cookies {
				r.AddCookie(&http.Cookie{Name: "replica", Value: v})
			}
			w := httptest.NewRecorder()
			m.Handler(http.HandlerFunc(seen)).ServeHTTP(w, r)
			if w.Code != http.StatusOK || w.Body.String() != c.want {
				t.Errorf("answer %d, session at %q, want %q", w.Code, w.Body, c.want)
			}
			if d := cmp.Diff(c.stats, m.Stats()); d != "" {
				t.Error(d)
			}
			if got := w.Result().Cookies(); len(got) != 0 {
				t.Errorf("a request that only read got the cookies %v", got)
			}
			if got := w.Header().Get("X-Replica-Token") != ""; got != (c.stats.Issued > 0) {
				t.Errorf("token in the header: %v", got)
			}
			if got := w.Header().Get("Cache-Control") == "no-store"; got != (c.stats.Issued > 0) {
				t.Errorf("no-store: %v", got)
			}
		})
	}
}

func TestMessages(t *testing.T) {
	m := made(t, Config{})
	if got := m.Export(t.Context()); got != "" {
		t.Errorf("a context without a session exports %q", got)
	}
	s := replica.NewSession()
	s.Observe(token(t, "0-1-7"))
	message := m.Export(replica.WithSession(t.Context(), s))
	ctx := m.Import(t.Context(), message)
	if got := replica.SessionOf(ctx).Token().String(); got != "0-1-7" {
		t.Errorf("what arrives is %q", got)
	}
	if got := replica.SessionOf(m.Import(ctx, "v1.made.up")).Token().String(); got != "" || m.Stats().Malformed != 1 {
		t.Errorf("a made-up message gives %q, %+v", got, m.Stats())
	}
}

// front is a router and a front end with a middleware of its own.
func front(t *testing.T, c Config, handler func(*replica.Router) http.Handler, servers ...*replicatest.Server) (*replica.Router, *Middleware, *httptest.Server) {
	t.Helper()
	nodes := make([]replica.Node, len(servers))
	for i, s := range servers {
		nodes[i] = replica.Node{Name: s.Name(), DSN: s.DSN()}
	}
	r, err := replica.New(replica.Config{Nodes: nodes, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, r.Close()); err != nil {
			t.Error(err)
		}
	})
	ready, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	if err := r.WaitReady(ready); err != nil {
		t.Fatal(err)
	}
	c.Router = r
	m := made(t, c)
	s := httptest.NewServer(m.Handler(handler(r)))
	t.Cleanup(s.Close)
	return r, m, s
}

// notes are pages with a table of notes: POST adds one, GET counts those of a text. "commit" says
// when the write is done: before or after the head is out, or not at all.
func notes(r *replica.Router) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		ctx := q.Context()
		w.Header().Set("Cache-Control", q.FormValue("cache"))
		if q.Method == "GET" {
			var n int
			if err := r.Read(ctx).QueryRowContext(ctx, "SELECT COUNT(*) FROM notes WHERE text = ?", q.FormValue("text")).Scan(&n); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			fmt.Fprint(w, n)
			return
		}
		tx, err := r.Write(ctx).BeginTx(ctx, nil)
		if err == nil {
			_, err = tx.ExecContext(ctx, "INSERT INTO notes VALUES (?)", q.FormValue("text"))
		}
		switch {
		case err != nil:
		case q.FormValue("commit") == "never":
			err = tx.Rollback()
		case q.FormValue("commit") == "late":
			w.WriteHeader(http.StatusEarlyHints)
			err = http.NewResponseController(w).Flush()
			err = errors.Join(err, tx.Commit())
		default:
			w.WriteHeader(http.StatusEarlyHints) // is not the head yet
			err = tx.Commit()
		}
		if err != nil {
			panic(err)
		}
	})
}

func do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func request(t *testing.T, method, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWriteHereReadThere writes through one front end and reads through another at once, from a
// replica that applies everything a second later.
func TestWriteHereReadThere(t *testing.T) {
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	servers := replicatest.Cluster(t, 2)
	servers[0].Exec("CREATE TABLE app.notes (text VARCHAR(100))")
	servers[1].CatchUp(servers[0])
	servers[1].Delay(time.Second)
	_, here, one := front(t, Config{}, notes, servers...)
	_, there, two := front(t, Config{}, notes, servers...)

	blind := 0
	for i := range 20 {
		url := fmt.Sprintf("/?cache=private&text=%d", i)
		written, _ := do(t, request(t, "POST", one.URL+url))
		cookies := written.Cookies()
		if len(cookies) != 1 {
			t.Fatalf("cookies %v", cookies)
		}
		c := cookies[0]
		if c.Name != "replica" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 15*60 || c.Path != "/" || c.Value != written.Header.Get("X-Replica-Token") {
			t.Errorf("cookie %+v", c)
		}
		if got := written.Header["Cache-Control"]; !cmp.Equal(got, []string{"private"}) {
			t.Errorf("Cache-Control %q, of which the handler said private", got)
		}
		if _, n := do(t, request(t, "GET", two.URL+url)); n == "0" {
			blind++
		}
		r := request(t, "GET", two.URL+url)
		if i%2 == 0 {
			r.AddCookie(c)
		} else {
			r.Header.Set("X-Replica-Token", c.Value)
		}
		if _, n := do(t, r); n != "1" {
			t.Fatalf("note %d is there %s times for who wrote it", i, n)
		}
	}
	if blind < 10 {
		t.Errorf("only %d of 20 reads without a token did not see the note, so this proves nothing", blind)
	}
	if got := there.Stats(); got.Opened != 20 {
		t.Errorf("stats there %+v", got)
	}

	for commit, want := range map[string]Stats{"never": {Issued: 20}, "late": {Issued: 20, Late: 1}} {
		answer, _ := do(t, request(t, "POST", one.URL+"/?text=x&commit="+commit))
		if len(answer.Cookies()) != 0 {
			t.Errorf("commit %s: cookies %v", commit, answer.Cookies())
		}
		if got := here.Stats(); got.Issued != want.Issued || got.Late < want.Late {
			t.Errorf("commit %s: stats %+v", commit, got)
		}
	}
	answer, _ := do(t, request(t, "POST", one.URL+"/?text=x&cache=public,+max-age=60"))
	if got := answer.Header["Cache-Control"]; !cmp.Equal(got, []string{"no-store"}) {
		t.Errorf("an answer with a token has Cache-Control %q", got)
	}
}

// TestLostWriteIsToldOnce loses the primary with a write that no replica has received.
func TestLostWriteIsToldOnce(t *testing.T) {
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	servers := replicatest.Cluster(t, 2)
	servers[0].Exec("CREATE TABLE app.notes (text VARCHAR(100))")
	servers[1].CatchUp(servers[0])
	told := make(chan error, 10)
	type toldKey struct{}
	router, m, one := front(t, Config{Secure: true, OnLost: func(r *http.Request, err error) context.Context {
		told <- err
		return context.WithValue(r.Context(), toldKey{}, true)
	}}, func(r *replica.Router) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if q.Context().Value(toldKey{}) != nil {
				w.Header().Set("X-Told", "yes")
			}
			notes(r).ServeHTTP(w, q)
		})
	}, servers...)

	kept, _ := do(t, request(t, "POST", one.URL+"/?text=kept"))
	servers[1].CatchUp(servers[0])
	servers[1].Exec("STOP SLAVE IO_THREAD")
	lost, _ := do(t, request(t, "POST", one.URL+"/?text=lost"))
	servers[0].Kill()
	servers[1].Promote()
	ready, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for router.Status().Primary != "b" {
		select {
		case <-tick.C:
		case <-ready.Done():
			t.Fatalf("the promoted server is not the primary: %+v", router.Status())
		}
	}
	read := func(cookie *http.Cookie, text, count string) *http.Response {
		t.Helper()
		r := request(t, "GET", one.URL+"/?text="+text)
		if cookie != nil {
			r.AddCookie(cookie)
		}
		answer, n := do(t, r)
		if n != count {
			t.Errorf("the note %q is there %q times, want %s", text, n, count)
		}
		return answer
	}
	if a := read(kept.Cookies()[0], "kept", "1"); a.Header.Get("X-Told") != "" {
		t.Error("a write that is there is taken for lost")
	}
	a := read(lost.Cookies()[0], "lost", "0")
	cookies := a.Cookies()
	if a.Header.Get("X-Told") != "yes" || len(cookies) != 1 || cookies[0].MaxAge >= 0 || !cookies[0].Secure {
		t.Fatalf("the author is not told (%v), or the cookie stays: %v", a.Header, cookies)
	}
	if err := <-told; !errors.Is(err, replica.ErrWriteLost) || len(told) != 0 || m.Stats().Lost != 1 {
		t.Errorf("told %v, and %d more; %+v", err, len(told), m.Stats())
	}
}

// A plain writer can nothing but what it must.
type plain struct{ http.ResponseWriter }

func TestWriterKeepsItsPowers(t *testing.T) {
	m := made(t, Config{})
	failed := make(chan error, 1)
	s := httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, reads := w.(io.ReaderFrom)
		_, flushes := w.(http.Flusher)
		_, hijacks := w.(http.Hijacker)
		if !reads || !flushes || !hijacks {
			failed <- errors.New("an interface is lost")
			return
		}
		c := http.NewResponseController(w)
		err := errors.Join(c.SetWriteDeadline(time.Now().Add(time.Minute)), c.EnableFullDuplex())
		if r.URL.Path == "/hijack" {
			conn, rw, e := c.Hijack()
			if err = errors.Join(err, e); err == nil {
				_, e := rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
				err = errors.Join(e, rw.Flush(), conn.Close())
			}
		} else {
			_, e1 := io.WriteString(w, "a")
			e2 := c.Flush()
			_, e3 := io.Copy(w, bufio.NewReader(strings.NewReader("b")))
			err = errors.Join(err, e1, e2, e3)
		}
		failed <- err
	})))
	defer s.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for path, want := range map[string]string{"/": "ab", "/hijack": "hi"} {
		if _, body := do(t, request(t, "GET", s.URL+path)); body != want {
			t.Errorf("%s: %q", path, body)
		}
		if err := <-failed; err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	w := &answer{ResponseWriter: plain{httptest.NewRecorder()}, middleware: m, session: replica.NewSession()}
	if err := w.FlushError(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("flushing what cannot flush: %v", err)
	}
}
