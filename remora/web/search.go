package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/web/internal/place"
)

// A searchPage is the content of search.html.
type searchPage struct {
	listPage
	Search     searchBox
	Corrected  string // what was found instead of what was asked for
	Words      []link // each of what was asked for that has something alone, where all together have nothing
	Browse     string
	Popular    []card // for those who found nothing
	Categories []link
}

// popularShown is how many activities are shown to a reader who found nothing.
const popularShown = 6

// How many words of a search that found nothing are looked for alone, and how many are shown.
const (
	wordsTried = 8
	wordsShown = 5
)

// wordLinks returns the words of a search that have something each, those that have least first: they
// say most. A single word has been looked for already.
func (v *visit) wordLinks(text string, mine remora.Number) []link {
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) })
	slices.SortFunc(words, strings.Compare)
	words = slices.Compact(words)
	if len(words) < 2 {
		return nil
	}
	// Where there are too many, the longest say most.
	slices.SortStableFunc(words, func(x, y string) int { return cmp.Compare(utf8.RuneCountInString(y), utf8.RuneCountInString(x)) })
	type counted struct {
		word string
		n    int
	}
	var list []counted
	for _, word := range words[:min(len(words), wordsTried)] {
		found := v.view.Find(live.Query{Text: word, Locale: v.tongue.tag, Sugar: mine, Limit: 1})
		if found.Total > 0 && found.Corrected == "" {
			list = append(list, counted{word, found.Total})
		}
	}
	slices.SortStableFunc(list, func(x, y counted) int { return cmp.Compare(x.n, y.n) })
	var links []link
	for _, c := range list[:min(len(list), wordsShown)] {
		links = append(links, link{Href: v.tongue.searchPath(url.Values{"q": {c.word}}), Name: phrase{Value: c.word, Dir: "auto"}, Count: v.tongue.number(int64(c.n))})
	}
	return links
}

func (h *Handler) serveSearch(w http.ResponseWriter, v *visit) {
	l, q := v.tongue, v.query
	f := v.newFrame(l.t("Search"), nil)
	f.Query, f.BigSearch, f.NoIndex = q.search, true, true
	p := searchPage{Search: searchBox{Action: f.Search, Query: q.search}, Browse: f.Browse}
	p.Title = phrase{Value: l.t("Search")}
	if q.search == "" {
		p.Categories = v.categoryLinks()
		f.Body = p
		f.at(v, "search", nil)
		h.show(w, v, "search", f, "")
		return
	}
	if a := v.byBundleID(q.search); a != nil && a.InLists() {
		// Whoever knows the id wants this one.
		w.Header().Set("Cache-Control", "public, max-age=60")
		redirect(w, http.StatusFound, l.activityPath(a.ID))
		return
	}
	after, err := place.Decode(place.Found, q.after)
	if err != nil {
		h.fail(w, v, faultPlace)
		return
	}
	s := listing{path: l.path("search")}
	href := func(filter live.Filter, place string) string {
		values := s.params(filter, remora.SortUpdated, place)
		values.Set("q", q.search)
		return withQuery(s.path, values)
	}
	narrowed := func(filter live.Filter) string { return href(filter, "") }
	// What does not run on the reader's laptop comes further down, and says so.
	mine := remora.SugarFromUserAgent(v.request.UserAgent())
	found := v.view.Find(live.Query{Text: q.search, Locale: l.tag, Sugar: mine, Filter: q.filter, After: after, Limit: pageSize, Counts: true})
	p.Corrected = found.Corrected
	p.Cards = v.newCards(found.Activities)
	for i, a := range found.Activities {
		if !mine.IsZero() && a.Select(remora.Client{Sugar: mine}) == nil {
			p.Cards[i].Note = l.t("Not for your Sugar %s", mine.String())
		}
	}
	p.Count = l.n("%s activity found", "%s activities found", found.Total)
	if found.Partial {
		p.Count = l.t("more than %s activities found", l.number(int64(found.Total)))
	}
	p.Facets, p.Chosen = v.facets(&found, q.filter, nil, narrowed)
	if len(p.Chosen) > 1 {
		p.All = narrowed(live.Filter{})
	}
	if q.after != "" {
		p.First = narrowed(q.filter)
	}
	if found.Next != (remora.Cursor{}) {
		p.Next = href(q.filter, place.Encode(place.Found, found.Next))
		f.Next = p.Next
	}
	if found.Total == 0 && len(p.Chosen) == 0 {
		popular, _ := v.view.List(remora.SortPopular, "", remora.Cursor{}, popularShown)
		p.Popular, p.Categories, p.Words = v.newCards(popular), v.categoryLinks(), v.wordLinks(q.search, mine)
	}
	f.Title = l.t("Search for “%s”", q.search)
	f.Body = p
	params := s.params(q.filter, remora.SortUpdated, q.after)
	params.Set("q", q.search)
	f.at(v, "search", params)
	h.show(w, v, "search", f, offerVary)
}
