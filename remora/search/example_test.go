package search_test

import (
	"fmt"
	"slices"

	"github.com/sugarlabs/beamrider/remora/search"
)

func ExampleNew() {
	index := search.New(slices.Values([]search.Document{
		{ID: 100001, Boost: 0.2, Fields: []search.Field{
			{Locale: "en", Weight: 100, Text: "Paint"},
			{Locale: "es", Weight: 100, Text: "Pintar"},
			{Locale: "es", Weight: 20, Text: "Una actividad para dibujar"},
		}},
		{ID: 100002, Fields: []search.Field{
			{Locale: "en", Weight: 100, Text: "Turtle Art"},
			{Locale: "es", Weight: 100, Text: "Tortuga artística"},
			{Locale: "es", Weight: 20, Text: "Pintar con bloques"},
		}},
	}))
	for _, hit := range index.Search(search.Query{Text: "pintar", Locale: "es_MX"}).Hits {
		fmt.Printf("%d %.1f\n", hit.ID, hit.Score)
	}
	for _, hit := range index.Search(search.Query{Text: "ARTISTICA tort", Locale: "es"}).Hits {
		fmt.Printf("%d %.1f\n", hit.ID, hit.Score)
	}
	fmt.Println(index.Stats().Documents, "documents")
	// Output:
	// 100001 125.4
	// 100002 19.0
	// 100002 85.0
	// 2 documents
}

func ExampleFold() {
	fmt.Println(search.Fold("Éditeur ＷＯＲＤ أدوات"))
	// Output: editeur word ادوات
}
