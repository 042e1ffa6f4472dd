package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// records collects what Events.Done tells.
type records struct {
	mu   sync.Mutex
	list []Record
	more chan struct{}
}

func newRecords() *records { return &records{more: make(chan struct{}, 100)} }

func (r *records) done(rec *Record) {
	r.mu.Lock()
	r.list = append(r.list, *rec)
	r.mu.Unlock()
	r.more <- struct{}{}
}

// next waits for the next one. That of a client that has its answer may come a moment later.
func (r *records) next(t testing.TB) Record {
	t.Helper()
	select {
	case <-r.more:
	case <-t.Context().Done():
		t.Fatal("no record came")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list[len(r.list)-1]
}

// raw sends text over a connection of its own and reads until it is closed, unless it is to leave.
// then is sent when the header of the answer has come.
func raw(t testing.TB, url, text, then string, leave string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Error(err)
	}
	if then != "" {
		readHead(c)
		if _, err := io.WriteString(c, then); err != nil {
			t.Error(err)
		}
	}
	if leave == "half" {
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Error(err)
		}
	}
	if leave != "gone" {
		io.Copy(io.Discard, c) // how it ends is another's matter
	}
}

// TestRecordEnds has a case for each way in which a request can end.
func TestRecordEnds(t *testing.T) {
	const plain = "GET /a?b=%20c HTTP/1.1\r\nHost: example.org\r\nX-Request-Id: r-1\r\nConnection: close\r\n\r\n"
	hanging := func(c *net.TCPConn) { io.Copy(io.Discard, c) } // until it is given up
	answering := func(parts ...string) func(*net.TCPConn) {
		return func(c *net.TCPConn) {
			readHead(c)
			for _, p := range parts {
				io.WriteString(c, p)
			}
		}
	}
	for _, tt := range []struct {
		name    string
		backend func(t *testing.T) Backend
		options Options
		before  func(t *testing.T, b *Balancer)
		wrap    func(http.Handler) http.Handler
		send    string
		then    string
		leave   string // "gone": at once; "half": it has no more to say
		want    Record
	}{
		{name: "done", backend: handled(says("hello")), send: plain, want: Record{Status: 200, Sent: 5, Backend: "a", Tries: 1, End: Done}},
		{
			name: "done from afar", backend: afar(answering("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n")), send: plain,
			want: Record{Status: 404, Sent: 3, Backend: "a", Tries: 1, End: Done},
		},
		{
			name: "a handler that says nothing", backend: handled(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), send: plain,
			want: Record{Status: 200, Backend: "a", Tries: 1, End: Done},
		},
		{
			name: "a body", backend: handled(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })),
			send: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabcd",
			want: Record{Method: "POST", Host: "h", Target: "/", Status: 200, Received: 4, Sent: 4, Backend: "a", Tries: 1, End: Done},
		},
		{
			name: "client gone", leave: "gone", send: strings.Replace(plain, "Connection: close\r\n", "", 1),
			backend: handled(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })),
			want:    Record{Backend: "a", Tries: 1, End: ClientGone},
		},
		{
			name: "upload broken", leave: "half", send: "PUT /u HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\nab",
			backend: afar(func(c *net.TCPConn) { io.Copy(io.Discard, c) }),
			want:    Record{Method: "PUT", Host: "h", Target: "/u", Status: 400, Received: 2, Sent: 93, End: UploadBroken},
		},
		{
			name: "too large", backend: afar(func(c *net.TCPConn) { io.Copy(io.Discard, c) }),
			wrap: func(h http.Handler) http.Handler { return http.MaxBytesHandler(h, 3) },
			send: "PUT /u HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde",
			want: Record{Method: "PUT", Host: "h", Target: "/u", Status: 413, Sent: 46, Received: 3, End: TooLarge},
		},
		{
			name: "full", backend: func(*testing.T) Backend { return Backend{Name: "a", Handler: says(""), MaxInFlight: 1} },
			options: Options{Queue: QueueOptions{Max: -1}}, send: plain,
			before: func(t *testing.T, b *Balancer) {
				x := &exchange{b: b}
				if err := x.next(t.Context()); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(x.leave)
			},
			want: Record{Status: 503, Sent: 69, End: RefusedFull},
		},
		{
			name: "none", backend: handled(says("")), send: plain, want: Record{Status: 503, Sent: 69, End: RefusedNoBackend},
			before: func(t *testing.T, b *Balancer) {
				if err := b.Drain(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "unreached", backend: func(t *testing.T) Backend { return Backend{Name: "a", URL: deadURL(t)} }, send: plain,
			want: Record{Status: 503, Sent: 69, Backend: "a", Tries: 1, End: Unreached},
		},
		{name: "no answer", backend: afar(answering()), send: plain, want: Record{Status: 502, Sent: 67, Backend: "a", Tries: 1, End: NoAnswer}},
		{
			name: "timeout", backend: afar(hanging), options: Options{ResponseTimeout: 20 * time.Millisecond}, send: plain,
			want: Record{Status: 504, Sent: 75, Backend: "a", Tries: 1, End: Timeout},
		},
		{
			name: "cut", backend: afar(answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")), send: plain,
			want: Record{Status: 200, Sent: 3, Backend: "a", Tries: 1, End: BackendCut},
		},
		{
			name: "idle", options: Options{IdleTimeout: 20 * time.Millisecond}, send: plain,
			backend: afar(func(c *net.TCPConn) {
				answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")(c)
				hanging(c)
			}),
			want: Record{Status: 200, Sent: 3, Backend: "a", Tries: 1, End: BackendIdle},
		},
		{
			name: "a handler aborts", backend: handled(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "abc")
				panic(http.ErrAbortHandler)
			})), send: plain, want: Record{Status: 200, Sent: 3, Backend: "a", Tries: 1, End: BackendCut},
		},
		{
			name: "panicked", backend: handled(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a mistake") })), send: plain,
			want: Record{Backend: "a", Tries: 1, End: Panicked},
		},
		{
			name: "not served", backend: handled(says("")), send: "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nConnection: close\r\n\r\n",
			want: Record{Method: "CONNECT", Host: "example.org:443", Target: "/", Status: 501, Sent: 44, End: NotServed},
		},
		{
			name: "upgraded", send: "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", then: "ping",
			backend: afar(func(c *net.TCPConn) {
				answering("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")(c)
				p := make([]byte, 4)
				if _, err := io.ReadFull(c, p); err == nil {
					fmt.Fprintf(c, "%s, pong", p)
				}
			}),
			want: Record{Method: "GET", Host: "h", Target: "/ws", Status: 101, Received: 4, Sent: 10, Backend: "a", Tries: 1, End: Upgraded},
		},
		{
			name: "hijacked", send: plain,
			backend: handled(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					c.Close()
				}
			})),
			want: Record{Status: 101, Backend: "a", Tries: 1, End: Upgraded},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told := newRecords()
			tt.options.Events.Done = told.done
			b := mustNew(t, []Backend{tt.backend(t)}, &tt.options)
			if tt.before != nil {
				tt.before(t, b)
			}
			var h http.Handler = b
			if tt.wrap != nil {
				h = tt.wrap(h)
			}
			front := serve(t, h)
			raw(t, front.URL, tt.send, tt.then, tt.leave)
			got := told.next(t)
			want := tt.want
			if want.Method == "" {
				want.Method, want.Host, want.Target, want.ID = "GET", "example.org", "/a?b=%20c", "r-1"
			}
			want.Proto, want.Scheme, want.Client = "HTTP/1.1", "http", netip.MustParseAddr("127.0.0.1")
			if got.Total <= 0 || got.FirstByte > got.Total || (got.FirstByte > 0) != (got.Status > 0 && tt.name != "a handler that says nothing") || time.Since(got.Time) < got.Total {
				t.Errorf("times: %+v", got)
			}
			ignore := []string{"Time", "Total", "FirstByte", "Queue", "Connect"}
			if want.ID == "" && got.Status >= 400 {
				ignore = append(ignore, "ID")
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Record{}, ignore...), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Error(diff)
			}
			if s := b.Stats(); s.Ends[tt.want.End] != 1 || s.Answers[classOf(got.Status)] != 1 || s.Sent != got.Sent || s.Received != got.Received {
				t.Errorf("%+v", s)
			}
		})
	}
}

