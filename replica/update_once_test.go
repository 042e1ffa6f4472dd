package replica

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// However connections break, with a marker an Update that succeeds is done exactly once, and one that
// fails never.
func TestUpdateIsDoneOnce(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	r, p := trapped(t, Config{Marker: "app.marks"}, servers...)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, r.Write(ctx), ctx, "CREATE TABLE counts (i INT PRIMARY KEY, n INT NOT NULL)")
	must(t, r.Write(ctx), ctx, "INSERT INTO counts VALUES (0, 0), (1, 0), (2, 0), (3, 0)")
	done := make(chan struct{})
	var traps, writers sync.WaitGroup
	var cuts atomic.Int64
	traps.Go(func() {
		words := []string{"\x03COMMIT", "\x03START", "\x03UPDATE", "\x03INSERT"}
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := 0; ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if !p.armed() {
				cuts.Store(int64(i))
				p.set(words[i%len(words)], i/len(words)%2 == 1)
				i++
			}
		}
	})
	var counts [4]int
	for i := range counts {
		writers.Go(func() {
			for cuts.Load() < 40 {
				err := r.Update(ctx, nil, func(tx *sql.Tx) error {
					_, err := tx.ExecContext(ctx, fmt.Sprintf("UPDATE counts SET n = n + 1 WHERE i = %d", i))
					return err
				})
				switch {
				case err == nil:
					counts[i]++
				case !errors.Is(err, ErrNoPrimary) || errors.Is(err, ErrUnknownOutcome):
					t.Errorf("writer %d: %v", i, err)
					return
				} // else nothing was written, after many tries
			}
		})
	}
	writers.Wait()
	close(done)
	traps.Wait()
	for i, want := range counts {
		if got := servers[0].Text(fmt.Sprintf("SELECT n FROM app.counts WHERE i = %d", i)); got != fmt.Sprint(want) {
			t.Errorf("what writer %d did %d times was done %s times", i, want, got)
		}
	}
	t.Logf("each was done once, of %v, while connections were cut %d times", counts, cuts.Load())
}
