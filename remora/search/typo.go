package search

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"
)

// Bounds of the search for typos.
const (
	// maxTypos is how many terms a word is looked for in place of it. Nearer
	// ones come first, then those of more documents.
	maxTypos = 128
	// maxWalk is how many terms one search compares.
	maxWalk = 1 << 21
)

// maxDistance is the greatest number of typos in a word.
const maxDistance = 2

// Qualities of terms that differ from the word, by their distance: lower than
// that of any term that begins with the word.
var (
	qualityTypo      = [maxDistance + 1]uint32{1: 30, 2: 15}
	qualityTypoStart = [maxDistance + 1]uint32{1: 25, 2: 10} // the word being typed, in the beginning of a term
)

// near is a term that is found in place of a word.
type near struct {
	term    []byte
	list    []byte
	count   uint32
	quality uint32
}

// addTypos adds the lists of the terms near a word.
func (s *search) addTypos(x *Index, l *lists, w *word) {
	var terms []near
	n := newNearness(w.term, w.typos, w.prefix == qualityTyping)
	s.walked += x.terms.walk(n, maxWalk-s.walked, func(term, list []byte, quality uint32) {
		if hasPrefix(term, w.term) && !cutShort(w.term) {
			return // found without typos
		}
		count, _ := uvarint(list)
		terms = append(terms, near{bytes.Clone(term), list, count, quality})
	})
	slices.SortStableFunc(terms, func(a, b near) int {
		return cmp.Or(cmp.Compare(b.quality, a.quality), cmp.Compare(b.count, a.count))
	})
	for _, t := range terms[:min(len(terms), maxTypos)] {
		s.add(l, source{t.list, t.quality, t.term})
	}
}

// nearness compares terms, given in the order of a dictionary, with a word: by
// the optimal string alignment distance, in which a letter that is missing,
// too much or wrong, and two neighbours that are swapped, count as one. What
// the term shares with the one before is not compared again.
type nearness struct {
	word   []rune
	most   int
	typing bool // beginnings of terms count as well

	// By the letters of the term that were compared, from none.
	letters []rune
	ends    []int // bytes up to here
	rows    []row
	starts  []int // the least distance of a beginning that ends like the word

	// After a term that is too far: the least term behind it that is not, as
	// far as known; nil: nothing is but that those with the dead beginning are.
	target []byte
	common int // bytes of target before its last letter
}

// row holds the distances between a beginning of the term and the beginnings
// of the word that are not more than maxDistance longer or shorter: that of
// the beginning of the same length is in the middle.
type row [2*maxDistance + 1]uint8

const tooFar = maxDistance + 1

// newNearness returns a comparison with word.
func newNearness(word []byte, most int, typing bool) *nearness {
	n := &nearness{word: []rune(string(word)), most: most, typing: typing}
	n.letters, n.ends, n.starts = []rune{0}, []int{0}, []int{tooFar}
	first := row{}
	for k := range first {
		first[k] = tooFar
		if i := k - maxDistance; i >= 0 && i <= len(n.word) {
			first[k] = uint8(i)
		}
	}
	n.rows = []row{first}
	return n
}

// compare takes the next term, which shares its first bytes with the one
// before. It returns the quality of the term, 0 where it is too far; and,
// where all terms with the same beginning are, the length of that, else 0.
func (n *nearness) compare(term []byte, shared int) (quality uint32, dead int) {
	depth := len(n.ends) - 1
	for n.ends[depth] > shared {
		depth--
	}
	n.letters, n.ends = n.letters[:depth+1], n.ends[:depth+1]
	n.rows, n.starts = n.rows[:depth+1], n.starts[:depth+1]
	for end := n.ends[depth]; end < len(term); {
		r, size := utf8.DecodeRune(term[end:])
		end += size
		if !n.push(r, end) {
			return 0, n.aim(term, r)
		}
	}
	depth = len(n.ends) - 1
	if k := len(n.word) - depth + maxDistance; k >= 0 && k < len(row{}) {
		if d := int(n.rows[depth][k]); d <= n.most {
			quality = qualityTypo[d]
		}
	}
	if d := n.starts[depth]; d <= n.most {
		quality = max(quality, qualityTypoStart[d])
	}
	return quality, 0
}

// aim sets the target behind a term that is too far since its letter r, the
// last one compared, and returns the length of the dead beginning.
func (n *nearness) aim(term []byte, r rune) (dead int) {
	parent := len(n.ends) - 2
	n.target = n.target[:0]
	next, all := n.next(parent, r)
	switch {
	case all:
		return n.ends[parent+1]
	case next == 0: // nor is any other with the beginning before r
		return n.ends[parent]
	}
	n.common = n.ends[parent]
	n.target = utf8.AppendRune(append(n.target, term[:n.common]...), next)
	return n.ends[parent+1]
}

