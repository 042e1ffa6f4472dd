package search

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// model searches by reading all text, as the package comment says it.
func model(docs []Document, q Query) Result {
	req := parse(q.Text)
	r := Result{Words: found(req.words)}
	if len(req.words) == 0 {
		return r
	}
	reader := normalLocale(q.Locale)
	last := map[int64]int{}
	for n, d := range docs {
		last[d.ID] = n
	}
	for n, d := range docs {
		if last[d.ID] != n || !within(q.Within, n) {
			continue
		}
		m := modelDocument{q: q, reader: reader, fields: d.Fields}
		sum, found := m.sum(req)
		if !found {
			continue
		}
		if q.Count || q.Matches != nil {
			r.Total++
		}
		if q.Matches != nil {
			q.Matches.Add(n)
		}
		hit := Hit{d.ID, score(sum, len(req.words), unit(d.Boost), within(q.Prefer, n))}
		if q.After == (Hit{}) || q.After.above(hit) {
			r.Hits = append(r.Hits, hit)
		}
	}
	sortHits(r.Hits)
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	r.Hits = r.Hits[:min(len(r.Hits), limit)]
	if len(r.Hits) > 0 {
		m := modelDocument{q: q, reader: reader, fields: docs[last[r.Hits[0].ID]].Fields}
		for i := range req.words {
			_, typos := m.best(&req.words[i])
			for _, t := range typos {
				r.Words[i].Term += t + " "
			}
		}
	}
	return r
}

func sortHits(hits []Hit) {
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
}

// Few letters and locales, so that words meet.
var (
	drawWord = rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune("abcééßاأ絵画か한글สวก्ड\u0301")), 1, 4, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("abs")), 3, 9, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("الو")), 3, 7, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("ес12")), 4, 5, -1),
	)
	drawText   = rapid.Map(rapid.SliceOfN(drawWord, 0, 6), func(w []string) string { return strings.Join(w, " ") })
	drawLocale = rapid.SampledFrom([]string{"", "en", "es", "es_MX", "es-AR", "pt_BR.UTF-8"})
	drawField  = rapid.Custom(func(t *rapid.T) Field {
		return Field{drawLocale.Draw(t, "locale"), rapid.Uint8().Draw(t, "weight"), drawText.Draw(t, "text")}
	})
	drawDocument = rapid.Custom(func(t *rapid.T) Document {
		return Document{
			ID:     rapid.Int64Range(-20, 20).Draw(t, "id"),
			Fields: rapid.SliceOfN(drawField, 0, 5).Draw(t, "fields"),
			Boost:  rapid.SampledFrom([]float32{0, 0, 0.25, 0.5, 1, 7}).Draw(t, "boost"),
		}
	})
	drawDocuments = rapid.SliceOfN(drawDocument, 0, 30)
	drawQueryText = rapid.Map(rapid.SliceOfN(rapid.OneOf(drawWord, rapid.SampledFrom([]string{`"`, `"`, "“"})), 0, 7),
		func(w []string) string { return strings.Join(w, " ") })
	drawQuery = rapid.Custom(func(t *rapid.T) Query {
		return Query{
			Text:   drawQueryText.Draw(t, "query"),
			Locale: drawLocale.Draw(t, "reader"),
			Limit:  rapid.IntRange(0, 50).Draw(t, "limit"),
			Count:  rapid.Bool().Draw(t, "count"),
			Typos:  rapid.Bool().Draw(t, "typos"),

			MinWeight: rapid.SampledFrom([]uint8{0, 0, 1, 40, 200}).Draw(t, "min weight"),
		}
	})
)

// drawSet draws a set of n documents, or nil.
func drawSet(t *rapid.T, label string, n int) *Set {
	if rapid.Bool().Draw(t, label) {
		return nil
	}
	s := NewSet(n)
	for i, in := range rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, label) {
		if in {
			s.Add(i)
		}
	}
	return s
}

func TestSearchIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		docs, q := drawDocuments.Draw(t, "docs"), drawQuery.Draw(t, "query")
		q.Within, q.Prefer = drawSet(t, "within", len(docs)), drawSet(t, "prefer", len(docs))
		x := New(slices.Values(docs))
		if rapid.Bool().Draw(t, "matches") {
			q.Matches = NewSet(len(docs))
		}
		want := model(docs, q)
		matches := q.Matches
		for {
			if matches != nil {
				q.Matches = NewSet(x.Documents())
			}
			got := x.Search(q)
			if diff := differ(want, got); diff != "" {
				t.Fatalf("-model +index\n%s", diff)
			}
			if diff := gocmp.Diff(matches, q.Matches, gocmp.AllowUnexported(Set{})); diff != "" {
				t.Fatalf("matches: -model +index\n%s", diff)
			}
			if len(got.Hits) == 0 {
				break
			}
			// The next page.
			q.After = got.Hits[len(got.Hits)-1]
			q.Matches = matches
			want = model(docs, q)
		}
	})
}

