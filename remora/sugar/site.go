package sugar

import (
	"net/http"
	"strings"
	"time"
)

// serveOpenSearch lets browsers add this site to their search box (OpenSearch 1.1).
func (h *Handler) serveOpenSearch(w http.ResponseWriter, r *http.Request) {
	body := []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">` + "\n" +
		"<ShortName>Sugar activities</ShortName>\n<Description>Find activities for Sugar</Description>\n" +
		"<InputEncoding>UTF-8</InputEncoding>\n" + `<Url type="text/html" method="GET" template="`)
	body = appendXML(body, h.site.Base(r))
	body = append(body, "/search?q={searchTerms}\"/>\n</OpenSearchDescription>\n"...)
	header := w.Header()
	header.Set("Content-Type", "application/opensearchdescription+xml; charset=utf-8")
	header["Cache-Control"] = cacheHour
	writeBody(w, r, body, etagOf(body), time.Time{})
}

// robots keeps crawlers to the pages: bundles are large, and answers for clients say nothing to a
// person.
var robots = []byte("User-agent: *\nDisallow: /services/\nDisallow: /update/\nDisallow: /api/\nDisallow: /activities/\nDisallow: /b/\n" +
	"Disallow: /*/search\nDisallow: /*/downloads/\nDisallow: /downloads/\n")

func (h *Handler) serveRobots(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", cacheDay)
	writeBody(w, r, robots, etagOf(robots), time.Time{})
}

// splitLines returns the lines of a text that have something in them.
func splitLines(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
}
