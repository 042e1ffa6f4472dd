package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pires/go-proxyproto"
)

// TestOptions: all mistakes are told at once.
func TestOptions(t *testing.T) {
	_, err := New(nil, Options{MaxFields: 1, MaxConnsPerAddress: -1, HeaderTimeout: -1, Writes: Rate{PerSecond: 1}, Trusted: []netip.Prefix{{}}, Certificates: []Certificate{{"no", "such"}}})
	for _, want := range []string{"handler", "MaxFields is 1; it must be between 10 and 10000, or 0 for 128", "HeaderTimeout", "Writes", "Trusted", "certificate 1 (no, such)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "MaxConnsPerAddress") {
		t.Error("a negative limit is none")
	}
}

func TestServeErrors(t *testing.T) {
	s := mustNew(t, http.NotFoundHandler(), Options{})
	if err := s.Serve(t.Context()); err == nil {
		t.Error("no listener is no error")
	}
	s = mustNew(t, http.NotFoundHandler(), Options{})
	l := listen(t)
	if err := s.Serve(t.Context(), Listener{Listener: l, TLS: true}); err == nil || !strings.Contains(err.Error(), "Certificates") {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error("the listener is open")
	}
	s = mustNew(t, http.NotFoundHandler(), Options{})
	l = listen(t)
	l.Close()
	if err := s.Serve(t.Context(), Listener{Listener: l}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a listener that fails: %v", err)
	}
	if err := s.Serve(t.Context(), Listener{Listener: listen(t)}); err == nil || !strings.Contains(err.Error(), "before") {
		t.Errorf("a second time: %v", err)
	}
}

func get(fields string) string { return "GET /a HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" }

func says(word string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, word)
	})
}

// TestConnections: one too many of one client is closed; trusted proxies are not counted
// as clients, and room that becomes free is room.
func TestConnections(t *testing.T) {
	for name, tt := range map[string]struct {
		o    Options
		want Stats
	}{
		"per address": {Options{MaxConnsPerAddress: 2}, Stats{FullForOne: 1}},
		"trusted":     {Options{MaxConnsPerAddress: 2, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Stats{}},
		"none":        {Options{MaxConnsPerAddress: -1}, Stats{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustNew(t, says("hello"), tt.o)
			address, _ := serveOn(t, s, Listener{})
			ask := func(c net.Conn) string {
				io.WriteString(c, get(""))
				res, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					return "closed"
				}
				return res.Status
			}
			kept := dial(t, address)
			for i, c := range []net.Conn{kept, dial(t, address)} {
				if got := ask(c); got != "200 OK" {
					t.Fatal(i, got)
				}
			}
			third := ask(dial(t, address))
			refused := tt.want != Stats{}
			if refused == (third == "200 OK") {
				t.Errorf("the third: %s", third)
			}
			got := s.Stats()
			if diff := cmp.Diff(tt.want, Stats{Full: got.Full, FullForOne: got.FullForOne}); diff != "" {
				t.Error(diff)
			}
			kept.Close()
			got200 := false
			for range 1000 { // the server may not have seen it yet
				if got200 = ask(dial(t, address)) == "200 OK"; got200 {
					break
				}
			}
			if !got200 {
				t.Error("nobody is let in after one has gone")
			}
		})
	}
}

// TestFull: when all places are taken, a connection between two requests makes way; when all are busy,
// the new one is told so.
func TestFull(t *testing.T) {
	began, end := make(chan bool), make(chan bool)
	s := mustNew(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Wait") != "" {
			began <- true
			<-end
		}
	}), Options{MaxConns: 2})
	address, _ := serveOn(t, s, Listener{})
	answer := func(c net.Conn) string {
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return "closed"
		}
		return res.Status
	}
	busy, idle := dial(t, address), dial(t, address)
	io.WriteString(busy, get("Wait: 1\r\n"))
	<-began
	io.WriteString(idle, get(""))
	if got := answer(idle); got != "200 OK" {
		t.Fatal(got)
	}
	next := dial(t, address)
	for range 1000 { // the server may not know yet that it is idle
		io.WriteString(next, get(""))
		if answer(next) == "200 OK" {
			break
		}
		next = dial(t, address)
	}
	if got := answer(idle); got != "closed" {
		t.Errorf("the idle one: %s", got)
	}
	io.WriteString(next, get("Wait: 1\r\n"))
	<-began
	before := s.Stats().Full
	if got := answer(dial(t, address)); got != "503 Service Unavailable" || s.Stats().Full != before+1 {
		t.Errorf("one too many: %s", got)
	}
	close(end)
	if a, b := answer(busy), answer(next); a != "200 OK" || b != "200 OK" {
		t.Errorf("%s, %s", a, b)
	}
}

