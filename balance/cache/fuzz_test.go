package cache

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/balance"
)

// FuzzServe: whatever two requests and two answers say, nothing panics, what comes from the store is
// what the backend has sent, or a part of it with its true place, and nothing comes from there that
// one of the answers, or the request, forbids in plain words.
func FuzzServe(f *testing.F) {
	for _, s := range [][3]string{
		{"", "Cache-Control: max-age=60", ""},
		{"A: 1", "Cache-Control: max-age=60\nVary: A", "A: 1"},
		{"", "Cache-Control: max-age=60\nETag: \"a\"", "If-None-Match: W/\"a\""},
		{"", "Cache-Control: max-age=60", "Range: bytes=2-4"},
		{"", "Cache-Control: max-age=60\nETag: \"a\"", "Range: bytes=-3\nIf-Range: \"a\""},
		{"Authorization: x", "Cache-Control: max-age=60, public", ""},
		{"", "CDN-Cache-Control: max-age=60;a=(1 2), b=:YQ==:\nCache-Control: no-store", ""},
		{"", "Expires: Sat, 01 Jan 2050 00:00:00 GMT\nDate: x\nAge: 1, 2", ""},
		{"", "Cache-Control: max-age=0, stale-while-revalidate=60\nSurrogate-Key: a b\nCache-Tag: a,,b", ""},
		{"", "Cache-Control: max-age=60\nConnection: x\nX: y\nContent-Length: 9999999999999", ""},
		{"If-Range: x\nRange: bytes=0-", "Cache-Control: no-cache=\"x, y\", private=\"z\", max-age=9", "Cache-Control: min-fresh=1"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, first, answer, second string) {
		const body = "0123456789"
		asked := 0
		c, h := site(t, nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			for name, values := range header(answer) {
				w.Header()[name] = values
			}
			io.WriteString(w, body)
		}))
		serveAny(h, request("GET", "/", first))
		before := asked
		r := request("GET", "/", second)
		w, whole := serveAny(h, r)
		c.Close() // what goes on in the background ends
		if !whole || asked != before && !strings.Contains(w.Header().Get("Cache-Status"), "hit") {
			return
		}
		if r.Header.Get("Upgrade") != "" {
			return
		}
		switch w.Code {
		case http.StatusOK:
			if w.Body.String() != body {
				t.Errorf("the store gives %q", w.Body)
			}
		case http.StatusPartialContent:
			var from, to int
			if _, err := fmt.Sscanf(w.Header().Get("Content-Range"), "bytes %d-%d/10", &from, &to); err != nil || to < from || to > 9 || w.Body.String() != body[from:to+1] {
				t.Errorf("%q gives %q of %q", w.Header().Get("Content-Range"), w.Body, r.Header)
			}
			if w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
				t.Errorf("a length of %q", w.Header())
			}
		case http.StatusNotModified, http.StatusRequestedRangeNotSatisfiable:
			if w.Body.Len() != 0 {
				t.Errorf("%d with %q", w.Code, w.Body)
			}
		case http.StatusGatewayTimeout: // only-if-cached
			return
		default:
			t.Errorf("the store gives a %d", w.Code)
		}
		stored := header(answer)
		control, _ := controlOf(stored)
		if control.NoStore && !control.MustUnderstand || control.NoCache || control.Private || !control.MaxAge.Given && !control.SMaxAge.Given && len(stored["Expires"]) == 0 {
			t.Errorf("%q comes from the store", stored)
		}
		if q := ask(&balance.Info{Method: "GET", Values: r.Header.Values}); q.control.NoCache || q.control.NoStore || q.authorized && !control.shared() {
			t.Errorf("%q is answered from the store", r.Header)
		}
	})
}

// FuzzTargeted: no field makes the reader panic, nor give a time out of bounds, and a mistake at the
// end makes the whole field one that is not there (RFC 9213, section 2.1).
func FuzzTargeted(f *testing.F) {
	for _, s := range []string{"max-age=60", "a;b=1;c", "a=(1 2;x \"y\")", "a=:YQ==:", "a=@1", "a=%\"x\"", "a=-1.5, b=*t/:", "no-store=?0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := parseTargeted(s)
		for _, d := range []Delta{c.MaxAge, c.SMaxAge, c.StaleWhileRevalidate, c.StaleIfError} {
			if d.Time < 0 || d.Time > MaxAge || !d.Given && d.Time != 0 || !ok && d.Given {
				t.Errorf("%q gives %+v", s, d)
			}
		}
		if _, ok := parseTargeted(s + ", &"); ok {
			t.Errorf("%q is read with a mistake at its end", s)
		}
		if c, again := parseTargeted(s + ", no-store"); ok && strings.Trim(s, " ") != "" && (!again || !c.NoStore) {
			t.Errorf("%q hides what follows", s)
		}
	})
}
