package balance

import (
	"crypto/tls"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestForwardOptions: what is told of clients besides the usual, from whom it is believed, and that no
// spelling and no Connection field gets around it.
func TestForwardOptions(t *testing.T) {
	claims := http.Header{
		"Forwarded": {"for=1.2.3.4"}, "X-Real-Ip": {"6.6.6.6"}, "X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Port": {"1"}, "X-Forwarded-Prefix": {"/evil"},
		"X_forwarded_for": {"6.6.6.6"}, "X_Forwarded-Host": {"evil"}, "X-Real_ip": {"6.6.6.6"}, "Content_length": {"5"}, "Transfer_encoding": {"chunked"}, "X_other": {"stays"},
		"Connection": {"x-forwarded-for, X-Forwarded-Host, X-Forwarded-Proto, X-Forwarded-Port, X-Real-IP, Forwarded, close"},
	}
	names := []string{"Forwarded", "X-Real-Ip", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix",
		"X_forwarded_for", "X_Forwarded-Host", "X-Real_ip", "Content_length", "Transfer_encoding", "X_other"}
	for name, tt := range map[string]struct {
		o      ForwardOptions
		remote string
		host   string
		tls    bool
		claims http.Header
		want   string // values in the order of names
	}{
		"plain":            {ForwardOptions{}, "192.0.2.1:5", "example.org", false, nil, "||192.0.2.1|example.org|http|80|||||||"},
		"TLS":              {ForwardOptions{}, "192.0.2.1:5", "example.org", true, nil, "||192.0.2.1|example.org|https|443|||||||"},
		"port":             {ForwardOptions{}, "192.0.2.1:5", "[::1]:8080", false, nil, "||192.0.2.1|[::1]:8080|http|8080|||||||"},
		"claims":           {ForwardOptions{}, "192.0.2.1:5", "example.org", false, claims, "||192.0.2.1|example.org|http|80|||||||stays"},
		"trusted":          {ForwardOptions{}, "10.0.0.1:5", "example.org", false, claims, "|6.6.6.6|1.2.3.4, 10.0.0.1|example.org|http|1|/evil||||||stays"},
		"all":              {ForwardOptions{true, true}, "192.0.2.1:5", "example.org", true, claims, `for=192.0.2.1;host="example.org";proto=https|192.0.2.1|192.0.2.1|example.org|https|443|||||||stays`},
		"all from trusted": {ForwardOptions{true, true}, "10.0.0.1:5", "example.org", false, claims, `for=1.2.3.4, for=10.0.0.1;host="example.org";proto=http|1.2.3.4|1.2.3.4, 10.0.0.1|example.org|http|1|/evil||||||stays`},
		"IPv6":             {ForwardOptions{true, true}, "[2001:db8::1]:5", "example.org:81", false, nil, `for="[2001:db8::1]";host="example.org:81";proto=http|2001:db8::1|2001:db8::1|example.org:81|http|81|||||||`},
		"Unix socket":      {ForwardOptions{true, true}, "@", "example.org", false, claims, `for=unknown;host="example.org";proto=http|||example.org|http|80|||||||stays`},
		"quotes":           {ForwardOptions{Forwarded: true}, "192.0.2.1:5", `a"\b`, false, nil, `for=192.0.2.1;host="a\"\\b";proto=http||192.0.2.1|a"\b|http|80|||||||`},
	} {
		for _, kind := range []string{"address", "handler"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				if kind == "address" && strings.Contains(tt.host, `"`) {
					return // the transport refuses such a host
				}
				var seen http.Header
				h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header })
				e := Backend{Name: "a", Handler: h}
				if kind == "address" {
					e = Backend{Name: "a", URL: serve(t, h).URL}
				}
				b := mustNew(t, []Backend{e}, &Options{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Forward: tt.o})
				r := httptest.NewRequest("GET", "http://x/", nil)
				r.RemoteAddr, r.Host = tt.remote, tt.host
				maps.Copy(r.Header, tt.claims.Clone())
				if tt.tls {
					r.TLS = new(tls.ConnectionState)
				}
				before := r.Header.Clone()
				b.ServeHTTP(httptest.NewRecorder(), r)
				var got []string
				for _, n := range names {
					if n == "X-Forwarded-Prefix" && kind == "handler" || seen[n] == nil {
						// Names are made canonical on the way to an address.
						got = append(got, strings.Join(seen[textproto.CanonicalMIMEHeaderKey(n)], "|"))
						continue
					}
					got = append(got, strings.Join(seen[n], "|"))
				}
				if diff := cmp.Diff(strings.Split(tt.want, "|"), got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if diff := cmp.Diff(before, r.Header); diff != "" {
					t.Errorf("the client's request was changed:\n%s", diff)
				}
			})
		}
	}
}

