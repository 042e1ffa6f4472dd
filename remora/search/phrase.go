package search

import (
	"math"
	"slices"
)

// texts holds the words of each document in the order in which they stand,
// for phrases. A document is a sequence of its texts of more than one word: the
// locale, the weight (one byte), the length in bytes of what follows, and the
// numbers of the words.
type texts struct {
	data  []byte
	ends  []uint64 // by rank
	words []uint32 // numbers of the terms, in the order of the dictionary
}

// size returns the bytes that texts hold.
func (t *texts) size() int64 {
	return int64(len(t.data)) + int64(len(t.ends))*8 + int64(len(t.words))*4
}

// document returns the texts of the document with a rank.
func (t *texts) document(rank uint32) []byte {
	start := uint64(0)
	if rank > 0 {
		start = t.ends[rank-1]
	}
	return t.data[start:t.ends[rank]]
}

// newTexts copies the records in the order of ranked.
func newTexts(f *forward, ranked []uint32) texts {
	size := 0
	for _, record := range ranked {
		size += len(f.record(record))
	}
	t := texts{data: make([]byte, 0, size), ends: make([]uint64, len(ranked))}
	for rank, record := range ranked {
		t.data = append(t.data, f.record(record)...)
		t.ends[rank] = uint64(len(t.data))
	}
	return t
}

// phrase is a phrase of a query.
type phrase struct {
	words [][]uint32 // the numbers of the terms that may stand at each place
	value uint32     // of a match in a field, in the sum of qualities
	lists [][]cursor // of each distinct word, to see in what locales a document has it
}

// openPhrases looks up the words of the phrases. It reports false where one
// cannot match.
func (s *search) openPhrases(x *Index, req *request) bool {
	for i, terms := range req.phrases {
		p := phrase{}
		for j := range req.words {
			if req.words[j].phrase != i+1 {
				continue
			}
			p.value += qualityWord
			var cursors []cursor
			for _, w := range s.words {
				if w.word == j {
					for _, f := range s.sources[w.first:w.last] {
						c, _ := newCursor(f.list, f.quality)
						cursors = append(cursors, c)
					}
				}
			}
			p.lists = append(p.lists, cursors)
		}
		for _, term := range terms {
			numbers := x.numbersLike(term)
			if len(numbers) == 0 {
				return false
			}
			p.words = append(p.words, numbers)
		}
		s.phrases = append(s.phrases, p)
	}
	return true
}

// numbersLike returns the numbers of the terms that are the same as term but
// for an Arabic article.
func (x *Index) numbersLike(term []byte) (numbers []uint32) {
	rest, has := withoutArticle(term)
	if !has {
		rest = term
	}
	forms := [][]byte{rest}
	if len(rest) > 0 && rest[0]&^7 == 0xD8 {
		for _, a := range articles {
			forms = append(forms, append([]byte(a), rest...))
		}
	}
	for _, f := range forms {
		if !sameButArticle(f, term) {
			continue
		}
		if n, ok := x.terms.place(f); ok {
			numbers = append(numbers, x.texts.words[n])
		}
	}
	return numbers
}

// sameButArticle reports whether two words are the same but for the article.
func sameButArticle(a, b []byte) bool {
	if rest, ok := withoutArticle(a); ok {
		a = rest
	}
	if rest, ok := withoutArticle(b); ok {
		b = rest
	}
	return string(a) == string(b)
}

// verify keeps of the documents from base on that are alive those that have
// all phrases, and adds their values to the sums. It reports whether there are
// any.
func (s *search) verify(x *Index, base uint32, alive []uint64) bool {
	some := false
	eachBit(alive, func(at uint32) {
		for i := range s.phrases {
			factor := s.phraseFactor(x, base+at, &s.phrases[i])
			if factor == 0 {
				alive[at/64] &^= 1 << (at % 64)
				return
			}
			s.sum[at] += factor * s.phrases[i].value
		}
		some = true
	})
	return some
}

// phraseFactor returns the greatest factor of the texts of a document in which
// a phrase stands; 0: none. Documents are asked for in the order of their
// ranks.
func (s *search) phraseFactor(x *Index, rank uint32, p *phrase) (best uint32) {
	mark := s.markLocales(x, rank, p)
	texts := 0
	for doc := x.texts.document(rank); len(doc) > 0; texts++ {
		locale, n := uvarint(doc)
		weight := doc[n]
		size, m := uvarint(doc[n+1:])
		doc = doc[n+1+m:]
		text := doc[:size]
		doc = doc[size:]
		if weight < s.minWeight || s.marks[locale] != mark {
			continue
		}
		if factor := s.byLocale[locale] * uint32(weight); factor > best {
			s.spent += len(text) / 4
			if stands(p.words, text) {
				best = factor
			}
		}
	}
	s.spent += texts / 8
	return best
}

// markLocales puts a mark, which it returns, at the locales in which a
// document has all words of a phrase.
func (s *search) markLocales(x *Index, rank uint32, p *phrase) (mark uint32) {
	if s.mark > math.MaxUint32-MaxWords-1 {
		s.mark = 0
		clear(s.marks[:])
	}
	for i, cursors := range p.lists {
		s.mark++
		for j := range cursors {
			c := &cursors[j]
			if c.doc < rank {
				s.spent += c.seek(rank)
			}
			if c.doc != rank {
				continue
			}
			for pos, more := c.pos, true; more; {
				v, n := uvarint(c.data[pos:])
				pos += n
				more = v&1 != 0
				if l := x.slots[v>>1].locale; i == 0 || s.marks[l] == s.mark-1 {
					s.marks[l] = s.mark
				}
			}
		}
	}
	return s.mark
}

// stands reports whether words stand next to each other in a text.
func stands(words [][]uint32, text []byte) bool {
	for len(text) > 0 {
		v, n := uvarint(text)
		text = text[n:]
		if slices.Contains(words[0], v) && follows(words[1:], text) {
			return true
		}
	}
	return false
}

// follows reports whether a text begins with words.
func follows(words [][]uint32, text []byte) bool {
	for _, w := range words {
		if len(text) == 0 {
			return false
		}
		v, n := uvarint(text)
		if !slices.Contains(w, v) {
			return false
		}
		text = text[n:]
	}
	return true
}
