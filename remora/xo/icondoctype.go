package xo

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of the entities an icon declares. Drawing programs declare some twenty for namespaces.
const (
	maxEntities   = 128
	maxEntity     = 1024
	maxEntityNest = 8
)

func entityFault(what string) *iconFault {
	return &iconFault{codeIconEntity, "The icon " + what + ". Declare only stroke_color and fill_color, with a colour each."}
}

// parseDoctype returns the entities declared in the internal subset of a document type. The public
// or system identifier of the document type itself is ignored: nothing is ever fetched.
func parseDoctype(text string) (map[string]string, *iconFault) {
	rest, ok := strings.CutPrefix(text, "DOCTYPE")
	if !ok {
		return nil, entityFault("has a declaration outside of a document type")
	}
	entities := map[string]string{}
	_, rest, ok = cutOutside(rest, '[')
	if !ok {
		return entities, nil
	}
	end := strings.LastIndexByte(rest, ']')
	if end < 0 {
		return nil, entityFault("has a document type without its end")
	}
	rest = strings.TrimSpace(rest[:end])
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "<!"):
			var declaration string
			declaration, rest, ok = cutOutside(rest[2:], '>')
			if !ok {
				return nil, entityFault("has a declaration without its end")
			}
			if body, isEntity := strings.CutPrefix(declaration, "ENTITY"); isEntity {
				if fault := declareEntity(entities, body); fault != nil {
					return nil, fault
				}
			}
		case strings.HasPrefix(rest, "<?"):
			if _, rest, ok = strings.Cut(rest, "?>"); !ok {
				return nil, entityFault("has a processing instruction without its end")
			}
		case rest[0] == '%':
			return nil, entityFault("uses a parameter entity")
		default:
			return nil, entityFault("has a document type that cannot be read")
		}
		rest = strings.TrimSpace(rest)
	}
	return entities, nil
}

// cutOutside cuts s at the first sep that is not in quotes.
func cutOutside(s string, sep byte) (before, after string, found bool) {
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == sep:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func declareEntity(entities map[string]string, body string) *iconFault {
	body = strings.TrimSpace(body)
	if strings.HasPrefix(body, "%") {
		return entityFault("declares a parameter entity")
	}
	i := strings.IndexAny(body, " \t\r\n")
	if i < 0 {
		return entityFault("has an entity without a value")
	}
	name, value := body[:i], strings.TrimSpace(body[i:])
	if n := len(value); n < 2 || value[0] != '"' && value[0] != '\'' || value[n-1] != value[0] {
		return entityFault("declares an external entity")
	}
	value = value[1 : len(value)-1]
	if strings.ContainsRune(value, '%') {
		return entityFault("uses a parameter entity")
	}
	if len(value) > maxEntity || len(entities) >= maxEntities {
		return entityFault("declares too many or too long entities")
	}
	// XML 1.0, section 4.2: of several declarations the first binds.
	if _, twice := entities[name]; !twice {
		entities[name] = value
	}
	return nil
}

// resolveEntities replaces references inside of entities, and the two colours by their marks.
func resolveEntities(entities map[string]string) (map[string]string, *iconFault) {
	resolved := make(map[string]string, len(entities))
	for name := range entities {
		switch name {
		case "stroke_color":
			resolved[name] = string(strokeMark)
			continue
		case "fill_color":
			resolved[name] = string(fillMark)
			continue
		}
		var b strings.Builder
		if fault := resolveEntity(&b, entities, name, 0); fault != nil {
			return nil, fault
		}
		resolved[name] = b.String()
	}
	return resolved, nil
}

// resolveEntity is bounded in depth by maxEntityNest and in work by maxEntity: every reference
// costs its own bytes or adds some, and an entity of references to nothing ends at the depth.
func resolveEntity(b *strings.Builder, entities map[string]string, name string, depth int) *iconFault {
	if depth > maxEntityNest {
		return entityFault("has entities that refer to entities too deep")
	}
	rest := entities[name]
	for {
		plain, after, found := strings.Cut(rest, "&")
		b.WriteString(plain)
		if b.Len() > maxEntity {
			return entityFault("has entities that grow")
		}
		if !found {
			return nil
		}
		ref, tail, ok := strings.Cut(after, ";")
		if !ok {
			return entityFault("has an entity with a broken reference")
		}
		rest = tail
		switch {
		case strings.HasPrefix(ref, "#"):
			r, ok := charRef(ref[1:])
			if !ok {
				return entityFault("has an entity with a broken reference")
			}
			b.WriteRune(r)
		case predefined[ref] != "":
			b.WriteString(predefined[ref])
		case ref == "stroke_color":
			b.WriteRune(strokeMark)
		case ref == "fill_color":
			b.WriteRune(fillMark)
		default:
			if v, declared := entities[ref]; !declared {
				return entityFault("has an entity that refers to one that is not there")
			} else if v == "" {
				continue
			}
			before := b.Len()
			if fault := resolveEntity(b, entities, ref, depth+1); fault != nil {
				return fault
			}
			if b.Len() == before {
				// References to nothing add nothing to the length that bounds the work.
				return entityFault("has entities that refer to nothing")
			}
		}
	}
}

var predefined = map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'"}

func charRef(s string) (rune, bool) {
	base := 10
	if hex, ok := strings.CutPrefix(s, "x"); ok {
		s, base = hex, 16
	}
	n, err := strconv.ParseUint(s, base, 32)
	if err != nil || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return 0, false
	}
	return rune(n), true
}
