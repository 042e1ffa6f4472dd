package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// How many activities stand where.
const (
	pageSize    = 20 // in a list
	shelfSize   = 6  // in each part of the home page: whole rows of one, two or three
	smallSize   = 9  // a library as small is shown whole on the home page
	ringSize    = 8  // around the figure on the home page
	foundSize   = 40 // in the results of a search
	bundleSize  = 60 // on one page of a collection
	shownGroups = 12 // collections named on the home page
	facesShown  = 5  // activities whose picture stands for a collection
)

// A homePage is the content of home.html.
type homePage struct {
	Search      searchBox
	Total       string
	Ring        []card
	RingTitle   string
	Newest      []card
	Popular     []card
	All         []card // instead of both, where the library is small
	NewestHref  string
	PopularHref string
	BrowseHref  string
	Categories  []link
	Collections []groupCard
	Start       []string // commands that fill an empty catalog
}

// A groupCard is a collection in a list.
type groupCard struct {
	Href        string
	Name        phrase
	Description phrase
	Count       string
	Faces       []face // of its first activities
}

// A face is an activity's picture alone.
type face struct {
	Icon string
	XO   int
}

func (h *Handler) serveHome(w http.ResponseWriter, v *visit) {
	l := v.tongue
	total := v.view.Count("")
	p := homePage{
		NewestHref:  l.browsePath(url.Values{"sort": {remora.SortNewest.String()}}),
		PopularHref: l.browsePath(url.Values{"sort": {remora.SortPopular.String()}}),
		BrowseHref:  l.browsePath(nil),
		Total:       l.n("%s activity", "%s activities", total),
		Categories: v.categoryLinks(func(slug string) string {
			return l.browsePath(url.Values{"category": {slug}})
		}, ""),
		Collections: v.groupCards(),
	}
	if total == 0 {
		p.Start = h.hint()
	}
	featured, _ := v.view.List(remora.SortFeatured, "", remora.Cursor{}, ringSize)
	popular, _ := v.view.List(remora.SortPopular, "", remora.Cursor{}, ringSize)
	p.Ring, p.RingTitle = v.newCards(featured), l.t("Featured")
	if len(featured) == 0 {
		p.Ring, p.RingTitle = v.newCards(popular), l.t("Loved by many")
	}
	if total <= smallSize {
		all, _ := v.view.List(remora.SortName, "", remora.Cursor{}, smallSize)
		p.All = v.newCards(all)
	} else {
		newest, _ := v.view.List(remora.SortNewest, "", remora.Cursor{}, shelfSize)
		p.Newest = v.newCards(newest)
		popular = popular[:min(len(popular), shelfSize)]
		if len(popular) > 0 && popular[0].Downloads == 0 {
			popular = nil // nothing has been downloaded yet: the shelf would repeat the one above
		}
		p.Popular = v.newCards(popular)
		for i, a := range newest {
			if day := l.day(a.Created); day.Text != "" {
				p.Newest[i].Note = l.t("Added %s", day.Text)
			}
		}
		for i, a := range popular {
			p.Popular[i].Note = l.downloads(a.Downloads)
		}
	}
	f := v.newFrame("", nil)
	p.Search.Action = f.Search
	f.BigSearch, f.Body = true, p
	f.at(v, "", nil)
	h.show(w, v, "home", f, "")
}

// downloads says how often an activity was downloaded, nothing where nobody has counted.
func (l *tongue) downloads(n int64) string {
	if n <= 0 {
		return ""
	}
	// Plural rules look at the last digits only; this keeps them and fits every platform's int.
	const tail = 1_000_000
	count := int(n)
	if n >= tail {
		count = int(n%tail) + tail
	}
	return l.plural("%s download", "%s downloads", count, l.number(n))
}

func (v *visit) groupCards() []groupCard {
	var cards []groupCard
	for i := range v.view.Collections() {
		c := &v.view.Collections()[i]
		if !c.Listed || len(cards) == shownGroups {
			continue
		}
		name := v.groupName(c)
		description := v.tongue.say(c.Description, c.DefaultLocale)
		description.Value = shorten(description.Value, maxSummary)
		members := v.members(c)
		card := groupCard{
			Href: v.tongue.collectionPath(c.Nickname), Name: name, Description: description,
			Count: v.tongue.n("%s activity", "%s activities", len(members)),
		}
		for _, m := range members[:min(len(members), facesShown)] {
			xo := pairOf(m.activity.ID)
			card.Faces = append(card.Faces, face{v.icon(m.activity, xo), xo})
		}
		cards = append(cards, card)
	}
	return cards
}

