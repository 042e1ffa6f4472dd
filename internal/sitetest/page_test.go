package sitetest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/text/language"
)

// pageProblems returns what is wrong with a page as a document: what a reader with a screen reader,
// a keyboard or another language would stumble over. What a parser objects to is found elsewhere.
func pageProblems(body []byte) []string {
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return []string{err.Error()}
	}
	p := &pageCheck{ids: map[string]int{}, count: map[string]int{}, labelled: map[string]bool{}}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			p.collect(n)
		}
	}
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			p.references(n)
			p.forbidden(n)
			p.language(n)
			p.named(n)
			p.heading(n)
		case html.TextNode:
			p.text(n)
		}
	}
	p.whole(body)
	return p.problems
}

type pageCheck struct {
	problems []string
	ids      map[string]int
	count    map[string]int  // elements by name
	labelled map[string]bool // ids that a label is for
	navs     []string        // names of the navigations
	level    int             // of the last heading
}

func (p *pageCheck) say(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

func (p *pageCheck) collect(n *html.Node) {
	if n.Namespace == "" { // a drawing has a title of its own
		p.count[n.Data]++
	}
	if has(n, "id") {
		p.ids[attr(n, "id")]++
	}
	if n.Data == "label" {
		p.labelled[attr(n, "for")] = true
	}
}

func (p *pageCheck) whole(body []byte) {
	if !bytes.HasPrefix(bytes.ToLower(body[:min(len(body), 64)]), []byte("<!doctype html>\n<html lang=\"")) {
		p.say("the page begins with %.40q", body)
	}
	for _, name := range []string{"h1", "main", "title", "header", "footer"} {
		// A page has these once; a part of a page may have a header of its own.
		if n := p.count[name]; n == 0 || n > 1 && name != "header" && name != "footer" {
			p.say("the page has %d <%s>", n, name)
		}
	}
	for id, n := range p.ids {
		if n > 1 || id == "" || strings.ContainsAny(id, " \t\n") {
			p.say("%d elements have the id %q", n, id)
		}
	}
	slices.Sort(p.navs)
	for i, name := range p.navs {
		if len(p.navs) > 1 && (name == "" || i > 0 && name == p.navs[i-1]) {
			p.say("several navigations are called %q", name)
		}
	}
	for _, left := range []string{"%!", "{{", "}}", "<nil>", "ZgotmplZ", "[object"} {
		if i := bytes.Index(body, []byte(left)); i >= 0 {
			p.say("the page holds %q, as a template does that went wrong", body[i:min(len(body), i+30)])
		}
	}
}

// references checks that what elements refer to is there.
func (p *pageCheck) references(n *html.Node) {
	for _, name := range []string{"for", "aria-labelledby", "aria-describedby", "aria-controls", "aria-owns", "list", "form", "headers"} {
		for id := range strings.FieldsSeq(attr(n, name)) {
			if p.ids[id] == 0 {
				p.say("<%s %s=%q> refers to nothing", n.Data, name, id)
			}
		}
	}
	if id, inside := strings.CutPrefix(attr(n, "href"), "#"); inside && p.ids[id] == 0 && n.Data == "a" {
		p.say("the link to #%s leads to nothing", id)
	}
}

// forbidden checks for what runs, or loads, or is styled, past the policy.
func (p *pageCheck) forbidden(n *html.Node) {
	switch n.Data {
	case "script":
		if !has(n, "src") && attr(n, "type") != "application/ld+json" {
			p.say("the page has a script in it")
		}
	case "style", "iframe", "object", "embed", "base", "applet", "frame", "portal":
		p.say("the page has a <%s>", n.Data)
	case "meta":
		if has(n, "http-equiv") {
			p.say("the page has a <meta http-equiv=%q>", attr(n, "http-equiv"))
		}
	}
	seen := map[string]bool{}
	for _, a := range n.Attr {
		if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
			p.say("<%s> has the attribute %s", n.Data, a.Key)
		}
		if seen[a.Key] {
			p.say("<%s> has %s twice", n.Data, a.Key)
		}
		seen[a.Key] = true
		scheme, _, found := strings.Cut(strings.ToLower(strings.TrimSpace(a.Val)), ":")
		if (a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "formaction") && found && slices.Contains([]string{"javascript", "data", "vbscript"}, scheme) {
			p.say("<%s %s> is a %s: address", n.Data, a.Key, scheme)
		}
	}
}

