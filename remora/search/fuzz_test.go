package search

import (
	"slices"
	"testing"
	"unicode/utf8"
)

var seeds = []string{"", "a", "Éa b", "مُحَرِّر ١", "お絵かき ｶﾞ", "활동 \u1112\u1161", "สวัสดี", "चित्र", "ﷺ", "\xff\xfea", "İßſ", "\u0345\u0301\u3099",
	"a\u3099\u3099\u3099\u3099\u3099\u3099\u3099\u3099\u3099\u3099", "\u034f\u200d\ufe0f", "x\x01y", "\xf4և"}

func FuzzFold(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		folded := Fold(s)
		if !utf8.ValidString(folded) {
			t.Errorf("Fold(%q) = %q is not UTF-8", s, folded)
		}
		if again := Fold(folded); again != folded {
			t.Errorf("Fold(%q) = %q, folded again %q", s, folded, again)
		}
		if len(folded) > 20*len(s) {
			t.Errorf("Fold(%q) is %d bytes of %d", s, len(folded), len(s))
		}
		tokens([]byte(folded), func(term []byte, _ bool) bool {
			if len(term) == 0 || len(term) > maxTermBytes || !utf8.Valid(term) {
				t.Errorf("term %q of %q", term, s)
			}
			return true
		})
	})
}

func FuzzSearch(f *testing.F) {
	for i, s := range seeds {
		f.Add(s, seeds[len(seeds)-1-i], "pt_BR")
		f.Add(s, s, "es")
	}
	f.Fuzz(func(t *testing.T, text, query, locale string) {
		docs := []Document{
			{ID: 1, Fields: []Field{{locale, 9, text}, {"en", 3, query}}},
			{ID: 2, Boost: 1, Fields: []Field{{"", 5, text + " " + query}}},
			{ID: 3, Fields: []Field{{"es_MX", 1, text}}},
		}
		x := New(slices.Values(docs))
		q := Query{Text: query, Locale: locale, Typos: len(query)%2 == 0}
		if words := parse(query).words; len(words) > MaxWords {
			t.Errorf("%d words of %q", len(words), query)
		}
		if diff := differ(model(docs, q), x.Search(q)); diff != "" {
			t.Errorf("Search(%q) in %q: -model +index\n%s", query, text, diff)
		}
	})
}
