package search_test

import (
	"fmt"

	"github.com/sugarlabs/beamrider/remora/search"
)

func ExampleNewFacetsBuilder() {
	const colour, size = 0, 1
	b := search.NewFacetsBuilder(3, 2)
	b.Add(0, colour, "red")
	b.Add(0, size, "large")
	b.Add(1, colour, "blue")
	b.Add(2, colour, "red")
	f := b.Facets()

	large := search.NewSet(f.Documents())
	large.Add(0)
	f.Value(size, "large").Narrow(large)
	for value, docs := range f.Values(colour) {
		fmt.Println(value, docs.Len(), "of them large:", docs.Count(large))
	}
	// Output:
	// blue 1 of them large: 0
	// red 2 of them large: 1
}

func ExampleNewSet() {
	s, t := search.NewSet(100), search.NewSet(100)
	s.Add(3)
	s.Add(64)
	t.Add(64)
	s.And(t)
	fmt.Println(s.Len(), s.Has(3), s.Has(64))
	// Output: 1 false true
}
