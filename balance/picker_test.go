package balance

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func candidates(t *rapid.T) []Candidate {
	list := make([]Candidate, rapid.IntRange(1, 12).Draw(t, "n"))
	for i := range list {
		list[i] = Candidate{
			Name:     fmt.Sprint(i),
			Weight:   rapid.SampledFrom([]int{0, 1, 2, 7, maxWeight, math.MaxInt, -1}).Draw(t, "weight"), // 0: somebody forgot it
			InFlight: rapid.IntRange(0, 1<<20).Draw(t, "in flight"),
			Latency:  time.Duration(rapid.SampledFrom([]int64{0, 1, 1e6, 3e6, 6e10}).Draw(t, "latency")),
		}
	}
	return list
}

// pickers are all of the package, each new.
func pickers() []Picker {
	return []Picker{PowerOfTwo{}, new(RoundRobin), LeastInFlight{}, Random{}, new(Rendezvous), &Rendezvous{bound: 1}}
}

func TestPickersStayInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := candidates(t)
		in := Info{Key: rapid.String().Draw(t, "key")}
		var r RoundRobin
		r.next.Store(rapid.Uint64().Draw(t, "start"))
		for _, p := range append(pickers(), &r) {
			for range 10 {
				if i := p.Pick(in, list); i < 0 || i >= len(list) {
					t.Fatalf("%T picked %d of %d", p, i, len(list))
				}
			}
		}
	})
}

func TestPickersDoNotAllocate(t *testing.T) {
	for _, n := range []int{1, 3, 300} {
		list := make([]Candidate, n)
		for i := range list {
			list[i] = Candidate{Name: fmt.Sprint("backend-", i), Weight: 1 + i%3, InFlight: i % 5, Latency: time.Millisecond}
		}
		for _, p := range pickers() {
			if got := testing.AllocsPerRun(100, func() { p.Pick(Info{Key: "a key"}, list) }); got != 0 {
				t.Errorf("%T allocates %v times for %d candidates", p, got, n)
			}
		}
	}
}

func TestPickersAreConcurrent(t *testing.T) {
	list := []Candidate{{Name: "a", Weight: 1}, {Name: "b", Weight: 3}, {Name: "c", Weight: 2, InFlight: 1}}
	for _, p := range pickers() {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for n := range 1000 {
					if i := p.Pick(Info{Key: fmt.Sprint(n)}, list[n%3:]); i < 0 || i >= 3-n%3 {
						t.Errorf("%T picked %d of %d", p, i, 3-n%3)
					}
				}
			})
		}
		all.Wait()
	}
}

// chiSquare is how far counts are from the weights; with k weights its mean is k-1.
func chiSquare(got []int, list []Candidate) (sum float64) {
	picks := 0
	for _, n := range got {
		picks += n
	}
	total := float64(totalWeight(list))
	for i, n := range got {
		want := float64(picks) * float64(weight(&list[i])) / total
		sum += (float64(n) - want) * (float64(n) - want) / want
	}
	return sum
}

// TestPickersFollowWeights: when nobody is busy, weights decide. With three degrees of freedom a
// chi-square above 40 comes once in a hundred million times; equal shares would make thousands.
func TestPickersFollowWeights(t *testing.T) {
	list := []Candidate{{Name: "a", Weight: 1}, {Name: "b", Weight: 3}, {Name: "c"}, {Name: "d", Weight: 6}}
	keys := Info{}
	for _, p := range []Picker{new(RoundRobin), LeastInFlight{}, Random{}, new(Rendezvous), PowerOfTwo{}} {
		list := list
		got := make([]int, len(list))
		for n := range 20000 {
			if _, ok := p.(*Rendezvous); ok {
				keys.Key = fmt.Sprint("/file/", n, ".xo")
			}
			got[p.Pick(keys, list)]++
		}
		if x := chiSquare(got, list); x > 40 {
			t.Errorf("%T: chi-square %.1f: %v", p, x, got)
		}
	}
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

func TestPowerOfTwoWeighsLatency(t *testing.T) {
	ms := time.Millisecond
	for _, tt := range []struct {
		name string
		list [2]Candidate
		want int // -1: both
	}{
		{"much slower", [2]Candidate{{Latency: 30 * ms}, {Latency: 10 * ms}}, 1},
		{"much slower and idle", [2]Candidate{{Latency: 100 * ms}, {Latency: 10 * ms, InFlight: 5}}, 1},
		{"slower, but the other is busy", [2]Candidate{{Latency: 30 * ms}, {Latency: 10 * ms, InFlight: 5}}, 0},
		{"the weight bears the load", [2]Candidate{{Latency: 30 * ms}, {Latency: 10 * ms, InFlight: 5, Weight: 4}}, 1},
		{"a little slower", [2]Candidate{{Latency: 19 * ms}, {Latency: 10 * ms}}, -1},
		{"a little slower, less in flight", [2]Candidate{{Latency: 19 * ms}, {Latency: 10 * ms, InFlight: 1}}, 0},
		{"not known and idle", [2]Candidate{{}, {Latency: 10 * ms, InFlight: 1}}, 0},
		{"not known and busy", [2]Candidate{{InFlight: 1}, {Latency: time.Minute}}, 1},
	} {
		var got [2]int
		for range 200 {
			got[(PowerOfTwo{}).Pick(Info{}, tt.list[:])]++
		}
		if both := got[0] > 0 && got[1] > 0; both != (tt.want < 0) || !both && got[tt.want] == 0 {
			t.Errorf("%s: picked %v, want %d", tt.name, got, tt.want)
		}
	}
}

func TestLeastInFlight(t *testing.T) {
	list := []Candidate{{Weight: 1, InFlight: 3}, {Weight: 4, InFlight: 8}, {Weight: 2, InFlight: 4}, {Weight: 2, InFlight: 5}}
	got := make([]int, len(list))
	for range 3000 {
		got[LeastInFlight{}.Pick(Info{}, list)]++
	}
	if got[0] != 0 || got[3] != 0 || got[1] < 1800 || got[1] > 2200 {
		t.Errorf("the second and third have the least for their weight, 4 and 2: %v", got)
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{3, 30, 300} {
		list := make([]Candidate, n)
		for i := range list {
			list[i] = Candidate{Name: fmt.Sprint("backend-", i), Weight: 1 + i%3, InFlight: i % 5, Latency: time.Duration(i+1) * time.Millisecond}
		}
		for _, p := range []Picker{PowerOfTwo{}, new(RoundRobin), LeastInFlight{}, Random{}, new(Rendezvous)} {
			b.Run(fmt.Sprintf("%T/%d", p, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Pick(Info{Key: "/file/28061.xo"}, list)
				}
			})
		}
	}
}
