package search

import "math/bits"

// A Set is a set of documents of one [Index], by their numbers: a document's number is its place,
// from 0, in the order in which [New] was given them. The methods that change a Set are for one
// goroutine.
type Set struct {
	bits []uint64
	n    int
}

// NewSet returns an empty set for the documents numbered 0 to n-1.
func NewSet(n int) *Set { return &Set{make([]uint64, (n+63)/64), n} }

// Cap returns the number of documents there can be in the set.
func (s *Set) Cap() int { return s.n }

// Add puts document i into the set, 0 ≤ i < Cap.
func (s *Set) Add(i int) { s.bits[i/64] |= 1 << (i % 64) }

// Has reports whether document i is in the set, 0 ≤ i < Cap.
func (s *Set) Has(i int) bool { return s.bits[i/64]&(1<<(i%64)) != 0 }

// Len returns the number of documents in the set.
func (s *Set) Len() (n int) {
	for _, b := range s.bits {
		n += bits.OnesCount64(b)
	}
	return n
}
