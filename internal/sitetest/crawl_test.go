package sitetest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A crawl is a walk through everything that can be reached from the first page, in the order of the
// links: all of it where there is little, of each kind of address a few where there is much.
type crawl struct {
	rig      *rig
	each     int // of one kind of address
	others   int // of one kind, in languages other than the first
	seen     map[string]bool
	kinds    map[string]int
	queue    []step
	answers  []*answer // of status 200, bundles without their bytes
	problems map[string][]string
}

// A step is an address to go to and how one came there.
type step struct {
	address, from string
	hops          int // redirects up to here
}

// narrowedEach bounds how many lists are looked at that are narrowed or ordered by the same things.
const narrowedEach = 6

// mostAnswers bounds a crawl whatever there is.
const mostAnswers = 10_000

// mostHops is how many redirects lead to an answer at most.
const mostHops = 2

// newCrawl goes through the site, looking at no more than each addresses of one kind, and no more than
// others where they are in another language than the first: the code is the same.
func newCrawl(t testing.TB, r *rig, each, others int) *crawl {
	t.Helper()
	c := &crawl{rig: r, each: each, others: others, seen: map[string]bool{}, kinds: map[string]int{}, problems: map[string][]string{}}
	c.add(step{address: r.url + "/", from: "the start"})
	c.add(step{address: r.url + "/robots.txt", from: "the start"})
	for _, l := range r.languages {
		c.add(step{address: r.url + "/" + l + "/", from: "the start"})
	}
	for len(c.queue) > 0 {
		next := c.queue[0]
		c.queue = c.queue[1:]
		c.visit(t, next)
		if len(c.seen) > mostAnswers {
			t.Fatalf("more than %d addresses are found; the kinds of them are %v", mostAnswers, slices.Sorted(maps.Keys(c.kinds)))
		}
	}
	return c
}

func (c *crawl) add(s step) {
	u, err := url.Parse(s.address)
	if err != nil {
		c.say(s.from, "a link to %q cannot be read", s.address)
		return
	}
	if c.seen[s.address] {
		return
	}
	kind, most := kindOf(u), c.each
	first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if slices.Contains(c.rig.languages[1:], first) {
		most = c.others
	}
	if u.RawQuery != "" {
		most = min(most, narrowedEach)
	}
	if c.kinds[kind] >= most {
		return
	}
	c.kinds[kind]++
	c.seen[s.address] = true
	c.queue = append(c.queue, s)
}

func (c *crawl) say(where, format string, args ...any) {
	text := cut(fmt.Sprintf(format, args...), 300)
	if where = cut(strings.TrimPrefix(where, c.rig.url), 120); !slices.Contains(c.problems[text], where) {
		c.problems[text] = append(c.problems[text], where)
	}
}

// cut shortens what would fill the screen.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// report fails the test with every problem, and for each a few places where it is found.
func (c *crawl) report(t testing.TB) {
	t.Helper()
	for _, text := range slices.Sorted(maps.Keys(c.problems)) {
		places := c.problems[text]
		t.Errorf("%s\n\t%d times, such as %s", text, len(places), strings.Join(places[:min(len(places), 3)], ", "))
	}
}

func (c *crawl) visit(t testing.TB, s step) {
	a := c.rig.ask(t, http.MethodGet, s.address)
	if a.status != http.StatusOK && !a.moved() {
		c.say(s.address+" (from "+strings.TrimPrefix(s.from, c.rig.url)+")", "a link to %s answers %d", kindOf(a.url), a.status)
		return
	}
	first := c.kinds[kindOf(a.url)] == 1
	for _, p := range a.headerProblems() {
		c.say(s.address, "%s", p)
	}
	for _, l := range a.links() {
		next := step{address: l.address, from: s.address}
		switch {
		case l.address != c.rig.url && !strings.HasPrefix(l.address, c.rig.url+"/"):
			if l.element != "json" && !c.ownLink(a, l) { // in JSON an address is a value, which nothing follows
				c.say(s.address, "<%s rel=%q> leads to another site: %s", l.element, l.rel, l.address)
			}
			continue
		case a.moved():
			next.hops, next.from = s.hops+1, s.from
			if next.hops > mostHops {
				c.say(s.from, "more than %d redirects lead to %s", mostHops, l.address)
				continue
			}
		}
		c.add(next)
	}
	if a.moved() {
		return
	}
	if first {
		c.again(t, a)
	}
	c.content(a)
	if a.isBundle() {
		a.body = nil
	}
	c.answers = append(c.answers, a)
}

