package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/internal/probe"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/peer"
	"github.com/sugarlabs/beamrider/remora/site"
)

// How front ends are watched. A front end that is told to stop goes on for lameDuck, so that by
// then every balancer has seen that it is not ready.
const (
	checkInterval = 500 * time.Millisecond
	checkTimeout  = time.Second
	checkFall     = 2
	dialTimeout   = 500 * time.Millisecond // front ends are on the same network
	lameDuck      = (checkFall + 1) * checkInterval
)

// A balancer spreads requests over front ends. The one of this process needs no network.
type balancer struct {
	*balance.Balancer
	local    http.Handler // nil: none
	mux      *http.ServeMux
	follower *peer.Follower // of what front ends show
}

func newBalancer(c *config, st *site.Site, local http.Handler, log *slog.Logger) (*balancer, error) {
	b := &balancer{local: local, mux: http.NewServeMux()}
	var err error
	b.Balancer, err = balance.New(b.backends(c), &balance.Options{
		Checker: &balance.HTTPCheck{Path: "/readyz"}, CheckInterval: checkInterval, CheckTimeout: checkTimeout, Fall: checkFall, DialTimeout: dialTimeout,
		Trusted: c.proxies, Logger: log,
		// A front end that cannot read a file just now is not the only one.
		Elsewhere: func(in balance.Info, status int) bool { return status == http.StatusServiceUnavailable },
	})
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindInvalid, Code: "config.balancer", Message: "The section balancer of the configuration has mistakes.", Err: err}
	}
	b.follower, err = peer.NewFollower(peer.FollowerConfig{Transport: b.RoundTripper(), Logger: log, OnChange: func(e peer.Event) {
		log.Debug("front ends show changes", "seq", e.Position.Seq, "changes", len(e.Changes), "all", e.Gap)
	}})
	if err != nil {
		return nil, err
	}
	b.mux.Handle("/internal/balancer", probe.Inside(st, b.StatusHandler()))
	b.mux.HandleFunc("GET /internal/balancer/live", probe.Live)
	return b, nil
}

func (b *balancer) backends(c *config) (list []balance.Backend) {
	if b.local != nil {
		list = append(list, balance.Backend{Name: "here", Handler: b.local})
	}
	for _, n := range c.backends {
		list = append(list, balance.Backend{Name: n.Name, URL: n.URL})
	}
	return list
}

// ServeHTTP keeps for the balancer what is asked of it alone, and gives the rest to a front end.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h, pattern := b.mux.Handler(r); pattern != "" {
		h.ServeHTTP(w, r)
		return
	}
	b.Balancer.ServeHTTP(w, r)
}
