package cache

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/balance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a balancer with a cache and one backend that is called directly.
func site(t testing.TB, o *Options, backend http.Handler) (*Cache, http.Handler) {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b, err := balance.New([]balance.Backend{{Name: "a", Handler: backend}}, &balance.Options{Cache: c})
	if err != nil {
		t.Fatal(err)
	}
	return c, b
}

// get makes a request; fields are "Name: value".
func request(method, target string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFirst(t *testing.T) {
	n := 0
	_, h := site(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Cache-Control", "max-age=60")
		io.WriteString(w, "hello")
	}))
	for range 3 {
		w := serve(h, request("GET", "/a"))
		t.Log(w.Code, w.Body, w.Header())
	}
	if n != 1 {
		t.Error(n)
	}
}

type reply struct {
	h    http.Header
	body []byte
}

func (r reply) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	for k, v := range r.h {
		h[k] = v
	}
	w.Write(r.body)
}

// BenchmarkHit compares a hit with a bare handler that writes the same bytes, through a server.
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
		b.Run(h.name, func(b *testing.B) {
			b.ReportAllocs()
			r := request("GET", "/page", "Accept-Encoding: gzip, deflate, br", "User-Agent: x")
			ctx := context.Background()
			r = r.WithContext(ctx)
			for b.Loop() {
				h.ServeHTTP(&null{h: make(http.Header)}, r)
			}
		})
	}
}

type null struct{ h http.Header }

func (n *null) Header() http.Header         { return n.h }
func (n *null) WriteHeader(int)             {}
func (n *null) Write(p []byte) (int, error) { return len(p), nil }
