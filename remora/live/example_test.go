package live_test

import (
	"context"
	"fmt"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// A library follows the feed of a store; here it is one in memory.
func ExampleNew() {
	feed := catalogtest.NewFeed(catalogtest.Activities(100))
	library, err := live.New(feed, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- library.Run(ctx) }()

	<-library.Ready()
	before := library.View()

	changed := catalogtest.Activity(0)
	changed.Name = remora.PlainText("en", "Turtle Art")
	feed.Put(changed)
	if err := library.Refresh(ctx); err != nil {
		fmt.Println(err)
	}
	for _, a := range library.View().Search("turt", "en", 10) {
		name, _ := a.Name.In("en", a.DefaultLocale)
		fmt.Println(name)
	}
	fmt.Println(library.View().Len(), "activities at", library.View().Position().Seq)
	fmt.Println(len(before.Search("turt", "en", 10)), "in the View taken before")

	cancel()
	fmt.Println(<-ended)
	// Output:
	// Turtle Art
	// 100 activities at 2
	// 0 in the View taken before
	// <nil>
}
