package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/sugarlabs/beamrider/balance/edge"
	"github.com/sugarlabs/beamrider/internal/frontdoor"
	"github.com/sugarlabs/beamrider/internal/httpserver"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/site"
)

func newBalancer(c *config, st *site.Site, local http.Handler, stop func(), log *slog.Logger) (*frontdoor.Door, error) {
	d, err := frontdoor.New(frontdoor.Config{
		Site: st, Local: local, Others: c.backends, Proxies: c.proxies, Logger: log,
		NodeFile: c.nodeFile, InFlight: c.inFlight, Kept: c.kept, Log: c.requestLog, Console: c.console, Stop: stop, Version: buildInfo().Version,
	})
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindInvalid, Code: "config.balancer", Message: "The section balancer of the configuration has mistakes.", Err: err}
	}
	return d, nil
}

type balancerCmd struct {
	Command []string `arg:"" help:"The command, such as show pool; help lists them."`
}

func (c *balancerCmd) Help() string {
	return `Talks to the console of the balancer that runs on this machine with the same configuration, at
balancer.console. With "json" at the end the answer is JSON.

  remora-server balancer help --config /etc/remora/remora.toml
  remora-server balancer summary
  remora-server balancer drain sunjammer`
}

func (c *balancerCmd) Run(ctx context.Context, a *app) error {
	if a.config.console == "" {
		return remora.Errorf(remora.KindInvalid, "console.unset", "balancer.console is not set, so the balancer has no console. Set it to the path of a socket, such as /run/remora/console, for the balancer and here.")
	}
	return frontdoor.Ask(ctx, a.config.console, c.Command, a.stdout)
}

// certificates returns those for https; none without it.
func (c *config) certificates() []edge.Certificate {
	if c.certificate == "" {
		return nil
	}
	return []edge.Certificate{{CertFile: c.certificate, KeyFile: c.certificateKey}}
}

// answer serves at a door until ctx ends.
func (s *server) answer(ctx context.Context, d door) error {
	if !d.public {
		return httpserver.Serve(ctx, d.Listener, d.handler, s.config.drain, s.log)
	}
	e, err := frontdoor.Edge(d.handler, s.config.proxies, s.config.certificates(), s.config.drain, s.log)
	if err != nil {
		return err
	}
	return e.Serve(ctx, edge.Listener{Listener: d.Listener, TLS: d.tls, Proxy: s.config.proxyProtocol})
}
