package edge

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// fakeConn is a client that sends bytes, a few at a time, and ends its side.
type fakeConn struct {
	net.Conn
	in    *bytes.Reader
	piece int
	out   bytes.Buffer
}

func (c *fakeConn) Read(p []byte) (int, error)  { return c.in.Read(p[:min(len(p), c.piece)]) }
func (c *fakeConn) Write(p []byte) (int, error) { return c.out.Write(p) }
func (c *fakeConn) RemoteAddr() net.Addr        { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }

// FuzzConn: net/http never sees a request of which the reader has refused something, and never more
// of them than the reader; and then it comes to an end.
func FuzzConn(f *testing.F) {
	for i, p := range payloads {
		f.Add([]byte(p.bytes), uint8(i))
		f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"+p.bytes+smuggled), uint8(200))
	}
	s := mustNew(f, http.NotFoundHandler(), Options{})
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		c := newStrictConn(s, &fakeConn{in: bytes.NewReader(data), piece: 1 + int(piece)}, nil)
		in := bufio.NewReader(c)
		seen := uint64(0)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				break
			}
			if seen++; seen > c.heads.Load() {
				t.Fatalf("request %d of %q is one that the reader has not seen: %+v", seen, data, r)
			}
			if strings.ContainsAny(r.Host, " ,/@") {
				t.Fatalf("Host %q", r.Host)
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				if c.refused.Load() != nil && !c.inBody {
					t.Fatalf("the reader has refused the header of a later request of %q, and net/http the body of one before: %v", data, err)
				}
				break
			}
			c.answered.Add(1)
			if c.inBody && c.answered.Load() == c.heads.Load() {
				t.Fatalf("net/http takes the body of request %d of %q for whole, in which something was refused", seen, data)
			}
		}
	})
}
