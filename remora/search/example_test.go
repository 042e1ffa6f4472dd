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

func ExampleIndex_Search() {
	index := search.New(slices.Values([]search.Document{
		{ID: 100001, Fields: []search.Field{{Locale: "en", Weight: 100, Text: "Turtle Blocks"}}},
		{ID: 100002, Fields: []search.Field{{Locale: "en", Weight: 100, Text: "Typing Turtle"}}},
	}))
	q := search.Query{Text: "tutrle blocks", Locale: "en"}
	found := index.Search(q)
	if len(found.Hits) == 0 {
		q.Typos = true
		found = index.Search(q)
	}
	for _, word := range found.Words {
		if word.Term != "" {
			fmt.Printf("%s, not %s\n", word.Term, word.Word)
		}
	}
	fmt.Println(found.Hits[0].ID)

	phrase := index.Search(search.Query{Text: `"typing turtle"`, Count: true})
	fmt.Println(phrase.Total, "with the phrase:", phrase.Hits[0].ID)
	// Output:
	// turtle, not tutrle
	// 100001
	// 1 with the phrase: 100002
}

func ExampleFold() {
	fmt.Println(search.Fold("Éditeur ＷＯＲＤ أدوات"))
	// Output: editeur word ادوات
}
