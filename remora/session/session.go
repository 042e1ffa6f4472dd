package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
)

// The names under which a token travels, and what tells that it was not enough.
const (
	CookieName   = "remora_seen"
	HeaderSeen   = "Remora-Seen"
	HeaderBehind = "Remora-Behind" // "seq=N": the position of the client, which the answer does not show
)

// A Library shows a catalog and can be brought up to a position. *[live.Library] is one, and its
// documentation has what CatchUp returns; it must cost next to nothing when nothing is to be done.
type Library interface {
	CatchUp(ctx context.Context, at remora.Position) error
}

// Config says how sessions work. Keys, Library and Site are required.
type Config struct {
	// Keys are secrets of at least 16 random bytes, the same on every front end. The first signs,
	// all verify. They are copied.
	Keys [][]byte
	// Library is what front ends serve from.
	Library Library
	// Site tells which requests came over HTTPS: their cookie is for HTTPS only.
	Site *site.Site
	// Attach returns a context for the database calls of a request with a valid token, and for
	// catching up: a session of the database router that has seen replicaToken, which is "" if the
	// token has none. It is also the context of the request that the next handler gets. nil: as it is.
	Attach func(ctx context.Context, replicaToken string) context.Context
	// CatchUp bounds how long a request waits (300 ms if 0).
	CatchUp time.Duration
	// MaxAge is how long a browser keeps a token, in whole seconds (10 minutes if 0): as long as
	// front ends and replicas may be behind, and not longer.
	MaxAge time.Duration
	// Logger hears why the library could not be caught up; nil: nobody does.
	Logger *slog.Logger
}

// Sessions reads and issues tokens. It is immutable and safe for concurrent use.
type Sessions struct {
	keys   []macs
	c      Config // without keys
	log    *slog.Logger
	maxAge int // seconds
}

const minKey = 16

// New checks the configuration and returns every mistake in it at once.
func New(c Config) (*Sessions, error) {
	var wrong []error
	s := &Sessions{log: c.Logger}
	if len(c.Keys) == 0 {
		wrong = append(wrong, errors.New("session: Config.Keys needs at least one key"))
	}
	for i, key := range c.Keys {
		if len(key) < minKey {
			wrong = append(wrong, fmt.Errorf("session: Config.Keys[%d] has %d bytes; a key has at least %d random ones", i, len(key), minKey))
			continue
		}
		s.keys = append(s.keys, newMACs(key))
	}
	if c.Library == nil {
		wrong = append(wrong, errors.New("session: Config.Library is required"))
	}
	if c.Site == nil {
		wrong = append(wrong, errors.New("session: Config.Site is required"))
	}
	if c.CatchUp < 0 {
		wrong = append(wrong, errors.New("session: Config.CatchUp is negative"))
	}
	if c.MaxAge < 0 || c.MaxAge > 0 && c.MaxAge < time.Second {
		wrong = append(wrong, errors.New("session: Config.MaxAge is less than a second"))
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	c.Keys = nil
	if c.CatchUp == 0 {
		c.CatchUp = 300 * time.Millisecond
	}
	if c.MaxAge == 0 {
		c.MaxAge = 10 * time.Minute
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.c, s.maxAge = c, int(min(c.MaxAge/time.Second, 1<<30))
	return s, nil
}

// Handler returns a handler that brings the library up to the token of a request before next
// answers it.
func (s *Sessions) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Keys are in canonical form, so that the map can be asked directly.
		if len(r.Header["Cookie"]) == 0 && len(r.Header[HeaderSeen]) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		s.serve(w, r, next)
	})
}

func (s *Sessions) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	token, ok := s.of(r)
	if !ok {
		next.ServeHTTP(w, r)
		return
	}
	if s.c.Attach != nil {
		if ctx := s.c.Attach(r.Context(), token.Replica); ctx != r.Context() {
			r = r.WithContext(ctx)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.c.CatchUp)
	err := s.c.Library.CatchUp(ctx, token.Position)
	cancel()
	switch {
	case err == nil:
	case errors.Is(err, live.ErrEpoch):
		// What it speaks of is not in the database any more, or never was in this one.
		s.log.DebugContext(r.Context(), "a token is of another epoch", "epoch", token.Position.Epoch, "seq", token.Position.Seq)
	default:
		s.log.DebugContext(r.Context(), "an answer does not show what its client has seen", "seq", token.Position.Seq, "error", err)
		b := &behindWriter{ResponseWriter: w, mark: "seq=" + strconv.FormatInt(token.Position.Seq, 10)}
		next.ServeHTTP(b, r)
		b.header() // where nothing was written the server writes the head only now
		return
	}
	next.ServeHTTP(w, r)
}

// maxTries bounds how many cookies of our name are looked at: a neighbour in the same domain can
// set some too, and a browser does not say whose is whose.
const maxTries = 4

// of returns the token of a request: of the header, else of the first cookie that has a valid one.
func (s *Sessions) of(r *http.Request) (t Token, ok bool) {
	if values := r.Header[HeaderSeen]; len(values) > 0 {
		if len(values) > 1 {
			return t, false
		}
		t, err := s.Verify(values[0])
		return t, err == nil
	}
	tries := 0
	for _, line := range r.Header["Cookie"] {
		for line != "" && tries < maxTries {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			value, ours := strings.CutPrefix(strings.TrimLeft(pair, " \t"), CookieName+"=")
			if !ours {
				continue
			}
			tries++
			if t, err := s.Verify(strings.TrimRight(value, " \t")); err == nil {
				return t, true
			}
		}
	}
	return t, false
}

// Issue gives the client of r a token for what it has written: a cookie, and the same in the header
// Remora-Seen for programs. It must be called before the answer's head is written, and forbids to
// keep the answer. A replica token that no token can hold is left out. The error is about a
// position that no token can hold; the answer is as it was then.
func (s *Sessions) Issue(w http.ResponseWriter, r *http.Request, at remora.Position, replicaToken string) error {
	if !isReplica(replicaToken) {
		replicaToken = ""
	}
	text, err := s.Sign(Token{Position: at, Replica: replicaToken})
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{
		Name: CookieName, Value: text, Path: "/", MaxAge: s.maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(s.c.Site.ClientBase(r), "https:"),
	})
	w.Header().Set(HeaderSeen, text)
	w.Header().Set("Cache-Control", "no-store")
	return nil
}
