package balance

import (
	"errors"
	"math"
)

// Rendezvous is a [Picker] that gives requests with the same Info.Key to the same backend, as long as
// it is not overloaded. The key and the name of each candidate are hashed together, and the greatest
// hash wins; so when a backend goes, only its keys move, and spread over all others, and when it
// comes back it gets the same keys again. Weights are shares of the keys. All balancers agree,
// and after a restart too.
//
// A candidate takes no more than its share of all requests in flight, times a bound; what is over
// goes to the next in the order of hashes, so that a key that everybody asks for cannot drown its
// backend. Requests without a key go by [PowerOfTwo]. The zero value is ready and has the bound
// of 1.25.
type Rendezvous struct {
	bound float64
}

// NewRendezvous returns a Rendezvous whose candidates take at most bound times their share of the
// requests in flight: 1 to 1,000, 0 means 1.25. A smaller bound spreads load better; a greater one
// moves fewer keys away from their backend.
func NewRendezvous(bound float64) (*Rendezvous, error) {
	if bound == 0 {
		return &Rendezvous{}, nil
	}
	if !(bound >= 1 && bound <= 1000) {
		return nil, errors.New("balance: the bound of a Rendezvous must be between 1 and 1000, or 0 for 1.25")
	}
	return &Rendezvous{bound: bound}, nil
}

// Pick implements [Picker].
func (r *Rendezvous) Pick(in Info, candidates []Candidate) int {
	if in.Key == "" {
		return PowerOfTwo{}.Pick(in, candidates)
	}
	bound := r.bound
	if bound == 0 {
		bound = 1.25
	}
	total, load, even := int64(0), 1.0, true // the load counts this request
	for i := range candidates {
		c := &candidates[i]
		total += weight(c)
		load += float64(c.InFlight)
		even = even && weight(c) == weight(&candidates[0])
	}
	key := hash(fnvBasis, in.Key)
	best, greatest := -1, math.Inf(-1)
	idlest := 0
	for i := range candidates {
		c := &candidates[i]
		if idler(c, &candidates[idlest]) {
			idlest = i
		}
		// The shares add up to the load, so somebody is always below it.
		if float64(c.InFlight) >= math.Ceil(bound*load*float64(weight(c))/float64(total)) {
			continue
		}
		// One of 2^53 numbers between 0 and 1, both left out.
		score := (float64(mix(hash(key, c.Name))>>11) + 0.5) / (1 << 53)
		if !even {
			score = float64(weight(c)) / -math.Log(score) // the greatest is that of c with the chance of its weight
		}
		if score > greatest {
			best, greatest = i, score
		}
	}
	if best < 0 {
		return idlest // only by rounding, with more in flight than a float64 counts
	}
	return best
}

const fnvBasis = 14695981039346656037

// hash goes on with the FNV-1a hash h. It is the same in all processes, unlike that of hash/maphash.
func hash(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return (h ^ 0xff) * 1099511628211 // an end: "ab" and "c" are not "a" and "bc"
}

// mix spreads each bit over all: FNV alone leaves the hashes of names that end alike in order. It is the
// finaliser of splitmix64.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
