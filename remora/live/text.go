package live

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/search"
)

// Search returns up to limit (at most MaxFound) listed activities that match the words of text, best
// first, as [View.Find] does. A text without a word finds nothing.
func (v *View) Search(text, locale string, limit int) []*remora.Activity {
	if text == "" {
		return nil
	}
	return v.Find(Query{Text: text, Locale: locale, Limit: limit}).Activities
}

// Suggest returns up to limit (at most MaxFound) listed activities whose names have the words of a
// text that is still being typed, best first: of the last word the beginning will do. Where no name
// has them, names with words that differ by a letter or two are suggested.
func (v *View) Suggest(text, locale string, limit int) []*remora.Activity {
	if limit <= 0 {
		return nil
	}
	q := search.Query{Text: text, Locale: locale, Limit: min(limit, MaxFound), MinWeight: weightName}
	r := v.lookUp(q, v.shown, nil, nil)
	if len(r.Hits) == 0 {
		q.Typos = true
		r = v.lookUp(q, v.shown, nil, nil)
	}
	return v.activities(r.Hits)
}

// findText is Find for a Query with Text.
func (v *View) findText(q Query) Found {
	within := v.narrow(v.shown, q.Filter, facetCount)
	var prefer []*search.Set
	if !q.Sugar.IsZero() {
		prefer = v.narrow(v.shown, Filter{FacetSugar: nearestSugar(q.Sugar)}, facetCount)
	}
	// One more than are wanted, to know whether there are more.
	words := search.Query{Text: q.Text, Locale: q.Locale, Limit: q.Limit + 1, After: hitAt(q.After), Count: true}
	var unfiltered []*search.Set // what matches, whatever the filter; for the counts
	look := func() search.Result {
		if !q.Counts {
			return v.lookUp(words, within, prefer, nil)
		}
		unfiltered = v.noneShown()
		if q.Filter == (Filter{}) {
			return v.lookUp(words, within, prefer, unfiltered)
		}
		// Who counts what passes the filter need not count it again; finding the best alone takes less.
		all := v.lookUp(search.Query{Text: words.Text, Limit: 1, Typos: words.Typos}, v.shown, nil, unfiltered)
		words.Count = false
		r := v.lookUp(words, within, prefer, nil)
		r.Total, r.Partial = total(v.narrow(unfiltered, q.Filter, facetCount)), all.Partial
		return r
	}
	r := look()
	if r.Total == 0 && len(v.lookUp(search.Query{Text: q.Text, Limit: 1}, v.shown, nil, nil).Hits) == 0 {
		words.Typos = true
		r = look()
	}
	out := Found{Total: r.Total, Partial: r.Partial}
	if q.Counts {
		v.facetCounts(&out, q.Filter, unfiltered, v.narrow(unfiltered, q.Filter, facetCount))
	}
	if words.Typos && r.Total > 0 {
		first := r
		if words.After != (search.Hit{}) { // the text is corrected on all pages as on the first
			words.After, words.Limit, words.Count = search.Hit{}, 1, false
			first = v.lookUp(words, within, prefer, nil)
		}
		out.Corrected = corrected(q.Text, first.Words)
	}
	hits := r.Hits[:min(len(r.Hits), q.Limit)]
	out.Activities = v.activities(hits)
	if len(hits) > 0 && len(hits) < len(r.Hits) {
		out.Next = placeOf(hits[len(hits)-1])
	}
	return out
}

// noneShown returns an empty set for each layer.
func (v *View) noneShown() []*search.Set {
	out := make([]*search.Set, len(v.layers))
	for i, s := range v.shown {
		out[i] = search.NewSet(s.Cap())
	}
	return out
}

// lookUp asks the indexes of all layers, each within a set of its own. Prefer and matches may be nil.
func (v *View) lookUp(q search.Query, within, prefer, matches []*search.Set) (all search.Result) {
	var best search.Hit
	for i, l := range v.layers {
		q.Within = within[i]
		if prefer != nil {
			q.Prefer = prefer[i]
		}
		if matches != nil {
			q.Matches = matches[i]
		}
		r := l.index.Search(q)
		all.Hits = append(all.Hits, r.Hits...)
		all.Total += r.Total
		all.Partial = all.Partial || r.Partial
		// How the words were found is told of the best hit, and the best of all is in one layer.
		if len(r.Hits) > 0 && (all.Words == nil || compareHits(r.Hits[0], best) < 0) {
			best, all.Words = r.Hits[0], r.Words
		}
	}
	slices.SortFunc(all.Hits, compareHits)
	all.Hits = all.Hits[:min(len(all.Hits), q.Limit)]
	return all
}

// corrected returns text with the words that were found in place of its own, "" if all were found as
// they are.
func corrected(text string, words []search.Found) string {
	instead := map[string]string{}
	for _, w := range words {
		if w.Term != "" {
			instead[w.Word] = w.Term
		}
	}
	if len(instead) == 0 {
		return ""
	}
	var b strings.Builder
	replaced := 0
	inWord := func(r rune) bool { return unicode.In(r, unicode.L, unicode.M, unicode.N) }
	for text != "" {
		end := strings.IndexFunc(text, func(r rune) bool { return !inWord(r) })
		if end < 0 {
			end = len(text)
		}
		word := text[:end]
		if term, ok := instead[search.Fold(word)]; ok && word != "" {
			b.WriteString(term)
			replaced++
		} else {
			b.WriteString(word)
		}
		text = text[end:]
		next := strings.IndexFunc(text, inWord)
		if next < 0 {
			next = len(text)
		}
		b.WriteString(text[:next])
		text = text[next:]
	}
	if replaced > 0 {
		return strings.TrimSpace(b.String())
	}
	// The index takes words apart in a way of its own; then its words will do.
	terms := make([]string, len(words))
	for i, w := range words {
		terms[i] = cmp.Or(w.Term, w.Word)
	}
	return strings.Join(terms, " ")
}

// activities returns those of hits, in their order.
func (v *View) activities(hits []search.Hit) []*remora.Activity {
	list := make([]*remora.Activity, 0, len(hits))
	for _, h := range hits {
		if a := v.Activity(h.ID); a != nil {
			list = append(list, a)
		}
	}
	return list
}

// With Text a place is a score and an id. The score is kept as the bits of the number; no score has
// all of them zero.
func placeOf(h search.Hit) remora.Cursor {
	return remora.Cursor{Num: int64(math.Float32bits(h.Score)), ID: h.ID}
}

// hitAt returns what placeOf was given, and no hit, which is the beginning, for what is no such place.
func hitAt(c remora.Cursor) search.Hit {
	score := math.Float32frombits(uint32(c.Num))
	if c.Num <= 0 || c.Num > math.MaxUint32 || !(score > 0) { // not-a-number is not above 0 either
		return search.Hit{}
	}
	return search.Hit{ID: c.ID, Score: score}
}
