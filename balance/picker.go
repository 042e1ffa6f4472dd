package balance

import (
	"math"
	"math/rand/v2"
)

// PowerOfTwo is a [Picker]: it draws two candidates, by weight, and takes the one that costs less.
// That is nearly as good as asking all of them, and several balancers that do not know of each other
// do not fall upon the same backend. The zero value is ready.
//
// The cost of a candidate is its latency, times the requests it would have in flight for its weight.
// Latencies count as equal when one of them is not known or the greater is less than twice the other:
// they vary by so much in good health, and a backend without load must not lose its share for it.
type PowerOfTwo struct{}

// Pick implements [Picker].
func (PowerOfTwo) Pick(_ Info, candidates []Candidate) int {
	if len(candidates) == 1 {
		return 0
	}
	total := totalWeight(candidates)
	first := at(candidates, rand.Int64N(total), -1)
	second := at(candidates, rand.Int64N(total-weight(&candidates[first])), first)
	if cheaper(&candidates[second], &candidates[first]) {
		return second
	}
	return first // also when equal: it was drawn by weight
}

// cheaper reports whether a costs less than b.
func cheaper(a, b *Candidate) bool {
	if a.Latency <= 0 || b.Latency <= 0 || a.Latency/2 < b.Latency && b.Latency/2 < a.Latency {
		return idler(a, b)
	}
	return cost(a) < cost(b)
}

// cost counts the requests that c would serve for its weight so that weights are not counted twice:
// they have decided the draw already, and an idle candidate costs its latency whatever its weight.
func cost(c *Candidate) float64 {
	return float64(c.Latency) * (1 + float64(c.InFlight)/float64(weight(c)))
}

// idler reports whether a has fewer requests in flight for its weight than b.
func idler(a, b *Candidate) bool {
	return int64(a.InFlight)*weight(b) < int64(b.InFlight)*weight(a)
}

// weight is that of c. Candidates made by others than this package may have forgotten it, or
// exaggerate.
func weight(c *Candidate) int64 { return min(max(int64(c.Weight), 1), math.MaxInt32) }

func totalWeight(candidates []Candidate) (sum int64) {
	for i := range candidates {
		sum += weight(&candidates[i])
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
		if n -= weight(&candidates[i]); n < 0 {
			return i
		}
	}
	return len(candidates) - 1 // only if n is too large
}
