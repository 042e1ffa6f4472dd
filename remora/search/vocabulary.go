package search

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// vocabulary numbers terms in the order in which they first come. It is a
// plain open hash table over one arena: a map of strings would cost an
// allocation for every term, which the small index of recent changes, rebuilt
// at every change, would feel.
type vocabulary struct {
	seed   maphash.Seed
	text   []byte
	ends   []uint64
	hashes []uint32
	table  []uint32 // number + 1; 0 is free; the length is a power of two
}

// newVocabulary returns an empty vocabulary.
func newVocabulary() *vocabulary {
	return &vocabulary{seed: maphash.MakeSeed(), table: make([]uint32, 1<<10)}
}

// number returns the number of a term, a new one if it was not seen before.
func (v *vocabulary) number(term []byte) uint32 {
	hash := uint32(maphash.Bytes(v.seed, term))
	mask := uint32(len(v.table) - 1)
	at := hash & mask
	for v.table[at] != 0 {
		n := v.table[at] - 1
		if v.hashes[n] == hash && bytes.Equal(v.term(n), term) {
			return n
		}
		at = (at + 1) & mask
	}
	n := uint32(len(v.ends))
	v.text = append(v.text, term...)
	v.ends = append(v.ends, uint64(len(v.text)))
	v.hashes = append(v.hashes, hash)
	v.table[at] = n + 1
	if len(v.ends)*4 > len(v.table)*3 {
		v.grow()
	}
	return n
}

// grow doubles the table.
func (v *vocabulary) grow() {
	v.table = make([]uint32, 2*len(v.table))
	mask := uint32(len(v.table) - 1)
	for n, hash := range v.hashes {
		at := hash & mask
		for v.table[at] != 0 {
			at = (at + 1) & mask
		}
		v.table[at] = uint32(n) + 1
	}
}

// term returns term n.
func (v *vocabulary) term(n uint32) []byte {
	start := uint64(0)
	if n > 0 {
		start = v.ends[n-1]
	}
	return v.text[start:v.ends[n]]
}

// sorted returns the numbers of all terms in the order of their bytes, and the
// place of each in that order.
func (v *vocabulary) sorted() (order, place []uint32) {
	type keyed struct {
		head uint64 // the first eight bytes, which nearly always decide
		n    uint32
	}
	keys := make([]keyed, len(v.ends))
	for n := range keys {
		var head [8]byte
		copy(head[:], v.term(uint32(n)))
		keys[n] = keyed{binary.BigEndian.Uint64(head[:]), uint32(n)}
	}
	slices.SortFunc(keys, func(a, b keyed) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return bytes.Compare(v.term(a.n), v.term(b.n))
	})
	order, place = make([]uint32, len(keys)), make([]uint32, len(keys))
	for i, k := range keys {
		order[i], place[k.n] = k.n, uint32(i)
	}
	return order, place
}
