package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/web/internal/answer"
	"github.com/sugarlabs/beamrider/remora/web/internal/feed"
)

const (
	feedSize     = 30 // entries of a feed
	maxFeedTexts = 1000
	bundleType   = "application/vnd.olpc-sugar"
	feedCache    = "public, max-age=300"
)

// The feeds of the whole library.
const (
	feedNewest  = "newest"
	feedUpdated = "updated"
)

// A feedLink leads to a feed in Atom's format.
type feedLink struct{ Title, Href string }

// feedsOf returns the feeds of what is on the page at rest, escaped as in its address.
func (l *tongue) feedsOf(rest string, params url.Values) []feedLink {
	kind, name, _ := strings.Cut(rest, "/")
	switch {
	case (kind == "" || kind == "browse" || kind == "feeds") && len(params) == 0:
		return []feedLink{
			{l.t("New activities"), l.feedPath(feedNewest, "atom")},
			{l.t("Updated activities"), l.feedPath(feedUpdated, "atom")},
		}
	case kind == "search" && params.Get("q") != "":
		return []feedLink{{l.t("This search"), withQuery(l.feedPath("search", "atom"), url.Values{"q": {params.Get("q")}})}}
	case kind == "activity":
		id, _, _ := strings.Cut(name, "/")
		return []feedLink{{l.t("Versions of this activity"), l.path("activity/"+id) + "/feed.atom"}}
	case kind == "category" || kind == "tag" || kind == "collection":
		return []feedLink{{l.t("Updates in this list"), l.feedPath(kind+"/"+name, "atom")}}
	}
	return nil
}

// findFeed returns the feed at a path, nil if there is none.
func (h *Handler) findFeed(rest []string) page {
	last := len(rest) - 1
	name, rss := strings.CutSuffix(rest[last], ".rss")
	if !rss {
		var atom bool
		if name, atom = strings.CutSuffix(name, ".atom"); !atom {
			return nil
		}
	}
	var fill func(v *visit, f *feed.Feed) bool
	switch {
	case last == 2 && rest[0] == "activity" && name == "feed":
		fill = func(v *visit, f *feed.Feed) bool { return v.fillVersions(f, rest[1]) }
	case last == 1 && rest[0] == "feed":
		fill = func(v *visit, f *feed.Feed) bool { return v.fillLibrary(f, name) }
	case last == 2 && rest[0] == "feed":
		fill = func(v *visit, f *feed.Feed) bool { return v.fillList(f, rest[1], name) }
	default:
		return nil
	}
	return func(w http.ResponseWriter, v *visit) {
		base := h.site.Base(v.request)
		f := feed.Feed{Lang: v.tongue.tag, Author: cmp.Or(h.operator, h.name), Self: base + v.request.URL.EscapedPath()}
		if !fill(v, &f) {
			h.fail(w, v, faultNotFound)
			return
		}
		write, media := f.Atom, feed.AtomType
		if rss {
			write, media = f.RSS, feed.RSSType
		}
		body, err := write()
		if err != nil {
			h.log.ErrorContext(v.request.Context(), "a feed cannot be written", "path", v.request.URL.Path, "error", err)
			h.fail(w, v, faultInternal)
			return
		}
		fields := [][2]string{{"Content-Type", media}, {"Content-Language", v.tongue.tag}, {"Cache-Control", feedCache}}
		if f.Search != nil {
			fields = append(fields, [2]string{"X-Robots-Tag", "noindex"})
		}
		h.send(w, v, fields, body)
	}
}

// send answers with a document that is the same for everybody, and keeps it.
func (h *Handler) send(w http.ResponseWriter, v *visit, fields [][2]string, content []byte) {
	body := answer.New(content)
	h.keep(v, fields, body, false)
	h.serveBody(w, v, fields, body)
}