// TestRates: a client of many writes is asked to wait; reads and other clients go on.
func TestRates(t *testing.T) {
	s := mustNew(t, says("hello"), Options{Writes: Rate{PerSecond: 0.001, Burst: 3}, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	address, _ := serveOn(t, s, Listener{})
	write := func(client string) string {
		return exchange(t, address, "POST /a HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: "+client+"\r\nContent-Length: 1\r\n\r\nx")
	}
	for i, client := range []string{"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"} { // one house
		if got := write(client); !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Fatal(i, got)
		}
	}
	if got := write("2001:db8::4"); !strings.HasPrefix(got, "HTTP/1.1 429") || !strings.Contains(got, "Retry-After: ") {
		t.Errorf("%q", got)
	}
	if got := write("2001:db8:0:1::1"); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("another house: %q", got)
	}
	for range 20 {
		if got := exchange(t, address, get("X-Forwarded-For: 2001:db8::1\r\n")); !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Fatalf("a read: %q", got)
		}
	}
	if n := s.Stats().Limited; n != 1 {
		t.Errorf("%d were limited", n)
	}
}

// TestBuckets: the memory of clients has a bound.
func TestBuckets(t *testing.T) {
	b := newBuckets(Rate{PerSecond: 1, Burst: 1})
	a := netip.MustParseAddr("10.0.0.0")
	for range 3 * maxClients {
		if _, ok := b.take(a); !ok {
			t.Fatal(a)
		}
		a = a.Next()
	}
	if n := len(b.young) + len(b.old); n > 2*maxClients {
		t.Errorf("%d are remembered", n)
	}
	if _, ok := b.take(a.Prev()); ok {
		t.Error("the last one is forgotten")
	}
}

// TestSlowUpload: a body that comes too slowly, or not at all, is answered with 408; one that comes
// slowly but steadily is not.
func TestSlowUpload(t *testing.T) {
	s := mustNew(t, says("hello"), Options{RateWindow: 30 * time.Millisecond, MinUploadRate: 1 << 20})
	address, _ := serveOn(t, s, Listener{})
	c := dial(t, address)
	io.WriteString(c, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
	b, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 408 ") || !strings.Contains(string(b), "Connection: close") || !strings.Contains(string(b), "too slowly") {
		t.Errorf("nothing more: %q, %v", b, err)
	}
	c = dial(t, address)
	io.WriteString(c, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	answer := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(c)
		answer <- string(b)
	}()
	for range 2000 { // a few bytes now and then
		if _, err := io.WriteString(c, "1\r\na\r\n"); err != nil {
			break
		}
		select {
		case got := <-answer:
			if !strings.HasPrefix(got, "HTTP/1.1 408 ") {
				t.Errorf("a trickle: %q", got)
			}
			answer <- ""
		case <-time.After(time.Millisecond):
			continue
		}
		break
	}
	if n := s.Stats().SlowUploads; n != 2 {
		t.Errorf("%d were slow", n)
	}
	s = mustNew(t, says("hello"), Options{RateWindow: 30 * time.Millisecond, MinUploadRate: -1})
	address, _ = serveOn(t, s, Listener{})
	if got := exchange(t, address, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd"); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("%q", got)
	}
}

// TestSlowReader: who takes nothing of an answer is cut, and the handler learns of it.
func TestSlowReader(t *testing.T) {
	failed := make(chan error, 1)
	s := mustNew(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				failed <- err
				return
			}
		}
	}), Options{RateWindow: 20 * time.Millisecond, MinDownloadRate: 100 << 20})
	address, _ := serveOn(t, s, Listener{})
	c := dial(t, address)
	io.WriteString(c, get(""))
	if err := <-failed; err == nil {
		t.Error("no error")
	}
	if n := s.Stats().SlowReaders; n != 1 {
		t.Errorf("%d were slow", n)
	}
}

// TestSlowHeader: a header that does not end is closed.
func TestSlowHeader(t *testing.T) {
	s := mustNew(t, says("hello"), Options{HeaderTimeout: 20 * time.Millisecond})
	address, _ := serveOn(t, s, Listener{})
	c := dial(t, address)
	io.WriteString(c, "GET /a HTTP/1.1\r\nHost:")
	if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
}

// TestStop: a request in progress ends, its connection is told, and no other is taken; one that does
// not end is cut.
func TestStop(t *testing.T) {
	began, end := make(chan bool), make(chan bool)
	s := mustNew(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- true
		select {
		case <-end:
			io.WriteString(w, "done")
		case <-r.Context().Done():
			end <- true
		}
	}), Options{StopTimeout: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	l := listen(t)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, Listener{Listener: l}) }()
	quick, slow := dial(t, l.Addr().String()), dial(t, l.Addr().String())
	io.WriteString(quick, get(""))
	<-began
	io.WriteString(slow, get(""))
	<-began
	cancel()
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is open")
	}
	end <- true
	<-end // the other one was cut
	if err := <-done; err != nil {
		t.Error(err)
	}
	var answers []string
	for _, c := range []net.Conn{quick, slow} {
		b, _ := io.ReadAll(c)
		answers = append(answers, string(b))
	}
	if a := answers[0] + answers[1]; strings.Count(a, "done") != 1 {
		t.Errorf("%q", answers)
	}
}

