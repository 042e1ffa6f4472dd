package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/benchtest"
)

// A result is what was measured of one way of doing one thing, one sample of each metric for each round.
type result struct {
	Workload string               `json:"workload"`
	Subject  string               `json:"subject"`
	Samples  map[string][]float64 `json:"samples"`
}

// results holds all samples, in the order in which things were measured.
type results struct{ list []*result }

func (r *results) find(workload, subject string) *result {
	i := slices.IndexFunc(r.list, func(x *result) bool { return x.Workload == workload && x.Subject == subject })
	if i >= 0 {
		return r.list[i]
	}
	return nil
}

func (r *results) add(workload, subject string, values map[string]float64) {
	x := r.find(workload, subject)
	if x == nil {
		x = &result{Workload: workload, Subject: subject, Samples: make(map[string][]float64)}
		r.list = append(r.list, x)
	}
	for metric, v := range values {
		x.Samples[metric] = append(x.Samples[metric], v)
	}
}

// samples returns those of a metric, nil if it was not measured.
func (r *results) samples(workload, subject, metric string) []float64 {
	if x := r.find(workload, subject); x != nil {
		return x.Samples[metric]
	}
	return nil
}

// compare puts two subjects together round by round, since those of one round had the same machine.
func (r *results) compare(workload, subject, other, metric string, f func(a, b float64) float64) []float64 {
	a, b := r.samples(workload, subject, metric), r.samples(workload, other, metric)
	var list []float64
	for i := range min(len(a), len(b)) {
		list = append(list, f(a[i], b[i]))
	}
	return list
}

// percentile returns the smallest sample that so many percent are not above.
func percentile(samples []float64, p float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(samples))
	return s[max(0, min(len(s), int(math.Ceil(float64(len(s))*p/100)))-1)]
}

// spread shows samples as "median (least..most)".
func spread(samples []float64) string {
	if len(samples) == 0 {
		return "–"
	}
	m, least, most := percentile(samples, 50), slices.Min(samples), slices.Max(samples)
	if least == most {
		return number(m)
	}
	return fmt.Sprintf("%s (%s..%s)", number(m), number(least), number(most))
}

// number shows three digits that count.
func number(f float64) string {
	switch a := math.Abs(f); {
	case a >= 100 || a < 0.0005:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case a >= 0.1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'f', 3, 64)
}

// A table is how the samples of a workload are shown.
type table struct {
	workload, title string
	columns         []string
	base            string // the subject that others are compared with; "": none
	metric          string // by this
}

var tables = []table{
	{"layer", "The layer alone, on a driver in this process that does nothing", []string{"ns", "allocs", "bytes"}, "", ""},
	{"read", "A read by its key, one at a time, on the same replica", []string{"p50 µs", "p99 µs", "allocs"}, plain, "p50 µs"},
	{"write", "An INSERT, one at a time, semi-synchronous, all logs written to the disk", []string{"p50 µs", "p99 µs"}, untracked, "p50 µs"},
	{"share", "16 sessions that write, think and read", []string{"% by the primary", "stale", "cycles/s"}, "", ""},
	{"failover", "kill -9 of the primary at 500 writes a second, until the first write is acknowledged", []string{"s", "acknowledged before", "lost", "failed"}, "", ""},
}

// print writes what was found as Markdown.
func (b *bench) print(ctx context.Context, w io.Writer, took time.Duration) {
	where := append(slices.Clone(b.versions), "on "+benchtest.Machine())
	fmt.Fprintf(w, "Measured on %s at commit %s, n = %d, %s; `make bench-replica` took %v.\n",
		time.Now().UTC().Format("2006-01-02"), benchtest.Commit(ctx), b.rounds, strings.Join(where, ", "), took.Round(time.Second))
	fmt.Fprint(w, "\n| what | bar | measured | |\n|---|---|---|---|\n")
	for _, bar := range bars {
		samples := bar.measure(&b.results)
		if len(samples) == 0 {
			continue
		}
		p := bar.percentile
		if p == 0 {
			p = 50
		}
		verdict := "**missed**"
		if percentile(samples, p) <= bar.most {
			verdict = "met"
		}
		shown := spread(samples)
		if p != 50 {
			shown = number(percentile(samples, p))
		}
		fmt.Fprintf(w, "| %s | %s ≤ %s | %s | %s |\n", bar.workload, bar.what, number(bar.most), shown, verdict)
	}
	for _, t := range tables {
		b.results.table(w, &t)
	}
	for _, name := range b.missing {
		fmt.Fprintf(w, "\nNot measured, for it is not installed: %s.\n", name)
	}
}

func (r *results) table(w io.Writer, t *table) {
	head := false
	for _, x := range r.list {
		if x.Workload != t.workload {
			continue
		}
		if !head {
			head = true
			columns := t.columns
			if t.base != "" {
				columns = append(slices.Clone(columns), "÷ "+t.base)
			}
			fmt.Fprintf(w, "\n**%s**\n\n| | %s |\n|---|%s\n", t.title, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
		}
		fmt.Fprintf(w, "| %s", x.Subject)
		for _, c := range t.columns {
			fmt.Fprintf(w, " | %s", spread(x.Samples[c]))
		}
		if t.base != "" {
			fmt.Fprintf(w, " | %s", spread(r.compare(t.workload, x.Subject, t.base, t.metric, quotient)))
		}
		fmt.Fprintln(w, " |")
	}
}

func quotient(a, b float64) float64 { return a / b }

func difference(a, b float64) float64 { return a - b }

// A bar is what was promised: a number that is not to be above most.
type bar struct {
	workload, what string
	most           float64
	percentile     float64 // of the samples; 0: the median
	measure        func(*results) []float64
}

func ratio(workload, subject, other, metric string) func(*results) []float64 {
	return func(r *results) []float64 { return r.compare(workload, subject, other, metric, quotient) }
}

func more(workload, subject, other, metric string) func(*results) []float64 {
	return func(r *results) []float64 { return r.compare(workload, subject, other, metric, difference) }
}

func value(workload, subject, metric string) func(*results) []float64 {
	return func(r *results) []float64 { return r.samples(workload, subject, metric) }
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

func staleReads(r *results) (all []float64) {
	for _, think := range thinkTimes {
		all = append(all, r.samples("share", think.String(), "stale")...)
	}
	return all
}
