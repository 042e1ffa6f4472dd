package main

import (
	"context"
	"net/http"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

// A subject is the balancer with what it needs.
type subject struct {
	settings *settings
	balancer *balance.Balancer
	handler  http.Handler
	runs     []func(context.Context) error // until the server stops
}

// A feature is switched on before the balancer is made.
type feature struct {
	name string
	on   func(s *settings, o *balance.Options, x *subject) error
}

// features is everything there is. What a workload is about beside it (the limit of each backend, the
// cache) is switched on by settings.
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
	{"access log", func(s *settings, _ *balance.Options, x *subject) error {
		l, err := openLog(s.log)
		if err != nil {
			return err
		}
		x.handler = l.wrap(x)
		x.runs = append(x.runs, l.run)
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
		if err := f.on(s, &o, x); err != nil {
			return nil, err
		}
	}
	var err error
	x.balancer, err = balance.New(s.backends, &o)
	return x, err
}

func (x *subject) ServeHTTP(w http.ResponseWriter, r *http.Request) { x.balancer.ServeHTTP(w, r) }
