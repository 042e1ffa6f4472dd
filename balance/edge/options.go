package edge

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/sugarlabs/beamrider/balance/internal/bounds"
	"github.com/sugarlabs/beamrider/balance/internal/proxies"
)

// Options are what may be left out; the zero value is good. Numbers and durations that are 0 have the
// default that is given with them; where it is said, a negative one means no limit.
type Options struct {
	// Trusted are the networks of proxies before this server. Their connections are not counted, the
	// X-Forwarded-For they send is believed where clients are told apart, and only they may begin with
	// a PROXY header.
	Trusted []netip.Prefix
	// Certificates are for the listeners that speak TLS. Clients get the first that has the name they
	// ask for and an algorithm they know; if none has, the first of all.
	Certificates []Certificate
	// CertificateInterval is how often their files are looked at; 10 s.
	CertificateInterval time.Duration
	// Logger gets what an administrator must know; at level debug also each refused request. nil: none.
	Logger *slog.Logger

	// MaxHeaderBytes is the most that the request line and the fields may have, 1 KiB to 1 MiB; 32 KiB.
	// Beyond it the answer is 431, or 414 for the request line.
	MaxHeaderBytes int
	// MaxFields is the most fields a request may have, 10 to 10,000; 128.
	MaxFields int
	// HeaderTimeout bounds the time from a request's first byte to the end of its header, and with it
	// that from a connection to its first request; 15 s.
	HeaderTimeout time.Duration
	// IdleTimeout bounds the time between requests; 75 s.
	IdleTimeout time.Duration
	// HandshakeTimeout bounds the PROXY header and the TLS handshake, each; 10 s.
	HandshakeTimeout time.Duration
	// StopTimeout is how long requests may go on after the server is told to stop; 30 s.
	StopTimeout time.Duration

	// MaxConns is how many connections there may be in all, 1 to 1,000,000; 10,000. Further ones take the
	// place of one of HTTP/1 that is between two requests, if there is one; else they get a 503 where it
	// can be had for nothing, and are closed.
	MaxConns int
	// MaxConnsPerAddress is how many of them one client may have, an IPv4 address or a /64 of IPv6;
	// 2,000, since schools share an address. Negative: no limit.
	MaxConnsPerAddress int
	// MaxHandshakes is how many connections may be in their PROXY header or TLS handshake at a time, 1 to
	// 1,000,000; as many as MaxConns. It should be well above MaxConnsPerAddress, or one client could
	// keep all others from TLS.
	MaxHandshakes int

	// RateWindow is the time over which rates are measured; 20 s. A client must let nothing pass for so
	// long, twice if it is unlucky in when the clock is read.
	RateWindow time.Duration
	// MinUploadRate is how many bytes of a body a client must send each second while it is waited for;
	// 128, negative: any. Slower ones get 408.
	MinUploadRate int
	// MinDownloadRate is how many bytes a client must take each second, measured where the kernel takes
	// them; 128, negative: any. Slower ones are cut.
	MinDownloadRate int

	// Writes limits the requests of one client (as in MaxConnsPerAddress) whose method is not GET, HEAD,
	// OPTIONS or TRACE; the zero value is 20 a second and 200 at once. Beyond it the answer is 429.
	Writes Rate
	// Reads limits the others; the zero value is no limit, since a class of children shares one address.
	Reads Rate

	// PlainFromUntrusted has a listener for the PROXY protocol serve connections from elsewhere as they
	// are, instead of closing them.
	PlainFromUntrusted bool
}

// A Rate is a bucket of Burst requests that PerSecond refill; PerSecond < 0: no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

func (r *Rate) check(name string) error {
	if r.PerSecond < 0 || *r == (Rate{}) {
		return nil
	}
	if !(r.PerSecond > 0 && r.PerSecond <= 1e6) || r.Burst < 1 || r.Burst > 1e6 {
		return fmt.Errorf("balance/edge: Options.%s is %v a second and %d at once; both must be above 0 and at most 1,000,000, or the first below 0 for no limit", name, r.PerSecond, r.Burst)
	}
	return nil
}

// withDefaults returns a checked copy.
func (o Options) withDefaults() (Options, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var errs []error
	errs = append(errs, bounds.Durations("balance/edge: Options.",
		bounds.Setting{Name: "CertificateInterval", Value: &o.CertificateInterval, Default: 10 * time.Second},
		bounds.Setting{Name: "HeaderTimeout", Value: &o.HeaderTimeout, Default: 15 * time.Second},
		bounds.Setting{Name: "IdleTimeout", Value: &o.IdleTimeout, Default: 75 * time.Second},
		bounds.Setting{Name: "HandshakeTimeout", Value: &o.HandshakeTimeout, Default: 10 * time.Second},
		bounds.Setting{Name: "StopTimeout", Value: &o.StopTimeout, Default: 30 * time.Second},
		bounds.Setting{Name: "RateWindow", Value: &o.RateWindow, Default: 20 * time.Second},
	)...)
	if o.MaxConns == 0 {
		o.MaxConns = 10_000
	}
	for _, n := range []struct {
		name             string
		value            *int
		def, least, most int
		negative         bool
	}{
		{"MaxHeaderBytes", &o.MaxHeaderBytes, 32 << 10, 1 << 10, 1 << 20, false},
		{"MaxFields", &o.MaxFields, 128, 10, 10_000, false},
		{"MaxConns", &o.MaxConns, 10_000, 1, 1_000_000, false},
		{"MaxConnsPerAddress", &o.MaxConnsPerAddress, 2000, 1, 1_000_000, true},
		{"MaxHandshakes", &o.MaxHandshakes, o.MaxConns, 1, 1_000_000, false},
		{"MinUploadRate", &o.MinUploadRate, 128, 1, 1 << 30, true},
		{"MinDownloadRate", &o.MinDownloadRate, 128, 1, 1 << 30, true},
	} {
		if *n.value == 0 {
			*n.value = n.def
		}
		if n.negative && *n.value < 0 {
			continue
		}
		if *n.value < n.least || *n.value > n.most {
			errs = append(errs, fmt.Errorf("balance/edge: Options.%s is %d; it must be between %d and %d, or 0 for %d", n.name, *n.value, n.least, n.most, n.def))
		}
	}
	errs = append(errs, o.Writes.check("Writes"), o.Reads.check("Reads"))
	if o.Writes == (Rate{}) {
		o.Writes = Rate{PerSecond: 20, Burst: 200}
	}
	o.Trusted = append([]netip.Prefix(nil), o.Trusted...)
	for _, p := range o.Trusted {
		if !p.IsValid() {
			errs = append(errs, errors.New("balance/edge: Options.Trusted has a network that is not valid; parse it with netip.ParsePrefix"))
		}
	}
	return o, errors.Join(errs...)
}

func (o *Options) trusted() proxies.Networks { return proxies.Networks(o.Trusted) }
