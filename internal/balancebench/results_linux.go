package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/internal/benchtest"
)

// results holds all samples, in the order in which things were measured.
type results struct {
	mu     sync.Mutex // held by add
	list   []*result
	titles map[string]string
}

// A result is what was measured of one proxy in one workload; the samples of all metrics belong together.
type result struct {
	Workload string               `json:"workload"`
	Proxy    string               `json:"proxy"`
	Version  string               `json:"version"`
	Note     string               `json:"note,omitempty"`
	Samples  map[string][]float64 `json:"samples"`
}

func (r *results) title(workload, title string) {
	if r.titles == nil {
		r.titles = make(map[string]string)
	}
	r.titles[workload] = title
}

func (r *results) about(workload, proxy, version, note string) {
	x := r.find(workload, proxy)
	x.Version, x.Note = version, note
}

func (r *results) find(workload, proxy string) *result {
	for _, x := range r.list {
		if x.Workload == workload && x.Proxy == proxy {
			return x
		}
	}
	x := &result{Workload: workload, Proxy: proxy, Samples: make(map[string][]float64)}
	r.list = append(r.list, x)
	return x
}

func (r *results) add(workload, proxy string, values map[string]float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.find(workload, proxy)
	for k, v := range values {
		x.Samples[k] = append(x.Samples[k], v)
	}
}

// samples returns those of a metric, nil if it was not measured.
func (r *results) samples(workload, proxy, metric string) []float64 {
	for _, x := range r.list {
		if x.Workload == workload && x.Proxy == proxy {
			return x.Samples[metric]
		}
	}
	return nil
}

// ratios compares two proxies round by round, since the two of a round had the same machine.
func (r *results) ratios(workload, proxy, other, metric string) []float64 {
	a, b := r.samples(workload, proxy, metric), r.samples(workload, other, metric)
	var list []float64
	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			list = append(list, a[i]/b[i])
		}
	}
	return list
}

func median(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	if len(s)%2 == 0 {
		return (s[len(s)/2-1] + s[len(s)/2]) / 2
	}
	return s[len(s)/2]
}

// spread shows samples as "median (least..most)".
func spread(samples []float64) string {
	if len(samples) == 0 {
		return "–"
	}
	m, least, most := median(samples), slices.Min(samples), slices.Max(samples)
	if len(samples) == 1 || least == most {
		return number(m)
	}
	return fmt.Sprintf("%s (%s..%s)", number(m), number(least), number(most))
}

// number shows three digits that count.
func number(f float64) string {
	switch {
	case f == 0 || f >= 100 || f <= -100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case f >= 0.1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'g', 2, 64)
}

// columns are the metrics of a workload, as far as there are any.
var columns = []string{
	"requests/s", "p50 ms", "p99 ms", "CPU s per 100k", "all CPU s per 100k", "bad",
	"sent", "failed", "refused", "% over 100 ms", "longest ms",
	"high p99 alone ms", "high p99 ms", "high p99 ratio", "high refused %", "low p50 ms", "goodput of capacity",
	"failed in reloads", "reloads", "failed in drains", "drains", "connections lost",
}

