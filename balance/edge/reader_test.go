package edge

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func newReader() *reader { return &reader{maxHead: 32 << 10, maxFields: 128} }

// framing is where the headers and the bodies of requests end, as the reader sees it.
type framing struct {
	Heads, Ends []int
	Refused     string
}

// follow feeds in pieces of n bytes. What is dropped is missing from rest.
func follow(data []byte, n int) (f framing, rest []byte) {
	r := newReader()
	for len(data) > 0 {
		p := data[:min(n, len(data))]
		data = data[len(p):]
		for len(p) > 0 {
			k, refused := r.feed(p)
			rest = append(rest, p[:k]...)
			p = p[k:]
			if refused == dropped {
				p = p[1:]
				continue
			}
			if refused != nil {
				f.Refused = refused.sentence
				return f, rest
			}
			if n == 1 {
				if int(r.heads) > len(f.Heads) {
					f.Heads = append(f.Heads, len(rest))
				}
				if r.at == atStart && len(f.Ends) < int(r.heads) {
					f.Ends = append(f.Ends, len(rest))
				}
			}
		}
	}
	return f, rest
}

// httpFraming is the same as net/http sees it.
func httpFraming(data []byte) (f framing) {
	in := bytes.NewReader(data)
	b := bufio.NewReader(in)
	at := func() int { return len(data) - in.Len() - b.Buffered() }
	for {
		r, err := http.ReadRequest(b)
		if err != nil {
			f.Refused = err.Error()
			return f
		}
		f.Heads = append(f.Heads, at())
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			f.Refused = err.Error()
			return f
		}
		f.Ends = append(f.Ends, at())
	}
}

func checkFraming(t *testing.T, data []byte) {
	t.Helper()
	f, rest := follow(data, 1)
	if len(f.Ends) == 0 && len(f.Heads) == 0 {
		return
	}
	for _, n := range []int{2, 7, len(data)} {
		g, again := follow(data, n)
		// A limit on a length is found at the end of a piece.
		if strings.HasSuffix(f.Refused, "than this server takes.") || f.Refused == badHost.sentence || f.Refused == badLength.sentence || f.Refused == badCoding.sentence {
			again = again[:min(len(again), len(rest))]
		}
		if g.Refused != f.Refused || !bytes.Equal(again, rest) {
			t.Fatalf("in pieces of %d: %q after %d bytes; in pieces of 1: %q after %d", n, g.Refused, len(again), f.Refused, len(rest))
		}
	}
	want := httpFraming(rest)
	// net/http may refuse more, such as %zz in a path.
	n := len(want.Heads)
	if n > len(f.Heads) {
		t.Fatalf("net/http sees %d requests in what has passed of %q, the reader %d", n, data, len(f.Heads))
	}
	if diff := cmp.Diff(want.Heads, f.Heads[:n], cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("headers of %q end elsewhere (-net/http +reader)\n%s", data, diff)
	}
	n = len(want.Ends)
	if n > len(f.Ends) {
		t.Fatalf("net/http sees %d whole requests in what has passed of %q, the reader %d", n, data, len(f.Ends))
	}
	if diff := cmp.Diff(want.Ends, f.Ends[:n], cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("bodies of %q end elsewhere (-net/http +reader)\n%s", data, diff)
	}
}

func FuzzReader(f *testing.F) {
	for _, p := range payloads {
		f.Add([]byte(p.bytes))
	}
	for _, r := range oddRequests() {
		f.Add([]byte(r.bytes()))
	}
	f.Fuzz(checkFraming)
}

func TestReaderPieces(t *testing.T) {
	for _, p := range payloads {
		checkFraming(t, []byte(p.bytes))
	}
	for _, r := range oddRequests() {
		data := []byte(strings.Repeat(r.bytes(), 2))
		checkFraming(t, data)
		if f, _ := follow(data, 1); f.Refused != "" || len(f.Ends) != 2 {
			t.Errorf("%s: %+v", data, f)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	data := []byte("GET /en/activity/4010?lang=es&sugar=0.118 HTTP/1.1\r\nHost: activities.sugarlabs.org\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: es-PY,es;q=0.8,en;q=0.5\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n" +
		"Cache-Control: max-age=0\r\n\r\n")
	r := newReader()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if n, refused := r.feed(data); n != len(data) || refused != nil {
			b.Fatal(n, refused)
		}
	}
}