// tagURI returns a name for something of this library that stays when its address changes (RFC
// 4151): the scheme, the port and the language are not in it.
func (v *visit) tagURI(what string) string {
	host := "localhost"
	if u, err := url.Parse(v.handler.site.Base(v.request)); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	if strings.ContainsRune(host, ':') { // an IPv6 address, spelled as a name can be
		host, _, _ = strings.Cut(host, "%")
		host = "ip6-" + strings.ReplaceAll(host, ":", "-") + "-0"
	}
	return "tag:" + host + ",2026:" + what
}

// fillLibrary fills in one of the feeds of the whole library, or of a search in it.
func (v *visit) fillLibrary(f *feed.Feed, name string) bool {
	l := v.tongue
	base := v.handler.site.Base(v.request)
	params := url.Values{}
	sort := remora.SortUpdated
	switch name {
	case feedNewest:
		sort = remora.SortNewest
		f.Title, f.Subtitle = l.t("New activities – %s", v.handler.name), l.t("Activities that have come to the library.")
		params.Set("sort", sort.String())
	case feedUpdated:
		f.Title, f.Subtitle = l.t("Updated activities – %s", v.handler.name), l.t("Activities that are new or have a new version.")
	case "search":
		text := v.query.search
		var found live.Found
		if text != "" {
			found = v.view.Find(live.Query{Text: text, Locale: l.tag, Limit: feedSize})
		}
		f.ID = v.tagURI("search?" + url.Values{"q": {text}}.Encode())
		f.Title, f.Subtitle = l.t("Search for “%s”", text), l.t("Activities that were found, the best first.")
		f.Page = base + l.searchPath(url.Values{"q": {text}})
		f.Self += "?" + url.Values{"q": {text}}.Encode()
		f.Search = &feed.Search{Terms: text, Total: found.Total}
		v.addActivities(f, found.Activities, false)
		return true
	default:
		return false
	}
	f.ID, f.Page = v.tagURI(name), base+l.browsePath(params)
	list, _ := v.view.List(sort, "", remora.Cursor{}, feedSize)
	v.addActivities(f, list, name == feedUpdated)
	return true
}

// fillList fills in the feed of a category, a tag or a collection.
func (v *visit) fillList(f *feed.Feed, kind, name string) bool {
	l := v.tongue
	base := v.handler.site.Base(v.request)
	q := live.Query{Sort: remora.SortUpdated, Limit: feedSize}
	var list []*remora.Activity
	switch kind {
	case "category":
		i := slices.IndexFunc(v.view.Categories(), func(c remora.Category) bool { return c.Slug == name })
		if i < 0 {
			return false
		}
		c := &v.view.Categories()[i]
		f.Title, f.Page = cmp.Or(l.say(c.Name, "en").Value, c.Slug), l.categoryPath(c.Slug)
		q.Filter[live.FacetCategory] = name
		list = v.view.Find(q).Activities
	case "tag":
		if name == "" {
			return false
		}
		f.Title, f.Page = name, l.tagPath(name)
		q.Filter[live.FacetTag] = name
		if list = v.view.Find(q).Activities; len(list) == 0 {
			return false
		}
	case "collection":
		c := v.view.Collection(name)
		if c == nil {
			return false
		}
		name = c.Nickname // a list has one name in its feed, whatever it is asked for by
		f.Title, f.Subtitle, f.Page = v.groupName(c).Value, l.say(c.Description, c.DefaultLocale).Value, l.collectionPath(c.Nickname)
		f.Updated = c.Updated.Time()
		if c.Updated == 0 {
			f.Updated = time.Time{}
		}
		for _, m := range v.view.Members(c) {
			list = append(list, m.activity)
		}
		slices.SortStableFunc(list, func(a, b *remora.Activity) int { return cmp.Compare(b.Updated, a.Updated) })
		list = list[:min(len(list), feedSize)]
	default:
		return false
	}
	f.Title = f.Title + " – " + v.handler.name
	f.Subtitle = cmp.Or(shorten(f.Subtitle, maxFeedTexts), l.t("Activities that are new or have a new version."))
	f.ID, f.Page = v.tagURI(kind+"/"+url.PathEscape(name)), base+f.Page
	v.addActivities(f, list, true)
	return true
}

