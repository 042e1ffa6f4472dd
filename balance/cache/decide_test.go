package cache

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sugarlabs/beamrider/balance"
)

// header reads lines "Name: value".
func header(lines string) http.Header {
	h := make(http.Header)
	for line := range strings.SplitSeq(lines, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Add(name, value)
		}
	}
	return h
}

func questionOf(lines string) question {
	h := header(lines)
	return ask(&balance.Info{Method: "GET", Scheme: "http", Host: "a", Values: h.Values})
}

// noon is when all happens in the tests of decisions.
var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// at is a date so many seconds after noon.
func at(seconds int) string {
	return noon.Add(time.Duration(seconds) * time.Second).Format(http.TimeFormat)
}

// TestStorable: RFC 9111, section 3.
func TestStorable(t *testing.T) {
	for _, tt := range []struct {
		request string
		status  int
		answer  string
		want    string
	}{
		{"", 200, "Cache-Control: max-age=60", ""},
		{"", 200, "Cache-Control: max-age=0", ""},
		{"", 200, "Cache-Control: s-maxage=60", ""},
		{"", 200, "Cache-Control: public", ""},
		{"", 200, "Cache-Control: no-cache", ""},
		{"", 200, "Expires: " + at(60), ""},
		{"", 200, "Expires: 0", ""},
		{"", 200, "", "no lifetime"},
		{"", 200, "Last-Modified: " + at(-1000), "no lifetime"},
		{"", 200, "Cache-Control: must-revalidate", "no lifetime"},
		{"", 200, "Cache-Control: immutable", "no lifetime"},
		{"", 200, "Pragma: no-cache\nCache-Control: max-age=60", ""},
		{"", 200, "Cache-Control: no-store", "no-store"},
		{"", 200, "Cache-Control: no-store, max-age=60", "no-store"},
		{"", 200, "Cache-Control: max-age=60\nCache-Control: NO-STORE", "no-store"},
		{"", 200, "Cache-Control: no-store=1, max-age=60", "no-store"},
		{"", 200, "Cache-Control: private, max-age=60", "private"},
		{"", 200, "Cache-Control: private=\"set-cookie\", max-age=60", ""},
		{"", 200, "Cache-Control: private=\"set-cookie, max-age=60", "private"},
		{"", 200, "Cache-Control: private, public, max-age=60", "private"},
		{"", 200, "Cache-Control: max-age=60\nSet-Cookie: a=b", "Set-Cookie"},
		{"", 200, "Cache-Control: max-age=60, public\nSet-Cookie: a=b", ""},
		{"", 200, "Cache-Control: max-age=60, private=\"set-cookie\"\nSet-Cookie: a=b", ""},
		{"", 200, "Cache-Control: max-age=60, no-cache=\"x, Set-Cookie\"\nSet-Cookie: a=b", ""},
		{"", 200, "Cache-Control: max-age=60, private=\"x\"\nSet-Cookie: a=b", "Set-Cookie"},
		{"", 200, "Cache-Control: must-understand, no-store, max-age=60", ""},
		{"", 299, "Cache-Control: must-understand, no-store, max-age=60", "the status is not understood"},
		{"", 299, "Cache-Control: must-understand, max-age=60", "the status is not understood"},
		{"", 299, "Cache-Control: max-age=60", ""},
		{"", 201, "Cache-Control: max-age=60", ""},
		{"", 204, "Cache-Control: max-age=60", ""},
		{"", 302, "Cache-Control: max-age=60", ""},
		{"", 302, "", "no lifetime"},
		{"", 404, "Cache-Control: max-age=60", ""},
		{"", 410, "Cache-Control: max-age=60", ""},
		{"", 500, "Cache-Control: max-age=60", ""},
		{"", 599, "Cache-Control: max-age=60", ""},
		{"", 206, "Cache-Control: max-age=60", "the answer is not whole"},
		{"", 304, "Cache-Control: max-age=60", "the answer is not whole"},
		{"", 103, "Cache-Control: max-age=60", "the answer is not whole"},
		{"Range: bytes=99-", 416, "Cache-Control: max-age=60", "the status is about this request"},
		{"", 400, "Cache-Control: max-age=60", "the status is about this request"},
		{"", 429, "Cache-Control: max-age=60, public", "the status is about this request"},
		{"", 431, "Cache-Control: max-age=60", "the status is about this request"},
		{"Cache-Control: no-store", 200, "Cache-Control: max-age=60", "the request says no-store"},
		{"Cache-Control: no-cache", 200, "Cache-Control: max-age=60", ""},
		{"Pragma: no-store", 200, "Cache-Control: max-age=60", ""},
		{"Authorization: x", 200, "Cache-Control: max-age=60", "the request has Authorization"},
		{"Authorization: x", 200, "Expires: " + at(60), "the request has Authorization"},
		{"Authorization: x", 200, "Cache-Control: max-age=60, public", ""},
		{"Authorization: x", 200, "Cache-Control: max-age=60, must-revalidate", ""},
		{"Authorization: x", 200, "Cache-Control: max-age=60, proxy-revalidate", "the request has Authorization"},
		{"Authorization: x", 200, "Cache-Control: s-maxage=60", ""},
		{"Authorization: x", 200, "Cache-Control: public, private, max-age=60", "private"},
		{"Cookie: a=b", 200, "Cache-Control: max-age=60", ""},
		// RFC 9213: the targeted field wins, for better and for worse.
		{"", 200, "CDN-Cache-Control: max-age=60", ""},
		{"", 200, "CDN-Cache-Control: max-age=60\nCache-Control: no-store", ""},
		{"", 200, "CDN-Cache-Control: no-store\nCache-Control: max-age=60", "no-store"},
		{"", 200, "CDN-Cache-Control: private\nCache-Control: max-age=60", "private"},
		{"", 200, "CDN-Cache-Control: foo\nExpires: " + at(60), "no lifetime"},
		{"", 200, "CDN-Cache-Control: max-age=60,\nCache-Control: no-store", "no-store"},
		{"", 200, "CDN-Cache-Control: max-age=60, &&&\nCache-Control: no-store", "no-store"},
		{"", 200, "CDN-Cache-Control: \nCache-Control: no-store", "no-store"},
		{"", 200, "CDN-Cache-Control: MAX-AGE=60\nCache-Control: no-store", "no-store"},
		{"", 200, "CDN-Cache-Control: no-store=?0, max-age=5", ""},
		{"", 200, "CDN-Cache-Control: no-store=?0, no-store", "no-store"},
		{"", 200, "CDN-Cache-Control: private=\"x\", max-age=5", "private"},
	} {
		q, h := questionOf(tt.request), header(tt.answer)
		c, targeted := controlOf(h)
		if got := storable(&q, tt.status, h, &c, targeted, false); got != tt.want {
			t.Errorf("%q %d %q: %q, want %q", tt.request, tt.status, tt.answer, got, tt.want)
		}
	}
	// With a guess, what may be guessed by is stored as well (section 4.2.2).
	for status, want := range map[int]string{
		200: "", 203: "", 204: "", 300: "", 301: "", 308: "", 404: "", 405: "", 410: "", 414: "", 501: "",
		201: "no lifetime", 302: "no lifetime", 303: "no lifetime", 307: "no lifetime", 403: "no lifetime", 500: "no lifetime", 599: "no lifetime",
	} {
		q, c := questionOf(""), ResponseControl{}
		if got := storable(&q, status, nil, &c, false, true); got != want {
			t.Errorf("%d with a guess: %q, want %q", status, got, want)
		}
	}
	q := ask(&balance.Info{Method: "HEAD", Values: header("").Values})
	c := ResponseControl{MaxAge: given(60)}
	if why := storable(&q, 200, nil, &c, false, false); why == "" {
		t.Error("the answer to a HEAD is stored")
	}
}

