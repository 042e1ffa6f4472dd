package balance

import (
	"math/rand/v2"
	"sync/atomic"
)

// PowerOfTwo is a [Picker]: it draws two candidates, by weight, and takes the one with fewer requests
// in flight for its weight. That is nearly as good as asking all of them, and several balancers that
// do not know of each other do not fall upon the same backend. The zero value is ready.
type PowerOfTwo struct{}

// Pick implements [Picker].
func (PowerOfTwo) Pick(_ Info, candidates []Candidate) int {
	if len(candidates) == 1 {
		return 0
	}
	total := totalWeight(candidates)
	first := at(candidates, rand.Int64N(total), -1)
	second := at(candidates, rand.Int64N(total-weight(candidates[first])), first)
	a, b := candidates[first], candidates[second]
	if int64(b.InFlight)*weight(a) < int64(a.InFlight)*weight(b) {
		return second
	}
	return first // also when equal: it was drawn by weight
}

// RoundRobin is a [Picker] that takes the candidates in turn, each as often as its weight says. The
// zero value is ready; it must not be copied after its first use.
type RoundRobin struct {
	next atomic.Uint64
}

// Pick implements [Picker].
func (r *RoundRobin) Pick(_ Info, candidates []Candidate) int {
	n := r.next.Add(1) - 1
	return at(candidates, int64(n%uint64(totalWeight(candidates))), -1)
}

// weight is that of c. Candidates made by others than this package may have forgotten it.
func weight(c Candidate) int64 { return int64(max(c.Weight, 1)) }

func totalWeight(candidates []Candidate) (sum int64) {
	for i := range candidates {
		sum += weight(candidates[i])
	}
	return sum
}

// at returns the candidate at place n of a row in which each stands as often as its weight says.
// The one at index but is left out.
func at(candidates []Candidate, n int64, but int) int {
	for i := range candidates {
		if i == but {
			continue
		}
		if n -= weight(candidates[i]); n < 0 {
			return i
		}
	}
	return len(candidates) - 1 // only if n is too large
}
