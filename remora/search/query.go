package search

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"
	"sync"
	"unicode/utf8"
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
	// Skip, if not nil, says which documents to leave out, as when another
	// index knows them better. It is called from the goroutine of the search,
	// only for documents that would be among the hits.
	Skip func(id int64) bool
}

// Hit is a document that matches.
type Hit struct {
	ID    int64
	Score float32 // greater is better; comparable between indexes, for one Query; see the package comment
}

// Search returns the best matches of q, the greatest score first and among
// equals the smallest ID. A query without a word has none.
//
// Documents are considered in the order of their Boost. When [MaxPostings]
// postings have been read the rest, which are the least popular, are not
// considered: only queries all of whose words are very common come to that.
func (x *Index) Search(q Query) []Hit {
	if x == nil || len(x.ids) == 0 {
		return nil
	}
	limit := min(q.Limit, MaxLimit)
	if limit <= 0 {
		limit = defaultLimit
	}
	words := parse(q.Text)
	if len(words) == 0 {
		return nil
	}
	s := searches.Get().(*search)
	defer s.release()
	if !s.open(x, words) {
		return nil
	}
	s.locale(x, normalLocale(q.Locale))
	hits := s.run(x, limit, q.Skip)
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return hits
}

// word is one word of a query.
type word struct {
	term   []byte
	prefix uint32 // quality of a term that begins with it
}

// parse returns the distinct words of a query.
func parse(text string) []word {
	runes := 0
	for i := range text {
		if runes == MaxQueryRunes {
			text = text[:i]
			break
		}
		runes++
	}
	var f folder
	var words []word
	last := -1
	tokens(f.fold(text), true, func(term []byte) bool {
		last = slices.IndexFunc(words, func(w word) bool { return bytes.Equal(w.term, term) })
		if last < 0 {
			if len(words) == MaxWords {
				return false
			}
			last = len(words)
			words = append(words, word{bytes.Clone(term), qualityPrefix})
		}
		return true
	})
	if last >= 0 {
		words[last].prefix = qualityTyping
	}
	return words
}

// Documents are searched in windows of consecutive ranks, each for all words,
// so that stopping early leaves out whole documents and not some of their
// words.
const (
	firstWindow = 512
	minWindow   = 256
	maxWindow   = 8192
)

// lists are the cursors of one word.
type lists struct {
	start, end int // in search.cursors
	count      uint64
	quality    uint32 // the greatest
}

// search is the working memory of one search.
type search struct {
	cursors []cursor
	words   []lists
	factors []uint32 // of each slot
	most    uint32   // the greatest of factors
	best    [maxWindow]uint32
	sum     [maxWindow]uint32
	alive   [maxWindow / 64]uint64
	spent   int // postings read
}

var searches = sync.Pool{New: func() any { return new(search) }}

// release gives s back, without the references to an index it holds.
func (s *search) release() {
	clear(s.cursors)
	s.cursors, s.words, s.spent = s.cursors[:0], s.words[:0], 0
	searches.Put(s)
}

// open finds the lists of the words, the rarest word first. It reports false
// where a word has none.
func (s *search) open(x *Index, words []word) bool {
	for _, w := range words {
		l := lists{start: len(s.cursors)}
		add := func(list []byte, quality uint32) {
			c, count := newCursor(list, quality)
			s.cursors = append(s.cursors, c)
			l.count += uint64(count)
			l.quality = max(l.quality, quality)
		}
		common := x.heavy.find(w.term)
		if common != nil {
			add(common, w.prefix)
			if exact := x.terms.find(w.term); exact != nil {
				add(exact, qualityWord)
			}
		} else {
			x.terms.from(w.term, func(term, list []byte) bool {
				switch {
				case len(term) == len(w.term) && hasPrefix(term, w.term):
					add(list, qualityWord)
				case hasPrefix(term, w.term) && !cutShort(w.term):
					add(list, w.prefix)
				default:
					return false
				}
				return true
			})
		}
		l.end = len(s.cursors)
		if l.start == l.end {
			return false
		}
		s.words = append(s.words, l)
	}
	slices.SortStableFunc(s.words, func(a, b lists) int { return cmp.Compare(a.count, b.count) })
	return true
}

// cutShort reports whether a word may be longer than its term.
func cutShort(term []byte) bool { return len(term) > maxTermBytes-utf8.UTFMax }

// locale computes the factors of the slots for a reader.
func (s *search) locale(x *Index, reader string) {
	var byLocale [maxLocales + 1]uint32
	for i, l := range x.locales {
		byLocale[i] = localeFactor(reader, l)
	}
	if len(x.locales) > maxLocales {
		byLocale[maxLocales] = localeOther
	}
	s.factors, s.most = slices.Grow(s.factors[:0], len(x.slots)), 0
	for _, t := range x.slots {
		f := byLocale[t.locale] * uint32(t.weight)
		s.factors = append(s.factors, f)
		s.most = max(s.most, f)
	}
}

