package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/internal/benchtest"
	"github.com/sugarlabs/beamrider/internal/child"
)

// How often things happen to the backends and the pool during a soak.
const (
	soakKill   = 7 * time.Second
	soakAway   = time.Second // how long a backend is dead or frozen
	soakReload = 2 * time.Second
	soakDrain  = 3 * time.Second
)

// runSoak does everything to the balancer for a long time and looks whether it grows.
func runSoak(ctx context.Context, args []string) (err error) {
	f := flag.NewFlagSet("soak", flag.ContinueOnError)
	lasts := f.Duration("for", 30*time.Minute, "how long")
	every := f.Duration("every", 5*time.Second, "how often memory, goroutines and descriptors are counted")
	subject := f.String("subject", "", "a program that serves the balancer; empty: made of this source")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *lasts < time.Minute || *every < 100*time.Millisecond || *every > *lasts/20 {
		return errors.New("--for must be at least 1m, --every between 100ms and a twentieth of it")
	}
	b := &bench{subject: *subject, missing: make(map[string]bool)}
	if err := b.prepare(ctx); err != nil {
		return errors.Join(err, b.close())
	}
	defer func() { err = errors.Join(err, b.close()) }()
	s := &soak{bench: b}
	s.backends, s.addresses, err = b.backends(ctx, 3, "-takes", "1ms")
	defer func() { err = errors.Join(err, killAll(s.backends)) }()
	if err != nil {
		return err
	}
	proxies, err := b.start(ctx, "soak", job{backends: s.addresses}, []peer{b.ours()})
	if err != nil {
		return err
	}
	s.proxy = proxies[0]
	defer func() { err = errors.Join(err, stopAll(proxies)) }()
	s.console = newConsole(filepath.Join(s.proxy.dir, "console"))
	s.client = newTraffic(s.proxy.address())
	b.say("on in the balancer: %s", b.features)

	loads, stop := context.WithTimeout(ctx, *lasts)
	defer stop()
	var all sync.WaitGroup
	s.client.run(loads, &all)
	for _, w := range []struct {
		every time.Duration
		do    func(ctx context.Context, i int) error
	}{{soakKill, s.harm}, {soakReload, s.reload}, {soakDrain, s.drain}} {
		all.Go(func() { s.repeat(loads, stop, w.every, w.do) })
	}
	err = s.watch(loads, *lasts, *every)
	stop()
	all.Wait()
	if err = errors.Join(err, s.failed()); err != nil || ctx.Err() != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return s.conclude(ctx, *lasts)
}

// A soak is one run.
type soak struct {
	*bench
	proxy     *proxy
	console   *console
	client    *traffic
	backends  []*child.Process
	addresses []string
	samples   []usage

	mu   sync.Mutex
	errs []error
}

// A usage is what the balancer holds at one moment.
type usage struct {
	Heap, RSS, Goroutines, Descriptors float64 // the first two in MiB
}

func (s *soak) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.errs...)
}

// repeat does something again and again; an error ends the soak.
func (s *soak) repeat(ctx context.Context, stop func(), every time.Duration, do func(context.Context, int) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := do(ctx, i); err != nil && ctx.Err() == nil {
			s.mu.Lock()
			s.errs = append(s.errs, err)
			s.mu.Unlock()
			stop()
			return
		}
	}
}

// harm kills a backend, or freezes it, and brings it back.
func (s *soak) harm(ctx context.Context, i int) error {
	n := i % len(s.backends)
	if i%2 == 0 {
		if err := s.backends[n].Kill(); err != nil {
			return err
		}
		pause(ctx, soakAway) // it comes back also when this is the end
		var err error
		s.backends[n], err = s.bench.backend(context.WithoutCancel(ctx), s.addresses[n], "-takes", "1ms")
		return err
	}
	if err := s.backends[n].Freeze(); err != nil {
		return err
	}
	pause(ctx, soakAway)
	return s.backends[n].Signal(syscall.SIGCONT)
}

func (s *soak) reload(ctx context.Context, _ int) error { return s.console.post(ctx, "/reload", nil) }

func (s *soak) drain(ctx context.Context, i int) error {
	return s.console.post(ctx, "/drain", url.Values{"name": {fmt.Sprintf("b%d", i%3+1)}})
}

