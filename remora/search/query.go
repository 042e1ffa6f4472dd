package search

import (
	"cmp"
	"slices"
)

// Bounds of a query.
const (
	// MaxQueryRunes is how much of a query's text is read.
	MaxQueryRunes = 200
	// MaxWords is how many distinct words of a query are looked for; further
	// ones are as if not written. In scripts cut into pairs every pair is one.
	MaxWords = 16
	// MaxLimit is the greatest number of hits one search returns.
	MaxLimit = 10_000
	// MaxPostings is about how many postings (a term in a document in a
	// locale) one search reads; see [Index.Search].
	MaxPostings = 1 << 19

	defaultLimit = 20
)

// Query is what a reader asks.
type Query struct {
	Text   string
	Locale string // of the reader; empty: no locale is preferred
	Limit  int    // hits wanted; 0 or less: 20; at most MaxLimit
	// Typos says that words which differ by a letter or two are found as well.
	// It costs time and finds what was not meant, so ask without it first, and
	// with it where that finds nothing, or very little.
	Typos bool
	// MinWeight leaves out what matches in fields of a lower weight. With the
	// weight of names it makes a search find completions of what is typed.
	MinWeight uint8
	// Within, if not nil, holds the documents that count at all.
	Within *Set
	// Prefer, if not nil, holds the documents whose score is left as it is;
	// that of others is multiplied by 0.6.
	Prefer *Set
	// After, if not zero, leaves out that hit and those above it: a page
	// begins behind the last hit of the page before. What counts is the order
	// of hits, so the document need not be in this index.
	After Hit
	// Count asks for Result.Total. It takes longer: a search that need not
	// count ends as soon as nothing better can come.
	Count bool
	// Matches, if not nil, gets every document that matches, those above After
	// as well. Its Cap should be Index.Documents.
	Matches *Set
}

// Hit is a document that matches.
type Hit struct {
	ID    int64
	Score float32 // greater is better; comparable between indexes, for one Query; see the package comment
}

// Result is what a search found.
type Result struct {
	Hits []Hit // the greatest score first, and among equals the smallest ID
	// Total is the number of documents that match, those above After as well;
	// exact unless Partial is set. It is 0 unless the Query asks for Count or
	// Matches.
	Total int
	// Partial says that a bound of the search was reached (see
	// [Index.Search]), so that there may be more than was found.
	Partial bool
	// Words says of each word of the query, in order, how it was found.
	Words []Found
}

// Found says how a word of a query was found.
type Found struct {
	Word string // as folded
	// Term is the word by which the first of the hits was found instead, by
	// [Query.Typos]; empty where it has the word itself, or a word that begins
	// with it. It is folded too.
	Term string
}

// Search returns the best matches of q. A query without a word has none.
//
// Documents are considered in the order of their Boost. When [MaxPostings]
// postings have been read the rest, which are the least popular, are not
// considered: only queries all of whose words are very common come to that.
// The words of texts read for a phrase count too, four bytes as a posting; and
// for typos it is terms whose number is bounded.
func (x *Index) Search(q Query) Result {
	req := parse(q.Text)
	r := Result{Words: found(req.words)}
	if x == nil || len(x.ids) == 0 || len(req.words) == 0 {
		return r
	}
	s := searches.Get().(*search)
	defer s.release()
	found := s.open(x, req, q.Typos)
	r.Partial = s.walked >= maxWalk
	if !found {
		return r
	}
	s.weigh(x, normalLocale(q.Locale), q.MinWeight)
	s.run(x, &q, &r)
	slices.SortFunc(r.Hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	s.explain(x, &r)
	return r
}

// found returns the words as found as they are.
func found(words []word) []Found {
	if len(words) == 0 {
		return nil
	}
	f := make([]Found, len(words))
	for i, w := range words {
		f[i].Word = string(w.term)
	}
	return f
}
