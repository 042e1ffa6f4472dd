// Package clienttest has the programs that tests of a cluster let write: they go on while servers fail,
// and know what they were told is kept.
package clienttest

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// ready is how long a router may take to find its servers on a busy machine.
const ready = time.Minute

// Router runs a router of servers, which are called a, b, c …, until the test ends. It has a primary
// when it is returned. A question to a server may take up to timeout.
func Router(tb testing.TB, timeout time.Duration, servers ...*replicatest.Server) *replica.Router {
	tb.Helper()
	c := replica.Config{Timeout: timeout}
	for i, s := range servers {
		c.Nodes = append(c.Nodes, replica.Node{Name: string(rune('a' + i)), DSN: s.DSN()})
	}
	r, err := replica.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, r.Close()); err != nil {
			tb.Error(err)
		}
	})
	limit, done := context.WithTimeout(tb.Context(), ready)
	defer done()
	if err := r.WaitReady(limit); err != nil {
		tb.Fatal(err)
	}
	return r
}

// Writers has n programs insert rows into the table app.x (i INT PRIMARY KEY, s INT), each with an i of its
// own, until stop is called, which returns those that were acknowledged. One row may take up to limit.
func Writers(tb testing.TB, n int, db *sql.DB, limit time.Duration) (acked *atomic.Int64, stop func() []int) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	acked = new(atomic.Int64)
	var next atomic.Int64
	var all sync.WaitGroup
	rows := make([][]int, n)
	for w := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1))
				once, done := context.WithTimeout(ctx, limit)
				_, err := db.ExecContext(once, "INSERT INTO app.x VALUES (?, @@server_id)", i)
				done()
				if err == nil {
					rows[w] = append(rows[w], i)
					acked.Add(1)
				}
			}
		})
	}
	stop = sync.OnceValue(func() []int { cancel(); all.Wait(); return slices.Concat(rows...) })
	tb.Cleanup(func() { stop() })
	return acked, stop
}

// Missing returns which of the rows the table app.x of a server does not have.
func Missing(tb testing.TB, s *replicatest.Server, rows []int) (missing []int) {
	tb.Helper()
	have := make(map[string]bool)
	s.Exec("SET GLOBAL group_concat_max_len = 1000000000")
	for _, i := range strings.Split(s.Text("SELECT COALESCE(GROUP_CONCAT(i), '') FROM app.x"), ",") {
		have[i] = true
	}
	for _, i := range rows {
		if !have[strconv.Itoa(i)] {
			missing = append(missing, i)
		}
	}
	return missing
}
