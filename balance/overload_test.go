package balance

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A load is what a class of clients asks for, and what became of it.
type load struct {
	name     string
	priority int
	rate     float64 // requests a second

	mu              sync.Mutex
	took            []time.Duration // of those that were served
	longest         time.Duration   // of all, however they ended
	served, refused int
	soon            int // served before the load ended
}

func (l *load) quantile(q float64) time.Duration {
	slices.Sort(l.took)
	return l.took[min(len(l.took)-1, int(q*float64(len(l.took))))]
}

// simulate has clients ask at random moments for a time, in virtual time, of two backends that serve
// eight at a time each, in 10 to 30 ms: 800 requests a second.
func simulate(t *testing.T, o QueueOptions, length time.Duration, loads []*load) (stats QueueStats) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		rng := rand.New(rand.NewPCG(1, 2))
		random := func() float64 {
			mu.Lock()
			defer mu.Unlock()
			return rng.Float64()
		}
		work := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(10*time.Millisecond + time.Duration(random()*float64(20*time.Millisecond)))
			io.WriteString(w, "done")
		})
		b := mustNew(t, []Backend{{Name: "a", Handler: work, MaxInFlight: 8}, {Name: "b", Handler: work, MaxInFlight: 8}},
			&Options{Queue: o, Classify: func(in *Info) { in.Priority, _ = strconv.Atoi(in.Header("Priority")) }})
		var all sync.WaitGroup
		end := time.Now().Add(length)
		for _, l := range loads {
			l.took, l.longest, l.served, l.refused, l.soon = nil, 0, 0, 0, 0
			all.Go(func() {
				for time.Now().Before(end) {
					mu.Lock()
					gap := time.Duration(rng.ExpFloat64() / l.rate * float64(time.Second))
					mu.Unlock()
					time.Sleep(gap)
					all.Go(func() {
						r := httptest.NewRequestWithContext(context.Background(), "GET", "/", nil)
						r.Header.Set("Priority", strconv.Itoa(l.priority))
						w := httptest.NewRecorder()
						start := time.Now()
						b.ServeHTTP(w, r)
						took := time.Since(start)
						l.mu.Lock()
						defer l.mu.Unlock()
						l.longest = max(l.longest, took)
						if w.Code == http.StatusOK {
							l.served++
							if time.Now().Before(end) {
								l.soon++
							}
							l.took = append(l.took, took)
						} else {
							l.refused++
						}
					})
				}
			})
		}
		all.Wait()
		stats = b.Stats().Queue
	})
	return stats
}

// TestOverload: with twice the load that the backends can bear, what matters most is served as if there
// were no overload, the backends have no idle moment, and nobody waits for long to be refused.
func TestOverload(t *testing.T) {
	const capacity, length = 800, 8 * time.Second
	loads := []*load{
		{name: "high", priority: 1, rate: 0.4 * capacity},
		{name: "normal", priority: 0, rate: 1.0 * capacity},
		{name: "low", priority: -1, rate: 0.6 * capacity},
	}
	alone := []*load{{name: "high", priority: 1, rate: 0.4 * capacity}}
	simulate(t, QueueOptions{}, length, alone)
	unloaded := alone[0].quantile(0.99)
	stats := simulate(t, QueueOptions{Max: 10_000}, length, loads)
	goodput := 0
	for _, l := range loads {
		goodput += l.soon
		line := fmt.Sprintf("%-6s %5d served, %5d refused, longest %v", l.name, l.served, l.refused, l.longest.Round(time.Millisecond))
		if l.served > 0 {
			line += fmt.Sprintf(", p50 %v, p99 %v", l.quantile(0.5).Round(time.Millisecond), l.quantile(0.99).Round(time.Millisecond))
		}
		t.Log(line)
	}
	share := float64(goodput) / (capacity * length.Seconds())
	t.Logf("unloaded p99 %v; goodput %.3f of capacity; %+v", unloaded.Round(time.Millisecond), share, stats)
	high := loads[0]
	if ratio := float64(high.quantile(0.99)) / float64(unloaded); ratio > 1.5 || high.refused > 0 {
		t.Errorf("high priority: p99 is %.2f times the unloaded one, %d refused", ratio, high.refused)
	}
	if share < 0.9 {
		t.Errorf("goodput is %.3f of capacity", share)
	}
	worst := slices.MaxFunc(loads, func(a, b *load) int { return cmp.Compare(a.longest, b.longest) })
	if worst.longest > 5*time.Second {
		t.Errorf("%s: somebody has waited %v", worst.name, worst.longest)
	}
}
