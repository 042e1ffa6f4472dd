package search

import (
	"math/bits"
	"slices"
	"sync"
)

// Documents are searched in windows of consecutive ranks, each for all words,
// so that stopping early leaves out whole documents and not some of their
// words.
const (
	firstWindow = 512
	minWindow   = 256
	maxWindow   = 8192
)

// search is the working memory of one search.
type search struct {
	cursors   []cursor
	sources   []source // what the cursors of words began with, in the order of words
	words     []lists  // the rarest first
	whole     lists    // of fields that are the query
	phrases   []phrase
	marks     [maxLocales + 1]uint32 // by locale, for phrases
	mark      uint32                 // the last
	byLocale  [maxLocales + 1]uint32
	minWeight uint8
	factors   []uint32 // of each slot
	most      uint32   // the greatest of factors
	best      [maxWindow]uint32
	sum       [maxWindow]uint32
	alive     [maxWindow / 64]uint64
	spent     int // postings read
	walked    int // terms compared for typos
}

var searches = sync.Pool{New: func() any { return new(search) }}

// release gives s back, without the references to an index it holds.
func (s *search) release() {
	clear(s.cursors)
	clear(s.sources)
	s.cursors, s.sources, s.words, s.whole = s.cursors[:0], s.sources[:0], s.words[:0], lists{}
	s.phrases = nil
	s.spent, s.walked = 0, 0
	searches.Put(s)
}

// weigh computes the factors of the slots for a reader: 0 for those of too
// little weight, in which nothing matches.
func (s *search) weigh(x *Index, reader string, minWeight uint8) {
	s.minWeight = minWeight
	for i, l := range x.locales {
		s.byLocale[i] = localeFactor(reader, l)
	}
	if len(x.locales) > maxLocales {
		s.byLocale[maxLocales] = localeOther
	}
	s.factors, s.most = slices.Grow(s.factors[:0], len(x.slots)), 0
	for _, t := range x.slots {
		f := uint32(0)
		if t.weight >= minWeight {
			f = s.byLocale[t.locale] * uint32(t.weight)
		}
		s.factors = append(s.factors, f)
		s.most = max(s.most, f)
	}
}

// notPreferred is the factor of documents outside Query.Prefer.
const notPreferred = 0.6

// score returns the score of a document whose words' best matches sum up to
// sum. It does not fall as sum or boost grow.
func score(sum uint32, words int, boost float32, preferred bool) float32 {
	v := float64(sum) / float64(words*qualityWord*localeSame) * (1 + float64(boost)/2)
	if !preferred {
		v *= notPreferred
	}
	return float32(v)
}

