package session

import (
	"io"
	"net/http"
)

// A behindWriter writes an answer that does not show what the client has seen already. It has the
// last word on the answer's head, whatever the handler set.
type behindWriter struct {
	http.ResponseWriter
	mark string
	done bool // the head has been written, or is about to be
}

// header marks the head, once.
func (w *behindWriter) header() {
	if w.done {
		return
	}
	w.done = true
	h := w.Header()
	h.Set(HeaderBehind, w.mark)
	h.Set("Cache-Control", "no-store")
	h.Del("Expires")
}

// WriteHeader implements [http.ResponseWriter]. An informational answer is not yet the answer.
func (w *behindWriter) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.header()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [io.Writer].
func (w *behindWriter) Write(b []byte) (int, error) {
	w.header()
	return w.ResponseWriter.Write(b)
}

// WriteString implements [io.StringWriter].
func (w *behindWriter) WriteString(s string) (int, error) {
	w.header()
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom implements [io.ReaderFrom], so that files go out without a copy where they did before.
func (w *behindWriter) ReadFrom(r io.Reader) (int64, error) {
	w.header()
	return io.Copy(w.ResponseWriter, r)
}

// Flush implements [http.Flusher] as far as the writer below can.
func (w *behindWriter) Flush() {
	// Who cares whether it can asks by FlushError; this older call has no way to say.
	_ = w.FlushError()
}

// FlushError is what [http.ResponseController] calls.
func (w *behindWriter) FlushError() error {
	w.header()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for [http.ResponseController].
func (w *behindWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
