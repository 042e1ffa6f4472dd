package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// TestMostDownloadedWaitsForDownloads: a shelf of what nobody has downloaded yet says nothing.
func TestMostDownloadedWaitsForDownloads(t *testing.T) {
	for _, downloads := range []int64{0, 7} {
		feed := catalogtest.NewFeed(func(yield func(remora.Activity) bool) {
			for a := range catalogtest.Activities(30) {
				a.Downloads = downloads
				if !yield(a) {
					return
				}
			}
		})
		library, err := live.New(feed, nil)
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
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/en/", nil))
		if got, want := strings.Contains(w.Body.String(), "Most downloaded"), downloads > 0; w.Code != http.StatusOK || got != want {
			t.Errorf("%d downloads: status %d, shelf shown %t, want %t", downloads, w.Code, got, want)
		}
	}
}
