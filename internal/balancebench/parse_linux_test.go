package main

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte("42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5 6"))
	if err != nil || got != (stat{parent: 7, ticks: 100}) {
		t.Errorf("parseStat = %+v, %v; want parent 7, 100 ticks", got, err)
	}
	for _, bad := range []string{"", "1 (x) S 1", "1 (x) S y 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20", "1 x S 7"} {
		if s, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("parseStat(%q) = %+v; want an error", bad, s)
		}
	}
}

func TestParseWrk(t *testing.T) {
	const out = `Running 2s test @ http://127.0.0.1:1/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.50ms    1.00ms  20.00ms   90.00%
    Req/Sec    21.00k     1.00k   25.00k    70.00%
  Latency Distribution
     50%    2.51ms
     75%    3.00ms
     90%  900.00us
     99%    1.34s
  43302 requests in 2.00s, 50.00MB read
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 90
Requests/sec:  21651.00
Transfer/sec:     25.00MB
`
	want := wrkReport{Requests: 43302, Rate: 21651, P50: 2510 * time.Microsecond, P99: 1340 * time.Millisecond, Bad: 100}
	got, err := parseWrk(out)
	if err != nil || got != want {
		t.Errorf("parseWrk = %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "unable to connect", strings.Replace(out, "43302", "0", 1)} {
		if r, err := parseWrk(bad); err == nil {
			t.Errorf("parseWrk(%q) = %+v; want an error", bad, r)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	tests := []struct {
		name, text string
		status     int
		keep       bool
		left       string
		bad        bool
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP", 200, true, "HTTP", false},
		{"chunks", "HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nx", 503, true, "x", false},
		{"close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 200, false, "", false},
		{"to the end", "HTTP/1.1 200 OK\r\n\r\nabc", 200, false, "", false},
		{"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, false, "", false},
		{"1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", 200, true, "", false},
		{"nothing to read", "HTTP/1.1 304 Not Modified\r\n\r\nHTTP", 304, true, "HTTP", false},
		{"cut", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", 200, false, "", true},
		{"chunks cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", 200, false, "", true},
		{"header cut", "HTTP/1.1 200 OK\r\nConte", 200, false, "", true},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n", 0, false, "", true},
		{"no length", "HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\nabc", 200, false, "", true},
		{"nothing", "", 0, false, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(tt.text))
			status, keep, err := readAnswer(r)
			if status != tt.status || keep != tt.keep || (err != nil) != tt.bad {
				t.Errorf("readAnswer = %d, %v, %v; want %d, %v, an error: %v", status, keep, err, tt.status, tt.keep, tt.bad)
			}
			if left, err := io.ReadAll(r); !tt.bad && (err != nil || string(left) != tt.left) {
				t.Errorf("%q is left (%v); want %q", left, err, tt.left)
			}
		})
	}
}

func TestDrain(t *testing.T) {
	tests := []struct{ name, head, rest, more, left string }{
		{"none", "GET / HTTP/1.1\r\n", "GET", "", "GET"},
		{"here", "POST / HTTP/1.1\r\ncontent-length: 3\r\n", "abcGET", "", "GET"},
		{"to come", "POST / HTTP/1.1\r\nContent-Length: 5\r\n", "ab", "cde", ""},
		{"chunks", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "3\r\na", "bc\r\n0\r\n\r\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			more := strings.NewReader(tt.more)
			n, err := drain(more, []byte(tt.head), []byte(tt.rest))
			if err != nil || tt.rest[n:] != tt.left || more.Len() > 0 {
				t.Errorf("drain left %q, %d not read, %v; want %q", tt.rest[n:], more.Len(), err, tt.left)
			}
		})
	}
}

func TestReport(t *testing.T) {
	var samples []sample
	for i := range 100 {
		samples = append(samples, sample{status: 200, took: time.Duration(i+1) * time.Millisecond})
	}
	samples = append(samples,
		sample{status: 503, took: 2 * time.Second},
		sample{status: 502},
		sample{err: io.ErrUnexpectedEOF, again: true, took: 3 * time.Second},
		sample{high: true, status: 200, took: 7 * time.Millisecond})
	want := loadReport{
		Low:   classReport{Sent: 103, OK: 100, Refused: 1, Failed: 2, Over100: 2, P50: 50, P99: 99, Longest: 3000},
		High:  classReport{Sent: 1, OK: 1, P50: 7, P99: 7, Longest: 7},
		Again: 1, Took: 1, Why: map[string]int{"status 502": 1, "unexpected EOF": 1},
	}
	if diff := cmp.Diff(want, report(samples, time.Second)); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestRatios(t *testing.T) {
	var r results
	for _, f := range []float64{2, 3, 9} {
		r.add("w", "ours", map[string]float64{"m": f})
		r.add("w", "other", map[string]float64{"m": f / 2})
	}
	r.add("w", "ours", map[string]float64{"m": 1}) // the other one was not measured in this round
	if got := r.ratios("w", "ours", "other", "m"); !slices.Equal(got, []float64{2, 2, 2}) {
		t.Errorf("ratios = %v, want 2, 2, 2", got)
	}
	if got := r.ratios("w", "ours", "missing", "m"); got != nil {
		t.Errorf("ratios to a proxy that was not measured = %v", got)
	}
	if got := spread([]float64{3, 1, 2}); got != "2.00 (1.00..3.00)" {
		t.Errorf("spread = %s", got)
	}
	if got := median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("median = %v, want 2.5", got)
	}
}

func TestBar(t *testing.T) {
	most, least := bar{most: 1.1}, bar{most: 0.9, least: true}
	for _, tt := range []struct {
		b    bar
		f    float64
		want bool
	}{{most, 1.1, true}, {most, 1.2, false}, {least, 0.9, true}, {least, 0.8, false}} {
		if got := tt.b.met(tt.f); got != tt.want {
			t.Errorf("%s: met(%v) = %v", tt.b.limit(), tt.f, got)
		}
	}
}

func TestLeakVerdict(t *testing.T) {
	samples := make([]usage, 100)
	for i := range samples {
		samples[i] = usage{Heap: 10 + float64(i%7), Goroutines: 100 + float64(i)}
	}
	samples[0].Heap = 1000 // before it is warm
	first, last, err := quarters(samples)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		a, z := k.medianOf(first), k.medianOf(last)
		if want := k.name == "goroutines"; k.grew(a, z) != want {
			t.Errorf("%s from %v to %v: grew = %v", k.name, a, z, !want)
		}
	}
	if _, _, err := quarters(samples[:3]); err == nil {
		t.Error("three samples were enough")
	}
}

// TestPrint has all parts of the table, and a bar beside its ratio.
func TestPrint(t *testing.T) {
	b := &bench{rounds: 2, missing: map[string]bool{"perlbal": true}, features: "queue"}
	b.results.title("small", "small ones")
	b.results.about("small", "Caddy", "2.6.2", "")
	for range 2 {
		b.results.add("small", "Caddy", map[string]float64{perRequest: 10})
		b.results.add("small", "balance", map[string]float64{perRequest: 7})
	}
	var out bytes.Buffer
	b.print(&out, time.Minute)
	for _, want := range []string{"Caddy 2.6.2", "÷ Caddy's ≤ 0.75 | 0.70 | met |", "**small ones**", "| balance | 7.00 |", "not installed: perlbal"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
}
