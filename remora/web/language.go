package web

import (
	"net/http"
	"strings"

	"golang.org/x/text/language"

	"github.com/sugarlabs/beamrider/remora"
)

// langCookie remembers the language a reader asked for by ?lang.
const langCookie = "lang"

// maxAcceptLanguage bounds how much of an Accept-Language header is read, in bytes.
const maxAcceptLanguage = 512

// Language returns the language of the pages, as in addresses, that suits a reader of a BCP 47 or
// POSIX locale best: "en" when none does. It may be called concurrently.
func (h *Handler) Language(locale string) string {
	l, _ := h.match(locale)
	return l.tag
}

// Languages returns the languages that pages exist in, as in addresses; the first is what a reader
// gets whom none suits.
func (h *Handler) Languages() []string {
	list := make([]string, len(h.tongues))
	for i, l := range h.tongues {
		list[i] = l.tag
	}
	return list
}

// LanguageOf returns the language of the pages for a reader who has named none in the address: by
// the query's lang, the cookie of an earlier choice, or Accept-Language. It may be called
// concurrently.
func (h *Handler) LanguageOf(r *http.Request) string { return h.choose(r).tag }

// match finds the page language for one locale and whether it really suits.
func (h *Handler) match(locale string) (*tongue, bool) {
	if l := h.byTag[locale]; l != nil {
		return l, true
	}
	tag, err := language.Parse(remora.NormalizeLocale(locale))
	if err != nil {
		return h.tongues[0], false
	}
	_, i, confidence := h.matcher.Match(tag)
	return h.tongues[i], confidence != language.No
}

// choose picks the language of a reader who has not said one in the address.
func (h *Handler) choose(r *http.Request) *tongue {
	if len(r.URL.RawQuery) <= maxQuery {
		if asked := r.URL.Query().Get("lang"); asked != "" {
			if l, suits := h.match(asked); suits {
				return l
			}
		}
	}
	if c, err := r.Cookie(langCookie); err == nil {
		if l := h.byTag[c.Value]; l != nil {
			return l
		}
	}
	accept := strings.Join(r.Header.Values("Accept-Language"), ",")
	if len(accept) > maxAcceptLanguage {
		// Cut at a comma, so that what is left can be read.
		accept = accept[:maxAcceptLanguage]
		accept = accept[:max(strings.LastIndexByte(accept, ','), 0)]
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(tags) == 0 {
		return h.tongues[0]
	}
	_, i, _ := h.matcher.Match(tags...)
	return h.tongues[i]
}

// serveRoot sends the reader of "/" to the home page in their language.
func (h *Handler) serveRoot(w http.ResponseWriter, v *visit) {
	l, r := v.tongue, v.request
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		h.fail(w, v, faultOf(err))
		return
	}
	query := r.URL.Query()
	if asked := query.Get("lang"); asked != "" {
		if chosen, suits := h.match(asked); suits {
			http.SetCookie(w, &http.Cookie{Name: langCookie, Value: chosen.tag, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		}
		query.Del("lang")
	}
	to := "/" + l.tag + "/"
	if rest := query.Encode(); rest != "" {
		to += "?" + rest
	}
	w.Header().Set("Vary", "Accept-Language, Cookie")
	w.Header().Set("Cache-Control", "private, no-cache")
	redirect(w, http.StatusFound, to)
}

// redirect goes to a path of this site.
func redirect(w http.ResponseWriter, status int, path string) {
	w.Header().Set("Location", path)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

// A phrase is a text of the catalog as a page shows it: with its language and direction where they
// are not the page's.
type phrase struct {
	Value string
	Lang  string // "" where it is the page's
	Dir   string // "" where it is the page's
}

// say returns a text of the catalog for a reader of l.
func (l *tongue) say(t remora.Text, def string) phrase {
	value, used := t.In(l.tag, def)
	p := phrase{Value: value}
	switch {
	case value == "" || used == l.tag:
	case used == "und":
		p.Dir = "auto" // nobody knows; the first strong letter decides
	default:
		p.Lang = used
		if d := direction(used); d != l.dir {
			p.Dir = d
		}
	}
	return p
}
