package peer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/peer"
)

// frontEnd returns a front end of a small catalog, and a function that changes an activity.
func frontEnd() (h http.Handler, change func() error, err error) {
	feed := catalogtest.NewFeed(catalogtest.Activities(3))
	library, err := live.New(feed, nil)
	if err != nil {
		return nil, nil, err
	}
	if err := library.Refresh(context.Background()); err != nil {
		return nil, nil, err
	}
	h, err = peer.New(peer.Config{
		Library: library,
		Status: func() peer.Status {
			s := library.Status()
			return peer.Status{Version: "1.0", Roles: []string{"frontend"}, Epoch: s.Position.Epoch, Seq: s.Position.Seq, Stale: s.Stale}
		},
	})
	return h, func() error {
		feed.Put(catalogtest.Activity(0))
		return library.Refresh(context.Background())
	}, err
}

func ExampleNew() {
	h, change, err := frontEnd()
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := change(); err != nil {
		fmt.Println(err)
	}
	for _, path := range []string{peer.ChangesPath + "?after=1&epoch=epoch-1", peer.StatusPath} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Print(w.Body)
	}
	// Output:
	// {"epoch":"epoch-1","seq":2,"gap":false,"stale":false,"changes":[{"seq":2,"activity_id":100001,"kind":"changed"}]}
	// {"version":"1.0","roles":["frontend"],"epoch":"epoch-1","seq":2,"stale":false,"draining":false}
}

func ExampleNewFollower() {
	h, change, err := frontEnd()
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(h)
	defer server.Close()
	transport := &http.Transport{} // in a balancer, the transport of its pool
	defer transport.CloseIdleConnections()

	events := make(chan peer.Event, 1)
	follower, err := peer.NewFollower(peer.FollowerConfig{
		Transport: transport,
		URL:       server.URL,
		OnChange:  func(e peer.Event) { events <- e },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- follower.Run(ctx) }()

	e := <-events
	fmt.Println("at", e.Position.Seq, "everything may have changed:", e.Gap)
	if err := change(); err != nil {
		fmt.Println(err)
	}
	e = <-events
	fmt.Println("at", e.Position.Seq, e.Changes)

	cancel()
	fmt.Println(<-ended)
	// Output:
	// at 1 everything may have changed: true
	// at 2 [{2 100001 changed}]
	// <nil>
}
