package sitetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// TestHostileTexts goes through a site whose every text is hostile: it must be shown as text and
// become nothing else, on pages, in feeds and for programs.
func TestHostileTexts(t *testing.T) {
	feed, list := hostileFeed()
	r := newRig(t, feed, newMadeUpFiles(slices.Values(list)), "http")
	c := newCrawl(t, r, len(payloads)+5, 3)

	// What no page leads to.
	var installed []string
	var more []string
	for i, a := range list {
		installed = append(installed, a.BundleID)
		id := url.QueryEscape(a.BundleID)
		more = append(more,
			"/services/update-aslo.php?id="+id+"&appVersion=0.120",
			"/services/micro-format.php?collection_nickname="+url.QueryEscape(hostileWord(i, "nickname"))+"&lang=en&sugar=0.120",
			fmt.Sprintf("/en/sugar/addons/versions/%d/format:rss", a.ID),
			fmt.Sprintf("/en/sugar/versions/updateInfo/%d/en", a.Versions[0].ID),
			"/en/search?q="+url.QueryEscape(strings.ToValidUTF8(payloads[i][:min(len(payloads[i]), 300)], "?")),
			"/en/sugar/search/rss?q="+url.QueryEscape(payloads[i][:min(len(payloads[i]), 200)]),
			"/en/sugar/browse/type:1/cat:"+fmt.Sprint(100+i)+"/sort:newest/format:rss",
			fmt.Sprintf("/en/activity/%d", a.ID),
			fmt.Sprintf("/en/activity/%d/versions", a.ID),
			"/en/collection/"+url.PathEscape(hostileWord(i, "nickname")),
		)
	}
	more = append(more, "/api/v1/activities.json", "/en/sugar/browse/type:1/cat:all/sort:newest/format:rss")
	for _, address := range more {
		a := r.ask(t, http.MethodGet, address)
		if a.status != http.StatusOK {
			c.say(address, "it answers %d", a.status)
			continue
		}
		c.answers = append(c.answers, a)
	}
	c.answers = append(c.answers, r.batch(t, installed))

	shown := map[string]bool{}
	for _, a := range c.answers {
		for _, p := range hostileProblems(a) {
			c.say(a.url.String(), "%s", p)
		}
		if a.isPage() && bytes.Contains(a.body, []byte(marker)) {
			shown[a.url.Path] = true
		}
	}
	c.judgeAll(t, len(payloads)+5)
	c.report(t)
	for _, a := range list {
		if path := fmt.Sprintf("/en/activity/%d", a.ID); !shown[path] {
			t.Errorf("%s does not show its texts", path)
		}
	}
	t.Logf("%d answers of %d kinds", len(c.answers), len(c.kinds))
}

// batch asks for the updates of everything that is installed in an old version.
func (r *rig) batch(t testing.TB, installed []string) *answer {
	t.Helper()
	question := map[string]any{"sugar": "0.120", "experimental": true}
	have := map[string]string{}
	for _, id := range installed {
		have[id] = "0.1"
	}
	question["installed"] = have
	body, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	a := r.send(t, http.MethodPost, "/api/v1/updates", bytes.NewReader(body), "Content-Type", "application/json")
	if a.status != http.StatusOK || !a.isJSON() {
		t.Errorf("the batch of updates answers %d, %s: %.300s", a.status, a.media(), a.body)
	}
	return a
}

// hostileProblems returns what became of hostile texts besides text.
func hostileProblems(a *answer) []string {
	switch {
	case a.isPage():
		// What has no language is for programs, which take it apart before anybody reads it.
		return hostilePage(a.body, a.header.Get("Content-Language") != "")
	case a.isXML() && a.media() != "image/svg+xml":
		if err := wellFormed(a.body); err != nil {
			return []string{fmt.Sprintf("the XML is not well-formed: %v", err)}
		}
		if bytes.Contains(a.body, []byte("<"+marker)) {
			return []string{"an element was born of a text"}
		}
	case a.isJSON():
		if !json.Valid(a.body) || !utf8.Valid(a.body) {
			return []string{"the JSON is not valid UTF-8 and JSON"}
		}
	}
	if !a.isBundle() && !strings.HasPrefix(a.header.Get("Content-Type"), "image/") && !utf8.Valid(a.body) {
		return []string{"it is not UTF-8"}
	}
	return nil
}

