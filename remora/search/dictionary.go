package search

import (
	"bytes"
	"sort"
)

// blockTerms is the number of terms in a block of a dictionary.
const blockTerms = 16

// dictionary maps sorted terms to posting lists. Terms are kept in blocks: the
// first whole, the others as what differs from the one before, each with the
// length of its list; the lists lie in the order of the terms.
//
// An entry is: bytes shared with the term before, bytes that follow (one byte
// each, a term has at most maxTermBytes), those bytes, length of the list.
type dictionary struct {
	blocks []block
	text   []byte
	data   []byte // posting lists
	terms  int
}

// block is where a block begins in text and data.
type block struct {
	text, data uint64
}

// newDictionary returns the dictionary of the terms term(0) … term(n-1), in
// ascending order, whose lists end at ends in data. Terms with an empty list
// are left out.
func newDictionary(n int, term func(int) []byte, data []byte, ends []uint64) dictionary {
	d := dictionary{data: data}
	var last []byte
	start := uint64(0)
	for i := range n {
		size := ends[i] - start
		if size == 0 {
			continue
		}
		t := term(i)
		shared := 0
		if d.terms%blockTerms == 0 {
			d.blocks = append(d.blocks, block{uint64(len(d.text)), start})
		} else {
			for shared < len(last) && shared < len(t) && last[shared] == t[shared] {
				shared++
			}
		}
		d.text = append(d.text, byte(shared), byte(len(t)-shared))
		d.text = append(d.text, t[shared:]...)
		d.text = appendUvarint(d.text, uint32(size))
		last, start = t, ends[i]
		d.terms++
	}
	d.text = bytes.Clone(d.text)
	return d
}

// size returns the bytes the dictionary and its lists hold.
func (d *dictionary) size() int64 {
	return int64(len(d.blocks))*16 + int64(len(d.text)) + int64(len(d.data))
}

// search returns the block that holds first if the dictionary does: the last
// one that does not begin behind it, or block 0.
func (d *dictionary) search(first []byte) int {
	i := sort.Search(len(d.blocks), func(i int) bool { return bytes.Compare(d.head(i), first) > 0 })
	return max(i-1, 0)
}

// head returns the first term of a block.
func (d *dictionary) head(b int) []byte {
	at := d.blocks[b].text
	return d.text[at+2 : at+2+uint64(d.text[at+1])]
}

// from calls visit with the terms not less than first and their lists, in
// order, until it returns false. The term is valid during the call only.
func (d *dictionary) from(first []byte, visit func(term, list []byte) bool) {
	d.places(first, func(term, list []byte, _ int) bool { return visit(term, list) })
}

// places is like from and also gives the place of each term in the order of
// all, from 0.
func (d *dictionary) places(first []byte, visit func(term, list []byte, place int) bool) {
	if len(d.blocks) == 0 {
		return
	}
	b := d.search(first)
	at := d.blocks[b]
	var buf [256]byte
	term := buf[:0]
	for place := b * blockTerms; at.text < uint64(len(d.text)); place++ {
		e := d.text[at.text:]
		shared, more := int(e[0]), int(e[1])
		term = append(term[:shared], e[2:2+more]...)
		size, n := uvarint(e[2+more:])
		list := d.data[at.data : at.data+uint64(size)]
		at.text += uint64(2 + more + n)
		at.data += uint64(size)
		if bytes.Compare(term, first) < 0 {
			continue
		}
		if !visit(term, list, place) {
			return
		}
	}
}

// find returns the list of a term, or nil.
func (d *dictionary) find(term []byte) (list []byte) {
	d.from(term, func(t, l []byte) bool {
		if bytes.Equal(t, term) {
			list = l
		}
		return false
	})
	return list
}

// place returns the place of a term in the order of all.
func (d *dictionary) place(term []byte) (place int, ok bool) {
	d.places(term, func(t, _ []byte, p int) bool {
		place, ok = p, bytes.Equal(t, term)
		return false
	})
	return place, ok
}
