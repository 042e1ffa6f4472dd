package balance

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestInfo: what policies see of a request; proxies are believed as far as they are trusted.
func TestInfo(t *testing.T) {
	for name, tt := range map[string]struct {
		method, target, remote string
		tls                    bool
		header                 http.Header
		want                   Info
	}{
		"direct": {"GET", "/a%20b?q=1;x", "192.0.2.1:5", false, nil,
			Info{Method: "GET", Scheme: "http", Host: "example.org", Path: "/a b", Target: "/a%20b?q=1;x", Client: netip.MustParseAddr("192.0.2.1")}},
		"absolute form": {"GET", "http://example.org/x?y", "192.0.2.1:5", false, nil,
			Info{Method: "GET", Scheme: "http", Host: "example.org", Path: "/x", Target: "/x?y", Client: netip.MustParseAddr("192.0.2.1")}},
		"TLS, IPv4 in IPv6": {"POST", "/", "[::ffff:192.0.2.1]:5", true, nil,
			Info{Method: "POST", Scheme: "https", Host: "example.org", Path: "/", Target: "/", Client: netip.MustParseAddr("192.0.2.1")}},
		"a stranger's claims": {"GET", "/", "192.0.2.1:5", false, http.Header{"X-Forwarded-For": {"10.9.9.9"}, "X-Forwarded-Proto": {"https"}},
			Info{Method: "GET", Scheme: "http", Host: "example.org", Path: "/", Target: "/", Client: netip.MustParseAddr("192.0.2.1")}},
		"a proxy": {"GET", "/", "10.0.0.1:5", false, http.Header{"X-Forwarded-For": {"203.0.113.7"}, "X-Forwarded-Proto": {"https"}},
			Info{Method: "GET", Scheme: "https", Host: "example.org", Path: "/", Target: "/", Client: netip.MustParseAddr("203.0.113.7")}},
		"a chain of proxies": {"GET", "/", "10.0.0.1:5", false, http.Header{"X-Forwarded-For": {"198.51.100.1, 203.0.113.7", "10.0.0.2"}},
			Info{Method: "GET", Scheme: "http", Host: "example.org", Path: "/", Target: "/", Client: netip.MustParseAddr("203.0.113.7")}},
		"a proxy's nonsense": {"GET", "/", "10.0.0.1:5", false, http.Header{"X-Forwarded-For": {"203.0.113.7, unknown, 10.0.0.3"}, "X-Forwarded-Proto": {"gopher"}},
			Info{Method: "GET", Scheme: "http", Host: "example.org", Path: "/", Target: "/", Client: netip.MustParseAddr("10.0.0.3")}},
		"no address": {"GET", "/", "@", false, http.Header{"X-Forwarded-For": {"203.0.113.7"}},
			Info{Method: "GET", Scheme: "http", Host: "example.org", Path: "/", Target: "/"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got Info
			b := mustNew(t, []Backend{{Name: "a", Handler: http.NotFoundHandler()}}, &Options{
				Trusted:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
				Classify: func(in *Info) { got = *in },
			})
			r := httptest.NewRequest(tt.method, tt.target, nil)
			r.Host, r.RemoteAddr, r.TLS = "example.org", tt.remote, nil
			if tt.tls {
				r.TLS = new(tls.ConnectionState)
			}
			if tt.header != nil {
				r.Header = tt.header
			}
			b.ServeHTTP(httptest.NewRecorder(), r)
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Info{}, "Header", "Values"), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.header["X-Forwarded-For"], got.Values("x-forwarded-for")); diff != "" {
				t.Errorf("Values (-want +got)\n%s", diff)
			}
		})
	}
}
