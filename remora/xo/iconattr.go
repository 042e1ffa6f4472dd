package xo

import (
	"encoding/base64"
	"encoding/xml"
	"strings"
)

type attribute struct{ name, value string }

// presentation are the attributes that style= and style rules can be rewritten to (SVG 1.1,
// appendix N), as far as they draw.
var presentation = set(`alignment-baseline baseline-shift clip-path clip-rule color color-interpolation
	color-rendering direction display dominant-baseline fill fill-opacity fill-rule font-family font-size
	font-size-adjust font-stretch font-style font-variant font-weight image-rendering letter-spacing mask opacity
	overflow paint-order shape-rendering stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset
	stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width text-anchor text-decoration
	text-rendering unicode-bidi vector-effect visibility word-spacing writing-mode`)

// geometry are the other attributes kept.
var geometry = set(`clipPathUnits cx cy d dx dy fx fy gradientTransform gradientUnits height lengthAdjust
	maskContentUnits maskUnits method offset pathLength points preserveAspectRatio r rotate rx ry spacing
	spreadMethod startOffset textLength transform version viewBox width x x1 x2 y y1 y2`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

const maxAttribute = 512 // bytes of a presentation attribute

// attributes returns what is kept of an element's attributes, in their order, styles last. A
// style rule goes before a presentation attribute, and style= before both.
func (s *sanitizer) attributes(element string, t xml.StartElement) []attribute {
	var kept []attribute
	put := func(name, value string) {
		for i := range kept {
			if kept[i].name == name {
				kept[i].value = value
				return
			}
		}
		kept = append(kept, attribute{name, value})
	}
	var class, id, style string
	for _, a := range t.Attr {
		name, value := a.Name.Local, a.Value
		switch {
		case a.Name.Space == "xmlns" || a.Name.Space == "" && name == "xmlns":
		case name == "href" && (a.Name.Space == xlinkSpace || a.Name.Space == "xlink" || a.Name.Space == ""):
			if t.Name.Local == "a" {
				s.drop("The link " + quoted(value))
				continue
			}
			if ref, ok := s.reference(element, strings.TrimSpace(value)); ok {
				put("xlink:href", ref)
			}
		case a.Name.Space == xmlSpace && name == "space":
			if value == "preserve" || value == "default" {
				put("xml:space", value)
			}
		case a.Name.Space != "":
		case len(name) > 2 && strings.EqualFold(name[:2], "on"):
			s.drop("The event handler " + shown(name))
		case name == "style":
			style = value
		case name == "class":
			class = value
		case name == "id":
			if id = value; validID(id) {
				put("id", id)
			}
		case presentation[name]:
			if value, ok := s.presentable(value); ok {
				put(name, value)
			}
		case geometry[name]:
			if plainGeometry(value) {
				put(name, value)
			}
		}
	}
	for d := range s.sheet.matching(t.Name.Local, class, id) {
		if s.styled++; s.styled > maxStyled {
			break
		}
		if value, ok := s.presentable(d.value); ok {
			put(d.name, value)
		}
	}
	for _, d := range declarations(style) {
		if value, ok := s.presentable(d.value); ok {
			put(d.name, value)
		}
	}
	return kept
}

// reference checks an href: a part of the same file, or for an image a small picture in itself.
func (s *sanitizer) reference(element, value string) (string, bool) {
	if value == "" {
		return "", false
	}
	if id, ok := strings.CutPrefix(value, "#"); ok && validID(id) {
		return value, element != "image"
	}
	if element == "image" {
		for _, prefix := range [...]string{"data:image/png;base64,", "data:image/jpeg;base64,", "data:image/gif;base64,"} {
			data, ok := strings.CutPrefix(value, prefix)
			if !ok {
				continue
			}
			data = strings.Join(strings.Fields(data), "")
			if _, err := base64.StdEncoding.DecodeString(data); err == nil {
				return prefix + data, true
			}
		}
	}
	s.drop("The reference " + quoted(value))
	return "", false
}

func validID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '.' && c != ':') {
			return false
		}
	}
	return true
}

// presentable checks a value of a presentation attribute and returns it trimmed. Only characters
// that plain values have are allowed, so that no escape or comment can hide anything, and url( )
// only for a part of the same file.
func (s *sanitizer) presentable(value string) (string, bool) {
	value = strings.TrimSpace(value)
	if value == "" || len(value) > maxAttribute {
		return "", false
	}
	low := strings.ToLower(value)
	if strings.Contains(low, "url(") {
		id, rest, ok := fragment(value)
		if !ok || !validID(id) || !plainValue(rest) {
			s.drop("The reference " + quoted(value))
			return "", false
		}
		return value, true
	}
	if !plainValue(value) {
		return "", false
	}
	if open := strings.IndexByte(low, '('); open >= 0 {
		switch strings.TrimSpace(low[:open]) {
		case "rgb", "rgba", "hsl", "hsla", "rect":
		default:
			return "", false
		}
	}
	return value, true
}

func plainValue(value string) bool {
	for _, r := range value {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r > 0x7f && !hidden(r):
		case strings.ContainsRune(" \t\r\n#.,%()+-_'\"", r):
		default:
			return false
		}
	}
	return true
}

// fragment takes url(#id) or url('#id') apart; what may follow is a colour to fall back to.
func fragment(value string) (id, rest string, ok bool) {
	inner, ok := strings.CutPrefix(value, "url(")
	if !ok {
		return "", "", false
	}
	inner, rest, ok = strings.Cut(inner, ")")
	inner = strings.TrimSpace(inner)
	if n := len(inner); n >= 2 && (inner[0] == '"' || inner[0] == '\'') && inner[n-1] == inner[0] {
		inner = inner[1 : n-1]
	}
	id, hash := strings.CutPrefix(inner, "#")
	return id, rest, ok && hash && !strings.ContainsAny(rest, "():'\"")
}

// plainGeometry allows numbers, path commands, transformations and units.
func plainGeometry(value string) bool {
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9':
		case strings.IndexByte(" \t\n\r.,%()+-", c) >= 0:
		default:
			return false
		}
	}
	return true
}
