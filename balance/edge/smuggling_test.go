package edge

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sugarlabs/beamrider/balance"
)

// chain is a server before a balancer before a linter.
func chain(t testing.TB, o Options) (address string, s *Server, l *linter) {
	l = newLinter(t)
	tr := &http.Transport{DisableCompression: true, MaxResponseHeaderBytes: 1 << 20, ResponseHeaderTimeout: 10 * time.Second}
	t.Cleanup(tr.CloseIdleConnections)
	b, err := balance.New([]balance.Backend{{Name: "linter", URL: "http://" + l.l.Addr().String()}}, &balance.Options{Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	o.Writes = Rate{PerSecond: -1}
	s = mustNew(t, b, o)
	address, _ = serveOn(t, s, Listener{})
	return address, s, l
}

// TestSmuggling: of what could be read in two ways nothing arrives that is ambiguous; the client is told
// why, and the server goes on. Each payload comes alone, after a good request in the same packet, and in
// two parts.
func TestSmuggling(t *testing.T) {
	if len(payloads) < 120 {
		t.Fatalf("there are only %d payloads", len(payloads))
	}
	address, _, l := chain(t, Options{})
	const first = "GET /first HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, p := range payloads {
		for _, how := range []string{"alone", "pipelined", "in parts"} {
			c := dial(t, address)
			var send []string
			switch how {
			case "alone":
				send = []string{p.bytes}
			case "pipelined":
				send = []string{first + p.bytes}
			default:
				half := len(p.bytes) / 2
				send = []string{p.bytes[:half], p.bytes[half:]}
			}
			for _, part := range send {
				io.WriteString(c, part) // a server that has refused the first part may have closed
			}
			if p.status == 0 { // a client that ends its side would be taken for gone
				io.WriteString(c, get("Connection: close\r\n"))
			} else {
				c.CloseWrite()
			}
			answers, err := readAnswers(bufio.NewReader(c))
			c.Close()
			got, bad := l.take()
			if len(bad) > 0 {
				t.Errorf("%s, %s: the backend got %q", p.name, how, bad)
			}
			for _, r := range got {
				if strings.Contains(r.Target, "smuggled") && !strings.HasPrefix(p.name, "CONNECT") {
					t.Errorf("%s, %s: a hidden request arrived: %+v", p.name, how, r)
				}
			}
			if err != nil && how != "in parts" {
				t.Errorf("%s, %s: what was answered is not HTTP: %v", p.name, how, err)
			}
			if how == "pipelined" {
				if len(answers) == 0 || answers[0].status != 200 {
					t.Errorf("%s, %s: the request before was answered %v", p.name, how, answers)
					continue
				}
				answers = answers[1:]
			}
			if how == "in parts" && len(answers) == 0 {
				continue // closed before the second part could be written
			}
			// What breaks in a body is found when the handler reads it: it may have answered before.
			if p.status == 0 {
				if len(answers) == 0 || len(answers) > 2 || answers[0].status != 200 {
					t.Errorf("%s, %s: answered %v", p.name, how, answers)
				}
				continue
			}
			if len(answers) != 1 {
				t.Errorf("%s, %s: %d answers: %v", p.name, how, len(answers), answers)
				continue
			}
			want := []int{p.status}
			if p.name == "preface of HTTP/2" || strings.HasPrefix(p.name, "head asterisk") {
				want = []int{400, 505}
			}
			if a := answers[0]; !slices.Contains(want, a.status) || !a.close || !strings.Contains(a.body, " ") {
				t.Errorf("%s, %s: %+v, want status %d, a sentence, and the end of the connection", p.name, how, a, p.status)
			}
		}
	}
	if got := exchange(t, address, first+"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); strings.Count(got, "HTTP/1.1 200") != 2 {
		t.Errorf("afterwards: %q", got)
	}
}

type anAnswer struct {
	status int
	close  bool
	body   string
}

func readAnswers(in *bufio.Reader) (list []anAnswer, err error) {
	for {
		if _, err := in.Peek(1); err != nil {
			return list, nil // the end, or a reset when we were still sending
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return list, err
		}
		body, err := io.ReadAll(res.Body)
		if res.StatusCode == http.StatusContinue {
			continue
		}
		list = append(list, anAnswer{res.StatusCode, res.Close, string(body)})
		if err != nil {
			return list, nil
		}
	}
}

// TestFreeze: a request that never ends holds up nobody else.
func TestFreeze(t *testing.T) {
	address, _, _ := chain(t, Options{})
	for _, fields := range []string{"Content-Length: 0x3\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", ""} {
		c := dial(t, address)
		io.WriteString(c, "POST /a HTTP/1.1\r\nHost: x\r\n"+fields)
		if fields != "" {
			io.WriteString(c, "\r\n")
		}
	}
	for range 20 {
		if got := exchange(t, address, get("Connection: close\r\n")); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
			t.Fatalf("%q", got)
		}
	}
}

