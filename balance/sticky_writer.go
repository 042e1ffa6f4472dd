package balance

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// A marking has the answer of a Handler marked when it begins.
type marking struct {
	http.ResponseWriter
	x     *exchange
	e     *backend
	began bool
}

func (w *marking) begin() {
	if !w.began {
		w.began = true
		w.x.mark(w.e, w.Header())
	}
}

func (w *marking) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.begin()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *marking) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// ReadFrom lets files go out without a copy.
func (w *marking) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	return io.Copy(w.ResponseWriter, r)
}

// Flush is for handlers that do not use [http.ResponseController].
func (w *marking) Flush() {
	w.begin()
	_ = http.NewResponseController(w.ResponseWriter).Flush() // this way of asking has no way of saying no
}

// Hijack is for the same.
func (w *marking) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap is for [http.ResponseController].
func (w *marking) Unwrap() http.ResponseWriter { return w.ResponseWriter }
