package edge

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

var serials int64

// writePair makes a certificate of its own signing for the name.
func writePair(t testing.TB, c Certificate, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serials++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serials), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, c.CertFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, c.KeyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// writeFile gives each file a time of its own, however coarse the clock of the file system is.
func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	serials++
	at := time.Unix(1e9+serials, 0)
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

func pairIn(dir, name string) Certificate {
	return Certificate{CertFile: filepath.Join(dir, name+".crt"), KeyFile: filepath.Join(dir, name+".key")}
}

func shown(t testing.TB, address, name string) *x509.Certificate {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

// TestCertificates: each name gets its own, new files are taken up, broken ones are not.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	one, two := pairIn(dir, "one"), pairIn(dir, "two")
	first, second := writePair(t, one, "one.example"), writePair(t, two, "two.example")
	s := mustNew(t, says("hello"), Options{Certificates: []Certificate{one, two}, CertificateInterval: time.Hour})
	address, _ := serveOn(t, s, Listener{TLS: true})
	check := func(name string, want *x509.Certificate) {
		t.Helper()
		if got := shown(t, address, name); !got.Equal(want) {
			t.Errorf("%s got the certificate of %v, number %v, not %v, number %v", name, got.DNSNames, got.SerialNumber, want.DNSNames, want.SerialNumber)
		}
	}
	check("one.example", first)
	check("two.example", second)
	check("three.example", first)
	if err := s.Reload(); err != nil || s.Stats().Reloads != 0 {
		t.Errorf("nothing has changed: %v", err)
	}
	third := writePair(t, two, "two.example")
	if err := s.Reload(); err != nil || s.Stats().Reloads != 1 {
		t.Errorf("%v, %+v", err, s.Stats())
	}
	check("one.example", first)
	check("two.example", third)
	for name, spoil := range map[string]func(){
		"half":    func() { writeFile(t, two.KeyFile, "nothing") },
		"another": func() { writePair(t, Certificate{two.CertFile, filepath.Join(dir, "x")}, "two.example") },
		"gone":    func() { os.Remove(two.CertFile) },
	} {
		writePair(t, two, "two.example")
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
		good, before := shown(t, address, "two.example"), s.Stats().BadReloads
		spoil()
		if err := s.Reload(); err == nil || !strings.Contains(err.Error(), "the old one stays") {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Reload(); err != nil {
			t.Errorf("%s is told twice: %v", name, err)
		}
		check("two.example", good)
		if n := s.Stats().BadReloads - before; n != 1 {
			t.Errorf("%s: counted %d times", name, n)
		}
	}
}

// TestWatchFiles: new files are taken up without being told.
func TestWatchFiles(t *testing.T) {
	pair := pairIn(t.TempDir(), "one")
	writePair(t, pair, "one.example")
	s := mustNew(t, says("hello"), Options{Certificates: []Certificate{pair}, CertificateInterval: time.Millisecond})
	address, _ := serveOn(t, s, Listener{TLS: true})
	want := writePair(t, pair, "one.example")
	for !shown(t, address, "one.example").Equal(want) { // until the test is out of time
	}
}

func tlsServer(t testing.TB, h http.Handler, o Options) (address string, s *Server) {
	pair := pairIn(t.TempDir(), "one")
	writePair(t, pair, "one.example")
	o.Certificates = []Certificate{pair}
	s = mustNew(t, h, o)
	address, _ = serveOn(t, s, Listener{TLS: true})
	return address, s
}

// TestProtocols: HTTP/2 where the client wants it, else HTTP/1.1 behind the same strict reader; nothing
// below TLS 1.2; plain HTTP is told where to go.
func TestProtocols(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.Proto, " ", r.TLS != nil)
	})
	address, _ := tlsServer(t, h, Options{})
	for want, tr := range map[string]*http.Transport{
		"HTTP/2.0 true": {ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		"HTTP/1.1 true": {TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}},
	} {
		for _, body := range []string{"", strings.Repeat("a", 1<<20)} {
			res, err := (&http.Client{Transport: tr}).Post("https://"+address, "text/plain", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			if string(b) != want || err != nil {
				t.Errorf("%q, %v, want %q", b, err, want)
			}
		}
		tr.CloseIdleConnections()
	}
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, get("")+"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
	answers, err := readAnswers(bufio.NewReader(c))
	if err != nil || len(answers) != 2 || answers[0].status != 200 || answers[1].status != 400 {
		t.Errorf("%v, %v", answers, err)
	}
	if _, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if got := exchange(t, address, get("")); !strings.HasPrefix(got, "HTTP/1.1 400") || !strings.Contains(got, "https://") {
		t.Errorf("%q", got)
	}
}

// TestHandshakeTime: a handshake that does not go on is closed, and the end of the server ends it too.
func TestHandshakeTime(t *testing.T) {
	pair := pairIn(t.TempDir(), "one")
	writePair(t, pair, "one.example")
	s := mustNew(t, says("x"), Options{HandshakeTimeout: 10 * time.Millisecond, Certificates: []Certificate{pair}})
	address, stop := serveOn(t, s, Listener{TLS: true})
	if b, err := io.ReadAll(dial(t, address)); len(b) > 0 || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	stop()
	if n := s.Stats().FailedHandshakes; n != 1 {
		t.Errorf("%d have failed", n)
	}
	s = mustNew(t, says("x"), Options{Certificates: []Certificate{pair}, MaxHandshakes: 1})
	address, stop = serveOn(t, s, Listener{TLS: true})
	first, second := dial(t, address), dial(t, address)
	if b, _ := io.ReadAll(second); len(b) > 0 {
		t.Errorf("the second: %q", b)
	}
	stop()
	if b, _ := io.ReadAll(first); len(b) > 0 {
		t.Errorf("the first: %q", b)
	}
}

