package balance

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/sugarlabs/beamrider/balance/internal/proxies"
)

// ForwardOptions are what backends are told of clients besides X-Forwarded-For, -Host, -Proto and -Port.
type ForwardOptions struct {
	// Forwarded sets the field Forwarded (RFC 7239) too, with for, host and proto; what the proxies of
	// Options.Trusted say in it stands before. It is off since a backend that reads both kinds must decide
	// which to believe; the field is removed then.
	Forwarded bool
	// RealIP sets X-Real-IP to the client's address, as in Info.Client. When it is off, only the
	// proxies of Options.Trusted may send that field.
	RealIP bool
}

// setTarget keeps path and query as the client sent them.
func setTarget(out, in *url.URL) {
	// ReverseProxy drops parameters of the query that Go does not parse. Nothing here decides by the query.
	// A space, which HTTP/2 lets pass, would end the target in HTTP/1.
	out.RawQuery = in.RawQuery
	if strings.IndexByte(out.RawQuery, ' ') >= 0 {
		out.RawQuery = strings.ReplaceAll(out.RawQuery, " ", "%20")
	}
	// Go would escape some characters that browsers do not.
	if in.RawPath != "" && !strings.HasPrefix(in.RawPath, "//") && in.EscapedPath() != in.RawPath && strings.IndexByte(in.RawPath, ' ') < 0 {
		out.Opaque = in.RawPath
	}
}

// setForwarded replaces the fields in h that tell of the client by those for the request in. Names of
// them that some backends take for the same (X_Forwarded_For, as CGI would have it) are removed.
func (b *Balancer) setForwarded(h http.Header, in *http.Request) {
	// A request behind a fake address (a Unix socket) has a RemoteAddr without a port.
	address, _, err := net.SplitHostPort(in.RemoteAddr)
	if err != nil {
		address = ""
	}
	client, trusted := b.peer(in.RemoteAddr)
	for name := range h {
		if !trusted && strings.HasPrefix(name, "X-Forwarded-") || strings.IndexByte(name, '_') >= 0 && alias(name) {
			delete(h, name)
		}
	}
	host, proto, port := in.Host, "http", ""
	if in.TLS != nil {
		proto = "https"
	}
	forwarded := address
	if trusted {
		if prior := strings.Join(in.Header["X-Forwarded-For"], ", "); prior != "" {
			forwarded = prior + ", " + address
		}
		if v := in.Header.Get("X-Forwarded-Host"); v != "" {
			host = v
		}
		if v := in.Header.Get("X-Forwarded-Proto"); v == "http" || v == "https" {
			proto = v
		}
		if v := in.Header.Get("X-Forwarded-Port"); digits(v) {
			port = v
		}
	}
	if port == "" {
		port = hostPort(host, proto)
	}
	// One allocation for all values; nobody can append to one and reach the next.
	v := &[4]string{host, proto, port, forwarded}
	h["X-Forwarded-Host"], h["X-Forwarded-Proto"], h["X-Forwarded-Port"] = v[0:1:1], v[1:2:2], v[2:3:3]
	if forwarded == "" {
		delete(h, "X-Forwarded-For")
	} else {
		h["X-Forwarded-For"] = v[3:4:4]
	}
	b.setMore(h, in, host, proto, trusted)
	if !b.o.Forward.RealIP {
		return
	}
	if trusted {
		client = b.forwardedFor(client, in.Header["X-Forwarded-For"])
	}
	if client.IsValid() {
		h["X-Real-Ip"] = []string{client.WithZone("").String()}
	}
}

// setMore sets what is set seldom: Forwarded, and X-Real-IP as a trusted proxy has it.
func (b *Balancer) setMore(h http.Header, in *http.Request, host, proto string, trusted bool) {
	real := in.Header["X-Real-Ip"]
	switch {
	case trusted && real != nil:
		h["X-Real-Ip"] = real[:len(real):len(real)] // a Connection field may have named it
	case real != nil:
		delete(h, "X-Real-Ip")
	}
	if !b.o.Forward.Forwarded {
		delete(h, "Forwarded")
		return
	}
	who := "unknown"
	if peer, _ := b.peer(in.RemoteAddr); peer.IsValid() {
		who = peer.WithZone("").String()
		if peer.Is6() {
			who = `"[` + who + `]"`
		}
	}
	element := "for=" + who + ";host=" + quoted(host) + ";proto=" + proto
	if prior := in.Header["Forwarded"]; trusted && len(prior) > 0 {
		element = strings.Join(prior, ", ") + ", " + element
	}
	h["Forwarded"] = []string{element}
}

// quoted returns a host as a quoted string, whatever a client has put there.
func quoted(host string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(host) + `"`
}

func digits(s string) bool {
	return s != "" && len(s) <= 5 && strings.Trim(s, "0123456789") == ""
}

// hostPort is the port the client has asked for.
func hostPort(host, proto string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && digits(host[i+1:]) {
		return host[i+1:]
	}
	if proto == "https" {
		return "443"
	}
	return "80"
}

// alias reports whether a name with an underscore is taken by some servers for that of a field that is
// set here or says where a message ends.
func alias(name string) bool {
	n := textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
	switch n {
	case "Forwarded", "X-Real-Ip", "Host", "Content-Length", "Transfer-Encoding", "Connection", "Te", "Trailer", "Upgrade", "Expect", "Keep-Alive", "Proxy":
		return true
	}
	return strings.HasPrefix(n, "X-Forwarded-") || strings.HasPrefix(n, "X-Queue-")
}

// setTrailer has the fields after the body follow it. Those that RFC 9110, section 6.5.1, has no place for
// there are left out: a backend might believe them.
func setTrailer(out, in *http.Request) {
	if len(in.Trailer) == 0 || out.Body == nil {
		return
	}
	out.Trailer = make(http.Header, len(in.Trailer))
	for name := range in.Trailer {
		if trails(name) {
			out.Trailer[name] = nil
		}
	}
	out.Body = &trailed{out.Body, in, out.Trailer}
}

// A trailed body is followed by fields.
type trailed struct {
	io.ReadCloser
	in *http.Request
	to http.Header
}

func (t *trailed) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err == io.EOF {
		for name := range t.to {
			t.to[name] = t.in.Trailer[name]
		}
	}
	return n, err
}

func trails(name string) bool {
	switch name {
	case "Authorization", "Cookie", "Host", "Range", "Expect", "Connection", "Te", "Trailer", "Upgrade", "Keep-Alive", "Transfer-Encoding", "Max-Forwards", "Cache-Control", "Forwarded", "X-Real-Ip":
		return false
	}
	return !strings.HasPrefix(name, "Content-") && !strings.HasPrefix(name, "X-Forwarded-") && !strings.HasPrefix(name, "Proxy-") &&
		!strings.HasPrefix(name, "If-") && (strings.IndexByte(name, '_') < 0 || !alias(name))
}

func (b *Balancer) peer(remote string) (address netip.Addr, trusted bool) {
	return proxies.Networks(b.o.Trusted).Peer(remote)
}

func (b *Balancer) forwardedFor(peer netip.Addr, fields []string) netip.Addr {
	return proxies.Networks(b.o.Trusted).Client(peer, fields)
}