// next returns the least letter behind r that may follow the first letters
// of the term, as many as depth; 0: none; or that all may.
func (n *nearness) next(depth int, r rune) (next rune, all bool) {
	add := func(l rune) {
		if l > r && (next == 0 || l < next) {
			next = l
		}
	}
	for k, d := range n.rows[depth] {
		i := depth + k - maxDistance // letters of the word
		if i < 0 || i > len(n.word) {
			continue
		}
		if int(d) < n.most {
			return 0, true
		}
		// The second letter of a swap is among these, as one too many.
		if int(d) == n.most && i < len(n.word) {
			add(n.word[i])
		}
	}
	return next, false
}

// sameAlphabet reports whether a letter is of the block of Unicode of a letter of
// the word, so that one may stand for the other by mistake.
func (n *nearness) sameAlphabet(r rune) bool {
	for _, l := range n.word {
		if alphabet(l) == alphabet(r) {
			return true
		}
	}
	return false
}

// alphabet returns the number of the block of 256 characters of r. All of Latin,
// as far as it is left by folding, is one.
func alphabet(r rune) rune {
	if r < 0x370 {
		return 0
	}
	return r >> 8
}

// push compares one more letter and reports whether a term that begins so may
// still be near.
func (n *nearness) push(r rune, end int) bool {
	depth := len(n.ends)
	if depth == 1 && !n.sameAlphabet(r) {
		n.letters, n.ends = append(n.letters, r), append(n.ends, end)
		n.rows, n.starts = append(n.rows, row{}), append(n.starts, tooFar)
		return false
	}
	last := &n.rows[depth-1]
	var now row
	least := uint8(tooFar)
	for k := range now {
		now[k] = tooFar
		i := depth + k - maxDistance // letters of the word
		if i < 0 || i > len(n.word) {
			continue
		}
		d := uint8(tooFar)
		if k+1 < len(last) {
			d = min(d, last[k+1]+1)
		}
		if i > 0 {
			if k > 0 {
				d = min(d, now[k-1]+1)
			}
			c := last[k]
			if n.word[i-1] != r {
				c++
			}
			d = min(d, c)
			if i > 1 && depth > 1 && n.word[i-1] == n.letters[depth-1] && n.word[i-2] == r {
				d = min(d, n.rows[depth-2][k]+1)
			}
		}
		now[k] = d
		least = min(least, d)
	}
	start := n.starts[depth-1]
	if k := len(n.word) - depth + maxDistance; n.typing && k >= 0 && k < len(now) && r == n.word[len(n.word)-1] {
		start = min(start, int(now[k]))
	}
	n.letters, n.ends = append(n.letters, r), append(n.ends, end)
	n.rows, n.starts = append(n.rows, now), append(n.starts, start)
	return int(least) <= n.most || start <= n.most
}

// walk calls visit with the terms near a word and returns how many terms it
// went through, which is not more than about budget.
func (d *dictionary) walk(n *nearness, budget int, visit func(term, list []byte, quality uint32)) (walked int) {
	var buf [256]byte
	term := buf[:0]
	dead := 0 // so many bytes of term are the beginning of none that is near
	for b := 0; b < len(d.blocks) && walked < budget; b++ {
		if dead > 0 {
			b = d.behind(b, term[:dead], n.target)
		}
		text, data, end := d.blocks[b].text, d.blocks[b].data, uint64(len(d.text))
		if b+1 < len(d.blocks) {
			end = d.blocks[b+1].text
		}
		for first := true; text < end; first = false {
			e := d.text[text:]
			shared, more := int(e[0]), int(e[1])
			size, read := uvarint(e[2+more:])
			text += uint64(2 + more + read)
			data += uint64(size)
			walked++
			if first { // the first of a block is whole
				for shared < len(term) && shared < more && term[shared] == e[2+shared] {
					shared++
				}
			}
			// What is left out is not put together: the next that is not
			// shares less than the dead beginning with it.
			if dead > 0 && shared >= dead {
				continue
			}
			at := 2 // of the first byte that is not shared
			if first {
				at += shared
			}
			if dead > 0 && len(n.target) > 0 && shared == n.common && e[at] < n.target[shared] {
				dead = shared + 1
				continue
			}
			if first {
				term = append(term[:0], e[2:2+more]...)
			} else {
				term = append(term[:shared], e[2:2+more]...)
			}
			var quality uint32
			if quality, dead = n.compare(term, shared); quality > 0 {
				visit(term, d.data[data-uint64(size):data], quality)
			}
		}
	}
	return walked
}

// behind returns the last block, from b on, that may hold a term behind those
// that begin with head, or one from target on where that is given: what lies
// between b and it is neither.
func (d *dictionary) behind(b int, head, target []byte) int {
	passed := func(b int) bool {
		if b >= len(d.blocks) {
			return false
		}
		first := d.head(b)
		return hasPrefix(first, head) || len(target) > 0 && bytes.Compare(first, target) <= 0
	}
	step := 1
	for passed(b + step) {
		b += step
		step *= 2
	}
	for ; step > 0; step /= 2 {
		if passed(b + step) {
			b += step
		}
	}
	return b
}
