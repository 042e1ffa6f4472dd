package peer

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
)

// An Importer takes one bundle in. *[intake.Importer] is one.
type Importer interface {
	Import(ctx context.Context, by remora.Actor, path string, about func(bundleID string, n remora.Number) intake.Facts) (*intake.Result, error)
}

// A Store says where the change feed ends. With the context of [Import.Session], what was written
// with that context is before that.
type Store interface {
	Position(ctx context.Context) (remora.Position, error)
}

// An Issuer gives a client a token of what it has written, before the answer's head is written.
type Issuer interface {
	Issue(w http.ResponseWriter, r *http.Request, at remora.Position, replicaToken string) error
}

// Import says how bundles are taken in. Importer and Store are required where there is a Token.
type Import struct {
	// Token is what a client must present as "Authorization: Bearer …" (RFC 6750), of at least 16
	// characters; "": imports are off.
	Token    string
	Importer Importer
	Store    Store
	// Session returns a context for the database calls of one import and for the position after it,
	// and a function for what replicas need to know of its writes; it is called when those are done.
	// nil: the context stays as it is, as where there is one database.
	Session func(ctx context.Context) (with context.Context, replicaToken func() string)
	// Issuer gives the client its token; nil: nobody does.
	Issuer Issuer
	// MaxBundle is how large a bundle may be, in bytes (128 MiB if 0, as for other imports).
	MaxBundle int64
	// AtOnce is how many bundles are taken in at a time (2 if 0); one more is answered with 503.
	AtOnce int
	// TempDir is where a bundle is kept while it is checked; "" is [os.TempDir].
	TempDir string
}

// An Imported is the answer of [ImportPath]: 201 for what is new, 200 for what was there already.
type Imported struct {
	ActivityID int64  `json:"activity_id"`
	VersionID  int64  `json:"version_id"`
	Filename   string `json:"filename"`
	SHA256     string `json:"sha256"` // of the bundle, in hexadecimal
	Existing   bool   `json:"existing"`
	// Epoch and Seq are a position that shows it. They are left out when the position could not be
	// learnt; the bundle is in all the same.
	Epoch string `json:"epoch,omitempty"`
	Seq   int64  `json:"seq,omitempty"`
}

const (
	minToken = 16
	// importTime bounds one import, from its first byte on.
	importTime = 10 * time.Minute
)

// setImport checks and completes the part of the configuration that is about imports.
func (h *Handler) setImport() (wrong []error) {
	c := &h.c.Import
	if c.Token == "" {
		return nil
	}
	if len(c.Token) < minToken || strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		wrong = append(wrong, fmt.Errorf("peer: Import.Token must have at least %d characters, all of them printable ASCII and none a space", minToken))
	}
	if c.Importer == nil {
		wrong = append(wrong, errors.New("peer: Import.Importer is required where there is a token"))
	}
	if c.Store == nil {
		wrong = append(wrong, errors.New("peer: Import.Store is required where there is a token"))
	}
	if c.MaxBundle < 0 {
		wrong = append(wrong, errors.New("peer: Import.MaxBundle is negative"))
	}
	if c.AtOnce < 0 {
		wrong = append(wrong, errors.New("peer: Import.AtOnce is negative"))
		return wrong
	}
	if c.MaxBundle == 0 {
		c.MaxBundle = 128 << 20
	}
	if c.AtOnce == 0 {
		c.AtOnce = 2
	}
	// Of the token itself nothing is kept. Sums have one length, so that comparing them takes one
	// time, whatever was presented.
	h.token, c.Token = sha256.Sum256([]byte(c.Token)), ""
	h.imports = make(chan struct{}, c.AtOnce)
	return wrong
}

func (h *Handler) takeIn(w http.ResponseWriter, r *http.Request) {
	if err := h.admit(w, r); err != nil {
		status := remora.KindOf(err).Info().HTTPStatus
		if r.ContentLength < 0 && remora.KindOf(err) == remora.KindInvalid {
			status = http.StatusLengthRequired
		}
		h.problem(w, r, status, err)
		return
	}
	select {
	case h.imports <- struct{}{}:
		defer func() { <-h.imports }()
	default:
		w.Header().Set("Retry-After", retrySoon)
		h.fail(w, r, remora.Errorf(remora.KindUnavailable, "peer.busy", "Other bundles are being taken in just now. Try again in a moment."))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), importTime)
	defer cancel()
	// A large bundle on a slow line takes longer than a server gives other requests. Where the
	// deadline cannot be set, the server's own holds.
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(importTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		h.log.DebugContext(ctx, "the time for a bundle cannot be extended", "error", err)
	}
	replicaToken := func() string { return "" }
	if h.c.Import.Session != nil {
		ctx, replicaToken = h.c.Import.Session(ctx)
	}
	done, err := h.run(ctx, r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.issue(ctx, w, r, done, replicaToken)
	status := http.StatusCreated
	if done.Existing {
		status = http.StatusOK
	}
	h.answer(w, r, status, done)
}