// TestLifetime: RFC 9111, sections 4.2.1 and 4.2.2, and which Age a response comes with (4.2.3).
func TestLifetime(t *testing.T) {
	for _, tt := range []struct {
		answer        string
		lifetime, age int64
	}{
		{"Cache-Control: max-age=60", 60, 0},
		{"Cache-Control: max-age=60, s-maxage=5", 5, 0},
		{"Cache-Control: s-maxage=500, max-age=1", 500, 0},
		{"Cache-Control: max-age=60\nExpires: " + at(-60), 60, 0},
		{"Cache-Control: max-age=0\nExpires: " + at(60), 0, 0},
		{"Cache-Control: max-age=x\nExpires: " + at(60), 0, 0},
		{"Expires: " + at(60), 60, 0},
		{"Expires: " + at(60) + "\nExpires: " + at(60), 60, 0},
		{"Expires: " + at(60) + "\nExpires: " + at(90), 0, 0},
		{"Expires: " + at(0), 0, 0},
		{"Expires: " + at(-5), 0, 0},
		{"Expires: 0", 0, 0},
		{"Expires: tomorrow", 0, 0},
		{"Expires: " + at(60) + "\nDate: " + at(-10), 70, 10},
		{"Expires: " + at(60) + "\nDate: " + at(10), 50, 0},
		{"Expires: " + at(60) + "\nDate: today", 60, 0},
		{"Expires: Saturday, 28-Nov-26 12:01:00 GMT", 60, 0},
		{"Expires: Sat Nov 28 12:01:00 2026", 60, 0},
		{"Expires: Sat, 28 Nov 2026 12:01:00 UTC", 0, 0},
		{"Cache-Control: max-age=60\nAge: 30", 60, 30},
		{"Cache-Control: max-age=60\nAge: 30, 50", 60, 30},
		{"Cache-Control: max-age=60\nAge: 30\nAge: 50", 60, 30},
		{"Cache-Control: max-age=60\nAge: -30", 60, 0},
		{"Cache-Control: max-age=60\nAge: 30.5", 60, 0},
		{"Cache-Control: max-age=60\nAge: 30;a=1", 60, 0},
		{"Cache-Control: max-age=60\nAge: x, 30", 60, 0},
		{"Cache-Control: max-age=60\nAge: 99999999999", 60, 1 << 31},
		{"Cache-Control: max-age=60\nAge: 30\nDate: " + at(-40), 60, 40},
		{"Cache-Control: max-age=60\nAge: 50\nDate: " + at(-40), 60, 50},
		{"Cache-Control: max-age=60\nDate: " + at(40), 60, 0},
		{"Last-Modified: " + at(-1000), 0, 0},
		{"CDN-Cache-Control: max-age=7\nCache-Control: max-age=60", 7, 0},
		{"CDN-Cache-Control: max-age=7;a=b;c\nCache-Control: max-age=60", 7, 0},
		{"CDN-Cache-Control: foo=(1 2 \"x\");a, max-age=7\nCache-Control: max-age=60", 7, 0},
		{"CDN-Cache-Control: max-age=7\nCDN-Cache-Control: max-age=8\nCache-Control: max-age=60", 8, 0},
		{"CDN-Cache-Control: max-age=7 , s-maxage=9", 9, 0},
		{"CDN-Cache-Control: max-age=\"7\"\nCache-Control: max-age=60", 0, 0},
		{"CDN-Cache-Control: max-age=7.5\nCache-Control: max-age=60", 0, 0},
		{"CDN-Cache-Control: max-age=-7\nCache-Control: max-age=60", 0, 0},
		{"CDN-Cache-Control: max-age\nCache-Control: max-age=60", 0, 0},
		{"CDN-Cache-Control: max-age =7\nCache-Control: max-age=60", 60, 0},
		{"CDN-Cache-Control: max-age=99999999999\nCache-Control: max-age=60", 1 << 31, 0},
		{"CDN-Cache-Control: max-age=9999999999999999\nCache-Control: max-age=60", 60, 0},
		{"CDN-Cache-Control: no-cache\nExpires: " + at(60), 0, 0},
	} {
		h := header(tt.answer)
		c, targeted := controlOf(h)
		date, ok := ParseDate(h.Get("Date"), noon)
		if !ok {
			date = noon
		}
		got := [2]int64{int64(lifetime(200, h, &c, targeted, date, false) / time.Second), int64(initialAge(h, date, noon, noon) / time.Second)}
		if want := [2]int64{tt.lifetime, tt.age}; got != want {
			t.Errorf("%q: lifetime and age are %v, want %v", tt.answer, got, want)
		}
	}
	for _, tt := range []struct {
		answer string
		status int
		want   time.Duration
	}{
		{"Last-Modified: " + at(-1000), 200, 100 * time.Second},
		{"Last-Modified: " + at(-1000), 404, 100 * time.Second},
		{"Last-Modified: " + at(-1000), 302, 0},
		{"Last-Modified: " + at(-1000) + "\nCache-Control: public", 302, 100 * time.Second},
		{"Last-Modified: " + at(-1000) + "\nCache-Control: max-age=1", 200, time.Second},
		{"Last-Modified: " + at(-100000000), 200, 24 * time.Hour},
		{"Last-Modified: " + at(1000), 200, 0},
		{"Last-Modified: then", 200, 0},
		{"", 200, 0},
	} {
		h := header(tt.answer)
		c, targeted := controlOf(h)
		if got := lifetime(tt.status, h, &c, targeted, noon, true); got != tt.want {
			t.Errorf("%q with a guess: %v, want %v", tt.answer, got, tt.want)
		}
	}
	if got := initialAge(header("Age: 5"), noon.Add(3*time.Second), noon, noon.Add(3*time.Second)); got != 8*time.Second {
		t.Errorf("the age of a response that took 3 s is %v, want 8s (section 4.2.3)", got)
	}
}

