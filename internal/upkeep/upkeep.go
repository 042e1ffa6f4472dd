// Package upkeep does what a server must do beside serving: some steps once, one after the other, and
// then the same again and again. Nothing of it may end the server: what cannot be done now, as with
// the database away, is tried again.
package upkeep

import (
	"context"
	"log/slog"
	"time"
)

const (
	every  = 10 * time.Minute
	retry  = 2 * time.Second // of a first step
	later  = time.Minute     // of tidying
	budget = 10 * time.Minute
)

// A Step is something to do; its context ends after ten minutes.
type Step func(ctx context.Context) error

// Run does the first steps until each has succeeded, and then tidies every ten minutes. It returns
// nil when ctx ends.
func Run(ctx context.Context, log *slog.Logger, first []Step, tidy Step) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		wait := time.Duration(0)
		step := tidy
		if len(first) > 0 {
			step = first[0]
		}
		within, cancel := context.WithTimeout(ctx, budget)
		err := step(within)
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			log.Warn("upkeep could not be done; trying again", "error", err)
			wait = retry
			if len(first) == 0 {
				wait = later
			}
		case len(first) > 0:
			first = first[1:]
		default:
			wait = every
		}
		timer.Reset(wait)
	}
}
