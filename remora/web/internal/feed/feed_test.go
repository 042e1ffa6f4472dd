package feed

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var day = time.Date(2026, 3, 4, 12, 0, 0, 0, time.FixedZone("", 3600))

const hostile = "</title><script>alert(1)</script>]]>&amp;\x00\x1b\u0085\ufffe\xff \U0001f3a8"

func sample(text string) *Feed {
	return &Feed{
		ID: "tag:example.org,2026:newest", Title: text, Subtitle: text, Lang: "en", Page: "http://example.org/en/?a=1&b=2",
		Self: "http://example.org/en/feed/newest.atom", Author: text, Updated: day, Search: &Search{Terms: text, Total: 70},
		Entries: []Entry{
			{ID: "tag:example.org,2026:activity/1", Title: Text{text, "es"}, Summary: Text{text, "es"}, Page: "http://example.org/en/activity/1",
				Updated: day, Published: day.Add(-time.Hour), Authors: []string{text, " "}, Categories: []string{text},
				File: &File{URL: "http://example.org/b/1/a.xo", Type: "application/vnd.olpc-sugar", Size: 7}},
			{ID: "tag:example.org,2026:activity/2", Title: Text{"Two", ""}, Page: "http://example.org/en/activity/2", Updated: day},
		},
	}
}

// read decodes strictly what a reader of feeds sees.
func read(t *testing.T, body []byte, err error, to any) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(body), `<?xml version="1.0" encoding="UTF-8"?>`+"\n") {
		t.Errorf("it begins with %.50q", body)
	}
	d := xml.NewDecoder(strings.NewReader(string(body)))
	d.Strict = true
	if err := d.Decode(to); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if strings.Contains(string(body), "<script") {
		t.Error("text has become markup")
	}
}

