package edge

import (
	"fmt"
	"strings"
)

// An oddRequest is valid, and seldom seen.
type oddRequest struct {
	method, target, proto string
	fields                [][2]string
	chunks                []string // with their extensions; nil: no chunked coding
	body                  string
	trailer               [][2]string
	host                  string
}

func (r *oddRequest) bytes() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\n", r.method, r.target, r.proto)
	if r.host != "" {
		fmt.Fprintf(&b, "Host: %s\r\n", r.host)
	}
	for _, f := range r.fields {
		fmt.Fprintf(&b, "%s:%s\r\n", f[0], f[1])
	}
	switch {
	case r.chunks != nil:
		b.WriteString("Transfer-Encoding: chunked\r\n")
		for i, t := range r.trailer {
			if i == 0 {
				b.WriteString("Trailer: " + t[0] + "\r\n")
			}
		}
		b.WriteString("\r\n")
		for _, c := range r.chunks {
			size, data, _ := strings.Cut(c, "|")
			fmt.Fprintf(&b, "%s\r\n%s\r\n", size, data)
		}
		b.WriteString("0\r\n")
		for _, t := range r.trailer {
			fmt.Fprintf(&b, "%s: %s\r\n", t[0], t[1])
		}
		b.WriteString("\r\n")
	case r.body != "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(r.body), r.body)
	default:
		b.WriteString("\r\n")
	}
	return b.String()
}

// payload is the body without its coding.
func (r *oddRequest) payload() string {
	body := r.body
	for _, c := range r.chunks {
		_, data, _ := strings.Cut(c, "|")
		body += data
	}
	return body
}

