package web

import (
	"net/http"
	"strconv"
	"strings"
)

// findDocument returns what is at a path without a language and is for programs, nil if nothing is.
func (h *Handler) findDocument(path string) page {
	switch path {
	case "/robots.txt":
		return h.serveRobots
	case "/sitemap.xml":
		return h.serveSitemap
	}
	name, below := strings.CutPrefix(path, "/sitemap/")
	number, ok := strings.CutSuffix(name, ".xml")
	if n, err := strconv.ParseInt(number, 10, 32); below && ok && err == nil && n > 0 && strconv.FormatInt(n, 10) == number {
		return func(w http.ResponseWriter, v *visit) { h.serveSitemapPart(w, v, int(n)) }
	}
	return nil
}

// robots keeps crawlers to the pages. Bundles are large, answers for laptops say nothing to a
// person, and searches, places in lists and lists narrowed by several choices have no end.
const robots = `User-agent: *
Disallow: /services/
Disallow: /update/
Disallow: /api/
Disallow: /activities/
Disallow: /b/
Disallow: /downloads/
Disallow: /*/downloads/
Disallow: /*/search
Disallow: /*/suggest
Disallow: /*/feed/search.
Disallow: /*?*after=
Disallow: /*?*sugar=
Disallow: /*?*=*&*=

Sitemap: `

func (h *Handler) serveRobots(w http.ResponseWriter, v *visit) {
	h.send(w, v, [][2]string{
		{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "public, max-age=86400"},
	}, []byte(robots+h.site.Base(v.request)+"/sitemap.xml\n"))
}
