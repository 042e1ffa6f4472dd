package cache

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/balance"
)

type reply struct {
	h    http.Header
	body []byte
}

func (r reply) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	maps.Copy(w.Header(), r.h)
	w.Write(r.body)
}

// BenchmarkHit compares a hit with a bare handler that writes the same bytes: alone, and through a
// server over connections that are kept.
func BenchmarkHit(b *testing.B) {
	page := reply{http.Header{
		"Cache-Control": {"max-age=3600"}, "Content-Type": {"text/html; charset=utf-8"}, "Etag": {`"abc"`},
		"Content-Length": {"1024"}, "Vary": {"Accept-Encoding"}, "X-Content-Type-Options": {"nosniff"},
	}, []byte(strings.Repeat("x", 1024))}
	_, cached := site(b, nil, page)
	for _, h := range []struct {
		name string
		http.Handler
	}{{"bare", page}, {"cache", cached}} {
		b.Run("handler/"+h.name, func(b *testing.B) {
			b.ReportAllocs()
			r := request("GET", "/page", "Accept-Encoding: gzip, deflate, br", "User-Agent: x")
			for b.Loop() {
				h.ServeHTTP(&null{h: make(http.Header)}, r)
			}
		})
		b.Run("server/"+h.name, func(b *testing.B) {
			server := httptest.NewServer(h)
			defer server.Close()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close()
				in := bufio.NewReader(conn)
				for pb.Next() {
					if _, err := io.WriteString(conn, "GET /page HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, deflate, br\r\nUser-Agent: x\r\n\r\n"); err != nil {
						b.Error(err)
						return
					}
					for line := "x"; line != "\r\n"; {
						if line, err = in.ReadString('\n'); err != nil {
							b.Error(err)
							return
						}
					}
					if _, err := in.Discard(1024); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkMiss is what a cache costs an answer that is never stored, and one that is stored each time.
func BenchmarkMiss(b *testing.B) {
	for _, bm := range []struct {
		name   string
		cached bool
		header http.Header
		many   bool
	}{
		{"without", false, http.Header{"Cache-Control": {"no-store"}}, false},
		{"unstored", true, http.Header{"Cache-Control": {"no-store"}}, false},
		{"unstored/many", true, http.Header{"Cache-Control": {"no-store"}}, true},
		{"stored", true, http.Header{"Cache-Control": {"max-age=60"}, "Content-Length": {"1024"}}, true},
	} {
		b.Run(bm.name, func(b *testing.B) {
			page := reply{bm.header, make([]byte, 1024)}
			_, h := site(b, nil, page)
			if !bm.cached {
				bal, err := balance.New([]balance.Backend{{Name: "a", Handler: page}}, nil)
				if err != nil {
					b.Fatal(err)
				}
				h = bal
			}
			b.ReportAllocs()
			r := request("GET", "/page", "User-Agent: x")
			for n := 0; b.Loop(); n++ {
				if bm.many {
					r.RequestURI = "/" + strconv.Itoa(n)
				}
				h.ServeHTTP(&null{h: make(http.Header)}, r)
			}
		})
	}
}

type null struct{ h http.Header }

func (n *null) Header() http.Header         { return n.h }
func (n *null) WriteHeader(int)             {}
func (n *null) Write(p []byte) (int, error) { return len(p), nil }