func (v *visit) groupName(c *remora.Collection) phrase {
	name := v.tongue.say(c.Name, c.DefaultLocale)
	if name.Value == "" {
		name.Value = c.Nickname
	}
	name.Value = shorten(name.Value, maxNameShown)
	return name
}

// findList returns the list at a path, nil if there is none.
func (h *Handler) findList(rest []string) page {
	switch {
	case len(rest) == 1 && rest[0] == "browse":
		return h.serveBrowse
	case len(rest) == 1 && rest[0] == "search":
		return h.serveSearch
	case len(rest) == 2 && rest[0] == "collection":
		return func(w http.ResponseWriter, v *visit) { h.serveCollection(w, v, rest[1]) }
	}
	return nil
}

// A browsePage is the content of browse.html.
type browsePage struct {
	Title      phrase
	Count      string
	Cards      []card
	Sorts      []link
	Categories []link
	AllHref    string // the list of all categories
	AllCount   string
	Category   string
	First      string // address of the first page, "" on it
	Next       string // address of the next page, "" on the last
}

func (h *Handler) serveBrowse(w http.ResponseWriter, v *visit) {
	l, q := v.tongue, v.query
	title := phrase{Value: l.t("All activities")}
	if q.category != "" {
		i := slices.IndexFunc(v.view.Categories(), func(c remora.Category) bool { return c.Slug == q.category })
		if i < 0 {
			h.fail(w, v, faultNotFound)
			return
		}
		if title = l.say(v.view.Categories()[i].Name, "en"); title.Value == "" {
			title.Value = q.category
		}
	}
	after, err := decodePlace(byte(q.sort), q.after)
	if err != nil {
		h.fail(w, v, faultPlace)
		return
	}
	// params are those of the list; a place comes on top.
	params := func(category string, sort remora.Sort, place string) url.Values {
		values := url.Values{}
		if category != "" {
			values.Set("category", category)
		}
		if sort != remora.SortUpdated {
			values.Set("sort", sort.String())
		}
		if place != "" {
			values.Set("after", place)
		}
		return values
	}
	list, more := v.view.List(q.sort, q.category, after, pageSize)
	total := max(v.view.Count(q.category), 0)
	if q.sort == remora.SortFeatured {
		total = -1 // the counts are of all activities, not of those that are featured
	}
	p := browsePage{
		Title: title, Cards: v.newCards(list), Category: q.category,
		AllHref: l.browsePath(params("", q.sort, "")), AllCount: l.number(int64(max(v.view.Count(""), 0))),
		Categories: v.categoryLinks(func(slug string) string { return l.browsePath(params(slug, q.sort, "")) }, q.category),
	}
	if total >= 0 {
		p.Count = l.n("%s activity", "%s activities", total)
	}
	for i, a := range list {
		p.Cards[i].Note = l.noteFor(q.sort, a)
	}
	for _, s := range []struct {
		sort remora.Sort
		name string
	}{
		{remora.SortUpdated, l.t("Last updated")}, {remora.SortNewest, l.t("Newest")},
		{remora.SortPopular, l.t("Most downloaded")}, {remora.SortName, l.t("Name")},
	} {
		p.Sorts = append(p.Sorts, link{Href: l.browsePath(params(q.category, s.sort, "")), Name: phrase{Value: s.name}, Current: s.sort == q.sort})
	}
	f := v.newFrame(title.Value, nil)
	if q.after != "" {
		p.First = l.browsePath(params(q.category, q.sort, ""))
		f.NoIndex = true // a place is not a page to keep
	}
	if more {
		next := encodePlace(byte(q.sort), remora.CursorOf(q.sort, list[len(list)-1]))
		p.Next = l.browsePath(params(q.category, q.sort, next))
		f.Next = p.Next
	}
	f.Body = p
	f.at(v, "browse", params(q.category, q.sort, q.after))
	h.show(w, v, "browse", f, "")
}

