package balance

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// HTTPCheck is a [Checker]: a backend is well if it answers a request as it should. Redirects are not
// followed. The zero value makes a GET for the path / and is content with any status from 200 to 399.
type HTTPCheck struct {
	// Path is what is asked for, with a query if need be; "" means "/".
	Path string
	// Method is how; "" means GET.
	Method string
	// Host is the Host that is asked for, and the name that a certificate must have; "": that of the
	// backend's URL, or "localhost".
	Host string
	// Port is where, in the place of the port of the backend's URL; 0: there. Sockets have none.
	Port int
	// Statuses are the good ones; none: 200 to 399.
	Statuses []int
	// Contains must be in the first 64 KiB of the body; "": anything may.
	Contains string
	// TLS is how TLS is spoken to backends whose URL says https; nil: as usual.
	TLS *tls.Config
	// Transport speaks to backends that have a URL, and knows of TLS itself then; nil: a new connection
	// for every check, so that a listener that takes no more connections is found out.
	Transport http.RoundTripper
}

// checkTransport has no state that outlives a check.
var checkTransport = newCheckTransport(nil)

func newCheckTransport(c *tls.Config) *http.Transport {
	t := &http.Transport{DialContext: dialing(&net.Dialer{}), DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 1 << 20, TLSClientConfig: c}
	withH2C(t)
	return t
}

// maxCheckBody is how much of an answer is read; a backend that breaks off within it is not well.
const maxCheckBody = 64 << 10

// Check implements [Checker].
func (c *HTTPCheck) Check(ctx context.Context, backend Backend) (err error) {
	u, transport, err := c.target(backend)
	if err != nil {
		return err
	}
	method := c.Method
	if method == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(ctx, method, u, nil)
	if err != nil {
		return err
	}
	r.Host = c.Host
	if r.Host == "" && (backend.Handler != nil || strings.HasPrefix(backend.URL, socketScheme)) {
		r.Host = "localhost"
	}
	r.Header.Set("User-Agent", "beamrider-balance")
	res, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxCheckBody))
	if err != nil {
		return fmt.Errorf("the answer to the health check broke off: %w", err)
	}
	good := res.StatusCode >= 200 && res.StatusCode <= 399
	if len(c.Statuses) > 0 {
		good = slices.Contains(c.Statuses, res.StatusCode)
	}
	if !good {
		return fmt.Errorf("the health check was answered with status %d", res.StatusCode)
	}
	if c.Contains != "" && !bytes.Contains(body, []byte(c.Contains)) {
		return fmt.Errorf("the answer to the health check does not contain %q", c.Contains)
	}
	return nil
}

func (c *HTTPCheck) target(backend Backend) (string, http.RoundTripper, error) {
	path := c.Path
	if path == "" {
		path = "/"
	}
	if path[0] != '/' {
		return "", nil, fmt.Errorf("the path of the health check is %q; it must begin with a slash", path)
	}
	if backend.Handler != nil {
		return "http://localhost" + path, inProcess{backend.Handler}, nil
	}
	base, err := parseURL(backend.URL)
	if err != nil {
		return "", nil, err
	}
	if c.Port != 0 {
		if c.Port < 0 || c.Port > 65535 {
			return "", nil, fmt.Errorf("the port of the health check is %d; it must be between 1 and 65535", c.Port)
		}
		if !strings.HasPrefix(backend.URL, socketScheme) {
			base.Host = net.JoinHostPort(base.Hostname(), strconv.Itoa(c.Port))
		}
	}
	at := (&url.URL{Scheme: base.Scheme, Host: base.Host}).String() + path
	switch {
	case c.Transport != nil:
		return at, c.Transport, nil
	case c.TLS != nil || c.Host != "" && base.Scheme == "https":
		conf := c.TLS.Clone()
		if conf == nil {
			conf = &tls.Config{}
		}
		if conf.ServerName == "" && c.Host != "" {
			conf.ServerName = hostOnly(c.Host)
		}
		return at, newCheckTransport(conf), nil
	}
	return at, checkTransport, nil
}

func hostOnly(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return s
}

// TCPCheck is a [Checker]: a backend is well if it takes a connection. It tells less than [HTTPCheck]: a
// process that hangs still takes connections. Backends that are Handlers are always well. The zero
// value connects to where requests go.
type TCPCheck struct {
	// Port is where, in the place of the port of the backend's URL; 0: there.
	Port int
}

// Check implements [Checker].
func (c *TCPCheck) Check(ctx context.Context, backend Backend) error {
	if backend.Handler != nil {
		return nil
	}
	u, err := parseURL(backend.URL)
	if err != nil {
		return err
	}
	port := u.Port()
	switch {
	case c.Port != 0:
		port = strconv.Itoa(c.Port)
	case port == "" && u.Scheme == "https":
		port = "443"
	case port == "":
		port = "80"
	}
	conn, err := dialing(&net.Dialer{})(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// AllChecks is a [Checker]: a backend is well if all checks say so. They are made one after the other
// and share the time of one.
type AllChecks []Checker

// Check implements [Checker].
func (c AllChecks) Check(ctx context.Context, backend Backend) error {
	for _, check := range c {
		if err := check.Check(ctx, backend); err != nil {
			return err
		}
	}
	return nil
}
