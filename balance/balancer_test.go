package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewErrors(t *testing.T) {
	h := says("")
	for name, tt := range map[string]struct {
		list []Backend
		o    *Options
		want []string // parts of the message
	}{
		"all at once": {
			[]Backend{{Name: "a b", URL: "ftp://x"}, {Name: "c"}, {Name: "c", Handler: h, Weight: -1}},
			&Options{Attempts: -1, Rise: 101, IdleTimeout: -1, Trusted: []netip.Prefix{{}}},
			[]string{`backend 1 ("a b"): its name`, "begin with http://", `backend 2 ("c"): it has neither`, "another backend has that name",
				"its weight is -1", "Options.Attempts is -1", "Options.Rise is 101", "Options.IdleTimeout is -1ns", "Options.Trusted"},
		},
		"both":     {[]Backend{{Name: "a", URL: "http://a", Handler: h}}, nil, []string{"both a URL and a Handler"}},
		"limit":    {[]Backend{{Name: "a", Handler: h, MaxInFlight: -1}}, nil, []string{"its limit of requests in flight is -1"}},
		"no host":  {[]Backend{{Name: "a", URL: "http://:80"}}, nil, []string{"names no host"}},
		"path":     {[]Backend{{Name: "a", URL: "http://a/b"}}, nil, []string{"must end after the host and port"}},
		"query":    {[]Backend{{Name: "a", URL: "http://a?"}}, nil, []string{"must end after the host and port"}},
		"bad URL":  {[]Backend{{Name: "a", URL: "http://secret@a:x"}}, nil, []string{"cannot be parsed"}},
		"user":     {[]Backend{{Name: "a", URL: "http://u:secret@a"}}, nil, []string{"must not have a user name"}},
		"too many": {make([]Backend, maxBackends+1), nil, []string{"at most 1000"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.list, tt.o)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in:\n%v", part, err)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("a password is in: %v", err)
			}
		})
	}
	b := mustNew(t, nil, nil)
	if err := b.Set([]Backend{{Name: ""}}); err == nil {
		t.Error("Set has taken a backend without a name")
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, request(t, "GET", "http://x/", nil))
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("an empty pool answers %d, %v", w.Code, w.Header())
	}
	w = httptest.NewRecorder()
	b.ServeHTTP(w, request(t, "CONNECT", "http://x/", nil))
	if w.Code != 501 {
		t.Errorf("CONNECT is answered with %d", w.Code)
	}
}

// blocking is a Handler that waits until it is let go.
type blocking struct{ in, out chan struct{} }

func newBlocking() *blocking { return &blocking{make(chan struct{}), make(chan struct{})} }

