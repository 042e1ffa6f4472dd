package cache

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

// A question is what a request says that matters to a cache.
type question struct {
	head       bool
	control    RequestControl
	authorized bool
	noneMatch  []string
	modified   string // If-Modified-Since
	span       string // Range
	ifRange    string
	scheme     string
	host       string
	values     func(name string) []string
	// strips: Connection takes fields away that backends then do not see. What they answer is not what
	// others get who send these fields.
	strips bool
}

func ask(in *balance.Info) question {
	values := in.Values
	q := question{head: in.Method == http.MethodHead, scheme: in.Scheme, host: in.Host, values: values, noneMatch: values("If-None-Match")}
	for _, line := range values("Connection") {
		q.strips = q.strips || strips(line)
	}
	q.authorized = len(values("Authorization")) > 0
	if control, pragma := values("Cache-Control"), values("Pragma"); len(control)+len(pragma) > 0 {
		q.control = parseRequest(control, pragma)
	}
	one := func(name string) string {
		if lines := values(name); len(lines) == 1 {
			return lines[0]
		}
		return "" // of what is given twice nobody can say what is meant
	}
	q.modified, q.span = one("If-Modified-Since"), one("Range")
	if q.span != "" {
		q.ifRange = one("If-Range")
		if q.ifRange == "" && len(values("If-Range")) > 0 {
			q.span = "" // a condition that nobody can judge does not hold
		}
	}
	return q
}

// strips reports whether Connection names fields besides those that are never sent on.
func strips(line string) bool {
	for line != "" {
		var name string
		name, line, _ = strings.Cut(line, ",")
		name = strings.Trim(name, " \t")
		if name != "" && !strings.EqualFold(name, "close") && !unkept[http.CanonicalHeaderKey(name)] {
			return true
		}
	}
	return false
}

// plain says that the answer is a whole response with its body, whatever is found.
func (q *question) plain() bool {
	return !q.head && q.span == "" && len(q.noneMatch) == 0 && q.modified == ""
}

// conditional says that a server may answer that the client's own copy is good.
func (q *question) conditional() bool { return len(q.noneMatch) > 0 || q.modified != "" }

// understood are the final statuses whose caching rules are known here (RFC 9111, section 3: "the
// response status code is final" and must-understand).
func understood(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 302, 303, 307, 308, 401, 403, 404, 405, 410, 414, 421, 451, 500, 501, 502, 503, 504:
		return true
	}
	return false
}

// personal are statuses that tell of one request: its header, its size, its rate. Whoever could have one
// stored, by sending a field that the key does not hold, would shut everybody else out.
func personal(status int) bool {
	switch status {
	case 400, 407, 408, 411, 412, 413, 415, 416, 417, 425, 426, 428, 429, 431, 511:
		return true
	}
	return false
}

