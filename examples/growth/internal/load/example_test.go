package load_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sugarlabs/beamrider/examples/growth/internal/load"
)

// A library that takes no imports cannot be loaded: there would be nothing to hold its answers to.
func ExampleNew() {
	library := httptest.NewServer(http.NotFoundHandler())
	defer library.Close()
	l, err := load.New(load.Config{
		Target:      library.URL,
		Rates:       load.Rates{Page: 20, Search: 5, Update: 50, Download: 5, Import: 1},
		ImportToken: "secret",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	l.Mark("stage 1")
	fmt.Println(l.Run(context.Background()))
	fmt.Println(len(l.Acked()), "imports acknowledged")

	_, err = load.New(load.Config{Target: "beamrider"})
	var all interface{ Unwrap() []error }
	if errors.As(err, &all) {
		fmt.Println(len(all.Unwrap()), "mistakes")
	}
	// Output:
	// load: the first imports were not taken; the last was POST /internal/import of org.example.load0.Girirunelo 1.0, status 404: 404 page not found
	// 0 imports acknowledged
	// 3 mistakes
}