// score returns the score of a document whose words' best matches sum up to
// sum. It does not fall as sum or boost grow.
func score(sum uint32, words int, boost float32) float32 {
	return float32(float64(sum) / float64(words*qualityWord*localeSame) * (1 + float64(boost)/2))
}

// run goes through the documents and returns the best, in no order.
func (s *search) run(x *Index, limit int, skip func(int64) bool) []Hit {
	var top hitHeap
	most := uint32(0) // a sum no document exceeds
	for _, w := range s.words {
		most += w.quality * s.most
	}
	docs := uint32(len(x.ids))
	window, done := uint32(firstWindow), uint64(0)
	for base := s.first(); base < docs && s.spent < MaxPostings; base = s.first() {
		if len(top) == limit && !s.better(x, top[0], base, most) {
			break
		}
		end := min(base+window, docs)
		if s.match(base, end) {
			for i, b := range s.alive[:(end-base+63)/64] {
				for ; b != 0; b &= b - 1 {
					at := uint32(i*64 + bits.TrailingZeros64(b))
					hit := Hit{x.ids[base+at], score(s.sum[at], len(s.words), x.boosts[base+at])}
					if len(top) == limit && !hit.above(top[0]) || skip != nil && skip(hit.ID) {
						continue
					}
					top.add(hit, limit)
				}
			}
		}
		// The next window is what the rest of the budget allows at the price
		// of documents so far.
		done += uint64(end - base)
		if left := MaxPostings - s.spent; left > 0 && s.spent > 0 {
			window = uint32(min(max(uint64(left)*done/uint64(s.spent), minWindow), maxWindow))
		}
	}
	return top
}

// first returns the first document that the rarest word may still match.
func (s *search) first() uint32 {
	first := uint32(noDoc)
	w := &s.words[0]
	for i := w.start; i < w.end; i++ {
		first = min(first, s.cursors[i].doc)
	}
	return first
}

// better reports whether a document from base on might be above worst.
func (s *search) better(x *Index, worst Hit, base, most uint32) bool {
	bound := score(most, len(s.words), x.boosts[base])
	if bound != worst.Score {
		return bound > worst.Score
	}
	// Documents of one boost come by ascending id, so among equals the rest
	// cannot win unless their boosts still differ.
	return x.boosts[len(x.boosts)-1] != x.boosts[base] || x.ids[base] < worst.ID
}

// match finds the documents base to end that match all words: s.alive has
// their bits and s.sum the sums of their factors. It reports whether there
// are any.
func (s *search) match(base, end uint32) bool {
	n := end - base
	alive := s.alive[:(n+63)/64]
	best, sum := s.best[:n], s.sum[:n]
	for i := range s.words {
		w := &s.words[i]
		clear(best)
		for j := w.start; j < w.end; {
			c := &s.cursors[j]
			if i == 0 {
				s.scan(c, best, base, end)
			} else {
				s.probe(c, best, alive, base, end)
			}
			if c.doc == noDoc {
				w.end--
				*c = s.cursors[w.end]
				continue
			}
			j++
		}
		any := false
		if i == 0 {
			clear(alive)
			copy(sum, best)
			for at, v := range best {
				if v > 0 {
					alive[at/64] |= 1 << (at % 64)
					any = true
				}
			}
		} else {
			for k, b := range alive {
				for ; b != 0; b &= b - 1 {
					at := k*64 + bits.TrailingZeros64(b)
					if best[at] == 0 {
						alive[k] &^= 1 << (at % 64)
						continue
					}
					sum[at] += best[at]
					any = true
				}
			}
		}
		if !any {
			return false
		}
	}
	return true
}

// scan reads all documents of c before end.
func (s *search) scan(c *cursor, best []uint32, base, end uint32) {
	for c.doc < end {
		f, read := c.best(s.factors)
		s.spent += read
		at := c.doc - base
		best[at] = max(best[at], f*c.quality)
		c.step()
	}
}

// probe reads those documents of c before end that are alive.
func (s *search) probe(c *cursor, best []uint32, alive []uint64, base, end uint32) {
	if c.doc < base {
		s.spent += c.seek(base)
	}
	for c.doc < end {
		at := c.doc - base
		next := nextBit(alive, at)
		if next == at {
			f, read := c.best(s.factors)
			s.spent += read
			best[at] = max(best[at], f*c.quality)
			c.step()
			continue
		}
		if next == noDoc {
			return // the next window seeks on from here
		}
		s.spent += c.seek(base + next)
	}
}

// nextBit returns the number of the first bit set from at on, or noDoc.
func nextBit(set []uint64, at uint32) uint32 {
	i := at / 64
	b := set[i] &^ (1<<(at%64) - 1)
	for b == 0 {
		if i++; int(i) >= len(set) {
			return noDoc
		}
		b = set[i]
	}
	return i*64 + uint32(bits.TrailingZeros64(b))
}
