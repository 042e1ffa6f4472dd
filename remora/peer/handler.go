package peer

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// The paths that a [Handler] answers.
const (
	ChangesPath = "/internal/changes"
	ImportPath  = "/internal/import"
	StatusPath  = "/internal/status"
)

// Config says what a Handler answers with. Library is required.
type Config struct {
	// Library is what this front end serves from.
	Library *live.Library
	// Status returns how this process stands, at any time from any goroutine. nil: [StatusPath] is
	// answered with 404.
	Status func() Status
	// Import says how bundles are taken in. The zero value: [ImportPath] is answered with 404.
	Import Import
	// Draining is closed when the process is about to end: nobody waits for changes from then on,
	// so that waiting does not hold up the end. nil: never.
	Draining <-chan struct{}
	// Waiters bounds how many requests wait for changes at a time (64 if 0); one more is answered
	// at once.
	Waiters int
	// Logger hears of what is our fault; nil: nobody does.
	Logger *slog.Logger
}

// Status is how a process stands, as the answer of [StatusPath].
type Status struct {
	Version  string   `json:"version"` // of the program
	Roles    []string `json:"roles"`   // in the words of the settings
	Epoch    string   `json:"epoch"`   // with Seq the position of what is shown; "": nothing yet
	Seq      int64    `json:"seq"`
	Stale    bool     `json:"stale"`    // the database has not answered for a while
	Draining bool     `json:"draining"` // about to end; ask others
}

// A Handler answers the machines of one library. It is safe for concurrent use.
type Handler struct {
	c       Config
	log     *slog.Logger
	waiters chan struct{}     // one element for each
	imports chan struct{}     // the same; nil: imports are off
	token   [sha256.Size]byte // the sum of the import token
}

// New checks the configuration and returns every mistake in it at once. It starts nothing.
func New(c Config) (*Handler, error) {
	var wrong []error
	if c.Library == nil {
		wrong = append(wrong, errors.New("peer: Config.Library is required"))
	}
	if c.Waiters < 0 {
		wrong = append(wrong, errors.New("peer: Config.Waiters is negative"))
	}
	if c.Waiters == 0 {
		c.Waiters = 64
	}
	h := &Handler{c: c, log: c.Logger}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	wrong = append(wrong, h.setImport()...)
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	h.waiters = make(chan struct{}, c.Waiters)
	return h, nil
}

// ServeHTTP implements [http.Handler]. A path that is not one of ours is answered with 404.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	method, serve := http.MethodGet, h.notHere
	switch {
	case r.URL.Path == ChangesPath:
		serve = h.changes
	case r.URL.Path == StatusPath && h.c.Status != nil:
		serve = func(w http.ResponseWriter, r *http.Request) { h.answer(w, r, http.StatusOK, h.c.Status()) }
	case r.URL.Path == ImportPath && h.imports != nil:
		method, serve = http.MethodPost, h.takeIn
	default:
		method = r.Method
	}
	if r.Method != method {
		header.Set("Allow", method)
		h.problem(w, r, http.StatusMethodNotAllowed, remora.Errorf(remora.KindInvalid, "peer.method", "This is asked for with %s and nothing else.", method))
		return
	}
	serve(w, r)
}

func (h *Handler) notHere(w http.ResponseWriter, r *http.Request) {
	h.fail(w, r, remora.Errorf(remora.KindNotFound, "", "There is no such thing here, or it is switched off."))
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request, status int, v any) {
	h.write(w, r, status, "application/json", v)
}

func (h *Handler) write(w http.ResponseWriter, r *http.Request, status int, media string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		h.log.ErrorContext(r.Context(), "an answer cannot be written down", "path", r.URL.Path, "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	if _, err := w.Write(append(body, '\n')); err != nil {
		h.log.DebugContext(r.Context(), "an answer did not reach who asked", "path", r.URL.Path, "error", err)
	}
}

// A problem is the JSON of an error (RFC 9457).
type problem struct {
	Title  string `json:"title"` // the kind
	Status int    `json:"status"`
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail"`
}

// How long to wait, in seconds, before asking again.
const (
	retrySoon  = "2"  // a place is taken
	retryLater = "10" // something does not answer
	retryMuch  = "60" // a person has switched it off
)

// fail answers with the status that belongs to the kind of an error.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	h.problem(w, r, remora.KindOf(err).Info().HTTPStatus, err)
}

func (h *Handler) problem(w http.ResponseWriter, r *http.Request, status int, err error) {
	kind := remora.KindOf(err)
	p := problem{Title: kind.String(), Status: status, Detail: remora.MessageOf(err)}
	if e, ok := errors.AsType[*remora.Error](err); ok {
		p.Code = e.Code
	}
	if kind.Info().Retryable && w.Header().Get("Retry-After") == "" {
		after := retryLater
		if kind == remora.KindReadOnly {
			after = retryMuch
		}
		w.Header().Set("Retry-After", after)
	}
	if status == http.StatusInternalServerError {
		h.log.ErrorContext(r.Context(), "a request of another machine failed", "path", r.URL.Path, "error", err)
	} else {
		h.log.InfoContext(r.Context(), "a request of another machine was refused", "path", r.URL.Path, "error", err)
	}
	h.write(w, r, status, "application/problem+json", p)
}
