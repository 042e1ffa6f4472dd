// Package site knows under which address the library is reached and from whom a request really
// comes. It decides what absolute links say, and refuses requests for names that are not ours, so
// that a foreign Host header cannot make our answers, or a cache of them, point elsewhere.
package site

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Config says how the library is reached. The zero value serves addresses, localhost and no names.
type Config struct {
	// URL is the public address, such as "https://activities.example.org"; "": whatever address
	// the request was sent to.
	URL string
	// Hosts are further names the library answers to, without ports.
	Hosts []string
	// Proxies are the networks whose X-Forwarded-For and -Proto headers are believed; nil:
	// loopback only.
	Proxies []netip.Prefix
}

// A Site answers questions about requests. It is immutable.
type Site struct {
	url     *url.URL // nil: from the request
	hosts   []string
	proxies []netip.Prefix
}

// New checks the configuration and returns every mistake in it at once.
func New(c Config) (*Site, error) {
	s := &Site{proxies: c.Proxies}
	var errs []error
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("the site's URL %q cannot be read: %w", c.URL, err))
		case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "", u.User != nil:
			errs = append(errs, fmt.Errorf("the site's URL %q must be http:// or https:// and a host, with nothing behind it", c.URL))
		default:
			u.Path = ""
			s.url = u
			s.hosts = append(s.hosts, strings.ToLower(u.Hostname()))
		}
	}
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/: ") {
			errs = append(errs, fmt.Errorf("the host name %q must be a bare name without port or path", h))
			continue
		}
		s.hosts = append(s.hosts, strings.ToLower(h))
	}
	if s.proxies == nil {
		s.proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// Knows reports whether a request's Host is one the library answers to: an address, localhost, or
// a configured name, with or without a port. What it knows can stand in a link as it is.
func (s *Site) Knows(host string) bool {
	name, port, err := net.SplitHostPort(host)
	bracketed := strings.HasPrefix(host, "[")
	if err != nil {
		name = host
		if inner, closed := strings.CutSuffix(host, "]"); bracketed && closed {
			name = inner[1:]
		}
	}
	if strings.Trim(port, "0123456789") != "" {
		return false
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		return !strings.ContainsFunc(addr.Zone(), notOfZone)
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return !bracketed && (name == "localhost" || slices.Contains(s.hosts, name))
}

// notOfZone reports whether r has no place in the name of a network interface as RFC 6874 writes it.
func notOfZone(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("%._~-", r))
}

// Guard answers 421 (RFC 9110, section 15.5.20) to requests for names that are not ours.
func (s *Site) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.Knows(r.Host) {
			w.Header().Set("X-Content-Type-Options", "nosniff")
			http.Error(w, fmt.Sprintf("This server does not answer for %q. Its administrator can add the name to site.hosts.", r.Host), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Base returns the start of absolute links on pages, without a slash at the end.
func (s *Site) Base(r *http.Request) string {
	if s.url != nil {
		return s.url.String()
	}
	return s.scheme(r) + "://" + r.Host
}

// ClientBase is Base with the scheme that the request came by: a Sugar client that asked over
// plain HTTP cannot always follow a link to HTTPS.
func (s *Site) ClientBase(r *http.Request) string {
	if s.url != nil {
		return s.scheme(r) + "://" + s.url.Host
	}
	return s.scheme(r) + "://" + r.Host
}

func (s *Site) scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	if s.trusted(peer(r)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return "https"
	}
	return "http"
}

// Client returns the address a request comes from: the peer's, or where that is a trusted proxy,
// the last address in X-Forwarded-For that is not one itself. It is the zero Addr when unknown.
func (s *Site) Client(r *http.Request) netip.Addr {
	addr := peer(r)
	if !s.trusted(addr) {
		return addr
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(forwarded) {
		a, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			return addr
		}
		addr = a.Unmap()
		if !s.trusted(addr) {
			break
		}
	}
	return addr
}

// Inside reports whether a request comes from a trusted proxy's network for itself, and not for
// somebody beyond.
func (s *Site) Inside(r *http.Request) bool { return s.trusted(s.Client(r)) }

// Proxied reports whether one of the trusted proxies has sent the request, for itself or for somebody
// beyond.
func (s *Site) Proxied(r *http.Request) bool { return s.trusted(peer(r)) }

func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

func (s *Site) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}
