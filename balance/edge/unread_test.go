package edge

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestUnreadBodyIsNoRequest: what a handler leaves of a body must not be taken for the next request,
// also when it answers while the body still comes, as a balancer does.
func TestUnreadBodyIsNoRequest(t *testing.T) {
	for _, length := range []string{"Content-Length: 1000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nF4240\r\n"} {
		for _, duplex := range []bool{false, true} {
			var smuggled atomic.Bool
			s := mustNew(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/smuggled" {
					smuggled.Store(true)
				}
				if duplex {
					if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
						t.Error(err)
					}
				}
				w.WriteHeader(http.StatusServiceUnavailable)
			}), Options{})
			address, stop := serveOn(t, s, Listener{})
			const inner = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"
			got := exchange(t, address, "POST / HTTP/1.1\r\nHost: a.example\r\n"+length+inner+strings.Repeat("x", 1_000_000-len(inner)))
			stop()
			if smuggled.Load() || strings.Count(got, "HTTP/1.1 ") != 1 {
				t.Errorf("%.20q, duplex %v: the body was read as a request: %v; answers:\n%s", length, duplex, smuggled.Load(), got)
			}
		}
	}
}

// TestOneTooMany: a request that the reader has not seen reaches no handler.
func TestOneTooMany(t *testing.T) {
	var calls atomic.Int32
	s := mustNew(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }), Options{})
	c := newStrictConn(s, nil, nil)
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(context.WithValue(r.Context(), connKey{}, c))
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("%v", p)
			}
		}()
		s.serve(httptest.NewRecorder(), r)
	}()
	c.heads.Store(1)
	s.serve(httptest.NewRecorder(), r)
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}
