package search

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRules has a query for each rule of the package comment about what
// matches: the documents are in the order of their scores.
func TestRules(t *testing.T) {
	x := New(slices.Values([]Document{
		of(1, "en", "turtle blocks", "a game with blocks"),
		of(2, "en", "blocks of a turtle"),
		of(3, "en", "calculate", "math 2048"),
		of(4, "ar", "الكتاب الجديد"),
		of(5, "ar", "كتاب قديم"),
		of(6, "ja", "お絵かき 教室"),
		of(7, "en", "glas bus", "boxing"),
		of(8, "ru", "черепашка"),
		of(9, "ar", "والألعاب الصغيرة"),
		of(10, "en", "turtle", "blocks"),
		of(11, "en", "the turtle and the turtle dove"),
	}))
	for _, c := range []struct {
		text  string
		typos bool
		want  []int64
	}{
		{`turtle blocks`, false, []int64{1, 2, 10}},
		{`"turtle blocks"`, false, []int64{1}},
		{`“Turtle Blocks”`, false, []int64{1}},
		{`«turtle» blocks`, false, []int64{1, 2, 10}},
		{`"blocks turtle"`, false, nil},
		{`"turtle block"`, false, nil},
		{`"turtle blocks`, false, []int64{1, 2, 10}},
		{`turtle" block`, false, []int64{1, 2, 10}},
		{`"" turtle ""`, false, []int64{10, 1, 2, 11}},
		{`"turt"`, false, nil},
		{`"turtle" bl`, false, []int64{1, 2, 10}},
		{`"a game" "turtle blocks"`, false, []int64{1}},
		{`"of a turtle" game`, false, nil},
		{`"the turtle dove"`, false, []int64{11}},
		{`"the turtle and the turtle"`, false, []int64{11}},
		{`"turtle game"`, false, nil}, // in two texts
		{`"絵かき 教室"`, false, []int64{6}},
		{`"教室 お絵"`, false, nil},
		{`"絵"`, false, []int64{6}},

		{"الكتاب", false, []int64{4, 5}},
		{"كتاب", false, []int64{4, 5}},
		{"والكتاب", false, []int64{4, 5}},
		{"للكتاب", false, []int64{4, 5}},
		{"الكت", false, []int64{4}}, // too short to have an article
		{"العاب", false, []int64{9}},
		{"ألعاب", false, []int64{9}},
		{`"كتاب الجديد"`, false, []int64{4}},
		{`"الكتاب القديم"`, false, []int64{5}},

		{"calculates", false, []int64{3}},
		{"games turtle", false, []int64{1}},
		{"turtles", false, []int64{1, 2, 10, 11}},
		{"glass", false, nil},
		{"boxes", false, nil},
		{"buses", false, []int64{7}},
		{`"turtles"`, false, nil},
		{"черепашкаs", false, nil},

		{"tutrle", false, nil},
		{"tutrle", true, []int64{1, 2, 10, 11}},
		{"turle", true, []int64{1, 2, 10, 11}},
		{"turttle", true, []int64{1, 2, 10, 11}},
		{"xurtle", true, []int64{1, 2, 10, 11}},
		{"цurtle", true, []int64{1, 2, 10, 11}},
		{"tutrel", true, nil},
		{"claculaet", true, []int64{3}},
		{"xxlculate", true, []int64{3}},
		{"xxlculatx", true, nil},
		{"bxs", true, nil}, // too short
		{"2049", true, nil},
		{"calcla", true, []int64{3}}, // being typed
		{"calcla turtle", true, nil},
		{"calclx", true, nil},
		{"черепшка", true, []int64{8}},
		{"お絵書き", true, nil},
		{`"tutrle blocks"`, true, nil},
		{"tutrle bolcks", true, []int64{1, 2, 10}},
	} {
		r := x.Search(Query{Text: c.text, Typos: c.typos, Count: true})
		if diff := cmp.Diff(c.want, ids(r.Hits)); diff != "" || r.Total != len(c.want) || r.Partial {
			t.Errorf("%s, typos %v: total %d, partial %v, -want +got\n%s", c.text, c.typos, r.Total, r.Partial, diff)
		}
	}
}

// TestQualities holds how matches of one word rank among each other.
func TestQualities(t *testing.T) {
	words := []string{"calculator", "calculators", "calculatro", "calculatros", "calcluatro", "calcluatros"}
	x := New(func(yield func(Document) bool) {
		for i, w := range words {
			if !yield(of(int64(i), "en", "my "+w)) {
				return
			}
		}
	})
	var want []Hit
	for i, quality := range []float32{100, 70, 30, 25, 15, 10} { // the fourth begins with "calculatr"
		want = append(want, Hit{int64(i), quality})
	}
	got := x.Search(Query{Text: "calculator", Locale: "en", Typos: true})
	if diff := cmp.Diff(want, got.Hits); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	got = x.Search(Query{Text: "calclator", Locale: "en", Typos: true})
	want = []Hit{{0, 30}, {1, 25}, {2, 15}}
	if diff := cmp.Diff(want, got.Hits[:3]); diff != "" {
		t.Errorf("a letter is missing: -want +got\n%s", diff)
	}
}

