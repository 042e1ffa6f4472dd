package sugar

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// The old site's addresses, and where what they showed is now. An address of something that is not
// there goes to Config.Next, which has a page to say so.

// moved sends the reader to a page of this site in the language of the old address.
func (h *Handler) moved(w http.ResponseWriter, r *http.Request, p oldPath, page string) {
	lang, fixed := h.language(r, p.locale)
	status := http.StatusMovedPermanently
	header := w.Header()
	header["Cache-Control"] = cacheHour
	if !fixed {
		// Another reader is sent elsewhere.
		status = http.StatusFound
		header.Set("Cache-Control", "private, max-age=3600")
		header.Set("Vary", "Accept-Language, Cookie")
	}
	raw := r.URL.RawQuery
	if old, _ := parameter(raw, "sort", true); old != "" {
		if _, err := remora.ParseSort(old); err != nil {
			// The pages refuse orders they do not know; of those given twice they take the first.
			page = withQuery(page, "sort="+oldSorts[old].String()) // for what nobody knew: updated, as it was
		}
	}
	redirect(w, status, withQuery("/"+lang+page, raw))
}

// redirect goes to a path of this site; that the address has no host keeps scheme and port.
func redirect(w http.ResponseWriter, status int, location string) {
	w.Header().Set("Location", location)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

// withQuery puts the query of the old address behind a new one.
func withQuery(path, raw string) string {
	raw = escapeQuery(raw)
	switch {
	case raw == "":
		return path
	case strings.Contains(path, "?"):
		return path + "&" + raw
	}
	return path + "?" + raw
}

// escapeQuery makes a raw query safe for a header and readable for a page. What was in order stays
// as it was.
func escapeQuery(raw string) string {
	if len(raw) > maxQuery {
		raw = raw[:maxQuery]
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		stray := c == '%' && (i+2 >= len(raw) || hexDigit(raw[i+1]) < 0 || hexDigit(raw[i+2]) < 0)
		if c <= ' ' || c >= 0x7f || c == '#' || c == ';' || stray {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

func activityPage(id int64) string { return "/activity/" + strconv.FormatInt(id, 10) }

func (h *Handler) routeAddon(p oldPath) http.HandlerFunc {
	args := p.args
	id, ok := int64(0), false
	page := ""
	feed := false
	switch {
	case args[0] == "addon" && len(args) >= 2:
		id, ok = number(args[1])
	case args[0] == "addons" && len(args) >= 3 && (args[1] == "versions" || args[1] == "previews" || args[1] == "display"):
		id, ok = number(args[2])
		if args[1] == "versions" {
			page = "/versions"
			feed = named(args[3:])["format"] == "rss"
		}
	}
	if !ok {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request) {
		a := h.library.View().Activity(id)
		switch {
		case a == nil:
			h.next.ServeHTTP(w, r)
		case feed:
			h.serveVersionFeed(w, r, p, a)
		default:
			h.moved(w, r, p, activityPage(a.ID)+page)
		}
	}
}

// serveApp answers /app/{bundle id}.html, the addresses of the static site of Python 3 activities.
func (h *Handler) serveApp(bundleID string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := h.library.View().ByBundleID(bundleID)
		if a == nil {
			h.next.ServeHTTP(w, r)
			return
		}
		h.moved(w, r, oldPath{}, activityPage(a.ID))
	}
}

func (h *Handler) routeCollection(p oldPath) http.HandlerFunc {
	args := p.args
	ref := ""
	switch {
	case args[0] == "collection" && len(args) == 2:
		ref = args[1]
	case args[0] == "collections" && len(args) == 3 && args[1] == "view":
		ref = args[2]
	default:
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request) {
		c := h.library.View().Collection(ref)
		if c == nil {
			h.next.ServeHTTP(w, r)
			return
		}
		lang, fixed := h.language(r, p.locale)
		if args[0] == "collection" && !p.app && fixed && p.locale == lang && ref == c.Nickname {
			h.next.ServeHTTP(w, r) // it is the page itself
			return
		}
		h.moved(w, r, p, "/collection/"+url.PathEscape(c.Nickname))
	}
}

// named returns the arguments of the form name:value.
func named(args []string) map[string]string {
	values := map[string]string{}
	for _, arg := range args {
		if name, value, found := strings.Cut(arg, ":"); found {
			if _, taken := values[name]; !taken {
				values[name] = value
			}
		}
	}
	return values
}

// oldSorts are the orders of the old site. It had ratings; what was most liked is now what is most
// used.
var oldSorts = map[string]remora.Sort{
	"name": remora.SortName, "updated": remora.SortUpdated, "newest": remora.SortNewest,
	"popular": remora.SortPopular, "rated": remora.SortPopular, "featured": remora.SortFeatured,
}

func (h *Handler) routeBrowse(p oldPath) http.HandlerFunc {
	if !p.app && len(p.args) == 1 && (p.locale != "" || p.args[0] == "recommended") {
		return nil // /{lang}/browse is a page
	}
	values := named(p.args[1:])
	return func(w http.ResponseWriter, r *http.Request) {
		sort, sorted := oldSorts[values["sort"]]
		if p.args[0] == "recommended" {
			sort, sorted = remora.SortFeatured, true
		}
		var category *remora.Category
		if id, ok := number(values["cat"]); ok {
			if category = h.category(id); category == nil {
				h.next.ServeHTTP(w, r)
				return
			}
		}
		if values["format"] == "rss" {
			h.serveBrowseFeed(w, r, p, category, sort)
			return
		}
		page, to := url.Values{}, "/browse"
		if category != nil {
			to = "/category/" + url.PathEscape(category.Slug)
		}
		// The old form sent its order in the query, which then counted.
		if _, inQuery := parameter(r.URL.RawQuery, "sort", true); sorted && !inQuery {
			page.Set("sort", sort.String())
		}
		if len(page) > 0 {
			to += "?" + page.Encode()
		}
		h.moved(w, r, p, to)
	}
}

func (h *Handler) category(id int64) *remora.Category {
	categories := h.library.View().Categories()
	for i := range categories {
		if categories[i].ID == id {
			return &categories[i]
		}
	}
	return nil
}

func (h *Handler) routeSearch(p oldPath) http.HandlerFunc {
	switch {
	case len(p.args) == 2 && p.args[1] == "rss", len(p.args) > 1 && named(p.args[1:])["format"] == "rss":
		return func(w http.ResponseWriter, r *http.Request) { h.serveSearchFeed(w, r, p) }
	case p.locale != "" && !p.app:
		return nil // /{lang}/search is a page
	}
	return func(w http.ResponseWriter, r *http.Request) { h.moved(w, r, p, "/search") }
}

func (h *Handler) routeImage(args []string) http.HandlerFunc {
	if len(args) < 3 {
		return nil
	}
	id, ok := number(args[2])
	switch {
	case args[1] == "addon_icon" && ok:
		return func(w http.ResponseWriter, r *http.Request) {
			a := h.library.View().Activity(id)
			if a == nil || a.Icon.IsZero() {
				notFound(w, "There is no such icon here.")
				return
			}
			w.Header()["Cache-Control"] = cacheHour
			redirect(w, http.StatusFound, withQuery(iconPath(a.Icon), r.URL.RawQuery))
		}
	case (args[1] == "t" || args[1] == "p") && ok:
		return h.serveOldPreview(id)
	case args[1] == "t" || args[1] == "p" || args[1] == "addon_icon":
		return func(w http.ResponseWriter, r *http.Request) { notFound(w, noPreview) }
	}
	return nil
}
