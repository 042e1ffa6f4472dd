package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type connKey struct{}

// withConn lets a request that is broken find out why.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if s, ok := c.(interface{ strict() *strictConn }); ok {
		return context.WithValue(ctx, connKey{}, s.strict())
	}
	return ctx
}

// serve is what net/http calls.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	two := r.ProtoMajor == 2
	if two {
		if sentence := oddStream(r); sentence != "" {
			s.stats.malformed.Add(1)
			s.explain(w, http.StatusBadRequest, sentence)
			return
		}
	} else {
		// The reader has seen the header of each request that net/http may begin. One more would be made of
		// what is something else, and nothing true can be said to it.
		if c, ok := r.Context().Value(connKey{}).(*strictConn); ok && c.answered.Load() >= c.heads.Load() {
			s.stats.malformed.Add(1)
			s.o.Logger.Error("a request was refused that net/http sees and the strict reader does not", "client", r.RemoteAddr)
			panic(http.ErrAbortHandler)
		}
		if upgrade := r.Header["Upgrade"]; upgrade != nil {
			dropH2C(r.Header, upgrade)
		}
	}
	if s.limited(w, r) {
		return
	}
	body := r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
	if !body && !two {
		s.handler.ServeHTTP(w, r)
		return
	}
	g := &guard{ResponseWriter: w, s: s, control: http.NewResponseController(w)}
	if two && s.o.MinDownloadRate >= 0 {
		g.timer = time.AfterFunc(s.o.RateWindow, g.expire)
		g.timer.Stop()
	}
	if body {
		g.upload = &upload{body: r.Body, g: g, r: r}
		// net/http looks at the body of its own request, which must stay, to see that some of it was not
		// read and that what follows is no request.
		r = r.WithContext(r.Context())
		r.Body = g.upload
	}
	s.handler.ServeHTTP(g, r)
	if r.MultipartForm != nil {
		_ = r.MultipartForm.RemoveAll() // as net/http does for its own request
	}
	if body && g.upload.failed.Load() != nil && !g.wrote {
		g.WriteHeader(http.StatusBadRequest) // which tells the reason
	}
	if g.timer != nil {
		// What is still in a buffer has as long as it may have. A stream that has ended does not mind.
		_ = g.control.SetWriteDeadline(time.Now().Add(2 * s.o.RateWindow))
	}
}

// oddStream says what is wrong with a request of HTTP/2 that would be something else in HTTP/1, or is
// a field of connections, which HTTP/2 has no place for (RFC 9113, section 8.2.2).
func oddStream(r *http.Request) string {
	for _, name := range [...]string{"Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade"} {
		if _, ok := r.Header[name]; ok {
			return "The field " + name + " has no place in HTTP/2."
		}
	}
	if te := r.Header["Te"]; len(te) > 1 || len(te) == 1 && te[0] != "trailers" {
		return "The field TE may only say trailers in HTTP/2."
	}
	if l := r.Header["Content-Length"]; len(l) > 1 || len(l) == 1 && l[0] != "0" && r.ContentLength == 0 {
		return "The Content-Length is not that of the body."
	}
	if r.Method == http.MethodConnect {
		return badTunnel.sentence
	}
	for i := range len(r.RequestURI) {
		if classes[r.RequestURI[i]]&targetByte == 0 {
			return badTarget.sentence
		}
	}
	if !validHost([]byte(r.Host)) {
		return badHost.sentence
	}
	if h, ok := r.Header["Host"]; ok && (len(h) != 1 || !strings.EqualFold(h[0], r.Host)) {
		return badOtherHost.sentence
	}
	return ""
}

// dropH2C ignores a wish for HTTP/2 without TLS, as RFC 9113 has servers do: a backend that granted it
// would get requests that nobody in between sees.
func dropH2C(h http.Header, upgrade []string) {
	for _, v := range upgrade {
		for p := range strings.SplitSeq(v, ",") {
			if name, _, _ := strings.Cut(strings.TrimSpace(p), "/"); strings.EqualFold(name, "h2c") {
				h.Del("Upgrade")
				h.Del("Http2-Settings")
				return
			}
		}
	}
}

// explain writes a short answer of this package's own.
func (s *Server) explain(w http.ResponseWriter, status int, sentence string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(sentence)+1))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, sentence+"\n") // who has gone needs no reason
}

var slowUpload = &refusal{http.StatusRequestTimeout, "The body of the request came too slowly. Please send it again when the line is better."}

