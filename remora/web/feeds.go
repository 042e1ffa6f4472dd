package web

import "net/http"

// A feedsPage is the content of feeds.html.
type feedsPage struct{ Lists []feedRow }

// A feedRow is a list that has feeds.
type feedRow struct {
	Name      phrase
	Atom, RSS string
}

func (h *Handler) serveFeeds(w http.ResponseWriter, v *visit) {
	l := v.tongue
	row := func(name phrase, list string) feedRow {
		return feedRow{name, l.feedPath(list, "atom"), l.feedPath(list, "rss")}
	}
	p := feedsPage{Lists: []feedRow{
		row(phrase{Value: l.t("New activities")}, feedNewest),
		row(phrase{Value: l.t("Updated activities")}, feedUpdated),
	}}
	for _, c := range v.categoryLinks() {
		p.Lists = append(p.Lists, feedRow{c.Name, l.listFeedPath(c.Href, "atom"), l.listFeedPath(c.Href, "rss")})
	}
	for i := range v.view.Collections() {
		if c := &v.view.Collections()[i]; c.Listed && len(p.Lists) < maxFeedRows {
			path := l.collectionPath(c.Nickname)
			p.Lists = append(p.Lists, feedRow{v.groupName(c), l.listFeedPath(path, "atom"), l.listFeedPath(path, "rss")})
		}
	}
	f := v.newFrame(l.t("Feeds"), p)
	f.at(v, "feeds", nil)
	h.show(w, v, "feeds", f, "")
}

// maxFeedRows bounds the feeds that are listed; each list's own page leads to its feed as well.
const maxFeedRows = 60
