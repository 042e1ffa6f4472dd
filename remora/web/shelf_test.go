package web

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
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

// TestRing: the circle around the figure is full where there are activities to fill it, with each at
// most once, featured ones first.
func TestRing(t *testing.T) {
	ringLink := regexp.MustCompile(`<li><a href="/en/activity/(\d+)"><span class="tile`)
	for _, tt := range []struct{ total, featured, ring int }{
		{0, 0, 0}, {1, 0, 1}, {1, 1, 1}, {3, 1, 3}, {30, 0, 8}, {30, 1, 8}, {30, 4, 8}, {30, 5, 5}, {30, 8, 8}, {30, 20, 8},
	} {
		list := numbered(tt.total)
		for i := range tt.featured {
			list[i].FeaturedRank = i + 1
		}
		body := mustGet(t, newHandlerOn(t, newFeed(games(), list...)), "/en/")
		checkPage(t, body)
		var ids []string
		for _, m := range ringLink.FindAllStringSubmatch(body, -1) {
			if slices.Contains(ids, m[1]) {
				t.Errorf("%+v: %s is there twice", tt, m[1])
			}
			ids = append(ids, m[1])
		}
		if len(ids) != tt.ring {
			t.Errorf("%+v: %d are around the figure", tt, len(ids))
		}
		for i := range min(tt.featured, len(ids)) {
			if want := strconv.FormatInt(list[i].ID, 10); ids[i] != want {
				t.Errorf("%+v: %s stands where %s is featured", tt, ids[i], want)
			}
		}
		if got := strings.Contains(body, ">Featured<"); tt.total > 0 && got != (tt.featured > 0) {
			t.Errorf("%+v: said to be featured: %t", tt, got)
		}
	}
}
