package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// thinkTimes are how long a session waits between its write and its read, as a browser does that is sent
// on to the page it has changed.
var thinkTimes = []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond}

const (
	sessions = 16
	cycles   = 25 // of each session in a round
)

// share counts how many reads of sessions go to the primary, as no replica has their write yet.
func share(ctx context.Context, b *bench) (err error) {
	c, err := b.open(ctx, replicatest.Topology{Servers: 3, SemiSync: true, ApplyThreads: 8}, 3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.Servers[0].Exec("CREATE TABLE app.s (id INT PRIMARY KEY, n INT NOT NULL)",
		fmt.Sprintf("INSERT INTO app.s SELECT seq, 0 FROM app.seq_1_to_%d", sessions))
	for _, s := range c.Servers[1:] {
		s.CatchUp(c.Servers[0])
	}
	if err := c.Err(); err != nil {
		return err
	}
	n := 0
	for range b.rounds {
		for _, think := range thinkTimes {
			before, began := c.router.Stats().PrimaryReads, time.Now()
			stale, err := c.talk(ctx, think, n)
			if err != nil {
				return err
			}
			n += cycles
			const reads = sessions * cycles
			b.results.Add("share", think.String(), map[string]float64{
				"% by the primary": 100 * float64(c.router.Stats().PrimaryReads-before) / reads,
				"stale":            float64(stale),
				"cycles/s":         reads / time.Since(began).Seconds(),
			})
		}
	}
	return nil
}

// talk has all sessions write, think and read. It returns how many did not see what they wrote.
func (c *cluster) talk(ctx context.Context, think time.Duration, from int) (stale int64, err error) {
	var all errgroup.Group
	var missed atomic.Int64
	for id := range sessions {
		all.Go(func() error {
			ctx := replica.WithSession(ctx, replica.NewSession())
			// Not all in step.
			if err := pause(ctx, time.Duration(id)*think/sessions); err != nil {
				return err
			}
			for i := range cycles {
				want := from + i + 1
				if _, err := c.router.Write(ctx).ExecContext(ctx, "UPDATE app.s SET n = ? WHERE id = ?", want, id+1); err != nil {
					return err
				}
				if err := pause(ctx, think); err != nil {
					return err
				}
				var got int
				if err := c.router.Read(ctx).QueryRowContext(ctx, "SELECT n FROM app.s WHERE id = ?", id+1).Scan(&got); err != nil {
					return err
				}
				if got > want {
					return errors.New("a session sees the future")
				}
				if got < want {
					missed.Add(1)
				}
			}
			return nil
		})
	}
	err = all.Wait()
	return missed.Load(), err
}
