package balance

import (
	"bufio"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestForwardedFields: what a backend of either kind sees of the client.
func TestForwardedFields(t *testing.T) {
	claims := http.Header{
		"Forwarded": {"for=1.2.3.4"}, "X-Forwarded-For": {"1.2.3.4", "5.6.7.8"}, "X-Forwarded-Host": {"evil.example"},
		"X-Forwarded-Proto": {"https"}, "Connection": {"X-Forwarded-For, X-Hop, X-Forwarded-Proto"}, "X-Hop": {"1"}, "Keep-Alive": {"1"},
	}
	for name, tt := range map[string]struct {
		remote string
		tls    bool
		header http.Header
		want   [3]string // For, Host, Proto
	}{
		"plain":       {"192.0.2.1:1234", false, nil, [3]string{"192.0.2.1", "example.org", "http"}},
		"TLS":         {"192.0.2.1:1234", true, nil, [3]string{"192.0.2.1", "example.org", "https"}},
		"claims":      {"192.0.2.1:1234", false, claims, [3]string{"192.0.2.1", "example.org", "http"}},
		"trusted":     {"10.0.0.1:1234", false, claims, [3]string{"1.2.3.4, 5.6.7.8, 10.0.0.1", "evil.example", "https"}},
		"trusted v6":  {"[::ffff:10.0.0.1]:1234", false, nil, [3]string{"::ffff:10.0.0.1", "example.org", "http"}},
		"odd proto":   {"10.0.0.1:1234", false, http.Header{"X-Forwarded-Proto": {"gopher"}}, [3]string{"10.0.0.1", "example.org", "http"}},
		"Unix socket": {"@", false, claims, [3]string{"", "example.org", "http"}},
	} {
		for _, kind := range []string{"address", "handler"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				var seen *http.Request
				h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r })
				e := Backend{Name: "a", Handler: h}
				if kind == "address" {
					e = Backend{Name: "a", URL: serve(t, h).URL + "/"}
				}
				b := mustNew(t, []Backend{e}, &Options{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
				r := httptest.NewRequest("GET", "http://example.org/a%2Fb//c?x=1;y=%zz&", nil)
				r.RemoteAddr = tt.remote
				maps.Copy(r.Header, tt.header.Clone())
				if tt.tls {
					r.TLS = new(tls.ConnectionState)
				}
				before := r.Header.Clone()
				b.ServeHTTP(httptest.NewRecorder(), r)
				if seen == nil {
					t.Fatal("nothing arrived")
				}
				h2 := seen.Header
				got := [3]string{strings.Join(h2["X-Forwarded-For"], "|"), h2.Get("X-Forwarded-Host"), h2.Get("X-Forwarded-Proto")}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if h2.Get("Forwarded") != "" {
					t.Error("Forwarded has passed")
				}
				if kind == "address" && (h2.Get("X-Hop") != "" || h2.Get("Keep-Alive") != "" || h2.Get("User-Agent") != "" || h2.Get("Accept-Encoding") != "") {
					t.Errorf("fields have passed or were added: %v", h2)
				}
				if seen.Host != "example.org" || seen.RequestURI != "/a%2Fb//c?x=1;y=%zz&" && kind == "address" {
					t.Errorf("Host %q, target %q", seen.Host, seen.RequestURI)
				}
				if diff := cmp.Diff(before, r.Header); diff != "" {
					t.Errorf("the client's request was changed:\n%s", diff)
				}
			})
		}
	}
}

