package web

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

// fullActivity has something of everything that a page can show.
func fullActivity(id int64) remora.Activity {
	a := activity(id, "Maze")
	names := map[string]string{}
	for _, l := range strings.Fields("en es es-PE fr de ar he pt zh-TW qu ay ht und xx") {
		names[l] = "Maze " + l
	}
	a.Name = remora.NewText(names)
	a.Authors = []remora.Author{{ID: 100005, Name: "Gonzalo"}, {ID: 100006, Name: "<b>Walter"}}
	a.Network = remora.NetworkNone
	a.Tags = []string{"maze", "two words"}
	a.Categories = []string{"math", "games", "unknown"}
	a.Versions[1].Notes = remora.NewText(map[string]string{"ar": "أسرع\n\n" + strings.Repeat("x ", 500)})
	for i, media := range []string{"image/png", "image/jpeg", "image/svg+xml"} {
		a.Screenshots = append(a.Screenshots, remora.Image{ID: int64(i), SHA256: sumOf(media), Media: media, Width: 800, Height: 600})
	}
	return a
}

func fullFeed() *fakeFeed {
	list := numbered(30)
	list[0] = fullActivity(100001)
	header := games()
	for i := range 12 {
		header.Collections = append(header.Collections, remora.Collection{
			ID: int64(i), Nickname: fmt.Sprintf("c%02d", i), Listed: i != 3, Name: remora.PlainText("en", fmt.Sprintf("Collection %d", i)),
			Items: []remora.CollectionItem{{ActivityID: 100001 + int64(i%2)}},
		})
	}
	return newFeed(header, list...)
}

func TestActivityShowsEverything(t *testing.T) {
	h := newHandlerOn(t, fullFeed())
	body := mustGet(t, h, "/en/activity/100001?sugar=0.120")
	checkPage(t, body, homes...)
	for name, tt := range map[string]struct{ from, to, want string }{
		"authors":     {`<p class="by">`, "</p>", "Made by Gonzalo <b>Walter"},
		"news":        {"<h2>What is new", "<h2>", strings.TrimSpace("in version 42 أسرع " + strings.TrimSpace(strings.Repeat("x ", 193)) + "… More about version 42")},
		"tags":        {"<h2>It is about", "<h2>", "maze two words"},
		"collections": {"<h2>It is in these collections", "</ul>", "Collection 0 Collection 2 Collection 4 Collection 6 Collection 8 Collection 10"},
		"languages":   {"<dt>Languages</dt>", "</div>", "English · Arabic · Aymara · Chinese · French · German · Haitian Creole · Hebrew and 4 more Portuguese · Quechua · Spanish · xx"},
		"connection":  {"<dt>Connection</dt>", "</div>", "It works without a connection."},
		"licence":     {"<dt>Licence</dt>", "</div>", "GPL-3.0-or-later"},
	} {
		got := said(t, body, tt.from, tt.to)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	sum := sumOf("image/jpeg").String()
	wantText(t, body,
		`<a href="/en/author/100005"><bdi>Gonzalo</bdi></a>`, `href="/en/category/math"`, `href="/en/tag/two%20words"`, `href="/en/collection/c00"`,
		`href="/en/browse?license=GPL-3.0-or-later"`, `href="/en/activity/100001/statistics"`, `href="/en/activity/100001/feed.atom"`, `href="/en/activity/100001/versions/1000011"`,
		`<a href="/preview/`+sum+`.jpg"><img src="/preview/`+sum+`.jpg" width="800" height="600" alt="Screenshot 2 of 2 of Maze en" loading="lazy"></a>`,
		`<div class="text" lang="ar" dir="rtl">`, "How do I install it?", "You may like these too")
	if n := strings.Count(said(t, body, `<h2 id="related">`, "</section>"), "What Activity"); n != relatedShown {
		t.Errorf("%d related activities", n)
	}
	wantNoText(t, said(t, body, `<h2 id="related">`, "</section>"), "Maze")
}

// TestCollectionsOfAnActivity: a page ends when the activity enters or leaves a collection, and not
// with any other collection.
func TestCollectionsOfAnActivity(t *testing.T) {
	f := fullFeed()
	h := newHandlerOn(t, f)
	const target = "/en/activity/100001"
	mustGet(t, h, target)
	edit := func(i int, change func(*remora.Collection)) bool {
		before := keptFor(t, h, target, "Sugar ")
		f.mu.Lock()
		f.header.Collections = append([]remora.Collection(nil), f.header.Collections...)
		change(&f.header.Collections[i])
		f.mu.Unlock()
		f.change(nil)
		refresh(t, h)
		mustGet(t, h, target)
		return keptFor(t, h, target, "Sugar ") != before
	}
	if edit(1, func(c *remora.Collection) { c.Name = remora.PlainText("en", "Renamed") }) {
		t.Error("another collection makes the page anew")
	}
	if !edit(2, func(c *remora.Collection) { c.Name = remora.PlainText("en", "Renamed") }) {
		t.Error("a new name is not shown")
	}
	if !edit(1, func(c *remora.Collection) { c.Items = []remora.CollectionItem{{ActivityID: 100001}} }) {
		t.Error("a new collection is not shown")
	}
	wantText(t, mustGet(t, h, target), `href="/en/collection/c01"`)
	if !edit(2, func(c *remora.Collection) { c.Listed = false }) {
		t.Error("a hidden collection is shown")
	}
	wantNoText(t, mustGet(t, h, target), `href="/en/collection/c02"`)
}

func TestLanguageNames(t *testing.T) {
	for _, tt := range []struct{ reader, tag, want string }{
		{"en", "pt", "Portuguese"}, {"es", "qu", "quechua"}, {"en", "xx", "xx"}, {"qu", "qu", "Runasimi"}, {"xx", "es", "español"}, {"en", "no tag", "no tag"}, {"en", "zh-TW", "Chinese"},
	} {
		namer := display.Languages(language.Make(tt.reader))
		if got := languageName(namer, tt.tag); got != tt.want {
			t.Errorf("%s in %s is %q, want %q", tt.tag, tt.reader, got, tt.want)
		}
	}
}

// One language more than are shown is no reason to fold the list.
func TestFewLanguagesAreNotFolded(t *testing.T) {
	h := newHandlerOn(t, newFeed(games()))
	a := remora.Activity{Name: remora.NewText(map[string]string{"en": "a", "es": "b", "fr": "c", "de": "d", "pt": "e", "it": "f", "nl": "g", "sv": "h", "fi": "i"})}
	if f := h.tongues[0].newFacts(&a); f.MoreCount != "" || strings.Count(f.Languages, listed) != 8 {
		t.Errorf("%q, and %q", f.Languages, f.MoreCount)
	}
}
