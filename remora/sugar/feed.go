package sugar

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// feedItems is how many entries a feed has at most, as the old site's had.
const feedItems = 20

// A rss is an RSS 2.0 document (https://www.rssboard.org/rss-specification).
type rss struct {
	XMLName xml.Name   `xml:"rss"`
	Version string     `xml:"version,attr"`
	Channel rssChannel `xml:"channel"`
}

type rssChannel struct {
	Title       string    `xml:"title"`
	Link        string    `xml:"link"`
	Description string    `xml:"description"`
	Language    string    `xml:"language"`
	PubDate     string    `xml:"pubDate,omitempty"`
	Docs        string    `xml:"docs"`
	Generator   string    `xml:"generator"`
	Items       []rssItem `xml:"item"`
}

type rssItem struct {
	Title       string  `xml:"title"`
	Link        string  `xml:"link"`
	Description string  `xml:"description"`
	PubDate     string  `xml:"pubDate,omitempty"`
	GUID        rssGUID `xml:"guid"`
}

type rssGUID struct {
	PermaLink bool   `xml:"isPermaLink,attr"`
	Text      string `xml:",chardata"`
}

// writeFeed fills in what all feeds have in common and sends it.
func (h *Handler) writeFeed(w http.ResponseWriter, r *http.Request, c rssChannel, newest remora.Time) {
	c.Docs = "https://www.rssboard.org/rss-specification"
	c.Generator = "Beamrider"
	c.PubDate = rssDate(newest)
	body, err := xml.MarshalIndent(rss{Version: "2.0", Channel: c}, "", " ")
	if err != nil {
		h.log.ErrorContext(r.Context(), "cannot write a feed", "error", err)
		sentence(w, http.StatusInternalServerError, "The feed could not be made.")
		return
	}
	body = append([]byte(xml.Header), append(body, '\n')...)
	header := w.Header()
	header.Set("Content-Type", "application/rss+xml; charset=utf-8")
	header["Cache-Control"] = cacheHour
	// No Last-Modified: an activity taken off the list changes the feed and no date in it.
	writeBody(w, r, body, etagOf(body), time.Time{})
}

func rssDate(t remora.Time) string {
	if t == 0 {
		return ""
	}
	return t.Time().Format(time.RFC1123Z)
}

// versionGUID is the form that readers of the old feeds know entries by.
func versionGUID(a *remora.Activity, v *remora.Version) rssGUID {
	return rssGUID{Text: "/addons/versions/" + strconv.FormatInt(a.ID, 10) + "#version-" + v.Number.String()}
}

func (h *Handler) activityFeed(w http.ResponseWriter, r *http.Request, c rssChannel, lang string, list []*remora.Activity) {
	base := h.site.Base(r)
	var newest remora.Time
	for _, a := range list {
		v := a.Select(remora.Client{})
		if v == nil {
			continue
		}
		name, _ := a.Name.In(lang, a.DefaultLocale)
		summary, _ := a.Summary.In(lang, a.DefaultLocale)
		newest = max(newest, a.Updated)
		c.Items = append(c.Items, rssItem{
			Title:       name + " " + v.Number.String(),
			Link:        base + "/" + lang + activityPage(a.ID),
			Description: summary,
			PubDate:     rssDate(v.Published),
			GUID:        versionGUID(a, v),
		})
	}
	h.writeFeed(w, r, c, newest)
}

func (h *Handler) serveBrowseFeed(w http.ResponseWriter, r *http.Request, p oldPath, category *remora.Category, sort remora.Sort) {
	lang, _ := h.language(r, p.locale)
	c := rssChannel{
		Title:    "Sugar activities",
		Link:     h.site.Base(r) + "/" + lang + "/browse?sort=" + sort.String(),
		Language: lang,
	}
	slug := ""
	if category != nil {
		slug = category.Slug
		name, _ := category.Name.In(lang, "en")
		c.Title += ": " + name
		c.Link = h.site.Base(r) + "/" + lang + "/category/" + url.PathEscape(slug) + "?sort=" + sort.String()
	}
	c.Description = c.Title
	list, _ := h.library.View().List(sort, slug, remora.Cursor{}, feedItems)
	h.activityFeed(w, r, c, lang, list)
}

// maxSearch bounds the text of a search, in bytes.
const maxSearch = 256

func (h *Handler) serveSearchFeed(w http.ResponseWriter, r *http.Request, p oldPath) {
	text, _ := parameter(r.URL.RawQuery, "q", true)
	if len(text) > maxSearch {
		sentence(w, http.StatusBadRequest, "Search for something shorter than "+strconv.Itoa(maxSearch)+" bytes.")
		return
	}
	lang, _ := h.language(r, p.locale)
	c := rssChannel{Title: "Sugar activities: " + text, Link: withQuery(h.site.Base(r)+"/"+lang+"/search", r.URL.RawQuery), Language: lang}
	c.Description = c.Title
	h.activityFeed(w, r, c, lang, h.library.View().Search(text, lang, feedItems))
}

// serveVersionFeed tells what is new in each version of one activity.
func (h *Handler) serveVersionFeed(w http.ResponseWriter, r *http.Request, p oldPath, a *remora.Activity) {
	lang, _ := h.language(r, p.locale)
	base := h.site.Base(r)
	name, _ := a.Name.In(lang, a.DefaultLocale)
	page := base + "/" + lang + activityPage(a.ID)
	c := rssChannel{Title: name, Link: page, Description: name, Language: lang}
	versions := make([]*remora.Version, 0, len(a.Versions))
	for i := range a.Versions {
		if v := &a.Versions[i]; v.State == remora.StatePublished {
			versions = append(versions, v)
		}
	}
	slices.SortFunc(versions, func(x, y *remora.Version) int { return y.Number.Compare(x.Number) })
	for _, v := range versions[:min(len(versions), feedItems)] {
		notes, _ := v.Notes.In(lang, a.DefaultLocale)
		c.Items = append(c.Items, rssItem{
			Title:       name + " " + v.Number.String(),
			Link:        page + "/versions",
			Description: notes,
			PubDate:     rssDate(v.Published),
			GUID:        versionGUID(a, v),
		})
	}
	h.writeFeed(w, r, c, a.Updated)
}

// serveNotes answers …/versions/updateInfo/{version}/{locale}, which update documents point to:
// what is new, as a fragment of XHTML.
func (h *Handler) serveNotes(versionID int64, locale string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, v := h.library.View().ByVersion(versionID)
		if v == nil || !v.State.Offered() || len(v.Notes) == 0 {
			notFound(w, "Nothing is written here about such a version.")
			return
		}
		want := remora.NormalizeLocale(locale)
		notes, used := v.Notes.In(want, a.DefaultLocale)
		body := []byte(`<div xmlns="http://www.w3.org/1999/xhtml" xml:lang="`)
		body = appendXML(body, used)
		body = append(body, "\">\n"...)
		for _, line := range splitLines(notes) {
			body = append(body, "<p>"...)
			body = appendXML(body, line)
			body = append(body, "</p>\n"...)
		}
		body = append(body, "</div>\n"...)
		header := w.Header()
		header.Set("Content-Type", "application/xhtml+xml; charset=utf-8")
		header.Set("Content-Security-Policy", htmlPolicy)
		header["Cache-Control"] = cacheHour
		writeBody(w, r, body, etagOf(body), time.Time{})
	}
}
