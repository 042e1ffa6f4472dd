package filehttp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/sugarlabs/beamrider/internal/sendfile"
	"github.com/sugarlabs/beamrider/nfsstore"
)

// A Store opens files for reading; they must be [io.ReaderAt] as well. An [nfsstore.Store] is one.
type Store interface {
	Open(ctx context.Context, name string) (fs.File, error)
}

// Options say what a [Handler] serves, and how. Functions may be called concurrently.
type Options struct {
	// Store holds the files. Required.
	Store Store
	// Sum returns the SHA-256 of a file, nil when it is not known. nil: [NamedSum].
	Sum func(ctx context.Context, name string) ([]byte, error)
	// Immutable reports whether a name shows the same bytes for ever, so that caches may keep it for
	// a year without asking. nil: those that [NamedSum] knows.
	Immutable func(name string) bool
	// ContentType returns the media type of a file. nil or "": application/octet-stream.
	ContentType func(name string) string
	// Disposition returns the field Content-Disposition for a file. nil or "": none.
	Disposition func(name string) string
	// Verifier compares each file that has a sum with it before a byte of it is sent; nil: nobody does.
	Verifier *Verifier
	// Accel is where an nginx in front has the folder of the store as an internal location, such as
	// "/accel/": it sends the bytes then. "": the handler does.
	Accel string
	// Logger hears of files that cannot be served; nil discards.
	Logger *slog.Logger
}

// A Handler serves the files of a store by GET and HEAD, whole or in parts. The path of the request,
// without the slash in front, is the name. It may serve concurrently.
type Handler struct {
	o Options
}

// What every answer says about caching: a year where bytes never change, else each time anew.
const (
	cacheForever = "public, max-age=31536000, immutable"
	cacheAsk     = "no-cache"
)

// retryAfter is when a file may be there again, in seconds.
const retryAfter = "30"

// New returns a Handler, or every mistake in o; the error matches [fs.ErrInvalid].
func New(o Options) (*Handler, error) {
	var errs []error
	if o.Store == nil {
		errs = append(errs, fmt.Errorf("filehttp: Options.Store is required: %w", fs.ErrInvalid))
	}
	if o.Accel != "" && (!strings.HasPrefix(o.Accel, "/") || !strings.HasSuffix(o.Accel, "/")) {
		errs = append(errs, fmt.Errorf("filehttp: Options.Accel %q must begin and end with a slash: %w", o.Accel, fs.ErrInvalid))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if o.Sum == nil {
		o.Sum = func(_ context.Context, name string) ([]byte, error) { return NamedSum(name), nil }
	}
	if o.Immutable == nil {
		o.Immutable = func(name string) bool { return NamedSum(name) != nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{o}, nil
}

// NamedSum returns the SHA-256 that a name holds, as in "uploads/sha256/ab/ab12…" (64 digits, of which
// the folder repeats the first two, perhaps with an extension such as ".svg"), or nil.
func NamedSum(name string) []byte {
	const digits = 2 * sha256.Size
	dir, base := path.Split(name)
	if len(base) < digits || len(base) > digits && base[digits] != '.' {
		return nil
	}
	base = base[:digits]
	if base != strings.ToLower(base) || !strings.HasSuffix("/"+dir, "/sha256/"+base[:2]+"/") {
		return nil
	}
	sum, err := hex.DecodeString(base)
	if err != nil {
		return nil
	}
	return sum
}

// ServeHTTP answers r.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "Files are answered to GET and HEAD only.")
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	f, c, sum, err := h.open(r.Context(), name)
	if err != nil {
		h.fail(w, r, name, err)
		return
	}
	defer func() {
		if err := f.Close(); err != nil {
			h.o.Logger.WarnContext(r.Context(), "closing a file that was served", "file", name, "error", err)
		}
	}()
	h.serve(w, r, name, f, c, sum)
}

// open opens a file and sees that it is fit to be served.
func (h *Handler) open(ctx context.Context, name string) (_ fs.File, _ *sendfile.Content, sum []byte, err error) {
	if err := nfsstore.CheckName(name); err != nil {
		return nil, nil, nil, err
	}
	if sum, err = h.o.Sum(ctx, name); err != nil {
		return nil, nil, nil, err
	}
	f, err := h.o.Store.Open(ctx, name)
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := h.check(ctx, name, f, sum)
	if err != nil {
		return nil, nil, nil, errors.Join(err, f.Close())
	}
	return f, c, sum, nil
}

func (h *Handler) check(ctx context.Context, name string, f fs.File, sum []byte) (*sendfile.Content, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "serve", Path: name, Err: fs.ErrNotExist}
	}
	if h.o.Verifier != nil && sum != nil {
		if err := h.o.Verifier.Verify(ctx, name, f, sum); err != nil {
			return nil, err
		}
	}
	return sendfile.New(f, info.Size())
}

