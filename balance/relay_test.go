package balance

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRelayedAsByReverseProxy: backends see the same fields whether a request is relayed or not.
func TestRelayedAsByReverseProxy(t *testing.T) {
	b := mustNew(t, []Backend{{Name: "a", Handler: says("")}}, nil)
	names := []string{
		"Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Proxy-Connection", "Proxy-Authorization", "User-Agent",
		"X-Own", "X-Forwarded-For", "X_forwarded_for", "Forwarded", "X-Real-Ip", "X-Queue-Count", "X-Accel-Redirect", "Cookie",
	}
	values := []string{"", "close", "x-own, Cookie", " X-Forwarded-For ,te", "trailers", "gzip, Trailers", "trailers;q=1", "a"}
	rapid.Check(t, func(t *rapid.T) {
		r := httptest.NewRequest(http.MethodGet, "/a?b=c", nil)
		for range rapid.IntRange(0, 8).Draw(t, "fields") {
			r.Header.Add(rapid.SampledFrom(names).Draw(t, "name"), rapid.SampledFrom(values).Draw(t, "value"))
		}
		before := r.Header.Clone()
		x := &exchange{b: b}
		var want http.Header
		proxy := httputil.ReverseProxy{
			Rewrite:      x.rewrite,
			ErrorHandler: func(http.ResponseWriter, *http.Request, error) {},
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				want = r.Header
				return nil, errors.New("seen")
			}),
		}
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		got := relayed(r.Header)
		x.setFields(got, r)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("relayed (-ReverseProxy +ours):\n%s", diff)
		}
		if diff := cmp.Diff(before, r.Header); diff != "" {
			t.Fatalf("the client's own request was changed:\n%s", diff)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRelayHops: fields of an answer that are for one connection do not pass, others keep their order.
func TestRelayHops(t *testing.T) {
	back := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["Connection"] = []string{"X-Hop"}
		h["X-Hop"] = []string{"1"}
		h["Keep-Alive"] = []string{"timeout=5"}
		h["X-End"] = []string{"b", "a"}
	}))
	front := serve(t, mustNew(t, []Backend{{Name: "a", URL: back.URL}}, nil))
	res, err := http.Get(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var names []string
	for name := range res.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "Content-Length Date X-End" || !slices.Equal(res.Header["X-End"], []string{"b", "a"}) {
		t.Errorf("the client got %v", res.Header)
	}
}
