package cache

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// request makes one with fields in lines "Name: value".
func request(method, target string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for _, lines := range fields {
		for name, values := range header(lines) {
			r.Header[name] = append(r.Header[name], values...)
		}
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// serveAny is serve for answers that may break off.
func serveAny(h http.Handler, r *http.Request) (w *httptest.ResponseRecorder, whole bool) {
	w = httptest.NewRecorder()
	whole = attempt(h, w, r)
	return w, whole
}

// A step is one request through the cache.
type step struct {
	wait    int    // seconds before it
	request string // "GET /a" and fields in lines
	backend string // what it answers: "200 body" and fields in lines; "" if it must not be asked, "cut" if it breaks off
	want    string // "200 body | hit": status, body, and Cache-Status without ttl; "" for an answer that breaks off
	fields  string // fields that the answer must have in lines; "Name: " that it must not have
	asked   string // the same of the request that the backend gets
}

// play makes the steps and reports what is not as it should be.
func play(t *testing.T, o *Options, steps []step) *Cache {
	var s step
	asked := false
	c, h := site(t, o, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = true
		lines := s.backend
		if s.backend == "" {
			t.Errorf("%q: the backend is asked", s.request)
			return
		}
		check(t, s.request+" at the backend", r.Header, s.asked)
		first, fields, _ := strings.Cut(lines, "\n")
		for name, values := range header(fields) {
			w.Header()[name] = values
		}
		status, body, _ := strings.Cut(first, " ")
		if status == "cut" {
			if body != "" {
				io.WriteString(w, body)
			}
			panic(http.ErrAbortHandler)
		}
		code, err := strconv.Atoi(status)
		if err != nil {
			t.Fatal(err)
		}
		w.WriteHeader(code)
		if r.Method != http.MethodHead {
			io.WriteString(w, body)
		}
	}))
	for _, s = range steps {
		time.Sleep(time.Duration(s.wait) * time.Second)
		asked = false
		first, fields, _ := strings.Cut(s.request, "\n")
		method, target, _ := strings.Cut(first, " ")
		w := httptest.NewRecorder()
		whole := attempt(h, w, request(method, target, fields))
		synctest.Wait() // what goes on in the background
		if s.backend != "" && !asked {
			t.Errorf("%q: the backend is not asked", s.request)
		}
		got := ""
		if whole {
			line := w.Header().Get("Cache-Status")
			if all := w.Header()["Cache-Status"]; len(all) > 0 {
				line = all[len(all)-1]
			}
			var parts []string
			for part := range strings.SplitSeq(strings.TrimPrefix(line, "balance; "), "; ") {
				if !strings.HasPrefix(part, "ttl=") {
					parts = append(parts, part)
				}
			}
			got = fmt.Sprintf("%d %s | %s", w.Code, w.Body, strings.Join(parts, "; "))
		}
		if got != s.want {
			t.Errorf("%q: %q, want %q", s.request, got, s.want)
		}
		check(t, s.request, w.Header(), s.fields)
	}
	return c
}

// attempt reports whether the answer is whole.
func attempt(h http.Handler, w http.ResponseWriter, r *http.Request) (whole bool) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	return true
}

func check(t *testing.T, what string, h http.Header, lines string) {
	t.Helper()
	for line := range strings.SplitSeq(lines, "\n") {
		if name, want, ok := strings.Cut(line, ": "); ok && strings.Join(h.Values(name), ", ") != want {
			t.Errorf("%q: %s is %q, want %q", what, name, h.Values(name), want)
		}
	}
}