// addActivities adds an entry for each activity. Where versions are the news, each is an entry of
// its own, so that feed readers, which do not tell people of an entry twice, tell of it.
func (v *visit) addActivities(f *feed.Feed, list []*remora.Activity, versions bool) {
	l := v.tongue
	base := v.handler.site.Base(v.request)
	for _, a := range list {
		name := l.name(a)
		text := l.say(a.Summary, a.DefaultLocale)
		if text.Value == "" {
			text = l.say(a.Description, a.DefaultLocale)
		}
		id := "activity/" + strconv.FormatInt(a.ID, 10)
		e := feed.Entry{
			Title: feedText(name), Summary: feedText(text), Page: base + l.activityPath(a.ID),
			Updated: latest(a.Updated, a.Created), Published: whenKnown(a.Created), Categories: a.Categories,
		}
		for _, author := range a.Authors {
			e.Authors = append(e.Authors, author.Name)
		}
		if newest := a.Select(remora.Client{}); newest != nil {
			e.File = file(base, newest)
			if versions {
				id += "/version/" + strconv.FormatInt(newest.ID, 10)
				e.Title.Value = name.Value + " " + newest.Number.String()
				e.Published = whenKnown(newest.Published)
			}
		}
		e.ID = v.tagURI(id)
		f.Entries = append(f.Entries, e)
		if e.Updated.After(f.Updated) {
			f.Updated = e.Updated
		}
	}
}

// fillVersions fills in the feed of an activity's versions, those first that came last.
func (v *visit) fillVersions(f *feed.Feed, ref string) bool {
	l := v.tongue
	base := v.handler.site.Base(v.request)
	id, err := strconv.ParseInt(ref, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != ref {
		return false
	}
	a := v.view.Activity(id)
	if a == nil || a.State != remora.ActivityActive {
		return false
	}
	var list []*remora.Version
	for i := range a.Versions {
		if a.Versions[i].State == remora.StatePublished {
			list = append(list, &a.Versions[i])
		}
	}
	if len(list) == 0 {
		return false
	}
	slices.SortFunc(list, func(x, y *remora.Version) int {
		return cmp.Or(cmp.Compare(cmp.Or(y.Published, y.Submitted), cmp.Or(x.Published, x.Submitted)), y.Number.Compare(x.Number), cmp.Compare(y.ID, x.ID))
	})
	name := l.name(a)
	about := "activity/" + ref
	f.ID, f.Page = v.tagURI(about+"/versions"), base+l.activityPath(id)
	f.Title = name.Value + " – " + v.handler.name
	f.Subtitle = l.t("Versions of %s", name.Value)
	for _, each := range list[:min(len(list), feedSize)] {
		notes := l.say(each.Notes, a.DefaultLocale)
		notes.Value = shorten(notes.Value, maxFeedTexts)
		e := feed.Entry{
			ID: v.tagURI(about + "/version/" + strconv.FormatInt(each.ID, 10)), Page: base + l.versionPath(id, each), File: file(base, each),
			Title: feed.Text{Value: name.Value + " " + each.Number.String(), Lang: name.Lang}, Summary: feedText(notes),
			Updated: latest(each.Published, each.Submitted), Published: whenKnown(each.Published),
		}
		f.Entries = append(f.Entries, e)
		if e.Updated.After(f.Updated) {
			f.Updated = e.Updated
		}
	}
	return true
}

// feedText returns a phrase as feeds have it.
func feedText(p phrase) feed.Text {
	return feed.Text{Value: shorten(p.Value, maxFeedTexts), Lang: p.Lang}
}

func file(base string, v *remora.Version) *feed.File {
	return &feed.File{URL: base + downloadPath(v), Type: bundleType, Size: v.Size}
}

// latest returns the later of two moments, the epoch where neither is known.
func latest(a, b remora.Time) time.Time { return max(a, b).Time() }

func whenKnown(at remora.Time) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return at.Time()
}