// TestReuse: RFC 9111, section 4, and RFC 5861. The response came at noon.
func TestReuse(t *testing.T) {
	const inSWR, onError = 1, 2
	for _, tt := range []struct {
		answer  string
		after   int
		request string
		want    use
		stale   int // what allows a stale one
	}{
		{"max-age=60", 0, "", fresh, 0},
		{"max-age=60", 59, "", fresh, 0},
		{"max-age=60", 60, "", stale, 0},
		{"max-age=60", 61, "", stale, 0},
		{"max-age=0", 0, "", stale, 0},
		{"max-age=60, no-cache", 0, "", stale, 0},
		{"max-age=60, no-cache=\"x\"", 0, "", fresh, 0},
		{"max-age=60, must-revalidate", 59, "", fresh, 0},
		{"max-age=60, must-revalidate", 60, "", stale, 0},
		{"max-age=60, immutable", 61, "", stale, 0},
		{"max-age=60", 0, "Cache-Control: no-cache", demanded, 0},
		{"max-age=60", 0, "Pragma: no-cache", demanded, 0},
		{"max-age=60", 0, "Pragma: no-cache\nCache-Control: x", fresh, 0},
		{"max-age=60", 0, "Cache-Control: max-age=0", demanded, 0},
		{"max-age=60", 0, "Cache-Control: max-age=x", demanded, 0},
		{"max-age=60", 5, "Cache-Control: max-age=5", fresh, 0},
		{"max-age=60", 6, "Cache-Control: max-age=5", demanded, 0},
		{"max-age=60, immutable", 6, "Cache-Control: max-age=5", demanded, 0},
		{"max-age=60", 0, "Cache-Control: min-fresh=60", fresh, 0},
		{"max-age=60", 1, "Cache-Control: min-fresh=60", demanded, 0},
		{"max-age=60", 0, "Cache-Control: min-fresh=x", demanded, 0},
		{"max-age=60", 61, "Cache-Control: max-stale", stale, 0},
		{"max-age=60", 61, "Cache-Control: max-stale=10", stale, 0},
		{"max-age=60", 61, "Cache-Control: stale-if-error=10", stale, 0},
		{"max-age=60", 0, "Cache-Control: only-if-cached", fresh, 0},
		{"max-age=60", 0, "Authorization: x", foreign, 0},
		{"max-age=60, public", 0, "Authorization: x", fresh, 0},
		{"max-age=60, must-revalidate", 0, "Authorization: x", fresh, 0},
		{"s-maxage=60", 0, "Authorization: x", fresh, 0},
		{"max-age=60, proxy-revalidate", 0, "Authorization: x", foreign, 0},
		{"max-age=60", 0, "Cookie: x", fresh, 0},
		{"max-age=60, stale-while-revalidate=10", 60, "", stale, inSWR},
		{"max-age=60, stale-while-revalidate=10", 70, "", stale, inSWR},
		{"max-age=60, stale-while-revalidate=10", 71, "", stale, 0},
		{"max-age=60, stale-while-revalidate=x", 60, "", stale, inSWR}, // 0 s: the one second that has begun
		{"max-age=60, stale-while-revalidate=x", 61, "", stale, 0},
		{"max-age=60, stale-while-revalidate=10", 0, "", fresh, 0},
		{"max-age=60, stale-if-error=10", 70, "", stale, onError},
		{"max-age=60, stale-if-error=10", 71, "", stale, 0},
		{"max-age=60, stale-if-error=10, stale-while-revalidate=10", 65, "", stale, inSWR | onError},
		{"max-age=60, stale-if-error=10, stale-while-revalidate=5", 66, "", stale, onError},
		{"max-age=60, stale-if-error=10, stale-while-revalidate=10, must-revalidate", 65, "", stale, 0},
		{"max-age=60, stale-if-error=10, stale-while-revalidate=10, proxy-revalidate", 65, "", stale, 0},
		{"s-maxage=60, stale-if-error=10, stale-while-revalidate=10", 65, "", stale, 0},
		{"max-age=60, stale-if-error=10, stale-while-revalidate=10, no-cache", 65, "", stale, 0},
		{"max-age=60, stale-if-error=10, stale-while-revalidate=10", 65, "Cache-Control: no-cache", demanded, 0},
		{"max-age=60, stale-if-error=10, stale-while-revalidate=10", 65, "Cache-Control: max-age=10", demanded, 0},
		{"max-age=60, stale-if-error=10, stale-while-revalidate=10", 65, "Cache-Control: max-age=100", stale, inSWR | onError},
		{"max-age=60, stale-if-error=10, stale-while-revalidate=10", 65, "Cache-Control: min-fresh=1", demanded, 0},
		{"max-age=60, stale-if-error=10, stale-while-revalidate=10", 65, "Authorization: x", foreign, 0},
	} {
		h := header("ETag: \"a\"\nCache-Control: " + tt.answer)
		q := questionOf("")
		c := Cache{}
		e, why := c.newEntry(&q, 200, h, nil, noon, noon)
		if why != "" {
			t.Errorf("%q is not stored: %s", tt.answer, why)
			continue
		}
		q = questionOf(tt.request)
		now := noon.Add(time.Duration(tt.after) * time.Second)
		if got := e.reuse(&q, now); got != tt.want {
			t.Errorf("%q %q after %d s: %v, want %v", tt.answer, tt.request, tt.after, got, tt.want)
		}
		got := 0
		if e.mayServeStale(&q, e.control.StaleWhileRevalidate, now) {
			got |= inSWR
		}
		if e.mayServeStale(&q, e.control.StaleIfError, now) {
			got |= onError
		}
		if got != tt.stale {
			t.Errorf("%q %q after %d s: stale is allowed by %d, want %d", tt.answer, tt.request, tt.after, got, tt.stale)
		}
	}
}

