package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Who is measured, by the names that benchmarks of package replica have for them and by ours.
const (
	plain   = "*sql.DB"
	routed  = "Read"
	session = "Read, session"
	view    = "View"
)

var layerNames = []struct{ benchmark, subject string }{
	{"sql.DB", plain}, {"Read", routed}, {"Read_and_session", session}, {"nap", "tsenart/nap"},
	{"pick", "pick"}, {"pick_and_session", "pick, session"},
}

// layer runs a benchmark of package replica, which alone can put a driver of its own below a router.
func layer(ctx context.Context, b *bench) (err error) {
	dir, err := os.MkdirTemp("", "replicabench-")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	program := filepath.Join(dir, "layer")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "./replica").CombinedOutput(); err != nil {
		return fmt.Errorf("the benchmark cannot be built; start this in the top folder of the source: %w\n%s", err, out)
	}
	for range b.rounds {
		// Of several short runs the best: it is the one that was disturbed least.
		cmd := exec.CommandContext(ctx, program, "-test.run", "^$", "-test.bench", "^BenchmarkLayer$", "-test.benchtime", "20ms", "-test.count", "10")
		cmd.Dir = "replica"
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("the benchmark fails: %w\n%s", err, out)
		}
		found := parseBenchmark(string(out))
		for _, name := range layerNames {
			values, ok := found[name.benchmark]
			if !ok {
				return fmt.Errorf("the benchmark said nothing of %s:\n%s", name.benchmark, out)
			}
			b.results.Add("layer", name.subject, values)
		}
	}
	return nil
}

var benchmarkLine = regexp.MustCompile(`^BenchmarkLayer/(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op\s+(\d+) B/op\s+(\d+) allocs/op`)

// parseBenchmark reads what a benchmark prints: of each, the least of each number.
func parseBenchmark(out string) map[string]map[string]float64 {
	found := make(map[string]map[string]float64)
	for line := range strings.Lines(out) {
		m := benchmarkLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		values := found[m[1]]
		if values == nil {
			values = make(map[string]float64)
			found[m[1]] = values
		}
		for i, metric := range []string{"ns", "bytes", "allocs"} {
			v, err := strconv.ParseFloat(m[i+2], 64)
			if err != nil {
				continue // the pattern lets "1.2.3" through
			}
			if least, ok := values[metric]; !ok || v < least {
				values[metric] = v
			}
		}
	}
	return found
}
