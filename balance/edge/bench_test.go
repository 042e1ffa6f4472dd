package edge

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// BenchmarkServer is a small answer over one kept connection, by this package and by net/http alone.
func BenchmarkServer(b *testing.B) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	run := func(b *testing.B, c net.Conn) {
		in := bufio.NewReader(c)
		request := []byte("GET /en/activity/4010?lang=es HTTP/1.1\r\nHost: activities.sugarlabs.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
			"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: es-PY,es;q=0.8,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n")
		var answer [120]byte // a status line, Date, Content-Length, Content-Type and 5 bytes
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Write(request); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(in, answer[:]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("edge", func(b *testing.B) {
		address, _ := serveOn(b, mustNew(b, h, Options{}), Listener{})
		run(b, dial(b, address))
	})
	b.Run("nethttp", func(b *testing.B) {
		l := listen(b)
		s := &http.Server{Handler: h}
		go s.Serve(l)
		defer s.Close()
		run(b, dial(b, l.Addr().String()))
	})
}
