package search

import (
	"iter"
	"math/bits"
	"slices"
	"strings"
)

// Facets know, of documents numbered as in a [Set], which values they have of some properties, such
// as a category or a language. A property is called a facet, and facets are numbered from 0.
// Facets never change and may be used by many goroutines at once.
//
// A value that many documents have is kept as a bitmap, any other as a list of numbers, whichever is
// smaller. So a value costs at most one bit for each document there is, a rare one four bytes for
// each document that has it.
type Facets struct {
	docs   int
	facets []facet
}

// A facet keeps the documents of its values one after the other in two arrays, since most values
// are rare and would not be worth objects of their own.
type facet struct {
	values  []string // ascending
	at      []extent // of values
	numbers []uint32 // of rare values
	bits    []uint64 // of common values, a bitmap each
}

// An extent is where the documents of a value are: from in numbers, or in bits if it is common.
type extent struct {
	from, n uint32
}

// common reports whether a value of n documents takes less memory as a bitmap.
func common(n uint32, docs int) bool { return int64(n)*32 > int64(docs) }

func words64(docs int) int { return (docs + 63) / 64 }

// A FacetsBuilder collects the values of documents. It is for one goroutine, and of no use after
// Facets.
type FacetsBuilder struct {
	docs   int
	facets []facetBuilder
}

type facetBuilder struct {
	number map[string]uint32 // of each value, as they come
	values []string
	last   []uint32    // of each value: the last document, plus one
	count  []uint32    // of each value
	has    [][2]uint32 // value, document
}

// NewFacetsBuilder returns a builder for the documents numbered 0 to docs-1, of which there may be
// 2³²-1, and a number of facets.
func NewFacetsBuilder(docs, facets int) *FacetsBuilder {
	return &FacetsBuilder{docs: docs, facets: make([]facetBuilder, facets)}
}

// Add says that a document has a value of a facet; more than once is like once. Documents must come
// by ascending number. The value is kept as it is, together with any larger string it is a part of.
func (b *FacetsBuilder) Add(doc, facet int, value string) {
	f := &b.facets[facet]
	v, known := f.number[value]
	if !known {
		if f.number == nil {
			f.number = map[string]uint32{}
		}
		v = uint32(len(f.values))
		f.number[value] = v
		f.values = append(f.values, value)
		f.last = append(f.last, 0)
		f.count = append(f.count, 0)
	}
	if f.last[v] == uint32(doc)+1 {
		return
	}
	f.last[v] = uint32(doc) + 1
	f.count[v]++
	f.has = append(f.has, [2]uint32{v, uint32(doc)})
}

// Facets returns what was added.
func (b *FacetsBuilder) Facets() *Facets {
	out := &Facets{docs: b.docs, facets: make([]facet, len(b.facets))}
	for i := range b.facets {
		out.facets[i] = b.facets[i].facet(b.docs)
		b.facets[i] = facetBuilder{}
	}
	return out
}

func (b *facetBuilder) facet(docs int) facet {
	if len(b.values) == 0 {
		return facet{}
	}
	order := make([]uint32, len(b.values))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(p, q uint32) int { return strings.Compare(b.values[p], b.values[q]) })
	f := facet{values: make([]string, len(order)), at: make([]extent, len(order))}
	next := make([]uint32, len(order)) // where the next document of a value goes, by its old number
	var numbers, bitmaps uint32
	for i, v := range order {
		f.values[i] = b.values[v]
		f.at[i].n = b.count[v]
		to, by := &numbers, b.count[v]
		if common(b.count[v], docs) {
			to, by = &bitmaps, uint32(words64(docs))
		}
		f.at[i].from, next[v] = *to, *to
		*to += by
	}
	f.numbers, f.bits = make([]uint32, numbers), make([]uint64, bitmaps)
	for _, h := range b.has {
		v, doc := h[0], h[1]
		if common(b.count[v], docs) {
			f.bits[next[v]+doc/64] |= 1 << (doc % 64)
			continue
		}
		f.numbers[next[v]] = doc
		next[v]++
	}
	return f
}

// Documents returns the number of documents there are, with values or without.
func (f *Facets) Documents() int { return f.docs }

// Bytes returns how much memory the facets hold, without the bytes of the values' strings.
func (f *Facets) Bytes() (n int64) {
	for i := range f.facets {
		p := &f.facets[i]
		n += int64(len(p.values))*(16+8) + int64(len(p.numbers))*4 + int64(len(p.bits))*8
	}
	return n
}

// Value returns the documents that have a value of a facet, none for an unknown value. It takes
// the time of a binary search among the values.
func (f *Facets) Value(facet int, value string) Documents {
	p := &f.facets[facet]
	if i, found := slices.BinarySearch(p.values, value); found {
		return p.documents(i, f.docs)
	}
	return Documents{}
}

func (p *facet) documents(i, docs int) Documents {
	at := p.at[i]
	if common(at.n, docs) {
		return Documents{n: int(at.n), bits: p.bits[at.from:][:words64(docs)]}
	}
	return Documents{n: int(at.n), numbers: p.numbers[at.from:][:at.n]}
}

// Values yields the values of a facet in ascending order, each with its documents.
func (f *Facets) Values(facet int) iter.Seq2[string, Documents] {
	p := &f.facets[facet]
	return func(yield func(string, Documents) bool) {
		for i, value := range p.values {
			if !yield(value, p.documents(i, f.docs)) {
				return
			}
		}
	}
}

// Documents are those that have one value of a facet. They never change.
type Documents struct {
	n       int
	numbers []uint32 // ascending; where bits is nil
	bits    []uint64
}

// Len returns how many there are.
func (d Documents) Len() int { return d.n }

// Has reports whether document i is one of them, 0 ≤ i < Facets.Documents.
func (d Documents) Has(i int) bool {
	if d.bits != nil {
		return d.bits[i/64]&(1<<(i%64)) != 0
	}
	_, found := slices.BinarySearch(d.numbers, uint32(i))
	return found
}

// All yields them by number.
func (d Documents) All() iter.Seq[int] {
	if d.bits != nil {
		return (&Set{bits: d.bits}).All()
	}
	return func(yield func(int) bool) {
		for _, n := range d.numbers {
			if !yield(int(n)) {
				return
			}
		}
	}
}

// Count returns how many of them are in a set.
func (d Documents) Count(s *Set) (n int) {
	if d.bits != nil {
		in := s.bits[:len(d.bits)]
		for i, b := range d.bits {
			n += bits.OnesCount64(b & in[i])
		}
		return n
	}
	for _, doc := range d.numbers {
		n += int(s.bits[doc/64] >> (doc % 64) & 1)
	}
	return n
}

// Narrow keeps in s only what is among them.
func (d Documents) Narrow(s *Set) {
	if d.bits != nil {
		s.And(&Set{bits: d.bits})
		return
	}
	next := 0 // word of s not yet looked at
	for i := 0; i < len(d.numbers); {
		word := int(d.numbers[i] / 64)
		clear(s.bits[next:word])
		mask := uint64(0)
		for ; i < len(d.numbers) && int(d.numbers[i]/64) == word; i++ {
			mask |= 1 << (d.numbers[i] % 64)
		}
		s.bits[word] &= mask
		next = word + 1
	}
	clear(s.bits[next:])
}