// TestTransparent: the same requests to a server and through the balancer, to a backend of either
// kind, are answered alike.
func TestTransparent(t *testing.T) {
	file := strings.NewReader(strings.Repeat("0123456789", 100))
	h := http.NewServeMux()
	h.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		http.ServeContent(w, r, "f.txt", time.Unix(1e9, 0), io.NewSectionReader(file, 0, file.Size()))
	})
	h.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://example.org/", http.StatusMovedPermanently)
	})
	h.HandleFunc("/hints", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("X-Two", "a")
		w.Header().Add("X-Two", "b")
		io.WriteString(w, "hints")
	})
	h.HandleFunc("/trailer", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "trailed")
		w.Header().Set("X-Sum", "42")
	})
	h.HandleFunc("/error", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		http.Error(w, "later", http.StatusServiceUnavailable)
	})
	h.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Write(body)
	})
	h.HandleFunc("/nothing", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h.HandleFunc("/unwritten", func(w http.ResponseWriter, r *http.Request) {})
	direct := serve(t, h)
	fronts := map[string]*httptest.Server{}
	for name, e := range map[string]Backend{"address": {Name: "a", URL: direct.URL}, "handler": {Name: "a", Handler: h}} {
		b := mustNew(t, []Backend{e}, nil)
		fronts[name] = serve(t, b)
		// The same through the client's side of the balancer.
		fronts[name+" behind a client"] = serve(t, mustNew(t, []Backend{{Name: "b", URL: "http://pool"}}, &Options{Transport: b.RoundTripper()}))
	}
	type answer struct {
		Answer          result
		Header, Trailer http.Header
		Hints           []textproto.MIMEHeader
		Length          int64
	}
	ask := func(t *testing.T, method, url string, header http.Header, body string) answer {
		r := request(t, method, url, strings.NewReader(body))
		if body == "" {
			r.Body, r.ContentLength = nil, 0
		}
		maps.Copy(r.Header, header)
		var a answer
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				a.Hints = append(a.Hints, h)
				return nil
			},
		}))
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		a.Answer = result{res.StatusCode, string(b), reason(err)}
		a.Header, a.Trailer, a.Length = res.Header, res.Trailer, res.ContentLength
		a.Header.Del("Date")
		return a
	}
	for _, tt := range []struct {
		method, path string
		header       http.Header
		body         string
	}{
		{method: "GET", path: "/file"},
		{method: "HEAD", path: "/file"},
		{method: "GET", path: "/file", header: http.Header{"Range": {"bytes=10-19"}}},
		{method: "GET", path: "/file", header: http.Header{"Range": {"bytes=5000-"}}},
		{method: "GET", path: "/file", header: http.Header{"If-None-Match": {`"1"`}}},
		{method: "GET", path: "/redirect"},
		{method: "GET", path: "/hints"},
		{method: "GET", path: "/trailer"},
		{method: "GET", path: "/error"},
		{method: "GET", path: "/nothing"},
		{method: "GET", path: "/unwritten"},
		{method: "POST", path: "/echo", body: strings.Repeat("echo", 10000)},
		{method: "POST", path: "/echo", body: "x", header: http.Header{"Expect": {"100-continue"}}},
		{method: "GET", path: "/missing"},
		{method: "GET", path: "/file/../file"},
	} {
		want := ask(t, tt.method, direct.URL+tt.path, tt.header, tt.body)
		for _, name := range slices.Sorted(maps.Keys(fronts)) {
			if tt.path == "/trailer" && name == "handler behind a client" {
				continue // documented: no trailers
			}
			got := ask(t, tt.method, fronts[name].URL+tt.path, tt.header, tt.body)
			if name == "handler behind a client" && got.Length == -1 {
				// A server counts what a short handler has written; here it streams.
				got.Length = want.Length
				want.Header.Del("Content-Length")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s %v through %s (-direct +got)\n%s", tt.method, tt.path, tt.header, name, diff)
			}
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// TestStreaming: what a backend has flushed arrives before it goes on.
func TestStreaming(t *testing.T) {
	more := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			io.WriteString(w, "data: x\n")
			w.(http.Flusher).Flush()
			<-more
		}
	})
	for name, e := range map[string]Backend{"address": {Name: "a", URL: serve(t, h).URL}, "handler": {Name: "a", Handler: h}} {
		b := mustNew(t, []Backend{e}, nil)
		front := serve(t, b)
		for how, c := range map[string]*http.Client{"server": front.Client(), "client": {Transport: b.RoundTripper()}} {
			res, err := c.Do(request(t, "GET", front.URL, nil))
			if err != nil {
				t.Fatal(name, how, err)
			}
			lines := bufio.NewReader(res.Body)
			for range 3 {
				if line, err := lines.ReadString('\n'); line != "data: x\n" || err != nil {
					t.Fatalf("%s, %s: %q, %v", name, how, line, err)
				}
				more <- struct{}{}
			}
			if _, err := lines.ReadByte(); err != io.EOF {
				t.Errorf("%s, %s: %v", name, how, err)
			}
			if err := res.Body.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestUpgrade: after 101 bytes pass in both directions, a connection that is half closed stays half
// open, and Drain waits for it.
func TestUpgrade(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "echo" {
			http.Error(w, "no upgrade", http.StatusBadRequest)
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		io.Copy(c, rw)
		io.WriteString(c, "bye")
	})
	for name, e := range map[string]Backend{"address": {Name: "a", URL: serve(t, h).URL}, "handler": {Name: "a", Handler: h}} {
		t.Run(name, func(t *testing.T) {
			b := mustNew(t, []Backend{e}, &Options{IdleTimeout: time.Millisecond})
			front := serve(t, b)
			c, err := net.Dial("tcp", front.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			in := bufio.NewReader(c)
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "echo" {
				t.Fatal(res, err)
			}
			if n := inFlight(b); n != 1 {
				t.Errorf("%d in flight, want 1", n)
			}
			io.WriteString(c, "ping")
			p := make([]byte, 4)
			if _, err := io.ReadFull(in, p); string(p) != "ping" {
				t.Fatal(string(p), err)
			}
			c.(*net.TCPConn).CloseWrite()
			if rest, err := io.ReadAll(in); string(rest) != "bye" || err != nil {
				t.Errorf("after the client's end: %q, %v", rest, err)
			}
			if err := b.Drain(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestClientGoes: the backend learns that the client has gone, nothing is tried again, and it is not
// the backend's fault.
func TestClientGoes(t *testing.T) {
	in, out := make(chan struct{}), make(chan struct{})
	back := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in <- struct{}{}
		<-r.Context().Done()
		close(out)
	}))
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}, {Name: "b", Handler: says("b")}}, &Options{Picker: ordered{}})
	front := serve(t, b)
	c, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-in
	c.Close()
	<-out
	if err := b.Drain(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if s := b.Snapshot(); s[0].Failures != 0 || s[1].Requests != 0 {
		t.Errorf("%+v", s)
	}
}

// TestHandlerPanics: a handler that gives up breaks the answer off, one with a mistake is the
// server's to report; both are counted out.
func TestHandlerPanics(t *testing.T) {
	for _, p := range []any{http.ErrAbortHandler, "mistake"} {
		b := mustNew(t, []Backend{{Name: "a", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(p)
		})}}, nil)
		func() {
			defer func() {
				if got := recover(); got != p {
					t.Errorf("panic %v, want %v", got, p)
				}
			}()
			b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}()
		res, err := b.RoundTripper().RoundTrip(request(t, "GET", "http://pool/", nil))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); string(body) != "half" || err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("%q, %v", body, err)
		}
		res.Body.Close()
		if s := b.Snapshot()[0]; s.Failures != 2 || s.Requests != 2 {
			t.Errorf("%+v", s)
		}
	}
}