// TestVary: RFC 9111, section 4.1. never is that no request at all matches.
func TestVary(t *testing.T) {
	const yes, no, never = "yes", "no", "never"
	for _, tt := range []struct{ vary, stored, asks, want string }{
		{"", "A: 1", "A: 2", yes},
		{"Vary: A", "A: 1", "A: 1", yes},
		{"Vary: A", "A: 1", "A: 2", no},
		{"Vary: A", "A: 1", "", no},
		{"Vary: A", "", "A: 1", no},
		{"Vary: A", "", "", yes},
		{"Vary: A", "A: ", "", no},
		{"Vary: a", "A: 1", "A: 1", yes},
		{"Vary: A, B", "A: 1\nB: 1", "A: 1\nB: 2", no},
		{"Vary: A\nVary: B", "A: 1\nB: 1", "A: 1\nB: 2", no},
		{"Vary: A,,B", "A: 1\nB: 1", "A: 1\nB: 1", yes},
		{"Vary: ,", "A: 1", "A: 2", yes},
		{"Vary: *", "", "", never},
		{"Vary: A, *", "A: 1", "A: 1", never},
		{"Vary: A\nVary: *", "A: 1", "A: 1", never},
		{"Vary: a b", "", "", never},
		{"Vary: " + strings.Repeat("a,", 17), "", "", never},
		{"Vary: A", "A: x, y", "A: x,y", yes},
		{"Vary: A", "A: x, y", "A: x\nA: y", yes},
		{"Vary: A", "A: x,,y ,", "A: x,y", yes},
		{"Vary: A", "A: x, y", "A: y, x", no},
		{"Vary: A", "A: x", "A: X", no},
		{"Vary: A", "A: x y", "A: x  y", no},
		{"Vary: A", `A: "x, y"`, `A: "x,y"`, no},
		{"Vary: Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: GZip,br", yes},
		{"Vary: Accept-Language", "Accept-Language: de-CH", "Accept-Language: de-ch", yes},
		{"Vary: Accept-Language", "Accept-Language: de", "Accept-Language: de, en", no},
		// What the balancer sets is not what the client says.
		{"Vary: X-Forwarded-Proto", "X-Forwarded-Proto: a", "X-Forwarded-Proto: b", yes},
		{"Vary: X-Forwarded-Host", "X-Forwarded-Host: a", "X-Forwarded-Host: b", no},
		{"Vary: Host", "", "", yes},
		{"Vary: X-Forwarded-For", "", "", never},
		{"Vary: X-Forwarded-Port", "", "", never},
		{"Vary: x-real-ip", "", "", never},
		{"Vary: A, Forwarded", "", "", never},
	} {
		first, second := questionOf(tt.stored), questionOf(tt.asks)
		by, ok := chosenBy(header(tt.vary), &first)
		got := never
		if ok {
			if got = no; matches(by, &second) {
				got = yes
			}
		}
		if got != tt.want {
			t.Errorf("%q, %q then %q: %s, want %s", tt.vary, tt.stored, tt.asks, got, tt.want)
		}
	}
}