// TestForwardedOfStrangers: whatever fields a client sends, in any spelling, backends are told what is so.
func TestForwardedOfStrangers(t *testing.T) {
	b := mustNew(t, nil, &Options{Forward: ForwardOptions{Forwarded: true, RealIP: true}})
	rapid.Check(t, func(t *rapid.T) {
		strangers(t, b, t.Errorf, rapid.SliceOf(rapid.StringMatching(`[xX][-_][fF]orwarded[-_]([fF]or|[hH]ost|[pP]roto|[pP]ort|A)|[xX][-_]real[-_]ip|[Ff]orwarded|[a-z_-]{1,9}`)).Draw(t, "names"))
	})
}

func strangers(_ any, b *Balancer, errorf func(string, ...any), names []string) {
	r := httptest.NewRequest("GET", "http://x/", nil)
	r.RemoteAddr = "192.0.2.1:5"
	for _, n := range names {
		r.Header.Add(n, "evil")
		r.Header.Add("Connection", n)
	}
	h := r.Header.Clone()
	b.setForwarded(h, r)
	mine := map[string]string{"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "x", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "80",
		"Forwarded": `for=192.0.2.1;host="x";proto=http`, "X-Real-Ip": "192.0.2.1"}
	for name, want := range mine {
		if diff := cmp.Diff([]string{want}, h[name]); diff != "" {
			errorf("%s of %q: %s", name, names, diff)
		}
	}
	for name := range h {
		canonical := textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
		if _, ok := mine[name]; !ok && (mine[canonical] != "" || strings.HasPrefix(canonical, "X-Forwarded-")) {
			errorf("%s has passed", name)
		}
	}
}

// FuzzForwarded: the same for any bytes in a field of a trusted proxy; nothing of it panics, or breaks
// the line.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"", "1.2.3.4", "1.2.3.4, 10.0.0.1", ",,,", "for=\"[::1]\"", "fe80::1%eth0", "x\"\\", "10.0.0.2,\t10.0.0.3 ,"} {
		f.Add(s, s, s)
	}
	b, err := New(nil, &Options{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Forward: ForwardOptions{Forwarded: true, RealIP: true}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, value, host string) {
		strangers(t, b, t.Errorf, []string{strings.Map(func(r rune) rune {
			if r <= ' ' || r >= 0x7f {
				return 'x'
			}
			return r
		}, "x"+name)})
		r := httptest.NewRequest("GET", "http://x/", nil)
		r.RemoteAddr, r.Host = "10.0.0.1:5", host
		r.Header = http.Header{"X-Forwarded-For": {value}, "X-Forwarded-Port": {value}, "X-Forwarded-Proto": {value}, "Forwarded": {value}, "X-Real-Ip": {value}}
		h := r.Header.Clone()
		b.setForwarded(h, r)
		if got := h.Get("X-Forwarded-For"); !strings.HasSuffix(got, "10.0.0.1") {
			t.Errorf("X-Forwarded-For %q", got)
		}
		if p := h.Get("X-Forwarded-Proto"); p != "http" && p != "https" {
			t.Errorf("X-Forwarded-Proto %q", p)
		}
		if p := h.Get("X-Forwarded-Port"); !digits(p) {
			t.Errorf("X-Forwarded-Port %q", p)
		}
		if _, err := netip.ParseAddr(h.Get("X-Real-Ip")); err != nil {
			t.Errorf("X-Real-IP: %v", err)
		}
	})
}

// TestSetTarget: path and query are as the client sent them, but for a space, which would end them.
func TestSetTarget(t *testing.T) {
	for _, target := range []string{"/a|b?c|d", "/a%7cb", "/{x}?{y}", `/a\b`, "/a^b`c", "//a|b", "/a?b c", "/a%2Fb?%zz;=&", "/[1]"} {
		var seen string
		front := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.RequestURI }))
		b := mustNew(t, []Backend{{Name: "a", URL: front.URL}}, nil)
		r := httptest.NewRequest("GET", "/", nil)
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		b.ServeHTTP(httptest.NewRecorder(), r)
		want := strings.ReplaceAll(target, " ", "%20")
		if strings.HasPrefix(target, "//") {
			want = "//a%7Cb" // two slashes at the begin of a path are a host to net/http
		}
		if seen != want {
			t.Errorf("%q arrived as %q", target, seen)
		}
	}
}
