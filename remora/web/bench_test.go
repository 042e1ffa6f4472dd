package web

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/benchtest"
	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/web/internal/place"
)

// nowhere takes an answer and keeps nothing of it.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

func benchmarkPage(b *testing.B, path string) {
	benchmarkPageOf(b, newFeed(games(), numbered(1000)...), path)
}

func benchmarkPageOf(b *testing.B, f *fakeFeed, path string) {
	h := newHandlerOn(b, f)
	r := httptest.NewRequest(http.MethodGet, path, nil)
	b.ReportAllocs()
	for b.Loop() {
		h.route(nowhere{http.Header{}}, h.newVisit(r)) // not ServeHTTP, which would find it kept
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b.ReportMetric(float64(w.Body.Len()), "page-bytes")
}

func BenchmarkListing(b *testing.B)  { benchmarkPage(b, "/en/category/games") }
func BenchmarkActivity(b *testing.B) { benchmarkPage(b, "/en/activity/100500?sugar=0.98") }
func BenchmarkFull(b *testing.B)     { benchmarkPageOf(b, fullFeed(), "/en/activity/100001?sugar=0.98") }
func BenchmarkHome(b *testing.B)     { benchmarkPage(b, "/en/") }

// BenchmarkListingParts shows what a list of a catalog of real shape costs, whose choices are many,
// and how much of that is the question to the View.
func BenchmarkListingParts(b *testing.B) {
	h := newHandlerOf(b, 10_000)
	r := httptest.NewRequest(http.MethodGet, "/en/browse?license=MIT", nil)
	b.Run("page", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.route(nowhere{http.Header{}}, h.newVisit(r))
		}
	})
	b.Run("query", func(b *testing.B) {
		q := live.Query{Locale: "en", Limit: pageSize, Counts: true}
		q.Filter[live.FacetLicense] = "MIT"
		view := h.library.View()
		b.ReportAllocs()
		for b.Loop() {
			if view.Find(q).Total == 0 {
				b.Fatal("nothing is found")
			}
		}
	})
}

// newHandlerOf returns a Handler of n activities of the shape a real library has.
func newHandlerOf(t testing.TB, n int) *Handler {
	t.Helper()
	library, err := live.New(catalogtest.NewFeed(catalogtest.Activities(n)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Library: library})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// BenchmarkKeptRatio compares a page that is kept with a bare handler that sends the same bytes,
// compressed and with the same header, alternating on keep-alive connections.
func BenchmarkKeptRatio(b *testing.B) {
	for name, path := range map[string]string{"listing": "/en/category/games", "activity": "/en/activity/100500"} {
		b.Run(name, func(b *testing.B) {
			h := newHandlerOn(b, newFeed(games(), numbered(1000)...))
			w := get(h, path, "Accept-Encoding", "gzip")
			body, header := w.Body.Bytes(), w.Result().Header
			bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				maps.Copy(w.Header(), header)
				_, _ = w.Write(body)
			}))
			defer bare.Close()
			ours := httptest.NewServer(h)
			defer ours.Close()
			const round = 100
			ask := func(server *httptest.Server) func() {
				return func() {
					for range round {
						r, err := http.NewRequest(http.MethodGet, server.URL+path, nil)
						if err != nil {
							b.Fatal(err)
						}
						r.Host, r.Header = "example.com", http.Header{"Accept-Encoding": {"gzip"}}
						answer, err := server.Client().Do(r)
						if err != nil {
							b.Fatal(err)
						}
						n, err := io.Copy(io.Discard, answer.Body)
						if err != nil || int(n) != len(body) {
							b.Fatalf("%d bytes, not %d: %v", n, len(body), err)
						}
						if err := answer.Body.Close(); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			benchtest.Ratio(b, ask(bare), ask(ours))
		})
	}
}

// BenchmarkPageScale shows what a larger catalog of real shape costs a page: activities all over it,
// lists from places all over it, and searches.
func BenchmarkPageScale(b *testing.B) {
	for _, size := range []int{1_000, 10_000, 100_000} {
		h := newHandlerOf(b, size)
		view := h.library.View()
		for _, kind := range []string{"activity", "list", "search"} {
			b.Run(kind+"/"+strconv.Itoa(size), func(b *testing.B) {
				const asked = 200
				var requests []*http.Request
				pick := rand.New(rand.NewPCG(1, 2))
				for range 10 * asked {
					a := view.Activity(catalogtest.FirstActivity + pick.Int64N(int64(size)))
					if len(requests) == asked || a == nil || !a.InLists() {
						continue
					}
					path := fmt.Sprintf("/en/activity/%d?sugar=0.120", a.ID)
					switch kind {
					case "list":
						path = "/en/browse?after=" + place.Encode(byte(remora.SortUpdated), remora.CursorOf(remora.SortUpdated, a))
					case "search":
						name, _ := a.Name.In("en", a.DefaultLocale)
						word, _, _ := strings.Cut(name, " ")
						path = "/en/search?q=" + url.QueryEscape(word)
					}
					requests = append(requests, httptest.NewRequest(http.MethodGet, path, nil))
				}
				if len(requests) < asked/2 {
					b.Fatalf("only %d pages to ask for", len(requests))
				}
				spent := make([]time.Duration, len(requests))
				p50, p99 := time.Hour, time.Hour // of the quietest round, as neighbours only ever add
				for b.Loop() {
					for i, r := range requests {
						began := time.Now()
						h.route(nowhere{http.Header{}}, h.newVisit(r))
						spent[i] = time.Since(began)
					}
					slices.Sort(spent)
					p50, p99 = min(p50, spent[len(spent)/2]), min(p99, spent[len(spent)*99/100])
				}
				b.ReportMetric(float64(p50.Microseconds()), "p50-µs")
				b.ReportMetric(float64(p99.Microseconds()), "p99-µs")
			})
		}
	}
}
