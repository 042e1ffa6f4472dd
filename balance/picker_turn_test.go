package balance

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRoundRobinIsFair: after each full turn every candidate has been taken as often as its weight, and
// within the turn none is far from its share.
func TestRoundRobinIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := make([]Candidate, rapid.IntRange(1, 8).Draw(t, "n"))
		total := 0
		for i := range list {
			list[i].Weight = rapid.IntRange(1, 40).Draw(t, "weight")
			total += list[i].Weight
		}
		var r RoundRobin
		got := make([]int, len(list))
		for n := range 3 * total {
			got[r.Pick(Info{}, list)]++
			for i := range list {
				share := float64((n+1)*list[i].Weight) / float64(total)
				if math.Abs(float64(got[i])-share) > 4 {
					t.Fatalf("candidate %d of weight %d of %d was taken %d times in %d", i, list[i].Weight, total, got[i], n+1)
				}
			}
		}
		for i, n := range got {
			if n != 3*list[i].Weight {
				t.Fatalf("candidate %d of weight %d was taken %d times in 3 turns", i, list[i].Weight, n)
			}
		}
	})
}

func TestRoundRobinTurns(t *testing.T) {
	for _, tt := range []struct {
		weights []int
		want    string
	}{
		{[]int{7}, "aaaaaa"},
		{[]int{1, 1}, "ababab"},
		{[]int{1, 1, 1}, "acbacb"},
		{[]int{maxWeight, maxWeight, maxWeight}, "acbacb"},
		{[]int{1, 3}, "abbbabbb"},
		{[]int{20, 60}, "abbbabbb"},
		{[]int{5, 1, 1}, "aaabaca"},
		{[]int{4, 4, 2}, "abacbabacb"},
	} {
		list := make([]Candidate, len(tt.weights))
		for i, w := range tt.weights {
			list[i].Weight = w
		}
		var r RoundRobin
		got := ""
		for range len(tt.want) {
			got += string(rune('a' + r.Pick(Info{}, list)))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v: %s", tt.weights, diff)
		}
	}
}

func TestStrideVisitsEachPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		turn := rapid.Uint64Range(1, 1<<40).Draw(t, "turn")
		if s := stride(turn); s < 1 || s > turn || gcd(s, turn) != 1 {
			t.Fatalf("stride(%d) = %d", turn, s)
		}
	})
}

// TestRoundRobinWalksEvenly: the coprime step that is nearest to the golden section of these weights,
// 88 of 141, is a bad one: it stays in one part of the row for 17 rounds.
func TestRoundRobinWalksEvenly(t *testing.T) {
	var list []Candidate
	for _, w := range []int{3, 7, 8, 9, 19, 21, 34, 40} {
		list = append(list, Candidate{Weight: w})
	}
	var r RoundRobin
	got := make([]int, len(list))
	for n := range 141 {
		got[r.Pick(Info{}, list)]++
		for i, c := range list {
			if share := float64((n+1)*c.Weight) / 141; math.Abs(float64(got[i])-share) > 2 {
				t.Fatalf("weight %d was taken %d times in %d, its share is %.1f", c.Weight, got[i], n+1, share)
			}
		}
	}
}

func named(n int) []Candidate {
	list := make([]Candidate, n)
	for i := range list {
		list[i].Name = fmt.Sprint("backend-", i)
	}
	return list
}

// TestRendezvousMovesLittle: when a backend goes, its keys move and no others, whatever the weights
// and the order of the candidates.
func TestRendezvousMovesLittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := named(rapid.IntRange(2, 12).Draw(t, "n"))
		// The one that goes may make the weights of the others equal.
		for i := range list {
			list[i].Weight = rapid.IntRange(1, 2).Draw(t, "weight")
		}
		gone := rapid.IntRange(0, len(list)-1).Draw(t, "gone")
		var rest []Candidate
		for i := len(list) - 1; i >= 0; i-- {
			if i != gone {
				rest = append(rest, list[i])
			}
		}
		var r Rendezvous
		moved := make(map[string]bool)
		for n := range 200 {
			in := Info{Key: fmt.Sprint(n)}
			before, after := list[r.Pick(in, list)].Name, rest[r.Pick(in, rest)].Name
			switch {
			case before == list[gone].Name:
				moved[after] = true
			case before != after:
				t.Fatalf("key %d moved from %s to %s, and %s has gone", n, before, after, list[gone].Name)
			}
		}
	})
}

// TestRendezvousIsTheSameEverywhere: several balancers and versions of this package must agree.
func TestRendezvousIsTheSameEverywhere(t *testing.T) {
	list := named(5)
	got := ""
	for n := range 12 {
		got += fmt.Sprint(new(Rendezvous).Pick(Info{Key: fmt.Sprint("/file/", n, ".xo")}, list))
	}
	if diff := cmp.Diff("322211001302", got); diff != "" {
		t.Error(diff)
	}
}

// TestRendezvousBoundsLoad: whoever is given a request is below its bound, and it is the first choice
// if that is below its bound too.
func TestRendezvousBoundsLoad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := named(rapid.IntRange(1, 8).Draw(t, "n"))
		bound := rapid.SampledFrom([]float64{0, 1, 2}).Draw(t, "bound")
		r, err := NewRendezvous(bound)
		if err != nil {
			t.Fatal(err)
		}
		if bound == 0 {
			bound = 1.25
		}
		for i := range list {
			list[i].Weight = rapid.IntRange(0, 5).Draw(t, "weight")
		}
		free := make([]Candidate, len(list))
		copy(free, list)
		total := float64(totalWeight(list))
		keys := rapid.IntRange(1, 3).Draw(t, "keys")
		for n := range 200 {
			in := Info{Key: fmt.Sprint(n % keys)}
			most := func(i int) float64 {
				return math.Ceil(bound * float64(n+1) * float64(weight(&list[i])) / total)
			}
			i, choice := r.Pick(in, list), r.Pick(in, free)
			list[i].InFlight++
			if float64(list[i].InFlight) > most(i) {
				t.Fatalf("%s has %d of %d in flight, its bound is %v", list[i].Name, list[i].InFlight, n+1, most(i))
			}
			if i != choice && float64(list[choice].InFlight) < most(choice) {
				t.Fatalf("key %q went to %s, while %s had room", in.Key, list[i].Name, list[choice].Name)
			}
		}
	})
}

func TestNewRendezvous(t *testing.T) {
	for _, tt := range []struct {
		bound float64
		ok    bool
	}{
		{0, true}, {1, true}, {1000, true}, {0.99, false}, {-1, false}, {1001, false}, {math.NaN(), false}, {math.Inf(1), false},
	} {
		if r, err := NewRendezvous(tt.bound); (err == nil) != tt.ok || (r != nil) != tt.ok {
			t.Errorf("NewRendezvous(%v) = %v, %v", tt.bound, r, err)
		}
	}
}
