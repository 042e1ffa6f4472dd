package sitetest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
)

// An oldLink is an address of the old site, as it stands in wikis, mails and the memory of laptops.
type oldLink struct {
	address string
	page    string   // where it leads below the language; "*": wherever
	media   []string // or what it is, where it is no page
	plain   bool     // its way must not lead to HTTPS: old laptops do not follow
	absent  bool     // or the answer may be that there is no such thing, in plain words
}

// The locales of the old site's addresses: POSIX and BCP 47, with an application, and of a language
// there are no pages in.
var oldLocales = []string{"en-US", "en", "es-ES", "es_PE", "fr", "ar", "pt-BR", "ja-JP-mac", "sr-Latn", "qu"}

var oldQueries = []string{"", "src=external", "utm_source=mail&x=%C3%A9+%26"}

const (
	feedMedia   = "application/rss+xml"
	bundleMedia = "application/vnd.olpc-sugar"
)

// oldLinks generates addresses of every family that the old site had.
func oldLinks() (list []oldLink) {
	var prefixes []string
	for _, l := range oldLocales {
		prefixes = append(prefixes, "/"+l+"/sugar", "/"+l+"/firefox")
		if _, err := language.Parse(l); err == nil {
			prefixes = append(prefixes, "/"+l) // ASLO never wrote the others without an application
		}
	}
	prefixes = append(prefixes, "/sugar", "")
	add := func(l oldLink, queries []string) {
		for _, q := range queries {
			with := l
			if q != "" {
				sign := "?"
				if strings.Contains(l.address, "?") {
					sign = "&"
				}
				with.address += sign + q
			}
			list = append(list, with)
		}
	}
	a := catalogtest.Activity(3)
	v := a.Versions[0]
	category := catalogtest.Categories()[2]
	for i, prefix := range prefixes {
		queries := oldQueries[i%len(oldQueries) : i%len(oldQueries)+1]
		page := func(address, page string) { add(oldLink{address: prefix + address, page: page}, queries) }
		activity := fmt.Sprintf("/activity/%d", a.ID)
		page(fmt.Sprintf("/addon/%d", a.ID), activity)
		page(fmt.Sprintf("/addon/%d/", a.ID), activity)
		page(fmt.Sprintf("/addons/versions/%d", a.ID), activity+"/versions")
		page(fmt.Sprintf("/user/%d", 100_002), "*")
		page("/collection/many", "/collection/many")
		page("/collection/0f0e0d0c-0000-4000-8000-000000000001", "/collection/many")
		page(fmt.Sprintf("/browse/type:1/cat:%d/sort:popular", category.ID), "/category/"+category.Slug)
		page("/browse/type:1/cat:all/sort:newest", "/browse")
		page("/search?q=boats", "/search")
		feed := func(address string) {
			add(oldLink{address: prefix + address, media: []string{feedMedia}}, queries)
		}
		feed(fmt.Sprintf("/browse/type:1/cat:%d/sort:updated/format:rss", category.ID))
		feed(fmt.Sprintf("/addons/versions/%d/format:rss", a.ID))
		bundle := func(address string) {
			add(oldLink{address: prefix + address, media: []string{bundleMedia}, plain: true}, queries)
		}
		bundle(fmt.Sprintf("/downloads/file/%d", v.FileID))
		bundle(fmt.Sprintf("/downloads/file/%d/%s", v.FileID, v.Filename))
		bundle(fmt.Sprintf("/downloads/latest/%d", a.ID))
		bundle(fmt.Sprintf("/downloads/latest/%d/addon-%d-latest.xo", a.ID, a.ID))
		add(oldLink{address: prefix + fmt.Sprintf("/versions/updateInfo/%d/%s", v.ID, "es"), media: []string{"text/html", "application/xhtml+xml"}, plain: true}, queries)
		images := []string{"image/svg+xml", "image/png", "image/jpeg"}
		add(oldLink{address: prefix + fmt.Sprintf("/images/addon_icon/%d/1240000000", a.ID), media: images}, queries)
		for _, size := range []string{"t", "p"} {
			add(oldLink{address: prefix + fmt.Sprintf("/images/%s/%d/1240000000", size, 7), media: images, absent: true}, queries)
		}
	}
	for _, q := range oldQueries {
		one := func(l oldLink) { add(l, []string{q}) }
		one(oldLink{address: fmt.Sprintf("/activities/%d/%s", a.ID, v.Filename), media: []string{bundleMedia}, plain: true})
		one(oldLink{address: "/AMOSearch.xml", media: []string{"application/opensearchdescription+xml", "text/xml"}})
		one(oldLink{address: "/app/" + a.BundleID + ".html", page: fmt.Sprintf("/activity/%d", a.ID)})
		for _, update := range []string{"/services/update-aslo.php", "/update/VersionCheck.php"} {
			one(oldLink{address: update + "?id=" + a.BundleID + "&appVersion=0.120", media: []string{"text/xml"}, plain: true})
		}
		one(oldLink{address: "/services/micro-format.php?collection_nickname=many&lang=es_PE&sugar=0.120", media: []string{"text/html"}, plain: true})
	}
	return list
}

