package cache

import (
	"net/http"
	"strings"
)

// RequestControl is what a request says to caches (RFC 9111, section 5.2.1). What cannot be read is
// taken the stricter way: the cache then asks the server.
type RequestControl struct {
	NoCache      bool
	NoStore      bool
	NoTransform  bool
	OnlyIfCached bool
	MaxAge       Delta
	MinFresh     Delta
	// MaxStale is MaxAge where the client takes any age.
	MaxStale Delta
}

// ParseRequest reads Cache-Control and, where that is missing, Pragma from the header of a request.
// Of a directive that is given twice the stricter one holds. Unknown directives are ignored (RFC
// 9111, section 5.2.3).
func ParseRequest(h http.Header) RequestControl {
	return parseRequest(h["Cache-Control"], h["Pragma"])
}

func parseRequest(control, pragma []string) (c RequestControl) {
	directives(control, func(d directive) {
		t, ok := d.delta()
		switch d.name {
		case "no-cache":
			c.NoCache = true
		case "no-store":
			c.NoStore = true
		case "no-transform":
			c.NoTransform = true
		case "only-if-cached":
			c.OnlyIfCached = true
		case "max-age":
			if !c.MaxAge.Given || t < c.MaxAge.Time {
				c.MaxAge = Delta{true, t}
			}
		case "min-fresh":
			if !ok {
				t = MaxAge
			}
			c.MinFresh = Delta{true, max(t, c.MinFresh.Time)}
		case "max-stale":
			if !d.argument && !d.broken {
				t, ok = MaxAge, true // section 5.2.1.2: any age
			}
			if !ok {
				t = 0
			}
			if !c.MaxStale.Given || t < c.MaxStale.Time {
				c.MaxStale = Delta{true, t}
			}
		}
	})
	// Section 5.4: what clients of HTTP/1.0 say instead.
	if len(control) == 0 {
		for _, line := range pragma {
			for line != "" {
				var member string
				member, line = cutMember(line)
				if strings.EqualFold(strings.Trim(member, " \t"), "no-cache") {
					c.NoCache = true
				}
			}
		}
	}
	return c
}

// ResponseControl is what a response says to caches (RFC 9111, section 5.2.2; RFC 5861 for the two
// stale directives; RFC 8246 for immutable). What cannot be read is taken the stricter way: times
// are zero, what forbids holds, what allows does not.
type ResponseControl struct {
	// NoCache: every use needs a validation. NoCacheFields are the header fields, in canonical form,
	// for which alone that was said; it is empty where NoCache is set.
	NoCache       bool
	NoCacheFields []string
	NoStore       bool
	NoTransform   bool
	// Private: shared caches store nothing. PrivateFields are the header fields, in canonical form,
	// for which alone that was said; it is empty where Private is set.
	Private         bool
	PrivateFields   []string
	Public          bool
	MustRevalidate  bool
	ProxyRevalidate bool
	MustUnderstand  bool
	Immutable       bool
	MaxAge          Delta
	SMaxAge         Delta
	// StaleWhileRevalidate and StaleIfError count from the end of the freshness lifetime.
	StaleWhileRevalidate Delta
	StaleIfError         Delta
}

// ParseResponse reads Cache-Control from the header of a response. A time that is given twice, and
// not with the same value, is zero (RFC 9111, section 4.2.1: "the response should be considered
// stale"). Unknown directives are ignored (section 5.2.3).
func ParseResponse(h http.Header) (c ResponseControl) {
	directives(h["Cache-Control"], func(d directive) {
		plain := !d.argument && !d.broken
		switch d.name {
		case "no-store":
			c.NoStore = true
		case "no-transform":
			c.NoTransform = true
		case "must-revalidate":
			c.MustRevalidate = true
		case "proxy-revalidate":
			c.ProxyRevalidate = true
		case "no-cache":
			c.NoCacheFields, c.NoCache = fieldNames(d, c.NoCacheFields, c.NoCache)
		case "private":
			c.PrivateFields, c.Private = fieldNames(d, c.PrivateFields, c.Private)
		case "public":
			c.Public = c.Public || plain
		case "must-understand":
			c.MustUnderstand = c.MustUnderstand || plain
		case "immutable":
			c.Immutable = c.Immutable || plain
		case "max-age":
			once(&c.MaxAge, d)
		case "s-maxage":
			once(&c.SMaxAge, d)
		case "stale-while-revalidate":
			once(&c.StaleWhileRevalidate, d)
		case "stale-if-error":
			once(&c.StaleIfError, d)
		}
	})
	return c
}

// once notes the time that d gives, or none if to holds another one.
func once(to *Delta, d directive) {
	t, _ := d.delta()
	if to.Given && to.Time != t {
		t = 0
	}
	*to = Delta{true, t}
}

// fieldNames adds the names that d lists. The directive without a list, or with one that cannot be
// read, is about the whole response (sections 5.2.2.4 and 5.2.2.7).
func fieldNames(d directive, names []string, whole bool) ([]string, bool) {
	if whole || d.broken || !d.argument {
		return nil, true
	}
	found := false
	for name := range strings.SplitSeq(d.value, ",") {
		switch name = strings.Trim(name, " \t"); {
		case name == "":
		case !isToken(name):
			return nil, true
		default:
			names, found = append(names, http.CanonicalHeaderKey(name)), true
		}
	}
	if !found {
		return nil, true
	}
	return names, false
}
