package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/internal/benchtest"
)

// A bench is one run of all workloads.
type bench struct {
	rounds   int
	results  benchtest.Results
	versions []string
	missing  []string
}

// A workload is measured as a whole; its name is matched by --only.
type workload struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

var workloads = []workload{
	{"layer", layer},
	{"read", read},
	{"write", write},
	{"share", share},
	{"failover", failovers},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "replicabench:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	f := flag.NewFlagSet("replicabench", flag.ContinueOnError)
	rounds := f.Int("rounds", 9, "how often each is measured")
	only := f.String("only", "", "workloads whose name matches this pattern: "+strings.Join(names, ", "))
	jsonName := f.String("json", "", "a file for all samples")
	if err := f.Parse(args); err != nil {
		return err
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("--only is no pattern: %w", err)
	}
	if *rounds < 1 || *rounds > 1000 {
		return errors.New("--rounds must be between 1 and 1000")
	}
	b := &bench{rounds: *rounds}
	began := time.Now()
	var failed []error
	for _, w := range workloads {
		if !pattern.MatchString(w.name) {
			continue
		}
		say("%s", w.name)
		err := w.run(ctx, b)
		if ctx.Err() != nil {
			return errors.New("stopped; all servers have been ended")
		}
		if err != nil { // the others may work
			failed = append(failed, fmt.Errorf("%s: %w", w.name, err))
		}
	}
	if len(b.results) == 0 {
		return errors.Join(append(failed, errors.New("nothing could be measured"))...)
	}
	if *jsonName != "" {
		text, err := json.MarshalIndent(b.results, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*jsonName, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return errors.Join(append(failed, b.print(ctx, os.Stdout, time.Since(began)))...)
}

// say tells a person what happens.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
