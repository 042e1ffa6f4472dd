package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/balance/accesslog"
	"github.com/sugarlabs/beamrider/balance/cache"
	"github.com/sugarlabs/beamrider/balance/edge"
)

// A subject is the balancer with what it needs.
type subject struct {
	settings *settings
	balancer *balance.Balancer
	handler  http.Handler
	edge     *edge.Options                 // nil: none
	runs     []func(context.Context) error // until the server stops
}

// A feature is switched on before the balancer is made.
type feature struct {
	name string
	on   func(s *settings, o *balance.Options, x *subject) error
}

// features is everything there is, but for the limit of each backend, which workloads set.
var features = []feature{
	{"two choices by latency", func(_ *settings, o *balance.Options, _ *subject) error {
		o.Picker = balance.PowerOfTwo{}
		return nil
	}},
	{"health checks", func(_ *settings, o *balance.Options, x *subject) error {
		o.Checker = &balance.HTTPCheck{Path: "/"}
		o.CheckInterval, o.CheckTimeout, o.Fall, o.Rise = 500*time.Millisecond, 500*time.Millisecond, 2, 2
		x.runs = append(x.runs, func(ctx context.Context) error { return x.balancer.Run(ctx) })
		return nil
	}},
	{"priorities by a header", func(_ *settings, o *balance.Options, _ *subject) error {
		o.Classify = func(in *balance.Info) {
			if in.Header("X-Priority") == "high" {
				in.Priority = 1
			}
		}
		return nil
	}},
	{"queue", func(_ *settings, o *balance.Options, _ *subject) error {
		o.Queue = balance.QueueOptions{Max: 1000, MaxWait: 10 * time.Second}
		return nil
	}},
	{"cache", func(_ *settings, o *balance.Options, x *subject) error {
		c, err := cache.New(nil)
		if err != nil {
			return err
		}
		o.Cache = c
		x.runs = append(x.runs, func(ctx context.Context) error {
			<-ctx.Done()
			c.Close()
			return nil
		})
		return nil
	}},
	{"strict HTTP/1 and limits of the edge", func(_ *settings, _ *balance.Options, x *subject) error {
		// All clients of a benchmark have one address.
		x.edge = &edge.Options{MaxConnsPerAddress: -1, Writes: edge.Rate{PerSecond: -1}, StopTimeout: time.Second}
		return nil
	}},
	{"outliers and the search for stalled backends", func(_ *settings, o *balance.Options, _ *subject) error {
		o.Outliers = balance.OutlierOptions{}
		return nil
	}},
	{"slow start", func(_ *settings, o *balance.Options, _ *subject) error {
		o.SlowStart = time.Second
		return nil
	}},
	{"read-ahead for slow clients and spooled uploads", func(_ *settings, o *balance.Options, _ *subject) error {
		o.Bodies = balance.BodyOptions{}
		return nil
	}},
	{"hand-off of files", func(s *settings, o *balance.Options, x *subject) error {
		root, err := os.OpenRoot(filepath.Dir(s.log))
		if err != nil {
			return err
		}
		o.Handoff.Root = root
		x.runs = append(x.runs, func(ctx context.Context) error {
			<-ctx.Done()
			return root.Close()
		})
		return nil
	}},
	{"access log", func(s *settings, o *balance.Options, x *subject) error {
		l, err := accesslog.Open(s.log, nil)
		if err != nil {
			return err
		}
		o.Events.Done = l.Done
		x.runs = append(x.runs, l.Run)
		return nil
	}},
}

func on() []string {
	var names []string
	for _, f := range features {
		names = append(names, f.name)
	}
	return names
}

func newSubject(s *settings) (*subject, error) {
	x := &subject{settings: s}
	x.handler = x
	var o balance.Options
	for _, f := range features {
		if s.without.String() != "" && s.without.MatchString(f.name) {
			continue
		}
		if err := f.on(s, &o, x); err != nil {
			return nil, err
		}
	}
	var err error
	x.balancer, err = balance.New(s.backends, &o)
	return x, err
}

func (x *subject) ServeHTTP(w http.ResponseWriter, r *http.Request) { x.balancer.ServeHTTP(w, r) }