func (h *blocking) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.in <- struct{}{}
	<-h.out
	io.WriteString(w, "done")
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBlocking()
		b := mustNew(t, []Backend{{Name: "a", Handler: h}, {Name: "b", Handler: says("b")}}, &Options{Picker: ordered{}})
		served := make(chan string)
		go func() {
			w := httptest.NewRecorder()
			b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			served <- w.Body.String()
		}()
		<-h.in
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Drain(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 requests are still in flight") {
			t.Errorf("Drain of a busy backend: %v", err)
		}
		drained := make(chan error, 2)
		for range 2 {
			go func() { drained <- b.Drain(t.Context(), "a") }()
		}
		synctest.Wait()
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Body.String() != "b" {
			t.Errorf("a draining backend was asked: %q", w.Body)
		}
		select {
		case err := <-drained:
			t.Errorf("Drain has returned too early: %v", err)
		default:
		}
		// It stays what it is when the pool changes.
		if err := b.Set([]Backend{{Name: "a", Handler: says("a")}}); err != nil {
			t.Error(err)
		}
		w = httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 503 {
			t.Errorf("the only backend is draining, and the answer is %d", w.Code)
		}
		h.out <- struct{}{}
		if got := <-served; got != "done" {
			t.Errorf("the request in flight got %q", got)
		}
		for range 2 {
			if err := <-drained; err != nil {
				t.Error(err)
			}
		}
		if n := len(b.pool.Load().members[0].state.waiters); n != 0 {
			t.Errorf("%d waiters are left", n)
		}
		if err := b.Drain(t.Context(), "a"); err != nil {
			t.Errorf("Drain of an idle backend: %v", err)
		}
		if err := b.Undrain("a"); err != nil {
			t.Error(err)
		}
		w = httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Body.String() != "a" {
			t.Errorf("after Undrain: %d %q", w.Code, w.Body)
		}
		for _, err := range []error{b.Drain(t.Context(), "x"), b.Undrain("x")} {
			if !errors.Is(err, ErrUnknownBackend) {
				t.Errorf("a name that is not in the pool: %v", err)
			}
		}
	})
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBlocking()
		var refused []string
		b := mustNew(t, []Backend{{Name: "a", Handler: h, MaxInFlight: 2}, {Name: "b", Handler: h, MaxInFlight: 1}}, &Options{
			RetryAfter: 1500 * time.Millisecond, Queue: QueueOptions{Max: -1},
			Events: Events{Refused: func(in Info, err error) { refused = append(refused, in.Path+": "+err.Error()) }},
		})
		// b being unhealthy must not make it the way out when a is full.
		done := make(chan int)
		ask := func() {
			w := httptest.NewRecorder()
			b.ServeHTTP(w, httptest.NewRequest("GET", "/p", nil))
			done <- w.Code
		}
		for range 3 {
			go ask()
			<-h.in
		}
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("GET", "/p", nil))
		if w.Code != 503 || w.Header().Get("Retry-After") != "2" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("a full pool answers %d, %v", w.Code, w.Header())
		}
		if diff := cmp.Diff([]string{"/p: no backend available: all are serving as many requests as they may"}, refused); diff != "" {
			t.Error(diff)
		}
		for range 3 {
			h.out <- struct{}{}
			if code := <-done; code != 200 {
				t.Error(code)
			}
		}
		b.pool.Load().find("a").state.turn(up, "")
		b.pool.Load().find("b").state.turn(down, "tired")
		for range 2 {
			go ask()
			<-h.in
		}
		w = httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("GET", "/p", nil))
		if w.Code != 503 {
			t.Errorf("the healthy ones are full, and the answer is %d", w.Code)
		}
		for range 2 {
			h.out <- struct{}{}
			<-done
		}
	})
}

// TestLimitIsExact: requests that come at the same moment do not pass the limit together.
func TestLimitIsExact(t *testing.T) {
	const limit, clients = 3, 16
	h := newBlocking()
	b := mustNew(t, []Backend{{Name: "a", Handler: h, MaxInFlight: limit}}, &Options{Queue: QueueOptions{Max: -1}})
	codes := make(chan int)
	for range clients {
		go func() {
			w := httptest.NewRecorder()
			b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			codes <- w.Code
		}()
	}
	for range limit {
		<-h.in
	}
	for range clients - limit {
		if code := <-codes; code != 503 {
			t.Errorf("a request beyond the limit got %d", code)
		}
	}
	for range limit {
		h.out <- struct{}{}
		if code := <-codes; code != 200 {
			t.Errorf("a request within the limit got %d", code)
		}
	}
}

type refuseLow struct{}

func (refuseLow) Admit(in Info, c Candidate) bool { return in.Priority > 0 && c.Name != "b" }

func TestAdmitterAndClassify(t *testing.T) {
	b := mustNew(t, []Backend{{Name: "a", Handler: says("a")}, {Name: "b", Handler: says("b")}}, &Options{
		Admitter: refuseLow{},
		Classify: func(in *Info) {
			if in.Header("X-Staff") != "" {
				in.Priority = 1
			}
			in.Host = "elsewhere" // is not taken over
		},
		Events: Events{Attempt: func(in Info, backend string, status int, _ time.Duration, err error) {
			if in.Host != "example.org" || in.Method != "GET" || in.Path != "/x" || backend != "a" || status != 0 || err != nil {
				t.Errorf("Attempt(%+v, %s, %d, %v)", in, backend, status, err)
			}
		}},
	})
	for _, staff := range []string{"", "yes"} {
		r := httptest.NewRequest("GET", "http://example.org/x", nil)
		r.Header.Set("X-Staff", staff)
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if staff == "" && w.Code != 503 || staff != "" && w.Body.String() != "a" {
			t.Errorf("staff %q: %d %q", staff, w.Code, w.Body)
		}
	}
}

func TestPickerThatChoosesNone(t *testing.T) {
	for _, n := range []int{-1, 1} {
		b := mustNew(t, []Backend{{Name: "a", Handler: says("a")}}, &Options{Picker: pickIndex(n)})
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 503 {
			t.Errorf("index %d: %d", n, w.Code)
		}
	}
}

