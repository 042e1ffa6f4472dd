package balance

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// A Record tells of one request that [Balancer.ServeHTTP] has answered, or not; Events.Done gets it.
type Record struct {
	// Time is when the request came.
	Time time.Time
	// Method, Proto ("HTTP/1.1"), Scheme, Host and Target (path and query) are as in [Info]. They are what a
	// client has sent, and may hold anything.
	Method, Proto, Scheme, Host, Target string
	// ID is the request's X-Request-Id, if it is 1 to 64 letters, digits or the characters "._-"; else
	// "", or what the balancer has told the client of an error.
	ID string
	// Client is the client's address as far as the proxies of Options.Trusted say; not valid if unknown.
	Client netip.Addr
	// Status is the final status of the answer; 0 if none has begun. 101 for upgraded connections.
	Status int
	// Received and Sent count the bytes of the two bodies, and of an upgraded connection.
	Received, Sent int64
	// Backend is the last one tried, "" if none was; Tries is how many were.
	Backend string
	Tries   int
	// Queue is how long the request has waited for a backend, Connect how long a connection for it took
	// (0: a kept one was used, or Options.Transport is not the balancer's own), FirstByte the time until
	// the header of the answer went to the client, 0 if none did, and Total that until the end.
	Queue, Connect, FirstByte, Total time.Duration
	// Cache is "hit", or why the cache has asked a backend, such as "uri-miss" (RFC 9211, section 2.2); "" without
	// a cache.
	Cache string
	// Priority is that of [Info].
	Priority int
	// End is how it ended.
	End End
}

// End is why a request came to its end.
type End uint8

// The ends there are. The names in text are those in quotes.
const (
	Done             End = iota // "done": the answer is whole, whatever its status
	Upgraded                    // "upgraded": the connection was another protocol's, and is closed
	HandedOff                   // "handed_off": something else than the backend asked has answered for it
	ClientGone                  // "client_gone": the client went away before it had all
	UploadBroken                // "client_upload_broken": the client's body broke off
	TooLarge                    // "too_large": the client's body was larger than allowed
	RefusedFull                 // "refused_full": all backends, or the room for bodies, were full, and it could or would not wait for longer
	RefusedNoBackend            // "refused_no_backend": no backend might take it
	Unreached                   // "unreached": no connection to a backend could be made; none has seen it
	NoAnswer                    // "no_answer": a backend had it, and gave no answer
	Timeout                     // "timeout": a backend had it, and gave none in time
	BackendCut                  // "backend_cut": the backend broke its answer off
	BackendIdle                 // "backend_idle": the backend sent nothing for Options.IdleTimeout within its answer
	Panicked                    // "panicked": a Handler of this process panicked
	NotServed                   // "not_served": it was nothing for a backend, such as CONNECT
	ends
)

var endNames = [ends]string{
	"done", "upgraded", "handed_off", "client_gone", "client_upload_broken", "too_large", "refused_full", "refused_no_backend",
	"unreached", "no_answer", "timeout", "backend_cut", "backend_idle", "panicked", "not_served",
}

// String returns the name in text.
func (e End) String() string {
	if e < ends {
		return endNames[e]
	}
	return "unknown"
}

// MarshalText implements [encoding.TextMarshaler].
func (e End) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// endOf says what an error, which is not nil, means for the request it happened to.
func endOf(ctx context.Context, err error) End {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return TooLarge
	}
	if _, ok := errors.AsType[*uploadError](err); ok {
		return UploadBroken
	}
	if errors.Is(err, errIdle) {
		return BackendIdle
	}
	if ctx.Err() != nil {
		return ClientGone
	}
	if errors.Is(err, ErrNoBackend) {
		for _, full := range []error{errFull, errCrowded, errHopeless, errShed, errOverstay, errPushed, errNoRoom} {
			if errors.Is(err, full) {
				return RefusedFull
			}
		}
		return RefusedNoBackend
	}
	if _, ok := errors.AsType[*unreachedError](err); ok {
		return Unreached
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return Timeout
	}
	return NoAnswer
}

// A visit is a request of a client, from its arrival to its end. It is the ResponseWriter that all
// answers pass.
type visit struct {
	http.ResponseWriter
	Record
	b        *Balancer
	received atomic.Int64 // transports read bodies in goroutines of their own
	sent     atomic.Int64
	why      End  // what went wrong with a backend; Done: nothing
	gone     bool // the client does not take the answer any more
}

// begin counts a request in.
func (b *Balancer) begin(w http.ResponseWriter, r *http.Request) (*visit, *http.Request, Info) {
	in := b.info(r, r.Host)
	v := &visit{ResponseWriter: w, b: b, Record: Record{
		Time: time.Now(), Method: in.Method, Proto: r.Proto, Scheme: in.Scheme, Host: in.Host, Target: in.Target, Client: in.Client, Priority: in.Priority,
		ID: validID(in.Header("X-Request-Id")),
	}}
	if hasBody(r) {
		r = r.WithContext(r.Context()) // the caller's stays as it is
		r.Body = &meteredBody{r.Body, v}
	}
	return v, r, in
}

// validID returns the name that a client or a proxy has given a request, if it can be repeated anywhere.
func validID(s string) string {
	if len(s) > 64 {
		return ""
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return ""
		}
	}
	return s
}

