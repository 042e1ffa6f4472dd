package balance

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustNew(t testing.TB, list []Backend, o *Options) *Balancer {
	t.Helper()
	b, err := New(list, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b.own != nil {
			b.own.CloseIdleConnections()
		}
		if n := inFlight(b); n != 0 {
			t.Errorf("%d requests are counted as in flight at the end", n)
		}
	})
	return b
}

func inFlight(b *Balancer) (n int) {
	for _, s := range b.Snapshot() {
		n += s.InFlight
	}
	return n
}

// serve starts a server and returns a client for it that does not keep its connections.
func serve(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = discardLog
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func says(word string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, word) })
}

// deadURL is an address where nothing listens.
func deadURL(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// rawServer answers each connection by what do makes of it, and then closes it.
func rawServer(t testing.TB, do func(c *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				do(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return "http://" + l.Addr().String()
}

// readHead reads until the end of a request's header.
func readHead(c net.Conn) string {
	var b strings.Builder
	p := make([]byte, 1)
	for !strings.HasSuffix(b.String(), "\r\n\r\n") {
		if _, err := c.Read(p); err != nil {
			break
		}
		b.Write(p)
	}
	return b.String()
}

// ordered is a Picker that takes the first candidate, so that tests know who is asked.
type ordered struct{}

func (ordered) Pick(Info, []Candidate) int { return 0 }

type result struct {
	Status int
	Body   string
	Err    string
}

func do(t testing.TB, c *http.Client, r *http.Request) (result, http.Header) {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		return result{Err: reason(err)}, nil
	}
	body, err := io.ReadAll(res.Body)
	if cerr := res.Body.Close(); cerr != nil {
		t.Error(cerr)
	}
	return result{res.StatusCode, string(body), reason(err)}, res.Header
}

// reason is a word for an error.
func reason(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "unexpected EOF"
	case errors.Is(err, io.EOF):
		return "EOF"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, ErrNoBackend):
		return "no backend"
	}
	return err.Error()
}

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