// TestPhrasesAreTheModel has so few words that phrases stand in many texts.
func TestPhrasesAreTheModel(t *testing.T) {
	words := rapid.SampledFrom([]string{"a", "b", "ab", "كتاب", "الكتاب", "絵か", "か"})
	text := rapid.Map(rapid.SliceOfN(words, 1, 8), func(w []string) string { return strings.Join(w, " ") })
	field := rapid.Custom(func(t *rapid.T) Field {
		return Field{drawLocale.Draw(t, "locale"), rapid.Uint8().Draw(t, "weight"), text.Draw(t, "text")}
	})
	rapid.Check(t, func(t *rapid.T) {
		docs := make([]Document, rapid.IntRange(1, 20).Draw(t, "docs"))
		for i := range docs {
			docs[i] = Document{ID: int64(i), Fields: rapid.SliceOfN(field, 1, 6).Draw(t, "fields")}
		}
		q := drawQuery.Draw(t, "query")
		q.Text = ""
		for range rapid.IntRange(1, 3).Draw(t, "phrases") {
			phrase := rapid.SliceOfN(words, 1, 3).Draw(t, "phrase")
			q.Text += `"` + strings.Join(phrase, " ") + `" ` + rapid.SampledFrom([]string{"", "a", "b "}).Draw(t, "word")
		}
		if diff := differ(model(docs, q), New(slices.Values(docs)).Search(q)); diff != "" {
			t.Fatalf("%s: -model +index\n%s", q.Text, diff)
		}
	})
}

func TestEveryDocumentIsFoundByItsWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		docs := drawDocuments.Draw(t, "docs")
		last := map[int64]Document{}
		for _, d := range docs {
			last[d.ID] = d
		}
		x := New(slices.Values(docs))
		for id, d := range last {
			for _, f := range d.Fields {
				for w := range strings.FieldsSeq(f.Text) {
					if len(parse(w).words) == 0 { // a lone accent
						continue
					}
					if !slices.Contains(ids(x.Search(Query{Text: w, Locale: f.Locale, Limit: MaxLimit}).Hits), id) {
						t.Fatalf("document %d is not found by %q in %q", id, w, f.Locale)
					}
				}
			}
		}
	})
}

// TestMergedIndexesAnswerAsOne is what a base and an overlay rely on.
func TestMergedIndexesAnswerAsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, overlay := drawDocuments.Draw(t, "base"), drawDocuments.Draw(t, "overlay")
		q := drawQuery.Draw(t, "query")
		q.Limit = max(q.Limit, 1)
		want := New(slices.Values(append(slices.Clone(base), overlay...))).Search(q).Hits
		merged := New(slices.Values(overlay)).Search(q).Hits
		q.Within = NewSet(len(base))
		for n, b := range base {
			if !slices.ContainsFunc(overlay, func(d Document) bool { return d.ID == b.ID }) {
				q.Within.Add(n)
			}
		}
		merged = append(merged, New(slices.Values(base)).Search(q).Hits...)
		sortHits(merged)
		merged = merged[:min(len(merged), q.Limit)]
		if len(merged) == 0 {
			merged = nil
		}
		if diff := gocmp.Diff(want, merged); diff != "" {
			t.Fatalf("-one +merged\n%s", diff)
		}
	})
}

func TestSearchDoesNotDependOnTheOrderOfDocuments(t *testing.T) {
	docs := collect((&corpus{docs: 300, description: 5, seed: 2}).all())
	x := New(slices.Values(docs))
	slices.Reverse(docs)
	y := New(slices.Values(docs))
	if x.Stats().Documents != y.Stats().Documents || x.Stats().Terms != y.Stats().Terms {
		t.Errorf("%+v and %+v", x.Stats(), y.Stats())
	}
	for n := range 200 {
		q := Query{Text: vocabularyWord(n%9, n/9) + " " + string(rune('a'+n%26)), Locale: fmt.Sprint("l", n%9)}
		if diff := gocmp.Diff(x.Search(q).Hits, y.Search(q).Hits); diff != "" {
			t.Errorf("%q: %s", q.Text, diff)
		}
	}
}

// TestLargeIndexIsTheModel has what the small ones of the properties have
// not: prefixes of their own lists, skip tables, several windows.
func TestLargeIndexIsTheModel(t *testing.T) {
	r := 0
	docs := make([]Document, 3000)
	for i := range docs {
		var b strings.Builder
		for range 6 {
			r = (r*1103515245 + 12345) & 0x7FFFFFFF
			fmt.Fprintf(&b, "%s%d ", []string{"a", "ab", "abc", "b", "絵"}[r>>8%5], r>>12%2000)
		}
		docs[i] = Document{ID: int64(i * 7 % 3000), Boost: float32(i%4) / 4, Fields: []Field{
			{"en", 100, b.String()}, {"es", 50, "the " + b.String()[:9]},
		}}
		if i%500 == 3 {
			docs[i].Fields = append(docs[i].Fields, Field{"en", 10, "rare"})
		}
	}
	x := New(slices.Values(docs))
	if x.heavy.terms < 3 {
		t.Fatalf("only %d prefixes have lists of their own", x.heavy.terms)
	}
	even := NewSet(len(docs))
	for n := 0; n < len(docs); n += 2 {
		even.Add(n)
	}
	for _, q := range []Query{
		{Text: "a"}, {Text: "ab", Locale: "es"}, {Text: "abc1"}, {Text: "a12", Limit: 500}, {Text: "b a"}, {Text: "絵"},
		{Text: "the a b", Locale: "es", Limit: 100}, {Text: "rare a"}, {Text: "rare the"}, {Text: "the", Limit: 5000},
		{Text: "abc", Limit: 3, Within: even}, {Text: "ab", Limit: 30, Prefer: even, Count: true}, {Text: "a b c d"}, {Text: "abc17 the"},
	} {
		if diff := differ(model(docs, q), x.Search(q)); diff != "" {
			t.Errorf("%q: -model +index\n%s", q.Text, diff)
		}
	}
}
