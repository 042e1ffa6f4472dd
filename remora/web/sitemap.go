package web

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/web/internal/answer"
)

// A site map tells search engines every page there is, in every language, so that they need not
// walk through the lists (sitemaps.org). It is written while it is sent: a hundred thousand
// activities take no memory but for their ids.

// Bounds of one part of the site map; the format allows 50,000 addresses and 50 MB.
const (
	mapAddresses = 10_000
	mapLinks     = 40_000 // addresses with those of the same page in the other languages
)

// A mapEntry is a page of the site map: at rest, or that of an activity.
type mapEntry struct {
	rest string
	id   int64
	at   remora.Time // 0: not known
}

func (e *mapEntry) path() string {
	if e.rest == "" && e.id != 0 {
		return "activity/" + strconv.FormatInt(e.id, 10)
	}
	return e.rest
}

// mapEntries lists the pages for search engines.
func mapEntries(view *live.View) []mapEntry {
	list := make([]mapEntry, 0, 32+view.Len())
	for _, rest := range []string{"", "browse", "categories", "collections", "tags", "statistics", "about", "privacy", "contact", "school", "developers", "feeds"} {
		list = append(list, mapEntry{rest: rest})
	}
	for _, c := range view.Categories() {
		if view.Count(c.Slug) > 0 {
			list = append(list, mapEntry{rest: "category/" + url.PathEscape(c.Slug)})
		}
	}
	for _, c := range view.Collections() {
		if c.Listed {
			list = append(list, mapEntry{rest: "collection/" + url.PathEscape(c.Nickname), at: c.Updated})
		}
	}
	first := len(list)
	for a := range view.All {
		if a.InLists() {
			list = append(list, mapEntry{id: a.ID, at: a.Updated})
		}
	}
	slices.SortFunc(list[first:], func(a, b mapEntry) int { return cmp.Compare(a.id, b.id) })
	return list
}

// mapPart returns how many pages are in one part of the site map.
func (h *Handler) mapPart() int {
	n := len(h.tongues)
	return max(1, min(mapAddresses/n, mapLinks/(n*n)))
}

const mapSpace = "http://www.sitemaps.org/schemas/sitemap/0.9"

func (h *Handler) serveSitemap(w http.ResponseWriter, v *visit) {
	base := h.site.Base(v.request)
	list := mapEntries(v.view.view)
	h.sendMap(w, v, func(w io.Writer) error {
		if _, err := io.WriteString(w, xml.Header+`<sitemapindex xmlns="`+mapSpace+`">`+"\n"); err != nil {
			return err
		}
		n := 0
		for part := range slices.Chunk(list, h.mapPart()) {
			n++
			var newest remora.Time
			for i := range part {
				newest = max(newest, part[i].at)
			}
			if _, err := fmt.Fprintf(w, "<sitemap><loc>%s/sitemap/%d.xml</loc>%s</sitemap>\n", inXML(base), n, lastMod(newest)); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, "</sitemapindex>\n")
		return err
	})
}

func (h *Handler) serveSitemapPart(w http.ResponseWriter, v *visit, n int) {
	base := inXML(h.site.Base(v.request))
	list := mapEntries(v.view.view)
	size := h.mapPart()
	if (n-1)*size >= len(list) {
		h.fail(w, v, faultNotFound)
		return
	}
	list = list[(n-1)*size : min(n*size, len(list))]
	h.sendMap(w, v, func(w io.Writer) error {
		if _, err := io.WriteString(w, xml.Header+`<urlset xmlns="`+mapSpace+`" xmlns:xhtml="http://www.w3.org/1999/xhtml">`+"\n"); err != nil {
			return err
		}
		var others strings.Builder
		for i := range list {
			path, changed := inXML(list[i].path()), lastMod(list[i].at)
			others.Reset()
			if len(h.tongues) > 1 {
				for _, l := range h.tongues {
					fmt.Fprintf(&others, `<xhtml:link rel="alternate" hreflang="%s" href="%s/%s/%s"/>`, l.tag, base, l.tag, path)
				}
			}
			for _, l := range h.tongues {
				if _, err := fmt.Fprintf(w, "<url><loc>%s/%s/%s</loc>%s%s</url>\n", base, l.tag, path, changed, others.String()); err != nil {
					return err
				}
			}
		}
		_, err := io.WriteString(w, "</urlset>\n")
		return err
	})
}

// sendMap sends a part of the site map. Its entity tag is the state of the catalog, so that a
// crawler that has it costs nothing.
func (h *Handler) sendMap(w http.ResponseWriter, v *visit, write func(io.Writer) error) {
	at := v.view.view.Position()
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s", at.Epoch, at.Seq, len(h.tongues), h.site.Base(v.request)))
	header := w.Header()
	header.Set("Content-Type", "application/xml; charset=utf-8")
	header.Set("Cache-Control", "public, max-age=3600")
	h.sent(answer.Stream(w, v.request, hex.EncodeToString(sum[:12]), write), v.request)
}

func lastMod(at remora.Time) string {
	if at == 0 {
		return ""
	}
	return "<lastmod>" + at.Time().Format(time.RFC3339) + "</lastmod>"
}

func inXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
