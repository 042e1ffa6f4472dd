package api_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/web/api"
)

// A shelf is the smallest catalog: one activity that never changes.
type shelf struct{ activity remora.Activity }

func (s shelf) Load(_ context.Context, add func(remora.Activity) error) (remora.Header, error) {
	return remora.Header{Position: remora.Position{Seq: 1}}, add(s.activity)
}

func (s shelf) Since(_ context.Context, after remora.Position) (remora.Delta, error) {
	return remora.Delta{Header: remora.Header{Position: after}}, nil
}

func (s shelf) Downloads(context.Context) (map[int64]int64, error) { return nil, nil }

func ExampleNew() {
	library, err := live.New(shelf{remora.Activity{
		ID: 100001, BundleID: "org.example.Maze", Listed: true, DefaultLocale: "en", Name: remora.NewText(map[string]string{"en": "Maze", "es": "Laberinto"}),
		Versions: []remora.Version{{Release: remora.Release{ID: 1, Number: remora.MustNumber("42"), State: remora.StatePublished}}},
	}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := library.Refresh(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	programs, err := api.New(api.Config{Library: library})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/api/v1/suggest?q=lab&lang=es", "/api/v1/suggest?q=lab&limit=many"} {
		w := httptest.NewRecorder()
		programs.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(w.Code, w.Header().Get("Content-Type"))
		fmt.Println(strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 application/json
	// {"items":[{"id":100001,"name":"Laberinto","url":"http://example.com/api/v1/activities/100001","page":"http://example.com/es/activity/100001"}]}
	// 400 application/problem+json
	// {"type":"about:blank","title":"Bad Request","status":400,"code":"query","detail":"The query has parameters that cannot be taken; errors says which and why.","errors":[{"parameter":"limit","detail":"It must be a number from 1 to 20."}]}
}
