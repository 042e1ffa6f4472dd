package frontdoor

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/sugarlabs/beamrider/balance/edge"
)

// Requests that are no reads, of one address: laptops ask for updates by POST, and a school has one
// address, with hundreds of laptops that wake up at the same hour.
var writes = edge.Rate{PerSecond: 100, Burst: 2000}

// Edge returns what stands between the network and a handler that the public reaches.
func Edge(h http.Handler, proxies []netip.Prefix, certificates []edge.Certificate, drain time.Duration, log *slog.Logger) (*edge.Server, error) {
	return edge.New(h, edge.Options{
		Trusted: proxies, Certificates: certificates, StopTimeout: max(drain, time.Millisecond), Writes: writes, Logger: log,
		IdleTimeout: 3 * time.Minute, // children read a page before they go on
	})
}
