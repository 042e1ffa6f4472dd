package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

func small(ctx context.Context, b *bench) error {
	return b.closed(ctx, "small", "1 KiB, keep-alive, 64 connections", 64, "/bytes/1024", job{},
		b.ours(), b.bare(), haproxy, nginx, caddy, perlbal)
}

func cached(ctx context.Context, b *bench) error {
	err := b.closed(ctx, "cached 1 KiB", "a cached page of 1 KiB, 64 connections", 64, "/page/1024", job{cache: true},
		b.ours(), varnish, varnishQuiet, haproxy, nginx)
	return errors.Join(err, b.closed(ctx, "cached 20 kB", "a cached page of 20 kB, 64 connections", 64, "/page/20000", job{cache: true},
		b.ours(), varnish, varnishQuiet, haproxy, nginx))
}

func large(ctx context.Context, b *bench) error {
	return b.closed(ctx, "large", "1 MiB, 16 connections", 16, "/bytes/1048576", job{},
		b.ours(), b.bare(), haproxy, nginx, caddy, perlbal)
}

// closed measures what requests cost when each connection asks again as soon as it is answered. The
// proxies take turns, so that what else the machine does falls upon all of them.
func (b *bench) closed(ctx context.Context, name, title string, connections int, path string, j job, peers ...peer) (err error) {
	backends, addresses, err := b.backends(ctx, 2)
	defer func() { err = errors.Join(err, killAll(backends)) }()
	if err != nil {
		return err
	}
	j.backends = addresses
	proxies, err := b.start(ctx, name, j, peers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopAll(proxies)) }()
	b.results.title(name, title)
	for _, x := range proxies {
		b.results.about(name, x.name, x.says(), x.note)
		if _, err := runWrk(ctx, connections, time.Second, "http://"+x.address()+path); err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
	}
	for round := range b.rounds {
		b.say("%s: round %d of %d", name, round+1, b.rounds)
		for _, x := range rotated(proxies, round) {
			proxyBefore, backendBefore := cpu(x.processes...), cpu(backends...)
			r, err := runWrk(ctx, connections, b.lasts, "http://"+x.address()+path)
			if err != nil {
				return fmt.Errorf("%s: %w", x.name, err)
			}
			proxyCPU, backendCPU := cpu(x.processes...)-proxyBefore, cpu(backends...)-backendBefore
			per := func(d time.Duration) float64 { return d.Seconds() / float64(r.Requests) * 1e5 }
			b.results.add(name, x.name, map[string]float64{
				"requests/s": r.Rate, "p50 ms": milliseconds(r.P50), "p99 ms": milliseconds(r.P99),
				"CPU s per 100k": per(proxyCPU), "all CPU s per 100k": per(proxyCPU + backendCPU + r.CPU),
				"bad": float64(r.Bad),
			})
			// The logs of fast ones fill disks.
			if err := os.Truncate(x.log, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
