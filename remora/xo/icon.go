package xo

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Bounds of an icon. A drawing program's icon has some hundred elements, nested ten deep.
const (
	maxIconDepth = 64
	maxIconNodes = 10000
	maxIconDrawn = 100000 // elements drawn, counting each use of another
	maxStyle     = 64 << 10
	maxStyled    = 100000 // properties that rules of style elements give to elements, in all
)

const (
	svgSpace   = "http://www.w3.org/2000/svg"
	xlinkSpace = "http://www.w3.org/1999/xlink"
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
)

type iconFault struct {
	code    code
	message string
}

// svgElements are the elements kept, with the name they are kept under. Patterns, markers and
// filters are missing because what they cost to draw is not bounded by their size.
var svgElements = map[string]string{
	"svg": "svg", "g": "g", "defs": "defs", "symbol": "symbol", "use": "use", "path": "path", "rect": "rect",
	"circle": "circle", "ellipse": "ellipse", "line": "line", "polyline": "polyline", "polygon": "polygon",
	"text": "text", "tspan": "tspan", "textPath": "textPath", "linearGradient": "linearGradient",
	"radialGradient": "radialGradient", "stop": "stop", "clipPath": "clipPath", "mask": "mask", "image": "image",
	// Their children are drawn in any case.
	"switch": "g", "a": "g",
}

// activeElements are dropped with a warning; other unknown ones silently.
var activeElements = map[string]bool{
	"script": true, "foreignObject": true, "animate": true, "animateColor": true, "animateMotion": true,
	"animateTransform": true, "set": true, "discard": true, "iframe": true, "object": true, "embed": true,
	"audio": true, "video": true, "handler": true, "listener": true,
}

// sanitizeIcon rewrites an SVG, at most most bytes long. It returns nil and the reason if the file
// cannot be used. It is a filter on the tokens of the file: nesting costs memory, never stack.
func sanitizeIcon(raw []byte, most int) ([]byte, []iconFault) {
	s := &sanitizer{raw: raw, most: most, refs: newRefs()}
	out, fault := s.run()
	if fault != nil {
		return nil, []iconFault{*fault}
	}
	if s.active != "" {
		return out, []iconFault{{codeIconActive, fmt.Sprintf("%s was taken out of the icon, with anything else that is not plain drawing.", s.active)}}
	}
	return out, nil
}

type sanitizer struct {
	raw    []byte
	most   int
	out    bytes.Buffer
	colors colors
	sheet  stylesheet
	refs   *refs
	active string // the first active thing dropped

	open   []openElement
	skip   int // depth below a dropped element
	style  int // depth at which a style element was opened, 0 outside of one
	css    strings.Builder
	nodes  int
	styled int
	done   bool // the root was closed
}

type openElement struct {
	name string // as written
	text bool   // holds text
}

func xmlFault(format string, args ...any) *iconFault {
	return &iconFault{codeIconXML, "The icon is not a well-formed SVG: " + fmt.Sprintf(format, args...) + "."}
}

func (s *sanitizer) run() ([]byte, *iconFault) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(s.raw, []byte("\ufeff"))))
	d.Entity = map[string]string{}
	d.CharsetReader = latin1
	s.colors = defaultColors
	doctype := false
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, xmlFault("%s", plainXMLError(err))
		}
		var fault *iconFault
		switch t := t.(type) {
		case xml.Directive:
			if doctype || s.nodes > 0 || s.done {
				return nil, xmlFault("it has a document type in a wrong place")
			}
			doctype = true
			fault = s.declare(d, t)
		case xml.StartElement:
			fault = s.start(t)
		case xml.EndElement:
			s.end()
		case xml.CharData:
			fault = s.text(t)
		}
		if fault != nil {
			return nil, fault
		}
		if s.out.Len() > s.most {
			return nil, &iconFault{codeIconSize, fmt.Sprintf("The icon becomes longer than %d bytes. Simplify the drawing.", s.most)}
		}
	}
	if !s.done {
		return nil, xmlFault("it has no svg element")
	}
	if fault := s.refs.check(); fault != nil {
		return nil, fault
	}
	return s.out.Bytes(), nil
}

// plainXMLError shortens what may quote the file.
func plainXMLError(err error) string {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("line %d: %s", syntax.Line, shown(syntax.Msg))
	}
	return shown(err.Error())
}

// declare takes the entities of the document type.
func (s *sanitizer) declare(d *xml.Decoder, t xml.Directive) *iconFault {
	entities, fault := parseDoctype(string(t))
	if fault != nil {
		return fault
	}
	if c, ok := hexColor(entities["stroke_color"]); ok {
		s.colors.stroke = c
	}
	if c, ok := hexColor(entities["fill_color"]); ok {
		s.colors.fill = c
	}
	// Instead of the colours, marks: they show which attributes Sugar would colour.
	resolved, fault := resolveEntities(entities)
	if fault != nil {
		return fault
	}
	total := len(s.raw)
	for name, value := range resolved {
		// An upper bound of what all references together become.
		if total += bytes.Count(s.raw, []byte("&"+name+";")) * len(value); total > 2<<20 {
			return &iconFault{codeIconEntity, "The icon's entities grow to more than 2 MiB. Declare only stroke_color and fill_color."}
		}
		d.Entity[name] = value
	}
	return nil
}

