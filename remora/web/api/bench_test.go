package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora/live"
)

// nowhere takes an answer and keeps nothing of it.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// BenchmarkAnswers makes answers of a catalog of real shape.
func BenchmarkAnswers(b *testing.B) {
	library, err := live.New(catalogtest.NewFeed(catalogtest.Activities(10_000)), nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := library.Refresh(context.Background()); err != nil {
		b.Fatal(err)
	}
	h, err := New(Config{Library: library})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ name, path string }{
		{"list20", "/api/v1/activities?limit=20"},
		{"narrowed20", "/api/v1/activities?category=games&sugar=0.120&limit=20"},
		{"facets20", "/api/v1/activities?facets=1&limit=20"},
		{"activity80locales", "/api/v1/activities/100001?sugar=0.98"},
		{"activity1language", "/api/v1/activities/100001?sugar=0.98&lang=es"},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, c.path, nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(nowhere{http.Header{}}, r)
			}
			b.ReportMetric(float64(sendRequest(h, r).Body.Len()), "body-bytes")
		})
	}
}
