package search

import (
	"iter"
	"math/bits"
	"slices"
)

// A Set is a set of documents of one [Index], by their numbers: a document's number is its place,
// from 0, in the order in which [New] was given them. The methods that change a Set are for one
// goroutine; the others may be called by many. Two sets that meet in a method must have one Cap.
type Set struct {
	bits []uint64
	n    int
}

// NewSet returns an empty set for the documents numbered 0 to n-1.
func NewSet(n int) *Set { return &Set{make([]uint64, (n+63)/64), n} }

// Cap returns the number of documents there can be in the set.
func (s *Set) Cap() int { return s.n }

// Clone returns a set of the same documents that changes on its own.
func (s *Set) Clone() *Set { return &Set{slices.Clone(s.bits), s.n} }

// Add puts document i into the set, 0 ≤ i < Cap.
func (s *Set) Add(i int) { s.bits[i/64] |= 1 << (i % 64) }

// Remove takes document i out of the set, 0 ≤ i < Cap.
func (s *Set) Remove(i int) { s.bits[i/64] &^= 1 << (i % 64) }

// Has reports whether document i is in the set, 0 ≤ i < Cap.
func (s *Set) Has(i int) bool { return s.bits[i/64]&(1<<(i%64)) != 0 }

// Len returns the number of documents in the set.
func (s *Set) Len() (n int) {
	for _, b := range s.bits {
		n += bits.OnesCount64(b)
	}
	return n
}

// And keeps only the documents that are also in t.
func (s *Set) And(t *Set) {
	for i, b := range t.bits[:len(s.bits)] {
		s.bits[i] &= b
	}
}

// AndNot keeps only the documents that are not in t.
func (s *Set) AndNot(t *Set) {
	for i, b := range t.bits[:len(s.bits)] {
		s.bits[i] &^= b
	}
}

// Or adds the documents of t.
func (s *Set) Or(t *Set) {
	for i, b := range t.bits[:len(s.bits)] {
		s.bits[i] |= b
	}
}

// All yields the documents by number.
func (s *Set) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, b := range s.bits {
			for ; b != 0; b &= b - 1 {
				if !yield(i*64 + bits.TrailingZeros64(b)) {
					return
				}
			}
		}
	}
}
