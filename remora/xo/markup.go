package xo

import (
	"html"
	"strings"
)

// plainText turns the few HTML elements that descriptions of real activities use into plain text:
// paragraphs are set apart by a blank line, items of a list begin with "• " on a line of their
// own. A text without such elements comes back as it is, line breaks and all. The result is text,
// not HTML: whoever shows it escapes it.
func plainText(s string) string {
	if !hasMarkup(s) {
		return s
	}
	var out strings.Builder
	gap := "" // what must stand before the next word
	pre := "" // of the next word: the mark of a list item
	put := func(text string) {
		for word := range strings.FieldsSeq(html.UnescapeString(text)) {
			if out.Len() > 0 {
				out.WriteString(gap)
			}
			out.WriteString(pre + word)
			gap, pre = " ", ""
		}
	}
	for from := 0; ; {
		at := strings.IndexByte(s[from:], '<')
		if at < 0 {
			put(s)
			return out.String()
		}
		name, after, isTag := element(s[from+at+1:])
		if !isTag { // a "<" that means less than
			from += at + 1
			continue
		}
		put(s[:from+at])
		s, from = after, 0
		switch name {
		case "p", "ul", "ol", "div", "h1", "h2", "h3", "h4":
			gap = "\n\n"
		case "br":
			if gap != "\n\n" {
				gap = "\n"
			}
		case "li":
			gap, pre = "\n", "• "
		case "/li":
			gap = "\n"
		case "/p", "/ul", "/ol", "/div", "/h1", "/h2", "/h3", "/h4":
			gap, pre = "\n\n", ""
		}
	}
}

// elements are those that are taken for markup; anything else in angle brackets is text.
var elements = map[string]bool{
	"p": true, "br": true, "ul": true, "ol": true, "li": true, "div": true, "span": true, "b": true, "i": true, "em": true,
	"strong": true, "u": true, "tt": true, "code": true, "a": true, "h1": true, "h2": true, "h3": true, "h4": true,
}

// element reads a tag whose "<" is behind us, and returns its name with the "/" of an end tag.
func element(s string) (name, after string, ok bool) {
	const longest = 300 // an attribute or two
	end := strings.IndexByte(s[:min(len(s), longest)], '>')
	if end < 0 {
		return "", "", false
	}
	name = strings.ToLower(strings.TrimSuffix(s[:end], "/"))
	if i := strings.IndexAny(name, " \t\n"); i >= 0 {
		name = name[:i]
	}
	return name, s[end+1:], elements[strings.TrimPrefix(name, "/")]
}

// hasMarkup reports whether there is anything to turn.
func hasMarkup(s string) bool {
	for {
		_, rest, found := strings.Cut(s, "<")
		if !found {
			return false
		}
		if _, _, ok := element(rest); ok {
			return true
		}
		s = rest
	}
}
