package cache

import (
	"net/http"
	"slices"
	"strings"
)

// maxVary bounds the fields that one response may vary by.
const maxVary = 16

// A chosen is a field of the request that chose a response, and what it was.
type chosen struct {
	name, value string
	line        string // the one line that it was, which most requests will have again; "" for several
}

func choose(name string, lines []string) chosen {
	c := chosen{name: name, value: normal(name, lines)}
	if len(lines) == 1 {
		c.line = lines[0]
	}
	return c
}

func (c *chosen) matches(lines []string) bool {
	if len(lines) == 1 && lines[0] == c.line && c.line != "" {
		return true
	}
	return normal(c.name, lines) == c.value
}

// sameChoice reports whether the same requests choose both.
func sameChoice(a, b []chosen) bool {
	return slices.EqualFunc(a, b, func(a, b chosen) bool { return a.name == b.name && a.value == b.value })
}

// chosenBy returns the fields of the request that the response varies by (RFC 9111, section 4.1). It
// is not ok if no other request can ever match: there is a *, or what is not the name of a field.
func chosenBy(h http.Header, values func(string) []string) (by []chosen, ok bool) {
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.Trim(name, " \t")
			if name == "" {
				continue
			}
			if name == "*" || !isToken(name) || len(by) == maxVary {
				return nil, false
			}
			name = http.CanonicalHeaderKey(name)
			by = append(by, choose(name, values(name)))
		}
	}
	return by, true
}

// matches reports whether a request chooses the same response.
func matches(by []chosen, values func(string) []string) bool {
	for i := range by {
		if !by[i].matches(values(by[i].name)) {
			return false
		}
	}
	return true
}

// normal makes values equal that mean the same (RFC 9111, section 4.1): lines of a list are one list,
// spaces around commas do not count, nor does case where the field is known to be without it. That a
// field is missing is a value of its own.
func normal(name string, lines []string) string {
	if len(lines) == 0 {
		return "\x00"
	}
	fold := name == "Accept-Encoding" || name == "Accept-Language"
	if len(lines) == 1 && plain(lines[0], fold) {
		return lines[0]
	}
	var b strings.Builder
	for _, line := range lines {
		for line != "" {
			var member string
			member, line = cutMember(line)
			if member = strings.Trim(member, " \t"); member == "" {
				continue
			}
			if fold {
				member = strings.ToLower(member)
			}
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(member)
		}
	}
	return b.String()
}

// plain reports whether s is normal as it is.
func plain(s string, fold bool) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == ',' && (i == 0 || i == len(s)-1 || s[i-1] == ',' || s[i-1] == ' ' || s[i-1] == '\t' || s[i+1] == ' ' || s[i+1] == '\t') ||
			c == '"' || (c == ' ' || c == '\t') && (i == 0 || i == len(s)-1) || fold && c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}