// noteFor says of an activity what the order of the list is by.
func (l *tongue) noteFor(sort remora.Sort, a *remora.Activity) string {
	switch sort {
	case remora.SortPopular:
		return l.downloads(a.Downloads)
	case remora.SortNewest:
		if day := l.day(a.Created); day.Text != "" {
			return l.t("Added %s", day.Text)
		}
	case remora.SortUpdated:
		if day := l.day(a.Updated); day.Text != "" {
			return l.t("Updated %s", day.Text)
		}
	}
	return ""
}

// A searchPage is the content of search.html.
type searchPage struct {
	Search searchBox
	Cards  []card
	Count  string
	More   bool // there is more than is shown
	Browse string
}

func (h *Handler) serveSearch(w http.ResponseWriter, v *visit) {
	l, text := v.tongue, v.query.search
	f := v.newFrame(l.t("Search"), nil)
	p := searchPage{Search: searchBox{Action: f.Search, Query: text}, Browse: f.Browse}
	params := url.Values{}
	if text != "" {
		found := v.view.Search(text, l.tag, foundSize+1)
		if p.More = len(found) > foundSize; p.More {
			found = found[:foundSize]
		}
		p.Cards = v.newCards(found)
		p.Count = l.n("%s activity found", "%s activities found", len(found))
		f.Title = l.t("Search for “%s”", text)
		params.Set("q", text)
	}
	f.Query, f.BigSearch, f.NoIndex, f.Body = text, true, true, p
	f.at(v, "search", params)
	h.show(w, v, "search", f, "")
}

// A groupPage is the content of collection.html.
type groupPage struct {
	Name        phrase
	Description []string
	Phrase      phrase // language and direction of the description
	Nickname    string
	Count       string
	Updated     date
	Cards       []card
	First, Next string
}

// A member is an entry of a collection that is there to be shown.
type member struct {
	item     *remora.CollectionItem
	activity *remora.Activity
}

// members returns the entries of a collection whose activities are in lists.
func (v *visit) members(c *remora.Collection) []member {
	list := make([]member, 0, len(c.Items))
	for i := range c.Items {
		if a := v.view.Activity(c.Items[i].ActivityID); a != nil && a.InLists() {
			list = append(list, member{&c.Items[i], a})
		}
	}
	return list
}

func (h *Handler) serveCollection(w http.ResponseWriter, v *visit, ref string) {
	l := v.tongue
	c := v.view.Collection(ref)
	if c == nil {
		h.fail(w, v, faultNotFound)
		return
	}
	path := "collection/" + url.PathEscape(c.Nickname)
	if ref != c.Nickname {
		redirect(w, http.StatusFound, "/"+l.tag+"/"+path)
		return
	}
	list := v.members(c)
	from := 0
	if v.query.after != "" {
		n, err := strconv.ParseUint(v.query.after, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != v.query.after {
			h.fail(w, v, faultPlace)
			return
		}
		from = min(int(n), len(list))
	}
	shown := list[from:min(from+bundleSize, len(list))]
	text := l.say(c.Description, c.DefaultLocale)
	p := groupPage{
		Name: v.groupName(c), Description: paragraphs(text.Value), Phrase: text, Nickname: c.Nickname,
		Count: l.n("%s activity", "%s activities", len(list)), Updated: l.day(c.Updated),
	}
	for _, m := range shown {
		card := v.newCard(m.activity)
		var notes []string
		if !m.item.Pin.IsZero() {
			notes = append(notes, l.t("Version %s", m.item.Pin.String()))
		}
		if m.item.Optional {
			notes = append(notes, l.t("Optional"))
		}
		card.Note = strings.Join(notes, " · ")
		p.Cards = append(p.Cards, card)
	}
	f := v.newFrame(p.Name.Value, nil)
	params := url.Values{}
	if from > 0 {
		params.Set("after", v.query.after)
		p.First, f.NoIndex = "/"+l.tag+"/"+path, true
	}
	if end := from + len(shown); end < len(list) {
		p.Next = "/" + l.tag + "/" + path + "?after=" + strconv.Itoa(end)
		f.Next = p.Next
	}
	if !c.Listed {
		f.NoIndex = true
	}
	f.Body = p
	f.at(v, path, params)
	h.show(w, v, "collection", f, "")
}
