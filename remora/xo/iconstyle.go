package xo

import (
	"iter"
	"strings"
)

const maxRules = 512

// A stylesheet holds the simple rules of style elements: element, .class, element.class and #id,
// several with commas. Anything else is left out, as are at-rules.
type stylesheet struct {
	rules []rule
}

type rule struct {
	element, class, id string
	declarations       []attribute
}

// add reads the text of a style element.
func (s *stylesheet) add(css string) {
	css = stripComments(css)
	css = strings.NewReplacer("<!--", " ", "-->", " ").Replace(css)
	for len(s.rules) < maxRules {
		selectors, rest, ok := strings.Cut(css, "{")
		if !ok {
			return
		}
		body, after, ok := strings.Cut(rest, "}")
		if !ok || strings.Contains(selectors, "@") {
			// At-rules have blocks inside blocks; no icon needs what follows one.
			return
		}
		css = after
		ds := declarations(body)
		for selector := range strings.SplitSeq(selectors, ",") {
			if r, ok := simpleSelector(strings.TrimSpace(selector)); ok && len(s.rules) < maxRules {
				r.declarations = ds
				s.rules = append(s.rules, r)
			}
		}
	}
}

func simpleSelector(selector string) (r rule, ok bool) {
	if id, isID := strings.CutPrefix(selector, "#"); isID {
		return rule{id: id}, validID(id)
	}
	element, class, hasClass := strings.Cut(selector, ".")
	if element != "" && element != "*" && !validID(element) || hasClass && !validID(class) || selector == "" {
		return rule{}, false
	}
	if element == "*" {
		element = ""
	}
	return rule{element: element, class: class}, true
}

// matching yields the declarations for an element, the more specific ones later.
func (s *stylesheet) matching(element, class, id string) iter.Seq[attribute] {
	return func(yield func(attribute) bool) {
		if len(s.rules) == 0 {
			return
		}
		classes := map[string]bool{}
		for c := range strings.FieldsSeq(class) {
			classes[c] = true
		}
		for pass := range 3 {
			for i := range s.rules {
				r := &s.rules[i]
				var hit bool
				switch pass {
				case 0:
					hit = r.id == "" && r.class == "" && (r.element == "" || r.element == element)
				case 1:
					hit = r.class != "" && classes[r.class] && (r.element == "" || r.element == element)
				case 2:
					hit = r.id != "" && r.id == id
				}
				if !hit {
					continue
				}
				for _, d := range r.declarations {
					if !yield(d) {
						return
					}
				}
			}
		}
	}
}

func stripComments(css string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(css, "/*")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, css, found = strings.Cut(rest, "*/")
		if !found {
			return b.String()
		}
		b.WriteByte(' ')
	}
}

// declarations reads "name: value; …" and returns those that are presentation attributes, each
// once, the last one counting.
func declarations(css string) []attribute {
	if css == "" {
		return nil
	}
	var list []attribute
	for d := range strings.SplitSeq(stripComments(css), ";") {
		name, value, ok := strings.Cut(d, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || !presentation[name] {
			continue
		}
		value = strings.TrimSpace(value)
		if i := len(value) - len("!important"); i >= 0 && strings.EqualFold(value[i:], "!important") {
			value = strings.TrimSpace(value[:i])
		}
		found := false
		for i := range list {
			if list[i].name == name {
				list[i].value, found = value, true
			}
		}
		if !found {
			list = append(list, attribute{name, value})
		}
	}
	return list
}
