package web

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/site"
	"github.com/sugarlabs/beamrider/remora/xo"
)

// Every page of text is whole in an empty library and in one with something of everything.
func TestTextPages(t *testing.T) {
	full, empty := newHandlerOn(t, richFeed()), newHandlerOn(t, newFeed(remora.Header{}))
	for path, says := range map[string][]string{
		"/en/about":      {"About this library", "have not written here who they are", "github.com/sugarlabs/beamrider"},
		"/en/privacy":    {"What is counted", "remora_seen", "<code>lang</code>"},
		"/en/contact":    {"have not written here how to reach them"},
		"/en/school":     {"activities.sugarlabs.org", "org.sugarlabs.update", "microformat.MicroformatUpdater"},
		"/en/developers": {"remora-server check Maze-7.xo", "/api/v1/openapi.json"},
		"/en/feeds":      {`href="/en/feed/newest.atom"`, `href="/en/feed/updated.rss"`},
	} {
		for name, h := range map[string]*Handler{"full": full, "empty": empty} {
			t.Run(name+path, func(t *testing.T) {
				body := mustGet(t, h, path)
				// Named, not led to: the address of Sugar's updater, and what the check says of addresses.
				checkPage(t, body, "http://activities.sugarlabs.org/", "http:// or", "https://.")
				wantText(t, body, says...)
			})
		}
	}
	wantText(t, mustGet(t, full, "/en/about"), "It has 25 activities.")
	wantText(t, mustGet(t, empty, "/en/about"), "It has 0 activities.")
	wantText(t, mustGet(t, full, "/en/feeds"), `href="/en/feed/category/games.atom"`, `href="/en/feed/collection/school.rss"`)
	wantNoText(t, mustGet(t, full, "/en/feeds"), "collection/hidden", "Mathematics") // not listed; without an activity
	for _, path := range []string{"/en/abuot", "/en/about/us", "/en/school/x"} {
		if w := get(full, path); w.Code != 404 {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

// Every page leads to those about the library, and tells browsers of search and feeds.
func TestLayout(t *testing.T) {
	h := newHandlerOn(t, richFeed())
	for path, feeds := range map[string][]string{
		"/en/":                         {"/en/feed/newest.atom", "/en/feed/updated.atom"},
		"/en/browse":                   {"/en/feed/newest.atom", "/en/feed/updated.atom"},
		"/en/activity/100001":          {"/en/activity/100001/feed.atom"},
		"/en/collection/school":        {"/en/feed/collection/school.atom"},
		"/en/search?q=a+b":             {"/en/feed/search.atom?q=a&#43;b"},
		"/en/search":                   nil,
		"/en/activity/100001/versions": {"/en/activity/100001/feed.atom"},
		"/en/contact":                  nil,
	} {
		body := mustGet(t, h, path)
		for _, page := range []string{"about", "school", "developers", "statistics", "feeds", "privacy", "contact", "browse", "categories", "collections"} {
			wantText(t, body, `<a href="/en/`+page+`">`)
		}
		wantText(t, body, `<link rel="search" type="application/opensearchdescription+xml" title="Sugar Activity Library" href="/en/opensearch.xml">`, `<meta name="theme-color"`)
		var got []string
		for _, m := range regexp.MustCompile(`<link rel="alternate" type="application/atom\+xml" title="[^"]+" href="([^"]+)">`).FindAllStringSubmatch(body, -1) {
			got = append(got, m[1])
			if w := get(h, strings.ReplaceAll(m[1], "&#43;", "+")); w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/atom+xml") {
				t.Errorf("%s leads to the feed %s: %d %s", path, m[1], w.Code, w.Header().Get("Content-Type"))
			}
		}
		if strings.Join(got, " ") != strings.Join(feeds, " ") {
			t.Errorf("%s has the feeds %q, want %q", path, got, feeds)
		}
	}
}

func TestOperatorAndContact(t *testing.T) {
	library := newLibrary(t, richFeed(), nil)
	for _, tt := range []struct {
		contact string
		says    string
		link    string
	}{
		{"library@school.example.org", `<a href="mailto:library@school.example.org" rel="noopener nofollow" dir="ltr">library@school.example.org</a>`, "mailto:library@school.example.org"},
		{"https://example.com/ask?a=1&b=2", `<a href="https://example.com/ask?a=1&amp;b=2" rel="noopener nofollow"`, "https://example.com/ask?a=1&b=2"},
		{"Room 12 <ask>", "<bdi>Room 12 &lt;ask&gt;</bdi>", ""},
		{"javascript:alert(1)", "<bdi>javascript:alert(1)</bdi>", ""},
	} {
		h, err := New(Config{Library: library, Operator: "The club & <friends>", Contact: tt.contact})
		if err != nil {
			t.Fatal(err)
		}
		body := mustGet(t, h, "/en/contact")
		checkPage(t, body, tt.link)
		wantText(t, body, tt.says, "The club &amp; &lt;friends&gt;")
		wantNoText(t, body, "have not written")
		wantText(t, mustGet(t, h, "/en/about"), "The club &amp; &lt;friends&gt;")
	}
	for _, bad := range []string{"a@b@c", "https://", "http://[", "x\ny", "\xff", strings.Repeat("x", MaxContact+1)} {
		if err := CheckContact(bad); err == nil {
			t.Errorf("%.20q is a contact", bad)
		}
	}
	_, err := New(Config{Library: library, Operator: "x\ny", Contact: "a@b@c"})
	if err == nil {
		t.Fatal("no error")
	}
	wantText(t, err.Error(), "Config.Operator: it must be one line", "Config.Contact: it is not an e-mail address")
}

// The addresses a school is to copy are those of the library as it was reached.
func TestSchoolAddresses(t *testing.T) {
	s, err := site.New(site.Config{URL: "https://activities.example.net"})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Library: newLibrary(t, richFeed(), nil), Site: s})
	if err != nil {
		t.Fatal(err)
	}
	const group = "https://activities.example.net/services/micro-format.php?collection_nickname=school"
	wantText(t, mustGet(t, h, "/en/school"), `<code dir="ltr">`+group+"</code>", "microformat-update-url &#39;"+group+"&#39;", "For the school")
	wantNoText(t, mustGet(t, h, "/en/school"), "collection_nickname=hidden")
	wantText(t, mustGet(t, newHandlerOn(t, newFeed(remora.Header{})), "/en/school"), "http://example.com/services/micro-format.php?collection_nickname=NAME")
}

