package cache

import (
	"net/http"
	"strings"
	"time"
)

// controlOf returns what a response says to this cache: CDN-Cache-Control, where it can be read, in
// the place of Cache-Control and Expires (RFC 9213, section 2.1).
func controlOf(h http.Header) (c ResponseControl, targeted bool) {
	if lines := h["Cdn-Cache-Control"]; len(lines) > 0 {
		if c, ok := parseTargeted(strings.Join(lines, ",")); ok {
			return c, true
		}
	}
	return ParseResponse(h), false
}

// parseTargeted reads a targeted field, which is a dictionary of structured fields (RFC 9651, section
// 3.2). It is not ok if it is empty or has a mistake anywhere. Directives that have another type than
// they should are read the stricter way, as in Cache-Control.
func parseTargeted(s string) (c ResponseControl, ok bool) {
	p := structured{strings.Trim(s, " ")}
	if p.rest == "" {
		return c, false
	}
	for {
		name, ok := p.key()
		if !ok {
			return ResponseControl{}, false
		}
		value := item{kind: '?', on: true}
		if p.take('=') {
			if value, ok = p.member(); !ok {
				return ResponseControl{}, false
			}
		}
		if !p.parameters() {
			return ResponseControl{}, false
		}
		c.target(name, value)
		p.spaces()
		if p.rest == "" {
			return c, true
		}
		if !p.take(',') {
			return ResponseControl{}, false
		}
		if p.spaces(); p.rest == "" {
			return ResponseControl{}, false // a comma at the end
		}
	}
}

// target notes one member. Of a name that is given twice the last one holds (RFC 9651, section 3.2).
func (c *ResponseControl) target(name string, v item) {
	forbids := v.kind != '?' || v.on
	allows := v.kind == '?' && v.on
	t := Delta{Given: true}
	if v.kind == 'i' {
		t.Time, _ = seconds(v.text) // a negative number cannot be read, and is zero
	}
	switch name {
	case "no-store":
		c.NoStore = forbids
	case "no-cache":
		c.NoCache = forbids
	case "private":
		c.Private = forbids
	case "no-transform":
		c.NoTransform = forbids
	case "must-revalidate":
		c.MustRevalidate = forbids
	case "proxy-revalidate":
		c.ProxyRevalidate = forbids
	case "must-understand":
		c.MustUnderstand = allows
	case "public":
		c.Public = allows
	case "immutable":
		c.Immutable = allows
	case "max-age":
		c.MaxAge = t
	case "s-maxage":
		c.SMaxAge = t
	case "stale-while-revalidate":
		c.StaleWhileRevalidate = t
	case "stale-if-error":
		c.StaleIfError = t
	}
}

// structured reads structured fields from the front of a text.
type structured struct{ rest string }

// item is a value of a structured field. kind is one of ? (boolean), i (integer), d (decimal), s
// (string), t (token), b (bytes), @ (date), % (display string) and ( (inner list).
type item struct {
	kind byte
	on   bool   // of a boolean
	text string // of an integer
}

func (p *structured) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *structured) spaces() { p.rest = strings.TrimLeft(p.rest, " \t") }

// while cuts the longest front whose bytes all fit.
func (p *structured) while(fits func(c byte) bool) (front string) {
	n := 0
	for n < len(p.rest) && fits(p.rest[n]) {
		n++
	}
	front, p.rest = p.rest[:n], p.rest[n:]
	return front
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isAlpha(c byte) bool { return isLower(c | 0x20) }

func (p *structured) key() (name string, ok bool) {
	if p.rest == "" || !isLower(p.rest[0]) && p.rest[0] != '*' {
		return "", false
	}
	return p.while(func(c byte) bool { return isLower(c) || isDigit(c) || strings.IndexByte("_-.*", c) >= 0 }), true
}

// parameters reads over parameters, which mean nothing here.
func (p *structured) parameters() bool {
	for p.take(';') {
		p.rest = strings.TrimLeft(p.rest, " ")
		if _, ok := p.key(); !ok {
			return false
		}
		if p.take('=') {
			if _, ok := p.bare(); !ok {
				return false
			}
		}
	}
	return true
}

// member reads an item or an inner list.
func (p *structured) member() (item, bool) {
	if !p.take('(') {
		return p.bare()
	}
	for {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.take(')') {
			return item{kind: '('}, true
		}
		if _, ok := p.bare(); !ok || !p.parameters() {
			return item{}, false
		}
		if p.rest == "" || p.rest[0] != ' ' && p.rest[0] != ')' {
			return item{}, false
		}
	}
}

func (p *structured) bare() (item, bool) {
	if p.rest == "" {
		return item{}, false
	}
	switch c := p.rest[0]; {
	case c == '?':
		on := strings.HasPrefix(p.rest, "?1")
		if !on && !strings.HasPrefix(p.rest, "?0") {
			return item{}, false
		}
		p.rest = p.rest[2:]
		return item{kind: '?', on: on}, true
	case c == '-' || isDigit(c):
		return p.number()
	case c == '@':
		p.rest = p.rest[1:]
		v, ok := p.number()
		return item{kind: '@'}, ok && v.kind == 'i'
	case c == '%':
		p.rest = p.rest[1:]
		_, ok := p.quoted()
		return item{kind: '%'}, ok
	case c == '"':
		_, ok := p.quoted()
		return item{kind: 's'}, ok
	case c == ':':
		p.rest = p.rest[1:]
		p.while(func(c byte) bool { return isAlpha(c) || isDigit(c) || strings.IndexByte("+/=", c) >= 0 })
		return item{kind: 'b'}, p.take(':')
	case c == '*' || isAlpha(c):
		p.while(func(c byte) bool { return c == ':' || c == '/' || isToken(string(c)) })
		return item{kind: 't'}, true
	}
	return item{}, false
}

// number: RFC 9651, section 4.2.4.
func (p *structured) number() (item, bool) {
	sign := ""
	if p.take('-') {
		sign = "-"
	}
	whole := p.while(isDigit)
	if whole == "" || len(whole) > 15 {
		return item{}, false
	}
	if !p.take('.') {
		return item{kind: 'i', text: sign + whole}, true
	}
	part := p.while(isDigit)
	return item{kind: 'd'}, len(whole) <= 12 && part != "" && len(part) <= 3
}

func (p *structured) quoted() (item, bool) {
	if !p.take('"') {
		return item{}, false
	}
	for p.rest != "" {
		c := p.rest[0]
		p.rest = p.rest[1:]
		switch {
		case c == '"':
			return item{kind: 's'}, true
		case c == '\\':
			if !p.take('"') && !p.take('\\') {
				return item{}, false
			}
		case c < 0x20 || c > 0x7e:
			return item{}, false
		}
	}
	return item{}, false
}

// ageOf reads Age (RFC 9111, section 5.1): of a list the first counts, and what cannot be read is as
// if it was not there.
func ageOf(h http.Header) time.Duration {
	for _, line := range h["Age"] {
		first, _, _ := strings.Cut(line, ",")
		age, _ := seconds(strings.Trim(first, " \t"))
		return age
	}
	return 0
}