func TestWords(t *testing.T) {
	x := New(slices.Values([]Document{
		of(1, "fr", "Éditeur de texte"),
		of(2, "fr", "editors texts", "edition"),
		{ID: 3, Boost: 1, Fields: []Field{{"fr", 9, "editours"}}},
	}))
	for _, c := range []struct {
		text  string
		typos bool
		want  []Found
	}{
		{"ÉDITEUR texte", true, []Found{{"editeur", ""}, {"texte", ""}}},
		{"editour texte", true, []Found{{"editour", "editeur"}, {"texte", ""}}},
		{"editour tex", true, []Found{{"editour", "editeur"}, {"tex", ""}}},
		{"editours", true, []Found{{"editours", "editors"}}},
		{"textes", true, []Found{{"textes", ""}}},
		{"editour", false, []Found{{"editour", ""}}},
		{"zzzzzz texte", true, []Found{{"zzzzzz", ""}, {"texte", ""}}},
		{`"éditeur de" téxte`, true, []Found{{"editeur", ""}, {"de", ""}, {"texte", ""}}},
		{"...", true, nil},
	} {
		if diff := cmp.Diff(c.want, x.Search(Query{Text: c.text, Locale: "fr", Typos: c.typos}).Words); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.text, diff)
		}
	}
	var none *Index
	if diff := cmp.Diff([]Found{{"word", ""}}, none.Search(Query{Text: "Word"}).Words); diff != "" {
		t.Errorf("of no index: -want +got\n%s", diff)
	}
}

// TestNumbers has a document that a later one replaces.
func TestNumbers(t *testing.T) {
	x := New(slices.Values([]Document{
		of(30, "en", "word"), of(10, "en", "word"), {ID: 20, Boost: 1, Fields: []Field{{"en", 50, "word"}}}, of(30, "en", "other word"),
	}))
	if n := x.Documents(); n != 4 {
		t.Errorf("%d documents", n)
	}
	for id, want := range map[int64]int{10: 1, 20: 2, 30: 3, 40: -1} {
		n, ok := x.Number(id)
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("document %d has number %d, want %d", id, n, want)
		}
	}
	var none *Index
	if n, ok := none.Number(10); ok || none.Documents() != 0 {
		t.Errorf("an index that is none has number %d of %d", n, none.Documents())
	}
	q := Query{Text: "word", Locale: "en", Matches: NewSet(x.Documents())}
	r := x.Search(q)
	if diff := cmp.Diff([]int64{10, 30, 20}, ids(r.Hits)); diff != "" || r.Total != 3 {
		t.Errorf("total %d, -want +got\n%s", r.Total, diff)
	}
	if q.Matches.Has(0) || !q.Matches.Has(1) || !q.Matches.Has(2) || !q.Matches.Has(3) {
		t.Errorf("the matches are %v", q.Matches)
	}
	// Sets too small leave out what they have no place for.
	q = Query{Text: "word", Within: NewSet(2), Matches: NewSet(1)}
	q.Within.Add(1)
	if diff := cmp.Diff([]int64{10}, ids(x.Search(q).Hits)); diff != "" {
		t.Errorf("in a small set: -want +got\n%s", diff)
	}
}

