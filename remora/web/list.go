package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/web/internal/place"
)

const pageSize = 20 // activities in a list

// findList returns the list at a path, nil if there is none.
func (h *Handler) findList(rest []string) page {
	switch {
	case len(rest) == 1 && rest[0] == "browse":
		return h.serveBrowse
	case len(rest) == 1 && rest[0] == "search":
		return h.serveSearch
	case len(rest) == 1 && rest[0] == "categories":
		return h.serveCategories
	case len(rest) == 1 && rest[0] == "tags":
		return h.serveTags
	case len(rest) == 1 && rest[0] == "collections":
		return h.serveCollections
	case len(rest) == 2 && rest[0] == "category":
		return func(w http.ResponseWriter, v *visit) { h.serveCategory(w, v, rest[1]) }
	case len(rest) == 2 && rest[0] == "tag":
		return func(w http.ResponseWriter, v *visit) { h.serveTag(w, v, rest[1]) }
	case len(rest) == 2 && rest[0] == "author":
		return func(w http.ResponseWriter, v *visit) { h.serveAuthor(w, v, rest[1]) }
	case len(rest) == 2 && rest[0] == "collection":
		return func(w http.ResponseWriter, v *visit) { h.serveCollection(w, v, rest[1]) }
	}
	return nil
}

// A listing is a list of activities: where it is, and what it is of. What its readers add to that,
// to narrow and to order it, is in the visit's question.
type listing struct {
	path  string     // its address
	of    live.Facet // what the address narrows it by, where value is not ""
	value string
	title phrase
	above *link // the list that it is a part of
}

// A listPage is the content of list.html.
type listPage struct {
	Title  phrase
	Above  *link
	Count  string
	Cards  []card
	Sorts  []link
	Facets []facetGroup
	Chosen []link // what the list is narrowed by; each leads to the list without it
	All    string // the list without all of that
	First  string // address of the first page, "" on it
	Next   string // address of the next page, "" on the last
}

// params returns the query of a list: what it is narrowed by, its order, and a place in it.
func (s *listing) params(filter live.Filter, sort remora.Sort, place string) url.Values {
	values := url.Values{}
	for f, value := range filter {
		if value != "" && (s.value == "" || live.Facet(f) != s.of) {
			values.Set(live.Facet(f).String(), value)
		}
	}
	if sort != remora.SortUpdated {
		values.Set("sort", sort.String())
	}
	if place != "" {
		values.Set("after", place)
	}
	return values
}

func (h *Handler) serveBrowse(w http.ResponseWriter, v *visit) {
	l, q := v.tongue, v.query
	// What has a page of its own is shown there.
	for _, own := range [...]struct {
		facet live.Facet
		path  func(string) string
	}{
		{live.FacetCategory, l.categoryPath}, {live.FacetTag, l.tagPath},
		{live.FacetAuthor, func(id string) string { return l.path("author/" + url.PathEscape(id)) }},
	} {
		if value := q.filter[own.facet]; value != "" {
			query := v.request.URL.Query()
			query.Del(own.facet.String())
			w.Header().Set("Cache-Control", "public, max-age=3600")
			redirect(w, http.StatusFound, withQuery(own.path(value), query))
			return
		}
	}
	h.serveListing(w, v, listing{path: l.path("browse"), title: phrase{Value: l.t("All activities")}})
}

func (h *Handler) serveCategory(w http.ResponseWriter, v *visit, slug string) {
	categories := v.view.Categories()
	i := slices.IndexFunc(categories, func(c remora.Category) bool { return c.Slug == slug })
	if i < 0 {
		h.fail(w, v, faultNotFound)
		return
	}
	l := v.tongue
	h.serveListing(w, v, listing{path: l.categoryPath(slug), of: live.FacetCategory, value: slug, title: l.categoryName(&categories[i]),
		above: &link{Href: l.path("categories"), Name: phrase{Value: l.t("Categories")}}})
}

func (h *Handler) serveTag(w http.ResponseWriter, v *visit, tag string) {
	l := v.tongue
	filter := live.Filter{}
	filter[live.FacetTag] = tag
	if tag == "" || len(tag) > maxValue || v.view.Find(live.Query{Filter: filter}).Total == 0 {
		h.fail(w, v, faultNotFound)
		return
	}
	// Tags are the same in any case, and so is the address that search engines are told.
	tag = strings.ToLower(tag)
	h.serveListing(w, v, listing{path: l.tagPath(tag), of: live.FacetTag, value: tag, title: phrase{Value: shorten(v.view.TagName(tag), maxNameShown), Dir: "auto"},
		above: &link{Href: l.path("tags"), Name: phrase{Value: l.t("Tags")}}})
}

