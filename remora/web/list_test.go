package web

import (
	"context"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

var (
	cardLink = regexp.MustCompile(`<h3><a href="/en/activity/(\d+)"`)
	nextLink = regexp.MustCompile(`<a class="go" rel="next" href="([^"]+)"`)
)

// idsOf returns the activities on a page of a list, and the address of the next page.
func idsOf(body string) (ids []string, next string) {
	for _, m := range cardLink.FindAllStringSubmatch(body, -1) {
		ids = append(ids, m[1])
	}
	if m := nextLink.FindStringSubmatch(body); m != nil {
		next = html.UnescapeString(m[1])
	}
	return ids, next
}

// A reader who follows the next links sees each of 137 activities once, in every order, although
// others come, change and go meanwhile.
func TestBrowseShowsEverythingOnce(t *testing.T) {
	for _, sort := range []string{"updated", "newest", "name", "popular"} {
		t.Run(sort, func(t *testing.T) {
			list := numbered(137)
			f := newFeed(games(), list...)
			h := newHandlerOn(t, f)
			var want []string
			for _, a := range list {
				want = append(want, fmt.Sprint(a.ID))
			}
			var got []string
			path := "/en/category/games?sort=" + sort
			for page := 0; path != ""; page++ {
				if page > 20 {
					t.Fatal("the list does not end")
				}
				body := mustGet(t, h, path)
				checkPage(t, body)
				ids, next := idsOf(body)
				if next != "" && len(ids) != pageSize {
					t.Errorf("%s has %d activities", path, len(ids))
				}
				if page > 0 {
					wantText(t, body, "First page")
				}
				got = append(got, ids...)
				path = next
				// Something new behind and before every place, and something seen that goes.
				come := activity(int64(300000+page), fmt.Sprintf("Activity %03d and a half", page*20))
				f.change([]remora.Activity{come})
				if page == 2 {
					f.change(nil, 300000)
				}
				if err := h.library.Refresh(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			seen := map[string]int{}
			for _, id := range got {
				if seen[id]++; seen[id] > 1 {
					t.Errorf("activity %s is shown twice", id)
				}
			}
			var old []string
			for _, id := range got {
				if !strings.HasPrefix(id, "3") {
					old = append(old, id)
				}
			}
			slices.Sort(old)
			if diff := cmp.Diff(want, old); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCollectionPages(t *testing.T) {
	list := numbered(bundleSize + 5)
	header := games()
	c := remora.Collection{Nickname: "big & <odd>/name", Listed: true, DefaultLocale: "en"}
	for _, a := range list {
		c.Items = append(c.Items, remora.CollectionItem{ActivityID: a.ID})
	}
	header.Collections = []remora.Collection{c}
	h := newHandlerOn(t, newFeed(header, list...))
	home := mustGet(t, h, "/en/")
	m := regexp.MustCompile(`<h3><a href="(/en/collection/[^"]+)"`).FindStringSubmatch(home)
	if m == nil {
		t.Fatal("the home page does not lead to the collection")
	}
	var got []string
	pages := 0
	for path := html.UnescapeString(m[1]); path != ""; pages++ {
		body := mustGet(t, h, path)
		checkPage(t, body)
		wantText(t, body, "<h1>big &amp; &lt;odd&gt;/name</h1>", `<p class="up"><a href="/en/collections">Collections</a></p>`, `href="/en/school#groups"`)
		var ids []string
		ids, path = idsOf(body)
		got = append(got, ids...)
	}
	if len(got) != len(list) || pages != 2 {
		t.Errorf("%d activities on %d pages", len(got), pages)
	}
}

func TestUnlistedIsInNoList(t *testing.T) {
	hidden := activity(100009, "Hidden thing")
	hidden.Listed = false
	awaiting := activity(100010, "Awaiting thing")
	for i := range awaiting.Versions {
		awaiting.Versions[i].State = remora.StateAwaiting
	}
	header := games()
	header.Collections = []remora.Collection{{Nickname: "c", Listed: true, Items: []remora.CollectionItem{{ActivityID: 100009}, {ActivityID: 100010}}}}
	h := newHandlerOn(t, newFeed(header, append(numbered(3), hidden, awaiting)...))
	for _, path := range []string{"/en/", "/en/browse", "/en/category/games", "/en/search?q=thing", "/en/collection/c"} {
		wantNoText(t, mustGet(t, h, path), "Hidden thing", "Awaiting thing")
	}
	body := mustGet(t, h, "/en/activity/100009")
	wantText(t, body, "Hidden thing", `content="noindex"`, "This activity is not in the lists")
	body = mustGet(t, h, "/en/activity/100010")
	wantText(t, body, "There is no finished version yet.", `content="noindex"`, "It waits for review.")
	wantNoText(t, body, "/b/")
	wantNoText(t, mustGet(t, h, "/en/activity/100010/versions"), "/b/")
}

func TestSearchGoesOn(t *testing.T) {
	h := newHandlerOn(t, newFeed(games(), numbered(2*pageSize+1)...))
	seen := map[string]bool{}
	pages := 0
	for path := "/en/search?q=activity"; path != ""; pages++ {
		body := mustGet(t, h, path)
		checkPage(t, body)
		wantText(t, body, "41 activities found")
		var ids []string
		ids, path = idsOf(body)
		for _, id := range ids {
			if seen[id] {
				t.Errorf("%s is found twice", id)
			}
			seen[id] = true
		}
	}
	if len(seen) != 2*pageSize+1 || pages != 3 {
		t.Errorf("%d activities on %d pages", len(seen), pages)
	}
}

func TestShorten(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"short", 10, "short"},
		{"some words to cut", 14, "some words…"},
		{"unbreakableword", 10, "unbreak…"},
		{"漢字漢字漢字", 10, "漢字…"},
		{"\xff\xfe\xff\xfe\xff\xfe\xff\xfe", 5, "\xff\xfe…"},
		{"\x80\x80\x80\x80\x80\x80", 5, "…"},
	} {
		if got := shorten(tt.in, tt.n); got != tt.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}