func (s *sanitizer) drop(what string) {
	if s.active == "" {
		s.active = what
	}
}

func (s *sanitizer) start(t xml.StartElement) *iconFault {
	if s.done {
		return xmlFault("it has several outermost elements")
	}
	if s.nodes++; s.nodes > maxIconNodes {
		return &iconFault{codeIconNodes, fmt.Sprintf("The icon has more than %d elements. Simplify the drawing.", maxIconNodes)}
	}
	if len(s.open)+s.skip >= maxIconDepth {
		return &iconFault{codeIconNodes, fmt.Sprintf("The icon is nested more than %d deep. Simplify the drawing.", maxIconDepth)}
	}
	if s.skip > 0 || s.style > 0 {
		s.skip++
		return nil
	}
	drawing := t.Name.Space == svgSpace || t.Name.Space == ""
	if len(s.open) == 0 && (!drawing || t.Name.Local != "svg") {
		return xmlFault("its outermost element is %s, not svg", shown(t.Name.Local))
	}
	if drawing && t.Name.Local == "style" {
		s.style = len(s.open)
		s.skip = 1
		s.css.Reset()
		return nil
	}
	name := svgElements[t.Name.Local]
	if !drawing || name == "" {
		if activeElements[t.Name.Local] {
			s.drop("The element " + t.Name.Local)
		}
		s.skip = 1
		return nil
	}
	attrs := s.attributes(name, t)
	if s.styled > maxStyled {
		return &iconFault{codeIconNodes, "The icon's style rules apply too often. Simplify the drawing."}
	}
	s.out.WriteByte('<')
	s.out.WriteString(name)
	if len(s.open) == 0 {
		s.out.WriteString(` xmlns="` + svgSpace + `" xmlns:xlink="` + xlinkSpace + `"`)
	}
	for _, a := range attrs {
		s.writeAttribute(a)
	}
	s.out.WriteByte('>')
	s.open = append(s.open, openElement{name, name == "text" || name == "tspan" || name == "textPath"})
	s.refs.start(attrs)
	return nil
}

func (s *sanitizer) end() {
	if s.skip > 0 {
		if s.skip--; s.skip == 0 && s.style > 0 {
			s.sheet.add(s.css.String())
			s.style = 0
		}
		return
	}
	last := len(s.open) - 1
	s.out.WriteString("</" + s.open[last].name + ">")
	s.open = s.open[:last]
	s.refs.end()
	s.done = last == 0
}

func (s *sanitizer) text(t xml.CharData) *iconFault {
	switch {
	case s.style > 0:
		if s.css.Len()+len(t) > maxStyle {
			return &iconFault{codeIconSize, fmt.Sprintf("The icon's style element has more than %d bytes. Simplify the drawing.", maxStyle)}
		}
		s.css.Write(t)
	case s.skip > 0 || len(s.open) == 0:
	case s.open[len(s.open)-1].text:
		escape(&s.out, s.colors.plain(string(t)))
	}
	return nil
}

// escape writes text so that it is the same inside and outside of quotes. A quote never appears as
// itself: Recolor relies on that.
func escape(out *bytes.Buffer, text string) {
	// A bytes.Buffer takes everything.
	_ = xml.EscapeText(out, []byte(text))
}

func (s *sanitizer) writeAttribute(a attribute) {
	if mark := colorMark(a.value); mark != "" && markable[a.name] {
		s.out.WriteString(markPrefix + a.name + `="` + mark + `" ` + a.name + `="` + s.colors.of(mark) + `"`)
		return
	}
	s.out.WriteString(" " + a.name + `="`)
	escape(&s.out, s.colors.plain(a.value))
	s.out.WriteByte('"')
}

// latin1 reads the one other encoding old drawing programs wrote.
func latin1(charset string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(charset) {
	case "us-ascii", "ascii", "utf8":
		return in, nil
	case "iso-8859-1", "latin1", "latin-1", "iso8859-1":
		return &latin1Reader{in: in}, nil
	}
	return nil, fmt.Errorf("its encoding %s is not UTF-8", quoted(charset))
}

type latin1Reader struct {
	in   io.Reader
	buf  [512]byte
	left []byte // already UTF-8
}

func (r *latin1Reader) Read(p []byte) (int, error) {
	if len(r.left) == 0 {
		n, err := r.in.Read(r.buf[:])
		for _, b := range r.buf[:n] {
			r.left = utf8.AppendRune(r.left, rune(b))
		}
		if n == 0 {
			return 0, err
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}
