package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/child"
)

// A bench is one run of all workloads.
type bench struct {
	rounds   int
	lasts    time.Duration // of one measurement
	dir      string
	self     string // this program, for its other modes
	subject  string // the program that serves the balancer
	results  results
	missing  map[string]bool
	features string // what the balancer has switched on
}

// A workload is measured as a whole; its name is matched by --only.
type workload struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

var workloads = []workload{
	{"small", small},
	{"cached", cached},
	{"large", large},
	{"kill", func(ctx context.Context, b *bench) error { return faulty(ctx, b, "kill") }},
	{"freeze", func(ctx context.Context, b *bench) error { return faulty(ctx, b, "freeze") }},
	{"overload", overload},
	{"reload", reload},
}

func runBench(ctx context.Context, args []string) (err error) {
	f := flag.NewFlagSet("balancebench", flag.ContinueOnError)
	rounds := f.Int("rounds", 7, "how often each is measured")
	seconds := f.Int("seconds", 2, "how long one measurement takes; wrk knows whole ones")
	only := f.String("only", "", "workloads whose name matches this pattern: small, cached, large, kill, freeze, overload, reload")
	jsonName := f.String("json", "", "a file for all samples")
	subject := f.String("subject", "", "a program that serves the balancer; empty: made of this source")
	if err := f.Parse(args); err != nil {
		return err
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("--only is no pattern: %w", err)
	}
	if *rounds < 1 || *rounds > 100 || *seconds < 1 || *seconds > 600 {
		return errors.New("--rounds must be between 1 and 100, --seconds between 1 and 600")
	}
	for _, tool := range []string{"taskset", "wrk"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is needed: %w; on Debian: apt install util-linux wrk", tool, err)
		}
	}
	b := &bench{rounds: *rounds, lasts: time.Duration(*seconds) * time.Second, subject: *subject, missing: make(map[string]bool)}
	if err := b.prepare(ctx); err != nil {
		return errors.Join(err, b.close())
	}
	defer func() { err = errors.Join(err, b.close()) }()
	began := time.Now()
	for _, w := range workloads {
		if !pattern.MatchString(w.name) {
			continue
		}
		if err := w.run(ctx, b); err != nil {
			if ctx.Err() != nil {
				return errors.New("stopped; all servers have been ended")
			}
			// The others may work.
			fmt.Fprintf(os.Stderr, "%s: %v\n", w.name, err)
		}
	}
	if len(b.results.list) == 0 {
		return errors.New("nothing could be measured")
	}
	if *jsonName != "" {
		text, err := json.MarshalIndent(b.results.list, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*jsonName, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	b.print(os.Stdout, time.Since(began))
	return nil
}

// prepare builds the subject and copies this program to where servers without privileges reach it.
func (b *bench) prepare(ctx context.Context) error {
	var err error
	if b.dir, err = os.MkdirTemp("", "balancebench-"); err != nil {
		return err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	me, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	b.self = filepath.Join(b.dir, "balancebench")
	if err := os.WriteFile(b.self, me, 0o755); err != nil {
		return err
	}
	if b.subject == "" {
		b.say("building the balancer")
		b.subject = filepath.Join(b.dir, "subject")
		out, err := exec.CommandContext(ctx, "go", "build", "-o", b.subject, "./internal/balancebench/subject").CombinedOutput()
		if err != nil {
			return fmt.Errorf("the balancer cannot be built; start this in the top folder of the source: %w\n%s", err, out)
		}
	}
	out, err := exec.CommandContext(ctx, b.subject, "-features").Output()
	b.features = strings.TrimSpace(string(out))
	return err
}

func (b *bench) close() error { return os.RemoveAll(b.dir) }

// say tells a person what happens.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// here returns those of the peers that are installed, and names the others once.
func (b *bench) here(peers ...peer) []peer {
	var list []peer
	for _, p := range peers {
		if p.installed() {
			list = append(list, p)
		} else if !b.missing[p.program] {
			b.missing[p.program] = true
			b.say("%s is not installed and is left out", p.program)
		}
	}
	return list
}

// ours is the balancer with everything on, bare the yardstick.
func (b *bench) ours() peer { return ours(b.subject, "balance") }
func (b *bench) bare() peer {
	p := ours(b.subject, "ReverseProxy")
	p.note = "net/http/httputil, no access log"
	return p
}

// backends starts so many of them.
func (b *bench) backends(ctx context.Context, n int, args ...string) (list []*child.Process, addresses []string, err error) {
	for range n {
		port, err := freePort()
		if err != nil {
			return list, nil, err
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		c, err := b.backend(ctx, address, args...)
		if err != nil {
			return list, nil, err
		}
		list, addresses = append(list, c), append(addresses, address)
	}
	return list, addresses, nil
}

func (b *bench) backend(ctx context.Context, address string, args ...string) (*child.Process, error) {
	cmd := command(loadCore, b.self, append([]string{"backend", "-listen", address}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
	c, err := child.Start(cmd)
	if err != nil {
		return nil, err
	}
	return c, awaitPort(ctx, address, c)
}

// start starts the peers; those that cannot be are named and left out.
func (b *bench) start(ctx context.Context, what string, j job, peers []peer) ([]*proxy, error) {
	dir, err := folder(b.dir, what)
	if err != nil {
		return nil, err
	}
	var list []*proxy
	for _, p := range b.here(peers...) {
		x, err := start(ctx, p, dir, j)
		if ctx.Err() != nil {
			return list, errors.Join(context.Cause(ctx), stopAll(list))
		}
		if err != nil {
			b.say("%s: %s cannot be started and is left out: %v", what, p.name, err)
			continue
		}
		list = append(list, x)
	}
	if len(list) == 0 {
		return nil, errors.New("no proxy could be started")
	}
	return list, nil
}

func stopAll(list []*proxy) error {
	var errs []error
	for _, x := range list {
		errs = append(errs, x.stop())
	}
	return errors.Join(errs...)
}

func killAll(list []*child.Process) error {
	var errs []error
	for _, c := range list {
		errs = append(errs, c.Kill())
	}
	return errors.Join(errs...)
}

// rotated returns the list, beginning at another one in each round.
func rotated[T any](list []T, round int) []T {
	at := round % len(list)
	return append(append(make([]T, 0, len(list)), list[at:]...), list[:at]...)
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
