package httpsession

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/sugarlabs/beamrider/replica"
)

// An answer adds the token to the head of an answer, at the last moment.
type answer struct {
	http.ResponseWriter
	middleware *Middleware
	session    *replica.Session
	secure     bool
	program    bool // the request had a header that was taken
	cookie     bool // the request had a cookie that was taken
	lost       bool // the write of its token was lost
	done       bool // the head is out, or about to be
	told       uint64
}

// head completes the head of the answer, once.
func (a *answer) head() {
	if a.done {
		return
	}
	a.done = true
	m, h := a.middleware, a.Header()
	a.told = a.session.Writes()
	switch {
	case a.told > 0:
		token := m.config.Sealer.Seal(a.session.Token())
		a.set(token, int(m.config.Sealer.TTL().Seconds()))
		m.config.issue(h, token)
		m.issued.Add(1)
	case a.lost && a.cookie:
		a.set("", -1)
	}
	if a.told == 0 && a.program {
		if token := m.config.Sealer.Seal(a.session.Token()); token != "" {
			m.config.issue(h, token)
			m.issued.Add(1)
		}
	}
}

func (a *answer) set(value string, age int) {
	http.SetCookie(a.ResponseWriter, &http.Cookie{
		Name: a.middleware.config.CookieName, Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode,
	})
	unshared(a.Header())
}

// issue sets the header.
func (c *Config) issue(h http.Header, token string) {
	h.Set(c.Header, token)
	unshared(h)
}

// unshared keeps an answer that is for one client out of caches, unless the handler did.
func unshared(h http.Header) {
	for _, v := range h["Cache-Control"] {
		for d := range strings.SplitSeq(v, ",") {
			if d = strings.ToLower(strings.TrimSpace(d)); d == "no-store" || d == "private" {
				return
			}
		}
	}
	h.Set("Cache-Control", "no-store")
}

// end is after the handler.
func (a *answer) end() {
	a.head() // if nothing was written, the server writes the head now
	if a.session.Writes() > a.told {
		a.middleware.late.Add(1)
	}
}

// WriteHeader implements [http.ResponseWriter]. An informational answer is not yet the answer.
func (a *answer) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		a.head()
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements [io.Writer].
func (a *answer) Write(b []byte) (int, error) {
	a.head()
	return a.ResponseWriter.Write(b)
}

// WriteString implements [io.StringWriter].
func (a *answer) WriteString(s string) (int, error) {
	a.head()
	return io.WriteString(a.ResponseWriter, s)
}

// ReadFrom implements [io.ReaderFrom], so that files go out without a copy where they did before.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	a.head()
	return io.Copy(a.ResponseWriter, r)
}

// Flush implements [http.Flusher] as far as the writer below can.
func (a *answer) Flush() {
	// Who cares whether it can asks by FlushError; this older call has no way to say.
	_ = a.FlushError()
}

// FlushError is what [http.ResponseController] calls.
func (a *answer) FlushError() error {
	a.head()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Hijack implements [http.Hijacker] as far as the writer below can. There is no head then to put a
// token into.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.done = true
	return http.NewResponseController(a.ResponseWriter).Hijack()
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
