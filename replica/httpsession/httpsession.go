package httpsession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

// Config is what [New] needs. Only Sealer is required.
type Config struct {
	// Sealer seals and opens tokens. Its TTL is the age a cookie may reach.
	Sealer *replica.Sealer
	// CookieName is the name of the cookie. "" means "replica".
	CookieName string
	// Header is the name of the header, in requests and answers. "" means "X-Replica-Token".
	Header string
	// Secure forbids browsers to send the cookie without TLS. It is always so for cookies that are set
	// by a request with TLS; set it when something before the front ends ends TLS.
	Secure bool
	// Router is asked about writes that a failover has lost. nil: nobody is.
	Router *replica.Router
	// OnLost is called before the handler when Router finds that the write of the request's token was
	// lost; err wraps [replica.ErrWriteLost]. The handler gets the context it returns, so that the page
	// can tell the author. The cookie is taken away, so that this happens once. It may be called by
	// many requests at once. nil: nobody is told.
	OnLost func(r *http.Request, err error) context.Context
}

// lostTime bounds how long a request waits for the answer whether its write was lost.
const lostTime = time.Second

// A Middleware gives requests a session. It is safe for concurrent use; make it with [New].
type Middleware struct {
	config Config

	opened, issued, late, lost          atomic.Uint64
	malformed, forged, foreign, expired atomic.Uint64
}

// New checks c and reports all mistakes at once.
func New(c Config) (*Middleware, error) {
	var errs []error
	if c.Sealer == nil {
		errs = append(errs, errors.New("httpsession: there is no Sealer; make one by replica.NewSealer"))
	}
	if c.CookieName == "" {
		c.CookieName = "replica"
	}
	if c.Header == "" {
		c.Header = "X-Replica-Token"
	}
	c.Header = http.CanonicalHeaderKey(c.Header)
	if err := (&http.Cookie{Name: c.CookieName, Value: "x"}).Valid(); err != nil {
		errs = append(errs, fmt.Errorf("httpsession: CookieName %q cannot be the name of a cookie: %w", c.CookieName, err))
	}
	if strings.Trim(c.Header, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		errs = append(errs, fmt.Errorf("httpsession: Header %q cannot be the name of a header; use letters, digits and '-'", c.Header))
	}
	if c.OnLost != nil && c.Router == nil {
		errs = append(errs, errors.New("httpsession: OnLost needs a Router, who knows what was lost"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Middleware{config: c}, nil
}

// Stats counts what a middleware did since [New]. Numbers only rise.
type Stats struct {
	Opened uint64 // tokens that were taken
	Issued uint64 // answers with a token
	Late   uint64 // answers whose head was out before a write was committed, so that they had none
	Lost   uint64 // tokens of writes that a failover has lost

	Malformed, Forged, Foreign, Expired uint64 // tokens that were not taken; see [replica.TokenProblem]
}

// Stats returns the counts.
func (m *Middleware) Stats() Stats {
	return Stats{
		Opened: m.opened.Load(), Issued: m.issued.Load(), Late: m.late.Load(), Lost: m.lost.Load(),
		Malformed: m.malformed.Load(), Forged: m.forged.Load(), Foreign: m.foreign.Load(), Expired: m.expired.Load(),
	}
}

// open has s begin where the token is. It reports whether it was taken.
func (m *Middleware) open(s *replica.Session, token string) bool {
	if token == "" {
		return false
	}
	t, err := m.config.Sealer.Open(token)
	if err == nil {
		m.opened.Add(1)
		s.Observe(t)
		return true
	}
	count := &m.malformed
	var why *replica.TokenError
	if errors.As(err, &why) {
		switch why.Problem {
		case replica.TokenForged:
			count = &m.forged
		case replica.TokenForeign:
			count = &m.foreign
		case replica.TokenExpired:
			count = &m.expired
		}
	}
	count.Add(1)
	return false
}

// maxCookies bounds how many cookies of our name are looked at: others may set them for a whole
// domain.
const maxCookies = 4

// Handler returns a handler that calls next with a session in the context of each request.
func (m *Middleware) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := replica.NewSession()
		a := &answer{ResponseWriter: w, middleware: m, session: s, secure: m.config.Secure || r.TLS != nil}
		if values := r.Header[m.config.Header]; len(values) == 1 { // a program
			a.program = m.open(s, values[0])
		}
		if r.Header["Cookie"] != nil {
			cookies := r.CookiesNamed(m.config.CookieName)
			for _, c := range cookies[:min(len(cookies), maxCookies)] {
				a.cookie = m.open(s, c.Value) || a.cookie
			}
		}
		ctx := replica.WithSession(r.Context(), s)
		if a.program || a.cookie {
			ctx = m.look(ctx, a, r)
		}
		next.ServeHTTP(a, r.WithContext(ctx))
		a.end()
	})
}

// look asks whether the write of the request's token was lost.
func (m *Middleware) look(ctx context.Context, a *answer, r *http.Request) context.Context {
	if m.config.Router == nil {
		return ctx
	}
	limit, cancel := context.WithTimeout(ctx, lostTime)
	defer cancel()
	err := m.config.Router.CheckLost(limit, a.session)
	if !errors.Is(err, replica.ErrWriteLost) {
		return ctx // it is there, or that cannot be known now
	}
	m.lost.Add(1)
	a.lost = true
	if m.config.OnLost == nil {
		return ctx
	}
	return m.config.OnLost(r.WithContext(ctx), err)
}

// Export returns a sealed token of the session in ctx, for a message to another process; "" when it
// has seen nothing yet, or there is no session. Call it after the commit.
func (m *Middleware) Export(ctx context.Context) string {
	s := replica.SessionOf(ctx)
	if s == nil {
		return ""
	}
	return m.config.Sealer.Seal(s.Token())
}

// Import returns a context with a new session that begins where the token is. One that is not taken
// is counted, and the session begins with nothing.
func (m *Middleware) Import(ctx context.Context, token string) context.Context {
	s := replica.NewSession()
	m.open(s, token)
	return replica.WithSession(ctx, s)
}
