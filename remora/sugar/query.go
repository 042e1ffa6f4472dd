package sugar

import "strings"

// maxQuery bounds how much of a query is looked at, in bytes. The longest that a client sends is
// a bundle id and two numbers.
const maxQuery = 8 << 10

// parameter returns the first value of a parameter in a raw query. Sugar does not escape what it
// puts there, so everything that is not a valid %XX stands for itself, a + too when plus is false;
// with it a + is a space, as forms send it. A query never has a value that is not found because
// another one is malformed, as url.ParseQuery would have it.
func parameter(raw, name string, plus bool) (value string, found bool) {
	if len(raw) > maxQuery {
		raw = raw[:maxQuery]
	}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		key, val, _ := strings.Cut(pair, "=")
		if key == name || unescape(key, true) == name {
			return unescape(val, plus), true
		}
	}
	return "", false
}

func unescape(s string, plus bool) string {
	if strings.IndexByte(s, '%') < 0 && (!plus || strings.IndexByte(s, '+') < 0) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '%' && i+2 < len(s) && hexDigit(s[i+1]) >= 0 && hexDigit(s[i+2]) >= 0:
			b = append(b, byte(hexDigit(s[i+1])<<4|hexDigit(s[i+2])))
			i += 2
		case s[i] == '+' && plus:
			b = append(b, ' ')
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