// print writes what was found as Markdown.
func (b *bench) print(w io.Writer, took time.Duration) {
	fmt.Fprintf(w, "Measured on %s at commit %s, n = %d, %s, on %s; `make bench-balance` took %v.\n",
		time.Now().UTC().Format("2006-01-02"), benchtest.Commit(context.Background()), b.rounds, versions(b.results.list), benchtest.Machine(), took.Round(time.Second))
	fmt.Fprintf(w, "On in the balancer: %s.\n", b.features)
	fmt.Fprint(w, "\n| workload | bar | measured | |\n|---|---|---|---|\n")
	for _, bar := range bars {
		samples := bar.measure(&b.results)
		if len(samples) == 0 {
			continue
		}
		verdict := "**missed**"
		if bar.met(median(samples)) {
			verdict = "met"
		}
		fmt.Fprintf(w, "| %s | %s %s | %s | %s |\n", bar.workload, bar.what, bar.limit(), spread(samples), verdict)
	}
	last := ""
	var used []string
	for _, x := range b.results.list {
		if len(x.Samples) == 0 {
			continue
		}
		if x.Workload != last {
			last = x.Workload
			used = nil
			for _, c := range columns {
				if slices.ContainsFunc(b.results.list, func(y *result) bool { return y.Workload == last && y.Samples[c] != nil }) {
					used = append(used, c)
				}
			}
			fmt.Fprintf(w, "\n**%s**\n\n| | %s |\n|---|%s\n", b.results.titles[last], strings.Join(used, " | "), strings.Repeat("---|", len(used)))
		}
		fmt.Fprintf(w, "| %s", x.Proxy)
		if x.Note != "" {
			fmt.Fprintf(w, " (%s)", x.Note)
		}
		for _, c := range used {
			fmt.Fprintf(w, " | %s", spread(x.Samples[c]))
		}
		fmt.Fprintln(w, " |")
	}
	for name := range b.missing {
		fmt.Fprintf(w, "\nNot measured, for it is not installed: %s.\n", name)
	}
}

func versions(list []*result) string {
	var all []string
	for _, x := range list {
		name, _, _ := strings.Cut(x.Proxy, ",")
		name, _, _ = strings.Cut(name, " without")
		if s := name + " " + x.Version; x.Version != "this commit" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return strings.Join(all, ", ")
}

// A bar is what was promised.
type bar struct {
	workload, what string
	most           float64 // at most this, or with least at least
	least          bool
	measure        func(*results) []float64
}

func (b *bar) met(f float64) bool { return b.least && f >= b.most || !b.least && f <= b.most }

func (b *bar) limit() string {
	sign := "≤"
	if b.least {
		sign = "≥"
	}
	return sign + " " + number(b.most)
}

func ratio(workload, other, metric string) func(*results) []float64 {
	return func(r *results) []float64 { return r.ratios(workload, "balance", other, metric) }
}

func value(workload, metric string) func(*results) []float64 {
	return func(r *results) []float64 { return r.samples(workload, "balance", metric) }
}

const perRequest = "CPU s per 100k"

var bars = []bar{
	{"1 KiB keep-alive, 64 connections", "CPU per request ÷ bare ReverseProxy's", 1.1, false, ratio("small", "ReverseProxy", perRequest)},
	{"", "÷ Perlbal's", 0.333, false, ratio("small", "Perlbal", perRequest)},
	{"", "÷ Caddy's", 0.75, false, ratio("small", "Caddy", perRequest)},
	{"cached page, 1 KiB", "CPU per request ÷ Varnish's with its log", 1, false, ratio("cached 1 KiB", "Varnish", perRequest)},
	{"", "÷ Varnish's without", 1, false, ratio("cached 1 KiB", varnishQuiet.name, perRequest)},
	{"cached page, 20 kB", "CPU per request ÷ Varnish's with its log", 1, false, ratio("cached 20 kB", "Varnish", perRequest)},
	{"", "÷ Varnish's without", 1, false, ratio("cached 20 kB", varnishQuiet.name, perRequest)},
	{"1 MiB, 16 connections", "CPU of the whole system per request ÷ HAProxy's", 0.9, false, ratio("large", "HAProxy", "all CPU s per 100k")},
	{"open loop, one of two killed for 3 s", "failed requests", 0, false, value("kill", "failed")},
	{"", "% of requests over 100 ms", 1, false, value("kill", "% over 100 ms")},
	{"open loop, one of two frozen for 3 s", "failed requests", 0, false, value("freeze", "failed")},
	{"", "% of requests over 100 ms", 1, false, value("freeze", "% over 100 ms")},
	{"2× overload with priorities", "p99 of high priority ÷ the same without load", 1.5, false, value("overload", "high p99 ratio")},
	{"", "% of high priority refused or failed", 1, false, value("overload", "high refused %")},
	{"", "goodput ÷ capacity", 0.9, true, value("overload", "goodput of capacity")},
	{"100 reloads at load", "failed requests", 0, false, value("reload", "failed in reloads")},
	{"100 drains at load", "failed requests", 0, false, value("reload", "failed in drains")},
}
