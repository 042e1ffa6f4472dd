package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseBenchmark(t *testing.T) {
	got := parseBenchmark(`goos: linux
BenchmarkLayer/sql.DB-2         	   41362	      4525 ns/op	     532 B/op	      13 allocs/op
BenchmarkLayer/pick-2           	 6101925	        20.97 ns/op	       0 B/op	       0 allocs/op
BenchmarkLayer/sql.DB-2         	   41362	      3525 ns/op	     533 B/op	      13 allocs/op
BenchmarkLayer/pick-2           	 6101925	        21.97 ns/op	       0 B/op	       0 allocs/op
BenchmarkLayer/Read_and_session 	   55366	      2302 ns/op	     498 B/op	      12 allocs/op
BenchmarkOther-2                	   55366	      1 ns/op	     1 B/op	      1 allocs/op
PASS
`)
	want := map[string]map[string]float64{
		"sql.DB":           {"ns": 3525, "bytes": 532, "allocs": 13},
		"pick":             {"ns": 20.97, "bytes": 0, "allocs": 0},
		"Read_and_session": {"ns": 2302, "bytes": 498, "allocs": 12},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReport(t *testing.T) {
	b := &bench{rounds: 2, versions: []string{"MariaDB x"}, missing: []string{"HAProxy"}}
	for _, x := range []float64{100, 200} { // the machine got slower, the ratio did not
		b.results.Add("read", plain, map[string]float64{"p50 µs": x, "p99 µs": 2 * x, "allocs": 25})
		b.results.Add("read", routed, map[string]float64{"p50 µs": 1.02 * x, "p99 µs": 2 * x, "allocs": 25.1})
		b.results.Add("read", view, map[string]float64{"p50 µs": 1.2 * x, "p99 µs": 2 * x, "allocs": 28})
	}
	for _, s := range []float64{0.3, 1.2} {
		b.results.Add("failover", guarded, map[string]float64{"s": s, "lost": 0})
	}
	b.results.Add("share", thinkTimes[0].String(), map[string]float64{"stale": 1})
	var out strings.Builder
	if err := b.print(t.Context(), &out, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"n = 2, MariaDB x, on",
		"| Read and QueryRow | ÷ a plain *sql.DB on the same replica ≤ 1.03 | 1.02 | met |",
		"|  | allocations more ≤ 0.50 | 0.10 | met |",
		"| View | ÷ a plain *sql.DB ≤ 1.10 | 1.20 | **missed** |",
		"| failover, in s | p50 ≤ 0.50 | 0.30 (0.30..1.20) | met |",
		"|  | p95 ≤ 1.00 | 1.20 | **missed** |",
		"|  | acknowledged writes that are lost ≤ 0 | 0 | met |",
		"|  | reads that do not see the write ≤ 0 | 1.00 | **missed** |",
		"| View | 120 (120..240) | 200 (200..400) | 28.0 | 1.20 |",
		"not installed: HAProxy.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if strings.Contains(out.String(), "a write of a session") {
		t.Error("the report speaks of what was not measured")
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{{"--rounds", "0"}, {"--only", "("}, {"--only", "nothing"}, {"--json"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
