package cache

import (
	"net/http"
	"time"
)

const rfc850 = "Monday, 02-Jan-06 15:04:05 GMT"

// ParseDate reads a date in one of the three forms of RFC 9110, section 5.6.7. They are matched
// exactly: case, width of numbers and the name of the day. A year of two digits is one that is not
// more than 50 years after now.
func ParseDate(s string, now time.Time) (t time.Time, ok bool) {
	for _, layout := range []string{http.TimeFormat, rfc850, time.ANSIC} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if layout != rfc850 {
			// time.Parse forgives what the grammar does not.
			return t, t.Format(layout) == s
		}
		// The year decides which name the day has, so the name is not compared before.
		now = now.UTC()
		year := now.Year() - now.Year()%100 + t.Year()%100
		t = withYear(t, year)
		if t.After(now.AddDate(50, 0, 0)) {
			t = withYear(t, year-100)
		}
		return t, t.Format(layout) == s
	}
	return time.Time{}, false
}

func withYear(t time.Time, year int) time.Time {
	return time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}
