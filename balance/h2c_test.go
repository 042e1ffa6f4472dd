package balance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestH2C: a backend that speaks HTTP/2 without TLS is served and checked in it, over one connection,
// whatever the client wants; and one that does not is found out.
func TestH2C(t *testing.T) {
	seen := make(chan string, 10)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		seen <- fmt.Sprint(r.Proto, " ", r.Method, " ", r.RequestURI, " ", r.Header["Upgrade"], r.Header["X-Forwarded-For"], " ", string(b), err)
		io.WriteString(w, "hello")
	})
	two := httptest.NewUnstartedServer(h)
	two.Config.Protocols = new(http.Protocols)
	two.Config.Protocols.SetUnencryptedHTTP2(true)
	two.Start()
	defer two.Close()
	url := strings.Replace(two.URL, "http", "h2c", 1)
	b := mustNew(t, []Backend{{Name: "two", URL: url}}, nil)
	defer b.ownH2C.CloseIdleConnections()
	front := serve(t, b)
	ask := func(method, body string, header http.Header) {
		t.Helper()
		r := request(t, method, front.URL+"/a?b", strings.NewReader(body))
		for name, values := range header {
			r.Header[name] = values
		}
		if got, _ := do(t, front.Client(), r); got != (result{200, "hello", ""}) {
			t.Errorf("%s: %+v", method, got)
		}
	}
	ask("GET", "", nil)
	ask("POST", "body", nil)
	ask("GET", "", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}})
	if err := (&HTTPCheck{Path: "/check"}).Check(t.Context(), Backend{Name: "two", URL: url}); err != nil {
		t.Error(err)
	}
	var got []string
	for len(seen) > 0 {
		got = append(got, <-seen)
	}
	want := []string{"HTTP/2.0 GET /a?b [] [127.0.0.1] <nil>", "HTTP/2.0 POST /a?b [] [127.0.0.1] body<nil>", "HTTP/2.0 GET /a?b [] [127.0.0.1] <nil>", "HTTP/2.0 GET /check [] [] <nil>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if s := b.Snapshot()[0]; s.Failures != 0 {
		t.Errorf("%d failures are held against it", s.Failures)
	}
	one := serve(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := (&HTTPCheck{}).Check(ctx, Backend{Name: "one", URL: strings.Replace(one.URL, "http", "h2c", 1)}); err == nil {
		t.Error("a backend that speaks HTTP/1 alone is well")
	}
}