// end counts it out and tells of it. err says that the answer was cut short.
func (v *visit) end(ctx context.Context, err error) {
	v.Total = time.Since(v.Time)
	v.Received, v.Sent = v.received.Load(), v.sent.Load()
	switch {
	case v.Status == http.StatusSwitchingProtocols:
		v.End = Upgraded
	case v.why == HandedOff && err == nil && v.Status >= 500:
		v.End = NoAnswer
	case v.why == HandedOff && err == nil && !v.gone:
		v.End = HandedOff
	case v.why != Done && v.why != HandedOff && (err != nil || v.Status == 0 || v.Status >= 400): // else a cache has made up for it
		v.End = v.why
	case v.gone || (err != nil || v.Status == 0) && ctx.Err() != nil:
		v.End = ClientGone
	case err != nil:
		v.End = BackendCut
	}
	if v.Status == 0 && err == nil && v.End == Done {
		v.Status = http.StatusOK // which the server says for a handler that says nothing
	}
	v.b.figures.add(&v.Record)
	if done := v.b.o.Events.Done; done != nil {
		done(&v.Record)
	}
}

// tell notes which backends a request has met.
func (x *exchange) tell() {
	v := x.visit
	if v == nil {
		return
	}
	v.Tries += len(x.tried)
	v.Queue += x.queued
	v.Connect += x.connect
	if x.last != nil {
		v.Backend = x.last.Name
	}
	if x.broken != nil && v.why == Done {
		if v.why = endOf(x.ctx, x.broken); v.why == NoAnswer || v.why == Timeout {
			v.why = BackendCut
		}
	}
}

// out returns what the answer is written to, w or something that writes to it.
func (x *exchange) out(w http.ResponseWriter) http.ResponseWriter {
	if _, ok := w.(*visit); ok {
		return w
	}
	return &writer{w, x.visit} // w is a cache's
}

// handedOff notes that something else than the backend answers, or should.
func (x *exchange) handedOff() { x.note(HandedOff) }

// note notes how the request ends.
func (x *exchange) note(e End) {
	if x.visit != nil {
		x.visit.why = e
	}
}

// because notes why there is no answer of a backend.
func (x *exchange) because(ctx context.Context, err error) { x.note(endOf(ctx, err)) }

// WriteHeader notes the status. Like [writer] it keeps "100 Continue" of backends from the client.
func (v *visit) WriteHeader(status int) {
	if status == http.StatusContinue {
		return
	}
	if v.Status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		v.first(status)
	}
	v.ResponseWriter.WriteHeader(status)
}

func (v *visit) first(status int) {
	v.Status = status
	v.FirstByte = time.Since(v.Time)
	if v.b.o.Cache != nil {
		v.Cache = cacheWord(v.Header()["Cache-Status"])
	}
}

// cacheWord finds in Cache-Status (RFC 9211) what the cache nearest to the client has done.
func cacheWord(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	member := fields[len(fields)-1]
	for rest := member; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, ";")
		part = strings.TrimSpace(part)
		if part == "hit" {
			return part
		}
		if reason, ok := strings.CutPrefix(part, "fwd="); ok {
			return reason
		}
	}
	return ""
}

// Write counts what the client takes.
func (v *visit) Write(p []byte) (int, error) {
	if v.Status == 0 {
		v.first(http.StatusOK)
	}
	n, err := v.ResponseWriter.Write(p)
	return n, v.wrote(int64(n), err)
}

// WriteString implements [io.StringWriter].
func (v *visit) WriteString(s string) (int, error) {
	if v.Status == 0 {
		v.first(http.StatusOK)
	}
	n, err := io.WriteString(v.ResponseWriter, s)
	return n, v.wrote(int64(n), err)
}

// ReadFrom keeps the kernel's copy from a file to the socket.
func (v *visit) ReadFrom(r io.Reader) (int64, error) {
	if v.Status == 0 {
		v.first(http.StatusOK)
	}
	n, err := io.Copy(v.ResponseWriter, r) // which asks for ReadFrom below
	v.sent.Add(n)
	return n, err // it may be the reader's
}

func (v *visit) wrote(n int64, err error) error {
	v.sent.Add(n)
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) && !errors.Is(err, http.ErrContentLength) {
		v.gone = true
	}
	return err
}

// FlushError is for [http.ResponseController].
func (v *visit) FlushError() error { return http.NewResponseController(v.ResponseWriter).Flush() }

// Flush is for handlers that do not know of [http.ResponseController].
func (v *visit) Flush() { _ = v.FlushError() } // has no way to say that it failed

// Hijack notes that the connection is another protocol's.
func (v *visit) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(v.ResponseWriter).Hijack()
	if err == nil && v.Status == 0 {
		v.first(http.StatusSwitchingProtocols)
	}
	return c, rw, err
}

// Unwrap is for [http.ResponseController].
func (v *visit) Unwrap() http.ResponseWriter { return v.ResponseWriter }

// A meteredBody counts what the client sends.
type meteredBody struct {
	io.ReadCloser
	v *visit
}

func (m *meteredBody) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	m.v.received.Add(int64(n))
	return n, err
}
