package balance

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bad are backends that fail in all the ways there are. Some need the body of a request read or not.
func bad(t *testing.T, asked *atomic.Int32) map[string]string {
	return map[string]string{
		"nobody listens": deadURL(t),
		"resets before a byte": rawServer(t, func(c *net.TCPConn) {
			readHead(c)
			asked.Add(1)
			c.SetLinger(0)
		}),
		"closes before a byte": rawServer(t, func(c *net.TCPConn) {
			readHead(c)
			asked.Add(1)
		}),
		"breaks off its header": rawServer(t, func(c *net.TCPConn) {
			readHead(c)
			asked.Add(1)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Le")
		}),
		"speaks no HTTP": rawServer(t, func(c *net.TCPConn) {
			readHead(c)
			asked.Add(1)
			io.WriteString(c, "SSH-2.0-OpenSSH\r\n")
		}),
		"hangs": rawServer(t, func(c *net.TCPConn) {
			readHead(c)
			asked.Add(1)
			io.Copy(io.Discard, c) // until the balancer gives up
		}),
		"breaks off its body": rawServer(t, func(c *net.TCPConn) {
			readHead(c)
			asked.Add(1)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}),
		"breaks off a chunk": rawServer(t, func(c *net.TCPConn) {
			readHead(c)
			asked.Add(1)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
		}),
		"hangs in its body": rawServer(t, func(c *net.TCPConn) {
			readHead(c)
			asked.Add(1)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			io.Copy(io.Discard, c)
		}),
	}
}

func TestRetry(t *testing.T) {
	good := result{Status: 200, Body: "good"}
	broken := result{Err: "EOF"} // net/http has held the beginning back in its buffer
	half := result{Status: 200, Body: "half", Err: "unexpected EOF"}
	gateway := result{Status: 502, Body: "The server behind this address has not answered. Please try again.\n"}
	late := result{Status: 504, Body: "The server behind this address has not answered in time. Please try again.\n"}
	tests := map[string]struct{ get, post, put result }{
		"nobody listens":        {good, good, good},
		"resets before a byte":  {good, gateway, gateway},
		"closes before a byte":  {good, gateway, gateway},
		"breaks off its header": {good, gateway, gateway},
		"speaks no HTTP":        {good, gateway, gateway},
		"hangs":                 {good, late, late},
		"breaks off its body":   {broken, broken, broken},
		"breaks off a chunk":    {half, half, half},
		"hangs in its body":     {broken, broken, broken},
	}
	for name, tt := range tests {
		for method, want := range map[string]result{"GET": tt.get, "POST": tt.post, "PUT": tt.put} {
			for _, kind := range []string{"address", "handler"} {
				t.Run(name+"/"+method+"/"+kind, func(t *testing.T) {
					t.Parallel()
					var asked, served atomic.Int32
					urls := bad(t, &asked)
					handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						served.Add(1)
						body, err := io.ReadAll(r.Body)
						if err != nil || method != "GET" && string(body) != "body" {
							t.Errorf("the body arrived as %q, %v", body, err)
						}
						io.WriteString(w, "good")
					})
					second := Backend{Name: "second", Handler: handler}
					if kind == "address" {
						second = Backend{Name: "second", URL: serve(t, handler).URL}
					}
					b := mustNew(t, []Backend{{Name: "first", URL: urls[name]}, second},
						&Options{Picker: ordered{}, Bodies: BodyOptions{Memory: -1}, ResponseTimeout: 400 * time.Millisecond, IdleTimeout: 400 * time.Millisecond})
					front := serve(t, b)
					var body io.Reader
					if method != "GET" {
						body = strings.NewReader("body")
					}
					got, _ := do(t, front.Client(), request(t, method, front.URL, body))
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("(-want +got)\n%s", diff)
					}
					if n := asked.Load(); n > 1 {
						t.Errorf("the bad backend was asked %d times", n)
					}
					if n := served.Load(); n != 0 && want != good || n != 1 && want == good {
						t.Errorf("the good backend was asked %d times", n)
					}
				})
			}
		}
	}
}

// TestRetryNeverTwice: with more attempts allowed than there are backends, each is asked once.
func TestRetryNeverTwice(t *testing.T) {
	var asked atomic.Int32
	kill := rawServer(t, func(c *net.TCPConn) { readHead(c); asked.Add(1) })
	kill2 := rawServer(t, func(c *net.TCPConn) { readHead(c); asked.Add(1) })
	for _, tt := range []struct{ attempts, want int }{{10, 2}, {1, 1}, {2, 2}} {
		asked.Store(0)
		b := mustNew(t, []Backend{{Name: "a", URL: kill}, {Name: "b", URL: kill2}}, &Options{Attempts: tt.attempts})
		front := serve(t, b)
		got, _ := do(t, front.Client(), request(t, "GET", front.URL, nil))
		if got.Status != 502 || int(asked.Load()) != tt.want {
			t.Errorf("%d attempts: status %d after asking %d times, want 502 after %d", tt.attempts, got.Status, asked.Load(), tt.want)
		}
		if st := b.Stats(); st.Retries != uint64(tt.want-1) || st.Failed != 1 || st.Requests != 1 {
			t.Errorf("%+v", st)
		}
	}
}

