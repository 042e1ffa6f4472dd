package xo

import (
	"regexp"
	"strings"
)

const maxBrackets = 8

var (
	licenseRef = regexp.MustCompile(`^(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+$`)
	// current are the identifiers that took the place of ones the SPDX list deprecates.
	gnuOld = regexp.MustCompile(`^(A?GPL|LGPL|GFDL)-[0-9.]+$`)
)

// parseExpression reads an SPDX license expression and returns it in canonical spelling. The
// operators count in upper case and in lower, as the specification allows since version 2.3.
func parseExpression(text string) (string, bool) {
	text = strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text)
	p := expressionParser{tokens: strings.Fields(text)}
	e, ok := p.or(0)
	return e, ok && len(p.tokens) == 0
}

// An expressionParser works by recursive descent, at most maxBrackets deep.
type expressionParser struct{ tokens []string }

func (p *expressionParser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *expressionParser) take(op string) bool {
	if t := p.next(); t != op && t != strings.ToLower(op) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *expressionParser) or(depth int) (string, bool) {
	return p.list(depth, "OR", p.and)
}

func (p *expressionParser) and(depth int) (string, bool) {
	return p.list(depth, "AND", p.simple)
}

func (p *expressionParser) list(depth int, op string, item func(int) (string, bool)) (string, bool) {
	var items []string
	for {
		e, ok := item(depth)
		if !ok {
			return "", false
		}
		items = append(items, e)
		if !p.take(op) {
			return join(items, " "+op+" "), true
		}
	}
}

func (p *expressionParser) simple(depth int) (string, bool) {
	if p.take("(") {
		if depth >= maxBrackets {
			return "", false
		}
		e, ok := p.or(depth + 1)
		if !ok || !p.take(")") {
			return "", false
		}
		if strings.Contains(e, " ") && !(strings.HasPrefix(e, "(") && closes(e)) {
			e = "(" + e + ")"
		}
		return e, true
	}
	licenses, exceptions := spdxIDs()
	t := p.next()
	if t == "" {
		return "", false
	}
	p.tokens = p.tokens[1:]
	id, ok := licenses[strings.ToLower(t)]
	if !ok && strings.HasSuffix(t, "+") {
		if id, ok = licenses[strings.ToLower(strings.TrimSuffix(t, "+"))]; ok {
			id += "+"
		}
	}
	switch {
	case ok:
		id = currentID(id)
	case licenseRef.MatchString(t):
		id = t
	default:
		return "", false
	}
	if p.take("WITH") {
		x, ok := exceptions[strings.ToLower(p.next())]
		if !ok {
			return "", false
		}
		p.tokens = p.tokens[1:]
		id += " WITH " + x
	}
	return id, true
}

// closes reports whether the bracket that opens e closes at its very end.
func closes(e string) bool {
	depth := 0
	for i := 0; i < len(e); i++ {
		switch e[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i == len(e)-1
			}
		}
	}
	return false
}

// currentID replaces the deprecated identifiers of the GNU licenses, which did not say whether
// later versions count.
func currentID(id string) string {
	base, plus := strings.CutSuffix(id, "+")
	if !gnuOld.MatchString(base) {
		return id
	}
	if plus {
		return base + "-or-later"
	}
	return base + "-only"
}
