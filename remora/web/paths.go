package web

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// The addresses of pages are made here and nowhere else. They begin with the language and hold
// nothing that depends on who reads them.

// path returns the address of a page of its own, such as "about" or "statistics".
func (l *tongue) path(page string) string { return "/" + l.tag + "/" + page }

// activityPath returns the address of an activity's page.
func (l *tongue) activityPath(id int64) string {
	return l.path("activity/" + strconv.FormatInt(id, 10))
}

// versionsPath returns the address of the page of an activity's versions.
func (l *tongue) versionsPath(id int64) string { return l.activityPath(id) + "/versions" }

// versionPath returns the address of the page of one version, with what is in its bundle.
func (l *tongue) versionPath(id int64, v *remora.Version) string {
	return l.versionsPath(id) + "/" + strconv.FormatInt(v.ID, 10)
}

// activityStatisticsPath returns the address of the page of an activity's downloads.
func (l *tongue) activityStatisticsPath(id int64) string { return l.activityPath(id) + "/statistics" }

// browsePath returns the address of a list of all activities.
func (l *tongue) browsePath(params url.Values) string { return withQuery(l.path("browse"), params) }

// searchPath returns the address of the results of a search.
func (l *tongue) searchPath(params url.Values) string { return withQuery(l.path("search"), params) }

// categoryPath, tagPath, authorPath and collectionPath return the addresses of lists of their own.
func (l *tongue) categoryPath(slug string) string { return l.path("category/" + url.PathEscape(slug)) }

func (l *tongue) tagPath(tag string) string { return l.path("tag/" + url.PathEscape(tag)) }

func (l *tongue) authorPath(id int64) string {
	return l.path("author/" + strconv.FormatInt(id, 10))
}

func (l *tongue) collectionPath(nickname string) string {
	return l.path("collection/" + url.PathEscape(nickname))
}

func withQuery(path string, params url.Values) string {
	if query := params.Encode(); query != "" {
		path += "?" + query
	}
	return path
}

// downloadPath returns the address of a bundle, which may be kept for ever: it holds the sum.
func downloadPath(v *remora.Version) string {
	return "/b/" + v.SHA256.String() + "/" + url.PathEscape(v.Filename)
}

// previewPath returns the address of a screenshot, "" for one that is no picture a page can show.
func previewPath(img *remora.Image) string {
	suffix := img.Suffix()
	if suffix == "" || img.SHA256.IsZero() {
		return ""
	}
	return "/preview/" + img.SHA256.String() + suffix
}

// feedPath returns the address of a feed in Atom's or RSS's format: "atom" or "rss". list is
// one of the feeds of the whole library, or what the address of the page with the same list has.
func (l *tongue) feedPath(list, format string) string { return l.path("feed/" + list + "." + format) }

// listFeedPath returns the address of the feed of a list with an address of its own.
func (l *tongue) listFeedPath(path, format string) string {
	return l.feedPath(strings.TrimPrefix(path, l.path("")), format)
}

// groupsHelpPath returns the address of what a school does with a collection.
func (l *tongue) groupsHelpPath() string { return l.path("school") + "#groups" }
