package cache

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
)

// ErrURL: a purge needs a whole URL.
var ErrURL = errors.New("not an absolute URL")

// Purge removes all that is stored for a URL, such as "https://example.org/a?b=c", and returns how
// many responses these were. Without its scheme ("//example.org/a") both http and https are meant.
// Answers to requests that were sent before are not stored any more. The error matches ErrURL.
func (c *Cache) Purge(rawURL string) (n int, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return 0, fmt.Errorf("cache: purge %q: %w; write it like https://example.org/page: %v", rawURL, ErrURL, err)
	}
	schemes := []string{strings.ToLower(u.Scheme)}
	switch schemes[0] {
	case "":
		schemes = []string{"http", "https"}
	case "http", "https":
	default:
		schemes = nil
	}
	if u.Host == "" || schemes == nil {
		return 0, fmt.Errorf("cache: purge %q: %w; write it like https://example.org/page", rawURL, ErrURL)
	}
	for _, scheme := range schemes {
		whole := *u
		whole.Scheme = scheme
		n += c.forget(&whole, whole.RequestURI())
	}
	c.count.purged.Add(int64(n))
	return n, nil
}

// PurgeTag removes all responses that had the tag in Surrogate-Key or Cache-Tag, and returns how many
// these were. Answers with that tag to requests that were sent before are not stored any more.
func (c *Cache) PurgeTag(tag string) int {
	if tag == "" || strings.HasPrefix(tag, urlTag) {
		return 0
	}
	n := c.purgeTag(tag)
	c.count.purged.Add(int64(n))
	return n
}

func (c *Cache) purgeTag(tag string) (n int) {
	for _, k := range c.index.purge(tag) {
		n += c.drop(k, func(e *entry) bool { return slices.Contains(e.tags, tag) })
	}
	return n
}

// PurgeAll removes everything and returns how many responses that were. Answers to requests that were
// sent before are not stored any more.
func (c *Cache) PurgeAll() (n int) {
	c.all.Add(1) // nothing older is served or stored from here on
	all := c.all.Load()
	for k := range c.store.Keys() {
		n += c.drop(k, func(e *entry) bool { return e.all < all })
	}
	c.count.purged.Add(int64(n))
	return n
}

// urlTag begins the tags by which responses are found by URL when keys are made by Options.Key. No
// field can have it.
const urlTag = "\x00"

// withURL adds to tags those of from that are for a URL.
func (c *Cache) withURL(tags, from []string) []string {
	for _, tag := range from {
		if strings.HasPrefix(tag, urlTag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

// forget removes what is stored for a URL, whose path and query are target, and makes answers that are
// on their way too old to be stored.
func (c *Cache) forget(u *url.URL, target string) (n int) {
	in := infoOf(u)
	in.Target = target
	gone := func(k key) {
		c.interests.changed(k)
		n += c.drop(k, func(*entry) bool { return true })
	}
	if c.o.Key == nil {
		gone(urlKey(in))
		return n
	}
	if k, ok := c.keyOf(in); ok {
		gone(k)
	}
	plain := urlKey(in)
	return n + c.purgeTag(urlTag+plain.String())
}

type counters struct {
	hits, stale, misses, validated, failed, collapsed, bypassed atomic.Int64
	stored, passed, cut, evicted, invalidated, purged           atomic.Int64
	background                                                  atomic.Int64
}

// Stats are counts since New, but for the last three.
type Stats struct {
	Hits      int64 // answered by a stored response that was fresh
	Stale     int64 // by one that was stale, while it was validated in the background
	Misses    int64 // sent on, or joined to one that was
	Validated int64 // of these: the stored response was still good
	OnError   int64 // of these: the backend failed, and a stale response was allowed in its place
	Collapsed int64 // of these: answered by what was fetched for another request
	Bypassed  int64 // not for the cache: method, body, Authorization, no-store and the like

	Stored      int64 // responses put into the store, updates included
	Passed      int64 // responses to GET that were not stored
	Cut         int64 // responses that broke off while they were being stored
	Evicted     int64 // responses removed for others
	Invalidated int64 // responses removed because something was changed by a request
	Purged      int64 // responses removed by Purge, PurgeTag and PurgeAll
	Background  int64 // validations in the background

	Resources int   // keys with something stored or known of them, about
	Bytes     int64 // what they take, about
	Pending   int64 // bytes of bodies that are being fetched to be stored
}

// Stats returns the counts. They are read one after the other while requests go on.
func (c *Cache) Stats() Stats {
	n := &c.count
	return Stats{
		Hits: n.hits.Load(), Stale: n.stale.Load(), Misses: n.misses.Load(), Validated: n.validated.Load(), OnError: n.failed.Load(),
		Collapsed: n.collapsed.Load(), Bypassed: n.bypassed.Load(),
		Stored: n.stored.Load(), Passed: n.passed.Load(), Cut: n.cut.Load(), Evicted: n.evicted.Load(), Invalidated: n.invalidated.Load(),
		Purged: n.purged.Load(), Background: n.background.Load(),
		Resources: c.store.EstimatedSize(), Bytes: int64(c.store.WeightedSize()), Pending: c.pending.Load(),
	}
}
