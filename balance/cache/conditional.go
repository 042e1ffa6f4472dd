package cache

import (
	"net/http"
	"strings"
	"time"
)

// notModified decides whether the client's own copy is as good as e (RFC 9111, section 4.3.2; RFC
// 9110, section 13.2.2: If-None-Match wins over If-Modified-Since).
func (e *entry) notModified(q *question, now time.Time) bool {
	if e.status != http.StatusOK {
		return false
	}
	if len(q.noneMatch) > 0 {
		return listed(q.noneMatch, e.etag)
	}
	if q.modified == "" {
		return false
	}
	since, ok := ParseDate(q.modified, now)
	if !ok {
		return false
	}
	changed, ok := ParseDate(first(e.header, "Last-Modified"), e.answered)
	if !ok {
		changed = e.date // section 4.3.2: without Last-Modified, Date
	}
	return !changed.After(since)
}

// listed reports whether If-None-Match names the tag, by weak comparison (RFC 9110, section 8.8.3.2).
// A * means any.
func listed(lines []string, etag string) bool {
	etag = strings.TrimPrefix(etag, "W/")
	for _, line := range lines {
		for {
			line = strings.TrimLeft(line, " \t,")
			if line == "" {
				break
			}
			if line[0] == '*' {
				return true
			}
			line = strings.TrimPrefix(line, "W/")
			end := tagEnd(line)
			if end == 0 {
				break // what follows cannot be read
			}
			if line[:end] == etag {
				return true
			}
			line = line[end:]
		}
	}
	return false
}

// tagEnd returns the length of the opaque tag, with its quotes, at the front of s; 0 if there is none.
func tagEnd(s string) int {
	if s == "" || s[0] != '"' {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c < 0x21 || c == 0x7f:
			return 0
		}
	}
	return 0
}

// isTag reports whether s is an entity tag.
func isTag(s string) bool {
	s = strings.TrimPrefix(s, "W/")
	return s != "" && tagEnd(s) == len(s)
}

// sameTag compares strongly (RFC 9110, section 8.8.3.2).
func sameTag(a, b string) bool { return a == b && a != "" && !strings.HasPrefix(a, "W/") }

// validators returns the fields that make a request ask whether e is still good (RFC 9111, section
// 4.3.1); nil if e has nothing to ask by. Those of the client are taken away, since the answer is for
// the cache; so is Range, because what comes is stored as whole.
func (e *entry) validators() http.Header {
	modified := first(e.header, "Last-Modified")
	if e.etag == "" && modified == "" {
		return nil
	}
	change := http.Header{"If-None-Match": nil, "If-Modified-Since": nil, "Range": nil, "If-Range": nil}
	if e.etag != "" {
		change["If-None-Match"] = []string{e.etag}
	}
	if modified != "" {
		change["If-Modified-Since"] = []string{modified}
	}
	return change
}

// unconditional takes away what validators would set.
var unconditional = http.Header{"If-None-Match": nil, "If-Modified-Since": nil, "Range": nil, "If-Range": nil}

// confirms reports whether a 304 with header h is about e (RFC 9111, section 4.3.4). One without any
// validator is, because e alone was asked for.
func (e *entry) confirms(h http.Header) bool {
	if tag := first(h, "Etag"); tag != "" && e.etag != "" {
		return strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(e.etag, "W/")
	}
	if modified := first(h, "Last-Modified"); modified != "" && e.etag == "" {
		return modified == first(e.header, "Last-Modified")
	}
	return true
}

// unchanging are fields that a 304, or the answer to a HEAD, never changes: they tell about the bytes
// that are stored (RFC 9111, section 3.2).
var unchanging = map[string]bool{"Content-Length": true, "Content-Encoding": true, "Content-Range": true, "Content-Type": true, "Etag": true}

// merged returns the header of e with the fields of h in the place of its own (RFC 9111, section 3.2).
func (e *entry) merged(h http.Header) http.Header {
	all := e.header.Clone()
	// An ETag is learned where there was none; else it is the same, or weaker.
	for name, values := range h {
		if !unkept[name] && (!unchanging[name] || len(all[name]) == 0 && name == "Etag") {
			all[name] = values
		}
	}
	return all
}

// describes reports whether the answer to a HEAD is about the bytes that e has (RFC 9111, section
// 4.3.5).
func (e *entry) describes(h http.Header) bool {
	if tag := first(h, "Etag"); tag != e.etag && tag != "" {
		return false
	}
	if modified := first(h, "Last-Modified"); modified != "" && modified != first(e.header, "Last-Modified") {
		return false
	}
	length := first(h, "Content-Length")
	return length == "" || length == e.length[0]
}