func entryOf(t testing.TB, lines, body string) *entry {
	t.Helper()
	q := questionOf("")
	e, why := new(Cache).newEntry(&q, 200, header("Cache-Control: max-age=60\n"+lines), nil, noon, noon)
	if why != "" {
		t.Fatalf("%q is not stored: %s", lines, why)
	}
	e.finish([]byte(body))
	return e
}

// TestNotModified: RFC 9111, section 4.3.2, and RFC 9110, section 13.
func TestNotModified(t *testing.T) {
	for _, tt := range []struct {
		stored, request string
		want            bool
	}{
		{`ETag: "a"`, ``, false},
		{`ETag: "a"`, `If-None-Match: "a"`, true},
		{`ETag: "a"`, `If-None-Match: "b"`, false},
		{`ETag: "a"`, `If-None-Match: "b", "a"`, true},
		{`ETag: "a"`, "If-None-Match: \"b\"\nIf-None-Match: \"a\"", true},
		{`ETag: "a"`, `If-None-Match: "b","a"`, true},
		{`ETag: "a"`, `If-None-Match: ,, "a"`, true},
		{`ETag: "a"`, `If-None-Match: W/"a"`, true},
		{`ETag: W/"a"`, `If-None-Match: "a"`, true},
		{`ETag: W/"a"`, `If-None-Match: W/"a"`, true},
		{`ETag: "a"`, `If-None-Match: w/"a"`, false},
		{`ETag: "a"`, `If-None-Match: a`, false},
		{`ETag: "a"`, `If-None-Match: "a`, false},
		{`ETag: "a"`, `If-None-Match: *`, true},
		{``, `If-None-Match: *`, true},
		{``, `If-None-Match: "a"`, false},
		{`ETag: a`, `If-None-Match: "a"`, false},
		{`ETag: "a, b"`, `If-None-Match: "x", "a,b"`, false},
		{`ETag: "a,b"`, `If-None-Match: "x", "a,b"`, true},
		{`ETag: "a"`, `If-None-Match: "x" junk "a"`, false},
		{"Last-Modified: " + at(-100), "If-Modified-Since: " + at(-100), true},
		{"Last-Modified: " + at(-100), "If-Modified-Since: " + at(-99), true},
		{"Last-Modified: " + at(-100), "If-Modified-Since: " + at(-101), false},
		{"Last-Modified: " + at(-100), "If-Modified-Since: Saturday, 28-Nov-26 11:58:20 GMT", true},
		{"Last-Modified: " + at(-100), "If-Modified-Since: now", false},
		{"Last-Modified: " + at(-100), "If-Modified-Since: " + at(0) + "\nIf-Modified-Since: " + at(0), false},
		{"", "If-Modified-Since: " + at(1), true}, // Date stands in
		{"", "If-Modified-Since: " + at(-1), false},
		{"ETag: \"a\"\nLast-Modified: " + at(-100), "If-None-Match: \"b\"\nIf-Modified-Since: " + at(0), false},
		{"ETag: \"a\"\nLast-Modified: " + at(-100), "If-None-Match: \"a\"\nIf-Modified-Since: " + at(-1000), true},
		{"Last-Modified: " + at(-100), "If-None-Match: \"b\"\nIf-Modified-Since: " + at(0), false},
	} {
		q := questionOf(tt.request)
		if got := entryOf(t, tt.stored, "x").notModified(&q, noon); got != tt.want {
			t.Errorf("%q %q: %v, want %v", tt.stored, tt.request, got, tt.want)
		}
	}
	q := questionOf(`If-None-Match: "a"`)
	e := entryOf(t, `ETag: "a"`, "")
	e.status = 404
	if e.notModified(&q, noon) {
		t.Error("a 404 has become a 304 (RFC 9110, section 13.2.1)")
	}
}