// heuristic: RFC 9110, section 15.1, without 206, which is not stored.
func heuristic(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// storable decides whether a shared cache stores the response to a GET (RFC 9111, section 3). why is
// "" if it does.
func storable(q *question, status int, h http.Header, c *ResponseControl, targeted, guess bool) (why string) {
	switch {
	case q.head:
		return "the request is a HEAD"
	case q.control.NoStore: // section 5.2.1.5
		return "the request says no-store"
	case status < 200 || status == http.StatusPartialContent || status == http.StatusNotModified:
		return "the answer is not whole"
	case personal(status):
		return "the status is about this request"
	case c.MustUnderstand && !understood(status): // section 5.2.2.3
		return "the status is not understood"
	case c.NoStore && !c.MustUnderstand: // section 5.2.2.5; with must-understand it is for others
		return "no-store"
	case c.Private: // section 5.2.2.7
		return "private"
	case q.authorized && !c.shared(): // section 3.5
		return "the request has Authorization"
	case len(h["Set-Cookie"]) > 0 && !c.Public && !slices.Contains(c.PrivateFields, "Set-Cookie") && !slices.Contains(c.NoCacheFields, "Set-Cookie"):
		// RFC 9111, section 7.3, leaves it to the server to forbid this; servers forget.
		return "Set-Cookie"
	}
	explicit := c.MaxAge.Given || c.SMaxAge.Given || c.Public || !targeted && len(h["Expires"]) > 0
	if !explicit && !c.NoCache && !(guess && heuristic(status)) {
		return "no lifetime"
	}
	return ""
}

// shared: the response may be used for others than who has sent Authorization (RFC 9111, section 3.5).
func (c *ResponseControl) shared() bool { return c.MustRevalidate || c.Public || c.SMaxAge.Given }

// lifetime is how long the response is fresh (RFC 9111, section 4.2.1), and whether that is a guess.
func lifetime(status int, h http.Header, c *ResponseControl, targeted bool, date time.Time, guess bool) time.Duration {
	switch {
	case c.SMaxAge.Given:
		return c.SMaxAge.Time
	case c.MaxAge.Given:
		return c.MaxAge.Time
	case !targeted && len(h["Expires"]) > 0:
		// Section 5.3: what cannot be read, or is given twice and not the same, is in the past.
		lines := h["Expires"]
		for _, line := range lines[1:] {
			if line != lines[0] {
				return 0
			}
		}
		if at, ok := ParseDate(lines[0], date); ok {
			return max(0, min(at.Sub(date), MaxAge))
		}
		return 0
	case guess && (heuristic(status) || c.Public):
		// Section 4.2.2: a tenth of what has passed since the last change, at most a day.
		if at, ok := ParseDate(first(h, "Last-Modified"), date); ok && at.Before(date) {
			return min(date.Sub(at)/10, 24*time.Hour)
		}
	}
	return 0
}

// initialAge is corrected_initial_age of RFC 9111, section 4.2.3.
func initialAge(h http.Header, date, asked, answered time.Time) time.Duration {
	apparent := max(0, answered.Sub(date))
	corrected := ageOf(h) + max(0, answered.Sub(asked))
	return min(max(apparent, corrected), MaxAge)
}

// age is current_age of RFC 9111, section 4.2.3.
func (e *entry) age(now time.Time) time.Duration {
	return min(e.initial+max(0, now.Sub(e.answered)), MaxAge)
}

// A use is how a stored response may serve a request.
type use uint8

const (
	fresh    use = iota // as it is
	stale               // after a validation, since its time is up
	demanded            // after a validation, since the request wants one
	foreign             // not at all: it is for requests without Authorization
)

// reuse decides how e, which matches by key and Vary, may serve the request (RFC 9111, section 4).
func (e *entry) reuse(q *question, now time.Time) use {
	age := e.age(now)
	switch {
	case q.authorized && !e.control.shared(): // section 3.5
		return foreign
	case q.control.NoCache, // section 5.2.1.4
		q.control.MaxAge.Given && (q.control.MaxAge.Time == 0 || age > q.control.MaxAge.Time), // section 5.2.1.1
		q.control.MinFresh.Given && e.lifetime-age < q.control.MinFresh.Time:                  // section 5.2.1.3
		return demanded
	case e.control.NoCache || age >= e.lifetime: // sections 5.2.2.4 and 4.2
		// max-stale of the request (section 5.2.1.2) is an offer that is not taken: stale responses
		// are served only where the response itself allows it.
		return stale
	}
	return fresh
}

// mayServeStale decides whether e may be served although its time is up: only for as long as the
// response allows, by stale-while-revalidate or stale-if-error (RFC 5861), and never against a
// directive that forbids it (RFC 9111, section 4.2.4) or a request that wants better.
func (e *entry) mayServeStale(q *question, window Delta, now time.Time) bool {
	c := &e.control
	if !window.Given || c.NoCache || c.MustRevalidate || c.ProxyRevalidate || c.SMaxAge.Given {
		return false // s-maxage: section 5.2.2.10
	}
	return e.reuse(q, now) == stale && e.age(now)-e.lifetime <= window.Time
}

// failing are the statuses that stale-if-error is for (RFC 5861, section 4).
func failing(status int) bool {
	return status == 500 || status == 502 || status == 503 || status == 504
}

// unkept are fields that are never stored (RFC 9111, section 3.1), that of another cache's bookkeeping,
// and those made anew for each answer. What Connection lists is added to them.
var unkept = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Transfer-Encoding": true, "Upgrade": true, "Trailer": true,
	"Proxy-Authenticate": true, "Proxy-Authentication-Info": true, "Proxy-Authorization": true,
	"Age": true, "Content-Length": true,
}

// keepable returns a copy of what may be stored of h: without fields that are for one connection, for
// one client, or for use after a validation only (sections 3.1, 5.2.2.4, 5.2.2.7).
func keepable(h http.Header, c *ResponseControl) http.Header {
	kept := make(http.Header, len(h)+1)
	for name, values := range h {
		if !unkept[name] && !strings.HasPrefix(name, http.TrailerPrefix) {
			kept[name] = values
		}
	}
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(kept, http.CanonicalHeaderKey(strings.Trim(name, " \t")))
		}
	}
	for _, name := range c.NoCacheFields {
		delete(kept, name)
	}
	for _, name := range c.PrivateFields {
		delete(kept, name)
	}
	return kept
}

func first(h http.Header, name string) string {
	if lines := h[name]; len(lines) > 0 {
		return lines[0]
	}
	return ""
}
