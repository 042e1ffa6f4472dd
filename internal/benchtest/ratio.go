// Package benchtest is what benchmarks have in common: the cost of something on a machine that is
// busy with other things too.
package benchtest

import (
	"slices"
	"testing"
	"time"
)

// Ratio compares two ways of doing the same work, alternating, and reports the median of bare's time
// over ours as "of-bare": at 0.8 ours takes a quarter longer.
func Ratio(b *testing.B, bare, ours func()) {
	b.Helper()
	spend := func(work func()) time.Duration {
		began := time.Now()
		work()
		return time.Since(began)
	}
	var ratios []float64
	for b.Loop() {
		x, y := spend(bare), spend(ours)
		ratios = append(ratios, float64(x)/float64(y))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "of-bare")
}