// streams speaks HTTP/2 by hand.
type streams struct {
	*http2.Framer
	c       *tls.Conn
	headers strings.Builder
	encoder *hpack.Encoder
	next    uint32
}

func dialStreams(t testing.TB, address string, settings ...http2.Setting) *streams {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, http2.ClientPreface)
	s := &streams{Framer: http2.NewFramer(c, c), c: c, next: 1}
	s.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.encoder = hpack.NewEncoder(&s.headers)
	if err := s.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *streams) open(t testing.TB, end bool, fields ...string) uint32 {
	t.Helper()
	s.headers.Reset()
	for i := 0; i < len(fields); i += 2 {
		s.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	id := s.next
	s.next += 2
	if err := s.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte(s.headers.String()), EndStream: end, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	return id
}

// status returns that of the stream's answer, or the code with which it was reset or the connection ended.
func (s *streams) status(t testing.TB, id uint32) string {
	t.Helper()
	for {
		f, err := s.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamID == id {
				return f.PseudoValue("status")
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return f.ErrCode.String()
			}
		case *http2.GoAwayFrame:
			return f.ErrCode.String()
		}
	}
}

// TestOddStreams: what would be another request in HTTP/1 is refused.
func TestOddStreams(t *testing.T) {
	address, _ := tlsServer(t, says("hello"), Options{})
	base := []string{":method", "GET", ":scheme", "https", ":authority", "one.example", ":path", "/a"}
	for name, tt := range map[string]struct {
		fields []string
		want   string
	}{
		"plain":           {base, "200"},
		"te trailers":     {append(base[:8:8], "te", "trailers"), "200"},
		"odd query":       {append(base[:6:6], ":path", "/a?b|c={}"), "200"},
		"space in path":   {append(base[:6:6], ":path", "/a b"), "400"},
		"space in query":  {append(base[:6:6], ":path", "/a?b HTTP/1.1"), "400"},
		"line in path":    {append(base[:6:6], ":path", "/a\r\nX: y"), "PROTOCOL_ERROR"},
		"fragment":        {append(base[:6:6], ":path", "/a#b"), "400"},
		"coding":          {append(base[:8:8], "transfer-encoding", "chunked"), "400"},
		"connection":      {append(base[:8:8], "connection", "close"), "400"},
		"upgrade":         {append(base[:8:8], "upgrade", "h2c"), "400"},
		"te":              {append(base[:8:8], "te", "gzip"), "400"},
		"host":            {[]string{":method", "GET", ":scheme", "https", ":authority", "one.example,x", ":path", "/a"}, "400"},
		"two hosts":       {append(base[:8:8], "host", "two.example"), "400"},
		"CONNECT":         {[]string{":method", "CONNECT", ":authority", "x:443"}, "400"},
		"extended":        {[]string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "x", ":path", "/"}, "PROTOCOL_ERROR"},
		"length and more": {append(base[:8:8], "content-length", "5"), "400"},
		"two lengths":     {append(base[:8:8], "content-length", "0", "content-length", "0"), "400"},
	} {
		t.Run(name, func(t *testing.T) {
			s := dialStreams(t, address)
			if got := s.status(t, s.open(t, true, tt.fields...)); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestSlowStream: a stream whose client grants no window is reset, and others go on.
func TestSlowStream(t *testing.T) {
	address, s := tlsServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}
		io.WriteString(w, "small")
	}), Options{RateWindow: 20 * time.Millisecond})
	c := dialStreams(t, address, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	for _, path := range []string{"/large", "/small"} {
		id := c.open(t, true, ":method", "GET", ":scheme", "https", ":authority", "x", ":path", path)
		if got := c.status(t, id); got != "200" {
			t.Errorf("%s: %s", path, got)
		}
		if got := c.status(t, id); got != "INTERNAL_ERROR" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if n := s.Stats().SlowReaders; n != 1 {
		t.Errorf("%d were slow", n)
	}
	// A slow upload is told so.
	id := c.open(t, false, ":method", "POST", ":scheme", "https", ":authority", "x", ":path", "/small")
	if got := c.status(t, id); got != "200" {
		t.Errorf("an upload that nobody reads: %s", got)
	}
}

// TestGoAway: clients of HTTP/2 are told of the end, and what they have asked is answered.
func TestGoAway(t *testing.T) {
	began, end := make(chan bool), make(chan bool)
	pair := pairIn(t.TempDir(), "one")
	writePair(t, pair, "one.example")
	s := mustNew(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- true
		<-end
	}), Options{Certificates: []Certificate{pair}})
	address, stop := serveOn(t, s, Listener{TLS: true})
	c := dialStreams(t, address)
	id := c.open(t, true, ":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/")
	<-began
	go stop()
	if got := c.status(t, id); got != "NO_ERROR" {
		t.Errorf("%s", got)
	}
	end <- true
	for got := ""; got != "200"; { // GOAWAY comes twice
		got = c.status(t, id)
	}
	c.c.Close()
	stop()
}
