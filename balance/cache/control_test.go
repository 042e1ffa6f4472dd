package cache

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func given(seconds int64) Delta { return Delta{true, time.Duration(seconds) * time.Second} }

func TestParseResponse(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		want  ResponseControl
	}{
		{nil, ResponseControl{}},
		{[]string{""}, ResponseControl{}},
		{[]string{", ,,"}, ResponseControl{}},
		{[]string{"max-age=60"}, ResponseControl{MaxAge: given(60)}},
		{[]string{"MAX-AGE=60"}, ResponseControl{MaxAge: given(60)}},
		{[]string{`max-age="60"`}, ResponseControl{MaxAge: given(60)}},
		{[]string{`max-age="6\0"`}, ResponseControl{MaxAge: given(60)}},
		{[]string{"max-age=0060"}, ResponseControl{MaxAge: given(60)}},
		{[]string{"max-age=0"}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age=2147483648"}, ResponseControl{MaxAge: given(1 << 31)}},
		{[]string{"max-age=2147483649"}, ResponseControl{MaxAge: given(1 << 31)}},
		{[]string{"max-age=2147483647"}, ResponseControl{MaxAge: given(1<<31 - 1)}},
		{[]string{"max-age=9227000000"}, ResponseControl{MaxAge: given(1 << 31)}},
		{[]string{"max-age=21474836480"}, ResponseControl{MaxAge: given(1 << 31)}},
		{[]string{"max-age=99999999999999999999999999"}, ResponseControl{MaxAge: given(1 << 31)}},
		{[]string{"max-age"}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age="}, ResponseControl{MaxAge: given(0)}},
		{[]string{`max-age=""`}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age=-1"}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age=+60"}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age=60.0"}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age=a60"}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age=60a"}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age='60'"}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age =60"}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age= 60"}, ResponseControl{MaxAge: given(0)}},
		{[]string{`max-age="60`}, ResponseControl{MaxAge: given(0)}},
		{[]string{`max-age="60"x`}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age=60;public"}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age=60, max-age=60"}, ResponseControl{MaxAge: given(60)}},
		{[]string{"max-age=60, max-age=61"}, ResponseControl{MaxAge: given(0)}},
		{[]string{"max-age=60", "max-age=1"}, ResponseControl{MaxAge: given(0)}},
		{[]string{`x="max-age=60", max-age=1`}, ResponseControl{MaxAge: given(1)}},
		{[]string{`max-age=1, x="max-age=60"`}, ResponseControl{MaxAge: given(1)}},
		{[]string{`x="a\", max-age=60", max-age=1`}, ResponseControl{MaxAge: given(1)}},
		{[]string{`x="a`, "max-age=1"}, ResponseControl{MaxAge: given(1)}},
		{[]string{"s-maxage=5"}, ResponseControl{SMaxAge: given(5)}},
		{[]string{"s-maxage=x"}, ResponseControl{SMaxAge: given(0)}},
		{[]string{"stale-while-revalidate=5"}, ResponseControl{StaleWhileRevalidate: given(5)}},
		{[]string{"stale-if-error=5"}, ResponseControl{StaleIfError: given(5)}},
		{[]string{"no-store"}, ResponseControl{NoStore: true}},
		{[]string{"No-Store"}, ResponseControl{NoStore: true}},
		{[]string{"no-store=x"}, ResponseControl{NoStore: true}},
		{[]string{"no-store =x"}, ResponseControl{NoStore: true}},
		{[]string{"no-cache"}, ResponseControl{NoCache: true}},
		{[]string{`no-cache="x-a, X-B"`}, ResponseControl{NoCacheFields: []string{"X-A", "X-B"}}},
		{[]string{"no-cache=x-a"}, ResponseControl{NoCacheFields: []string{"X-A"}}},
		{[]string{`no-cache=""`}, ResponseControl{NoCache: true}},
		{[]string{`no-cache="a b"`}, ResponseControl{NoCache: true}},
		{[]string{`no-cache="x`}, ResponseControl{NoCache: true}},
		{[]string{`no-cache="x", no-cache`}, ResponseControl{NoCache: true}},
		{[]string{`no-cache, no-cache="x"`}, ResponseControl{NoCache: true}},
		{[]string{`no-cache="x", no-cache="y"`}, ResponseControl{NoCacheFields: []string{"X", "Y"}}},
		{[]string{"private"}, ResponseControl{Private: true}},
		{[]string{`private="set-cookie"`}, ResponseControl{PrivateFields: []string{"Set-Cookie"}}},
		{[]string{`private="set-cookie`}, ResponseControl{Private: true}},
		{[]string{"public"}, ResponseControl{Public: true}},
		{[]string{"public=x"}, ResponseControl{}},
		{[]string{"public x"}, ResponseControl{}},
		{[]string{"must-revalidate"}, ResponseControl{MustRevalidate: true}},
		{[]string{"proxy-revalidate"}, ResponseControl{ProxyRevalidate: true}},
		{[]string{"must-understand"}, ResponseControl{MustUnderstand: true}},
		{[]string{"immutable"}, ResponseControl{Immutable: true}},
		{[]string{"immutable=1"}, ResponseControl{}},
		{[]string{"no-transform"}, ResponseControl{NoTransform: true}},
		{[]string{"x-new, y=1, =, \"q\""}, ResponseControl{}},
		{[]string{"public, max-age=3600", "must-revalidate"}, ResponseControl{Public: true, MaxAge: given(3600), MustRevalidate: true}},
	} {
		got := ParseResponse(http.Header{"Cache-Control": tt.lines})
		if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.lines, diff)
		}
	}
}

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		control, pragma []string
		want            RequestControl
	}{
		{nil, nil, RequestControl{}},
		{[]string{"no-cache"}, nil, RequestControl{NoCache: true}},
		{[]string{"no-cache=x"}, nil, RequestControl{NoCache: true}},
		{[]string{"no-store"}, nil, RequestControl{NoStore: true}},
		{[]string{"no-transform"}, nil, RequestControl{NoTransform: true}},
		{[]string{"only-if-cached"}, nil, RequestControl{OnlyIfCached: true}},
		{[]string{"max-age=0"}, nil, RequestControl{MaxAge: given(0)}},
		{[]string{"max-age=x"}, nil, RequestControl{MaxAge: given(0)}},
		{[]string{"max-age=9, max-age=5"}, nil, RequestControl{MaxAge: given(5)}},
		{[]string{"max-age=5", "max-age=9"}, nil, RequestControl{MaxAge: given(5)}},
		{[]string{"min-fresh=5"}, nil, RequestControl{MinFresh: given(5)}},
		{[]string{"min-fresh=x"}, nil, RequestControl{MinFresh: given(1 << 31)}},
		{[]string{"min-fresh=9, min-fresh=5"}, nil, RequestControl{MinFresh: given(9)}},
		{[]string{"max-stale"}, nil, RequestControl{MaxStale: given(1 << 31)}},
		{[]string{"max-stale=5"}, nil, RequestControl{MaxStale: given(5)}},
		{[]string{"max-stale=x"}, nil, RequestControl{MaxStale: given(0)}},
		{[]string{"max-stale="}, nil, RequestControl{MaxStale: given(0)}},
		{[]string{"max-stale, max-stale=5"}, nil, RequestControl{MaxStale: given(5)}},
		{nil, []string{"no-cache"}, RequestControl{NoCache: true}},
		{nil, []string{"x, No-Cache"}, RequestControl{NoCache: true}},
		{nil, []string{`x="no-cache"`}, RequestControl{}},
		{[]string{"max-age=5"}, []string{"no-cache"}, RequestControl{MaxAge: given(5)}},
	} {
		h := http.Header{"Cache-Control": tt.control, "Pragma": tt.pragma}
		if diff := cmp.Diff(tt.want, ParseRequest(h)); diff != "" {
			t.Errorf("%q %q (-want +got):\n%s", tt.control, tt.pragma, diff)
		}
	}
}

