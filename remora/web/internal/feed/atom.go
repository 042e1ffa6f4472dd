package feed

import (
	"encoding/xml"
	"time"
)

type atomFeed struct {
	XMLName   xml.Name `xml:"feed"`
	Space     string   `xml:"xmlns,attr"`
	Found     string   `xml:"xmlns:opensearch,attr,omitempty"`
	Lang      string   `xml:"xml:lang,attr,omitempty"`
	ID        string   `xml:"id"`
	Title     string   `xml:"title"`
	Subtitle  string   `xml:"subtitle,omitempty"`
	Updated   string   `xml:"updated"`
	Author    atomName `xml:"author"`
	Links     []atomLink
	Generator string `xml:"generator"`
	*found
	Entries []atomEntry `xml:"entry"`
}

type atomName struct {
	Name string `xml:"name"`
}

type atomLink struct {
	XMLName xml.Name `xml:"link"`
	Rel     string   `xml:"rel,attr"`
	Type    string   `xml:"type,attr,omitempty"`
	Length  int64    `xml:"length,attr,omitempty"`
	Href    string   `xml:"href,attr"`
}

type atomText struct {
	Lang string `xml:"xml:lang,attr,omitempty"`
	Text string `xml:",chardata"`
}

type atomTerm struct {
	Term string `xml:"term,attr"`
}

type atomEntry struct {
	ID         string     `xml:"id"`
	Title      atomText   `xml:"title"`
	Updated    string     `xml:"updated"`
	Published  string     `xml:"published,omitempty"`
	Authors    []atomName `xml:"author"`
	Links      []atomLink
	Categories []atomTerm `xml:"category"`
	Summary    *atomText  `xml:"summary"`
}

// Atom writes the feed in the Atom format.
func (f *Feed) Atom() ([]byte, error) {
	out := atomFeed{
		Space: "http://www.w3.org/2005/Atom", Lang: f.Lang, ID: f.ID, Title: line(f.Title), Subtitle: line(f.Subtitle),
		Updated: f.updated().Format(time.RFC3339), Author: atomName{line(f.Author)}, Generator: generator,
		Links: []atomLink{
			{Rel: "self", Type: "application/atom+xml", Href: f.Self},
			{Rel: "alternate", Type: "text/html", Href: f.Page},
		},
	}
	out.found, out.Found = f.found()
	for i := range f.Entries {
		e := &f.Entries[i]
		entry := atomEntry{
			ID: e.ID, Title: atomText{e.Title.Lang, line(e.Title.Value)}, Updated: e.Updated.UTC().Format(time.RFC3339),
			Links: []atomLink{{Rel: "alternate", Type: "text/html", Href: e.Page}},
		}
		if !e.Published.IsZero() {
			entry.Published = e.Published.UTC().Format(time.RFC3339)
		}
		for _, name := range e.Authors {
			if name = line(name); name != "" {
				entry.Authors = append(entry.Authors, atomName{name})
			}
		}
		for _, term := range e.Categories {
			entry.Categories = append(entry.Categories, atomTerm{line(term)})
		}
		if s := clean(e.Summary.Value); s != "" {
			entry.Summary = &atomText{e.Summary.Lang, s}
		}
		if e.File != nil {
			entry.Links = append(entry.Links, atomLink{Rel: "enclosure", Type: e.File.Type, Length: e.File.Size, Href: e.File.URL})
		}
		out.Entries = append(out.Entries, entry)
	}
	return document(out)
}

// generator is the name of the program.
const generator = "Beamrider"
