// Package httpserver serves HTTP the way a public server must: with limits on what a client may
// hold up, without a limit on how long a slow school's download takes, and with an orderly stop.
package httpserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"
)

// Limits of the listener. There is no limit on how long an answer may take: a school on a slow
// line needs an hour for a large bundle. What must not last is an answer that does not move.
const (
	readHeaderTimeout = 15 * time.Second
	readTimeout       = time.Minute
	idleTimeout       = 3 * time.Minute
	maxHeaderBytes    = 32 << 10
	stallTimeout      = 2 * time.Minute
	stallChunk        = 256 << 10
)

// Serve serves on ln until ctx ends, then lets answers in progress finish for at most drain; those
// that do not are cut. The error is nil after an end by ctx; else it is why ln failed, and answers in
// progress are cut at once. A handler learns from its request's context that it was cut.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, drain time.Duration, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           unstall(h),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return errors.Join(err, srv.Close())
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := srv.Shutdown(deadline)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("some downloads did not finish in time and were cut", "waited", drain)
		err = srv.Close()
	}
	if serveErr := <-failed; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}

// unstall gives every piece of an answer its own deadline.
func unstall(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := &movingWriter{ResponseWriter: w, control: http.NewResponseController(w)}
		// Answers without a body never come to write. Without this they would be held to what is left of
		// the deadline of the answer before on the same connection, which may have passed.
		m.renew()
		next.ServeHTTP(m, r)
	})
}

// A movingWriter renews the deadline before each piece it writes.
type movingWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	until   time.Time
}

func (m *movingWriter) renew() {
	// Asking the connection costs a lock; once in a while is enough.
	if now := time.Now(); m.until.Sub(now) < stallTimeout*3/4 {
		m.until = now.Add(stallTimeout)
		if err := m.control.SetWriteDeadline(m.until); err != nil {
			m.until = now.Add(24 * time.Hour) // not a network connection: nothing to watch over
		}
	}
}

func (m *movingWriter) Write(b []byte) (int, error) {
	m.renew()
	return m.ResponseWriter.Write(b)
}

// ReadFrom keeps the kernel's file-to-socket copy, in pieces.
func (m *movingWriter) ReadFrom(r io.Reader) (n int64, err error) {
	to, ok := m.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{m}, r)
	}
	limited := &io.LimitedReader{R: r}
	if outer, ok := r.(*io.LimitedReader); ok {
		limited.R = outer.R // the socket sees through one wrapper only
		for outer.N > 0 {
			m.renew()
			limited.N = min(outer.N, stallChunk)
			k, err := to.ReadFrom(limited)
			n += k
			outer.N -= k
			if err != nil || k == 0 {
				return n, err
			}
		}
		return n, nil
	}
	for {
		m.renew()
		limited.N = stallChunk
		k, err := to.ReadFrom(limited)
		n += k
		if err != nil || k < stallChunk {
			return n, err
		}
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (m *movingWriter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// A recorder records what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (s *recorder) WriteHeader(status int) {
	if s.status < 200 { // none yet, or one that only informs
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *recorder) Write(b []byte) (int, error) {
	if s.status < 200 {
		s.status = http.StatusOK
	}
	n, err := s.ResponseWriter.Write(b)
	s.bytes += int64(n)
	return n, err
}

func (s *recorder) ReadFrom(r io.Reader) (int64, error) {
	if s.status < 200 {
		s.status = http.StatusOK
	}
	n, err := io.Copy(s.ResponseWriter, r) // which asks for ReadFrom below
	s.bytes += n
	return n, err
}

func (s *recorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Observe logs requests, tells seen about each, and catches panics. A panic on one request must not
// end the process: it is logged and answered with 500, or where an answer has begun, cuts it, so that
// nobody takes the half for the whole. A panic with http.ErrAbortHandler is how a handler cuts an
// answer it cannot finish. The status seen is told is 0 when nothing was answered at all.
func Observe(next http.Handler, seen func(r *http.Request, status int, bytes int64, took time.Duration), log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		s := &recorder{ResponseWriter: w}
		defer func() {
			p := recover()
			abort := p == http.ErrAbortHandler
			switch {
			case p == nil:
				if s.status < 200 {
					s.status = http.StatusOK // which the server says for a handler that says nothing
				}
			case !abort:
				log.Error("a request handler panicked", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				if abort = s.status >= 200; !abort {
					s.apologise()
				}
			}
			took := time.Since(began)
			seen(r, s.status, s.bytes, took)
			level := slog.LevelDebug
			if s.status >= 500 {
				level = slog.LevelWarn
			}
			log.Log(r.Context(), level, "request", "method", r.Method, "path", r.URL.Path, "status", s.status, "bytes", s.bytes, "took", took)
			if abort {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(s, r)
	})
}

// apologise answers in the place of a handler that has not begun to.
func (s *recorder) apologise() {
	// What the handler has set was about another answer, and may have said to keep it.
	clear(s.Header())
	s.Header().Set("Cache-Control", "no-store")
	http.Error(s, "Something went wrong on our side.", http.StatusInternalServerError)
}
