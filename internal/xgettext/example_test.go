package xgettext_test

import (
	"fmt"
	"testing/fstest"

	"github.com/sugarlabs/beamrider/internal/xgettext"
)

func ExampleExtract() {
	messages, err := xgettext.Extract(fstest.MapFS{
		"templates/home.html": {Data: []byte(`<h1>{{t "Welcome"}}</h1>{{tn "%s guest" "%s guests" .Guests}}`)},
	})
	if err != nil {
		fmt.Println(err)
	}
	for _, m := range messages {
		fmt.Println(m.ID, m.Plural)
	}
	// Output:
	// %s guest %s guests
	// Welcome
}
