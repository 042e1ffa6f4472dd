package search

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"
)

// lists are the cursors of one word.
type lists struct {
	start, end int // in search.cursors
	count      uint64
	quality    uint32 // the greatest
	word       int    // number in the query
	phrase     bool   // it stands in a phrase, which is what counts
	first      int    // in search.sources
	last       int
}

// source is a posting list that a word is looked for in.
type source struct {
	list    []byte
	quality uint32
	typo    []byte // the term; nil: the word itself, or one that begins with it
}

// open finds the lists of the words. It reports false where a word has none.
func (s *search) open(x *Index, req *request, typos bool) bool {
	for i := range req.words {
		w := &req.words[i]
		l := lists{start: len(s.cursors), first: len(s.sources), word: i, phrase: w.phrase > 0}
		s.find(x, &l, w.term, qualityWord, w.prefix)
		for _, f := range w.forms {
			s.find(x, &l, f.term, f.whole, f.prefix)
		}
		if typos && w.typos > 0 {
			s.addTypos(x, &l, w)
		}
		l.end, l.last = len(s.cursors), len(s.sources)
		if l.start == l.end {
			return false
		}
		s.words = append(s.words, l)
	}
	slices.SortStableFunc(s.words, func(a, b lists) int { return cmp.Compare(a.count, b.count) })
	s.whole = lists{start: len(s.cursors), end: len(s.cursors)}
	if req.whole != nil {
		if list := x.wholes.find(req.whole); list != nil {
			c, _ := newCursor(list, qualityWhole*uint32(len(req.words)))
			s.cursors = append(s.cursors, c)
			s.whole.end++
			s.whole.quality = c.quality
		}
	}
	return s.openPhrases(x, req)
}

// add adds a list to those of a word.
func (s *search) add(l *lists, from source) {
	c, count := newCursor(from.list, from.quality)
	s.cursors = append(s.cursors, c)
	s.sources = append(s.sources, from)
	l.count += uint64(count)
	l.quality = max(l.quality, from.quality)
}

// find adds the lists of the terms that equal term or begin with it.
func (s *search) find(x *Index, l *lists, term []byte, whole, prefix uint32) {
	if prefix == 0 {
		if list := x.terms.find(term); list != nil {
			s.add(l, source{list: list, quality: whole})
		}
		return
	}
	if common := x.heavy.find(term); common != nil {
		s.add(l, source{list: common, quality: prefix})
		if exact := x.terms.find(term); exact != nil {
			s.add(l, source{list: exact, quality: whole})
		}
		return
	}
	x.terms.from(term, func(t, list []byte) bool {
		switch {
		case bytes.Equal(t, term):
			s.add(l, source{list: list, quality: whole})
		case hasPrefix(t, term) && !cutShort(term):
			s.add(l, source{list: list, quality: prefix})
		default:
			return false
		}
		return true
	})
}

// cutShort reports whether a word may be longer than its term.
func cutShort(term []byte) bool { return len(term) > maxTermBytes-utf8.UTFMax }

// explain sets the terms by which the first hit has the words that were found
// by typos alone.
func (s *search) explain(x *Index, r *Result) {
	if len(r.Hits) == 0 {
		return
	}
	rank, _ := x.rank(r.Hits[0].ID)
	for i := range s.words {
		w := &s.words[i]
		sources := s.sources[w.first:w.last]
		if !slices.ContainsFunc(sources, func(f source) bool { return f.typo != nil }) {
			continue
		}
		best, term := uint32(0), []byte(nil)
		for _, f := range sources {
			c, _ := newCursor(f.list, f.quality)
			if c.doc < rank {
				c.seek(rank)
			}
			if c.doc != rank {
				continue
			}
			factor, _ := c.best(s.factors)
			if v := factor * f.quality; v > best {
				best, term = v, f.typo
			}
		}
		r.Words[w.word].Term = string(term)
	}
}
