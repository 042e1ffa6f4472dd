package remora

import (
	"fmt"
	"strings"
)

// MaxNumberLen bounds the text of a Number, in bytes. The longest number seen in a real bundle
// has 9; the bound keeps keys, file names and index columns small.
const MaxNumberLen = 64

// A Number is the number of an activity version ("41", "1.10", "33~dfsg") or of a Sugar release
// ("0.120"). It keeps the text as written and orders by integer segments: 1.9 < 1.10 and
// 0.98 < 0.100 < 0.114. Trailing zero segments and a suffix do not count, so 1, 1.0 and 1-peru
// are equal in order though not identical.
//
// The zero Number means "unknown" or "open"; [Number.IsZero] tells. Numbers are immutable and may
// be shared between goroutines. Use [Number.Compare] for order; == compares the text too.
type Number struct {
	text string
	// key orders like the number when compared as bytes: each significant segment is its digit
	// count followed by its digits. It is derived once because Select must not allocate.
	key string
}

// ParseNumber reads a version number: ASCII digits in dot-separated segments without leading
// zeros, then optionally "-" or "~" and ASCII letters. The error has code "number.syntax".
func ParseNumber(s string) (Number, error) {
	if why := numberFault(s); why != "" {
		return Number{}, &Error{
			Kind: KindInvalid, Code: "number.syntax",
			Message: fmt.Sprintf("The version number %s %s. Write digits and dots such as 7 or 1.10, at most followed by - or ~ and letters.", quote(s), why),
		}
	}
	return Number{text: s, key: numberKey(s)}, nil
}

// MustNumber is ParseNumber for tests and tables in source; it panics on a bad number.
func MustNumber(s string) Number {
	n, err := ParseNumber(s)
	if err != nil {
		panic(err)
	}
	return n
}

func numberFault(s string) string {
	if s == "" {
		return "is empty"
	}
	if len(s) > MaxNumberLen {
		return fmt.Sprintf("is longer than %d characters", MaxNumberLen)
	}
	digits, _, hasSuffix := cutSuffix(s)
	if hasSuffix {
		letters := s[len(digits)+1:]
		if letters == "" {
			return "ends in - or ~ with no letters behind it"
		}
		for i := 0; i < len(letters); i++ {
			if c := letters[i] | 0x20; c < 'a' || c > 'z' {
				return "has something other than letters behind - or ~"
			}
		}
	}
	for rest, more := digits, true; more; {
		var seg string
		seg, rest, more = strings.Cut(rest, ".")
		if seg == "" {
			return "has an empty segment"
		}
		if len(seg) > 1 && seg[0] == '0' {
			return "has a segment with a leading zero"
		}
		for i := 0; i < len(seg); i++ {
			if seg[i] < '0' || seg[i] > '9' {
				return "is not made of digits and dots"
			}
		}
	}
	return ""
}

func cutSuffix(s string) (digits, suffix string, found bool) {
	if i := strings.IndexAny(s, "-~"); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// numberKey expects a valid number.
func numberKey(s string) string {
	digits, _, _ := cutSuffix(s)
	key := make([]byte, 0, len(digits)+4)
	significant := 0
	for rest, more := digits, true; more; {
		var seg string
		seg, rest, more = strings.Cut(rest, ".")
		key = append(key, byte(len(seg)))
		key = append(key, seg...)
		if seg != "0" {
			significant = len(key)
		}
	}
	return string(key[:significant])
}

// String returns the number as written, "" for the zero Number.
func (n Number) String() string { return n.text }

// Key returns bytes (as a string) whose order as bytes is the order of numbers; equal numbers have
// equal keys. Stores keep it in a column to sort by. It is at most MaxNumberLen+1 bytes long.
func (n Number) Key() string { return n.key }

// IsZero reports whether n is the zero Number, which stands for unknown or open.
func (n Number) IsZero() bool { return n.text == "" }

// Compare returns -1, 0 or +1 as n is before, equal to or after m in version order. The zero
// Number is equal to 0. Compare does not allocate.
func (n Number) Compare(m Number) int { return strings.Compare(n.key, m.key) }

// MarshalText returns the number as written.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.text), nil }

// UnmarshalText reads what MarshalText wrote; an empty text is the zero Number.
func (n *Number) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*n = Number{}
		return nil
	}
	m, err := ParseNumber(string(b))
	if err != nil {
		return err
	}
	*n = m
	return nil
}

// quote shows untrusted text in a message: quoted, escaped and cut to a readable length.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
