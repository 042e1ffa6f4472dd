package api

import (
	_ "embed"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
	"github.com/sugarlabs/beamrider/remora/web/internal/answer"
)

// Prefix is where everything here is.
const Prefix = "/api/v1/"

// Config is what a [Handler] needs.
type Config struct {
	// Library is where answers come from; required. Whoever makes it runs it.
	Library *live.Library
	// Site says under which address the library is reached; nil: whatever was asked.
	Site *site.Site
	// Logger hears of what goes wrong; nil: nobody does.
	Logger *slog.Logger
}

// A Handler answers what is below [Prefix]. Make it with [New]. It is safe for concurrent use.
type Handler struct {
	library *live.Library
	site    *site.Site
	log     *slog.Logger
	openAPI *answer.Body
}

var _ http.Handler = (*Handler)(nil)

//go:embed openapi.json
var openAPI []byte

// New returns a Handler. It starts nothing.
func New(c Config) (*Handler, error) {
	h := &Handler{library: c.Library, site: c.Site, log: c.Logger, openAPI: answer.New(openAPI)}
	if h.library == nil {
		return nil, errors.New("api: Config.Library is required")
	}
	if h.site == nil {
		var err error
		if h.site, err = site.New(site.Config{}); err != nil {
			return nil, err
		}
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h, nil
}

// A call is one request being answered, from one View.
type call struct {
	request *http.Request
	view    *live.View
	base    string // of absolute addresses
	asked   asked
}

// A route answers the addresses of one form. Path is as in the OpenAPI document, behind Prefix, with
// {name} for one element.
type route struct {
	path   string
	params []string // the query parameters there are
	most   int      // the greatest limit, where there is one
	answer func(c *call, name string) (any, *problem)
}

var routes = [...]route{
	{"activities", []string{"q", "category", "interpreter", "sugar", "language", "license", "size", "network", "tag", "author", "sort", "limit", "after", "lang", "facets"}, 100, (*call).activities},
	{"activities/{ref}", []string{"sugar", "experimental", "lang"}, 0, (*call).activity},
	{"activities/{ref}/versions", []string{"sugar", "experimental", "lang"}, 0, (*call).versions},
	{"versions/{id}", []string{"lang"}, 0, (*call).version},
	{"categories", []string{"lang"}, 0, (*call).categories},
	{"tags", []string{"limit"}, live.MaxTags, (*call).tags},
	{"authors/{id}", nil, 0, (*call).author},
	{"collections", []string{"limit", "after", "lang"}, 100, (*call).collections},
	{"collections/{nickname}", []string{"lang"}, 0, (*call).collection},
	{"suggest", []string{"q", "lang", "limit"}, 20, (*call).suggest},
	{"openapi.json", nil, 0, nil},
}

// match returns what stands for {name} in a path of a route.
func (t *route) match(path string) (name string, ok bool) {
	before, rest, named := strings.Cut(t.path, "{")
	if !named {
		return "", path == t.path
	}
	_, after, _ := strings.Cut(rest, "}")
	if name, ok = strings.CutPrefix(path, before); !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, after)
	return name, ok && name != "" && !strings.Contains(name, "/")
}

// ServeHTTP answers every path below Prefix; what is not there is a problem that says so.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", "ETag, Link, Remora-Snapshot, Retry-After")
	header.Set("Remora-Snapshot", h.library.Mark())
	const methods = "GET, HEAD, OPTIONS"
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		header.Set("Allow", methods)
		header.Set("Access-Control-Allow-Methods", methods)
		header.Set("Access-Control-Allow-Headers", "If-None-Match")
		header.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		header.Set("Allow", methods)
		h.fail(w, r, noMethod)
		return
	}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), Prefix)
	if !ok {
		h.fail(w, r, notFound)
		return
	}
	for i := range routes {
		name, ok := routes[i].match(path)
		if !ok {
			continue
		}
		var err error
		if name, err = url.PathUnescape(name); err != nil {
			break
		}
		h.serve(w, r, &routes[i], name)
		return
	}
	h.fail(w, r, notFound)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, t *route, name string) {
	header := w.Header()
	a, p := ask(r.URL.RawQuery, t)
	if p != nil {
		h.fail(w, r, *p)
		return
	}
	body := h.openAPI
	if t.answer != nil {
		if !h.library.Status().Ready {
			h.fail(w, r, notReady)
			return
		}
		c := &call{request: r, view: h.library.View(), base: h.site.Base(r), asked: a}
		value, p := t.answer(c, name)
		if p != nil {
			h.fail(w, r, *p)
			return
		}
		if list, ok := value.(interface{ next() string }); ok {
			if next := list.next(); next != "" {
				header.Set("Link", "<"+next+`>; rel="next"`)
			}
		}
		text, err := json.Marshal(value)
		if err != nil {
			h.log.ErrorContext(r.Context(), "an answer cannot be written", "path", r.URL.Path, "error", err)
			h.fail(w, r, internal)
			return
		}
		body = answer.New(append(text, '\n'))
	}
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "public, max-age=60")
	h.sent(body.Serve(w, r), r)
}

// sent notes that an answer did not reach its reader.
func (h *Handler) sent(err error, r *http.Request) {
	if err != nil {
		h.log.DebugContext(r.Context(), "a reader went away", "path", r.URL.Path, "error", err)
	}
}
