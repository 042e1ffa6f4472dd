package edge

import (
	"net/http"
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