func TestParseDate(t *testing.T) {
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	day := time.Date(2050, 8, 18, 2, 1, 18, 0, time.UTC)
	for _, tt := range []struct {
		s    string
		want time.Time
	}{
		{"Thu, 18 Aug 2050 02:01:18 GMT", day},
		{"Thursday, 18-Aug-50 02:01:18 GMT", day},
		{"Thu Aug 18 02:01:18 2050", day},
		{"Saturday, 18-Aug-90 02:01:18 GMT", day.AddDate(-60, 0, 0)},
		{"Thursday, 18-Aug-90 02:01:18 GMT", time.Time{}},
		{"THU, 18 Aug 2050 02:01:18 GMT", time.Time{}},
		{"Thu, 18 AUG 2050 02:01:18 GMT", time.Time{}},
		{"Thu, 18 Aug 2050 02:01:18 gMT", time.Time{}},
		{"Thu, 18 Aug 2050 02:01:18 UTC", time.Time{}},
		{"Thu, 18 Aug 50 02:01:18 GMT", time.Time{}},
		{"Thu 18 Aug 2050 02:01:18 GMT", time.Time{}},
		{"Thu, 18  Aug  2050 02:01:18 GMT", time.Time{}},
		{"Thu, 18-Aug-2050 02:01:18 GMT", time.Time{}},
		{"Thu, 18 Aug 2050 02.01.18 GMT", time.Time{}},
		{"Thu, 18 Aug 2050 2:01:18 GMT", time.Time{}},
		{"Fri, 18 Aug 2050 02:01:18 GMT", time.Time{}},
		{"Thu, 31 Feb 2050 02:01:18 GMT", time.Time{}},
		{"0", time.Time{}},
		{"-1", time.Time{}},
		{"", time.Time{}},
	} {
		got, ok := ParseDate(tt.s, now)
		if ok != !tt.want.IsZero() || ok && !got.Equal(tt.want) {
			t.Errorf("ParseDate(%q) = %v, %v; want %v", tt.s, got, ok, tt.want)
		}
	}
}

// FuzzParse: no field makes the readers panic or give a time out of bounds, and what a field forbids
// still holds, whatever line comes before it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "max-age=60", `no-cache="a, b"`, `x="\`, "a=\"b\\\"c\", d", "max-age=99999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Cache-Control": {line, "no-store, no-cache, private, must-revalidate"}}
		c, r := ParseResponse(h), ParseRequest(h)
		if !c.NoStore || !c.NoCache || !c.Private || !c.MustRevalidate || !r.NoStore || !r.NoCache {
			t.Errorf("%q hides the line after it: %+v %+v", line, c, r)
		}
		for _, d := range []Delta{c.MaxAge, c.SMaxAge, c.StaleWhileRevalidate, c.StaleIfError, r.MaxAge, r.MinFresh, r.MaxStale} {
			if d.Time < 0 || d.Time > MaxAge || !d.Given && d.Time != 0 {
				t.Errorf("%q gives %+v", line, d)
			}
		}
	})
}
