package balance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// socketServer serves on a Unix socket and returns its address.
func socketServer(t *testing.T, h http.Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Config.ErrorLog = discardLog
	s.Start()
	t.Cleanup(s.Close)
	return "unix:" + path
}

// TestSocket: backends on Unix sockets get requests as others do, and have connections of their own.
func TestSocket(t *testing.T) {
	echo := func(word string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, word+" "+r.Host+r.RequestURI) })
	}
	b := mustNew(t, []Backend{{Name: "a", URL: socketServer(t, echo("a"))}, {Name: "b", URL: socketServer(t, echo("b"))}}, &Options{Picker: &RoundRobin{}})
	front := serve(t, b)
	for _, want := range []string{"a", "b", "a", "b"} {
		got, _ := do(t, front.Client(), request(t, "GET", front.URL+"/x%20y?z", nil))
		if got.Body != want+" "+strings.TrimPrefix(front.URL, "http://")+"/x%20y?z" {
			t.Errorf("%+v, want it from %s", got, want)
		}
	}
	for _, e := range []string{"unix:relative", "unix:", "unix:/" + strings.Repeat("x", 107), "unix:/a\x00b"} {
		if _, err := New([]Backend{{Name: "a", URL: e}}, nil); err == nil || !strings.Contains(err.Error(), "its socket") {
			t.Errorf("%q: %v", e, err)
		}
	}
}

func TestChecks(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/head":
			if r.Method != "HEAD" {
				w.WriteHeader(405)
			}
		case "/host":
			io.WriteString(w, "I am "+r.Host)
		case "/teapot":
			w.WriteHeader(418)
		case "/cut":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "x")
		}
	})
	plain := serve(t, h)
	secure := httptest.NewTLSServer(h) // for example.com and 127.0.0.1
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = discardLog
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	trusting := &tls.Config{RootCAs: roots}
	u, err := url.Parse(plain.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	dead := deadURL(t)
	socket := socketServer(t, h)
	for name, tt := range map[string]struct {
		check   Checker
		backend Backend
		want    string // within the error; "": none
	}{
		"plain":             {&HTTPCheck{}, Backend{URL: plain.URL}, ""},
		"missing path":      {&HTTPCheck{Path: "x"}, Backend{URL: plain.URL}, "begin with a slash"},
		"method":            {&HTTPCheck{Path: "/head", Method: "HEAD"}, Backend{URL: plain.URL}, ""},
		"wrong method":      {&HTTPCheck{Path: "/head"}, Backend{URL: plain.URL}, "status 405"},
		"host and body":     {&HTTPCheck{Path: "/host", Host: "example.org", Contains: "am example.org"}, Backend{URL: plain.URL}, ""},
		"other body":        {&HTTPCheck{Path: "/host", Contains: "ready"}, Backend{URL: plain.URL}, `does not contain "ready"`},
		"status":            {&HTTPCheck{Path: "/teapot", Statuses: []int{204, 418}}, Backend{URL: plain.URL}, ""},
		"other status":      {&HTTPCheck{Statuses: []int{204}}, Backend{URL: plain.URL}, "status 200"},
		"cut":               {&HTTPCheck{Path: "/cut"}, Backend{URL: plain.URL}, "broke off"},
		"dead":              {&HTTPCheck{}, Backend{URL: dead}, "refused"},
		"own port":          {&HTTPCheck{Port: port}, Backend{URL: dead}, ""},
		"no port":           {&HTTPCheck{Port: 70000}, Backend{URL: dead}, "between 1 and 65535"},
		"unknown authority": {&HTTPCheck{}, Backend{URL: secure.URL}, "certificate"},
		"TLS":               {&HTTPCheck{TLS: trusting}, Backend{URL: secure.URL}, ""},
		"TLS by name":       {&HTTPCheck{TLS: trusting, Host: "example.com:443"}, Backend{URL: secure.URL}, ""},
		"TLS, other name":   {&HTTPCheck{TLS: trusting, Host: "example.net"}, Backend{URL: secure.URL}, "certificate"},
		"socket":            {&HTTPCheck{Path: "/host", Contains: "am localhost"}, Backend{URL: socket}, ""},
		"no socket":         {&HTTPCheck{}, Backend{URL: "unix:/nowhere/s"}, "no such file"},
		"handler":           {&HTTPCheck{Path: "/host", Contains: "am localhost"}, Backend{Handler: h}, ""},
		"connection":        {&TCPCheck{}, Backend{URL: plain.URL}, ""},
		"no connection":     {&TCPCheck{}, Backend{URL: dead}, "refused"},
		"other port":        {&TCPCheck{Port: port}, Backend{URL: dead}, ""},
		"to a socket":       {&TCPCheck{}, Backend{URL: socket}, ""},
		"to a handler":      {&TCPCheck{}, Backend{Handler: h}, ""},
		"all":               {AllChecks{&TCPCheck{}, &HTTPCheck{}}, Backend{URL: plain.URL}, ""},
		"not all":           {AllChecks{&TCPCheck{}, &HTTPCheck{Path: "/teapot"}, checkFunc(func(context.Context, Backend) error { panic("not asked") })}, Backend{URL: plain.URL}, "418"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.check.Check(t.Context(), tt.backend)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