// ownLink reports whether a link is one that the activity on this page carries, in the form that
// says nothing of where its readers come from, or leads to those who run the library.
func (c *crawl) ownLink(a *answer, l link) bool {
	if l.address == "mailto:"+contact {
		return l.element == "a"
	}
	var id int64
	parts := strings.Split(a.url.Path, "/")
	for i := 0; i+1 < len(parts); i++ {
		if parts[i] == "activity" {
			if _, err := fmt.Sscan(parts[i+1], &id); err != nil {
				return false
			}
		}
	}
	activity := c.rig.library.View().Activity(id)
	if activity == nil || l.loaded {
		return false
	}
	words := strings.Fields(l.rel)
	carried := func(address string) bool {
		u, err := a.url.Parse(address) // as what was found on the page
		if err != nil {
			return false
		}
		u.Fragment, u.RawFragment = "", ""
		return unescaped(u.String()) == unescaped(l.address)
	}
	return (carried(activity.Homepage) || carried(activity.Repository)) && slices.Contains(words, "noopener") && slices.Contains(words, "nofollow")
}

var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// unescaped makes addresses equal that differ only in what is escaped in them.
func unescaped(address string) string {
	return escape.ReplaceAllStringFunc(address, func(s string) string {
		b, err := hex.DecodeString(s[1:])
		if err != nil {
			return s
		}
		return string(b)
	})
}

// again asks a second time in other ways: if it changed, for the headers only, and compressed.
func (c *crawl) again(t testing.TB, a *answer) {
	address := a.url.String()
	if tag := a.header.Get("ETag"); tag != "" {
		if b := c.rig.ask(t, http.MethodGet, address, "If-None-Match", tag); b.status != http.StatusNotModified || len(b.body) > 0 {
			c.say(address, "what has not changed answers %d with %d bytes", b.status, len(b.body))
		}
	}
	head := c.rig.ask(t, http.MethodHead, address)
	for _, name := range []string{"Content-Type", "ETag", "Cache-Control", "Content-Language"} {
		if x, y := head.header.Get(name), a.header.Get(name); head.status != http.StatusOK || x != y {
			c.say(address, "HEAD answers %d with %s %q, GET with %q", head.status, name, x, y)
		}
	}
	zipped := c.rig.ask(t, http.MethodGet, address, "Accept-Encoding", "gzip")
	if a.isBundle() {
		if e := zipped.header.Get("Content-Encoding"); e != "" {
			c.say(address, "a bundle is encoded as %s", e)
		}
		return
	}
	if plain, err := zipped.plain(); err != nil || !bytes.Equal(plain, a.body) {
		c.say(address, "compressed it is something else: %v", err)
	}
}

// content judges the bytes of an answer.
func (c *crawl) content(a *answer) {
	address := a.url.String()
	switch {
	case a.isPage():
		for _, p := range pageProblems(a.body) {
			c.say(address, "%s", p)
		}
		lang := a.header.Get("Content-Language")
		if want, _, _ := strings.Cut(strings.TrimPrefix(a.url.Path, "/"), "/"); lang != want || !bytes.Contains(a.body, []byte(`<html lang="`+lang+`"`)) {
			c.say(address, "the page is not in the language %q that it says it is in", lang)
		}
	case a.isXML():
		if err := wellFormed(a.body); err != nil {
			c.say(address, "the XML is not well-formed: %v", err)
		}
	case a.isJSON():
		if !json.Valid(a.body) {
			c.say(address, "the JSON is not valid")
		}
	case a.isBundle():
		sum := sha256.Sum256(a.body)
		named := strings.HasPrefix(a.url.Path, "/b/")
		if text := hex.EncodeToString(sum[:]); named && c.rig.genuine && !strings.Contains(a.url.Path, text) || !bytes.HasPrefix(a.body, []byte("PK")) && c.rig.genuine {
			c.say(address, "the bytes are not those of the address")
		}
		if a.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
			c.say(address, "Content-Length is %q for %d bytes", a.header.Get("Content-Length"), len(a.body))
		}
	case len(a.body) == 0:
		c.say(address, "the answer is empty")
	}
}

// wellFormed reads a document to its end.
func wellFormed(body []byte) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	depth, roots := 0, 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			if roots != 1 || depth != 0 {
				return fmt.Errorf("it has %d elements that hold all others", roots)
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
}

// judgeAll lets the parsers of others read a few documents of each kind.
func (c *crawl) judgeAll(t *testing.T, each int) {
	t.Helper()
	var documents []document
	count := map[string]int{}
	for _, a := range c.answers {
		d := document{Name: strings.TrimPrefix(a.url.String(), c.rig.url), Kind: "xml", Text: string(a.body)}
		if a.isPage() {
			d.Kind = "html"
		} else if !a.isXML() {
			continue
		}
		if kind := kindOf(a.url); count[kind] < each {
			count[kind]++
			documents = append(documents, d)
		}
	}
	for _, f := range judge(t, documents) {
		c.say(f.Name, "%s", f.Problem)
	}
}

// pages returns one page of each kind, in the order of their addresses.
func (c *crawl) pages() (list []*answer) {
	kinds := map[string]bool{}
	for _, a := range c.answers {
		if kind := kindOf(a.url); a.isPage() && !kinds[kind] {
			kinds[kind] = true
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b *answer) int { return cmp.Compare(a.url.String(), b.url.String()) })
	return list
}
