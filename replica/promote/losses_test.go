package promote

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// TestFailurePrimaryKilledWithoutSemiSync: what was on the way is lost, and the report says what.
func TestFailurePrimaryKilledWithoutSemiSync(t *testing.T) {
	t.Parallel()
	g := replicatest.Start(t, replicatest.Topology{Servers: 2, Partitionable: true})
	a, b := g.Servers[0], g.Servers[1]
	p := promoter(t, g.Servers...)
	db, err := sql.Open("mysql", a.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	written := make(map[int]string) // the GTID of each row
	write := func(i int) {
		t.Helper()
		var id string
		if _, err := conn.ExecContext(t.Context(), "INSERT INTO x VALUES (?, 1)", i); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRowContext(t.Context(), "SELECT @@last_gtid").Scan(&id); err != nil {
			t.Fatal(err)
		}
		written[i] = id
	}
	for i := range 50 {
		write(i)
	}
	b.CatchUp(a)
	for i := 50; i < 80; i++ {
		if i == 60 {
			a.From(b).Cut()
		}
		write(i)
	}
	w, err := p.Watch()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	seen := w.Ask(t.Context(), 0, patience)
	if seen.Err != nil {
		t.Fatal(seen.Err)
	}
	a.Kill()
	a.From(b).Refuse()
	poll(t, "b notices", func() bool { return state(t, p, "b").Problem != "" })
	if _, err := p.Promote(t.Context(), "b", &Options{LastKnown: "0-1"}); err == nil || !strings.Contains(err.Error(), "LastKnown") {
		t.Errorf("a position that is none gives %v", err)
	}
	r, err := p.Promote(t.Context(), "b", &Options{LastKnown: seen.Position, LastKnownAt: seen.At})
	if err != nil {
		t.Fatalf("%v, %+v", err, r)
	}
	var want, got []string
	for _, i := range lost(t, b, slices.Sorted(maps.Keys(written))) {
		want = append(want, written[i])
	}
	for _, lost := range r.Lost {
		for n := lost.First; n <= lost.Last; n++ {
			got = append(got, triple{lost.Domain, lost.Server, n}.String())
		}
	}
	if len(want) < 20 {
		t.Fatalf("%d rows are lost, and the test proves little", len(want))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("what is lost (-want +got):\n%s", d)
	}
	if text := strings.Join(r.MayLose, " "); !strings.Contains(text, fmt.Sprintf("%s to %s, which were seen on a at ", want[0], want[len(want)-1])) {
		t.Errorf("may lose %q", text)
	}
	// Of a token of a, the cut tells whether what it stands for is there.
	_, first, _ := strings.Cut(want[0], "0-1-")
	if n, err := strconv.Atoi(first); err != nil || !slices.Contains(strings.Split(r.Cut, ","), fmt.Sprintf("0-1-%d", n-1)) {
		t.Errorf("the cut is %s, and %s is the first that is lost", r.Cut, want[0])
	}
	// The old primary has them still, and says so.
	a.Restart(asReplica...)
	back, err := p.Rejoin(t.Context(), "a")
	refusal(t, back, err, "diverged")
	if d := cmp.Diff(r.Lost, back.Lost); d != "" {
		t.Errorf("what the old primary has (-at the promotion +at the rejoin):\n%s", d)
	}
}

// TestFailurePrimaryKilledWithSemiSync: nothing that was confirmed is lost, and what was seen and is
// lost was not.
func TestFailurePrimaryKilledWithSemiSync(t *testing.T) {
	t.Parallel()
	for range 3 {
		servers := replicatest.Cluster(t, 3)
		p := promoter(t, servers...)
		p.config.Mode = Strict
		prepare(t, p)
		r := router(t, servers...)
		acked, stop := writers(t, 8, r.Write(t.Context()))
		poll(t, "rows are written", more(acked, 200))
		w, err := p.Watch()
		if err != nil {
			t.Fatal(err)
		}
		var seen Sight
		for range 20 {
			seen = w.Ask(t.Context(), 0, patience)
		}
		w.Close()
		if seen.Err != nil || seen.Strict != "" {
			t.Fatalf("%+v", seen)
		}
		lose(t, p, servers[0], "b")
		report, err := p.Promote(t.Context(), "b", &Options{LastKnown: seen.Position, LastKnownAt: seen.At, Armed: seen.At})
		if err != nil || len(report.MayLose) != 0 {
			t.Fatalf("%v, %+v", err, report)
		}
		poll(t, "rows are written to the new primary", more(acked, 50))
		rows := stop()
		primary(t, servers[1], servers[2])
		if missing := lost(t, servers[1], rows); len(missing) > 0 {
			t.Errorf("of %d acknowledged rows, %d are lost; %+v", len(rows), len(missing), report)
		}
	}
}

// TestPromotionByHandWithoutDrainLoses is why a promotion drains: a replica that takes writes before
// it has applied what it received has not got what it acknowledged.
func TestPromotionByHandWithoutDrainLoses(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	a, b := servers[0], servers[1]
	p := promoter(t, servers...)
	prepare(t, p)
	b.Exec("STOP SLAVE SQL_THREAD")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	db, err := sql.Open("mysql", a.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "INSERT INTO x VALUES (1, 1)"); err != nil {
		t.Fatal(err)
	}
	a.Kill()
	b.Promote()
	if got := lost(t, b, []int{1}); len(got) != 1 {
		t.Error("nothing is lost without draining: the tests that it is not prove nothing")
	}
}

func TestWhatIsMissing(t *testing.T) {
	for name, test := range map[string]struct {
		have, of string
		want     []Range
		text     string
	}{
		"nothing":           {have: "0-1-5,0-2-9", of: "0-1-5"},
		"one":               {have: "0-1-5", of: "0-1-6", want: []Range{{0, 1, 6, 6}}, text: "0-1-6"},
		"several":           {have: "0-1-5", of: "0-1-8", want: []Range{{0, 1, 6, 8}}, text: "0-1-6 to 0-1-8"},
		"of an unknown one": {have: "0-1-5", of: "0-2-8", want: []Range{{0, 2, 0, 8}}, text: "what server 2 wrote in domain 0 up to 0-2-8"},
		"in two domains":    {have: "0-1-5,1-1-3", of: "1-1-4,0-1-6", want: []Range{{0, 1, 6, 6}, {1, 1, 4, 4}}, text: "0-1-6, 1-1-4"},
		"named twice":       {have: "0-1-5,0-1-3", of: "0-1-6,0-1-7", want: []Range{{0, 1, 6, 7}}, text: "0-1-6 to 0-1-7"},
		"more than fit": {of: "0-1-1,0-2-1,0-3-1,0-4-1,0-5-1,0-6-1,0-7-1,0-8-1,0-9-1,0-10-1", have: "1-1-1",
			want: []Range{{0, 1, 0, 1}, {0, 2, 0, 1}, {0, 3, 0, 1}, {0, 4, 0, 1}, {0, 5, 0, 1}, {0, 6, 0, 1}, {0, 7, 0, 1}, {0, 8, 0, 1}, {0, 9, 0, 1}, {0, 10, 0, 1}}, text: "and of 2 other servers"},
	} {
		t.Run(name, func(t *testing.T) {
			got := at(t, test.have).since(at(t, test.of))
			if len(got) == 0 {
				got = nil
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if text := inWords(got); !strings.HasSuffix(text, test.text) {
				t.Errorf("%q, want %q", text, test.text)
			}
		})
	}
}
