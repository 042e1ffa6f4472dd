package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// nowhere takes an answer and keeps nothing of it.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

func benchmarkPage(b *testing.B, path string) {
	h := newHandlerOn(b, newFeed(games(), numbered(1000)...))
	r := httptest.NewRequest(http.MethodGet, path, nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(nowhere{http.Header{}}, r)
	}
}

func BenchmarkListing(b *testing.B)  { benchmarkPage(b, "/en/browse?category=games") }
func BenchmarkActivity(b *testing.B) { benchmarkPage(b, "/en/activity/100500?sugar=0.98") }
func BenchmarkHome(b *testing.B)     { benchmarkPage(b, "/en/") }
