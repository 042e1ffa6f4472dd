package site_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora/site"
)

func must(t testing.TB, c site.Config) *site.Site {
	t.Helper()
	s, err := site.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewMistakes(t *testing.T) {
	for _, c := range []struct {
		name   string
		config site.Config
		says   []string // nil: good
	}{
		{"zero", site.Config{}, nil},
		{"all set", site.Config{URL: "https://activities.example.org", Hosts: []string{"library.school", "schoolserver"}}, nil},
		{"slash", site.Config{URL: "http://activities.example.org/"}, nil},
		{"port", site.Config{URL: "http://activities.example.org:8080"}, nil},
		{"address", site.Config{URL: "http://[fd00::1]:8080"}, nil},
		{"no scheme", site.Config{URL: "activities.example.org"}, []string{"activities.example.org"}},
		{"other scheme", site.Config{URL: "ftp://a.example.org"}, []string{"ftp://"}},
		{"no host", site.Config{URL: "https://"}, []string{"https://"}},
		{"only a port", site.Config{URL: "https://:8080"}, []string{"https://:8080"}},
		{"path", site.Config{URL: "https://a.example.org/library"}, []string{"nothing behind it"}},
		{"query", site.Config{URL: "https://a.example.org?x"}, []string{"nothing behind it"}},
		{"fragment", site.Config{URL: "https://a.example.org#x"}, []string{"nothing behind it"}},
		{"user", site.Config{URL: "https://me@a.example.org"}, []string{"nothing behind it"}},
		{"unreadable", site.Config{URL: "https://a b"}, []string{"cannot be read"}},
		{"host with port", site.Config{Hosts: []string{"a.example.org:80"}}, []string{`"a.example.org:80"`}},
		{"empty host", site.Config{Hosts: []string{""}}, []string{`""`}},
		{"all at once", site.Config{URL: "gopher://x", Hosts: []string{"a/b", "good", "c d"}}, []string{"gopher", `"a/b"`, `"c d"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := site.New(c.config)
			if c.says == nil {
				if err != nil || s == nil {
					t.Errorf("got %v, %v", s, err)
				}
				return
			}
			if err == nil || s != nil {
				t.Fatalf("got %v, %v; want nothing and an error", s, err)
			}
			for _, word := range c.says {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error does not say %q: %v", word, err)
				}
			}
		})
	}
}

func TestKnows(t *testing.T) {
	named := must(t, site.Config{URL: "https://Activities.example.org:8443", Hosts: []string{"Schoolserver"}})
	for _, c := range []struct {
		host string
		want bool
	}{
		{"activities.example.org", true},
		{"ACTIVITIES.EXAMPLE.ORG", true},
		{"activities.example.org:80", true}, // whichever port is forwarded to us
		{"activities.example.org.", true},
		{"activities.example.org.:80", true},
		{"schoolserver", true},
		{"schoolserver:8080", true},
		{"localhost", true},
		{"localhost:8080", true},
		{"192.0.2.7", true},
		{"192.0.2.7:8080", true},
		{"[2001:db8::1]", true},
		{"[2001:db8::1]:8080", true},
		{"[fe80::1%eth0]:80", true},
		{"[fe80::1%25wlan0]", true},
		{"library.school:", false},
		{"localhost:", true},
		{"", false},
		{":80", false},
		{"[localhost]", false},
		{"[::1", false},
		{"::1]", false},
		{"[", false},
		{"]", false},
		{"[]", false},
		{"[activities.example.org]:80", false},
		{"[::1]evil.example", false},
		{"activities.example.org:80/x", false},
		{"activities.example.org:evil.example", false},
		{"[::1]:x", false},
		{"[fe80::1%\"><script>]", false},
		{"evil.example", false},
		{"evil.example:443", false},
		{"sub.activities.example.org", false},
		{"activities.example.org.evil.example", false},
		{"evilschoolserver", false},
		{"activities.example.org@evil.example", false},
		{"evil.example/activities.example.org", false},
		{"192.0.2", false},
		{"192.0.2.7.evil.example", false},
	} {
		if got := named.Knows(c.host); got != c.want {
			t.Errorf("Knows(%q) is %v, want %v", c.host, got, c.want)
		}
	}
	if must(t, site.Config{}).Knows("activities.example.org") {
		t.Error("a site without names knows one")
	}
}

func TestGuard(t *testing.T) {
	s := must(t, site.Config{Hosts: []string{"library.school"}})
	h := s.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for host, want := range map[string]int{
		"library.school": 204, "LIBRARY.school:80": 204, "192.0.2.1": 204, "[::1]:80": 204,
		"evil.example": 421, "": 421, `<script>alert("x")</script>`: 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q gives %d, want %d", host, w.Code, want)
		}
		if w.Code == 421 && (w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || !strings.Contains(w.Body.String(), "site.hosts")) {
			t.Errorf("Host %q is refused with %v %q", host, w.Header(), w.Body)
		}
	}
}

func TestBase(t *testing.T) {
	fixed := site.Config{URL: "https://activities.example.org/"}
	port := site.Config{URL: "http://activities.example.org:8080"}
	for _, c := range []struct {
		name         string
		config       site.Config
		peer, host   string
		proto        string
		tls          bool
		base, client string
	}{
		{"from the request", site.Config{}, "192.0.2.9:1", "192.0.2.1:8080", "", false, "http://192.0.2.1:8080", "http://192.0.2.1:8080"},
		{"over TLS", site.Config{}, "192.0.2.9:1", "localhost", "", true, "https://localhost", "https://localhost"},
		{"address of six", site.Config{}, "[2001:db8::9]:1", "[2001:db8::1]:80", "", false, "http://[2001:db8::1]:80", "http://[2001:db8::1]:80"},
		{"through a proxy", site.Config{}, "127.0.0.1:1", "localhost", "https", false, "https://localhost", "https://localhost"},
		{"through a proxy of six", site.Config{}, "[::1]:1", "localhost", "HTTPS", false, "https://localhost", "https://localhost"},
		{"mapped address of a proxy", site.Config{}, "[::ffff:127.0.0.1]:1", "localhost", "https", false, "https://localhost", "https://localhost"},
		{"a stranger's word", site.Config{}, "192.0.2.9:1", "localhost", "https", false, "http://localhost", "http://localhost"},
		{"no proxy is trusted", site.Config{Proxies: []netip.Prefix{}}, "127.0.0.1:1", "localhost", "https", false, "http://localhost", "http://localhost"},
		{"a network of proxies", site.Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}, "10.1.2.3:1", "localhost", "https", false, "https://localhost", "https://localhost"},
		{"beside the network", site.Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}, "10.2.2.3:1", "localhost", "https", false, "http://localhost", "http://localhost"},
		{"nonsense for a scheme", site.Config{}, "127.0.0.1:1", "localhost", "javascript", false, "http://localhost", "http://localhost"},
		{"fixed, over HTTP", fixed, "192.0.2.9:1", "192.0.2.1", "", false, "https://activities.example.org", "http://activities.example.org"},
		{"fixed, over HTTPS", fixed, "127.0.0.1:1", "192.0.2.1", "https", false, "https://activities.example.org", "https://activities.example.org"},
		{"fixed with a port", port, "192.0.2.9:1", "other", "", false, "http://activities.example.org:8080", "http://activities.example.org:8080"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := must(t, c.config)
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr, r.Host = c.peer, c.host
			if c.proto != "" {
				r.Header.Set("X-Forwarded-Proto", c.proto)
			}
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
			if got := s.Base(r); got != c.base {
				t.Errorf("Base is %q, want %q", got, c.base)
			}
			if got := s.ClientBase(r); got != c.client {
				t.Errorf("ClientBase is %q, want %q", got, c.client)
			}
		})
	}
}

func TestClient(t *testing.T) {
	chain := site.Config{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for _, c := range []struct {
		name      string
		config    site.Config
		peer      string
		forwarded []string
		want      string // "": unknown
	}{
		{"directly", site.Config{}, "192.0.2.9:4711", nil, "192.0.2.9"},
		{"address of six", site.Config{}, "[2001:db8::9]:4711", nil, "2001:db8::9"},
		{"mapped", site.Config{}, "[::ffff:192.0.2.9]:4711", nil, "192.0.2.9"},
		{"through a proxy", site.Config{}, "127.0.0.1:1", []string{"192.0.2.9"}, "192.0.2.9"},
		{"through a proxy of six", site.Config{}, "[::1]:1", []string{"2001:db8::9"}, "2001:db8::9"},
		{"a stranger's word", site.Config{}, "192.0.2.9:1", []string{"198.51.100.1"}, "192.0.2.9"},
		{"what the client has put first", site.Config{}, "127.0.0.1:1", []string{"198.51.100.1, 192.0.2.9"}, "192.0.2.9"},
		{"in a header of its own", site.Config{}, "127.0.0.1:1", []string{"198.51.100.1", "192.0.2.9"}, "192.0.2.9"},
		{"claiming to be a proxy", site.Config{}, "127.0.0.1:1", []string{"127.0.0.1, 192.0.2.9"}, "192.0.2.9"},
		{"two proxies", chain, "127.0.0.1:1", []string{"198.51.100.1, 192.0.2.9, 10.1.1.1"}, "192.0.2.9"},
		{"three proxies, two families", chain, "[fd00::1]:1", []string{"192.0.2.9,10.1.1.1", " fd12::5 "}, "192.0.2.9"},
		{"nothing but proxies", chain, "127.0.0.1:1", []string{"10.2.2.2, 10.1.1.1"}, "10.2.2.2"},
		{"mapped in the header", chain, "127.0.0.1:1", []string{"::ffff:192.0.2.9, ::ffff:10.1.1.1"}, "192.0.2.9"},
		{"no header", site.Config{}, "127.0.0.1:1", nil, "127.0.0.1"},
		{"nonsense", site.Config{}, "127.0.0.1:1", []string{"192.0.2.9, unknown"}, "127.0.0.1"},
		{"empty", site.Config{}, "127.0.0.1:1", []string{""}, "127.0.0.1"},
		{"a hole in the chain", chain, "127.0.0.1:1", []string{"192.0.2.9,,10.1.1.1"}, "10.1.1.1"},
		{"no proxy is trusted", site.Config{Proxies: []netip.Prefix{}}, "127.0.0.1:1", []string{"192.0.2.9"}, "127.0.0.1"},
		{"a socket without address", site.Config{}, "@", []string{"192.0.2.9"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.peer
			for _, f := range c.forwarded {
				r.Header.Add("X-Forwarded-For", f)
			}
			var want netip.Addr
			if c.want != "" {
				want = netip.MustParseAddr(c.want)
			}
			if got := must(t, c.config).Client(r); got != want {
				t.Errorf("the client is %v, want %v", got, want)
			}
		})
	}
}

// FuzzHost: whatever Host is let through is an address, localhost, or one of the names; so nothing
// in it can break out of a link.
func FuzzHost(f *testing.F) {
	for _, h := range []string{"library.school", "Library.school.:80", "[::1]:80", "192.0.2.1", "evil.example", "a@library.school", "[library.school]", "[::1%25x/]", "library.school:80/x", "fe80::1%\"><script>"} {
		f.Add(h)
	}
	s := must(f, site.Config{Hosts: []string{"library.school"}})
	f.Fuzz(func(t *testing.T, host string) {
		if !s.Knows(host) {
			return
		}
		if strings.ContainsAny(host, "/\\@?#<>\"' \t\r\n") {
			t.Errorf("%q is known", host)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		if got := s.Base(r); got != "http://"+host {
			t.Errorf("Base of %q is %q", host, got)
		}
	})
}

// FuzzForwarded: a stranger's headers change nothing, and the last address a trusted proxy wrote
// cannot be hidden by what came before it.
func FuzzForwarded(f *testing.F) {
	for _, h := range []string{"", "192.0.2.9", "unknown", "127.0.0.1", ",,,", "[::1]:80", "198.51.100.1, 10.0.0.1", "::ffff:1.2.3.4%x"} {
		f.Add(h, h)
	}
	s := must(f, site.Config{})
	f.Fuzz(func(t *testing.T, forwarded, proto string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["X-Forwarded-For"] = []string{forwarded}
		r.Header["X-Forwarded-Proto"] = []string{proto}
		r.RemoteAddr = "192.0.2.9:1"
		if got := s.Client(r); got != netip.MustParseAddr("192.0.2.9") {
			t.Errorf("a stranger passes for %v", got)
		}
		if got := s.Base(r); got != "http://example.com" {
			t.Errorf("a stranger makes our links %q", got)
		}
		r.RemoteAddr = "127.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{forwarded + ", 198.51.100.7"}
		if got := s.Client(r); got != netip.MustParseAddr("198.51.100.7") {
			t.Errorf("the client hides as %v", got)
		}
		r.Header["X-Forwarded-For"] = []string{forwarded}
		if got := s.Client(r); !got.IsValid() {
			t.Errorf("%q makes the client unknown", forwarded)
		}
		if got := s.Base(r); got != "http://example.com" && got != "https://example.com" {
			t.Errorf("the scheme of our links is that of %q", got)
		}
	})
}

func ExampleNew() {
	s, err := site.New(site.Config{URL: "https://activities.example.org", Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("GET", "http://activities.example.org/", nil)
	r.RemoteAddr = "10.0.0.1:4711" // our proxy
	r.Header.Set("X-Forwarded-For", "203.0.113.5, 192.0.2.9")
	fmt.Println(s.Base(r), s.ClientBase(r), s.Client(r))
	fmt.Println(s.Knows("activities.example.org"), s.Knows("evil.example"))

	_, err = site.New(site.Config{URL: "activities.example.org", Hosts: []string{"school:80"}})
	fmt.Println(err)
	// Output:
	// https://activities.example.org http://activities.example.org 192.0.2.9
	// true false
	// the site's URL "activities.example.org" must be http:// or https:// and a host, with nothing behind it
	// the host name "school:80" must be a bare name without port or path
}
