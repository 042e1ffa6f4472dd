package web

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

func TestListsOfTheirOwn(t *testing.T) {
	list := mixed(120)
	list[2].Tags = []string{"a/b & <c>?", "..", strings.Repeat("long", 100)}
	h := newHandlerOn(t, newFeed(games(), list...))
	for path, says := range map[string][]string{
		"/en/category/games":             {"<h1>Games</h1>", "60 activities", `<a href="/en/categories">Categories</a>`, `href="/en/feed/category/games.atom"`},
		"/en/category/games?license=MIT": {"<h1>Games</h1>", "20 activities", `aria-label="Chosen"`},
		"/en/tag/PLAY":                   {`<h1 dir="auto">Play</h1>`, "80 activities", `<link rel="canonical" href="http://example.com/en/tag/play">`, `href="/en/tags"`},
		"/en/tag/two%20words":            {`<h1 dir="auto">two words</h1>`, "119 activities"},
		"/en/tag/a%2Fb%20&%20%3Cc%3E%3F": {`<h1 dir="auto">a/b &amp; &lt;c&gt;?</h1>`, "1 activity"},
		"/en/author/100002":              {`<h1 dir="auto">Author &lt;1&gt;</h1>`, "24 activities"},
		"/en/categories":                 {"<h1 class=\"top\">Categories</h1>", `href="/en/category/games"`, ">Games<", "<small>60</small>", `<p><a href="/en/tags">Tags</a></p>`},
		"/en/tags":                       {"<h1 class=\"top\">Tags</h1>", `href="/en/tag/two%20words"`, "<small>119</small>", "<small>80</small>", "a/b &amp; &lt;c&gt;?"},
	} {
		t.Run(path, func(t *testing.T) {
			body := mustGet(t, h, path)
			checkPage(t, body)
			wantText(t, body, says...)
		})
	}
	for _, path := range []string{
		"/en/category/none", "/en/category/Games", "/en/category/", "/en/tag/none", "/en/tag/", "/en/tag/" + strings.Repeat("long", 100), "/en/tag/%FF",
		"/en/author/7", "/en/author/0100002", "/en/author/x", "/en/author/99999999999999999999", "/en/author/100002/x",
	} {
		w := get(h, path)
		if w.Code != 404 {
			t.Errorf("%.40s answers %d", path, w.Code)
		}
		checkPage(t, w.Body.String())
	}
	for path, want := range map[string]string{
		"/en/browse?category=games&sort=name&license=MIT": "/en/category/games?license=MIT&sort=name",
		"/en/browse?tag=two+words":                        "/en/tag/two%20words",
		"/en/browse?author=100002&size=1":                 "/en/author/100002?size=1",
		"/en/browse?category=//evil.example":              "/en/category/%2F%2Fevil.example",
	} {
		if w := get(h, path); w.Code != 302 || w.Header().Get("Location") != want {
			t.Errorf("%s: %d %q, want %q", path, w.Code, w.Header().Get("Location"), want)
		}
	}
}

func TestNoWordsYet(t *testing.T) {
	h := newHandlerOn(t, newFeed(remora.Header{}))
	for path, says := range map[string]string{
		"/en/categories": "There are no categories yet.", "/en/tags": "No activity has a tag yet.", "/en/collections": "There are no collections yet.",
		"/en/browse": "There is nothing in this list yet.", "/en/search?q=x": "Nothing was found.",
	} {
		body := mustGet(t, h, path)
		checkPage(t, body)
		wantText(t, body, says)
		wantNoText(t, body, `<p><a href="/en/tags"`, `<nav class="sorts"`)
	}
}

// All listed collections are found from the home page, each once, page by page.
func TestCollectionsPages(t *testing.T) {
	for _, n := range []int{shownGroups, shownGroups + 1, 2*groupsOnPage + 1} {
		header := games()
		for i := range n {
			header.Collections = append(header.Collections,
				remora.Collection{Nickname: fmt.Sprintf("c%03d &", i), Listed: true, Items: []remora.CollectionItem{{ActivityID: 100001}}},
				remora.Collection{Nickname: fmt.Sprintf("c%03d secret", i)})
		}
		h := newHandlerOn(t, newFeed(header, numbered(3)...))
		home := mustGet(t, h, "/en/")
		checkPage(t, home)
		if got := strings.Contains(home, `<a href="/en/collections">All collections</a>`); got != (n > shownGroups) {
			t.Errorf("%d collections: the home page leads to all of them: %t", n, got)
		}
		link := regexp.MustCompile(`<h3><a href="/en/collection/([^"]+)"`)
		if got := len(link.FindAllString(home, -1)); got != shownGroups {
			t.Errorf("%d collections on the home page", got)
		}
		var got []string
		for path := "/en/collections"; path != ""; {
			body := mustGet(t, h, path)
			checkPage(t, body)
			wantNoText(t, body, "secret")
			for _, m := range link.FindAllStringSubmatch(body, -1) {
				got = append(got, m[1])
			}
			path = ""
			if m := nextLink.FindStringSubmatch(body); m != nil {
				path = html.UnescapeString(m[1])
			}
		}
		if len(got) != n {
			t.Fatalf("%d collections are listed, there are %d", len(got), n)
		}
		for i, nickname := range got {
			if want := fmt.Sprintf("c%03d%%20&amp;", i); nickname != want {
				t.Errorf("collection %d is %q, want %q", i, nickname, want)
			}
		}
	}
}
