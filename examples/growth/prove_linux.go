package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/sugarlabs/beamrider/examples/growth/internal/world"
)

// A proof is the report of prove.
type proof struct {
	Took      seconds  `json:"took_seconds"`
	Durations []took   `json:"durations"`
	Load      any      `json:"load"`
	Imports   int      `json:"imports_acknowledged"`
	Notes     []string `json:"notes"`
	Broken    []string `json:"broken"` // promises; none: it is proved
}

// notes are what a reader of the report must know.
var notes = []string{
	fmt.Sprintf("A primary whose replica is gone waits %v here before it goes on alone; deployments wait 10 s.", world.SemiSyncTimeout),
	"Machines are network namespaces of one computer with one disk cache: a power cut here does not lose what a disk had not yet written.",
	fmt.Sprintf("A duration breaks a promise only beyond %d times its goal.", tolerance),
}

// settled is how long visitors come before the first stage, and after the last step.
const settled = 3 * time.Second

// prove grows the library from stage 0 to 3 and breaks it in every way, while visitors come, and
// says what they noticed.
func prove(ctx context.Context, p *plan) (int, error) {
	began := time.Now()
	t := &timer{step: "stage 0"}
	if err := t.measure("stage 0 stands", 10*time.Second, func() error { return p.stage(ctx, 0) }); err != nil {
		return exitBroken, err
	}
	load, err := startLoad(ctx, p, proofRates)
	if err != nil {
		return exitBroken, err
	}
	load.mark("stage 0")
	stepErr := steps(ctx, p, t, load)
	p.say("checking every import that was acknowledged")
	load.mark("after")
	err = errors.Join(pause(ctx, settled), load.stop())
	report := &proof{Took: seconds(time.Since(began)), Durations: t.all, Load: load.report(), Imports: load.acked(), Notes: notes}
	if err != nil {
		return exitBroken, errors.Join(stepErr, err)
	}
	report.Broken = load.broken()
	if stepErr != nil {
		report.Broken = append(report.Broken, stepErr.Error())
	} else if err := load.verify(ctx); err != nil {
		report.Broken = append(report.Broken, "acknowledged imports: "+err.Error())
	}
	for _, d := range t.late() {
		report.Broken = append(report.Broken, fmt.Sprintf("%s: %s took %.1f s; the goal is %.1f s, and %d times that the limit", d.Step, d.What, time.Duration(d.Took).Seconds(), time.Duration(d.Goal).Seconds(), tolerance))
	}
	report.Took = seconds(time.Since(began))
	if err := errors.Join(report.print(os.Stdout, load), report.save()); err != nil {
		return exitBroken, err
	}
	if len(report.Broken) > 0 {
		return exitBroken, nil
	}
	return 0, nil
}

// steps are the stages after the first, then the faults.
func steps(ctx context.Context, p *plan, t *timer, load *traffic) error {
	if err := pause(ctx, settled); err != nil {
		return err
	}
	for n := 1; n <= 3; n++ {
		t.step = fmt.Sprintf("stage %d", n)
		p.say("%s", t.step)
		load.mark(t.step)
		if err := t.measure("it stands", 20*time.Second, func() error { return p.stage(ctx, n) }); err != nil {
			return err
		}
		if err := pause(ctx, settled); err != nil {
			return err
		}
		p.say("  %s", load.line())
	}
	for _, f := range faults {
		t.step = f.name
		p.say("%s: %s", f.name, f.what)
		load.mark(f.name)
		if err := f.do(ctx, p, t); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err := pause(ctx, settled); err != nil {
			return err
		}
		p.say("  %s", load.line())
	}
	return nil
}

// pause waits while visitors come.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// print writes the report for people.
func (r *proof) print(w io.Writer, load *traffic) error {
	fmt.Fprintf(w, "\nWhat visitors noticed. A gap is the longest time between two good answers of a kind.\n\n")
	if err := load.table(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nWhat took how long\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "step\twhat\ttook\tgoal\t")
	for _, d := range r.Durations {
		late := ""
		if d.Took > d.Goal {
			late = "over its goal"
		}
		fmt.Fprintf(table, "%s\t%s\t%.2f s\t%.1f s\t%s\n", d.Step, d.What, time.Duration(d.Took).Seconds(), time.Duration(d.Goal).Seconds(), late)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d imports were acknowledged. It took %.0f s.\n", r.Imports, time.Duration(r.Took).Seconds())
	for _, n := range r.Notes {
		fmt.Fprintln(w, "Note:", n)
	}
	for _, b := range r.Broken {
		fmt.Fprintln(w, "BROKEN:", b)
	}
	verdict := "All promises were kept."
	if len(r.Broken) > 0 {
		verdict = fmt.Sprintf("%d promises were broken.", len(r.Broken))
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}

// save writes the report where --json said.
func (r *proof) save() error {
	out := world.Out()
	if out == nil {
		return nil
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return errors.Join(enc.Encode(r), out.Close())
}
