package web

import (
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/maypok86/otter/v2"
	"golang.org/x/text/language"

	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
	"github.com/sugarlabs/beamrider/remora/web/api"
)

// DefaultName is what the site calls itself where its administrator has not named it.
const DefaultName = "Sugar Activity Library"

// MaxName bounds Config.Name, in letters: it stands in the head of every page.
const MaxName = 60

// Config is what a [Handler] needs.
type Config struct {
	// Library is where pages come from; required. Whoever makes it runs it.
	Library *live.Library
	// Site says under which address the library is reached; nil: whatever was asked.
	Site *site.Site
	// Logger hears of what goes wrong; nil: nobody does.
	Logger *slog.Logger
	// Name is what the site calls itself, at most MaxName letters; "": DefaultName.
	Name string
	// Operator says who runs the library, at most MaxContact letters; "": nobody says so.
	Operator string
	// Contact is how to reach them: an e-mail address, an http or https address, or a line of
	// text, at most MaxContact letters; "": nobody says so.
	Contact string
	// Texts are pages in the administrator's own words; nil: none are.
	Texts *Texts
	// StartHint returns the commands that fill an empty catalog, which its first page shows; nil:
	// those of remora-server. It is called concurrently and must not block.
	StartHint func() []string
	// Reports is where the pages of versions find what is in a bundle; nil: they say that it is not
	// kept here.
	Reports Reports
	// Statistics is where pages find how often something was downloaded; nil: they say that nobody
	// counts.
	Statistics Statistics
	// PseudoLocale adds the pages of no language, /en-XA/, which show developers what translators
	// do not get to see. Nobody is led there.
	PseudoLocale bool
}

// A Handler serves the pages. Make it with [New]. It is safe for concurrent use.
type Handler struct {
	library *live.Library
	site    *site.Site
	log     *slog.Logger
	name    string
	hint    func() []string

	operator string
	contact  contact
	texts    *Texts

	tongues []*tongue // English first
	byTag   map[string]*tongue
	matcher language.Matcher
	pages   map[string]map[string]*template.Template // by language, by page
	assets  map[string]*asset                        // by name
	static  map[string]*asset                        // by address
	kept    *otter.Cache[keptKey, *keptPage]
	api     *api.Handler
	sources
}

var _ http.Handler = (*Handler)(nil)

// New returns a Handler; every mistake in c is in the error. It starts nothing.
func New(c Config) (*Handler, error) { return newHandler(c, embedded) }