var rightToLeft = []string{"ar", "fa", "he", "ur", "ps", "sd", "ug", "yi", "dv"}

func (p *pageCheck) language(n *html.Node) {
	if has(n, "lang") {
		if tag, err := language.Parse(attr(n, "lang")); err != nil || tag == language.Und {
			p.say("<%s lang=%q> names no language", n.Data, attr(n, "lang"))
		}
	}
	dir := attr(n, "dir")
	if has(n, "dir") && dir != "ltr" && dir != "rtl" && dir != "auto" {
		p.say("<%s dir=%q> is no direction", n.Data, dir)
	}
	if n.Data == "html" {
		base, _, _ := strings.Cut(attr(n, "lang"), "-")
		want := "ltr"
		if slices.Contains(rightToLeft, base) {
			want = "rtl"
		}
		if dir != want {
			p.say("a page in %q has the direction %q", base, dir)
		}
	}
}

// named checks that everything one can use has a name.
func (p *pageCheck) named(n *html.Node) {
	name := attr(n, "aria-label")
	if name == "" {
		name = attr(n, "aria-labelledby")
	}
	switch n.Data {
	case "img":
		if !has(n, "alt") {
			p.say("an image has no alt: %s", attr(n, "src"))
		}
		for _, side := range []string{"width", "height"} {
			if v, err := strconv.Atoi(attr(n, side)); err != nil || v <= 0 {
				p.say("an image has no %s: %s", side, attr(n, "src"))
			}
		}
	case "input", "select", "textarea":
		kind := attr(n, "type")
		if kind == "hidden" || kind == "submit" || name != "" || p.labelled[attr(n, "id")] && has(n, "id") || within(n, "label") {
			return
		}
		p.say("<%s name=%q> has no label", n.Data, attr(n, "name"))
	case "a", "button", "summary":
		if name == "" && strings.TrimSpace(textOf(n)) == "" && pictured(n) == "" {
			p.say("<%s href=%q> has no name", n.Data, attr(n, "href"))
		}
	case "nav":
		p.navs = append(p.navs, name)
	case "svg":
		if attr(n, "aria-hidden") != "true" && attr(n, "role") != "img" {
			p.say("a drawing is neither hidden nor an image")
		}
	case "html":
		if attr(n, "lang") == "" {
			p.say("the page does not say its language")
		}
	case "title":
		if n.Namespace == "" && strings.TrimSpace(textOf(n)) == "" {
			p.say("the page has no title")
		}
	}
}

// pictured returns what stands for the pictures in an element.
func pictured(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.ElementNode {
			b.WriteString(strings.TrimSpace(attr(d, "alt") + attr(d, "aria-label")))
		}
	}
	return b.String()
}

func within(n *html.Node, name string) bool {
	for up := range n.Ancestors() {
		if up.Data == name {
			return true
		}
	}
	return false
}

func (p *pageCheck) heading(n *html.Node) {
	if len(n.Data) != 2 || n.Data[0] != 'h' || n.Data[1] < '1' || n.Data[1] > '6' {
		return
	}
	now := int(n.Data[1] - '0')
	if now > p.level+1 {
		p.say("<%s> %.40q follows a heading of level %d", n.Data, textOf(n), p.level)
	}
	if strings.TrimSpace(textOf(n)) == "" {
		p.say("<%s> is empty", n.Data)
	}
	p.level = now
}

func (p *pageCheck) text(n *html.Node) {
	if i := strings.IndexFunc(n.Data, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 }); i >= 0 {
		p.say("a text holds a control character: %.40q", n.Data[i:])
	}
}
