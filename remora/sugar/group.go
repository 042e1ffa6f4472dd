package sugar

import (
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/remora"
)

// htmlPolicy lets the two pages of this package load nothing at all.
const htmlPolicy = "default-src 'none'; frame-ancestors 'none'"

// serveGroup answers the other updater of Sugar (jarabe.model.update.microformat) and the scripts
// that make images: the activities of a collection, as a page with marked parts.
func (h *Handler) serveGroup(w http.ResponseWriter, r *http.Request) {
	query := r.URL.RawQuery
	nickname, _ := parameter(query, "collection_nickname", true)
	if nickname == "" {
		sentence(w, http.StatusBadRequest, "Say which collection with ?collection_nickname=NAME.")
		return
	}
	var client remora.Client
	if s, _ := parameter(query, "sugar", true); s != "" {
		n, err := remora.ParseSugar(s)
		if err != nil {
			sentence(w, http.StatusBadRequest, remora.MessageOf(err))
			return
		}
		client.Sugar = n
	}
	locale := "en"
	if l, _ := parameter(query, "lang", true); l != "" {
		locale = remora.NormalizeLocale(l)
	}
	view := h.library.View()
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", htmlPolicy)
	header.Set("Cache-Control", "public, max-age=600") // what this updater asks for
	c := view.Collection(nickname)
	page := groupPage{locale: locale, base: h.site.ClientBase(r)}
	if c == nil {
		page.begin(nickname, "")
		page.end()
		writeBody(w, r, page.b, etagOf(page.b), time.Time{})
		return
	}
	name, _ := c.Name.In(locale, c.DefaultLocale)
	if name == "" {
		name = c.Nickname
	}
	description, _ := c.Description.In(locale, c.DefaultLocale)
	page.begin(name, description)
	for i := range c.Items {
		item := &c.Items[i]
		a := view.Activity(item.ActivityID)
		if a == nil || !a.Listed || a.State != remora.ActivityActive {
			continue
		}
		if v := itemVersion(a, item, client); v != nil {
			page.activity(a, v, item.Optional)
		}
	}
	page.end()
	// No Last-Modified: the page also changes when one of its activities is withdrawn, which no
	// date of what is left on it tells.
	writeBody(w, r, page.b, etagOf(page.b), time.Time{})
}

// itemVersion returns the published version that a collection's item stands for: the pinned one
// whatever the client is, else the best for it. A pin that cannot be had is not replaced.
func itemVersion(a *remora.Activity, item *remora.CollectionItem, client remora.Client) *remora.Version {
	if item.Pin.IsZero() {
		return a.Select(client)
	}
	var best *remora.Version
	for i := range a.Versions {
		v := &a.Versions[i]
		if v.State != remora.StatePublished || v.Number.Compare(item.Pin) != 0 {
			continue
		}
		// Of numbers that are equal but spelled differently the one written in the pin counts.
		if best == nil || v.Number == item.Pin {
			best = v
		}
	}
	return best
}

// A groupPage is made of parts that three parsers must understand: HTMLParser of Python 2 and 3,
// counting start and end tags, and sed. So there is no void tag in a block, one part to a line,
// and as few entities as HTML permits: HTMLParser of Python 2 drops text around them.
type groupPage struct {
	b            []byte
	locale, base string
}

func (p *groupPage) begin(name, description string) {
	p.b = append(p.b, "<!DOCTYPE html>\n<html lang=\""...)
	p.b = appendXML(p.b, p.locale)
	p.b = append(p.b, "\">\n<head>\n<meta charset=\"utf-8\">\n<title>"...)
	p.b = appendText(p.b, name)
	p.b = append(p.b, "</title>\n</head>\n<body>\n<h1 id=\"olpc-activity-group-name\">"...)
	p.b = appendText(p.b, name)
	p.b = append(p.b, "</h1>\n<p id=\"olpc-activity-group-desc\">"...)
	p.b = appendText(p.b, description)
	p.b = append(p.b, "</p>\n<table>\n"...)
}

func (p *groupPage) activity(a *remora.Activity, v *remora.Version, optional bool) {
	name, _ := a.Name.In(p.locale, a.DefaultLocale)
	if name == "" {
		name = a.BundleID
	}
	p.b = append(p.b, "<tr>\n<td class=\"olpc-activity-info\">\n"...)
	p.part("name", name)
	p.part("id", a.BundleID)
	p.part("version", v.Number.String())
	p.part("size", strconv.FormatInt(v.Size, 10))
	if optional {
		p.part("optional", "1")
	}
	p.b = append(p.b, `<span class="olpc-activity-url"><a href="`...)
	p.b = appendXML(p.b, p.base)
	p.b = appendBundlePath(p.b, a, v)
	p.b = append(p.b, "\">"...)
	p.b = appendText(p.b, v.Filename)
	p.b = append(p.b, "</a></span>\n</td>\n</tr>\n"...)
}

func (p *groupPage) part(class, text string) {
	p.b = append(p.b, `<span class="olpc-activity-`...)
	p.b = append(p.b, class...)
	p.b = append(p.b, "\">"...)
	p.b = appendText(p.b, text)
	p.b = append(p.b, "</span>\n"...)
}

func (p *groupPage) end() {
	p.b = append(p.b, "</table>\n</body>\n</html>\n"...)
}

// appendText appends s as text of an HTML element on one line.
func appendText(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '\t' || r == '\n' || r == '\r' || r == '\f':
			b = append(b, ' ')
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe: // no characters to HTML
			b = utf8.AppendRune(b, utf8.RuneError)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
