// Package search is the catalog's own text index: an immutable, in-memory
// inverted index over small documents written in many languages.
//
// It knows numbers and strings and nothing else. The caller gives it documents
// (an id, some weighted texts with their locales, a popularity) and gets ids
// and scores back.
//
// # What matches
//
// Text and query are folded alike by [Fold]: case, accents, widths, Arabic
// vowel signs and letter variants and digit scripts make no difference. Words
// are runs of letters, marks and numbers. Scripts written without spaces
// between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), and Korean,
// are cut into overlapping pairs of characters.
//
// All words of a query must match a document, in whatever field and locale. A
// word matches a term that equals it or begins with it.
//
// # Scores
//
// A score depends on the query and on the document alone, never on the other
// documents of the index: there are no corpus statistics. Hits of two indexes,
// such as a large one and a small one of recent changes, can therefore be
// merged by score. For each word the best of its matches counts:
//
//	weight of the field × quality × locale
//
// where quality is 1 for the whole word, 0.7 for a prefix given as the last
// word (it is probably still being typed) and 0.4 for any other prefix; and
// locale is 1 for the reader's locale, 0.95 for its base language, 0.85 for
// another region of that language or text without locale, and 0.5 for the
// rest. The score is the mean over the words, times 1 + Boost/2: a whole word
// of the reader's language in a field of weight 100 gives 100 to 150.
//
// # Bounds
//
// A query reads [MaxQueryRunes] runes and [MaxWords] words, what is longer is
// cut, and about [MaxPostings] postings, however many documents match: see
// [Index.Search]. The index holds no reference to the strings it was built
// from. An [Index] never changes and is safe for use by many goroutines.
package search
