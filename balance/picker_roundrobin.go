package balance

import (
	"math"
	"math/bits"
	"sync/atomic"
)

// RoundRobin is a [Picker] that takes the candidates in turn, each as often as its weight says and
// spread over the turn: a heavy one is not taken many times in a row while others wait. The zero
// value is ready; it must not be copied after its first use.
type RoundRobin struct {
	next   atomic.Uint64
	stride atomic.Uint64 // that of the last turn, and above it the turn's length
}

// Pick implements [Picker].
//
// A turn is a row in which each candidate stands as often as its weight says. It is walked in steps
// of a golden section, around the end: since the step and the length have no common divisor each
// place comes once, and places that follow each other in time are far from each other in the row.
// There is no state of candidates, which come and go with health and retries.
func (r *RoundRobin) Pick(_ Info, candidates []Candidate) int {
	n := r.next.Add(1) - 1
	unit, total := uint64(0), uint64(0)
	for i := range candidates {
		w := uint64(weight(&candidates[i]))
		total += w
		if unit != 1 {
			unit = gcd(w, unit)
		}
	}
	turn := total / unit
	hi, lo := bits.Mul64(n%turn, r.step(turn))
	return at(candidates, int64(bits.Rem64(hi, lo, turn)*unit), -1)
}

// step returns the step for a turn. The last one is kept, for turns are mostly the same.
func (r *RoundRobin) step(turn uint64) uint64 {
	if kept := r.stride.Load(); kept>>32 == turn {
		return kept & math.MaxUint32
	}
	step := stride(turn)
	if turn <= math.MaxUint32 {
		r.stride.Store(turn<<32 | step)
	}
	return step
}

// stride returns a number near a golden section of turn that has no divisor in common with it. Of
// those near it takes one that walks evenly: that is told by the quotients of Euclid's algorithm,
// which are all 1 for the golden section itself. A great one means that a few steps come back to
// almost the same place, so that the walk stays long in one part of the row.
func stride(turn uint64) uint64 {
	golden := max(uint64(float64(turn)/math.Phi+0.5), 1)
	best, least := uint64(1), uint64(math.MaxUint64) // 1 walks through the row as it stands
	for d := range uint64(64) {
		step := golden + (d+1)/2 // d goes 0, +1, -1, +2, -2, ...
		if d%2 == 0 {
			step = golden - d/2
		}
		if step < 1 || step > turn {
			continue // less than 1 wraps around and is too great
		}
		greatest := uint64(0)
		a, b := turn, step
		for b != 0 {
			greatest = max(greatest, a/b)
			a, b = b, a%b
		}
		if a == 1 && greatest < least {
			best, least = step, greatest
		}
		if least <= 4 {
			break
		}
	}
	return best
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
