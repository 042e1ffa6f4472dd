package balance

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

func TestClassifyRules(t *testing.T) {
	for name, tt := range map[string]struct {
		rule     Rule
		meets    []Info // only what the rule looks at
		misses   []Info
		fields   http.Header // of all of them
		fieldsNo http.Header // with these the first of meets misses
	}{
		"method":  {Rule{Methods: []string{"GET", "HEAD"}}, []Info{{Method: "GET"}, {Method: "HEAD"}}, []Info{{Method: "POST"}, {Method: "get"}}, nil, nil},
		"host":    {Rule{Host: "Example.org"}, []Info{{Host: "example.org"}, {Host: "EXAMPLE.ORG:8080"}}, []Info{{Host: "www.example.org"}, {Host: "example.org.evil.net"}, {}}, nil, nil},
		"hosts":   {Rule{Host: "*.example.org"}, []Info{{Host: "www.example.org"}, {Host: "a.b.example.org:80"}}, []Info{{Host: "example.org"}, {Host: ".example.org"}, {Host: "badexample.org"}}, nil, nil},
		"IPv6":    {Rule{Host: "[2001:db8::1]"}, []Info{{Host: "[2001:db8::1]"}, {Host: "[2001:DB8::1]:80"}}, []Info{{Host: "[2001:db8::2]"}}, nil, nil},
		"path":    {Rule{Path: "/admin"}, []Info{{Path: "/admin"}, {Path: "/admin/users"}}, []Info{{Path: "/administrators"}, {Path: "/"}, {Path: ""}, {Path: "/x/admin"}}, nil, nil},
		"path/":   {Rule{Path: "/admin/"}, []Info{{Path: "/admin"}, {Path: "/admin/users"}}, []Info{{Path: "/administrators"}}, nil, nil},
		"root":    {Rule{Path: "/"}, []Info{{Path: "/"}, {Path: "/x"}, {Path: "*"}}, nil, nil, nil},
		"regexp":  {Rule{PathMatch: `\.xo$`}, []Info{{Path: "/file/1.xo"}}, []Info{{Path: "/file/1.xo/info"}, {Path: "/"}}, nil, nil},
		"network": {Rule{Networks: []string{"192.0.2.77/24", "2001:db8::/32"}}, []Info{{Client: netip.MustParseAddr("192.0.2.1")}, {Client: netip.MustParseAddr("2001:db8::1")}}, []Info{{Client: netip.MustParseAddr("192.0.3.1")}, {}}, nil, nil},
		"cookie":  {Rule{Cookie: "session"}, []Info{{}}, nil, http.Header{"Cookie": {"a=b; session=1"}}, http.Header{"Cookie": {"xsession=1; session2=2; a=session", "Session=1"}}},
		"cookie of some content": {Rule{Cookie: "role", CookieMatch: "^(admin|editor)$"}, []Info{{}}, nil,
			http.Header{"Cookie": {"x=1", `role=user; role="editor"`}}, http.Header{"Cookie": {"role=administrator; x=admin"}}},
		"header":                 {Rule{Header: "x-bot"}, []Info{{}}, nil, http.Header{"X-Bot": {""}}, http.Header{"X-Bots": {"1"}}},
		"header of some content": {Rule{Header: "User-Agent", HeaderMatch: "(?i)crawler"}, []Info{{}}, nil, http.Header{"User-Agent": {"x", "A Crawler"}}, http.Header{"User-Agent": {"browser"}}},
		"all of several":         {Rule{Methods: []string{"GET"}, Path: "/a", Header: "X"}, []Info{{Method: "GET", Path: "/a"}}, []Info{{Method: "GET", Path: "/b"}, {Method: "PUT", Path: "/a"}}, http.Header{"X": {"1"}}, http.Header{}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.rule.Priority = 7
			classify, err := ClassifyRules([]Rule{tt.rule, {Path: "/", Priority: -7}})
			if err != nil {
				t.Fatal(err)
			}
			check := func(in Info, h http.Header, want int) {
				t.Helper()
				in.Header, in.Values = h.Get, h.Values
				if classify(&in); in.Priority != want {
					t.Errorf("%+v, %v: priority %d, want %d", in, h, in.Priority, want)
				}
			}
			for _, in := range tt.meets {
				check(in, tt.fields, 7)
			}
			for _, in := range tt.misses {
				if in.Path == "" {
					in.Path = "/else"
				}
				check(in, tt.fields, -7)
			}
			if tt.fieldsNo != nil {
				in := tt.meets[0]
				in.Path = "/a"
				check(in, tt.fieldsNo, -7)
			}
		})
	}
}

// TestClassifyRulesLeavesOthers: who meets no rule keeps what was there.
func TestClassifyRulesLeavesOthers(t *testing.T) {
	classify, err := ClassifyRules([]Rule{{Methods: []string{"GET"}, Priority: 1}})
	if err != nil {
		t.Fatal(err)
	}
	in := Info{Method: "POST", Priority: 5, Key: "k"}
	if classify(&in); in.Priority != 5 || in.Key != "k" {
		t.Errorf("%+v", in)
	}
}

// TestClassifyRulesMistakes: each is told, with the rule it is in.
func TestClassifyRulesMistakes(t *testing.T) {
	_, err := ClassifyRules([]Rule{
		{Path: "/fine"},
		{},
		{Priority: 1001, Path: "admin"},
		{PathMatch: "("},
		{CookieMatch: "x"},
		{HeaderMatch: "x", Networks: []string{"192.0.2.1", "300.0.0.0/8"}},
		{Host: "*example.org"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"rule 2: it has no condition", "rule 3: its priority is 1001", `rule 3: its path "admin"`, "rule 4: its PathMatch is no regular expression",
		"rule 5: it has CookieMatch and does not say of which cookie", "rule 6: it has HeaderMatch and does not say of which header",
		`rule 6: its network "192.0.2.1"`, `rule 6: its network "300.0.0.0/8"`, `rule 7: its host "*example.org"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "rule 1:") {
		t.Error(err)
	}
	if _, err := ClassifyRules(make([]Rule, maxRules+1)); err == nil {
		t.Error("no error for too many")
	}
}

// FuzzRuleCookie: the cookies that net/http finds are found, whatever else is in the field.
func FuzzRuleCookie(f *testing.F) {
	for _, s := range []string{"a=b; session=1", "session", "session=", `session="x"`, ";;=;session=1;", "a=b;session=2", " session = 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, field string) {
		h := http.Header{"Cookie": {field}}
		r := rule{Rule: Rule{Cookie: "session"}}
		got := r.meetsCookie(h.Values("Cookie"))
		_, err := (&http.Request{Header: h}).Cookie("session")
		if err == nil && !got {
			t.Errorf("%q: not found", field)
		}
		r.cookie = regexp.MustCompile("^1$")
		if c, err := (&http.Request{Header: h}).Cookie("session"); err == nil && c.Value == "1" && !r.meetsCookie(h.Values("Cookie")) {
			t.Errorf("%q: no match", field)
		}
	})
}
