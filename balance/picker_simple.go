package balance

import "math/rand/v2"

// Random is a [Picker] that draws candidates by weight, whatever their load. The zero value is ready.
type Random struct{}

// Pick implements [Picker].
func (Random) Pick(_ Info, candidates []Candidate) int {
	return at(candidates, rand.Int64N(totalWeight(candidates)), -1)
}

// LeastInFlight is a [Picker] that takes the candidate with the fewest requests in flight for its
// weight; among equals it draws by weight. Several balancers with the same pool may fall upon the
// same backend together: [PowerOfTwo] does not. The zero value is ready.
type LeastInFlight struct{}

// Pick implements [Picker].
func (LeastInFlight) Pick(_ Info, candidates []Candidate) int {
	best, equals := 0, int64(0)
	for i := range candidates {
		switch c := &candidates[i]; {
		case idler(c, &candidates[best]):
			best, equals = i, weight(c)
		case !idler(&candidates[best], c):
			equals += weight(c)
		}
	}
	n := rand.Int64N(equals)
	for i := range candidates {
		if c := &candidates[i]; !idler(&candidates[best], c) {
			if n -= weight(c); n < 0 {
				return i
			}
		}
	}
	return best // not reached: the weights of the equals add up to more than n
}
