package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/examples/growth/internal/load"
	"github.com/sugarlabs/beamrider/examples/growth/internal/world"
)

const (
	readbackRounds = 1000
	replicaDelay   = time.Second
	readbackGoal   = 40 * time.Second
	// readbackStep is its name in the report.
	readbackStep = "read back"
)

// readBack writes at each front end and reads at the others, while the replica is late.
func (p *plan) readBack(ctx context.Context, t *timer) (r *load.ReadbackReport, err error) {
	var fronts []string
	for _, name := range []string{beamrider, sunjammer, second} {
		fronts = append(fronts, p.fronts[name].url())
	}
	if err := p.replica.Delay(ctx, replicaDelay); err != nil {
		return nil, err
	}
	if err := p.primary.SemiSynced(ctx, time.Minute); err != nil {
		return nil, err
	}
	err = t.measure(fmt.Sprintf("%d writes are read at another front end", readbackRounds), readbackGoal, func() error {
		done, err := load.Readback{
			Fronts: fronts, Dial: p.machine(visitors).Dial, ImportToken: world.ImportToken, Seed: seed + 1, Rounds: readbackRounds,
		}.Run(ctx)
		r = &done
		if err != nil {
			return err
		}
		// Otherwise nothing was proved.
		behind, err := p.replica.Behind(ctx, p.primary)
		if err == nil && !behind {
			err = errors.New("the replica is not late, although it was told to be")
		}
		return err
	})
	if undo := p.replica.Delay(context.WithoutCancel(ctx), 0); undo != nil || err != nil {
		return r, errors.Join(err, undo)
	}
	if err := p.primary.SemiSynced(ctx, time.Minute); err != nil {
		return r, err
	}
	return r, p.replica.CatchUp(ctx, p.primary, time.Minute)
}

// readBackStep looks whether what is written at one front end is read at once at the others.
func readBackStep(ctx context.Context, p *plan, t *timer, load *traffic, also *findings) (err error) {
	t.step = readbackStep
	p.say("%s: %d writes, each read at once at another front end; the replica is %v late", t.step, readbackRounds, replicaDelay)
	load.mark(t.step)
	if also.Readback, err = p.readBack(ctx, t); err != nil {
		return err
	}
	r := also.Readback
	p.say("  %d reads, %d missed, p50 %v, p99 %v", r.Reads, r.Missed, inTenths(r.P50), inTenths(r.P99))
	if err := pause(ctx, settled); err != nil {
		return err
	}
	p.say("  %s", load.line())
	return nil
}
