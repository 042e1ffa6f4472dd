package balance

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func candidates(t *rapid.T) []Candidate {
	list := make([]Candidate, rapid.IntRange(1, 12).Draw(t, "n"))
	for i := range list {
		list[i] = Candidate{
			Name:     fmt.Sprint(i),
			Weight:   rapid.SampledFrom([]int{0, 1, 2, 7, maxWeight}).Draw(t, "weight"), // 0: somebody forgot it
			InFlight: rapid.IntRange(0, 1<<20).Draw(t, "in flight"),
		}
	}
	return list
}

func TestPickersStayInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := candidates(t)
		var r RoundRobin
		r.next.Store(rapid.Uint64().Draw(t, "start"))
		for _, p := range []Picker{PowerOfTwo{}, &r} {
			for range 10 {
				if i := p.Pick(Info{}, list); i < 0 || i >= len(list) {
					t.Fatalf("%T picked %d of %d", p, i, len(list))
				}
			}
		}
	})
}

// TestRoundRobinIsFair: after each full turn every candidate has been taken as often as its weight.
func TestRoundRobinIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := make([]Candidate, rapid.IntRange(1, 8).Draw(t, "n"))
		total := 0
		for i := range list {
			list[i].Weight = rapid.IntRange(1, 9).Draw(t, "weight")
			total += list[i].Weight
		}
		var r RoundRobin
		got := make([]int, len(list))
		for range 3 * total {
			got[r.Pick(Info{}, list)]++
		}
		for i, n := range got {
			if n != 3*list[i].Weight {
				t.Fatalf("candidate %d of weight %d was taken %d times in 3 turns", i, list[i].Weight, n)
			}
		}
	})
}

// TestPowerOfTwoAvoidsTheBusiest: whoever has more in flight for its weight than all others is taken
// only if it is alone.
func TestPowerOfTwoAvoidsTheBusiest(t *testing.T) {
	list := []Candidate{{Weight: 1, InFlight: 3}, {Weight: 4, InFlight: 16}, {Weight: 2, InFlight: 7}}
	for range 1000 {
		if i := (PowerOfTwo{}).Pick(Info{}, list); i == 1 {
			t.Fatal("the busiest was picked")
		}
	}
}

// TestPowerOfTwoFollowsWeights: when nobody is busy, weights decide. With a standard deviation of
// about 0.4 % the limits are more than ten away.
func TestPowerOfTwoFollowsWeights(t *testing.T) {
	list := []Candidate{{Weight: 1}, {Weight: 3}}
	n := 0
	for range 10000 {
		n += (PowerOfTwo{}).Pick(Info{}, list)
	}
	if n < 7000 || n > 8000 {
		t.Errorf("three of four parts: %d of 10000", n)
	}
}
