package edge

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustNew(t testing.TB, h http.Handler, o Options) *Server {
	t.Helper()
	s, err := New(h, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serveOn serves until the test ends, or the returned function is called; l needs no net.Listener.
func serveOn(t testing.TB, s *Server, l Listener) (address string, stop func()) {
	t.Helper()
	l.Listener = listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if n := s.Stats().Open; n != 0 {
			t.Errorf("%d connections are counted as open at the end", n)
		}
	})
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// exchange sends bytes, then nothing more, ends its side if they do not say so, and returns all that comes back.
func exchange(t testing.TB, address, payload string) string {
	t.Helper()
	c := dial(t, address)
	sent := make(chan bool)
	go func() {
		defer close(sent)
		if _, err := io.WriteString(c, payload); err != nil {
			t.Logf("the server took no more: %v", err)
		}
		// A server may take the end of what is sent for the end of interest.
		if !strings.Contains(payload, "Connection: close") {
			c.CloseWrite() // which fails when all has ended already
		}
	}()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Logf("after %d bytes: %v", len(b), err)
	}
	c.Close()
	<-sent
	return string(b)
}
