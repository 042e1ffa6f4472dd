package balance

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestAnswerBeforeTheEnd: a backend that answers while the client still sends is heard to the end,
// although a server by itself stops reading a request when it begins to answer.
func TestAnswerBeforeTheEnd(t *testing.T) {
	const size = 100_000 // what a server would still read by itself
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(r.Body, make([]byte, 4)); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "early ")
		w.(http.Flusher).Flush()
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %v", n, err)
	})
	front := serve(t, mustNew(t, []Backend{{Name: "a", URL: serve(t, h).URL}}, &Options{Bodies: BodyOptions{Stream: func(Info) bool { return true }}}))
	for _, framing := range []string{"chunked", "length"} {
		c, err := net.Dial("tcp", front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if framing == "length" {
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\nbody", size+4)
		} else {
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n")
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(framing, err)
		}
		if _, err := io.ReadFull(res.Body, make([]byte, 6)); err != nil {
			t.Fatal(framing, err)
		}
		// The answer has begun; now comes the rest.
		rest := strings.Repeat("x", size)
		if framing == "chunked" {
			rest = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, rest)
		}
		if _, err := io.WriteString(c, rest); err != nil {
			t.Fatal(framing, err)
		}
		got, err := io.ReadAll(res.Body)
		if want := fmt.Sprintf("%d <nil>", size); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", framing, got, err, want)
		}
	}
}
