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
// is not ok if no other request can be known to match: there is a *, or what is not the name of a field,
// or a field that the balancer sets.
func chosenBy(h http.Header, q *question) (by []chosen, ok bool) {
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
			lines, known := q.field(name)
			if !known {
				return nil, false
			}
			by = append(by, choose(name, lines))
		}
	}
	return by, true
}

// field returns a field as backends see it, which for some is not as the client has sent it: the
// balancer sets them. What cannot be known here is not known, and no response that varies by it can be
// used again.
func (q *question) field(name string) (lines []string, known bool) {
	switch name {
	case "Host":
		return []string{q.host}, true
	case "X-Forwarded-Proto":
		return []string{q.scheme}, true
	case "X-Forwarded-Host": // the client's own counts where a proxy before this one is believed
		return append([]string{q.host}, q.values(name)...), true
	case "X-Forwarded-For", "X-Forwarded-Port", "X-Real-Ip", "Forwarded", "Connection", "Te", "Upgrade", "Via":
		return nil, false
	}
	return q.values(name), true
}

// matches reports whether a request chooses the same response.
func matches(by []chosen, q *question) bool {
	for i := range by {
		if lines, known := q.field(by[i].name); !known || !by[i].matches(lines) {
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