type pickIndex int

func (p pickIndex) Pick(Info, []Candidate) int { return int(p) }

// TestSet: requests in flight on a backend that is removed finish, and new ones go to the new pool.
func TestSet(t *testing.T) {
	h := newBlocking()
	old := serve(t, h)
	b := mustNew(t, []Backend{{Name: "a", URL: old.URL}}, nil)
	front := serve(t, b)
	got := make(chan result)
	go func() {
		r, _ := do(t, front.Client(), request(t, "GET", front.URL, nil))
		got <- r
	}()
	<-h.in
	first := b.pool.Load().find("a").state
	if err := b.Set([]Backend{{Name: "a", URL: old.URL, Weight: 5}, {Name: "b", Handler: says("b")}}); err != nil {
		t.Fatal(err)
	}
	if s := b.pool.Load().find("a"); s.state != first || s.Weight != 5 {
		t.Error("a backend that only changes its weight has lost its state")
	}
	if err := b.Set([]Backend{{Name: "a", URL: serve(t, says("new")).URL}}); err != nil {
		t.Fatal(err)
	}
	if r, _ := do(t, front.Client(), request(t, "GET", front.URL, nil)); r.Body != "new" {
		t.Errorf("the new pool answers %+v", r)
	}
	h.out <- struct{}{}
	if diff := cmp.Diff(result{Status: 200, Body: "done"}, <-got); diff != "" {
		t.Error(diff)
	}
	if n := first.inFlight.Load(); n != 0 {
		t.Errorf("%d requests are in flight on the old backend", n)
	}
}

// memory is a cache that keeps everything and asks whether it still holds.
type memory struct {
	body, tag string
	after     sync.WaitGroup
}

func (m *memory) Serve(ctx context.Context, w http.ResponseWriter, in Info, backend Fetcher) error {
	if in.Path == "/cut" || backend.HasBody() {
		return backend.Fetch(ctx, w, nil)
	}
	if in.Path == "/after" {
		// The request that the client has sent is answered when nobody waits for it any more.
		later, in := backend.Detach()
		m.after.Go(func() {
			kept := httptest.NewRecorder()
			if err := later.Fetch(context.Background(), kept, nil); err != nil {
				m.tag = err.Error()
				return
			}
			m.tag = in.Method + " " + in.Header("X-Drop") + " " + kept.Body.String()
		})
		return nil
	}
	kept := httptest.NewRecorder()
	change := http.Header{"X-Drop": nil}
	if m.tag != "" {
		change.Set("If-None-Match", m.tag)
	}
	if err := backend.Fetch(ctx, kept, change); err != nil {
		return err
	}
	if kept.Code == http.StatusNotModified {
		_, err := io.WriteString(w, "kept "+m.body)
		return err
	}
	m.body, m.tag = kept.Body.String(), kept.Header().Get("Etag")
	_, err := io.WriteString(w, "new "+m.body)
	return err
}

func TestCache(t *testing.T) {
	back := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cut" {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "half")
			return
		}
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("X-Drop") != "" && r.URL.Path != "/after" {
			t.Error("a field that the cache removes has arrived")
		}
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %s%s", r.Method, r.URL.Path, body)
	}))
	m := new(memory)
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, &Options{Cache: m})
	front := serve(t, b)
	for _, tt := range []struct{ method, path, want, err string }{
		{"PUT", "/p", "PUT /p body", ""},
		{"GET", "/p", "new GET /p", ""},
		{"GET", "/p", "kept GET /p", ""},
		{"GET", "/cut", "", "EOF"},
		{"GET", "/after", "", ""},
	} {
		var body io.Reader
		if tt.method == "PUT" {
			body = strings.NewReader(" body")
		}
		r := request(t, tt.method, front.URL+tt.path, body)
		if tt.method == "GET" {
			r.Header.Set("X-Drop", "1")
		}
		got, _ := do(t, front.Client(), r)
		if got.Body != tt.want || got.Err != tt.err {
			t.Errorf("%s %s: %+v, want %q %q", tt.method, tt.path, got, tt.want, tt.err)
		}
	}
	m.after.Wait()
	if want := "GET 1 GET /after"; m.tag != want {
		t.Errorf("a fetch after the answer: %q, want %q", m.tag, want)
	}
}
