package sugar

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"github.com/sugarlabs/beamrider/remora"
)

// maxSegments bounds the parts of a path that are looked at; the longest old address has nine.
const maxSegments = 16

// An oldPath is an address of the old site in parts: /{locale}/{app}/{controller}/{arguments…}.
// Locale and app may be absent.
type oldPath struct {
	locale string   // as in the address, "" if absent
	app    bool     // it names the application, so it can only be an old address
	args   []string // controller and arguments
}

// words are first parts of paths that look like a locale and are none.
var words = []string{"app", "api", "tag", "rss"}

func parsePath(path string) (p oldPath, ok bool) {
	args := make([]string, 0, maxSegments)
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if len(args) == maxSegments {
			return p, false
		}
		args = append(args, part)
	}
	if looksLikeLocale(args[0]) && !slices.Contains(words, args[0]) {
		p.locale, args = args[0], args[1:]
	}
	// ASLO knew only "sugar"; its older pages and other people's links also say "firefox".
	if len(args) > 0 && (args[0] == "sugar" || args[0] == "firefox") {
		p.app, args = true, args[1:]
	}
	p.args = args
	return p, true
}

// looksLikeLocale accepts two or three letters, then parts of two to eight: en, es-PE, sr-Latn,
// ja-JP-mac, pt_BR.
func looksLikeLocale(s string) bool {
	if len(s) > 35 {
		return false
	}
	for i, part := range strings.FieldsFunc(s, func(r rune) bool { return r == '-' || r == '_' }) {
		for j := 0; j < len(part); j++ {
			if c := part[j] | 0x20; (c < 'a' || c > 'z') && (i == 0 || part[j] < '0' || part[j] > '9') {
				return false
			}
		}
		if i == 0 && (len(part) < 2 || len(part) > 3) || i > 0 && (len(part) < 2 || len(part) > 8) {
			return false
		}
	}
	return s != ""
}

// route returns what answers r, nil if it is not for this package. It does not look at the
// catalog, so that it can be asked before the catalog is there.
func (h *Handler) route(r *http.Request) http.HandlerFunc {
	p, ok := parsePath(r.URL.Path)
	if !ok {
		return nil
	}
	if len(p.args) == 0 {
		if p.app {
			return func(w http.ResponseWriter, r *http.Request) { h.moved(w, r, p, "/") }
		}
		return nil
	}
	args := p.args
	if p.locale == "" && !p.app {
		if serve := h.routeOwn(args); serve != nil {
			return serve
		}
	}
	switch args[0] {
	case "addon", "addons":
		return h.routeAddon(p)
	case "downloads":
		return h.routeDownload(args)
	case "versions":
		if len(args) >= 3 && args[1] == "updateInfo" {
			if id, ok := number(args[2]); ok {
				locale := p.locale
				if len(args) > 3 {
					locale = args[3]
				}
				return h.serveNotes(id, locale)
			}
		}
	case "user", "users":
		// There are no pages about people yet; the home page is the nearest that a reader gets.
		if len(args) == 2 && allDigits(args[1]) || len(args) == 3 && args[1] == "info" && allDigits(args[2]) {
			return func(w http.ResponseWriter, r *http.Request) { h.moved(w, r, p, "/") }
		}
	case "collection", "collections":
		return h.routeCollection(p)
	case "browse", "recommended":
		return h.routeBrowse(p)
	case "search":
		return h.routeSearch(p)
	case "images":
		return h.routeImage(args)
	}
	return nil
}

// routeOwn routes addresses that never have a locale.
func (h *Handler) routeOwn(args []string) http.HandlerFunc {
	switch args[0] {
	case "activities":
		if id, ok := number(second(args)); ok && len(args) == 3 {
			return h.serveNamed(id, args[2])
		}
		if len(args) >= 3 {
			return missingBundle // not a page, which a client would take for a bundle
		}
	case "b":
		if sum, ok := digest(second(args)); ok && len(args) == 3 {
			return h.serveSum(sum, args[2])
		}
		if len(args) >= 3 {
			return missingBundle
		}
	case "icon":
		if len(args) == 3 {
			sum, ok := digest(args[1])
			name, svg := strings.CutSuffix(args[2], ".svg")
			colors := parseColors(name)
			if !ok || !svg || colors == "" {
				return func(w http.ResponseWriter, r *http.Request) {
					notFound(w, "An icon's address is /icon/SUM/rrggbb-rrggbb.svg in lower case: stroke, then fill.")
				}
			}
			return h.serveIcon(sum, colors)
		}
	case "preview":
		if len(args) == 2 {
			return h.routePreview(args[1])
		}
	case "app":
		if len(args) == 2 {
			if bundleID, ok := strings.CutSuffix(args[1], ".html"); ok && bundleID != "" {
				return h.serveApp(bundleID)
			}
		}
	}
	return nil
}

func second(args []string) string {
	if len(args) < 2 {
		return ""
	}
	return args[1]
}

func missingBundle(w http.ResponseWriter, r *http.Request) { notFound(w, noBundle) }

func (h *Handler) routeDownload(args []string) http.HandlerFunc {
	if len(args) < 3 || args[1] != "file" && args[1] != "latest" {
		return nil
	}
	id, ok := number(args[2])
	switch {
	case !ok:
		return missingBundle
	case args[1] == "file":
		return h.serveFile(id, args[len(args)-1])
	}
	return h.serveLatest(id)
}

// number reads an id in an address.
func number(s string) (int64, bool) {
	if !allDigits(s) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// digest reads a sum in an address. Upper case is refused: an address that is kept for ever should
// have one spelling.
func digest(s string) (remora.Digest, bool) {
	d, err := remora.ParseDigest(s)
	return d, err == nil && d.String() == s
}

// language returns the page language for a locale of the old site, and whether the address (and
// not the reader) decided it. The query's lang goes before the address, as it did there.
func (h *Handler) language(r *http.Request, locale string) (lang string, fixed bool) {
	if l, _ := parameter(r.URL.RawQuery, "lang", true); l != "" {
		locale = l
	}
	if locale != "" {
		if tag, err := language.Parse(remora.NormalizeLocale(locale)); err == nil {
			return h.nearest(tag), true
		}
		return h.languages[0], true
	}
	if h.choose != nil {
		return h.choose(r), false
	}
	// ParseAcceptLanguage returns what it understood before an error, and that will do.
	tags, _, _ := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	return h.nearest(tags...), false
}

func (h *Handler) nearest(tags ...language.Tag) string {
	_, i, confidence := h.matcher.Match(tags...)
	if confidence == language.No {
		i = 0
	}
	return h.languages[i]
}
