package balance

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// BenchmarkProxy compares the balancer with a bare ReverseProxy: a GET of 1 KiB, over connections
// that are kept. The figure to look at is the ratio of the two.
func BenchmarkProxy(b *testing.B) {
	page := strings.Repeat("x", 1024)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }))
	defer back.Close()
	target, err := url.Parse(back.URL)
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	defer transport.CloseIdleConnections()
	bare := &httputil.ReverseProxy{Transport: transport, BufferPool: new(bufferPool), Rewrite: func(pr *httputil.ProxyRequest) {
		pr.SetURL(target)
		pr.Out.Host = pr.In.Host
		pr.SetXForwarded()
	}}
	full := mustNew(b, []Backend{{Name: "a", URL: back.URL}, {Name: "b", URL: back.URL}, {Name: "c", URL: back.URL}}, nil)
	for _, h := range []struct {
		name string
		http.Handler
	}{{"bare", bare}, {"balance", full}} {
		b.Run(h.name, func(b *testing.B) {
			front := httptest.NewServer(h)
			defer front.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					res, err := client.Get(front.URL)
					if err != nil {
						b.Error(err)
						return
					}
					n, err := io.Copy(io.Discard, res.Body)
					if err := res.Body.Close(); err != nil || n != 1024 {
						b.Error(n, err)
					}
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkNext is a pick with its bookkeeping, without the network.
func BenchmarkNext(b *testing.B) {
	bal := mustNew(b, []Backend{{Name: "a", Handler: says("")}, {Name: "b", Handler: says("")}, {Name: "c", Handler: says("")}}, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			x := exchange{b: bal}
			if err := x.next(b.Context()); err != nil {
				b.Error(err)
			}
			x.leave()
		}
	})
}

// BenchmarkRecord is what a request's Record costs beside the request.
func BenchmarkRecord(b *testing.B) {
	bal := mustNew(b, nil, &Options{Events: Events{Done: func(*Record) {}}})
	r := httptest.NewRequest("GET", "/file/1.xo?x=y", nil)
	w := nowhere{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		v, r, _ := bal.begin(w, r)
		v.WriteHeader(http.StatusOK)
		v.end(r.Context(), nil)
	}
}

// nowhere is a ResponseWriter that keeps nothing.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}
