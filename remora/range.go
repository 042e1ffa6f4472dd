package remora

import "strings"

// A Range is a span of Sugar releases, both ends included. A zero end is open. Ranges are values;
// the zero Range holds every release.
type Range struct{ Min, Max Number }

// ParseRange reads "0.100-0.116", "0.114-" or "0.114-open" (no maximum), "-0.116" (no minimum) or
// a single release. A minimum above the maximum is refused, code "range.order".
func ParseRange(s string) (Range, error) {
	s = strings.TrimSpace(s)
	lo, hi, found := strings.Cut(s, "-")
	if !found {
		hi = lo
	}
	if strings.TrimSpace(hi) == "open" {
		hi = ""
	}
	var r Range
	for _, end := range []struct {
		text string
		to   *Number
	}{{lo, &r.Min}, {hi, &r.Max}} {
		if end.text = strings.TrimSpace(end.text); end.text == "" {
			continue
		}
		n, err := ParseNumber(end.text)
		if err != nil {
			return Range{}, Errorf(KindInvalid, "range.syntax", "The Sugar range %s is not two releases with a - between them, such as 0.100-0.116 or 0.114-open.", quote(s))
		}
		*end.to = n
	}
	if r == (Range{}) {
		return Range{}, Errorf(KindInvalid, "range.syntax", "The Sugar range %s names no release; write for example 0.100-0.116 or 0.114-open.", quote(s))
	}
	if !r.Min.IsZero() && !r.Max.IsZero() && r.Min.Compare(r.Max) > 0 {
		return Range{}, Errorf(KindInvalid, "range.order", "The Sugar range %s ends before it begins; swap the two.", quote(s))
	}
	return r, nil
}

// Contains reports whether n lies in the range.
func (r Range) Contains(n Number) bool {
	return (r.Min.IsZero() || r.Min.Compare(n) <= 0) && (r.Max.IsZero() || n.Compare(r.Max) <= 0)
}

// String returns the range as ParseRange reads it, "open" for an open end, "any" for the zero Range.
func (r Range) String() string {
	switch {
	case r == Range{}:
		return "any"
	case r.Max.IsZero():
		return r.Min.String() + "-open"
	}
	return r.Min.String() + "-" + r.Max.String()
}
