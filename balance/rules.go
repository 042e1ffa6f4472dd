package balance

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// A Rule gives a priority to the requests that meet all of its conditions, of which there must be at least
// one. A condition that is left out is met by all.
type Rule struct {
	// Priority is what they get; see [Info].
	Priority int
	// Methods are those it is for, such as "GET".
	Methods []string
	// Host is the host that was asked for, without its port; capitals make no
	// difference. "*.example.org" is for all below example.org.
	Host string
	// Path is how the path begins, by whole segments: "/admin" is for /admin and /admin/users, and
	// not for /administrators.
	Path string
	// PathMatch is a regular expression (package regexp) that the path matches somewhere.
	PathMatch string
	// Cookie is the name of a cookie that there must be. CookieMatch is a regular expression that its
	// value matches somewhere. Anybody can send any cookie: this orders requests and protects nothing.
	Cookie, CookieMatch string
	// Header is the name of a header field that there must be. HeaderMatch is a regular expression that
	// one of its values matches somewhere.
	Header, HeaderMatch string
	// Networks are some of which the client is in one, such as "192.0.2.0/24" or "2001:db8::/32".
	Networks []string
}

// maxRules bounds what is tried for each request.
const maxRules = 100

type rule struct {
	Rule                                // Path without a / at its end, Host as bareHost has it
	path, cookie, header *regexp.Regexp // nil: any
	networks             []netip.Prefix
}

// ClassifyRules returns a function for Options.Classify that gives requests the priority of the first rule
// they meet, and leaves that of others alone. The error tells all mistakes in the rules at once. There may
// be 100 of them; regular expressions take time in proportion to what they are matched with.
func ClassifyRules(rules []Rule) (func(in *Info), error) {
	if len(rules) > maxRules {
		return nil, fmt.Errorf("balance: there are %d rules; there may be %d", len(rules), maxRules)
	}
	var errs []error
	list := make([]rule, 0, len(rules))
	for i, r := range rules {
		c, mistakes := newRule(r)
		for _, err := range mistakes {
			errs = append(errs, fmt.Errorf("balance: rule %d: %w", i+1, err))
		}
		list = append(list, c)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return func(in *Info) {
		for i := range list {
			if list[i].meets(in) {
				in.Priority = list[i].Priority
				return
			}
		}
	}, nil
}

func newRule(r Rule) (c rule, errs []error) {
	c.Rule = r
	c.Methods = append([]string(nil), r.Methods...)
	c.Host = bareHost(r.Host)
	c.Path = strings.TrimSuffix(r.Path, "/")
	c.Header = http.CanonicalHeaderKey(r.Header)
	if r.Priority < -mostPriority || r.Priority > mostPriority {
		errs = append(errs, fmt.Errorf("its priority is %d; it must be between %d and %d", r.Priority, -mostPriority, mostPriority))
	}
	if len(r.Methods)+len(r.Networks) == 0 && r.Host+r.Path+r.PathMatch+r.Cookie+r.Header+r.CookieMatch+r.HeaderMatch == "" {
		errs = append(errs, errors.New(`it has no condition; for all other requests, give it the path "/"`))
	}
	if r.Host != "" && strings.Contains(strings.TrimPrefix(r.Host, "*."), "*") {
		errs = append(errs, fmt.Errorf("its host %q may have a * only as the first label, as in *.example.org", r.Host))
	}
	if r.Path != "" && r.Path[0] != '/' {
		errs = append(errs, fmt.Errorf("its path %q must begin with /", r.Path))
	}
	for _, m := range []struct {
		what, name, text string
		needs            bool
		to               **regexp.Regexp
	}{
		{"PathMatch", "", r.PathMatch, false, &c.path},
		{"CookieMatch", r.Cookie, r.CookieMatch, true, &c.cookie},
		{"HeaderMatch", r.Header, r.HeaderMatch, true, &c.header},
	} {
		if m.text == "" {
			continue
		}
		if m.needs && m.name == "" {
			errs = append(errs, fmt.Errorf("it has %s and does not say of which %s", m.what, strings.ToLower(strings.TrimSuffix(m.what, "Match"))))
		}
		var err error
		if *m.to, err = regexp.Compile(m.text); err != nil {
			errs = append(errs, fmt.Errorf("its %s is no regular expression: %w", m.what, err))
		}
	}
	for _, n := range r.Networks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			errs = append(errs, fmt.Errorf("its network %q must be like 192.0.2.0/24 or 2001:db8::/32", n))
			continue
		}
		c.networks = append(c.networks, p.Masked())
	}
	return c, errs
}

// meets tries what costs least first.
func (r *rule) meets(in *Info) bool {
	return (len(r.Methods) == 0 || slices.Contains(r.Methods, in.Method)) &&
		(r.Path == "" || strings.HasPrefix(in.Path, r.Path) && (len(in.Path) == len(r.Path) || in.Path[len(r.Path)] == '/')) &&
		(r.Host == "" || r.meetsHost(in.Host)) &&
		(len(r.networks) == 0 || slices.ContainsFunc(r.networks, func(n netip.Prefix) bool { return n.Contains(in.Client) })) &&
		(r.Header == "" || anyMatches(r.header, in.Values(r.Header))) &&
		(r.Cookie == "" || r.meetsCookie(in.Values("Cookie"))) &&
		(r.path == nil || r.path.MatchString(in.Path))
}

func (r *rule) meetsHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = bareHost(host)
	if below, ok := strings.CutPrefix(r.Host, "*"); ok {
		return len(host) > len(below) && strings.HasSuffix(host, below)
	}
	return host == r.Host
}

// bareHost: an IPv6 address has brackets only where a port may follow.
func bareHost(s string) string {
	return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
}

func (r *rule) meetsCookie(fields []string) bool {
	for _, f := range fields {
		for pair := range strings.SplitSeq(f, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.TrimSpace(name) == r.Cookie && (r.cookie == nil || r.cookie.MatchString(strings.Trim(strings.TrimSpace(value), `"`))) {
				return true
			}
		}
	}
	return false
}

func anyMatches(re *regexp.Regexp, values []string) bool {
	return len(values) > 0 && (re == nil || slices.ContainsFunc(values, re.MatchString))
}
