package main

import (
	"context"
	"runtime"
	"time"

	"github.com/sugarlabs/beamrider/internal/benchtest"
)

// A subject does one thing in one way.
type subject struct {
	name string
	do   func(ctx context.Context, i int) error
}

// turns has subjects do n things each in each round, some at a time and by turns, each turn beginning with
// another one: what else the machine does falls upon all of them.
func (b *bench) turns(ctx context.Context, workload string, subjects []subject, n, atATime int) error {
	at := 0
	step := func(s subject, times []time.Duration) ([]time.Duration, error) {
		for range atATime {
			at++
			began := time.Now()
			if err := s.do(ctx, at); err != nil {
				return nil, err
			}
			times = append(times, time.Since(began))
		}
		return times, nil
	}
	for _, s := range subjects { // connections and caches
		if _, err := step(s, nil); err != nil {
			return err
		}
	}
	for round := range b.rounds {
		times := make([][]time.Duration, len(subjects))
		allocations := make([]uint64, len(subjects))
		for i := range times {
			times[i] = make([]time.Duration, 0, n)
		}
		for turn := range n / atATime {
			for i := range subjects {
				i = (i + turn + round) % len(subjects)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				var err error
				if times[i], err = step(subjects[i], times[i]); err != nil {
					return err
				}
				runtime.ReadMemStats(&after)
				allocations[i] += after.Mallocs - before.Mallocs
			}
		}
		for i, s := range subjects {
			b.results.Add(workload, s.name, map[string]float64{
				"p50 µs": microseconds(times[i], 50),
				"p99 µs": microseconds(times[i], 99),
				"allocs": float64(allocations[i]) / float64(len(times[i])),
			})
		}
	}
	return nil
}

func microseconds(times []time.Duration, p float64) float64 {
	list := make([]float64, len(times))
	for i, t := range times {
		list[i] = float64(t.Nanoseconds()) / 1000
	}
	return benchtest.Percentile(list, p)
}
