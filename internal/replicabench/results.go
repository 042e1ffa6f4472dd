package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/benchtest"
)

var tables = []benchtest.Table{
	{Workload: "layer", Title: "The layer alone, on a driver in this process that does nothing", Columns: []string{"ns", "allocs", "bytes"}},
	{Workload: "read", Title: "A read by its key, one at a time, on the same replica", Columns: []string{"p50 µs", "p99 µs", "allocs"}, Base: plain, Metric: "p50 µs"},
	{Workload: "write", Title: "An INSERT, one at a time, semi-synchronous, all logs written to the disk", Columns: []string{"p50 µs", "p99 µs"}, Base: untracked, Metric: "p50 µs"},
	{Workload: "share", Title: "16 sessions that write, think and read", Columns: []string{"% by the primary", "stale", "cycles/s"}},
	{Workload: "failover", Title: "kill -9 of the primary at 500 writes a second, until the first write is acknowledged", Columns: []string{"s", "acknowledged before", "lost", "failed"}},
}

// print writes what was found as Markdown.
func (b *bench) print(ctx context.Context, w io.Writer, took time.Duration) error {
	where := append(slices.Clone(b.versions), "on "+benchtest.Machine())
	fmt.Fprintf(w, "Measured on %s at commit %s, n = %d, %s; `make bench-replica` took %v.\n",
		time.Now().UTC().Format("2006-01-02"), benchtest.Commit(ctx), b.rounds, strings.Join(where, ", "), took.Round(time.Second))
	fmt.Fprint(w, "\n| what | bar | measured | |\n|---|---|---|---|\n")
	for _, bar := range bars {
		samples := bar.measure(b.results)
		if len(samples) == 0 {
			continue
		}
		p := bar.percentile
		if p == 0 {
			p = 50
		}
		verdict := "**missed**"
		if benchtest.Percentile(samples, p) <= bar.most {
			verdict = "met"
		}
		shown := benchtest.Spread(samples)
		if p != 50 {
			shown = benchtest.Number(benchtest.Percentile(samples, p))
		}
		fmt.Fprintf(w, "| %s | %s ≤ %s | %s | %s |\n", bar.workload, bar.what, benchtest.Number(bar.most), shown, verdict)
	}
	for _, t := range tables {
		if err := t.Print(w, b.results); err != nil {
			return err
		}
	}
	for _, name := range b.missing {
		fmt.Fprintf(w, "\nNot measured, for it is not installed: %s.\n", name)
	}
	return nil
}

// A bar is what was promised: a number that is not to be above most.
type bar struct {
	workload, what string
	most           float64
	percentile     float64 // of the samples; 0: the median
	measure        func(benchtest.Results) []float64
}

func ratio(workload, subject, other, metric string) func(benchtest.Results) []float64 {
	return func(r benchtest.Results) []float64 { return r.Ratios(workload, subject, other, metric) }
}

func more(workload, subject, other, metric string) func(benchtest.Results) []float64 {
	return func(r benchtest.Results) []float64 { return r.Differences(workload, subject, other, metric) }
}

func value(workload, subject, metric string) func(benchtest.Results) []float64 {
	return func(r benchtest.Results) []float64 { return r.Samples(workload, subject, metric) }
}

// noAllocation is less than one for each read: those of the router's questions to servers are among them.
const noAllocation = 0.5

var bars = []bar{
	{"choosing a replica", "ns", 60, 0, value("layer", "pick", "ns")},
	{"", "allocations", 0, 0, value("layer", "pick", "allocs")},
	{"", "ns, with a session", 60, 0, value("layer", "pick, session", "ns")},
	{"Read and QueryRow on a driver that does nothing", "ns more than a plain *sql.DB", 40, 0, more("layer", routed, plain, "ns")},
	{"", "allocations more", 0, 0, more("layer", routed, plain, "allocs")},
	{"Read and QueryRow", "÷ a plain *sql.DB on the same replica", 1.03, 0, ratio("read", routed, plain, "p50 µs")},
	{"", "allocations more", noAllocation, 0, more("read", routed, plain, "allocs")},
	{"the same with a session whose position is reached", "÷ a plain *sql.DB", 1.03, 0, ratio("read", session, plain, "p50 µs")},
	{"View", "÷ a plain *sql.DB", 1.10, 0, ratio("read", view, plain, "p50 µs")},
	{"a write of a session", "÷ one without a session", 1.25, 0, ratio("write", tracked, untracked, "p50 µs")},
	{"reads of sessions by the primary, in %", "20 ms after the write", 3, 0, value("share", "20ms", "% by the primary")},
	{"", "50 ms after the write", 1, 0, value("share", "50ms", "% by the primary")},
	{"", "reads that do not see the write", 0, 100, staleReads},
	{"failover, in s", "p50", 0.5, 50, value("failover", guarded, "s")},
	{"", "p95", 1, 95, value("failover", guarded, "s")},
	{"", "acknowledged writes that are lost", 0, 100, value("failover", guarded, "lost")},
}

func staleReads(r benchtest.Results) (all []float64) {
	for _, think := range thinkTimes {
		all = append(all, r.Samples("share", think.String(), "stale")...)
	}
	return all
}
