package cache

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/balance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a balancer with a cache and one backend that is called directly.
func site(t testing.TB, o *Options, backend http.Handler) (*Cache, http.Handler) {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b, err := balance.New([]balance.Backend{{Name: "a", Handler: backend}}, &balance.Options{Cache: c})
	if err != nil {
		t.Fatal(err)
	}
	return c, b
}

// get makes a request; fields are "Name: value".
func request(method, target string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
