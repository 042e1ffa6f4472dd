package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"
)

// discardLog takes what ReverseProxy says; errors are told by answers, events and the Logger.
var discardLog = log.New(io.Discard, "", 0)

// A writer keeps "100 Continue" of backends from the client. The server sends its own when the body is
// first read, which the transport does at the backend's word; both could meet, and a client would get
// two.
type writer struct {
	http.ResponseWriter
	visit *visit // whose answer it becomes, perhaps; nil: nobody's
}

func (w *writer) WriteHeader(status int) {
	if status != http.StatusContinue {
		w.ResponseWriter.WriteHeader(status)
	}
}

// ReadFrom keeps the fast ways of the writer below.
func (w *writer) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }

// Unwrap is for [http.ResponseController].
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// rewrite makes the request for backends. Their address comes later, with each attempt.
func (x *exchange) rewrite(pr *httputil.ProxyRequest) {
	setTarget(pr.Out.URL, pr.In.URL)
	setTrailer(pr.Out, pr.In)
	x.setFields(pr.Out.Header, pr.In)
}

// setFields sets in h what backends with a URL learn of the request in and its way here.
func (x *exchange) setFields(h http.Header, in *http.Request) {
	x.b.setForwarded(h, in)
	x.setQueue(h)
	x.strip(h)
	dropHandoff(h)
	if x.b.o.Handoff.on() {
		h[capabilities] = []string{"reproxy-file"}
	}
}

// serveHandler lets the picked backend, which is a Handler, answer. The error says that the answer
// is cut short.
func (x *exchange) serveHandler(w http.ResponseWriter, r *http.Request) (err error) {
	e := x.picked
	start := time.Now()
	defer func() {
		p := recover()
		x.leave()
		if p == nil {
			x.b.o.Events.attempt(x.in, e.Name, 0, time.Since(start), nil)
			return
		}
		e.state.failures.Add(1)
		if p != http.ErrAbortHandler {
			panic(p) // a mistake in the handler, which the server reports
		}
		err = errAborted
		x.b.cut.Add(1)
		x.b.o.Events.cut(x.in, e.Name, err)
	}()
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	x.b.setForwarded(r.Header, r)
	x.setQueue(r.Header)
	x.strip(r.Header)
	dropHandoff(r.Header)
	if x.wish == nil {
		e.Handler.ServeHTTP(w, r)
		return nil
	}
	m := &marking{ResponseWriter: w, x: x, e: e}
	e.Handler.ServeHTTP(m, r)
	m.begin() // if nothing was written
	return nil
}

// refuse answers a request that no backend may take.
func (b *Balancer) refuse(w http.ResponseWriter, r *http.Request, in Info, err error) {
	if !errors.Is(err, ErrNoBackend) {
		b.failures.Add(1)
		b.failed(w, r, in, err)
		return
	}
	b.refused.Add(1)
	b.o.Events.refused(in, err)
	b.later(w, r, in)
}

// later asks the client to come again: nobody has seen the request.
func (b *Balancer) later(w http.ResponseWriter, r *http.Request, in Info) {
	seconds := (b.queue.retryAfter(b.o.RetryAfter) + time.Second - 1) / time.Second
	b.answer(w, r, in, http.StatusServiceUnavailable, fmt.Sprintf("All servers are busy or being looked after. Please try again in %d s.", seconds), seconds*time.Second)
}

// failed answers a request whose attempts have failed.
func (b *Balancer) failed(w http.ResponseWriter, r *http.Request, in Info, err error) {
	if r.Context().Err() != nil {
		// Nobody is listening, but for a client that has ended only its side, as net/http cannot know.
		// Without an answer the server would say 200.
		explain(w, r, http.StatusBadRequest, "The connection was ended before the answer was there; keep both sides of it open until then.")
		return
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		b.answer(w, r, in, http.StatusRequestEntityTooLarge, "The request is larger than this server takes.", 0)
		return
	}
	if _, ok := errors.AsType[*uploadError](err); ok {
		b.answer(w, r, in, http.StatusBadRequest, "The request's body broke off. Please send it again.", 0)
		return
	}
	b.o.Logger.LogAttrs(r.Context(), slog.LevelWarn, "no backend has answered",
		slog.String("method", in.Method), slog.String("path", in.Path), slog.Any("error", err))
	if _, ok := errors.AsType[*unreachedError](err); ok {
		b.later(w, r, in)
		return
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		b.answer(w, r, in, http.StatusGatewayTimeout, "The server behind this address has not answered in time. Please try again.", 0)
		return
	}
	b.answer(w, r, in, http.StatusBadGateway, "The server behind this address has not answered. Please try again.", 0)
}

// explain writes a short answer of the balancer's own. It names no backend: clients are strangers.
func explain(w http.ResponseWriter, r *http.Request, status int, sentence string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(sentence)+1))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, sentence+"\n")
	}
}
