package feed

import (
	"encoding/xml"
	"html"
	"time"
)

type rss struct {
	XMLName xml.Name   `xml:"rss"`
	Version string     `xml:"version,attr"`
	Atom    string     `xml:"xmlns:atom,attr"`
	DC      string     `xml:"xmlns:dc,attr"`
	Found   string     `xml:"xmlns:opensearch,attr,omitempty"`
	Channel rssChannel `xml:"channel"`
}

type rssChannel struct {
	Title       string  `xml:"title"`
	Link        string  `xml:"link"`
	Description string  `xml:"description"`
	Language    string  `xml:"language,omitempty"`
	Updated     string  `xml:"lastBuildDate"`
	Generator   string  `xml:"generator"`
	Self        rssSelf `xml:"atom:link"`
	*found
	Items []rssItem `xml:"item"`
}

type rssSelf struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

type rssItem struct {
	Title       string   `xml:"title"`
	Link        string   `xml:"link"`
	GUID        rssGUID  `xml:"guid"`
	Date        string   `xml:"pubDate"`
	Creators    []string `xml:"dc:creator"`
	Categories  []string `xml:"category"`
	Description string   `xml:"description,omitempty"`
	File        *rssFile `xml:"enclosure"`
}

type rssGUID struct {
	PermaLink bool   `xml:"isPermaLink,attr"`
	Text      string `xml:",chardata"`
}

type rssFile struct {
	URL    string `xml:"url,attr"`
	Length int64  `xml:"length,attr"`
	Type   string `xml:"type,attr"`
}

// RSS writes the feed as RSS 2.0, with what Atom and Dublin Core lend it. RSS has no language of
// single texts and takes descriptions for HTML, so that they are escaped twice.
func (f *Feed) RSS() ([]byte, error) {
	out := rss{
		Version: "2.0", Atom: "http://www.w3.org/2005/Atom", DC: "http://purl.org/dc/elements/1.1/",
		Channel: rssChannel{
			Title: line(f.Title), Link: f.Page, Description: line(f.Subtitle), Language: f.Lang,
			Updated: f.updated().Format(time.RFC1123Z), Generator: generator,
			Self: rssSelf{"self", "application/rss+xml", f.Self},
		},
	}
	c := &out.Channel
	c.found, out.Found = f.found()
	if c.Description == "" {
		c.Description = c.Title // it is required
	}
	for i := range f.Entries {
		e := &f.Entries[i]
		date := e.Published
		if date.IsZero() {
			date = e.Updated
		}
		item := rssItem{
			Title: line(e.Title.Value), Link: e.Page, GUID: rssGUID{Text: e.ID}, Date: date.UTC().Format(time.RFC1123Z),
			Description: html.EscapeString(clean(e.Summary.Value)),
		}
		for _, name := range e.Authors {
			if name = line(name); name != "" {
				item.Creators = append(item.Creators, name)
			}
		}
		for _, term := range e.Categories {
			item.Categories = append(item.Categories, line(term))
		}
		if e.File != nil {
			item.File = &rssFile{e.File.URL, e.File.Size, e.File.Type}
		}
		c.Items = append(c.Items, item)
	}
	return document(out)
}