// serve answers with a file that is fit for it.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, name string, f fs.File, c *sendfile.Content, sum []byte) {
	info, err := f.Stat()
	if err != nil {
		h.fail(w, r, name, err)
		return
	}
	header := w.Header()
	media := "application/octet-stream"
	if h.o.ContentType != nil {
		if t := h.o.ContentType(name); t != "" {
			media = t
		}
	}
	header.Set("Content-Type", media)
	if h.o.Disposition != nil {
		if d := h.o.Disposition(name); d != "" {
			header.Set("Content-Disposition", d)
		}
	}
	if sum != nil {
		// Without the sum there is no tag that is true to the byte; the date has to do.
		header.Set("Etag", `"`+hex.EncodeToString(sum)+`"`)
	}
	if h.o.Immutable(name) {
		header.Set("Cache-Control", cacheForever)
	} else {
		header.Set("Cache-Control", cacheAsk)
	}
	if h.o.Accel != "" {
		h.accelerate(w, r, name, info)
		return
	}
	if err := c.Serve(w, r, info.ModTime()); err != nil {
		h.o.Logger.ErrorContext(r.Context(), "a file could not be read to its end; the connection is broken off", "file", name, "error", err)
		// What was sent must not look complete, whatever stands between here and the client.
		panic(http.ErrAbortHandler)
	}
}

// accelerate leaves the bytes to nginx. What only this process can judge, which is whether the client
// has the file already, it judges itself.
func (h *Handler) accelerate(w http.ResponseWriter, r *http.Request, name string, info fs.FileInfo) {
	p := &precondition{ResponseWriter: w}
	asked := r.Clone(r.Context())
	asked.Method = http.MethodHead
	asked.Header.Del("Range")
	http.ServeContent(p, asked, "", info.ModTime(), strings.NewReader(""))
	if p.answered {
		return
	}
	header := w.Header()
	header.Del("Accept-Ranges") // these two were about nothing, and nginx knows
	header.Del("Content-Length")
	header.Set("X-Accel-Redirect", h.o.Accel+(&url.URL{Path: name}).EscapedPath())
	w.WriteHeader(http.StatusOK)
}

// A precondition passes on the answers that a condition of the request alone has led to.
type precondition struct {
	http.ResponseWriter
	answered bool
}

func (p *precondition) WriteHeader(status int) {
	if status == http.StatusNotModified || status == http.StatusPreconditionFailed {
		p.answered = true
		p.ResponseWriter.WriteHeader(status)
	}
}

func (p *precondition) Write(b []byte) (int, error) { return len(b), nil }

// fail answers that a file cannot be served, and why: gone for ever, or perhaps there again soon.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, name string, err error) {
	header := w.Header()
	for _, of := range []string{"Etag", "Content-Disposition", "Last-Modified"} {
		header.Del(of)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, nfsstore.ErrName):
		refuse(w, http.StatusNotFound, "There is no such file here.")
		return
	case r.Context().Err() != nil:
		// The client has gone, and nobody is to be alarmed.
	default:
		h.o.Logger.ErrorContext(r.Context(), "a file cannot be served", "file", name, "error", err)
	}
	header.Set("Retry-After", retryAfter)
	text := "The file cannot be read just now. Try again in a minute."
	if errors.Is(err, nfsstore.ErrCorrupt) {
		text = "The file is damaged and is not given out until it is repaired."
	}
	refuse(w, http.StatusServiceUnavailable, text)
}

func refuse(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // the client may be gone, which is nobody's fault
}
