package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestClient(t *testing.T) {
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/close" {
			w.Header().Set("Connection", "close")
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := &client{address: strings.TrimPrefix(s.URL, "http://"), most: 1}
	defer c.close()
	for _, path := range []string{"/", "/", "/close", "/"} {
		if status, again, err := c.do([]byte(get(path)[:len(get(path))-len("Connection: close\r\n\r\n")] + "\r\n")); status != 200 || again || err != nil {
			t.Fatalf("%s: %d, %v, %v", path, status, again, err)
		}
	}
	if n := connections.Load(); n != 2 {
		t.Errorf("%d connections were made, want 2", n)
	}
}

// TestClientLosesConnection: one that was kept and is closed is no failure; a new one is.
func TestClientLosesConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for i := 0; ; i++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 1024)
			if _, err := conn.Read(buf); err == nil && i < 2 {
				conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
			}
			if i == 0 {
				conn.Read(buf) // the second request gets no answer
			}
			conn.Close()
		}
	}()
	c := &client{address: l.Addr().String(), most: 2}
	defer c.close()
	request := []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	for i, want := range []struct{ again, fails bool }{{false, false}, {true, false}, {true, true}} {
		_, again, err := c.do(request)
		if again != want.again || (err != nil) != want.fails {
			t.Errorf("request %d: again %v, %v; want %+v", i, again, err, want)
		}
	}
}