// An upload is the body of a request, whose client must send at a least rate.
type upload struct {
	body   io.ReadCloser
	g      *guard
	r      *http.Request
	until  time.Time     // the deadline that was set last
	waited time.Duration // for got bytes, in this window
	got    int64
	failed atomic.Pointer[refusal]
}

func (u *upload) Read(p []byte) (int, error) {
	s := u.g.s
	if s.o.MinUploadRate < 0 {
		n, err := u.body.Read(p)
		return n, u.judge(err)
	}
	if u.failed.Load() == slowUpload {
		return 0, slowUpload
	}
	before := time.Now()
	window := s.o.RateWindow
	if u.until.Sub(before) < window {
		u.until = before.Add(2 * window)
		if err := u.g.control.SetReadDeadline(u.until); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, err
		}
	}
	n, err := u.body.Read(p)
	u.waited += time.Since(before)
	u.got += int64(n)
	if err != nil {
		if err == io.EOF {
			_ = u.g.control.SetReadDeadline(time.Time{}) // a connection that is gone needs none
		}
		return n, u.judge(err)
	}
	if u.waited >= window {
		if float64(u.got) < float64(s.o.MinUploadRate)*u.waited.Seconds() {
			return n, u.judge(os.ErrDeadlineExceeded)
		}
		u.waited, u.got = 0, 0
	}
	return n, nil
}

// judge finds out who broke the body.
func (u *upload) judge(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if u.failed.CompareAndSwap(nil, slowUpload) {
			u.g.s.stats.slowUploads.Add(1)
		}
		return slowUpload
	}
	if c, ok := u.r.Context().Value(connKey{}).(*strictConn); ok {
		if why := c.refused.Load(); why != nil && c.inBody {
			u.failed.Store(why)
			return why
		}
	}
	return err
}

func (u *upload) Close() error { return u.body.Close() }

// A guard is the writer of a request with a body, whose answer it replaces by the reason when the body
// is refused before the answer has begun, and of HTTP/2, where a client may hold up one stream.
type guard struct {
	http.ResponseWriter
	s       *Server
	control *http.ResponseController
	upload  *upload // nil: no body
	wrote   bool
	muted   bool

	timer  *time.Timer // HTTP/2
	mu     sync.Mutex  // guards armed
	armed  bool
	tooBad bool
}

// Unwrap is for [http.ResponseController].
func (g *guard) Unwrap() http.ResponseWriter { return g.ResponseWriter }

func (g *guard) WriteHeader(status int) {
	if !g.wrote && (status >= 200 || status == http.StatusSwitchingProtocols) {
		g.wrote = true
		if g.upload != nil {
			if why := g.upload.failed.Load(); why != nil {
				g.muted = true
				clear(g.Header())
				if g.upload.r.ProtoMajor == 1 {
					g.Header().Set("Connection", "close")
				}
				g.s.explain(g.ResponseWriter, why.status, why.sentence)
				return
			}
		}
	}
	if !g.muted {
		g.ResponseWriter.WriteHeader(status)
	}
}

func (g *guard) Write(p []byte) (int, error) {
	if !g.wrote {
		g.WriteHeader(http.StatusOK)
	}
	if g.muted {
		return len(p), nil
	}
	defer g.hurry()()
	return g.ResponseWriter.Write(p)
}

// ReadFrom keeps the kernel's copying where it can be had.
func (g *guard) ReadFrom(r io.Reader) (int64, error) {
	if !g.wrote {
		g.WriteHeader(http.StatusOK)
	}
	if to, ok := g.ResponseWriter.(io.ReaderFrom); ok && !g.muted {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{g}, r)
}

// Flush implements [http.Flusher].
func (g *guard) Flush() { _ = g.FlushError() }

// FlushError is for [http.ResponseController].
func (g *guard) FlushError() error {
	if !g.wrote {
		g.WriteHeader(http.StatusOK)
	}
	if g.muted {
		return nil
	}
	defer g.hurry()()
	return g.control.Flush()
}

// hurry bounds what is written until the returned function is called.
func (g *guard) hurry() func() {
	if g.timer == nil {
		return func() {}
	}
	g.mu.Lock()
	g.armed = true
	g.mu.Unlock()
	g.timer.Reset(g.s.o.RateWindow)
	return g.calm
}

func (g *guard) calm() {
	g.timer.Stop()
	g.mu.Lock()
	g.armed = false
	g.mu.Unlock()
}

// expire resets a stream whose client takes nothing.
func (g *guard) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.armed && !g.tooBad {
		g.tooBad = true
		g.s.stats.slowReaders.Add(1)
		_ = g.control.SetWriteDeadline(time.Now().Add(-time.Second)) // a stream that is gone is as good
	}
}
