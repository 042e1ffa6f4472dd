package sugar

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
	"golang.org/x/text/language"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
)

// Counter hears of downloads. Count must not block and may be called concurrently. source is
// "updater", "page" or "other"; client is the zero Addr when unknown.
type Counter interface {
	Count(versionID int64, source string, client netip.Addr)
}

// Config is what a Handler is made of.
type Config struct {
	Library *live.Library // required: what is offered
	Files   remora.Files  // required: the bundles and icons
	Site    *site.Site    // required: under which address
	Counter Counter       // nil: downloads are not counted
	// Next answers every request that is not for this package; nil: 404.
	Next http.Handler
	// Languages are the languages that pages exist in, as BCP 47 tags, the fallback first; old
	// locales in addresses are matched to the nearest. nil: English only.
	Languages []string
	// Language chooses the language of an old address that names none. nil: the query's lang, then
	// Accept-Language.
	Language func(*http.Request) string
	// Recolor gives a stored icon other colours, each "#rrggbb". nil: icons are served as stored.
	Recolor func(icon []byte, stroke, fill string) ([]byte, error)
	// OpenSum opens a file that must have that SHA-256, and may refuse one that is damaged or look for it
	// in more than one place. A size says that the catalog has it; -1: anybody may have made up the name.
	// nil: Files.Open, which looks at neither.
	OpenSum func(ctx context.Context, name string, size int64, sum remora.Digest) (fs.File, error)
	// Logger hears of trouble with storage; nil: nobody does.
	Logger *slog.Logger
}

// A Handler answers Sugar clients. Make it with [New]; it may serve concurrently.
type Handler struct {
	library   *live.Library
	site      *site.Site
	counter   Counter
	next      http.Handler
	languages []string
	matcher   language.Matcher
	choose    func(*http.Request) string
	recolor   func(icon []byte, stroke, fill string) ([]byte, error)
	openSum   func(ctx context.Context, name string, size int64, sum remora.Digest) (fs.File, error)
	log       *slog.Logger

	documents *otter.Cache[documentKey, *document]
	icons     *otter.Cache[iconKey, []byte]
	catalog   catalog
	marks     atomic.Pointer[[]string] // the last value of Remora-Snapshot, which changes each second at most
}

// New checks the configuration and returns every mistake in it at once. It starts nothing.
func New(c Config) (*Handler, error) {
	var errs []error
	for _, need := range []struct {
		absent bool
		name   string
	}{{c.Library == nil, "Library"}, {c.Files == nil, "Files"}, {c.Site == nil, "Site"}} {
		if need.absent {
			errs = append(errs, fmt.Errorf("sugar: Config.%s is required", need.name))
		}
	}
	h := &Handler{
		library: c.Library, site: c.Site, counter: c.Counter, next: c.Next,
		languages: slices.Clone(c.Languages), choose: c.Language, recolor: c.Recolor, openSum: c.OpenSum, log: c.Logger,
	}
	if h.openSum == nil && c.Files != nil {
		h.openSum = func(ctx context.Context, name string, _ int64, _ remora.Digest) (fs.File, error) {
			return c.Files.Open(ctx, name)
		}
	}
	if len(h.languages) == 0 {
		h.languages = []string{"en"}
	}
	tags := make([]language.Tag, len(h.languages))
	for i, l := range h.languages {
		tag, err := language.Parse(l)
		if err != nil {
			errs = append(errs, fmt.Errorf("sugar: Config.Languages: %q is not a BCP 47 tag: %w", l, err))
		}
		tags[i] = tag
	}
	h.matcher = language.NewMatcher(tags)
	if h.next == nil {
		h.next = http.NotFoundHandler()
	}
	if h.counter == nil {
		h.counter = noCounter{}
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	var err error
	h.icons, err = newIconCache()
	errs = append(errs, err)
	h.documents, err = newDocumentCache()
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return h, nil
}

type noCounter struct{}

func (noCounter) Count(int64, string, netip.Addr) {}

// ServeHTTP answers r, or passes it to Config.Next.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The update check is nine of ten requests; it goes first and around the router.
	switch r.URL.Path {
	case "/services/update-aslo.php", "/update/VersionCheck.php":
		if h.begin(w, r) {
			h.serveUpdate(w, r)
		}
		return
	case "/services/micro-format.php":
		if h.begin(w, r) {
			h.serveGroup(w, r)
		}
		return
	case "/api/v1/updates":
		if h.beginMethods(w, r, http.MethodPost) {
			h.serveBatch(w, r)
		}
		return
	case "/api/v1/activities.json":
		if h.begin(w, r) {
			h.serveCatalog(w, r)
		}
		return
	case "/AMOSearch.xml":
		if h.begin(w, r) {
			h.serveOpenSearch(w, r)
		}
		return
	}
	if serve := h.route(r); serve != nil {
		if h.begin(w, r) {
			serve(w, r)
		}
		return
	}
	h.next.ServeHTTP(w, r)
}

// Values of headers that never change. They are shared by all answers: http.Header values are
// replaced, not changed in place.
var (
	nosniff    = []string{"nosniff"}
	sameOrigin = []string{"same-origin"}
	cacheHour  = []string{"public, max-age=3600"}
	xmlType    = []string{"text/xml; charset=utf-8"}
)

// begin is beginMethods for what can be read.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet { // spares the slice
		return h.ready(w)
	}
	return h.beginMethods(w, r, http.MethodGet, http.MethodHead)
}

// beginMethods sets the headers that every answer carries, and answers requests that nothing
// further can be done for: a wrong method, or a library that has not loaded yet.
func (h *Handler) beginMethods(w http.ResponseWriter, r *http.Request, allowed ...string) bool {
	for _, m := range allowed {
		if r.Method == m {
			return h.ready(w)
		}
	}
	h.common(w)
	allow := ""
	for i, m := range allowed {
		if i > 0 {
			allow += ", "
		}
		allow += m
	}
	w.Header().Set("Allow", allow)
	sentence(w, http.StatusMethodNotAllowed, "This address answers "+allow+" only.")
	return false
}

func (h *Handler) common(w http.ResponseWriter) {
	header := w.Header()
	header["X-Content-Type-Options"] = nosniff
	header["Referrer-Policy"] = sameOrigin
	mark := h.library.Mark()
	marks := h.marks.Load()
	if marks == nil || (*marks)[0] != mark {
		marks = &[]string{mark}
		h.marks.Store(marks)
	}
	header["Remora-Snapshot"] = *marks
}

func (h *Handler) ready(w http.ResponseWriter) bool {
	h.common(w)
	select {
	case <-h.library.Ready():
		return true
	default:
	}
	unavailable(w, "The library is starting and has not read its catalog yet. Try again in a few seconds.")
	return false
}
