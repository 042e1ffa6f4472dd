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
	for _, a := range library.View().Search("turtle a", "en", 10) {
		name, _ := a.Name.In("en", a.DefaultLocale)
		fmt.Println(name)
	}
	fmt.Println(library.View().Len(), "activities at", library.View().Position().Seq)
	fmt.Println(len(before.Search("turtle a", "en", 10)), "in the View taken before")

	cancel()
	fmt.Println(<-ended)
	// Output:
	// Turtle Art
	// 100 activities at 2
	// 0 in the View taken before
	// <nil>
}

// A page of a list is narrowed by what readers choose, and says what else there is to choose.
func ExampleView_Find() {
	library, err := live.New(catalogtest.NewFeed(catalogtest.Activities(100)), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := library.Refresh(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	q := live.Query{Sort: remora.SortName, Limit: 2, Counts: true}
	q.Filter[live.FacetCategory] = "games"
	q.Filter[live.FacetInterpreter] = "python3"
	found := library.View().Find(q)
	for {
		fmt.Println(len(found.Activities), "of", found.Total)
		if q.After = found.Next; q.After == (remora.Cursor{}) {
			break
		}
		found = library.View().Find(q)
	}
	for _, c := range found.Counts[live.FacetInterpreter] {
		fmt.Println(c.Value, c.N)
	}
	// Output:
	// 2 of 3
	// 1 of 3
	// python2 4
	// python3 3
	// web 2
}
