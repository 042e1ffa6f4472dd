package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/benchtest"
)

// A subject does one thing in one way.
type subject struct {
	name string
	// do does it once; no two calls have the same i.
	do func(ctx context.Context, i int) error
	// begin prepares a turn, outside of what is measured; nil when there is nothing to prepare.
	begin func(ctx context.Context, turn int) error
	// tidy takes away what turns have left, outside of what is measured; nil when they leave nothing.
	tidy func() error
	// server is the process that is asked, whose processor time counts too; 0: none.
	server int
	// turn does a whole turn in another process, in place of do.
	turn func(ctx context.Context, w work) (sample, error)
}

// A work is how much of something is done, and how its rate is told.
type work struct {
	n       int // in a turn
	turns   int // in a round
	workers int // at a time
	rate    string
	units   float64 // of the rate in each
	// tidy is for large files, which are taken away after each turn. Others stay until the end, for ext4
	// takes long to make a file where one was removed in the last seconds.
	tidy bool
}

// A sample is what a turn took: all of it, and each of what was done in it, and processor time.
type sample struct{ all, p50, p99, cpu time.Duration }

// turns has subjects work by turns, each round beginning with another one: what else the machine does
// falls upon all of them.
func (b *bench) turns(ctx context.Context, workload string, subjects []subject, w work) (err error) {
	defer func() {
		for _, s := range subjects {
			if s.tidy != nil {
				err = errors.Join(err, s.tidy())
			}
		}
	}()
	if b.brief {
		w.n, w.turns = w.workers, 1
	}
	at, turn := 0, 0
	step := func(s subject) (sample, error) {
		turn++
		if s.begin != nil {
			if err := s.begin(ctx, turn); err != nil {
				return sample{}, fmt.Errorf("%s: %w", s.name, err)
			}
		}
		before, err := cpu(s.server)
		if err != nil {
			return sample{}, err
		}
		x, err := s.step(ctx, w, at)
		at += w.n
		if err == nil {
			var after time.Duration
			after, err = cpu(s.server)
			x.cpu = after - before
		}
		if err == nil && s.tidy != nil && (w.tidy || s.turn != nil) {
			err = s.tidy()
		}
		if err != nil {
			return x, fmt.Errorf("%s: %w", s.name, err)
		}
		return x, nil
	}
	for _, s := range subjects { // connections and caches
		if _, err := step(s); err != nil {
			return err
		}
	}
	for round := range b.rounds {
		samples := make([][]sample, len(subjects))
		for turn := range w.turns {
			for i := range subjects {
				i = (i + turn + round) % len(subjects)
				x, err := step(subjects[i])
				if err != nil {
					return err
				}
				samples[i] = append(samples[i], x)
			}
		}
		for i, s := range subjects {
			var all, cpu time.Duration
			var p50, p99 []float64
			for _, x := range samples[i] {
				all, cpu = all+x.all, cpu+x.cpu
				p50, p99 = append(p50, milliseconds(x.p50)), append(p99, milliseconds(x.p99))
			}
			b.results.Add(workload, s.name, map[string]float64{
				w.rate:   float64(w.n*w.turns) * w.units / all.Seconds(),
				"CPU ms": milliseconds(cpu) / float64(w.n*w.turns),
				"p50 ms": benchtest.Percentile(p50, 50),
				"p99 ms": benchtest.Percentile(p99, 50),
			})
		}
	}
	return nil
}

// step does one turn.
func (s *subject) step(ctx context.Context, w work, at int) (sample, error) {
	if s.turn != nil {
		return s.turn(ctx, w)
	}
	each := make([]float64, w.n)
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for worker := range w.workers {
		g.Go(func() error {
			for i := worker; i < w.n; i += w.workers {
				began := time.Now()
				if err := s.do(ctx, at+i); err != nil {
					return err
				}
				each[i] = float64(time.Since(began))
			}
			return nil
		})
	}
	err := g.Wait()
	return sample{
		all: time.Since(began),
		p50: time.Duration(benchtest.Percentile(each, 50)), p99: time.Duration(benchtest.Percentile(each, 99)),
	}, err
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