func handled(h http.Handler) func(*testing.T) Backend {
	return func(*testing.T) Backend { return Backend{Name: "a", Handler: h} }
}

func afar(do func(*net.TCPConn)) func(*testing.T) Backend {
	return func(t *testing.T) Backend { return Backend{Name: "a", URL: rawServer(t, do)} }
}

// TestRecordConnect: connections that are kept take no time to make.
func TestRecordConnect(t *testing.T) {
	back := serve(t, says("hello"))
	told := newRecords()
	b := mustNew(t, []Backend{{Name: "gone", URL: deadURL(t)}, {Name: "a", URL: back.URL}}, &Options{Picker: ordered{}, Events: Events{Done: told.done}})
	var got []string
	for range 2 {
		b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		r := told.next(t)
		got = append(got, fmt.Sprint(r.Backend, r.Tries, r.Connect > 0, r.End))
		if err := b.Drain(t.Context(), "gone"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"a2 true done", "a1 false done"}, got); diff != "" {
		t.Error(diff)
	}
	s := b.Snapshot()
	if s[0].LastError == "" || s[0].Erred.IsZero() || s[0].Answers != (Answers{}) || s[1].LastError != "" || s[1].Answers != (Answers{2: 2}) {
		t.Errorf("%+v", s)
	}
}

