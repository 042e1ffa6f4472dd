package search

import (
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// modelDocument is a document to a search that reads all text, as the package
// comment says it.
type modelDocument struct {
	q      Query
	reader string
	fields []Field
}

// each calls visit with the factor and the terms of every field that counts.
func (m *modelDocument) each(visit func(factor uint32, f *Field)) {
	for i := range m.fields {
		f := &m.fields[i]
		if weight := max(f.Weight, 1); weight >= m.q.MinWeight {
			visit(uint32(weight)*localeFactor(m.reader, normalLocale(f.Locale)), f)
		}
	}
}

// sum returns the sum of the best matches of the words, and whether all match.
func (m *modelDocument) sum(req *request) (sum uint32, found bool) {
	for i := range req.words {
		w := &req.words[i]
		best, _ := m.best(w)
		if best == 0 {
			return 0, false
		}
		if w.phrase == 0 {
			sum += best
		}
	}
	for i, terms := range req.phrases {
		best, words := uint32(0), uint32(0)
		m.each(func(factor uint32, f *Field) {
			if standsIn(terms, f.Text) {
				best = max(best, factor)
			}
		})
		if best == 0 {
			return 0, false
		}
		for j := range req.words {
			if req.words[j].phrase == i+1 {
				words++
			}
		}
		sum += best * words * qualityWord
	}
	bonus := uint32(0)
	m.each(func(factor uint32, f *Field) {
		key := wholeKey([]byte(Fold(f.Text)), nil)
		if key != nil && string(key) == string(req.whole) {
			bonus = max(bonus, factor)
		}
	})
	return sum + bonus*qualityWhole*uint32(len(req.words)), true
}

// best returns the best match of a word, and its terms if those are typos.
func (m *modelDocument) best(w *word) (best uint32, typos []string) {
	terms := func(visit func(factor uint32, term []byte)) {
		m.each(func(factor uint32, f *Field) {
			tokens([]byte(Fold(f.Text)), func(term []byte, _ bool) bool {
				visit(factor, term)
				return true
			})
		})
	}
	terms(func(factor uint32, term []byte) {
		for _, o := range append([]form{{w.term, qualityWord, w.prefix}}, w.forms...) {
			switch {
			case string(term) == string(o.term):
				best = max(best, factor*o.whole)
			case o.prefix > 0 && hasPrefix(term, o.term) && !cutShort(o.term):
				best = max(best, factor*o.prefix)
			}
		}
	})
	if !m.q.Typos || w.typos == 0 {
		return best, nil
	}
	terms(func(factor uint32, term []byte) {
		if hasPrefix(term, w.term) && !cutShort(w.term) {
			return
		}
		switch v := factor * modelTypo(w, []rune(string(term))); {
		case v > best:
			best, typos = v, []string{string(term)}
		case v == best && len(typos) > 0:
			typos = append(typos, string(term))
		}
	})
	return best, typos
}

// modelTypo returns the quality of a term in place of a word.
func modelTypo(w *word, term []rune) (quality uint32) {
	word := []rune(string(w.term))
	if !slices.ContainsFunc(word, func(r rune) bool { return alphabet(r) == alphabet(term[0]) }) {
		return 0
	}
	if d := distance(word, term); d <= w.typos {
		quality = qualityTypo[d]
	}
	if w.prefix == qualityTyping {
		for n := 1; n <= len(term); n++ {
			if term[n-1] != word[len(word)-1] {
				continue
			}
			if d := distance(word, term[:n]); d <= w.typos {
				quality = max(quality, qualityTypoStart[d])
			}
		}
	}
	return quality
}

// distance returns the optimal string alignment distance.
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
				continue
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j-1], rows[i-1][j], rows[i][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], 1+rows[i-2][j-2])
			}
		}
	}
	return rows[len(a)][len(b)]
}

// standsIn reports whether the words of a phrase stand next to each other in a
// text.
func standsIn(terms [][]byte, text string) bool {
	var all [][]byte
	tokens([]byte(Fold(text)), func(term []byte, extra bool) bool {
		if !extra {
			all = append(all, []byte(strings.Clone(string(term))))
		}
		return true
	})
	for i := range all {
		if i+len(terms) <= len(all) && slices.EqualFunc(terms, all[i:i+len(terms)], sameButArticle) {
			return true
		}
	}
	return false
}

// differ compares a result with the model's, whose words have all terms that
// are equally good, each followed by a space.
func differ(want, got Result) string {
	for i := range want.Words {
		if i < len(got.Words) && got.Words[i].Term != "" && strings.Contains(" "+want.Words[i].Term, " "+got.Words[i].Term+" ") {
			want.Words[i].Term = got.Words[i].Term
		}
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}
