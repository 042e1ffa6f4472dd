package benchtest

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Result is what was measured of one way of doing one thing, one sample of each metric for each round.
type Result struct {
	Workload string               `json:"workload"`
	Subject  string               `json:"subject"`
	Samples  map[string][]float64 `json:"samples"`
}

// Results holds all samples, in the order in which things were measured.
type Results []*Result

func (r Results) find(workload, subject string) *Result {
	for _, x := range r {
		if x.Workload == workload && x.Subject == subject {
			return x
		}
	}
	return nil
}

// Add notes one round's values of metrics.
func (r *Results) Add(workload, subject string, values map[string]float64) {
	x := r.find(workload, subject)
	if x == nil {
		x = &Result{Workload: workload, Subject: subject, Samples: make(map[string][]float64)}
		*r = append(*r, x)
	}
	for metric, v := range values {
		x.Samples[metric] = append(x.Samples[metric], v)
	}
}

// Samples returns those of a metric, nil if it was not measured.
func (r Results) Samples(workload, subject, metric string) []float64 {
	if x := r.find(workload, subject); x != nil {
		return x.Samples[metric]
	}
	return nil
}

// Ratios divides a subject's samples by those of another, round by round, since the two of one round
// had the same machine.
func (r Results) Ratios(workload, subject, other, metric string) []float64 {
	return r.compare(workload, subject, other, metric, func(a, b float64) float64 { return a / b })
}

// Differences is Ratios with a subtraction.
func (r Results) Differences(workload, subject, other, metric string) []float64 {
	return r.compare(workload, subject, other, metric, func(a, b float64) float64 { return a - b })
}

func (r Results) compare(workload, subject, other, metric string, f func(a, b float64) float64) []float64 {
	a, b := r.Samples(workload, subject, metric), r.Samples(workload, other, metric)
	var list []float64
	for i := range min(len(a), len(b)) {
		list = append(list, f(a[i], b[i]))
	}
	return list
}

// Percentile returns the smallest sample that so many percent are not above, NaN of none.
func Percentile(samples []float64, p float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(samples))
	return s[max(0, min(len(s), int(math.Ceil(float64(len(s))*p/100)))-1)]
}

// Spread shows samples as "median (least..most)".
func Spread(samples []float64) string {
	if len(samples) == 0 {
		return "–"
	}
	m, least, most := Percentile(samples, 50), slices.Min(samples), slices.Max(samples)
	if least == most {
		return Number(m)
	}
	return fmt.Sprintf("%s (%s..%s)", Number(m), Number(least), Number(most))
}

// Number shows three digits that count.
func Number(f float64) string {
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

// A Table is how the samples of a workload are shown.
type Table struct {
	Workload, Title string
	Columns         []string // metrics
	Base            string   // the subject that others are divided by; "": none
	Metric          string   // by this
}

// Print writes the table as Markdown, or nothing when nothing of it was measured.
func (t *Table) Print(w io.Writer, r Results) error {
	var text strings.Builder
	for _, x := range r {
		if x.Workload != t.Workload {
			continue
		}
		if text.Len() == 0 {
			columns := t.Columns
			if t.Base != "" {
				columns = append(slices.Clone(columns), "÷ "+t.Base)
			}
			fmt.Fprintf(&text, "\n**%s**\n\n| | %s |\n|---|%s\n", t.Title, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
		}
		fmt.Fprintf(&text, "| %s", x.Subject)
		for _, c := range t.Columns {
			fmt.Fprintf(&text, " | %s", Spread(x.Samples[c]))
		}
		if t.Base != "" {
			fmt.Fprintf(&text, " | %s", Spread(r.Ratios(t.Workload, x.Subject, t.Base, t.Metric)))
		}
		text.WriteString(" |\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}