func hostilePage(body []byte, read bool) (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !utf8.Valid(body) {
		say("the page is not UTF-8")
	}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return append(problems, err.Error())
	}
	for n := range root.Descendants() {
		switch n.Type {
		case html.CommentNode:
			if strings.Contains(n.Data, marker) {
				say("a comment was born of a text")
			}
		case html.TextNode:
			if read {
				problems = append(problems, notIsolated(n)...)
			}
		case html.ElementNode:
			if strings.Contains(n.Data, marker) || n.Data == "script" || n.Data == "style" {
				say("an element <%s> was born of a text", n.Data)
			}
			for _, at := range n.Attr {
				if strings.Contains(at.Key, marker) || strings.HasPrefix(at.Key, "on") || at.Key == "style" {
					say("an attribute %s of <%s> was born of a text", at.Key, n.Data)
				}
				if at.Key == "href" || at.Key == "src" || at.Key == "action" {
					if p := hostileAddress(at.Val); p != "" {
						say("<%s %s> %s: %.80q", n.Data, at.Key, p, at.Val)
					}
					continue
				}
				if n.Data != "input" && !balanced(at.Val) {
					say("<%s %s> begins a direction and does not end it", n.Data, at.Key)
				}
			}
		}
	}
	return problems
}

// hostileAddress says what is wrong with where something leads, "" if nothing is.
func hostileAddress(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "cannot be read"
	case address == "mailto:"+contact:
		return ""
	case u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https":
		return "is of the scheme " + u.Scheme
	case strings.Contains(u.Host, marker):
		return "leads to where a text wants it"
	case strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || steersDirection(r) }):
		return "is not escaped"
	}
	return ""
}

// steersDirection reports whether r changes the direction of what follows it (UAX #9): within a text
// it may, beyond its end it must not.
func steersDirection(r rune) bool {
	return r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069'
}

// balanced reports whether all directions that a text begins end in it, and none end that began
// before it.
func balanced(s string) bool {
	var open []rune
	for _, r := range s {
		switch {
		case r == '\u202C' || r == '\u2069':
			if len(open) == 0 || open[len(open)-1] != r {
				return false
			}
			open = open[:len(open)-1]
		case r >= '\u2066' && r <= '\u2068':
			open = append(open, '\u2069')
		case steersDirection(r):
			open = append(open, '\u202C')
		}
	}
	return len(open) == 0
}

// blocks are elements whose text is a paragraph of its own to the algorithm of directions.
var blocks = []string{
	"address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form",
	"h1", "h2", "h3", "h4", "h5", "h6", "header", "legend", "li", "main", "nav", "ol", "p", "pre", "search", "section", "summary", "table", "td", "th", "ul",
}

// notIsolated returns what a text that steers directions has beside it, which it would turn round.
func notIsolated(n *html.Node) []string {
	if balanced(n.Data) {
		return nil
	}
	for up := range n.Ancestors() {
		isolates := up.Data == "bdi" || has(up, "dir") || slices.Contains(blocks, up.Data)
		if up.Data == "title" || up.Data == "option" || up.Data == "textarea" {
			return []string{fmt.Sprintf("<%s> begins a direction and does not end it", up.Data)}
		}
		if !isolates {
			continue
		}
		for d := range up.Descendants() {
			if d.Type == html.TextNode && d != n && strings.TrimSpace(d.Data) != "" {
				return []string{fmt.Sprintf("in <%s class=%q>, a text that steers directions stands beside others without <bdi>", up.Data, attr(up, "class"))}
			}
		}
		return nil
	}
	return []string{"a text that steers directions stands outside of everything"}
}

func TestHostilePageSees(t *testing.T) {
	for _, tt := range []struct{ page, says string }{
		{`<p>good <bdi>` + "\u202E" + `xhostile</bdi> after</p>`, ""},
		{`<p title="xhostile">&lt;xhostile></p>`, ""},
		{`<li><h3>` + "\u202E" + `xhostile</h3><p>other</p></li>`, ""},
		{`<p dir="ltr">` + "\u202Ea\u202C" + ` other</p>`, ""},
		{`<input value="` + "\u202E" + `">`, ""},
		{`<p><xhostile></p>`, "element <xhostile>"},
		{`<p onxhostile=1>`, "attribute onxhostile"},
		{`<!-- xhostile -->`, "a comment"},
		{`<script>1</script>`, "element <script>"},
		{`<a href="javascript:xhostile()">x</a>`, "scheme javascript"},
		{`<a href="//xhostile.example/">x</a>`, "where a text wants"},
		{`<li><span>` + "\u202E" + `xhostile</span> <small>12</small></li>`, "without <bdi>"},
		{`<title>` + "\u202E" + `xhostile - Site</title>`, "<title> begins"},
		{`<p title="` + "\u2067" + `">`, "<p title> begins"},
		{"<p>\xff</p>", "not UTF-8"},
	} {
		got := hostilePage([]byte("<!DOCTYPE html>\n"+tt.page), true)
		if tt.says == "" && got != nil || tt.says != "" && !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, tt.says) }) {
			t.Errorf("%s: %q, want %q", tt.page, got, tt.says)
		}
	}
}