func newHandler(c Config, files fs.FS) (*Handler, error) {
	var errs []error
	h := &Handler{library: c.Library, site: c.Site, log: c.Logger, name: c.Name, hint: c.StartHint}
	if h.library == nil {
		errs = append(errs, errors.New("web: Config.Library is required"))
	}
	if h.site == nil {
		s, err := site.New(site.Config{})
		errs = append(errs, err)
		h.site = s
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	switch {
	case h.name == "":
		h.name = DefaultName
	case !utf8.ValidString(h.name) || utf8.RuneCountInString(h.name) > MaxName:
		errs = append(errs, fmt.Errorf("web: Config.Name must be valid UTF-8 of at most %d letters", MaxName))
	}
	errs = append(errs, h.setWords(c))
	if h.hint == nil {
		h.hint = func() []string { return []string{"remora-server import FOLDER", "remora-server serve --samples"} }
	}
	var err error
	if h.tongues, err = loadTongues(files); err != nil {
		return nil, errors.Join(append(errs, fmt.Errorf("web: languages: %w", err))...)
	}
	h.byTag = map[string]*tongue{}
	var tags []language.Tag
	for _, l := range h.tongues {
		h.byTag[l.tag] = l
		tags = append(tags, language.Make(l.tag))
	}
	h.matcher = language.NewMatcher(tags)
	spoken := h.tongues
	if c.PseudoLocale {
		l := newPseudo()
		h.byTag[l.tag] = l
		spoken = append(slices.Clip(spoken), l)
	}
	if h.assets, h.static, err = loadAssets(files); err != nil {
		errs = append(errs, fmt.Errorf("web: static files: %w", err))
	}
	for _, name := range []string{"favicon.svg", "activity.svg"} {
		if h.assets[name] == nil {
			errs = append(errs, fmt.Errorf("web: static/%s is missing", name))
		}
	}
	if h.pages, err = loadPages(files, spoken); err != nil {
		errs = append(errs, fmt.Errorf("web: templates: %w", err))
	}
	if h.kept, err = newKeptPages(keptBytes); err != nil {
		errs = append(errs, fmt.Errorf("web: kept pages: %w", err))
	}
	if h.sources, err = newSources(c.Reports, c.Statistics, time.Now); err != nil {
		errs = append(errs, fmt.Errorf("web: kept answers: %w", err))
	}
	if h.library != nil {
		if h.api, err = api.New(api.Config{Library: h.library, Site: h.site, Logger: h.log}); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return h, nil
}

// policy is the Content-Security-Policy of every answer.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// ServeHTTP answers every path below "/"; what is not there is a page that says so.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Content-Security-Policy", policy)
	header.Set("Remora-Snapshot", h.library.Mark())

	if a := h.static[r.URL.Path]; a != nil && readOnly(r) {
		h.serveAsset(w, r, a)
		return
	}
	if strings.HasPrefix(r.URL.Path, api.Prefix) {
		h.api.ServeHTTP(w, r)
		return
	}
	v := h.newVisit(r)
	if !readOnly(r) {
		header.Set("Allow", "GET, HEAD")
		h.fail(w, v, faultMethod)
		return
	}
	if !h.serveKept(w, v) {
		h.route(w, v)
	}
}

func readOnly(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// newVisit takes the language from the first element of the path, where there is one.
func (h *Handler) newVisit(r *http.Request) *visit {
	v := &visit{handler: h, request: r, view: &witness{view: h.library.View()}, status: h.library.Status()}
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if v.tongue = h.byTag[first]; v.tongue == nil {
		// Only pages that say what went wrong are left, and the way to the right language.
		v.tongue = h.choose(r)
		v.guessed = true
	}
	if v.status.Stale && v.status.Ready {
		v.stale = v.staleNotice()
	}
	return v
}

// maxElements bounds how many elements of a path are looked at: no page has more.
const maxElements = 6

// route finds the page for a path. It is written out rather than left to a ServeMux because every
// answer, whatever is wrong with the request, is a whole page in the reader's language.
func (h *Handler) route(w http.ResponseWriter, v *visit) {
	r := v.request
	if r.URL.Path == "/" {
		h.serveRoot(w, v)
		return
	}
	if document := h.findDocument(r.URL.Path); document != nil {
		if !v.status.Ready && r.URL.Path != "/robots.txt" {
			h.fail(w, v, faultNotReady)
			return
		}
		document(w, v)
		return
	}
	parts := strings.SplitN(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/", maxElements)
	for i, p := range parts {
		var err error
		if parts[i], err = url.PathUnescape(p); err != nil {
			h.fail(w, v, faultNotFound)
			return
		}
	}
	rest := parts[1:]
	home := len(rest) == 1 && rest[0] == "" || len(rest) == 0
	if n := len(rest); n > 1 && rest[n-1] == "" {
		rest = rest[:n-1] // a slash too many is the same page, at its own address
	}
	page := h.find(rest, home)
	if page == nil {
		h.fail(w, v, faultNotFound)
		return
	}
	tag := parts[0]
	if v.guessed {
		l, _ := h.match(tag)
		if _, err := language.Parse(tag); err != nil {
			h.fail(w, v, faultNotFound)
			return
		}
		tag = l.tag // a language there is no page in, or one in another spelling
	}
	want := "/" + tag + "/"
	if !home {
		escaped := make([]string, len(rest))
		for i, p := range rest {
			escaped[i] = url.PathEscape(p)
		}
		want += strings.Join(escaped, "/")
	}
	if have := r.URL.EscapedPath(); v.guessed || strings.HasSuffix(have, "/") != strings.HasSuffix(want, "/") {
		if _, err := parseQuery(r.URL.RawQuery); err != nil {
			h.fail(w, v, faultOf(err))
			return
		}
		if query := r.URL.Query().Encode(); query != "" {
			want += "?" + query
		}
		w.Header().Set("Cache-Control", "public, max-age=3600")
		redirect(w, http.StatusFound, want)
		return
	}
	if !v.status.Ready {
		h.fail(w, v, faultNotReady)
		return
	}
	q, err := parseQuery(r.URL.RawQuery)
	v.query = q
	if err != nil {
		h.fail(w, v, faultOf(err))
		return
	}
	page(w, v)
}

// A page answers a request whose address is known to be in order.
type page func(http.ResponseWriter, *visit)

// find returns the page at the elements of a path behind the language, nil if there is none.
func (h *Handler) find(rest []string, home bool) page {
	if home {
		return h.serveHome
	}
	for _, in := range [...]func([]string) page{
		h.findActivity, h.findList,
		h.findText, h.findFeed,
	} {
		if p := in(rest); p != nil {
			return p
		}
	}
	return nil
}
