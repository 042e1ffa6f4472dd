package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/internal/child"
)

// open runs the open loop in a process of its own.
func (b *bench) open(ctx context.Context, address string, rate float64, lasts time.Duration, high int) (r loadReport, err error) {
	cmd := command(loadCore, b.self, "load", "-target", address, "-rate", fmt.Sprint(rate), "-for", lasts.String(), "-high", fmt.Sprint(high))
	out, err := output(ctx, cmd)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return r, fmt.Errorf("the report of the load is none: %w\n%s", err, out)
	}
	return r, nil
}

// Backends in the fault workloads serve 8 requests at a time, each in 5 ms: two of them serve 3,200
// a second, of which 30 % are asked for. When one is gone, the other has 60 % of what it can do.
const (
	faultRate  = 960
	faultAfter = 3 * time.Second
	faultLasts = 3 * time.Second
	faultAll   = 10 * time.Second
	faultRuns  = 5
)

// faulty breaks one of two backends at load, by kill -9 or by SIGSTOP, for three seconds. The balancer
// is measured alone. The peers, which have less to lose, are measured side by side to save time: each
// has backends of its own, and all of them together ask for about a third of the two cores.
func faulty(ctx context.Context, b *bench, fault string) (err error) {
	title := map[string]string{"kill": "killed (SIGKILL)", "freeze": "frozen (SIGSTOP)"}[fault]
	b.results.title(fault, "open loop at 30 % load, one of two backends "+title+" for 3 s")
	type pair struct {
		*proxy
		backends  []*child.Process
		addresses []string
	}
	var pairs []*pair
	defer func() {
		for _, p := range pairs {
			if p.proxy != nil {
				err = errors.Join(err, p.proxy.stop())
			}
			err = errors.Join(err, killAll(p.backends))
		}
	}()
	args := []string{"-slots", "8", "-takes", "5ms"}
	for _, p := range b.here(b.ours(), haproxy, haproxyMoves, nginx, caddy) {
		x := &pair{}
		pairs = append(pairs, x)
		if x.backends, x.addresses, err = b.backends(ctx, 2, args...); err != nil {
			return err
		}
		proxies, err := b.start(ctx, fault, job{backends: x.addresses}, []peer{p})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			err = killAll(x.backends)
			pairs = pairs[:len(pairs)-1]
			if err != nil {
				return err
			}
			continue // it was named
		}
		x.proxy = proxies[0]
		b.results.about(fault, p.name, p.says(), p.note)
	}
	if err := pause(ctx, 2*time.Second); err != nil { // checks have seen all backends
		return err
	}
	one := func(x *pair) error {
		done := make(chan error, 1)
		go func() {
			r, err := b.open(ctx, x.address(), faultRate, faultAll, 0)
			if err == nil {
				all := r.all()
				b.results.add(fault, x.name, map[string]float64{
					"sent": float64(all.Sent), "failed": float64(all.Failed), "refused": float64(all.Refused), "p50 ms": r.Low.P50, "p99 ms": r.Low.P99,
					"% over 100 ms": 100 * float64(all.Over100) / float64(all.Sent), "longest ms": all.Longest,
				})
				for why, n := range r.Why {
					b.say("%s: %s: %d × %s", fault, x.name, n, why)
				}
			}
			done <- err
		}()
		if err := pause(ctx, faultAfter); err != nil {
			return errors.Join(err, <-done)
		}
		var heal func() error
		if fault == "kill" {
			if err := x.backends[1].Kill(); err != nil {
				return errors.Join(err, <-done)
			}
			heal = func() (err error) {
				x.backends[1], err = b.backend(ctx, x.addresses[1], args...)
				return err
			}
		} else {
			if err := x.backends[1].Freeze(); err != nil {
				return errors.Join(err, <-done)
			}
			heal = func() error { return x.backends[1].Signal(syscall.SIGCONT) }
		}
		err := pause(ctx, faultLasts)
		err = errors.Join(err, heal())
		return errors.Join(err, <-done)
	}
	if len(pairs) == 0 {
		return errors.New("no proxy could be started")
	}
	runs := min(b.rounds, faultRuns)
	for run := range runs {
		b.say("%s: run %d of %d", fault, run+1, runs)
		if err := one(pairs[0]); err != nil {
			return err
		}
		var together sync.WaitGroup
		errs := make([]error, len(pairs))
		for i, x := range pairs[1:] {
			together.Go(func() { errs[i] = one(x) })
		}
		together.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// overload asks a backend for twice what it can do; one request of ten matters more than the others.
func overload(ctx context.Context, b *bench) (err error) {
	const slots, takes = 8, "10ms"
	backends, addresses, err := b.backends(ctx, 1, "-slots", fmt.Sprint(slots), "-takes", takes)
	defer func() { err = errors.Join(err, killAll(backends)) }()
	if err != nil {
		return err
	}
	proxies, err := b.start(ctx, "overload", job{backends: addresses, slots: slots}, []peer{b.ours(), haproxy})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopAll(proxies)) }()
	b.results.title("overload", fmt.Sprintf("2× overload of a backend that serves %d requests at a time in %s each, 10 %% with high priority", slots, takes))
	for _, x := range proxies {
		b.results.about("overload", x.name, x.says(), x.note)
	}
	if err := pause(ctx, time.Second); err != nil { // checks have seen the backend
		return err
	}
	runs := min(b.rounds, faultRuns)
	for run := range runs {
		b.say("overload: run %d of %d", run+1, runs)
		direct, err := runWrk(ctx, slots, 2*time.Second, "http://"+addresses[0]+"/bytes/1024")
		if err != nil {
			return err
		}
		capacity := direct.Rate
		for _, x := range rotated(proxies, run) {
			alone, err := b.open(ctx, x.address(), capacity/5, 3*time.Second, 1)
			if err != nil {
				return err
			}
			r, err := b.open(ctx, x.address(), 2*capacity, 5*time.Second, 10)
			if err != nil {
				return err
			}
			all := r.all()
			values := map[string]float64{
				"high p99 alone ms": alone.High.P99, "high p99 ms": r.High.P99, "high refused %": 100 * float64(r.High.Refused+r.High.Failed) / float64(max(r.High.Sent, 1)),
				"low p50 ms": r.Low.P50, "failed": float64(all.Failed), "refused": float64(all.Refused), "sent": float64(all.Sent),
				"longest ms": all.Longest, "goodput of capacity": float64(all.OK) / r.Took / capacity,
			}
			if alone.High.P99 > 0 && r.High.P99 > 0 {
				values["high p99 ratio"] = r.High.P99 / alone.High.P99
			}
			b.results.add("overload", x.name, values)
		}
	}
	return nil
}
