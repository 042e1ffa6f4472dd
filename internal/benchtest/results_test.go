package benchtest

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPercentile(t *testing.T) {
	nine := []float64{9, 1, 8, 2, 7, 3, 6, 4, 5}
	for p, want := range map[float64]float64{0: 1, 50: 5, 95: 9, 100: 9, 11: 1, 12: 2} {
		if got := Percentile(nine, p); got != want {
			t.Errorf("p%g is %g, want %g", p, got, want)
		}
	}
	if got := Percentile([]float64{1, 2}, 50); got != 1 {
		t.Errorf("of two: %g", got)
	}
	if !math.IsNaN(Percentile(nil, 50)) {
		t.Error("of none there is one")
	}
}

func TestSpread(t *testing.T) {
	for want, samples := range map[string][]float64{
		"–":                     nil,
		"0":                     {0, 0},
		"1.02 (0.99..1.10)":     {1.1, 1.02, 0.99},
		"0.006 (-0.002..12345)": {-0.002, 0.006, 12345},
		"34.2":                  {34.2},
	} {
		if got := Spread(samples); got != want {
			t.Errorf("%v is shown as %q, want %q", samples, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var r Results
	for _, x := range []float64{100, 200} { // the machine got faster, the ratio did not
		r.Add("put", "bare", map[string]float64{"puts/s": x})
		r.Add("put", "ours", map[string]float64{"puts/s": x / 2, "p50 ms": 3})
	}
	r.Add("get", "ours", map[string]float64{"gets/s": 1})
	var out strings.Builder
	table := Table{Workload: "put", Title: "Puts", Columns: []string{"puts/s", "p50 ms"}, Base: "bare", Metric: "puts/s"}
	if err := table.Print(&out, r); err != nil {
		t.Fatal(err)
	}
	want := `
**Puts**

| | puts/s | p50 ms | ÷ bare |
|---|---|---|---|
| bare | 100 (100..200) | – | 1.00 |
| ours | 50.0 (50.0..100) | 3.00 | 0.50 |
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	if err := (&Table{Workload: "remove"}).Print(&out, r); err != nil || out.Len() > 0 {
		t.Errorf("of what was not measured there is a table: %q, %v", &out, err)
	}
	if diff := cmp.Diff([]float64{-50, -100}, r.Differences("put", "ours", "bare", "puts/s")); diff != "" {
		t.Error(diff)
	}
	if got := r.Ratios("put", "ours", "nobody", "puts/s"); got != nil {
		t.Errorf("compared with nobody: %v", got)
	}
}