func (h *Handler) serveAuthor(w http.ResponseWriter, v *visit, ref string) {
	l := v.tongue
	id, err := strconv.ParseInt(ref, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != ref {
		h.fail(w, v, faultNotFound)
		return
	}
	author, known := v.view.Author(id)
	if !known {
		h.fail(w, v, faultNotFound)
		return
	}
	h.serveListing(w, v, listing{path: l.authorPath(id), of: live.FacetAuthor, value: ref, title: phrase{Value: shorten(author.Name, maxNameShown), Dir: "auto"}})
}

// serveListing answers with a page of a list.
func (h *Handler) serveListing(w http.ResponseWriter, v *visit, s listing) {
	l, q := v.tongue, v.query
	after, err := place.Decode(byte(q.sort), q.after)
	if err != nil {
		h.fail(w, v, faultPlace)
		return
	}
	filter := q.filter
	if s.value != "" {
		filter[s.of] = s.value
	}
	found := v.view.Find(live.Query{Locale: l.tag, Filter: filter, Sort: q.sort, After: after, Limit: pageSize, Counts: true})
	href := func(filter live.Filter, sort remora.Sort, place string) string {
		return withQuery(s.path, s.params(filter, sort, place))
	}
	narrowed := func(filter live.Filter) string { return href(filter, q.sort, "") }
	p := listPage{Title: s.title, Above: s.above, Count: l.n("%s activity", "%s activities", found.Total), Cards: v.newCards(found.Activities)}
	p.Facets, p.Chosen = v.facets(&found, filter, s.fixed(), narrowed)
	if len(p.Chosen) > 1 {
		p.All = narrowed(live.Filter{})
	}
	for i, a := range found.Activities {
		p.Cards[i].Note = l.noteFor(q.sort, a)
	}
	for _, o := range [...]struct {
		sort remora.Sort
		name string
	}{
		{remora.SortUpdated, l.t("Last updated")}, {remora.SortNewest, l.t("Newest")},
		{remora.SortPopular, l.t("Most downloaded")}, {remora.SortName, l.t("Name")},
	} {
		p.Sorts = append(p.Sorts, link{Href: href(filter, o.sort, ""), Name: phrase{Value: o.name}, Current: o.sort == q.sort})
	}
	f := v.newFrame(s.title.Value, nil)
	if q.after != "" {
		p.First = narrowed(filter)
	}
	// One more word than the address has may be worth finding; a place never is.
	f.NoIndex = q.after != "" || len(p.Chosen) > 1 || found.Total == 0
	if found.Next != (remora.Cursor{}) {
		p.Next = href(filter, q.sort, place.Encode(byte(q.sort), found.Next))
		f.Next = p.Next
	}
	f.Body = p
	f.at(v, s.path[len(l.path("")):], s.params(filter, q.sort, q.after))
	h.show(w, v, "list", f, "")
}

// fixed returns the facet that the address narrows the list by, nil if it does not.
func (s *listing) fixed() *live.Facet {
	if s.value == "" {
		return nil
	}
	return &s.of
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

// A wordsPage is the content of words.html: categories or tags, each with how many activities have it.
type wordsPage struct {
	Title string
	Links []link
	None  string // what to say where there is none
	Also  *link  // the other words that activities are found by
}

func (h *Handler) serveCategories(w http.ResponseWriter, v *visit) {
	l := v.tongue
	p := wordsPage{Title: l.t("Categories"), Links: v.categoryLinks(), None: l.t("There are no categories yet.")}
	if len(v.view.Tags(1)) > 0 {
		p.Also = &link{Href: l.path("tags"), Name: phrase{Value: l.t("Tags")}}
	}
	h.serveWords(w, v, "categories", p)
}

func (h *Handler) serveTags(w http.ResponseWriter, v *visit) {
	l := v.tongue
	p := wordsPage{Title: l.t("Tags"), None: l.t("No activity has a tag yet."),
		Also: &link{Href: l.path("categories"), Name: phrase{Value: l.t("Categories")}}}
	tags := v.view.Tags(live.MaxTags)
	slices.SortFunc(tags, func(x, y live.Tag) int { return byName(x.Value, y.Value) })
	for _, t := range tags {
		p.Links = append(p.Links, link{Href: l.tagPath(t.Value), Name: phrase{Value: shorten(t.Name, maxTagShown), Dir: "auto"}, Count: l.number(int64(t.N))})
	}
	h.serveWords(w, v, "tags", p)
}

// maxTagShown bounds a tag on a page, in bytes.
const maxTagShown = 60

func (h *Handler) serveWords(w http.ResponseWriter, v *visit, place string, p wordsPage) {
	f := v.newFrame(p.Title, p)
	f.at(v, place, nil)
	h.show(w, v, "words", f, "")
}
