package edge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/balance"
	"golang.org/x/net/http2"
)

// through serves a balancer before one backend, over TLS.
func through(t testing.TB, url string) (address string) {
	t.Helper()
	b, err := balance.New([]balance.Backend{{Name: "a", URL: url}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // Run closes what is idle
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	address, _ = tlsServer(t, b, Options{})
	return address
}

func h2cBackend(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "http", "h2c", 1)
}

// message frames bytes as gRPC does.
func message(s string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(s))), s...)
}

func readMessage(r io.Reader) (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(r, b)
	return string(b), err
}

// TestGRPC: a call that streams both ways, with fields before and after on both sides, to a backend
// that speaks HTTP/2 without TLS.
func TestGRPC(t *testing.T) {
	address := through(t, h2cBackend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Proto != "HTTP/2.0" || r.Header.Get("Te") != "trailers" || r.Header.Get("Grpc-Timeout") != "1S" || r.Host != "calls.example" {
			t.Errorf("%s %v %s", r.Proto, r.Header, r.Host)
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		for {
			m, err := readMessage(r.Body)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Error(err)
				return
			}
			w.Write(message("re: " + m))
			http.NewResponseController(w).Flush()
		}
		w.Header().Set("Grpc-Status", fmt.Sprint("0 ", r.Trailer.Get("X-Sum"), r.Trailer.Get("X-Forwarded-For")))
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", "fine")
	})))
	s := dialStreams(t, address)
	id := s.open(t, false, ":method", "POST", ":scheme", "https", ":authority", "calls.example", ":path", "/calls.Echo/Talk",
		"content-type", "application/grpc", "te", "trailers", "grpc-timeout", "1S", "trailer", "x-sum, x-forwarded-for")
	if got := s.status(t, id); got != "200" {
		t.Fatal(got)
	}
	var got bytes.Buffer
	for i := range 3 { // each answered before the next is sent
		if err := s.WriteData(id, false, message(fmt.Sprint("message ", i))); err != nil {
			t.Fatal(err)
		}
		for {
			f := frame(t, s)
			got.Write(f.data)
			if len(f.data) > 0 {
				if m, err := readMessage(&got); m != fmt.Sprint("re: message ", i) || err != nil {
					t.Fatalf("%q, %v", m, err)
				}
				break
			}
		}
	}
	s.next = id // the fields after the body are of this stream
	s.open(t, true, "x-sum", "42", "x-forwarded-for", "6.6.6.6")
	for {
		f := frame(t, s)
		if f.fields == nil {
			continue
		}
		if f.fields["grpc-status"] != "0 42" || f.fields["grpc-message"] != "fine" {
			t.Errorf("%v", f.fields)
		}
		return
	}
}

// TestTrailersOver1: fields after the body pass both ways in HTTP/1 too.
func TestTrailersOver1(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Back")
		b, err := io.ReadAll(r.Body)
		w.Write(b)
		w.Header().Set("X-Back", fmt.Sprint(r.Trailer, err))
	}))
	defer backend.Close()
	b, err := balance.New([]balance.Backend{{Name: "a", URL: backend.URL}}, &balance.Options{Transport: backend.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	address, _ := serveOn(t, mustNew(t, b, Options{}), Listener{})
	got := exchange(t, address, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Cookie, X-Forwarded-For\r\nConnection: close\r\n\r\n"+
		"5\r\nhello\r\n0\r\nX-Sum: 42\r\nCookie: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-More: 1\r\n\r\n")
	if !strings.Contains(got, "hello") || !strings.Contains(got, "X-Back: map[X-Sum:[42]] <nil>\r\n") {
		t.Errorf("%q", got)
	}
}

type aFrame struct {
	data   []byte
	fields map[string]string
}

// frame reads the next frame with something of the stream.
func frame(t testing.TB, s *streams) (a aFrame) {
	t.Helper()
	for {
		f, err := s.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			a.fields = map[string]string{}
			for _, h := range f.Fields {
				a.fields[h.Name] = h.Value
			}
			return a
		case *http2.DataFrame:
			a.data = append([]byte(nil), f.Data()...)
			return a
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			t.Fatal(f)
		}
	}
}

// TestWebSocket: a handshake and frames by hand (RFC 6455), each side sending when it likes.
func TestWebSocket(t *testing.T) {
	l := listen(t)
	done := make(chan bool)
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		in := bufio.NewReader(c)
		r, err := http.ReadRequest(in)
		if err != nil || r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Connection") != "Upgrade" || r.Header.Get("Sec-Websocket-Key") != "dGhlIHNhbXBsZSBub25jZQ==" {
			t.Error(r, err)
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x05first")
		var frame [11]byte // masked, 5 bytes
		if _, err := io.ReadFull(in, frame[:]); err != nil || frame[0] != 0x81 || frame[1] != 0x85 {
			t.Error(frame, err)
			return
		}
		text := frame[6:]
		for i := range text {
			text[i] ^= frame[2+i%4]
		}
		io.WriteString(c, "\x81\x05"+string(text)+"\x88\x02\x03\xe8")
		if _, err := io.ReadFull(in, frame[:8]); err != nil || frame[0] != 0x88 {
			t.Error(frame, err)
		}
	}()
	b, err := balance.New([]balance.Backend{{Name: "a", URL: "http://" + l.Addr().String()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	address, _ := serveOn(t, mustNew(t, b, Options{}), Listener{})
	c := dial(t, address)
	io.WriteString(c, "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatal(res, err)
	}
	expect := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
	}
	expect("\x81\x05first")
	io.WriteString(c, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
	expect("\x81\x05Hello\x88\x02\x03\xe8")
	io.WriteString(c, "\x88\x82\x00\x00\x00\x00\x03\xe8")
	if b, err := io.ReadAll(in); len(b) > 0 || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	<-done
	l.Close()
}

// TestUnreached: a backend that is not there is known as such in HTTP/2 too: nobody has seen the request.
func TestUnreached(t *testing.T) {
	l := listen(t)
	l.Close()
	b, err := balance.New([]balance.Backend{{Name: "a", URL: "h2c://" + l.Addr().(*net.TCPAddr).String()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader("x")))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