// hop are the fields that a proxy takes away, adds or spells anew.
var hop = []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "Trailer", "Expect", "Host", "Te"}

// canonical is what fields mean: net/http writes names its own way, and those of one name in their order.
func canonical(fields [][2]string) map[string][]string {
	m := map[string][]string{}
	for _, f := range fields {
		name := textproto.CanonicalMIMEHeaderKey(f[0])
		if !slices.Contains(hop, name) {
			m[name] = append(m[name], strings.Trim(f[1], " \t"))
		}
	}
	// What net/http does of its own: it leaves an empty User-Agent out, and says Pragma in new words too.
	if slices.Equal(m["User-Agent"], []string{""}) {
		delete(m, "User-Agent")
	}
	if slices.Equal(m["Pragma"], []string{"no-cache"}) {
		m["Cache-Control"] = m["Pragma"]
	}
	return m
}

// TestOddRequests: valid requests arrive as they are, and twice on one connection.
func TestOddRequests(t *testing.T) {
	requests := oddRequests()
	if len(requests) < 200 {
		t.Fatalf("there are only %d", len(requests))
	}
	address, s, l := chain(t, Options{})
	for _, r := range requests {
		name := fmt.Sprintf("%.200q", r.bytes())
		times := 2
		if len(r.fields) > 0 && r.fields[0][1] == " close" {
			times = 1
		}
		c := dial(t, address)
		go io.WriteString(c, strings.Repeat(r.bytes(), times)) // both at once, while answers are read
		in := bufio.NewReader(c)
		for range times {
			res, err := http.ReadResponse(in, &http.Request{Method: r.method})
			if err == nil && res.StatusCode == http.StatusContinue {
				res, err = http.ReadResponse(in, &http.Request{Method: r.method})
			}
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%s: %v, %v", name, res, err)
			}
			io.Copy(io.Discard, res.Body)
		}
		c.Close()
		got, bad := l.take()
		if len(bad) > 0 || len(got) != times {
			t.Errorf("%s: %d of %d arrived, judged %q", name, len(got), times, bad)
			continue
		}
		host, target := r.host, r.target
		if i := strings.Index(target, "://"); i > 0 && target[0] != '/' { // absolute form becomes the usual one
			rest := target[i+3:]
			host, target = rest, "/"
			if j := strings.IndexAny(rest, "/?"); j >= 0 {
				host, target = rest[:j], "/"+strings.TrimPrefix(rest[j:], "/")
			}
		}
		want := linted{Method: r.method, Target: target, Host: host, Body: r.payload()}
		g := got[times-1]
		have := linted{Method: g.Method, Target: g.Target, Host: g.Host, Body: g.Body}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-sent +arrived)\n%s", name, diff)
		}
		if diff := cmp.Diff(canonical(r.fields), canonical(g.Fields)); diff != "" {
			t.Errorf("%s: fields (-sent +arrived)\n%s", name, diff)
		}
		if diff := cmp.Diff(canonical(r.trailer), canonical(g.Trailer)); diff != "" {
			t.Errorf("%s: trailer (-sent +arrived)\n%s", name, diff)
		}
	}
	if n := s.Stats().Malformed; n != 0 {
		t.Errorf("%d were refused", n)
	}
}

// TestPoison: whatever the reader refuses within a header, no handler gets to see.
func TestPoison(t *testing.T) {
	var calls atomic.Int32
	s := mustNew(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { calls.Add(1) }), Options{})
	address, _ := serveOn(t, s, Listener{})
	good := "POST /a HTTP/1.1\r\nHost: example.org\r\nX-A: b\r\nContent-Length: 0\r\nTrailer: a\r\n\r\n"
	for at := range len(good) {
		for _, c := range []string{"\x00", "\n", "\r", "\xff\x00", "\r\r\r\n"} {
			broken := good[:at] + c + good[at+len(c)-len(c):]
			if f, _ := follow([]byte(broken), 1); f.Refused == "" || len(f.Heads) > 0 {
				continue
			}
			if got := exchange(t, address, broken); !strings.HasPrefix(got, "HTTP/1.1 400 ") && !strings.HasPrefix(got, "HTTP/1.1 505 ") || strings.Count(got, "\r\nDate: ") != 1 {
				t.Errorf("%q: answered %q", broken, got)
			}
		}
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("the handler was called %d times", n)
	}
}