// TestServe: what RFC 9111 says of whole exchanges.
func TestServe(t *testing.T) {
	const (
		miss   = "fwd=uri-miss"
		stored = "fwd=uri-miss; stored"
		minute = "\nCache-Control: max-age=60"
	)
	first := func(fields string) step {
		return step{request: "GET /", backend: "200 one\n" + fields, want: "200 one | " + stored}
	}
	rows := []struct {
		name  string
		steps []step
	}{
		{"a hit", []step{first(minute), {wait: 59, request: "GET /", want: "200 one | hit", fields: "Age: 59\nContent-Length: 3"}}},
		{"its time is up", []step{first(minute), {wait: 60, request: "GET /", backend: "200 two", want: "200 two | fwd=stale"}, {request: "GET /", backend: "200 three", want: "200 three | " + miss}}},
		{"no freshness", []step{{request: "GET /", backend: "200 one", want: "200 one | " + miss}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}},
		{"no-store", []step{{request: "GET /", backend: "200 one\nCache-Control: no-store", want: "200 one | " + miss}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}},
		{"private", []step{{request: "GET /", backend: "200 one\nCache-Control: private, max-age=60", want: "200 one | " + miss}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}},
		{"stale on arrival", []step{{request: "GET /", backend: "200 one\nAge: 61" + minute, want: "200 one | " + miss, fields: "Age: 61"}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}},
		{"Age of another cache", []step{first("Age: 30" + minute), {wait: 10, request: "GET /", want: "200 one | hit", fields: "Age: 40"}, {wait: 20, request: "GET /", backend: "200 two", want: "200 two | fwd=stale"}}},
		{"Date stays", []step{first("Date: Sat, 01 Jan 2000 00:00:00 GMT" + minute), {wait: 5, request: "GET /", want: "200 one | hit", fields: "Date: Sat, 01 Jan 2000 00:00:00 GMT\nAge: 5"}}},
		{"Date is added", []step{{request: "GET /", backend: "200 one" + minute, want: "200 one | " + stored}, {wait: 5, request: "GET /", want: "200 one | hit", fields: "Date: Sat, 01 Jan 2000 00:00:00 GMT"}}},
		{"Expires", []step{first("Expires: Sat, 01 Jan 2000 00:00:10 GMT"), {wait: 9, request: "GET /", want: "200 one | hit", fields: "Expires: Sat, 01 Jan 2000 00:00:10 GMT"}, {wait: 1, request: "GET /", backend: "200 two", want: "200 two | fwd=stale"}}},
		{"other URLs", []step{first(minute), {request: "GET /b", backend: "200 two", want: "200 two | " + miss}, {request: "GET /?", backend: "200 three", want: "200 three | " + miss}, {request: "GET /?a", backend: "200 four", want: "200 four | " + miss}}},
		{"a query", []step{{request: "GET /?a=1", backend: "200 one" + minute, want: "200 one | " + stored}, {request: "GET /?a=1", want: "200 one | hit"}}},
		{"other hosts", []step{first(minute), {request: "GET http://b/", backend: "200 two", want: "200 two | " + miss}, {request: "GET http://EXAMPLE.com:80/", want: "200 one | hit"}}},
		{"other schemes", []step{first(minute), {request: "GET https://example.com/", backend: "200 two", want: "200 two | " + miss}}},
		{"a failure that says so is stored", []step{{request: "GET /", backend: "500 one" + minute, want: "500 one | " + stored}, {request: "GET /", want: "500 one | hit"}}},
		{"a 404", []step{{request: "GET /", backend: "404 one" + minute, want: "404 one | " + stored}, {request: "GET /\nIf-None-Match: *", want: "404 one | hit"}, {request: "GET /\nRange: bytes=0-0", want: "404 one | hit"}}},
		{"a 204", []step{{request: "GET /", backend: "204 " + minute, want: "204  | " + stored}, {request: "GET /", want: "204  | hit", fields: "Content-Length: "}}},
		{"an empty 200", []step{{request: "GET /", backend: "200 " + minute, want: "200  | " + stored}, {request: "GET /", want: "200  | hit", fields: "Content-Length: 0"}}},
		{"a redirect", []step{{request: "GET /", backend: "301 one\nLocation: /b" + minute, want: "301 one | " + stored}, {request: "GET /", want: "301 one | hit", fields: "Location: /b"}}},
		{"a part is not stored", []step{{request: "GET /\nRange: bytes=0-1", backend: "206 on\nContent-Range: bytes 0-1/3" + minute, want: "206 on | " + miss, asked: "Range: bytes=0-1"}, {request: "GET /", backend: "200 one", want: "200 one | " + miss}}},
		{"a whole for a part is stored", []step{{request: "GET /\nRange: bytes=0-1", backend: "200 one" + minute, want: "206 on | fwd=uri-miss; fwd-status=200; stored"}, {request: "GET /", want: "200 one | hit"}}},
		{"ranges", []step{first(minute), {request: "GET /\nRange: bytes=1-1", want: "206 n | hit", fields: "Content-Range: bytes 1-1/3\nContent-Length: 1"}, {request: "GET /\nRange: bytes=5-", want: "416  | hit", fields: "Content-Range: bytes */3\nContent-Length: 0"}, {request: "GET /\nRange: bytes=0-0,2-2", want: "200 one | hit"}, {request: "HEAD /\nRange: bytes=0-0", want: "200  | hit", fields: "Content-Length: 3\nContent-Range: "}}},
		{"If-Range", []step{first("ETag: \"a\"" + minute), {request: "GET /\nRange: bytes=1-1\nIf-Range: \"a\"", want: "206 n | hit"}, {request: "GET /\nRange: bytes=1-1\nIf-Range: \"b\"", want: "200 one | hit"}}},
		{"a condition goes before a range", []step{first("ETag: \"a\"" + minute), {request: "GET /\nRange: bytes=1-1\nIf-None-Match: \"a\"", want: "304  | hit"}}},
		{"HEAD from a GET", []step{first("X: y" + minute), {request: "HEAD /", want: "200  | hit", fields: "Content-Length: 3\nX: y"}}},
		{"HEAD stores nothing", []step{{request: "HEAD /", backend: "200 \nContent-Length: 3" + minute, want: "200  | " + miss}, {request: "HEAD /", backend: "200 " + minute, want: "200  | " + miss}, {request: "GET /", backend: "200 one", want: "200 one | " + miss}}},
		{"HEAD freshens", []step{first("ETag: \"a\"\nX: old" + minute), {wait: 61, request: "HEAD /", backend: "200 \nETag: \"a\"\nX: new" + minute, want: "200  | fwd=stale; stored"}, {request: "GET /", want: "200 one | hit", fields: "X: new\nAge: 0"}}},
		{"HEAD tells of a change", []step{first("ETag: \"a\"" + minute), {wait: 61, request: "HEAD /", backend: "200 \nETag: \"b\"" + minute, want: "200  | fwd=stale"}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}},
		{"HEAD tells of another length", []step{first(minute), {request: "HEAD /\nCache-Control: no-cache", backend: "200 \nContent-Length: 4" + minute, want: "200  | fwd=request"}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}},
		{"HEAD that fails changes nothing", []step{first("ETag: \"a\"" + minute), {request: "HEAD /\nCache-Control: no-cache", backend: "503 ", want: "503  | fwd=request"}, {request: "GET /", want: "200 one | hit"}}},
		{"ETag of a client", []step{first("ETag: \"a\"\nContent-Type: text/x\nVary: B" + minute), {request: "GET /\nIf-None-Match: W/\"a\"", want: "304  | hit", fields: "Etag: \"a\"\nContent-Length: \nContent-Type: \nAge: 0\nVary: B\nCache-Control: max-age=60"}, {request: "GET /\nIf-None-Match: \"b\"", want: "200 one | hit"}, {request: "HEAD /\nIf-None-Match: \"a\"", want: "304  | hit"}}},
		{"conditions that are not for caches", []step{first("ETag: \"a\"" + minute), {request: "GET /\nIf-Match: \"b\"", backend: "412 ", want: "412  | fwd=request", asked: "If-Match: \"b\""}, {request: "GET /\nIf-Unmodified-Since: x", backend: "412 ", want: "412  | fwd=request"}, {request: "GET /", want: "200 one | hit"}}},
		{"a condition of a client where nothing is stored", []step{{request: "GET /\nIf-None-Match: \"a\"", backend: "304 ", want: "304  | " + miss, asked: "If-None-Match: \"a\""}, {request: "GET /", backend: "200 one", want: "200 one | " + miss, asked: "If-None-Match: "}}},
		{"validation by ETag", []step{first("ETag: \"a\"\nX: old\nY: old" + minute), {wait: 61, request: "GET /", backend: "304 \nETag: \"a\"\nX: new" + minute, asked: "If-None-Match: \"a\"\nIf-Modified-Since: ", want: "200 one | fwd=stale; fwd-status=304; stored", fields: "X: new\nY: old\nAge: 0\nContent-Length: 3"}, {wait: 59, request: "GET /", want: "200 one | hit", fields: "X: new"}}},
		{"validation by Last-Modified", []step{first("Last-Modified: Fri, 31 Dec 1999 00:00:00 GMT" + minute), {wait: 61, request: "GET /", backend: "304 " + minute, asked: "If-Modified-Since: Fri, 31 Dec 1999 00:00:00 GMT", want: "200 one | fwd=stale; fwd-status=304; stored"}}},
		{"validation finds a change", []step{first("ETag: \"a\"" + minute), {wait: 61, request: "GET /", backend: "200 two\nETag: \"b\"" + minute, want: "200 two | fwd=stale; stored"}, {request: "GET /", want: "200 two | hit", fields: "Etag: \"b\""}}},
		{"validation finds it gone", []step{first("ETag: \"a\"" + minute), {wait: 61, request: "GET /", backend: "404 no", want: "404 no | fwd=stale"}, {request: "GET /", backend: "404 no", want: "404 no | " + miss, asked: "If-None-Match: "}}},
		{"validation finds it private", []step{first("ETag: \"a\"" + minute), {wait: 61, request: "GET /", backend: "304 \nCache-Control: private", want: "200 one | fwd=stale; fwd-status=304"}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}},
		{"a failed validation does not lose it", []step{first("ETag: \"a\"" + minute), {wait: 61, request: "GET /", backend: "503 no", want: "503 no | fwd=stale"}, {request: "GET /", backend: "304 " + minute, want: "200 one | fwd=stale; fwd-status=304; stored", asked: "If-None-Match: \"a\""}}},
		{"validation for a client with another copy", []step{first("ETag: \"a\"" + minute), {wait: 61, request: "GET /\nIf-None-Match: \"z\"", backend: "304 " + minute, asked: "If-None-Match: \"a\"", want: "200 one | fwd=stale; fwd-status=304; stored"}}},
		{"validation for a client with the copy", []step{first("ETag: \"a\"" + minute), {wait: 61, request: "GET /\nIf-None-Match: \"a\"", backend: "304 " + minute, want: "304  | fwd=stale; fwd-status=304; stored"}}},
		{"a change to what the client has", []step{first("ETag: \"a\"" + minute), {wait: 61, request: "GET /\nIf-None-Match: \"b\"", backend: "200 two\nETag: \"b\"" + minute, want: "304  | fwd=stale; fwd-status=200; stored"}, {request: "GET /", want: "200 two | hit"}}},
		{"validation for a range", []step{first("ETag: \"a\"" + minute), {wait: 61, request: "GET /\nRange: bytes=2-", backend: "304 " + minute, asked: "Range: ", want: "206 e | fwd=stale; fwd-status=304; stored"}, {wait: 61, request: "GET /\nRange: bytes=2-", backend: "200 two" + minute, asked: "Range: ", want: "206 o | fwd=stale; fwd-status=200; stored"}}},
		{"no-cache of a response", []step{{request: "GET /", backend: "200 one\nETag: \"a\"\nCache-Control: no-cache", want: "200 one | " + stored}, {request: "GET /", backend: "304 ", asked: "If-None-Match: \"a\"", want: "200 one | fwd=stale; fwd-status=304; stored"}}},
		{"no-cache for a field", []step{{request: "GET /", backend: "200 one\nX: 1\nY: 1\nCache-Control: no-cache=\"x\", max-age=60", want: "200 one | " + stored, fields: "X: 1"}, {request: "GET /", want: "200 one | hit", fields: "X: \nY: 1"}}},
		{"no-cache of a request", []step{first("ETag: \"a\"" + minute), {request: "GET /\nCache-Control: no-cache", backend: "304 " + minute, asked: "If-None-Match: \"a\"", want: "200 one | fwd=request; fwd-status=304; stored"}, {request: "GET /\nPragma: no-cache", backend: "200 two" + minute, want: "200 two | fwd=request; stored"}, {request: "GET /", want: "200 two | hit"}}},
		{"max-age of a request", []step{first(minute), {wait: 5, request: "GET /\nCache-Control: max-age=5", want: "200 one | hit"}, {wait: 1, request: "GET /\nCache-Control: max-age=5", backend: "200 two" + minute, want: "200 two | fwd=request; stored"}}},
		{"max-stale is not taken", []step{first(minute), {wait: 61, request: "GET /\nCache-Control: max-stale=100", backend: "200 two", want: "200 two | fwd=stale"}}},
		{"no-store of a request", []step{{request: "GET /\nCache-Control: no-store", backend: "200 one" + minute, want: "200 one | fwd=request"}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}},
		{"only-if-cached", []step{{request: "GET /\nCache-Control: only-if-cached", want: "504 Nothing is stored for this request, which asks for stored answers only (Cache-Control: only-if-cached).\n | " + miss}, first(minute), {request: "GET /\nCache-Control: only-if-cached", want: "200 one | hit"}, {wait: 61, request: "HEAD /\nCache-Control: only-if-cached", want: "504  | fwd=stale"}}},
		{"Authorization", []step{{request: "GET /\nAuthorization: x", backend: "200 one" + minute, want: "200 one | " + miss}, {request: "GET /", backend: "200 two" + minute, want: "200 two | " + stored}, {request: "GET /\nAuthorization: x", backend: "200 three" + minute, want: "200 three | fwd=request"}, {request: "GET /", want: "200 two | hit"}}},
		{"Authorization and public", []step{{request: "GET /\nAuthorization: x", backend: "200 one\nCache-Control: public, max-age=60", want: "200 one | " + stored}, {request: "GET /", want: "200 one | hit"}, {request: "GET /\nAuthorization: y", want: "200 one | hit"}}},
		{"Set-Cookie", []step{{request: "GET /", backend: "200 one\nSet-Cookie: a=b" + minute, want: "200 one | " + miss, fields: "Set-Cookie: a=b"}, {request: "GET /", backend: "200 two\nSet-Cookie: a=b\nCache-Control: max-age=60, private=\"set-cookie\"", want: "200 two | " + stored, fields: "Set-Cookie: a=b"}, {request: "GET /", want: "200 two | hit", fields: "Set-Cookie: "}}},
		{"Set-Cookie and public", []step{{request: "GET /", backend: "200 one\nSet-Cookie: a=b\nCache-Control: max-age=60, public", want: "200 one | " + stored}, {request: "GET /", want: "200 one | hit", fields: "Set-Cookie: a=b"}}},
		{"Vary", []step{{request: "GET /\nA: 1", backend: "200 one\nVary: A" + minute, want: "200 one | " + stored}, {request: "GET /\nA: 2", backend: "200 two\nVary: A" + minute, want: "200 two | fwd=vary-miss; stored"}, {request: "GET /\nA: 1", want: "200 one | hit"}, {request: "GET /\nA: 2", want: "200 two | hit"}, {request: "GET /", backend: "200 three", want: "200 three | fwd=vary-miss"}}},
		{"Vary *", []step{{request: "GET /", backend: "200 one\nVary: *" + minute, want: "200 one | " + miss}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}},
		{"Vary changes", []step{{request: "GET /\nA: 1", backend: "200 one\nVary: A" + minute, want: "200 one | " + stored}, {wait: 1, request: "GET /\nA: 2", backend: "200 two" + minute, want: "200 two | fwd=vary-miss; stored"}, {request: "GET /\nA: 1", want: "200 two | hit"}}},
		{"validation of one variant", []step{{request: "GET /\nA: 1", backend: "200 one\nETag: \"1\"\nVary: A" + minute, want: "200 one | " + stored}, {request: "GET /\nA: 2", backend: "200 two\nETag: \"2\"\nVary: A" + minute, want: "200 two | fwd=vary-miss; stored"}, {wait: 61, request: "GET /\nA: 1", backend: "304 " + minute, asked: "If-None-Match: \"1\"", want: "200 one | fwd=stale; fwd-status=304; stored"}, {request: "GET /\nA: 2", backend: "304 " + minute, asked: "If-None-Match: \"2\"", want: "200 two | fwd=stale; fwd-status=304; stored"}}},
		{"stale while it is validated", []step{{request: "GET /", backend: "200 one\nCache-Control: max-age=10, stale-while-revalidate=10", want: "200 one | " + stored}, {wait: 15, request: "GET /", backend: "200 two\nCache-Control: max-age=10", want: "200 one | hit", fields: "Age: 15"}, {request: "GET /", want: "200 two | hit"}}},
		{"too stale", []step{{request: "GET /", backend: "200 one\nCache-Control: max-age=10, stale-while-revalidate=10", want: "200 one | " + stored}, {wait: 21, request: "GET /", backend: "200 two" + minute, want: "200 two | fwd=stale; stored"}}},
		{"stale and confirmed in the background", []step{{request: "GET /", backend: "200 one\nETag: \"a\"\nCache-Control: max-age=10, stale-while-revalidate=10", want: "200 one | " + stored}, {wait: 15, request: "GET /\nIf-None-Match: \"z\"\nRange: bytes=0-0", backend: "304 ", asked: "If-None-Match: \"a\"\nRange: ", want: "206 o | hit"}, {wait: 9, request: "GET /", want: "200 one | hit", fields: "Age: 9"}}},
		{"a HEAD while stale", []step{{request: "GET /", backend: "200 one\nCache-Control: max-age=10, stale-while-revalidate=10", want: "200 one | " + stored}, {wait: 15, request: "HEAD /", want: "200  | hit"}}},
		{"stale if there is an error", []step{{request: "GET /", backend: "200 one\nCache-Control: max-age=10, stale-if-error=10", want: "200 one | " + stored}, {wait: 15, request: "GET /", backend: "503 no", want: "200 one | hit; fwd=stale; fwd-status=503", fields: "Age: 15"}, {wait: 1, request: "GET /", backend: "cut", want: "200 one | hit; fwd=stale"}, {wait: 1, request: "GET /", backend: "404 no", want: "404 no | fwd=stale"}}},
		{"an error too late", []step{{request: "GET /", backend: "200 one\nCache-Control: max-age=10, stale-if-error=10", want: "200 one | " + stored}, {wait: 21, request: "GET /", backend: "503 no", want: "503 no | fwd=stale"}, {request: "GET /", backend: "cut", want: ""}}},
		{"an error that a response does not allow", []step{{request: "GET /", backend: "200 one\nETag: \"a\"\nCache-Control: max-age=10, stale-if-error=10, must-revalidate", want: "200 one | " + stored}, {wait: 15, request: "GET /", backend: "503 no", want: "503 no | fwd=stale"}, {request: "GET /", backend: "cut half", want: ""}}},
		{"an answer that breaks off", []step{{request: "GET /", backend: "cut half\nContent-Length: 10" + minute, want: ""}, {request: "GET /", backend: "200 one", want: "200 one | " + miss}}},
		{"an answer that breaks off without a length", []step{{request: "GET /", backend: "cut half" + minute, want: ""}, {request: "GET /", backend: "200 one", want: "200 one | " + miss}}},
		{"an answer that is too short", []step{{request: "GET /", backend: "200 half\nContent-Length: 10" + minute, want: ""}, {request: "GET /", backend: "200 one", want: "200 one | " + miss}}},
		{"an answer with trailers", []step{{request: "GET /", backend: "200 one\nTrailer: X" + minute, want: "200 one | " + miss}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}},
		{"CDN-Cache-Control", []step{{request: "GET /", backend: "200 one\nCDN-Cache-Control: max-age=60\nCache-Control: no-store", want: "200 one | " + stored}, {request: "GET /", want: "200 one | hit", fields: "Cache-Control: no-store"}}},
		{"Cache-Status of another cache", []step{first("Cache-Status: far; hit" + minute), {request: "GET /", want: "200 one | hit", fields: "Cache-Status: far; hit, balance; hit; ttl=60"}}},
		{"fields of a connection", []step{first("Connection: X\nX: 1\nProxy-Authenticate: y\nY: 1" + minute), {request: "GET /", want: "200 one | hit", fields: "X: \nProxy-Authenticate: \nConnection: \nY: 1"}}},
		{"tags are not for clients", []step{first("Surrogate-Key: a b\nCache-Tag: c,d" + minute), {request: "GET /", want: "200 one | hit", fields: "Surrogate-Key: \nCache-Tag: "}}},
		{"Warning means nothing", []step{first("Warning: 110 - \"x\"" + minute), {request: "GET /", want: "200 one | hit"}}},
		{"Pragma of a response means nothing", []step{first("Pragma: no-cache" + minute), {request: "GET /", want: "200 one | hit"}}},
		{"a client that hides what it varies by", []step{{request: "GET /\nA: 1\nConnection: a", backend: "200 none\nVary: A" + minute, want: "200 none | fwd=request"}, {request: "GET /\nA: 1\nConnection: close", backend: "200 one\nVary: A" + minute, want: "200 one | " + stored}, {request: "GET /\nA: 1\nConnection: a", backend: "200 none\nVary: A" + minute, want: "200 none | fwd=request"}}},
		{"another host by a proxy", []step{{request: "GET /\nX-Forwarded-Host: evil", backend: "200 evil" + minute, want: "200 evil | fwd=bypass"}, {request: "GET /\nX-Forwarded-Host: example.com", backend: "200 one" + minute, want: "200 one | " + stored}, {request: "GET /", want: "200 one | hit"}}},
		{"POST that has not acted", []step{first(minute), {request: "POST /", backend: "503 no", want: "503 no | fwd=method"}, {request: "GET /", want: "200 one | hit"}}},
		{"a part that nobody has", []step{{request: "GET /\nRange: bytes=99-", backend: "416 no" + minute, want: "416 no | " + miss}, {request: "GET /", backend: "200 one", want: "200 one | " + miss}}},
		{"Location of another origin", []step{{request: "GET /b", backend: "200 one" + minute, want: "200 one | " + stored}, {request: "POST /a", backend: "201 \nLocation: http://other/b", want: "201  | fwd=method"}, {request: "GET /b", want: "200 one | hit"}}},
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "M-SEARCH"} {
		rows = append(rows, struct {
			name  string
			steps []step
		}{method, []step{first(minute), {request: method + " /", backend: "200 done\nCache-Control: max-age=60", want: "200 done | fwd=method"}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}},
			struct {
				name  string
				steps []step
			}{method + " that fails", []step{first(minute), {request: method + " /", backend: "403 no", want: "403 no | fwd=method"}, {request: "GET /", want: "200 one | hit"}}})
	}
	for _, answer := range []string{"500 no", "502 no", "504 no", "cut", "cut half"} {
		want := answer + " | fwd=method"
		if strings.HasPrefix(answer, "cut") {
			want = ""
		}
		rows = append(rows, struct {
			name  string
			steps []step
		}{"POST that may have acted: " + answer, []step{first(minute), {request: "POST /", backend: answer, want: want}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}})
	}
	for _, method := range []string{"OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"} {
		rows = append(rows, struct {
			name  string
			steps []step
		}{method, []step{first(minute), {request: method + " /", backend: "200 done\nCache-Control: max-age=60", want: "200 done | fwd=method"}, {request: "GET /", want: "200 one | hit"}}})
	}
	for _, line := range []string{"Location: /", "Content-Location: /", "Location: http://EXAMPLE.com:80/", "Location: ../", "Content-Location: //example.com/"} {
		rows = append(rows, struct {
			name  string
			steps []step
		}{line, []step{first(minute), {request: "POST /a/b", backend: "201 \n" + line, want: "201  | fwd=method"}, {request: "GET /", backend: "200 two", want: "200 two | " + miss}}})
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, nil, row.steps) })
		})
	}
}
