package sugar

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// sentence answers with one plain sentence. Clients that look for XML or a bundle must never get
// it with a 2xx status.
func sentence(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Del("Etag")
	header.Del("Last-Modified")
	if status >= http.StatusInternalServerError || status == http.StatusMethodNotAllowed { // a cache may keep the latter unless told otherwise
		header.Set("Cache-Control", "no-store")
	}
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	// Nobody is left to tell when the client has gone.
	_, _ = w.Write([]byte(text + "\n"))
}

// retryAfter is how long a client is asked to wait after trouble of ours, in seconds.
const retryAfter = "10"

func unavailable(w http.ResponseWriter, text string) {
	w.Header().Set("Retry-After", retryAfter)
	sentence(w, http.StatusServiceUnavailable, text)
}

func notFound(w http.ResponseWriter, text string) {
	w.Header().Set("Cache-Control", "public, max-age=60")
	sentence(w, http.StatusNotFound, text)
}

// etagOf returns a strong entity tag for these bytes: half of their SHA-256 sum.
func etagOf(body []byte) string {
	sum := sha256.Sum256(body)
	var tag [2*16 + 2]byte
	tag[0], tag[len(tag)-1] = '"', '"'
	hex.Encode(tag[1:len(tag)-1], sum[:16])
	return string(tag[:])
}

// unchanged reports whether the client has this very representation (RFC 9110, section 13.2.2):
// If-None-Match decides where it is present, else If-Modified-Since against modified.
func unchanged(r *http.Request, etag string, modified time.Time) bool {
	if tags := r.Header["If-None-Match"]; len(tags) > 0 {
		for _, list := range tags {
			for tag := range strings.SplitSeq(list, ",") {
				tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
				if tag == "*" || tag == etag {
					return true
				}
			}
		}
		return false
	}
	since := r.Header.Get("If-Modified-Since")
	if since == "" || modified.IsZero() {
		return false
	}
	t, err := http.ParseTime(since)
	return err == nil && !modified.Truncate(time.Second).After(t)
}

// writeBody answers 200 with body, or 304 when the client has it. The headers that describe body
// are set by the caller; etag must not be empty.
func writeBody(w http.ResponseWriter, r *http.Request, body []byte, etag string, modified time.Time) {
	header := w.Header()
	values := [...]string{etag, "", ""} // one piece of memory for all three
	header["Etag"] = values[0:1:1]
	if !modified.IsZero() {
		values[1] = modified.UTC().Format(http.TimeFormat)
		header["Last-Modified"] = values[1:2:2]
	}
	if unchanged(r, etag, modified) {
		header.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	values[2] = strconv.Itoa(len(body))
	header["Content-Length"] = values[2:3:3]
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return
	}
	// Nobody is left to tell when the client has gone.
	_, _ = w.Write(body)
}

// appendXML appends s as XML character data or attribute value: well-formed for any bytes. What
// XML 1.0 cannot hold at all becomes U+FFFD.
func appendXML(b []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '&' || c == '<' || c == '>' || c == '"' || c == '\'' {
			plain = false
			break
		}
	}
	if plain {
		return append(b, s...)
	}
	for _, r := range s {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&#34;"...)
		case r == '\'':
			b = append(b, "&#39;"...)
		case r == '\t' || r == '\n' || r == '\r':
			b = append(b, ' ') // one element per line must stay so
		case r < 0x20 || r == 0xfffe || r == 0xffff:
			b = utf8.AppendRune(b, utf8.RuneError)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
