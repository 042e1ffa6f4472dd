package web

import (
	"net/http"
	"net/url"

	"github.com/sugarlabs/beamrider/remora"
)

// How many activities stand where on the home page.
const (
	shelfSize   = 6  // in each part: whole rows of one, two or three
	smallSize   = 9  // a library as small is shown whole
	ringSize    = 8  // around the figure
	ringLeast   = 5  // featured ones around the figure; where there are fewer, popular ones join them
	shownGroups = 12 // collections
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
	GroupsHref  string   // of all collections, "" where all are here
	Start       []string // commands that fill an empty catalog
}

func (h *Handler) serveHome(w http.ResponseWriter, v *visit) {
	l := v.tongue
	total := v.view.Count("")
	p := homePage{
		NewestHref:  l.browsePath(url.Values{"sort": {remora.SortNewest.String()}}),
		PopularHref: l.browsePath(url.Values{"sort": {remora.SortPopular.String()}}),
		BrowseHref:  l.browsePath(nil),
		Total:       l.n("%s activity", "%s activities", total),
		Categories:  v.categoryLinks(),
	}
	groups := v.listed(shownGroups+1, "")
	if len(groups) > shownGroups {
		groups, p.GroupsHref = groups[:shownGroups], l.path("collections")
	}
	p.Collections = v.groupCards(groups)
	if total == 0 {
		p.Start = h.hint()
	}
	featured, _ := v.view.List(remora.SortFeatured, "", remora.Cursor{}, ringSize)
	popular, _ := v.view.List(remora.SortPopular, "", remora.Cursor{}, ringSize)
	p.RingTitle = l.t("Featured")
	if len(featured) == 0 {
		p.RingTitle = l.t("Loved by many")
	}
	if len(featured) < ringLeast {
		for _, a := range popular {
			if a.FeaturedRank == 0 && len(featured) < ringSize {
				featured = append(featured, a)
			}
		}
	}
	p.Ring = v.newCards(featured)
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
	f.with(h, "home.css")
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