// TestRecordQueue: the wait for a backend is told, and that of those who need not wait is none.
func TestRecordQueue(t *testing.T) {
	told := newRecords()
	enter, leave := make(chan struct{}), make(chan struct{})
	b := mustNew(t, []Backend{{Name: "a", MaxInFlight: 1, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		enter <- struct{}{}
		<-leave
	})}}, &Options{Events: Events{Done: told.done}, Classify: func(in *Info) { in.Priority = 3 }})
	var all sync.WaitGroup
	get := func() { b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) }
	all.Go(get)
	<-enter
	all.Go(get)
	for b.Stats().Queue.Waiting == 0 {
		select {
		case <-t.Context().Done():
			t.Fatal("nobody waits")
		default:
		}
	}
	leave <- struct{}{}
	first := told.next(t)
	<-enter
	leave <- struct{}{}
	second := told.next(t)
	all.Wait()
	if first.Queue != 0 || second.Queue <= 0 || second.Priority != 3 || second.Total < second.Queue {
		t.Errorf("%+v\n%+v", first, second)
	}
	if h := b.Timings().Queue[2]; h.Count != 1 || h.Max != second.Queue {
		t.Errorf("%+v", h)
	}
}

// cached is a cache that says what it is told to.
type cached struct {
	says  string
	fetch bool
}

func (c cached) Serve(ctx context.Context, w http.ResponseWriter, _ Info, backend Fetcher) error {
	w.Header().Set("Cache-Status", c.says)
	if c.fetch {
		rec := httptest.NewRecorder()
		if err := backend.Fetch(ctx, rec, nil); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "stored")
	return err
}

// TestRecordCache: what a cache has made good is no failure, and its word is passed on.
func TestRecordCache(t *testing.T) {
	for _, tt := range []struct {
		cache cached
		want  Record
	}{
		{cached{"near; hit; ttl=3", false}, Record{Cache: "hit"}},
		{cached{"far; hit, near; fwd=uri-miss; stored", true}, Record{Cache: "uri-miss", Backend: "gone", Tries: 1}},
		{cached{"", false}, Record{}},
	} {
		told := newRecords()
		b := mustNew(t, []Backend{{Name: "gone", URL: deadURL(t)}}, &Options{Cache: tt.cache, Events: Events{Done: told.done}})
		b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		got := told.next(t)
		if got.Cache != tt.want.Cache || got.Backend != tt.want.Backend || got.Tries != tt.want.Tries || got.Sent != 6 || got.End != Done || got.Status != 200 {
			t.Errorf("%+v: %+v", tt.cache, got)
		}
	}
}

// TestVisitPasses: what handlers may ask of a ResponseWriter, they get.
func TestVisitPasses(t *testing.T) {
	told := newRecords()
	b := mustNew(t, []Backend{{Name: "a", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		w.(http.Flusher).Flush()
		if _, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("abc")); err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(w, "de"); err != nil {
			t.Error(err)
		}
		if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
	})}}, &Options{Events: Events{Done: told.done}})
	got, _ := do(t, http.DefaultClient, request(t, "GET", serve(t, b).URL, nil))
	if diff := cmp.Diff(result{Status: 200, Body: "abcde"}, got); diff != "" {
		t.Error(diff)
	}
	if r := told.next(t); r.Status != 200 || r.Sent != 5 {
		t.Errorf("%+v", r)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestEndNames(t *testing.T) {
	names := map[string]bool{}
	for e := range ends {
		if names[e.String()] = true; e.String() == "" {
			t.Errorf("%d has no name", e)
		}
	}
	if len(names) != int(ends) || End(200).String() != "unknown" {
		t.Error(names)
	}
	for _, full := range []error{errFull, errShed, errNoRoom} {
		if e := endOf(t.Context(), full); e != RefusedFull {
			t.Errorf("%v: %v", full, e)
		}
	}
	if endOf(t.Context(), errors.New("x")) != NoAnswer {
		t.Error("an unknown error is not without an answer")
	}
}

// TestRecordHandoff: who has answered in the backend's place, or should have, is told.
func TestRecordHandoff(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	back := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Accel-Redirect", r.URL.Path) }))
	told := newRecords()
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, &Options{Handoff: HandoffOptions{Root: root, URLs: []string{deadURL(t) + "/"}}, Events: Events{Done: told.done}})
	for path, want := range map[string]string{"/f": "200 7 a handed_off", "/none": "404 23 a handed_off"} {
		b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
		if r := told.next(t); fmt.Sprint(r.Status, r.Sent, " ", r.Backend, " ", r.End) != want {
			t.Errorf("%s: %+v, want %s", path, r, want)
		}
	}
}