// run goes through the documents and gathers the best, in no order, and what
// else q asks for.
func (s *search) run(x *Index, q *Query, r *Result) {
	limit := min(q.Limit, MaxLimit)
	if limit <= 0 {
		limit = defaultLimit
	}
	count := q.Count || q.Matches != nil
	var top hitHeap
	most := uint32(0) // a sum no document exceeds whose fields are not the query
	for _, w := range s.words {
		most += w.quality * s.most
	}
	docs := uint32(len(x.ids))
	window, done := uint32(firstWindow), uint64(0)
	for base, end := s.first(), uint32(0); base < docs; base = max(s.first(), end) {
		if len(top) == limit && !count && !s.better(x, top[0], base, most) {
			// Only one with a field that is the query can be.
			base = s.nextWhole(base)
			if base == noDoc || !s.better(x, top[0], base, most+s.whole.quality*s.most) {
				break
			}
		}
		if s.spent >= MaxPostings {
			r.Partial = true
			break
		}
		end = min(base+window, docs)
		if s.match(x, base, end, q.Within) {
			for i, b := range s.alive[:(end-base+63)/64] {
				if count {
					r.Total += bits.OnesCount64(b)
				}
				for ; b != 0; b &= b - 1 {
					at := uint32(i*64 + bits.TrailingZeros64(b))
					n := int(x.numbers[base+at])
					if q.Matches != nil && n < q.Matches.Cap() {
						q.Matches.Add(n)
					}
					hit := Hit{x.ids[base+at], score(s.sum[at], len(s.words), x.boosts[base+at], within(q.Prefer, n))}
					if len(top) == limit && !hit.above(top[0]) || q.After != (Hit{}) && !q.After.above(hit) {
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
	r.Hits = top
}

// within reports whether document n is in a set; all are in none.
func within(set *Set, n int) bool {
	return set == nil || n < set.Cap() && set.Has(n)
}

// first returns the first document that the rarest word may still match, or
// noDoc.
func (s *search) first() uint32 {
	first := uint32(noDoc)
	w := &s.words[0]
	for i := w.start; i < w.end; i++ {
		first = min(first, s.cursors[i].doc)
	}
	return first
}

// nextWhole returns the first document from base on with a field that is the
// query, or noDoc.
func (s *search) nextWhole(base uint32) uint32 {
	if s.whole.start == s.whole.end {
		return noDoc
	}
	c := &s.cursors[s.whole.start]
	if c.doc < base {
		s.spent += c.seek(base)
	}
	return c.doc
}

// better reports whether a document from base on might be above worst.
func (s *search) better(x *Index, worst Hit, base, most uint32) bool {
	bound := score(most, len(s.words), x.boosts[base], true)
	if bound != worst.Score {
		return bound > worst.Score
	}
	// Documents of one boost come by ascending id, so among equals the rest
	// cannot win unless their boosts still differ.
	return x.boosts[len(x.boosts)-1] != x.boosts[base] || x.ids[base] < worst.ID
}

// match finds the documents base to end that are in set and match all words:
// s.alive has their bits and s.sum the sums of their factors. It reports
// whether there are any.
func (s *search) match(x *Index, base, end uint32, set *Set) bool {
	n := end - base
	alive := s.alive[:(n+63)/64]
	best, sum := s.best[:n], s.sum[:n]
	if set != nil {
		clear(alive)
		some := false
		for at, number := range x.numbers[base:end] {
			if within(set, int(number)) {
				alive[at/64] |= 1 << (at % 64)
				some = true
			}
		}
		if !some {
			return false
		}
	}
	for i := range s.words {
		w := &s.words[i]
		clear(best)
		all := i == 0 && set == nil // no documents are chosen yet
		for j := w.start; j < w.end; {
			c := &s.cursors[j]
			if all {
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
		if all {
			clear(alive)
			for at, v := range best {
				if v > 0 {
					alive[at/64] |= 1 << (at % 64)
				}
			}
		}
		some := false
		for k, b := range alive {
			for ; b != 0; b &= b - 1 {
				at := k*64 + bits.TrailingZeros64(b)
				switch {
				case best[at] == 0:
					alive[k] &^= 1 << (at % 64)
					continue
				case i == 0:
					sum[at] = 0
				}
				if !w.phrase {
					sum[at] += best[at]
				}
				some = true
			}
		}
		if !some {
			return false
		}
	}
	if len(s.phrases) > 0 && !s.verify(x, base, alive) {
		return false
	}
	s.addWhole(best, alive, base, end)
	return true
}

// addWhole adds to the sums of documents with a field that is the query.
func (s *search) addWhole(best []uint32, alive []uint64, base, end uint32) {
	if s.whole.start == s.whole.end {
		return
	}
	clear(best)
	c := &s.cursors[s.whole.start]
	if c.doc < end {
		s.probe(c, best, alive, base, end)
		for at, v := range best {
			s.sum[at] += v // those of documents that are not alive do not matter
		}
	}
}

// scan reads all documents of c before end.
func (s *search) scan(c *cursor, best []uint32, base, end uint32) {
	if c.doc < base {
		s.spent += c.seek(base)
	}
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

// eachBit calls visit with the numbers of the bits set, which it may clear.
func eachBit(set []uint64, visit func(at uint32)) {
	for i, b := range set {
		for ; b != 0; b &= b - 1 {
			visit(uint32(i*64 + bits.TrailingZeros64(b)))
		}
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
