// Command prove runs the proof of package replicaproof and prints what came of it: one line for each
// round, for each control and for mode available, and a summary. It ends with 1 when a promise was
// broken, when a control did not fail, or when a round could not be carried out.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/internal/mariachild"
	"github.com/sugarlabs/beamrider/internal/replicaproof"
)

func main() {
	if replicaproof.Peer() {
		return
	}
	rounds := flag.Int("rounds", 20, "how many `rounds` there are; faults take turns")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "the `number` that chances are taken from; it is printed")
	fault := flag.String("fault", "", "have this `fault` in all rounds, such as \"kill primary\"")
	controls := flag.Bool("controls", true, "run the controls, which must fail, and mode available")
	file := flag.String("json", "", "write everything to this `file` too")
	commit := flag.String("commit", built(), "the `commit` that the summary names")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "prove: it takes flags only; see -help")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &replicaproof.Summary{Date: time.Now(), Commit: *commit, Seed: *seed, Rounds: []*replicaproof.Round{}, Undone: []string{}, Controls: []*replicaproof.Finding{}}
	err := run(ctx, s, *rounds, replicaproof.Fault(*fault), *controls)
	s.Took = time.Since(s.Date)
	err = errors.Join(err, s.Write(os.Stdout), save(*file, s))
	if err != nil {
		fmt.Fprintln(os.Stderr, "prove:", err)
	}
	if err != nil || !s.Good() {
		stop()
		os.Exit(1)
	}
}

// mostUndone ends the program when as many rounds could not be carried out: the machine is not fit.
const mostUndone = 5

// run does everything.
func run(ctx context.Context, s *replicaproof.Summary, rounds int, fault replicaproof.Fault, controls bool) error {
	for i := range rounds {
		f := fault
		if f == "" {
			f = replicaproof.Faults[i%len(replicaproof.Faults)]
		}
		// The first rounds have the slower judge too: one for each fault.
		r, err := replicaproof.Run(ctx, i+1, s.Seed+uint64(i), f, i < len(replicaproof.Faults))
		if err != nil {
			err = fmt.Errorf("round %d (seed %d, %s): %w", i+1, s.Seed+uint64(i), f, err)
			for _, v := range r.Violations {
				err = fmt.Errorf("%w\n  %s", err, v)
			}
			if s.Undone = append(s.Undone, err.Error()); ctx.Err() != nil || errors.Is(err, mariachild.ErrAbsent) || len(s.Undone) == mostUndone {
				return err
			}
			fmt.Println("NOT DONE:", err)
			continue
		}
		s.Add(r)
		fmt.Println(r.Line())
	}
	if !controls {
		return nil
	}
	for _, c := range replicaproof.Controls {
		f, err := replicaproof.RunControl(ctx, c, s.Seed)
		if err != nil {
			return err
		}
		s.Controls = append(s.Controls, f)
		fmt.Println(f.Line())
	}
	a, err := replicaproof.Available(ctx, s.Seed, 0)
	if err != nil {
		return fmt.Errorf("mode available: %w", err)
	}
	s.Availability = a
	fmt.Println(a.Line())
	return nil
}

func save(file string, s *replicaproof.Summary) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// built returns the commit that this program was built from, as far as the toolchain knows.
func built() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, changed := "unknown", ""
	for _, v := range info.Settings {
		switch {
		case v.Key == "vcs.revision":
			commit = v.Value[:min(len(v.Value), 12)]
		case v.Key == "vcs.modified" && v.Value == "true":
			changed = " with changes"
		}
	}
	return commit + changed
}
