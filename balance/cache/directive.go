package cache

import (
	"strings"
	"time"
)

// MaxAge is the longest time that a number of seconds in a header stands for. Greater numbers are
// read as this one (RFC 9111, section 1.2.2).
const MaxAge = 1 << 31 * time.Second

// Delta is a time that a header may give in seconds.
type Delta struct {
	Given bool
	// Time is zero where none is given. It is between 0 and MaxAge.
	Time time.Duration
}

// directive is one member of a Cache-Control field.
type directive struct {
	name     string // in lower case
	value    string // without its quotes
	argument bool   // there is an equals sign
	broken   bool   // the syntax is not that of RFC 9111, section 5.2
}

// directives calls f for the directives in all the lines of Cache-Control. Lines are one list (RFC 9110,
// section 5.3); a quoted string ends with its line.
func directives(lines []string, f func(directive)) {
	for _, line := range lines {
		for line != "" {
			var member string
			member, line = cutMember(line)
			if member = strings.Trim(member, " \t"); member != "" {
				f(parseDirective(member))
			}
		}
	}
}

// cutMember cuts s at the first comma that is not in a quoted string.
func cutMember(s string) (member, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func parseDirective(member string) directive {
	name, value, argument := strings.Cut(member, "=")
	d := directive{value: value, argument: argument}
	// Spaces around the equals sign are not allowed. The name is still read, because what it forbids
	// must hold; the value is not.
	trimmed := strings.TrimRight(name, " \t")
	d.broken = trimmed != name || !isToken(trimmed)
	d.name = strings.ToLower(trimmed)
	if !argument {
		return d
	}
	if strings.HasPrefix(value, `"`) {
		text, ok := unquote(value)
		d.value, d.broken = text, d.broken || !ok
	} else if !isToken(value) {
		d.broken = true
	}
	return d
}

// unquote returns what the quoted string s stands for (RFC 9110, section 5.6.4).
func unquote(s string) (text string, ok bool) {
	if len(s) < 2 || s[0] != '"' {
		return "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), i == len(s)-1
		case '\\':
			if i++; i == len(s) {
				return b.String(), false
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), false
}

// isToken says whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// seconds reads a number of seconds (RFC 9111, section 1.2.2): digits alone.
func seconds(s string) (t time.Duration, ok bool) {
	if s == "" {
		return 0, false
	}
	const most = int64(MaxAge / time.Second)
	n := int64(0)
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(s[i]-'0'), most) // ten times the most still fits
	}
	return time.Duration(n) * time.Second, true
}

// delta returns the time that d gives.
func (d directive) delta() (t time.Duration, ok bool) {
	if d.broken {
		return 0, false
	}
	return seconds(d.value)
}