// admit decides by the head alone, so that nothing is read from those it sends away.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request) error {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := sha256.Sum256([]byte(strings.Trim(token, " ")))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(given[:], h.token[:]) != 1 {
		w.Header().Set("WWW-Authenticate", `Bearer realm="import"`)
		return remora.Errorf(remora.KindUnauthenticated, "peer.token", "Importing needs the token from the settings of this library, as Authorization: Bearer.")
	}
	limit := h.c.Import.MaxBundle
	switch n := r.ContentLength; {
	case n < 0:
		return remora.Errorf(remora.KindInvalid, "peer.length", "The length of the bundle must be said beforehand, in Content-Length.")
	case n == 0:
		return remora.Errorf(remora.KindInvalid, "peer.empty", "There is no bundle in the request's body.")
	case n > limit:
		return remora.Errorf(remora.KindTooLarge, "peer.size", "The bundle has %d bytes; at most %d are taken.", n, limit)
	}
	return nil
}

// run keeps the body in a file and takes that in.
func (h *Handler) run(ctx context.Context, r *http.Request) (*Imported, error) {
	f, err := os.CreateTemp(h.c.Import.TempDir, "beamrider-import-*.xo")
	if err != nil {
		return nil, noRoom(err)
	}
	defer func() {
		if err := os.Remove(f.Name()); err != nil {
			h.log.WarnContext(ctx, "a temporary file is left behind", "file", f.Name(), "error", err)
		}
	}()
	sum := sha256.New()
	err = spool(f, r.Body, r.ContentLength, sum)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = noRoom(cerr)
	}
	if err != nil {
		return nil, err
	}
	by := remora.Actor{UserID: remora.SystemUser, Reason: "sent from " + hostOf(r.RemoteAddr)}
	result, err := h.c.Import.Importer.Import(ctx, by, f.Name(), nil)
	switch {
	case err == nil:
	case ctx.Err() != nil && remora.KindOf(err) == remora.KindInternal:
		// Whatever step it was in can be repeated.
		return nil, &remora.Error{Kind: remora.KindUnavailable, Op: "peer.Import", Code: "peer.time", Message: "The bundle was not taken in before time ran out. Send it again.", Err: err}
	default:
		return nil, err
	}
	s := result.Stored
	return &Imported{ActivityID: s.ActivityID, VersionID: s.VersionID, Filename: s.Filename, SHA256: hex.EncodeToString(sum.Sum(nil)), Existing: s.Existing}, nil
}

// spool copies the n bytes of a body, and no more, to a file.
func spool(f io.Writer, body io.Reader, n int64, sum hash.Hash) error {
	from := &source{r: io.LimitReader(body, n)}
	got, err := io.Copy(io.MultiWriter(f, sum), from)
	switch {
	case from.err != nil || err == nil && got < n:
		return &remora.Error{Kind: remora.KindInvalid, Op: "peer.Import", Code: "peer.body", Message: fmt.Sprintf("The bundle ended after %d of %d bytes. Send it again.", got, n), Err: from.err}
	case err != nil:
		return noRoom(err)
	}
	return nil
}

// A source remembers that it was reading, not writing, that failed.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func noRoom(err error) error {
	return &remora.Error{Kind: remora.KindUnavailable, Op: "peer.Import", Code: "peer.room", Message: "The bundle cannot be kept while it is checked. Make room in the folder for temporary files.", Err: err}
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "another machine"
	}
	return host
}

// issue adds the position to an answer and gives the client its token. The bundle is in, so that
// failing here is no reason to say it was not.
func (h *Handler) issue(ctx context.Context, w http.ResponseWriter, r *http.Request, done *Imported, replicaToken func() string) {
	at, err := h.c.Import.Store.Position(ctx)
	if err == nil {
		done.Epoch, done.Seq = at.Epoch, at.Seq
		if h.c.Import.Issuer == nil {
			return
		}
		err = h.c.Import.Issuer.Issue(w, r, at, replicaToken())
	}
	if err != nil {
		h.log.WarnContext(ctx, "a bundle was taken in, but its sender cannot be told the position; other front ends may show it a moment later", "version", done.VersionID, "error", err)
	}
}