// TestRetryBudget: when every request fails, retries stop at a share of them.
func TestRetryBudget(t *testing.T) {
	failing := roundTripper(func(r *http.Request) (*http.Response, error) { return nil, errors.New("no luck") })
	b := mustNew(t, []Backend{{Name: "a", URL: "http://a"}, {Name: "b", URL: "http://b"}}, &Options{Transport: failing})
	const n = 1000
	for range n {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, request(t, "GET", "http://x/", nil))
		if w.Code != 502 {
			t.Fatal(w.Code)
		}
	}
	if st := b.Stats(); st.Retries < 100 || st.Retries > 100+n/5 {
		t.Errorf("%d retries of %d requests", st.Retries, n)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestStaleConnection: a kept-alive connection that is closed before anything was written to it costs
// nothing, not even to a POST.
func TestStaleConnection(t *testing.T) {
	back := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	var conns []*fadingConn
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conns = append(conns, &fadingConn{Conn: c})
		return conns[len(conns)-1], nil
	}}
	defer transport.CloseIdleConnections()
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, &Options{Transport: transport})
	for range 5 {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, request(t, "POST", "http://x/", strings.NewReader("body")))
		if w.Code != 200 || w.Body.String() != "body" {
			t.Fatalf("status %d, body %q", w.Code, w.Body)
		}
		for _, c := range conns {
			c.gone.Store(true)
		}
	}
	if len(conns) != 5 {
		t.Errorf("%d connections were made, want 5", len(conns))
	}
}

// A fadingConn cannot be written to once it is gone.
type fadingConn struct {
	net.Conn
	gone atomic.Bool
}

func (c *fadingConn) Write(p []byte) (int, error) {
	if c.gone.Load() {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

// TestUnreachedIsUnavailable: what no backend has seen may be sent again by anybody, and the answer says so.
func TestUnreachedIsUnavailable(t *testing.T) {
	gone := rawServer(t, func(*net.TCPConn) {})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		urls []string
		want int
	}{
		"nobody listens":          {[]string{nobody, nobody}, 503},
		"one took it and is gone": {[]string{gone, nobody}, 502},
	} {
		t.Run(name, func(t *testing.T) {
			b := mustNew(t, []Backend{{Name: "first", URL: tt.urls[0]}, {Name: "second", URL: tt.urls[1]}}, &Options{Picker: ordered{}})
			for _, method := range []string{"GET", "POST"} {
				w := httptest.NewRecorder()
				var body io.Reader
				if method == "POST" {
					body = strings.NewReader("body")
				}
				b.ServeHTTP(w, request(t, method, "http://x/", body))
				if w.Code != tt.want || (w.Header().Get("Retry-After") != "") != (tt.want == 503) {
					t.Errorf("%s: status %d, Retry-After %q, want %d", method, w.Code, w.Header().Get("Retry-After"), tt.want)
				}
			}
		})
	}
}

// TestElsewhere: an answer that the option does not want is replaced by that of another backend, as
// long as there is one.
func TestElsewhere(t *testing.T) {
	poor := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "poor")
	})
	rich := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "rich") })
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	elsewhere := func(in Info, status int) bool {
		return status == 503 && (in.Path == "/import" || in.Path == "/file" && in.Method == http.MethodGet)
	}
	for name, tt := range map[string]struct {
		method, path string
		backends     []http.Handler
		status       int
		body         string
		retries      uint64
	}{
		"one has it":                {"GET", "/file", []http.Handler{poor, rich}, 200, "rich", 1},
		"the third has it":          {"GET", "/file", []http.Handler{poor, poor, rich}, 200, "rich", 2},
		"nobody has it":             {"GET", "/file", []http.Handler{poor, poor}, 503, "poor", 1},
		"there is no other":         {"GET", "/file", []http.Handler{poor}, 503, "poor", 0},
		"it is not asked for":       {"GET", "/page", []http.Handler{poor, rich}, 503, "poor", 0},
		"it may not be asked again": {"POST", "/file", []http.Handler{poor, rich}, 503, "poor", 0},
		"it has done nothing":       {"POST", "/import", []http.Handler{poor, echo}, 200, "bundle", 1},
		"nor have two":              {"POST", "/import", []http.Handler{poor, poor, echo}, 200, "bundle", 2},
	} {
		t.Run(name, func(t *testing.T) {
			var list []Backend
			for i, h := range tt.backends {
				list = append(list, Backend{Name: string(rune('a' + i)), URL: serve(t, h).URL})
			}
			b := mustNew(t, list, &Options{Picker: ordered{}, Elsewhere: elsewhere})
			front := serve(t, b)
			ask := func() {
				t.Helper()
				var body io.Reader
				if tt.method == http.MethodPost {
					body = strings.NewReader("bundle")
				}
				before := b.Stats().Retries
				got, _ := do(t, front.Client(), request(t, tt.method, front.URL+tt.path, body))
				if retries := b.Stats().Retries - before; got.Status != tt.status || got.Body != tt.body || retries != tt.retries {
					t.Errorf("%+v, %d retries", got, retries)
				}
			}
			ask()
			// The last one may be a handler of this process, too.
			last := len(list) - 1
			list[last] = Backend{Name: list[last].Name, Handler: tt.backends[last]}
			if err := b.Set(list); err != nil {
				t.Fatal(err)
			}
			ask()
			for _, s := range b.Snapshot() {
				if s.InFlight != 0 {
					t.Errorf("%s still has %d in flight", s.Name, s.InFlight)
				}
			}
		})
	}
}