// TestPart: RFC 9110, sections 13.1.5 and 14.
func TestPart(t *testing.T) {
	const whole, none = "whole", "none"
	for _, tt := range []struct{ stored, request, want string }{
		{"", "", whole},
		{"", "Range: bytes=0-0", "bytes 0-0/10"},
		{"", "Range: bytes=0-9", "bytes 0-9/10"},
		{"", "Range: bytes=3-5", "bytes 3-5/10"},
		{"", "Range: bytes=3-", "bytes 3-9/10"},
		{"", "Range: bytes=3-99", "bytes 3-9/10"},
		{"", "Range: bytes=-3", "bytes 7-9/10"},
		{"", "Range: bytes=-99", "bytes 0-9/10"},
		{"", "Range: BYTES=3-5", "bytes 3-5/10"},
		{"", "Range: bytes= 3-5 ", "bytes 3-5/10"},
		{"", "Range: bytes=9-99999999999999999999", "bytes 9-9/10"},
		{"", "Range: bytes=10-", none},
		{"", "Range: bytes=99999999999999999999-", none},
		{"", "Range: bytes=-0", none},
		{"", "Range: bytes=5-3", whole},
		{"", "Range: bytes=0-1,3-4", whole},
		{"", "Range: bytes=", whole},
		{"", "Range: bytes=-", whole},
		{"", "Range: bytes=a-b", whole},
		{"", "Range: bytes=+1-2", whole},
		{"", "Range: bytes", whole},
		{"", "Range: lines=1-2", whole},
		{"", "Range: bytes=0-0\nRange: bytes=1-1", whole},
		{`ETag: "a"`, "Range: bytes=3-5\nIf-Range: \"a\"", "bytes 3-5/10"},
		{`ETag: "a"`, "Range: bytes=3-5\nIf-Range: \"b\"", whole},
		{`ETag: "a"`, "Range: bytes=3-5\nIf-Range: W/\"a\"", whole},
		{`ETag: W/"a"`, "Range: bytes=3-5\nIf-Range: W/\"a\"", whole},
		{"", "Range: bytes=3-5\nIf-Range: \"a\"", whole},
		{`ETag: "a"`, "Range: bytes=3-5\nIf-Range: \"a\"\nIf-Range: \"a\"", whole},
		{"Last-Modified: " + at(-100), "Range: bytes=3-5\nIf-Range: " + at(-100), "bytes 3-5/10"},
		{"Last-Modified: " + at(-100), "Range: bytes=3-5\nIf-Range: " + at(-99), whole},
		{"Last-Modified: " + at(0), "Range: bytes=3-5\nIf-Range: " + at(0), whole}, // a weak date
		{"Last-Modified: " + at(-100), "Range: bytes=3-5\nIf-Range: x", whole},
		{"Last-Modified: " + at(-100), "If-Range: " + at(-99), whole},
	} {
		q := questionOf(tt.request)
		s, ok, all := entryOf(t, tt.stored, "0123456789").part(&q)
		got := whole
		if !all {
			if got = none; ok {
				got = s.contentRange(10)
			}
		}
		if got != tt.want {
			t.Errorf("%q %q: %s, want %s", tt.stored, tt.request, got, tt.want)
		}
	}
	q := questionOf("Range: bytes=-5")
	if _, ok, whole := entryOf(t, "", "").part(&q); ok || whole {
		t.Error("an empty body has a part")
	}
}

