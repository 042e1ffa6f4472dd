package web

import (
	"encoding/xml"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

// readXML decodes a document that must be well-formed to its end.
func readXML(t testing.TB, body string, to any) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(body))
	d.Strict = true
	if err := d.Decode(to); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
}

type atom struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	Lang    string   `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Updated string   `xml:"updated"`
	Author  string   `xml:"author>name"`
	Total   int      `xml:"http://a9.com/-/spec/opensearch/1.1/ totalResults"`
	Links   []struct {
		Rel  string `xml:"rel,attr"`
		Href string `xml:"href,attr"`
	} `xml:"link"`
	Entries []struct {
		ID      string `xml:"id"`
		Title   string `xml:"title"`
		Updated string `xml:"updated"`
		Summary string `xml:"summary"`
		Links   []struct {
			Rel  string `xml:"rel,attr"`
			Href string `xml:"href,attr"`
		} `xml:"link"`
	} `xml:"entry"`
}

func getAtom(t testing.TB, h *Handler, path string) atom {
	t.Helper()
	w := get(h, path)
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/atom+xml; charset=utf-8" {
		t.Fatalf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
	}
	var f atom
	readXML(t, w.Body.String(), &f)
	return f
}

// feedFeed is richFeed with a release note, and an activity whose every text is hostile.
func feedFeed() *fakeFeed {
	f := richFeed()
	a := f.all[100002]
	a.Versions[1].Notes = remora.NewText(map[string]string{"en": "A new maze.", "es": "Un laberinto nuevo."})
	a.Versions[1].Published = remora.TimeOf(epoch.Add(time.Hour))
	a.Versions = append(a.Versions, release(7, "50", remora.InterpreterPython3, func(v *remora.Version) { v.State = remora.StateAwaiting }))
	f.all[100002] = a
	const hostile = "]]></title><script>\x00\x1b\ufffe\xff&"
	bad := activity(100900, hostile)
	bad.Summary, bad.Tags, bad.Authors = remora.PlainText("en", hostile), []string{hostile, "play"}, []remora.Author{{ID: 5, Name: hostile}}
	f.all[bad.ID] = bad
	hidden := activity(100901, "Hidden")
	hidden.Listed = false
	f.all[hidden.ID] = hidden
	return f
}

// Every feed has what RFC 4287 and RSS 2.0 want, in both formats and whatever the texts are.
func TestFeeds(t *testing.T) {
	h := newHandlerOn(t, feedFeed())
	for path, entries := range map[string]int{
		"/en/feed/newest": 26, "/en/feed/updated": 26, "/en/feed/category/games": 26, "/en/feed/category/math": 0, "/en/feed/tag/play": 26,
		"/en/feed/collection/school": 2, "/en/feed/collection/hidden": 0, "/en/activity/100002/feed": 2, "/en/activity/100900/feed": 2, "/en/activity/100901/feed": 2,
	} {
		t.Run(path, func(t *testing.T) {
			f := getAtom(t, h, path+".atom")
			if f.ID == "" || f.Title == "" || f.Author == "" || f.Lang != "en" || len(f.Links) != 2 || f.Links[0].Href != "http://example.com"+path+".atom" {
				t.Errorf("the feed says %+v", f)
			}
			newest := ""
			ids := map[string]bool{f.ID: true}
			for _, e := range f.Entries {
				if e.ID == "" || ids[e.ID] || e.Title == "" || !strings.HasPrefix(e.Links[0].Href, "http://example.com/en/activity/") || len(e.Links) != 2 {
					t.Errorf("an entry says %+v", e)
				}
				ids[e.ID] = true
				newest = max(newest, e.Updated)
			}
			if len(f.Entries) != entries || entries > 0 && f.Updated < newest {
				t.Errorf("%d entries, the newest of %s, the feed of %s", len(f.Entries), newest, f.Updated)
			}
			w := get(h, path+".rss")
			var rss struct {
				Version string `xml:"version,attr"`
				Channel struct {
					Title, Description string
					Items              []struct {
						GUID string `xml:"guid"`
					} `xml:"item"`
				} `xml:"channel"`
			}
			readXML(t, w.Body.String(), &rss)
			if w.Header().Get("Content-Type") != "application/rss+xml; charset=utf-8" || w.Header().Get("Cache-Control") != "public, max-age=300" || rss.Version != "2.0" || len(rss.Channel.Items) != entries {
				t.Errorf("as RSS: %v, %+v", w.Header(), rss)
			}
			tag := w.Header().Get("ETag")
			if again := get(h, path+".rss", "If-None-Match", tag); tag == "" || again.Code != 304 || again.Body.Len() > 0 {
				t.Errorf("with the tag %q: status %d", tag, again.Code)
			}
		})
	}
	for _, path := range []string{
		"/en/feed/best.atom", "/en/feed/newest", "/en/feed/newest.xml", "/en/feed/category/none.atom", "/en/feed/tag/none.atom", "/en/feed/tag/.atom", "/en/feed/collection/none.rss", "/en/feed/author/1.atom",
		"/en/activity/7/feed.atom", "/en/activity/0100001/feed.atom", "/en/activity/x/feed.atom", "/en/activity/100001/x.atom", "/en/.atom", "/en/feed/a/b/c.atom",
	} {
		if w := get(h, path); w.Code != 404 {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

func TestVersionFeed(t *testing.T) {
	h := newHandlerWith(t, feedFeed(), map[string]string{"es": spanish})
	f := getAtom(t, h, "/es/activity/100002/feed.atom")
	var got [][]string
	for _, e := range f.Entries {
		got = append(got, []string{e.ID, e.Title, e.Summary, e.Updated, e.Links[1].Href})
	}
	want := [][]string{ // the last first; what awaits review is not there
		{"tag:example.com,2026:activity/100002/version/1000021", "Activity 001 42", "Un laberinto nuevo.", "2026-03-04T13:00:00Z", "http://example.com/b/" + sumOf("bundle1000021").String() + "/thing-42.xo"},
		{"tag:example.com,2026:activity/100002/version/1000020", "Activity 001 41", "", "2026-03-04T12:00:00Z", "http://example.com/b/" + sumOf("bundle1000020").String() + "/thing-41.xo"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// An update is an entry that feed readers have not seen; a changed text is the same entry.
func TestUpdateIsNews(t *testing.T) {
	f := richFeed()
	h := newHandlerOn(t, f)
	first := func() (string, string) {
		e := getAtom(t, h, "/en/feed/updated.atom").Entries[0]
		return e.ID, e.Updated
	}
	id, at := first()
	a := activity(100025, "Renamed")
	a.Updated = remora.TimeOf(epoch.Add(1000 * time.Hour))
	f.change([]remora.Activity{a})
	refresh(t, h)
	textID, textAt := first()
	if textID != id || textAt <= at {
		t.Errorf("after a new text: %s of %s, before %s of %s", textID, textAt, id, at)
	}
	a.Versions = append(a.Versions, release(9_000_000, "43", remora.InterpreterPython3))
	f.change([]remora.Activity{a})
	refresh(t, h)
	if newID, _ := first(); newID != "tag:example.com,2026:activity/100025/version/9000000" {
		t.Errorf("a new version is the entry %s", newID)
	}
}

func TestSearchFeed(t *testing.T) {
	h := newHandlerOn(t, richFeed())
	f := getAtom(t, h, "/en/feed/search.atom?q=activity&x=y")
	if f.Total != 25 || len(f.Entries) != 25 || f.Links[0].Href != "http://example.com/en/feed/search.atom?q=activity" || f.Links[1].Href != "http://example.com/en/search?q=activity" {
		t.Errorf("the feed says %d, %d entries, %v", f.Total, len(f.Entries), f.Links)
	}
	if f := getAtom(t, h, "/en/feed/search.atom"); len(f.Entries) != 0 || f.Total != 0 {
		t.Errorf("a search for nothing finds %d", len(f.Entries))
	}
	if got := get(h, "/en/feed/search.rss?q=a").Header().Get("X-Robots-Tag"); got != "noindex" {
		t.Errorf("X-Robots-Tag: %q", got)
	}
}

func TestTagURI(t *testing.T) {
	h := newHandlerOn(t, newFeed(remora.Header{}))
	for host, want := range map[string]string{
		"example.com": "tag:example.com,2026:x", "example.com:8080": "tag:example.com,2026:x", "10.0.0.1:80": "tag:10.0.0.1,2026:x",
		"[::1]:8080": "tag:ip6---1-0,2026:x",
	} {
		r := httptest.NewRequest("GET", "/en/", nil)
		r.Host = host
		if got := h.newVisit(r).tagURI("x"); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}