// What RFC 4287 wants of a feed and of its entries is there, and hostile text is just text.
func TestAtom(t *testing.T) {
	type link struct {
		Rel    string `xml:"rel,attr"`
		Type   string `xml:"type,attr"`
		Href   string `xml:"href,attr"`
		Length int    `xml:"length,attr"`
	}
	type text struct {
		Lang  string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
		Value string `xml:",chardata"`
	}
	type entry struct {
		ID        string   `xml:"id"`
		Title     text     `xml:"title"`
		Updated   string   `xml:"updated"`
		Published string   `xml:"published"`
		Authors   []string `xml:"author>name"`
		Links     []link   `xml:"link"`
		Terms     []struct {
			Term string `xml:"term,attr"`
		} `xml:"category"`
		Summary text `xml:"summary"`
	}
	type feed struct {
		XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
		Lang    string   `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
		ID      string   `xml:"id"`
		Title   string   `xml:"title"`
		Updated string   `xml:"updated"`
		Author  string   `xml:"author>name"`
		Links   []link   `xml:"link"`
		Total   int      `xml:"http://a9.com/-/spec/opensearch/1.1/ totalResults"`
		Page    int      `xml:"http://a9.com/-/spec/opensearch/1.1/ itemsPerPage"`
		Query   struct {
			Terms string `xml:"searchTerms,attr"`
		} `xml:"http://a9.com/-/spec/opensearch/1.1/ Query"`
		Entries []entry `xml:"entry"`
	}
	var got feed
	body, err := sample(hostile).Atom()
	read(t, body, err, &got)
	const safe = "</title><script>alert(1)</script>]]>&amp; \U0001f3a8"
	if got.ID != "tag:example.org,2026:newest" || got.Title != safe || got.Author != safe || got.Updated != "2026-03-04T11:00:00Z" || got.Lang != "en" {
		t.Errorf("the feed says %+v", got)
	}
	if diff := cmp.Diff([]link{{"self", "application/atom+xml", "http://example.org/en/feed/newest.atom", 0}, {"alternate", "text/html", "http://example.org/en/?a=1&b=2", 0}}, got.Links); diff != "" {
		t.Error(diff)
	}
	if got.Total != 70 || got.Page != 2 || got.Query.Terms != safe {
		t.Errorf("of the search it says %d, %d, %q", got.Total, got.Page, got.Query.Terms)
	}
	want := entry{ID: "tag:example.org,2026:activity/1", Title: text{"es", safe}, Updated: "2026-03-04T11:00:00Z", Published: "2026-03-04T10:00:00Z", Authors: []string{safe},
		Links:   []link{{"alternate", "text/html", "http://example.org/en/activity/1", 0}, {"enclosure", "application/vnd.olpc-sugar", "http://example.org/b/1/a.xo", 7}},
		Summary: text{"es", safe}}
	want.Terms = append(want.Terms, struct {
		Term string `xml:"term,attr"`
	}{safe})
	if len(got.Entries) != 2 {
		t.Fatalf("%d entries", len(got.Entries))
	}
	if diff := cmp.Diff(want, got.Entries[0]); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(string(body), "\ufffd") {
		t.Error("characters were replaced, not left out")
	}
}

func TestRSS(t *testing.T) {
	type item struct {
		Title       string `xml:"title"`
		Link        string `xml:"link"`
		GUID        string `xml:"guid"`
		Date        string `xml:"pubDate"`
		Creator     string `xml:"http://purl.org/dc/elements/1.1/ creator"`
		Category    string `xml:"category"`
		Description string `xml:"description"`
		File        struct {
			URL    string `xml:"url,attr"`
			Length string `xml:"length,attr"`
			Type   string `xml:"type,attr"`
		} `xml:"enclosure"`
	}
	var got struct {
		XMLName xml.Name `xml:"rss"`
		Version string   `xml:"version,attr"`
		Channel struct {
			Title       string `xml:"title"`
			Description string `xml:"description"`
			Language    string `xml:"language"`
			Date        string `xml:"lastBuildDate"`
			Self        struct {
				Href string `xml:"href,attr"`
			} `xml:"http://www.w3.org/2005/Atom link"`
			Total int    `xml:"http://a9.com/-/spec/opensearch/1.1/ totalResults"`
			Items []item `xml:"item"`
		} `xml:"channel"`
	}
	f := sample(hostile)
	f.Subtitle = ""
	body, err := f.RSS()
	read(t, body, err, &got)
	const safe = "</title><script>alert(1)</script>]]>&amp; \U0001f3a8"
	c := got.Channel
	if got.Version != "2.0" || c.Title != safe || c.Description != safe || c.Language != "en" || c.Date != "Wed, 04 Mar 2026 11:00:00 +0000" || c.Self.Href != f.Self || c.Total != 70 {
		t.Errorf("the channel says %+v", c)
	}
	want := item{Title: safe, Link: "http://example.org/en/activity/1", GUID: "tag:example.org,2026:activity/1", Date: "Wed, 04 Mar 2026 10:00:00 +0000", Creator: safe, Category: safe,
		Description: "&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;]]&gt;&amp;amp; \U0001f3a8"}
	want.File.URL, want.File.Length, want.File.Type = "http://example.org/b/1/a.xo", "7", "application/vnd.olpc-sugar"
	if len(c.Items) != 2 {
		t.Fatalf("%d items", len(c.Items))
	}
	if diff := cmp.Diff(want, c.Items[0]); diff != "" {
		t.Error(diff)
	}
}

// A list nothing has happened in has a date all the same, and not today's; no search, no elements
// of one.
func TestEmpty(t *testing.T) {
	f := &Feed{ID: "tag:example.org,2026:x", Title: "None", Page: "http://example.org/", Self: "http://example.org/x", Author: "Us"}
	for name, write := range map[string]func() ([]byte, error){"Atom": f.Atom, "RSS": f.RSS} {
		body, err := write()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), "1970") || strings.Contains(string(body), "opensearch") {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add(hostile)
	f.Fuzz(func(t *testing.T, s string) {
		for _, write := range []func() ([]byte, error){sample(s).Atom, sample(s).RSS} {
			body, err := write()
			if err != nil {
				t.Fatal(err)
			}
			d := xml.NewDecoder(strings.NewReader(string(body)))
			for {
				_, err := d.Token()
				if err != nil {
					if err.Error() != "EOF" {
						t.Fatalf("%v in %q", err, body)
					}
					break
				}
			}
		}
	})
}