// TestProxy: a trusted proxy names the client, by either version; others are closed, or served as they are.
func TestProxy(t *testing.T) {
	tells := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) })
	header := func(version byte) string {
		h := proxyproto.HeaderProxyFromAddrs(version, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 1234}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80})
		var b bytes.Buffer
		if _, err := h.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	local := proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}
	localBytes, err := local.Format()
	if err != nil {
		t.Fatal(err)
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for name, tt := range map[string]struct {
		o          Options
		send, want string // want "": closed
	}{
		"v1":                 {Options{Trusted: trusted}, header(1), "192.0.2.7:1234"},
		"v2":                 {Options{Trusted: trusted}, header(2), "192.0.2.7:1234"},
		"local":              {Options{Trusted: trusted}, string(localBytes), "127.0.0.1:"},
		"none":               {Options{Trusted: trusted}, "", ""},
		"late":               {Options{Trusted: trusted, HandshakeTimeout: 10 * time.Millisecond}, "late", ""},
		"broken":             {Options{Trusted: trusted}, "PROXY TCP4 192.0.2.7\r\n", ""},
		"not trusted":        {Options{}, header(1), ""},
		"plain":              {Options{PlainFromUntrusted: true}, "", "127.0.0.1:"},
		"plain with header":  {Options{PlainFromUntrusted: true}, header(1), "400 Bad Request"},
		"too many from it":   {Options{Trusted: trusted, MaxConnsPerAddress: 1}, header(1), "192.0.2.7:1234"},
		"too many, the next": {Options{Trusted: trusted, MaxConnsPerAddress: 1}, "two", ""},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := serveOn(t, mustNew(t, tells, tt.o), Listener{Proxy: true})
			send := tt.send + get("Connection: close\r\n")
			switch tt.send {
			case "late":
				send = "PROXY"
			case "two":
				first := dial(t, address)
				io.WriteString(first, header(1)+get(""))
				if _, err := http.ReadResponse(bufio.NewReader(first), nil); err != nil {
					t.Fatal(err)
				}
				send = header(1) + get("")
			}
			c := dial(t, address)
			io.WriteString(c, send)
			b, _ := io.ReadAll(c)
			if tt.want == "" && len(b) > 0 || !strings.Contains(string(b), tt.want) {
				t.Errorf("%q, want %q", b, tt.want)
			}
		})
	}
}

// TestProxyTLS: the PROXY header comes before the handshake.
func TestProxyTLS(t *testing.T) {
	pair := pairIn(t.TempDir(), "one")
	writePair(t, pair, "one.example")
	tells := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto+" "+r.RemoteAddr) })
	s := mustNew(t, tells, Options{Certificates: []Certificate{pair}, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	address, _ := serveOn(t, s, Listener{TLS: true, Proxy: true})
	for _, proto := range []string{"h2", "http/1.1"} {
		tr := &http.Transport{ForceAttemptHTTP2: proto == "h2", TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{proto}},
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				c := dial(t, address)
				_, err := io.WriteString(c, "PROXY TCP6 2001:db8::7 2001:db8::1 1234 443\r\n")
				return c, err
			}}
		res, err := (&http.Client{Transport: tr}).Get("https://one.example/")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if want := res.Proto + " [2001:db8::7]:1234"; string(b) != want || err != nil {
			t.Errorf("%q, %v, want %q", b, err, want)
		}
		tr.CloseIdleConnections()
	}
}

// TestUpgrade: after 101 the bytes are no HTTP, and either side may end first.
func TestUpgrade(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		io.Copy(c, rw)
		io.WriteString(c, "bye")
	})
	address, stop := serveOn(t, mustNew(t, h, Options{}), Listener{})
	c := dial(t, address)
	io.WriteString(c, get("Connection: Upgrade\r\nUpgrade: x\r\n"))
	in := bufio.NewReader(c)
	if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	const junk = "\x00\n\x81\x05hello\r\r\n"
	io.WriteString(c, junk)
	c.CloseWrite()
	if b, err := io.ReadAll(in); string(b) != junk+"bye" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	// One that stays open is closed at the end.
	c = dial(t, address)
	io.WriteString(c, get("Connection: Upgrade\r\nUpgrade: x\r\n"))
	if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		t.Fatal(err)
	}
	stop()
}