// Every code of the check is explained under its own anchor, in a family with a name.
func TestDevelopersCodes(t *testing.T) {
	h := newHandlerOn(t, newFeed(remora.Header{}))
	body := mustGet(t, h, "/en/developers")
	ids := map[string]bool{}
	for _, e := range parsePage(t, body) {
		ids[e.attrs["id"]] = true
	}
	for _, c := range xo.Codes() {
		if !ids[c.Code] {
			t.Errorf("%s has no place on the page", c.Code)
		}
	}
	for _, f := range h.tongues[0].codeFamilies() {
		if f.Title == f.ID {
			t.Errorf("the family %s has no title", f.ID)
		}
	}
	if len(body) > 60_000 {
		t.Errorf("the page has %d bytes", len(body))
	}
}

func TestOpenSearch(t *testing.T) {
	h, err := New(Config{Library: newLibrary(t, richFeed(), nil), Name: "Biblioteca <Uno> & más"})
	if err != nil {
		t.Fatal(err)
	}
	w := get(h, "/en/opensearch.xml")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/opensearchdescription+xml; charset=utf-8" || w.Header().Get("ETag") == "" {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
	var got struct {
		ShortName, LongName, Description, Language string
		URL                                        []struct {
			Type     string `xml:"type,attr"`
			Template string `xml:"template,attr"`
		} `xml:"Url"`
	}
	readXML(t, w.Body.String(), &got)
	if n := len([]rune(got.ShortName)); n == 0 || n > 16 || got.LongName != "Biblioteca <Uno> & más" || got.Description == "" || got.Language != "en" {
		t.Errorf("it says %+v", got)
	}
	media := map[string]string{}
	for _, u := range got.URL {
		media[u.Type] = u.Template
		answer := get(h, strings.TrimPrefix(strings.ReplaceAll(u.Template, "{searchTerms}", "activity+00"), "http://example.com"))
		if answer.Code != 200 || !strings.HasPrefix(answer.Header().Get("Content-Type"), u.Type) {
			t.Errorf("%s answers %d, %s", u.Template, answer.Code, answer.Header().Get("Content-Type"))
		}
	}
	for _, want := range []string{"text/html", "application/atom+xml", "application/rss+xml", "application/x-suggestions+json"} {
		if !strings.HasPrefix(media[want], "http://example.com/en/") {
			t.Errorf("%s: %q", want, media[want])
		}
	}
}

func TestSuggest(t *testing.T) {
	h := newHandlerOn(t, richFeed())
	for query, n := range map[string]int{"q=activity": suggestions, "q=Activity+007": 1, "q=zebra": 0, "q=": 0, "": 0} {
		w := get(h, "/en/suggest?"+query)
		var got []any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got) != 4 {
			t.Fatalf("%q: %v in %s", query, err, w.Body)
		}
		for _, list := range got[1:] {
			if l, ok := list.([]any); !ok || n == 0 && len(l) != 0 || n > 0 && len(l) == 0 || len(l) > suggestions {
				t.Errorf("%q suggests %v", query, list)
			}
		}
		if n == 1 && (got[1].([]any)[0] != "Activity 006" && got[1].([]any)[0] != "Activity 007" || !strings.HasPrefix(got[3].([]any)[0].(string), "http://example.com/en/activity/10000")) {
			t.Errorf("%q suggests %v", query, got)
		}
		if w.Header().Get("Content-Type") != "application/x-suggestions+json; charset=utf-8" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: headers %v", query, w.Header())
		}
	}
	if w := get(h, "/en/suggest?q=%zz"); w.Code != 400 {
		t.Errorf("a damaged query: status %d", w.Code)
	}
}
