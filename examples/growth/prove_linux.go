package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/sugarlabs/beamrider/examples/growth/internal/load"
	"github.com/sugarlabs/beamrider/examples/growth/internal/world"
	"github.com/sugarlabs/beamrider/internal/sugarclient/sugarhome"
)

// A proof is the report of prove.
type proof struct {
	Took      seconds `json:"took_seconds"`
	Durations []took  `json:"durations"`
	Load      any     `json:"load"`
	Imports   int     `json:"imports_acknowledged"`
	findings
	Notes  []string `json:"notes"`
	Broken []string `json:"broken"` // promises; none: it is proved
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
	also := &findings{absent: sugarhome.Absent()}
	stepErr := steps(ctx, p, t, load, also)
	p.say("checking every import that was acknowledged")
	load.mark(lastStep)
	err = errors.Join(pause(ctx, settled), load.stop())
	report := &proof{Took: seconds(time.Since(began)), Durations: t.all, Load: load.report(), Imports: load.acked(), findings: *also, Notes: slices.Clone(notes)}
	if err != nil {
		return exitBroken, errors.Join(stepErr, err)
	}
	broken, missing := also.judge(os.Getenv(requireEnv) == "1")
	report.Broken = append(load.broken(), broken...)
	report.Notes = append(report.Notes, missing...)
	if stepErr != nil {
		report.Broken = append(report.Broken, stepErr.Error())
	} else if err := load.verify(ctx); err != nil {
		late, err := p.uncopied(err)
		report.Notes = append(report.Notes, late...)
		if err != nil {
			report.Broken = append(report.Broken, "acknowledged imports: "+err.Error())
		}
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

// copyTime is how long a file may take to get into the copies. What is stored on the machine that loses its
// power within that time before it does is not promised to be anywhere else.
const copyTime = 2 * time.Second

// uncopied sets apart, of the losses that err tells, files that were stored just before the machine
// they were stored on was lost. What remains is an error.
func (p *plan) uncopied(err error) (notes []string, rest error) {
	losses, ok := errors.AsType[*load.LossError](err)
	if !ok || p.lost.IsZero() {
		return nil, err
	}
	left := &load.LossError{Checked: losses.Checked}
	for _, l := range losses.Lost {
		if before := p.lost.Sub(l.Import.At); before > -copyTime && before < copyTime {
			notes = append(notes, fmt.Sprintf("%s %s was acknowledged %.1f s before beamrider was lost, and its file was not in the copies yet, which is not promised.", l.Import.BundleID, l.Import.Number, before.Seconds()))
			continue
		}
		left.Lost = append(left.Lost, l)
	}
	if len(left.Lost) > 0 {
		rest = left
	}
	return notes, rest
}

// steps are the stages after the first, then the faults.
func steps(ctx context.Context, p *plan, t *timer, load *traffic, also *findings) error {
	if err := pause(ctx, settled); err != nil {
		return err
	}
	also.laptop(ctx, p, t.step)
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
		also.laptop(ctx, p, t.step)
		p.say("  %s", load.line())
	}
	if err := readBackStep(ctx, p, t, load, also); err != nil {
		return fmt.Errorf("%s: %w", readbackStep, err)
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
		if f.laptop {
			also.laptop(ctx, p, f.name)
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
	if err := r.findings.print(w); err != nil {
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