// TestMerged: RFC 9111, section 3.2, and which fields are kept at all (section 3.1).
func TestMerged(t *testing.T) {
	const stored = "ETag: \"a\"\nContent-Type: text/plain\nX-A: old\nX-B: old"
	for _, tt := range []struct{ update, name, want string }{
		{"", "X-A", "old"},
		{"X-A: new", "X-A", "new"},
		{"X-A: 1\nX-A: 2", "X-A", "1|2"},
		{"X-C: new", "X-C", "new"},
		{"Cache-Control: max-age=5", "Cache-Control", "max-age=5"},
		{"Content-Length: 99", "Content-Length", ""},
		{"Content-Type: text/html", "Content-Type", "text/plain"},
		{"Content-Encoding: gzip", "Content-Encoding", ""},
		{"Content-Range: bytes 0-1/2", "Content-Range", ""},
		{"ETag: W/\"a\"", "Etag", `"a"`},
		{"Connection: close", "Connection", ""},
		{"Transfer-Encoding: chunked", "Transfer-Encoding", ""},
		{"Proxy-Authenticate: x", "Proxy-Authenticate", ""},
		{"Age: 5", "Age", ""},
		{"Content-Location: /b", "Content-Location", "/b"},
	} {
		got := strings.Join(entryOf(t, stored, "").merged(header(tt.update))[tt.name], "|")
		if got != tt.want {
			t.Errorf("%q: %s is %q, want %q", tt.update, tt.name, got, tt.want)
		}
	}
	c, _ := controlOf(header(`Cache-Control: no-cache="x-a", private="x-b, x-c"`))
	got := keepable(header("X-A: 1\nX-B: 1\nX-C: 1\nX-D: 1\nX-E: 1\nConnection: x-d, Close\nKeep-Alive: 5\nProxy-Authentication-Info: x\nUpgrade: x\nTe: x\nTrailer: x\nTrailer:x-f: 1"), &c)
	if diff := cmp.Diff(http.Header{"X-E": {"1"}}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// TestValidators: RFC 9111, sections 4.3.1, 4.3.4 and 4.3.5.
func TestValidators(t *testing.T) {
	for _, tt := range []struct {
		stored, answer            string
		asks, confirms, describes bool
	}{
		{``, ``, false, true, true},
		{`ETag: "a"`, ``, true, true, true},
		{`ETag: "a"`, `ETag: "a"`, true, true, true},
		{`ETag: "a"`, `ETag: W/"a"`, true, true, false},
		{`ETag: "a"`, `ETag: "b"`, true, false, false},
		{`ETag: "a"`, "Last-Modified: " + at(-5), true, true, false},
		{"Last-Modified: " + at(-5), "Last-Modified: " + at(-5), true, true, true},
		{"Last-Modified: " + at(-5), "Last-Modified: " + at(-4), true, false, false},
		{"Last-Modified: " + at(-5), "", true, true, true},
		{`ETag: "a"`, `Content-Length: 1`, true, true, true},
		{`ETag: "a"`, `Content-Length: 2`, true, true, false},
	} {
		e, h := entryOf(t, tt.stored, "x"), header(tt.answer)
		if got := e.validators() != nil; got != tt.asks {
			t.Errorf("%q asks: %v", tt.stored, got)
		}
		if got := e.confirms(h); got != tt.confirms {
			t.Errorf("%q is confirmed by %q: %v", tt.stored, tt.answer, got)
		}
		if got := e.describes(h); got != tt.describes {
			t.Errorf("%q is described by %q: %v", tt.stored, tt.answer, got)
		}
	}
}

// TestStrips: fields that Connection names do not reach backends.
func TestStrips(t *testing.T) {
	for line, want := range map[string]bool{
		"": false, "close": false, "Keep-Alive": false, "keep-alive, Upgrade": false, "TE, close": false, ",": false,
		"Accept-Language": true, "close, origin": true, "close,,x": true, "cookie ,close": true,
	} {
		if got := strips(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// TestStatusLine: RFC 9211.
func TestStatusLine(t *testing.T) {
	c := Cache{o: Options{Name: "b"}}
	k := key{"https", "a", "/\"\x7f"}
	for _, tt := range []struct {
		outcome
		want string
	}{
		{outcome{hit: true, ttl: 1500 * time.Millisecond, known: true}, "b; hit; ttl=1"},
		{outcome{hit: true, ttl: -1500 * time.Millisecond, known: true}, "b; hit; ttl=-2"},
		{outcome{hit: true, ttl: -2 * time.Second, known: true}, "b; hit; ttl=-2"},
		{outcome{forward: "uri-miss"}, "b; fwd=uri-miss"},
		{outcome{forward: "stale", status: 304, ttl: time.Minute, known: true, stored: true}, "b; fwd=stale; fwd-status=304; ttl=60; stored"},
		{outcome{forward: "uri-miss", ttl: time.Minute, known: true, collapsed: true}, "b; fwd=uri-miss; ttl=60; collapsed"},
	} {
		if got := c.status(tt.outcome, &k); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.outcome, got, tt.want)
		}
	}
	c.o.ShowKey = true
	if got, want := c.status(outcome{hit: true}, &k), `b; hit; key="https://a/\"?"`; got != want {
		t.Errorf("with its key: %q, want %q", got, want)
	}
}