// watch counts until ctx ends.
func (s *soak) watch(ctx context.Context, lasts, every time.Duration) error {
	began, said := time.Now(), time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.proxy.processes[0].Exited():
			return s.proxy.processes[0].Ended()
		case <-tick.C:
		}
		u, err := s.usage(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		s.samples = append(s.samples, u)
		if time.Since(said) >= 10*time.Second {
			said = time.Now()
			s.say("%v of %v: %s; %.1f MiB heap, %.1f MiB RSS, %.0f goroutines, %.0f descriptors",
				time.Since(began).Round(time.Second), lasts, s.client, u.Heap, u.RSS, u.Goroutines, u.Descriptors)
		}
	}
}

const mebi = 1 << 20

func (s *soak) usage(ctx context.Context) (u usage, err error) {
	text, err := s.console.ask(ctx, http.MethodGet, "/memory", nil)
	if err != nil {
		return u, err
	}
	var m struct{ Heap, Goroutines float64 }
	if err := json.Unmarshal(text, &m); err != nil {
		return u, err
	}
	proc := fmt.Sprintf("/proc/%d/", s.proxy.processes[0].Pid())
	open, err := os.ReadDir(proc + "fd")
	if err != nil {
		return u, err
	}
	pages, err := os.ReadFile(proc + "statm")
	if err != nil {
		return u, err
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(pages), &size, &resident); err != nil {
		return u, err
	}
	return usage{
		Heap: m.Heap / mebi, RSS: float64(resident*int64(os.Getpagesize())) / mebi,
		Goroutines: m.Goroutines, Descriptors: float64(len(open)),
	}, nil
}

// conclude compares the beginning with the end, and says what is left when all is quiet.
func (s *soak) conclude(ctx context.Context, lasts time.Duration) error {
	first, last, err := quarters(s.samples)
	if err != nil {
		return err
	}
	fmt.Printf("Soak of %v at commit %s: %s.\n\n| | first quarter, median | last quarter, median | verdict |\n|---|---|---|---|\n", lasts, benchtest.Commit(context.Background()), s.client)
	leaks := 0
	for _, k := range kinds {
		a, z := k.medianOf(first), k.medianOf(last)
		verdict := "no leak"
		if k.grew(a, z) {
			verdict, leaks = "**leak**", leaks+1
		}
		fmt.Printf("| %s | %s | %s | %s |\n", k.name, number(a), number(z), verdict)
	}
	// Connections to backends that nobody uses are closed after a minute.
	rest := min(70*time.Second, lasts/4)
	s.say("waiting %v to see what is left without clients", rest)
	if err := pause(ctx, rest); err != nil {
		return err
	}
	u, err := s.usage(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\n%v after the last client: %.1f MiB heap, %.1f MiB RSS, %.0f goroutines, %.0f descriptors.\n", rest, u.Heap, u.RSS, u.Goroutines, u.Descriptors)
	if leaks > 0 {
		return fmt.Errorf("%d of %d grow", leaks, len(kinds))
	}
	return nil
}

// A kind of thing that must not grow. Samples vary with what clients do; the end is more than the
// beginning when it is above it by a part and by an amount.
type kind struct {
	name   string
	part   float64
	amount float64
	of     func(usage) float64
}

var kinds = []kind{
	{"heap after a collection, MiB", 1.2, 4, func(u usage) float64 { return u.Heap }},
	{"resident memory, MiB", 1.25, 16, func(u usage) float64 { return u.RSS }},
	{"goroutines", 1.2, 30, func(u usage) float64 { return u.Goroutines }},
	{"descriptors", 1.2, 30, func(u usage) float64 { return u.Descriptors }},
}

func (k *kind) grew(first, last float64) bool { return last > first*k.part && last > first+k.amount }

func (k *kind) medianOf(samples []usage) float64 {
	list := make([]float64, 0, len(samples))
	for _, u := range samples {
		list = append(list, k.of(u))
	}
	return median(list)
}

// quarters returns the first and the last quarter of what comes after the first tenth, in which
// things fill that are meant to: caches, pools, the heap.
func quarters(samples []usage) (first, last []usage, err error) {
	samples = samples[len(samples)/10:]
	n := len(samples) / 4
	if n == 0 {
		return nil, nil, errors.New("there are too few samples to compare; run it longer")
	}
	return samples[:n], samples[len(samples)-n:], nil
}
