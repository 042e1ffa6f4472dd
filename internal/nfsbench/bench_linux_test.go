package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestArguments(t *testing.T) {
	for _, args := range [][]string{{"--rounds", "0"}, {"--only", "("}, {"--only", "nothing"}, {"--json"}, {"more"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	o, err := parse([]string{"--rounds", "3", "--only", "put 1 MiB", "--dir", "/srv"})
	if err != nil || o.rounds != 3 || o.dir != "/srv" || o.only.MatchString(localPut16k) {
		t.Errorf("%+v, %v", o, err)
	}
}

// All get the same number of turns, each with numbers of its own, and the first changes.
func TestTurns(t *testing.T) {
	b := &bench{rounds: 3}
	var order []string
	var tidied, done atomic.Int32
	seen := make([]bool, 40)
	do := func(_ context.Context, i int) error {
		if seen[i] {
			t.Errorf("%d twice", i)
		}
		seen[i] = true
		done.Add(1)
		return nil
	}
	subjects := []subject{
		{name: "a", do: do, tidy: func() error { order = append(order, "a"); tidied.Add(1); return nil }},
		{name: "b", turn: func(context.Context, work) (sample, error) {
			order = append(order, "b")
			return sample{all: time.Second, p50: time.Millisecond, p99: 2 * time.Millisecond}, nil
		}},
	}
	if err := b.turns(t.Context(), "some", subjects, work{n: 2, turns: 2, workers: 2, rate: "things/s", units: 5, tidy: true}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(order, ""), "ab"+"abba"+"baab"+"abba"+"a"; got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}
	if done.Load() != 14 || tidied.Load() != 8 {
		t.Errorf("%d were done and %d tidied, want 14 and 8", done.Load(), tidied.Load())
	}
	want := map[string][]float64{"things/s": {10, 10, 10}, "p50 ms": {1, 1, 1}, "p99 ms": {2, 2, 2}}
	if n := len(b.results[1].Samples["CPU ms"]); n != 3 {
		t.Errorf("%d samples of the processor time of 3 rounds", n)
	}
	delete(b.results[1].Samples, "CPU ms")
	if diff := cmp.Diff(want, b.results[1].Samples); diff != "" {
		t.Error(diff)
	}
	if n := len(b.results[0].Samples["p50 ms"]); n != 3 {
		t.Errorf("%d samples of 3 rounds", n)
	}
	bad := errors.New("bad")
	err := b.turns(t.Context(), "other", []subject{{name: "c", do: func(context.Context, int) error { return bad }}}, work{n: 1, turns: 1, workers: 1})
	if !errors.Is(err, bad) || !strings.Contains(err.Error(), "c: ") {
		t.Errorf("the error is %v", err)
	}
}

func TestMain(m *testing.M) {
	if what := os.Getenv(serveEnv); what != "" { // a copy of this test, as a server
		if err := serve(context.Background(), what); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// What is measured does what it should, and leaves nothing.
func TestWorkloads(t *testing.T) {
	b := &bench{rounds: 1, brief: true, dir: t.TempDir(), missing: []string{"NFS-Ganesha"}}
	t.Cleanup(func() {
		if err := b.servers.stop(); err != nil {
			t.Error(err)
		}
	})
	for _, w := range []struct {
		name     string
		run      func(context.Context, *bench) error
		subjects int
	}{
		{localPut16k, putLocally(localPut16k, small, 1), 3},
		{localPut16k8, putLocally(localPut16k8, small, 8), 3},
		{localPut1m, putLocally(localPut1m, middle, 1), 3},
		{localRead64m, readLocally, 2},
		{nfsPut16k, putOverNFS, 2},
		{nfsWrite64m, writeOverNFS, 1},
		{nfsRead64m, readOverNFS, 1},
	} {
		before := len(b.results)
		if err := w.run(t.Context(), b); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
		if got := len(b.results) - before; got != w.subjects {
			t.Errorf("%s has %d results, want %d", w.name, got, w.subjects)
		}
	}
	var out strings.Builder
	if err := b.print(t.Context(), &out, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"n = 1, on ", "| Put 16 KiB in a directory | write, fsync", "| Put 1 MiB in", "| read 64 MiB in", "**In a directory: put 1 MiB"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if strings.Contains(out.String(), "Over HTTP") {
		t.Error("the report speaks of what was not measured")
	}
	entries, err := os.ReadDir(filepath.Join(b.dir, "nfsd", folder))
	if err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestReport(t *testing.T) {
	b := &bench{rounds: 2, versions: []string{"NFS-Ganesha 4"}, missing: []string{"nginx"}}
	for _, x := range []float64{100, 200} { // the machine got faster, the ratio did not
		b.results.Add(localPut16k, bareRename, map[string]float64{"puts/s": x})
		b.results.Add(localPut16k, store, map[string]float64{"puts/s": 0.9 * x})
		b.results.Add(localPut1m, bareRename, map[string]float64{"puts/s": x})
		b.results.Add(localPut1m, store, map[string]float64{"puts/s": 0.79 * x})
	}
	var out strings.Builder
	if err := b.print(t.Context(), &out, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"n = 2, NFS-Ganesha 4, on ",
		"| Put 16 KiB in a directory | write, fsync, rename, fsync of the folder | ≥ 0.80 | 0.90 | met |",
		"| Put 1 MiB in a directory | the same | ≥ 0.80 | 0.79 | **missed** |",
		"| Store | 90.0 (90.0..180) | – | – | – | 0.90 |",
		"not installed: nginx.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