// oddRequests makes each request one step off the ordinary: a method, a target, fields, a body.
func oddRequests() (list []oddRequest) {
	plain := oddRequest{method: "GET", target: "/", proto: "HTTP/1.1", host: "example.org"}
	add := func(change func(*oddRequest)) {
		r := plain
		change(&r)
		list = append(list, r)
	}
	for _, m := range strings.Fields("GET HEAD POST PUT DELETE OPTIONS TRACE PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT SEARCH PURGE LINK UNLINK QUERY ACL BIND get Get M-SEARCH X!#$%&'*+-.^_`|~ A") {
		add(func(r *oddRequest) { r.method = m })
		add(func(r *oddRequest) { r.method, r.body = m, "some body" })
	}
	for _, target := range strings.Fields(`/ // ///a /a//b /. /.. /./a /../a /a/../b /a/./b /a/.. /a; /a;b=c /;jsessionid=1/x /%20 /%2F /%2f /a%2Fb /%25 /%00 /%0d%0a /%e2%82%ac /%E2%82%AC
		/? /?? /?a /?a=b&c=d /?a;b /?=& /?%zz /?a=%00 /?/ /?a?b /a?b=/../c /?x=[1] /?x={1} /?x=a|b /?x=\ /?x=^ /?x=` + "`" + ` /?q=a+b /a+b /a,b /a:b /:80 /@x /a@b /~user /!$&'()*+,;=:@ /-._~
		/a=b /(a) /a'b /*a /* /http://y/ /?u=http://y/ /index.html%3Fa /[1] /a|b /a{b} /a\b /a^b /` + strings.Repeat("a", 4000) + ` /?` + strings.Repeat("b", 4000)) {
		add(func(r *oddRequest) { r.target = target })
	}
	add(func(r *oddRequest) { r.method, r.target = "OPTIONS", "*" })
	for _, u := range []string{"http://example.org/a", "http://example.org", "HTTP://EXAMPLE.ORG/a", "https://example.org/a?b", "http://example.org?b"} {
		add(func(r *oddRequest) { r.target = u })
	}
	for _, h := range []string{"x", "EXAMPLE.org", "example.org:80", "example.org:8080", "a_b.example", "192.0.2.1", "192.0.2.1:81", "[::1]", "[2001:db8::1]:8080", "xn--bcher-kva.example", "example.org.", "-", strings.Repeat("a", 250)} {
		add(func(r *oddRequest) { r.host = h })
	}
	for _, fields := range [][][2]string{
		{{"X-A", ""}}, {{"X-A", " "}}, {{"X-A", "b"}}, {{"X-A", " \t b \t "}}, {{"x-a", " b"}}, {{"X-A", " b c  d\te"}},
		{{"X-A", " 1"}, {"X-A", " 2"}, {"X-B", " 3"}, {"X-A", " 4"}}, {{"X-A", " \xe9\xff\x80"}}, {{"X-A", " \"quoted, string\""}}, {{"X-A", " a:b:c"}}, {{"X-A", " :"}}, {{"X-A", " ,,,"}},
		{{"X!#$%&'*+-.^_`|~0", " a"}}, {{"X_A", " 1"}, {"X-A", " 2"}}, {{"A", " " + strings.Repeat("a", 8000)}}, {{strings.Repeat("A", 1000), " b"}},
		{{"Cookie", " a=1; b=2"}, {"Cookie", " c=3"}}, {{"Range", " bytes=0-0,-1"}}, {{"If-None-Match", ` "a", W/"b", *`}}, {{"Accept", " */*;q=0.001"}, {"Accept", ""}}, {{"Authorization", " Basic Og=="}},
		{{"Accept-Encoding", " identity;q=0"}}, {{"User-Agent", ""}}, {{"Content-Type", " text/plain"}}, {{"Pragma", " no-cache"}}, {{"Max-Forwards", " 0"}}, {{"Via", " 1.0 a, 1.1 b"}},
		{{"Referer", " http://y/?a=b"}}, {{"Date", " now"}}, {{"From", " a@b"}}, {{"Origin", " null"}}, {{"Content-Encoding", " gzip"}}, {{"Server", " x"}}, {{"Content-Language", " es"}}, {{"Age", " -1"}}, {{"Cache-Control", " no-cache=\"a, b\", max-age=\"0\""}},
	} {
		add(func(r *oddRequest) { r.fields = fields })
		add(func(r *oddRequest) { r.method, r.body, r.fields = "POST", "x", fields })
	}
	many := make([][2]string, 100)
	for i := range many {
		many[i] = [2]string{fmt.Sprintf("X-Field-%d", i%50), fmt.Sprintf(" %d", i)}
	}
	add(func(r *oddRequest) { r.fields = many })
	for _, chunks := range [][]string{
		{}, {"5|hello"}, {"1|a", "1|b", "1|c"}, {"5;a|hello"}, {"5;a=b|hello"}, {`5;a="b c\"d"|hello`}, {"5;a;b=c;d|hello"}, {"00005|hello"}, {"A|0123456789", "a|0123456789"},
		{"4|\r\n\r\n"}, {"5|0\r\n\r\n"}, {"23|" + smuggled}, {"1000|" + strings.Repeat("a", 4096), "1|b"}, {`1;x="` + strings.Repeat("y", 900) + `"|z`}, {"3|\x00\xff\n"},
	} {
		add(func(r *oddRequest) { r.method, r.chunks = "POST", chunks })
		add(func(r *oddRequest) {
			r.method, r.chunks, r.trailer = "PUT", chunks, [][2]string{{"X-Sum", "1"}}
		})
	}
	for _, body := range []string{"a", "\x00", "\r\n", smuggled, strings.Repeat("b", 100_000), "0\r\n\r\n"} {
		add(func(r *oddRequest) { r.method, r.body = "POST", body })
		add(func(r *oddRequest) {
			r.method, r.body, r.fields = "PUT", body, [][2]string{{"Expect", " 100-continue"}}
		})
	}
	for _, p := range [][2]string{{"GET", ""}, {"POST", "old body"}} {
		for _, c := range []string{"keep-alive", "Keep-Alive", "close"} {
			add(func(r *oddRequest) {
				r.method, r.body, r.proto, r.fields = p[0], p[1], "HTTP/1.0", [][2]string{{"Connection", " " + c}}
			})
		}
	}
	return list
}