// TestUploadBreaks: that a client sends less than it said, or more than is taken, is not held against
// the backend, and is not tried again.
func TestUploadBreaks(t *testing.T) {
	back := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}, {Name: "b", URL: back.URL}}, &Options{Picker: ordered{}})
	for name, tt := range map[string]struct {
		body io.Reader
		max  int64
		want int
	}{
		"breaks off": {io.MultiReader(strings.NewReader("some"), brokenReader{}), 1 << 20, 400},
		"too large":  {strings.NewReader("more than ten bytes"), 10, 413},
		"whole":      {strings.NewReader("ten bytes."), 10, 200},
	} {
		r := httptest.NewRequest("PUT", "/", tt.body)
		w := httptest.NewRecorder()
		r.Body = http.MaxBytesReader(w, r.Body, tt.max)
		b.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: %d, want %d", name, w.Code, tt.want)
		}
	}
	if s := b.Snapshot(); s[0].Failures != 0 || s[1].Requests != 0 {
		t.Errorf("%+v", s)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestHTTP2: to clients of HTTP/2 a short answer is a stream that was reset.
func TestHTTP2(t *testing.T) {
	back := rawServer(t, func(c *net.TCPConn) {
		head := readHead(c)
		if !strings.Contains(head, "X-Forwarded-Proto: https\r\n") {
			t.Errorf("the backend gets\n%s", head)
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhalf")
		if strings.HasPrefix(head, "GET /whole ") {
			io.WriteString(c, "+whole")
		}
	})
	front := httptest.NewUnstartedServer(mustNew(t, []Backend{{Name: "a", URL: back}}, nil))
	front.EnableHTTP2 = true
	front.Config.ErrorLog = discardLog
	front.StartTLS()
	defer front.Close()
	got, _ := do(t, front.Client(), request(t, "GET", front.URL+"/whole", nil))
	if diff := cmp.Diff(result{Status: 200, Body: "half+whole"}, got); diff != "" {
		t.Error(diff)
	}
	got, _ = do(t, front.Client(), request(t, "GET", front.URL+"/short", nil))
	if !strings.Contains(got.Err, "INTERNAL_ERROR") {
		t.Errorf("a short answer looks like %+v", got)
	}
}
