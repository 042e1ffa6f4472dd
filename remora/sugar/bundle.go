package sugar

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/sendfile"
	"github.com/sugarlabs/beamrider/remora"
)

// MIME types of bundles.
const (
	typeActivity = "application/vnd.olpc-sugar"
	typeContent  = "application/vnd.olpc-content"
)

// How long bundles may be kept by caches: a day where the address names the version, so that one
// that is taken down is gone by tomorrow; for ever where it names the bytes.
const (
	cacheDay     = "public, max-age=86400"
	cacheForever = "public, max-age=31536000, immutable"
)

// HeaderDownloaded, in a HEAD request for a bundle from one of our own proxies, says that a client has
// got the bundle there: it counts as a download of the client in X-Forwarded-For.
const HeaderDownloaded = "Remora-Downloaded"

const noBundle = "There is no such bundle here, or it was taken back."

// serveNamed answers /activities/{id}/{filename}.
func (h *Handler) serveNamed(id int64, filename string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := h.library.View().Activity(id)
		v := versionNamed(a, filename)
		if v == nil {
			notFound(w, noBundle)
			return
		}
		h.serveBundle(w, r, a, v, "")
	}
}

func versionNamed(a *remora.Activity, filename string) *remora.Version {
	if a == nil {
		return nil
	}
	for i := range a.Versions {
		if v := &a.Versions[i]; v.Filename == filename && v.State.Offered() {
			return v
		}
	}
	return nil
}

// serveSum answers /b/{sha256}/{filename}.
func (h *Handler) serveSum(sum remora.Digest, filename string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, v := h.library.View().BySum(sum)
		if v == nil || v.Filename != filename || !v.State.Offered() {
			notFound(w, noBundle)
			return
		}
		w.Header().Set("Cache-Control", cacheForever)
		h.serveBundle(w, r, a, v, "page")
	}
}

// serveFile answers the old …/downloads/file/{id}/{anything}.
func (h *Handler) serveFile(id int64, last string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, v := h.library.View().ByFile(id)
		if v == nil || !v.State.Offered() {
			notFound(w, noBundle)
			return
		}
		if !strings.HasSuffix(last, ".xo") && !strings.HasSuffix(last, ".xol") {
			// The address does not end in the file's name, so a browser must be told.
			w.Header().Set("Content-Disposition", `attachment; filename="`+pathElement(v.Filename)+`"`)
		}
		h.serveBundle(w, r, a, v, "")
	}
}

// serveLatest answers the old …/downloads/latest/{activity id}: a redirect to the newest version
// that fits the client's Sugar or, when none does, to the newest of all, as the old site did.
func (h *Handler) serveLatest(id int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := h.library.View().Activity(id)
		if a == nil {
			notFound(w, noBundle)
			return
		}
		client := remora.Client{Sugar: remora.SugarFromUserAgent(r.UserAgent())}
		if s, _ := parameter(r.URL.RawQuery, "sugar", true); s != "" {
			if n, err := remora.ParseSugar(s); err == nil {
				client.Sugar = n
			}
		}
		v := a.Select(client)
		if v == nil {
			v = a.Select(remora.Client{})
		}
		if v == nil {
			notFound(w, noBundle)
			return
		}
		header := w.Header()
		header.Set("Vary", "User-Agent")
		header["Cache-Control"] = cacheHour
		redirect(w, http.StatusFound, withQuery(bundlePath(a, v), r.URL.RawQuery))
	}
}

// serveBundle sends the bytes of a version, or the parts of them that were asked for.
func (h *Handler) serveBundle(w http.ResponseWriter, r *http.Request, a *remora.Activity, v *remora.Version, source string) {
	name := remora.PublicName(a.ID, v.Filename)
	f, content, err := h.open(r, name, v.Size, v.SHA256)
	if err != nil {
		h.log.ErrorContext(r.Context(), "a bundle cannot be served", "file", name, "version", v.ID, "error", err)
		w.Header().Del("Content-Disposition")
		unavailable(w, "The file is there but cannot be read just now. Try again in a minute.")
		return
	}
	defer func() {
		if err := f.Close(); err != nil {
			h.log.WarnContext(r.Context(), "closing a bundle", "file", name, "error", err)
		}
	}()
	header := w.Header()
	if a.ContentBundle {
		header.Set("Content-Type", typeContent)
	} else {
		header.Set("Content-Type", typeActivity)
	}
	header.Set("Etag", `"`+v.SHA256.String()+`"`)
	if header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", cacheDay)
	}
	if r.Method == http.MethodGet {
		from, client := downloadSource(r, source), h.site.Client(r)
		content.OnBegin(func() { h.counter.Count(v.ID, from, client) })
	} else if r.Header.Get(HeaderDownloaded) != "" && h.site.Proxied(r) {
		h.counter.Count(v.ID, downloadSource(r, source), h.site.Client(r))
	}
	if err := content.Serve(w, r, published(v)); err != nil {
		h.log.ErrorContext(r.Context(), "a bundle could not be read to its end; the connection is broken off", "file", name, "version", v.ID, "error", err)
		// What was sent must not look complete, whatever stands between here and the client.
		panic(http.ErrAbortHandler)
	}
}

// published returns the date of the bytes: those of a version never change.
func published(v *remora.Version) time.Time {
	if v.Published != 0 {
		return v.Published.Time()
	}
	return v.Submitted.Time()
}

// open opens a stored file whose size and sum are known.
func (h *Handler) open(r *http.Request, name string, size int64, sum remora.Digest) (fs.File, *sendfile.Content, error) {
	f, err := h.openSum(r.Context(), name, size, sum)
	if err != nil {
		return nil, nil, err
	}
	c, err := sendfile.New(f, size)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, c, nil
}

// downloadSource says who downloads: Sugar's updater, a person on a page, or something else.
func downloadSource(r *http.Request, known string) string {
	switch {
	case strings.HasPrefix(r.UserAgent(), "Sugar/"):
		return "updater"
	case known != "":
		return known
	}
	if ref := r.Referer(); ref != "" {
		if _, rest, found := strings.Cut(ref, "://"); found {
			if host, _, _ := strings.Cut(rest, "/"); strings.EqualFold(host, r.Host) {
				return "page"
			}
		}
	}
	return "other"
}
