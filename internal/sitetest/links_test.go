package sitetest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// A link is an address that an answer names. Own tells that it is one of this site's.
type link struct {
	address string // absolute, without fragment
	element string // that names it
	rel     string
	loaded  bool // the browser asks for it by itself
}

// links returns the addresses that an answer names and that a browser, a search engine or a program
// would ask for, in their order.
func (a *answer) links() []link {
	switch {
	case a.moved():
		return a.resolve(link{address: a.header.Get("Location"), element: "Location"})
	case a.isPage():
		return a.pageLinks()
	case a.media() == "image/svg+xml":
		return nil
	case a.isXML():
		return a.xmlLinks()
	case a.isJSON():
		return a.jsonLinks()
	case a.media() == "text/css":
		return a.matches(cssAddress, "url()")
	case a.media() == "text/plain":
		return a.matches(sitemapLine, "Sitemap")
	}
	return nil
}

var (
	cssAddress  = regexp.MustCompile(`url\(\s*["']?([^"')]+)`)
	sitemapLine = regexp.MustCompile(`(?m)^Sitemap:\s*(\S+)`)
)

func (a *answer) matches(pattern *regexp.Regexp, element string) (list []link) {
	for _, m := range pattern.FindAllSubmatch(a.body, -1) {
		list = append(list, a.resolve(link{address: string(m[1]), element: element, loaded: true})...)
	}
	return list
}

// resolve makes the address absolute; what is no address at all stays as it is, to be complained of.
func (a *answer) resolve(l link) []link {
	if strings.HasPrefix(l.address, "#") || l.address == "" {
		return nil
	}
	u, err := a.url.Parse(l.address)
	if err != nil {
		return []link{l}
	}
	u.Fragment = ""
	l.address = u.String()
	return []link{l}
}

func (a *answer) pageLinks() (list []link) {
	root, err := html.Parse(bytes.NewReader(a.body))
	if err != nil {
		return nil
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "form" {
			for _, query := range formQueries(n) {
				address, _, _ := strings.Cut(attr(n, "action"), "?")
				list = append(list, a.resolve(link{address: address + "?" + query, element: "form"})...)
			}
			continue
		}
		rel := attr(n, "rel")
		loaded := n.Data != "a" && (n.Data != "link" || strings.Contains(rel, "stylesheet") || strings.Contains(rel, "icon") || strings.Contains(rel, "preload"))
		for _, name := range []string{"href", "src", "poster", "data"} {
			if v := attr(n, name); v != "" {
				list = append(list, a.resolve(link{address: v, element: n.Data, rel: rel, loaded: loaded})...)
			}
		}
		for candidate := range strings.SplitSeq(attr(n, "srcset"), ",") {
			if words := strings.Fields(candidate); len(words) > 0 {
				list = append(list, a.resolve(link{address: words[0], element: n.Data, loaded: true})...)
			}
		}
	}
	return list
}

// typed is what a visitor types into a search box.
const typed = "star"

// formQueries returns the queries a form of method GET can send: as it stands, with each choice made
// that is not made yet, and with something typed.
func formQueries(form *html.Node) []string {
	if m := attr(form, "method"); m != "" && !strings.EqualFold(m, "get") {
		return nil
	}
	standing := url.Values{}
	type change struct{ name, value string }
	var changes []change
	for n := range form.Descendants() {
		name := attr(n, "name")
		if n.Type != html.ElementNode || name == "" {
			continue
		}
		switch n.Data {
		case "input":
			switch kind := attr(n, "type"); kind {
			case "checkbox", "radio":
				value := attr(n, "value")
				if !has(n, "value") {
					value = "on"
				}
				if has(n, "checked") {
					standing.Add(name, value)
				} else {
					changes = append(changes, change{name, value})
				}
			case "hidden":
				standing.Add(name, attr(n, "value"))
			case "submit", "button", "reset", "image":
			default:
				standing.Add(name, attr(n, "value"))
				changes = append(changes, change{name, typed})
			}
		case "select":
			first, chosen := "", ""
			for o := range n.Descendants() {
				if o.Type != html.ElementNode || o.Data != "option" {
					continue
				}
				value := textOf(o)
				if has(o, "value") {
					value = attr(o, "value")
				}
				if first == "" {
					first = value
				}
				if has(o, "selected") {
					chosen = value
				} else {
					changes = append(changes, change{name, value})
				}
			}
			if chosen == "" {
				chosen = first
			}
			standing.Set(name, chosen)
		}
	}
	queries := []string{standing.Encode()}
	for _, c := range changes {
		with := url.Values{}
		for name, values := range standing {
			with[name] = values
		}
		with[c.name] = []string{c.value}
		queries = append(queries, with.Encode())
	}
	return queries
}

// xmlLinks returns what feeds, site maps and descriptions of search engines lead to.
func (a *answer) xmlLinks() (list []link) {
	add := func(element, value string) {
		value = strings.TrimSpace(value)
		value = openSearchOptional.ReplaceAllString(strings.ReplaceAll(value, "{searchTerms}", typed), "")
		if strings.HasPrefix(value, "http://") || strings.HasPrefix(value, "https://") || (element == "href" || element == "template") && strings.HasPrefix(value, "/") {
			list = append(list, a.resolve(link{address: value, element: element, rel: "noopener nofollow"})...)
		}
	}
	d := xml.NewDecoder(bytes.NewReader(a.body))
	element := ""
	for {
		token, err := d.Token()
		if err != nil {
			return list // whether it is well-formed is judged elsewhere
		}
		switch token := token.(type) {
		case xml.StartElement:
			element = token.Name.Local
			for _, at := range token.Attr {
				if at.Name.Local == "href" || at.Name.Local == "template" || at.Name.Local == "url" {
					add(at.Name.Local, at.Value)
				}
			}
		case xml.EndElement:
			element = ""
		case xml.CharData:
			if element == "loc" || element == "link" || element == "url" || element == "Url" || element == "Image" {
				add(element, string(token))
			}
		}
	}
}

var openSearchOptional = regexp.MustCompile(`\{[A-Za-z:]+\?\}`)

// jsonLinks returns the absolute addresses among the texts of a JSON document and, of a description
// of an API, the paths without parameters that can be read.
func (a *answer) jsonLinks() (list []link) {
	d := json.NewDecoder(bytes.NewReader(a.body))
	for {
		token, err := d.Token()
		if err == io.EOF || err != nil {
			break
		}
		if s, ok := token.(string); ok && (strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")) && !strings.ContainsAny(s, " {") {
			list = append(list, a.resolve(link{address: s, element: "json", rel: "noopener nofollow"})...)
		}
	}
	var api struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(a.body, &api); err != nil {
		return list
	}
	for path, methods := range api.Paths {
		if _, readable := methods["get"]; readable && !strings.Contains(path, "{") {
			list = append(list, a.resolve(link{address: path, element: "openapi"})...)
		}
	}
	return list
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// textOf returns the text of an element and all in it.
func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}
