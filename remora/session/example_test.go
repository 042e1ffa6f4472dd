package session_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/session"
	"github.com/sugarlabs/beamrider/remora/site"
)

func ExampleNew() {
	feed := catalogtest.NewFeed(catalogtest.Activities(1))
	library, err := live.New(feed, nil)
	if err != nil {
		panic(err)
	}
	where, err := site.New(site.Config{})
	if err != nil {
		panic(err)
	}
	s, err := session.New(session.Config{Keys: [][]byte{[]byte("thirty-two bytes nobody can guess")}, Library: library, Site: where})
	if err != nil {
		panic(err)
	}
	pages := s.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.WriteString(w, library.View().Activity(catalogtest.FirstActivity).Slug); err != nil {
			panic(err)
		}
	}))

	// A program writes through any front end and is told the position.
	changed := catalogtest.Activity(0)
	changed.Slug = "turtle-art"
	written := httptest.NewRecorder()
	if err := s.Issue(written, httptest.NewRequest("POST", "/", nil), feed.Put(changed), ""); err != nil {
		panic(err)
	}

	// It reads through another one, which has not heard of the change yet.
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set(session.HeaderSeen, written.Header().Get(session.HeaderSeen))
	read := httptest.NewRecorder()
	pages.ServeHTTP(read, r)
	fmt.Println(read.Body)
	// Output: turtle-art
}