func TestPrefer(t *testing.T) {
	x := New(slices.Values([]Document{of(1, "en", "the word"), of(2, "en", "a word"), of(3, "en", "", "word alone")}))
	q := Query{Text: "word", Locale: "en", Prefer: NewSet(3)}
	q.Prefer.Add(1)
	q.Prefer.Add(2)
	if diff := cmp.Diff([]Hit{{2, 100}, {1, 60}, {3, 50}}, x.Search(q).Hits); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestPages goes through a result page by page, with and without what makes
// the search stop early.
func TestPages(t *testing.T) {
	x := New((&corpus{docs: 2000, description: 5, seed: 5}).all())
	prefer := NewSet(x.Documents())
	for n := 0; n < x.Documents(); n += 3 {
		prefer.Add(n)
	}
	for _, text := range []string{"a", vocabularyWord(0, 1), vocabularyWord(0, 3) + " b"} {
		q := Query{Text: text, Locale: "l0", Limit: MaxLimit, Prefer: prefer, Count: true}
		all := x.Search(q)
		if len(all.Hits) != all.Total || all.Total < 100 {
			t.Fatalf("%q: %d hits of %d", text, len(all.Hits), all.Total)
		}
		for _, count := range []bool{false, true} {
			q := Query{Text: text, Locale: "l0", Limit: 37, Prefer: prefer, Count: count}
			var pages []Hit
			for {
				r := x.Search(q)
				if len(r.Hits) == 0 {
					break
				}
				if count && r.Total != all.Total {
					t.Fatalf("%q: %d in all after %v, want %d", text, r.Total, q.After, all.Total)
				}
				pages = append(pages, r.Hits...)
				q.After = r.Hits[len(r.Hits)-1]
			}
			if diff := cmp.Diff(all.Hits, pages); diff != "" {
				t.Errorf("%q, count %v: -all +pages\n%s", text, count, diff)
			}
		}
	}
}

// TestCompletions finds names by what is typed of them.
func TestCompletions(t *testing.T) {
	x := New(slices.Values([]Document{
		of(1, "es", "Tortuga bloques", "dibujar"),
		{ID: 2, Boost: 1, Fields: []Field{{"es", 100, "Pintar"}, {"es", 40, "Dibuja con una tortuga"}}},
		of(3, "en", "Tortoise"),
		of(4, "es", "La tortuga mecanógrafa"),
		of(5, "es", "caracol un", "un caracol"),
	}))
	for text, want := range map[string][]int64{
		"tort": {1, 4, 3}, "mec tort": {4}, "dib": nil, "TORTUGA B": {1}, `"un caracol"`: nil, `"caracol un"`: {5},
	} {
		if diff := cmp.Diff(want, ids(x.Search(Query{Text: text, Locale: "es", MinWeight: 100}).Hits)); diff != "" {
			t.Errorf("%q: -want +got\n%s", text, diff)
		}
	}
}

// TestWalkIsBounded looks at the number of terms compared.
func TestWalkIsBounded(t *testing.T) {
	x := New(func(yield func(Document) bool) {
		for i := range int64(5000) {
			if !yield(of(i, "en", fmt.Sprintf("w%04d x%04dyz", i, i))) {
				return
			}
		}
	})
	visited := 0
	count := func([]byte, []byte, uint32) { visited++ }
	all := x.terms.walk(newNearness([]byte("w0123"), 1, false), maxWalk, count)
	if all > x.terms.terms/2 || visited < 30 {
		t.Errorf("compared %d of %d terms, %d are near", all, x.terms.terms, visited)
	}
	if n := x.terms.walk(newNearness([]byte("w0123"), 1, false), 50, count); n < 50 || n > 50+blockTerms {
		t.Errorf("compared %d terms instead of 50", n)
	}
	s := &search{walked: maxWalk}
	if s.open(x, parse("w987x"), true) {
		t.Error("typos are found by comparing no terms")
	}
	s = new(search)
	if req := parse("w0123 x0123yz w9876"); !s.open(x, req, true) {
		t.Fatal("a word has no list")
	}
	if len(s.sources) > 3*(maxTypos+1) {
		t.Errorf("%d lists", len(s.sources))
	}
}

// TestWalkIsTheDistance compares the walk through a dictionary with the
// distance of each term.
func TestWalkIsTheDistance(t *testing.T) {
	draw := rapid.StringOfN(rapid.RuneFrom([]rune("abéжз")), 1, 10, -1)
	rapid.Check(t, func(t *rapid.T) {
		terms := rapid.SliceOfN(draw, 1, 200).Draw(t, "terms")
		w := newWord([]byte(Fold(draw.Draw(t, "word"))), false, 0)
		w.typos = rapid.IntRange(1, maxDistance).Draw(t, "distance")
		typing := rapid.Bool().Draw(t, "typing")
		if typing {
			w.prefix = qualityTyping
		}
		x := New(func(yield func(Document) bool) {
			for i, term := range terms {
				if !yield(of(int64(i), "en", term)) {
					return
				}
			}
		})
		want := map[string]uint32{}
		for _, term := range terms {
			if term = Fold(term); !hasPrefix([]byte(term), w.term) {
				if quality := modelTypo(&w, []rune(term)); quality > 0 {
					want[term] = quality
				}
			}
		}
		got := map[string]uint32{}
		x.terms.walk(newNearness(w.term, w.typos, typing), maxWalk, func(term, _ []byte, quality uint32) {
			if !hasPrefix(term, w.term) { // found without typos
				got[string(term)] = quality
			}
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("near %s: -model +walk\n%s", w.term, diff)
		}
	})
}

// TestWalkOfManyTerms has what the small dictionaries of the property have
// not: many blocks that are passed over, and runs of dead ones.
func TestWalkOfManyTerms(t *testing.T) {
	x := New((&corpus{docs: 300, description: 20, seed: 7}).all())
	var terms []string
	x.terms.from([]byte{1}, func(term, _ []byte) bool {
		terms = append(terms, string(term))
		return true
	})
	if len(terms) < 30_000 {
		t.Fatalf("only %d terms", len(terms))
	}
	for i := 0; i < len(terms); i += len(terms) / 60 {
		letters := []rune(terms[i])
		if i%2 == 0 {
			slices.Reverse(letters[:min(2, len(letters))])
		}
		w := newWord([]byte(Fold(string(letters)+"e")), false, 0)
		w.typos, w.prefix = 1+i%maxDistance, []uint32{qualityPrefix, qualityTyping}[i/2%2]
		want := map[string]uint32{}
		for _, term := range terms {
			if quality := modelTypo(&w, []rune(term)); quality > 0 && !hasPrefix([]byte(term), w.term) {
				want[term] = quality
			}
		}
		got := map[string]uint32{}
		x.terms.walk(newNearness(w.term, w.typos, w.prefix == qualityTyping), maxWalk, func(term, _ []byte, quality uint32) {
			if !hasPrefix(term, w.term) {
				got[string(term)] = quality
			}
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("near %s: -model +walk\n%s", w.term, diff)
		}
	}
}
