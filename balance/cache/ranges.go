package cache

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A span is the part of a body that a Range asks for.
type span struct{ from, to int } // to is after the last byte

// part decides about Range (RFC 9110, section 14.2): whole says that the request gets everything,
// because it asks for none, for several, or in a way that cannot be read; else ok says whether there
// is such a part.
func (e *entry) part(q *question) (s span, ok, whole bool) {
	if q.span == "" || q.head || e.status != http.StatusOK || !e.unchanged(q.ifRange) {
		return span{}, false, true
	}
	unit, set, found := strings.Cut(q.span, "=")
	if !found || !strings.EqualFold(unit, "bytes") || strings.Contains(set, ",") {
		return span{}, false, true
	}
	from, to, found := strings.Cut(strings.Trim(set, " \t"), "-")
	if !found {
		return span{}, false, true
	}
	size := len(e.body)
	if from == "" {
		n, ok := number(to)
		if !ok {
			return span{}, false, true
		}
		return span{size - min(n, size), size}, n > 0 && size > 0, false
	}
	start, ok := number(from)
	if !ok {
		return span{}, false, true
	}
	end := size
	if to != "" {
		last, ok := number(to)
		if !ok || last < start {
			return span{}, false, true
		}
		end = min(size, last+1)
	}
	return span{start, end}, start < size, false
}

// number reads digits; what is too great is very great.
func number(s string) (n int, ok bool) {
	const most = 1<<31 - 2 // no body is as long
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return 0, false
		}
		if n < most/10 {
			n = n*10 + int(s[i]-'0')
		} else {
			n = most
		}
	}
	return n, s != ""
}

// unchanged decides about If-Range (RFC 9110, section 13.1.5): strong comparison of tags, exact dates.
func (e *entry) unchanged(condition string) bool {
	if condition == "" {
		return true
	}
	if strings.HasSuffix(condition, `"`) {
		return sameTag(condition, e.etag)
	}
	at, ok := ParseDate(condition, e.answered)
	changed, known := ParseDate(first(e.header, "Last-Modified"), e.answered)
	// A date is strong if no second change can have been made in its second (RFC 9110, section 8.8.2.2).
	return ok && known && at.Equal(changed) && e.date.Sub(changed) >= time.Second
}

func (s span) contentRange(size int) string {
	return "bytes " + strconv.Itoa(s.from) + "-" + strconv.Itoa(s.to-1) + "/" + strconv.Itoa(size)
}
