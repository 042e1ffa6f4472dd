package web

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"unicode/utf8"
)

const (
	suggestions   = 8  // names at most
	maxShortName  = 16 // letters of a ShortName
	openSearchDoc = "application/opensearchdescription+xml"
)

// An openSearch describes the search to browsers, which offer it in their address bar (OpenSearch
// 1.1, draft 6).
type openSearch struct {
	XMLName     xml.Name `xml:"http://a9.com/-/spec/opensearch/1.1/ OpenSearchDescription"`
	ShortName   string   `xml:"ShortName"`
	LongName    string   `xml:"LongName,omitempty"`
	Description string   `xml:"Description"`
	URLs        []openSearchURL
	Image       openSearchImage `xml:"Image"`
	Language    string          `xml:"Language"`
	Input       string          `xml:"InputEncoding"`
	Output      string          `xml:"OutputEncoding"`
}

type openSearchURL struct {
	XMLName  xml.Name `xml:"Url"`
	Type     string   `xml:"type,attr"`
	Rel      string   `xml:"rel,attr,omitempty"`
	Method   string   `xml:"method,attr,omitempty"`
	Template string   `xml:"template,attr"`
}

type openSearchImage struct {
	Type    string `xml:"type,attr"`
	Width   int    `xml:"width,attr"`
	Height  int    `xml:"height,attr"`
	Address string `xml:",chardata"`
}

func (h *Handler) serveOpenSearch(w http.ResponseWriter, v *visit) {
	l := v.tongue
	base := h.site.Base(v.request)
	const terms = "?q={searchTerms}"
	d := openSearch{
		ShortName: firstLetters(h.name, maxShortName), Description: l.t("Find activities for Sugar"),
		URLs: []openSearchURL{
			{Type: "text/html", Method: "get", Template: base + l.searchPath(nil) + terms},
			{Type: "application/atom+xml", Template: base + l.feedPath("search", "atom") + terms},
			{Type: "application/rss+xml", Template: base + l.feedPath("search", "rss") + terms},
			{Type: "application/x-suggestions+json", Rel: "suggestions", Template: base + l.path("suggest") + terms},
			{Type: openSearchDoc, Rel: "self", Template: base + l.path("opensearch.xml")},
		},
		Image:    openSearchImage{"image/svg+xml", 16, 16, base + h.assets["favicon.svg"].path},
		Language: l.tag, Input: "UTF-8", Output: "UTF-8",
	}
	if utf8.RuneCountInString(h.name) > maxShortName {
		d.LongName = firstLetters(h.name, 48)
	}
	body, err := xml.Marshal(d)
	if err != nil {
		h.log.ErrorContext(v.request.Context(), "the description of the search cannot be written", "error", err)
		h.fail(w, v, faultInternal)
		return
	}
	h.send(w, v, [][2]string{
		{"Content-Type", openSearchDoc + "; charset=utf-8"}, {"Content-Language", l.tag}, {"Cache-Control", "public, max-age=86400"},
	}, append([]byte(xml.Header), body...))
}

// firstLetters cuts a text to at most n letters.
func firstLetters(s string, n int) string {
	letters := []rune(s)
	if len(letters) <= n {
		return s
	}
	return strings.TrimSpace(string(letters[:n-1])) + "…"
}

// serveSuggest answers what a browser asks while somebody types: the text, and names, descriptions
// and addresses of what it may mean (OpenSearch Suggestions 1.1).
func (h *Handler) serveSuggest(w http.ResponseWriter, v *visit) {
	l, text := v.tongue, v.query.search
	base := h.site.Base(v.request)
	names, texts, addresses := []string{}, []string{}, []string{}
	for _, a := range v.view.Suggest(text, l.tag, suggestions) {
		names = append(names, l.name(a).Value)
		texts = append(texts, v.newCard(a).Summary.Value)
		addresses = append(addresses, base+l.activityPath(a.ID))
	}
	body, err := json.Marshal([]any{text, names, texts, addresses})
	if err != nil {
		h.log.ErrorContext(v.request.Context(), "suggestions cannot be written", "error", err)
		h.fail(w, v, faultInternal)
		return
	}
	h.send(w, v, [][2]string{
		{"Content-Type", "application/x-suggestions+json; charset=utf-8"}, {"Content-Language", l.tag}, {"Cache-Control", feedCache}, {"X-Robots-Tag", "noindex"},
	}, append(body, '\n'))
}
