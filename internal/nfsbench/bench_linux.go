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
	brief    bool   // everything once, to see that it works
	dir      string // on the disk that everything is written to
	results  benchtest.Results
	versions []string
	missing  []string
	servers  servers
}

// A workload is measured as a whole; its name is matched by --only.
type workload struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

var workloads = []workload{
	{localPut16k, putLocally(localPut16k, small, 1)},
	{localPut16k8, putLocally(localPut16k8, small, 8)},
	{localPut1m, putLocally(localPut1m, middle, 1)},
	{localRead64m, readLocally},
	{download10m, download},
	{nfsPut16k, putOverNFS},
	{nfsGet16k, getOverNFS},
	{nfsStat, statOverNFS},
	{nfsReaddir, listOverNFS},
	{nfsWrite64m, writeOverNFS},
	{nfsRead64m, readOverNFS},
}

// Sizes of files: an icon or a small bundle, a bundle, and what shows the throughput.
const (
	small  = 16 << 10
	middle = 1 << 20
	large  = 64 << 20
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if what := os.Getenv(serveEnv); what != "" {
		err = serve(ctx, what)
	} else {
		err = run(ctx, os.Args[1:])
	}
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) && !errors.Is(err, errInside) {
			fmt.Fprintln(os.Stderr, "nfsbench:", err)
		}
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	rounds int
	only   *regexp.Regexp
	json   string
	dir    string
}

func parse(args []string) (o options, err error) {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	f := flag.NewFlagSet("nfsbench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 9, "how often each is measured")
	f.StringVar(&o.json, "json", "", "a file for all samples")
	f.StringVar(&o.dir, "dir", os.TempDir(), "a folder on the disk to measure, which has 2 GB free")
	only := f.String("only", "", "workloads whose name matches this pattern: "+strings.Join(names, ", "))
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("--only is no pattern: %w", err)
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is no option; see --help", f.Arg(0))
	case o.rounds < 1 || o.rounds > 1000:
		return o, errors.New("--rounds must be between 1 and 1000")
	}
	for _, w := range workloads {
		if o.only.MatchString(w.name) {
			return o, nil
		}
	}
	return o, errors.New("--only matches none of: " + strings.Join(names, ", "))
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if entered, err := enter(ctx, args); entered || err != nil {
		return err
	}
	return o.measure(ctx)
}

func (o options) measure(ctx context.Context) (err error) {
	b := &bench{rounds: o.rounds}
	if b.dir, err = os.MkdirTemp(o.dir, "nfsbench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.servers.stop(), os.RemoveAll(b.dir)) }()
	if err := onDisk(b.dir); err != nil {
		return err
	}
	began := time.Now()
	var failed []error
	for _, w := range workloads {
		if !o.only.MatchString(w.name) {
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
	if o.json != "" {
		text, err := json.MarshalIndent(b.results, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return errors.Join(append(failed, b.print(ctx, os.Stdout, time.Since(began)))...)
}

// say tells a person what happens.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