// TestOldLinks follows them all, on a site whose public address is HTTPS and which is asked over
// HTTP, as old laptops do.
func TestOldLinks(t *testing.T) {
	r := newMadeUp(t, 40, "https")
	links := oldLinks()
	if len(links) < 300 {
		t.Fatalf("only %d addresses", len(links))
	}
	for _, l := range links {
		for _, p := range r.follow(t, l) {
			t.Errorf("%s: %s", l.address, p)
		}
	}
	t.Logf("%d addresses", len(links))
}

// follow goes where an old link leads and returns what is wrong with it.
func (r *rig) follow(t testing.TB, l oldLink) (problems []string) {
	t.Helper()
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	a := r.ask(t, http.MethodGet, l.address)
	asked := a.url
	hops := 0
	for ; a.moved(); hops++ {
		to, err := a.url.Parse(a.header.Get("Location"))
		if err != nil || hops == mostHops {
			say("after %d redirects it leads to %q: %v", hops, a.header.Get("Location"), err)
			return problems
		}
		if to.Host != asked.Host || l.plain && to.Scheme != "http" {
			say("it leads to %s", to)
			return problems
		}
		to.Scheme = "http"
		a = r.ask(t, http.MethodGet, to.String())
	}
	switch {
	case a.status == http.StatusNotFound && l.absent && a.media() == "text/plain":
		return problems
	case a.status != http.StatusOK:
		say("it ends in %d at %s", a.status, a.url)
		return problems
	}
	for name, values := range asked.Query() {
		if got := a.url.Query()[name]; !slices.Equal(got, values) {
			say("of the query, %s=%q became %q", name, values, got)
		}
	}
	if l.page == "" {
		if !slices.Contains(l.media, a.media()) {
			say("it is %s, not one of %v", a.media(), l.media)
		}
		if strings.Contains(asked.Path, "update-aslo") || strings.Contains(asked.Path, "VersionCheck") || strings.Contains(asked.Path, "micro-format") {
			if strings.Contains(string(a.body), "https://127.0.0.1") {
				say("who asks over HTTP is sent to HTTPS")
			}
		}
		return problems
	}
	if want := "/" + r.pageLanguage(asked) + l.page; l.page != "*" && a.url.Path != want {
		say("it leads to %s, not to %s", a.url.Path, want)
	}
	if !a.isPage() {
		say("it is %s, not a page", a.media())
	}
	return problems
}

// pageLanguage returns the language of the page that an old address leads to: the one of its
// locale, else the nearest there is, else English.
func (r *rig) pageLanguage(u *url.URL) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	base, _, _ := strings.Cut(strings.ReplaceAll(first, "_", "-"), "-")
	if base == "qu" {
		base = "es" // what those who read Quechua read too (CLDR, language matching)
	}
	if slices.Contains(r.languages, base) && slices.Contains(oldLocales, first) {
		return base
	}
	return "en"
}

// TestOldUpdates reads what an old laptop is told, and fetches what it is told to fetch.
func TestOldUpdates(t *testing.T) {
	r := newMadeUp(t, 40, "https")
	a := catalogtest.Activity(0)
	body := r.get(t, "/services/update-aslo.php?id="+a.BundleID, "User-Agent", "Sugar/0.120").body
	var rdf struct {
		Descriptions []struct {
			Link string `xml:"targetApplication>Description>updateLink"`
		} `xml:"Description"`
	}
	if err := xml.Unmarshal(body, &rdf); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	var links []string
	for _, d := range rdf.Descriptions {
		if d.Link != "" {
			links = append(links, d.Link)
		}
	}
	if len(links) != 1 || !strings.HasPrefix(links[0], r.url+"/") || !strings.HasSuffix(links[0], ".xo") {
		t.Fatalf("the update is at %q", links)
	}
	if b := r.get(t, links[0], "User-Agent", "Sugar/0.120"); !b.isBundle() {
		t.Errorf("%s is %s", links[0], b.media())
	}
}
