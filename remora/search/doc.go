// Package search is the catalog's own text index: an immutable, in-memory
// inverted index over small documents written in many languages.
//
// It knows numbers and strings and nothing else. The caller gives it documents
// (an id, some weighted texts with their locales, a popularity) and gets ids
// and scores back. Sets of documents narrow what is found, or hold what was
// found, so that lists and counts can be made of it.
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
// word matches a term that equals it or begins with it. Two things are written
// together with a word and need not be the same: the Arabic article, alone or
// after one of the letters for "and", "with", "then", "like" and "for", in
// words of five letters or more; and a last s or es of a query's word in plain
// Latin letters, so that "games" finds "game" as well.
//
// Words in quotation marks must stand next to each other, in that order, in
// one text, and whole: what begins with them does not match. A quotation mark
// that is not closed counts as a space.
//
// # Typos
//
// With [Query.Typos] a word also matches terms at a small distance: a letter
// is missing, too much or wrong, or two neighbours are swapped. One such
// mistake is allowed in words of four letters, two in those of eight. The last
// word, which may still be being typed, also matches a term whose beginning is
// near it and ends in the same letter. Words in quotation marks, numbers and
// pairs of characters match only as they are, and the first letter of a term
// is of the same alphabet as one of the word. A term that is found both ways
// counts as found without typos.
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
// The quality is
//
//	1             the whole word
//	0.9           the whole word, where only the query has an article
//	0.7           a beginning, or a plural, as the last word of the query
//	0.4           the same elsewhere
//	0.3, 0.15     a term with one typo, with two
//	0.25, 0.1     a beginning with one, with two
//
// and locale is 1 for the reader's locale, 0.95 for its base language, 0.85
// for another region of that language or text without locale, and 0.5 for the
// rest. For the words of a phrase counts, with quality 1, the best field in
// which the phrase stands. To the mean over the words comes 0.2 × weight ×
// locale of a short field that is the query as a whole. The sum is multiplied
// by 1 + Boost/2, and by 0.6 for what is not in [Query.Prefer].
//
// # Bounds
//
// A query reads [MaxQueryRunes] runes and [MaxWords] words, what is longer is
// cut, and about [MaxPostings] postings, however many documents match: see
// [Index.Search]. For typos it compares a bounded number of terms, in the
// order of their bytes, and keeps for each word the 128 that are nearest and,
// among equals, in most documents. The index holds no reference to the strings
// it was built from. An [Index] never changes and is safe for use by many
// goroutines.
package search
