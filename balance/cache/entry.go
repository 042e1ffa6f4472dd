package cache

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// An entry is a stored response. It is never changed, but for its stamp.
type entry struct {
	status   int
	header   http.Header // what keepable and the tags have left
	fields   []field     // the same, for answers
	body     []byte
	length   []string // Content-Length
	by       []chosen
	control  ResponseControl
	etag     string // "" if it has none that can be read
	date     time.Time
	answered time.Time     // response_time
	initial  time.Duration // corrected_initial_age
	lifetime time.Duration
	tags     []string // for purges
	all      uint64   // Cache.all when it was asked for
	stamp    atomic.Pointer[stamp]
}

type field struct {
	name   string
	values []string
}

// A stamp is what changes in an answer from one second to the next.
type stamp struct {
	second int64
	fields [2][]string // Age, Cache-Status
}

// newEntry judges the response to a question. why says that it is not stored; the entry has no body
// yet. tags are those that the response has.
func (c *Cache) newEntry(q *question, status int, h http.Header, tags []string, asked, answered time.Time) (e *entry, why string) {
	control, targeted := controlOf(h)
	if why := storable(q, status, h, &control, targeted, c.o.Heuristic); why != "" {
		return nil, why
	}
	if len(tags) > maxTags || slices.ContainsFunc(tags, func(t string) bool { return len(t) > maxTagLen }) {
		return nil, "too many tags"
	}
	if len(h["Trailer"]) > 0 {
		return nil, "trailers"
	}
	date, dated := ParseDate(first(h, "Date"), answered)
	if !dated {
		date = answered // RFC 9110, section 6.6.1
	}
	e = &entry{
		status: status, control: control, date: date, answered: answered,
		initial:  initialAge(h, date, asked, answered),
		lifetime: lifetime(status, h, &control, targeted, date, c.o.Heuristic),
		tags:     tags,
	}
	ok := false
	if e.by, ok = chosenBy(h, q); !ok {
		return nil, "Vary"
	}
	e.header = keepable(h, &control)
	if !dated {
		e.header["Date"] = []string{date.UTC().Format(http.TimeFormat)}
	}
	if tag := first(h, "Etag"); len(h["Etag"]) == 1 && isTag(tag) {
		e.etag = tag
	}
	useless := e.etag == "" && len(h["Last-Modified"]) == 0 && !control.StaleIfError.Given && !control.StaleWhileRevalidate.Given
	if useless && (control.NoCache || e.lifetime <= e.initial) {
		return nil, "it is stale already"
	}
	return e, ""
}

// finish gives the entry its body and makes it ready for answers.
func (e *entry) finish(body []byte) {
	e.body = body
	e.length = []string{strconv.Itoa(len(body))}
	e.fields = make([]field, 0, len(e.header)+1)
	for name, values := range e.header {
		// Whoever appends to the header of an answer gets a copy.
		e.fields = append(e.fields, field{name, slices.Clip(values)})
	}
	if e.status != http.StatusNoContent {
		e.fields = append(e.fields, field{"Content-Length", e.length})
	}
}

// weight is about what the entry takes in memory.
func (e *entry) weight() int {
	const own, each = 512, 64
	n := own + len(e.body) + cap(e.fields)*each
	for name, values := range e.header {
		n += len(name) + each
		for _, v := range values {
			n += len(v) + 16
		}
	}
	for _, c := range e.by {
		n += len(c.name) + len(c.value) + len(c.line) + 64
	}
	for _, tag := range e.tags {
		n += 2*len(tag) + 2*each // the index holds it too
	}
	return n
}

// stampAt returns the fields for a plain hit.
func (e *entry) stampAt(c *Cache, k *key, now time.Time) *stamp {
	age := e.age(now)
	second := int64(age / time.Second)
	if s := e.stamp.Load(); s != nil && s.second == second {
		return s
	}
	s := &stamp{second: second}
	s.fields[0] = []string{strconv.FormatInt(second, 10)}
	s.fields[1] = e.statusLines(c.status(outcome{hit: true, ttl: e.ttl(now), known: true}, k))
	e.stamp.Store(s)
	return s
}

func (e *entry) ttl(now time.Time) time.Duration { return e.lifetime - e.age(now) }

// statusLines puts this cache's line after those of caches nearer to the server (RFC 9211, section 2).
func (e *entry) statusLines(line string) []string {
	prior := e.header["Cache-Status"]
	return append(prior[:len(prior):len(prior)], line)
}

// tagsOf takes the tags out of a header: Surrogate-Key by spaces, Cache-Tag by commas.
func tagsOf(h http.Header, keep bool) (tags []string) {
	for _, line := range h["Surrogate-Key"] {
		tags = append(tags, strings.Fields(line)...)
	}
	for _, line := range h["Cache-Tag"] {
		for tag := range strings.SplitSeq(line, ",") {
			if tag = strings.TrimSpace(tag); tag != "" {
				tags = append(tags, tag)
			}
		}
	}
	if !keep {
		delete(h, "Surrogate-Key")
		delete(h, "Cache-Tag")
	}
	if len(tags) > 1 {
		slices.Sort(tags)
		tags = slices.Compact(tags)
	}
	return tags
}

// freshened returns e as a 304, or the answer to a HEAD, has made it (RFC 9111, section 4.3.4). why
// says that it may not be stored any more; it may be used for who has asked all the same.
func (c *Cache) freshened(e *entry, q *question, h http.Header, asked, answered time.Time) (updated *entry, why string) {
	tags := tagsOf(h, c.o.KeepTags)
	if len(tags) == 0 {
		tags = e.tags
	} else {
		tags = c.withURL(tags, e.tags)
	}
	all := e.merged(h)
	if len(h["Age"]) > 0 {
		all["Age"] = h["Age"]
	}
	if len(h["Date"]) == 0 {
		delete(all, "Date") // the old one is not when this was said
	}
	// A HEAD freshens what a GET has stored.
	get := *q
	get.head = false
	updated, why = c.newEntry(&get, e.status, all, tags, asked, answered)
	if updated == nil {
		kept := &entry{status: e.status, control: e.control, date: answered, answered: answered, etag: e.etag, by: e.by}
		kept.header = keepable(all, &kept.control)
		kept.finish(e.body)
		return kept, why
	}
	updated.finish(e.body)
	return updated, ""
}
