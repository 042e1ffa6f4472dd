package web_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing/fstest"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/web"
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
	number := remora.MustNumber
	library, err := live.New(shelf{remora.Activity{
		ID: 100001, BundleID: "org.example.Paint", Listed: true, DefaultLocale: "en", Name: remora.PlainText("en", "Paint"),
		Versions: []remora.Version{
			{Release: remora.Release{ID: 1, Number: number("41"), State: remora.StatePublished, Range: remora.Range{Max: number("0.116")}}},
			{Release: remora.Release{ID: 2, Number: number("42"), State: remora.StatePublished, Range: remora.Range{Min: number("0.114")}}},
		},
	}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error)
	go func() { done <- library.Run(ctx) }()
	<-library.Ready()

	pages, err := web.New(web.Config{Library: library, Name: "Our school's library"})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("GET", "/en/activity/100001?sugar=0.98", nil)
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Cache-Control"))
	for line := range strings.Lines(w.Body.String()) {
		if strings.Contains(line, "<title>") || strings.Contains(line, "is for Sugar") {
			fmt.Print(line)
		}
	}

	cancel()
	if err := <-done; err != nil {
		fmt.Println(err)
	}
	// Output:
	// 200 public, max-age=60
	// <title>Paint – Our school&#39;s library</title>
	// <li>Version 42 is newer, but it is for Sugar 0.114 or later, and you have Sugar 0.98. <span class="mark">inferred: the bundle does not say</span></li>
}

func ExampleReadTexts() {
	texts, err := web.ReadTexts(fstest.MapFS{"contact.txt": {Data: []byte("# The computer club\n\nWe are in room 12.")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	library, err := live.New(shelf{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := library.Refresh(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	pages, err := web.New(web.Config{Library: library, Texts: texts})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, httptest.NewRequest("GET", "/en/contact", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.Contains(line, "club") || strings.Contains(line, "room") {
			fmt.Print(line)
		}
	}
	// Output:
	// <h2>The computer club</h2>
	// <p>We are in room 12.</p>
}

func ExampleHandler_Language() {
	library, err := live.New(shelf{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	pages, err := web.New(web.Config{Library: library})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(pages.Language("en_GB.UTF-8"))
	// Output: en
}
