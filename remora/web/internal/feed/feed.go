// Package feed writes lists of news as Atom (RFC 4287) and as RSS 2.0, for programs that tell
// people what is new. What it is given is text whatever it contains; characters that XML has no
// place for are left out.
package feed

import (
	"encoding/xml"
	"strings"
	"time"
	"unicode"
)

// Media types of the two formats.
const (
	AtomType = "application/atom+xml; charset=utf-8"
	RSSType  = "application/rss+xml; charset=utf-8"
)

// A Feed is a list of news. ID, Title, Page, Self and Author are required in both formats.
type Feed struct {
	ID       string // of the list for ever, a URI
	Title    string
	Subtitle string // what it is about
	Lang     string // BCP 47
	Page     string // absolute address of the page about the same
	Self     string // absolute address of the feed itself
	Author   string // who it is of
	Updated  time.Time
	Entries  []Entry
	Search   *Search // nil: the list is not what a search found
}

// A Text is a text with its language, "" where it is the feed's.
type Text struct{ Value, Lang string }

// An Entry is one piece of news. ID, Title, Page and Updated are required.
type Entry struct {
	ID         string // for ever, a URI
	Title      Text
	Summary    Text
	Page       string // absolute address of the page about it
	Updated    time.Time
	Published  time.Time // zero: not known
	Authors    []string
	Categories []string
	File       *File // nil: none
}

// A File is what an entry offers to download.
type File struct {
	URL, Type string
	Size      int64 // bytes
}

// A Search says what was searched for, and of how many finds the entries are the first
// (OpenSearch 1.1, response elements).
type Search struct {
	Terms string
	Total int
}

// never is the date of a list nothing has happened in.
var never = time.Unix(0, 0).UTC()

func (f *Feed) updated() time.Time {
	if f.Updated.IsZero() {
		return never
	}
	return f.Updated.UTC()
}

// clean takes out what XML 1.0 does not allow (section 2.2) and control characters that nobody sees.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r) || r == 0xfffe || r == 0xffff:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// line is clean for what is shown on one line.
func line(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

func document(v any) ([]byte, error) {
	body, err := xml.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(body, '\n')...), nil
}

const openSearch = "http://a9.com/-/spec/opensearch/1.1/"

// A found has the response elements of OpenSearch, which both formats take.
type found struct {
	Total int   `xml:"opensearch:totalResults"`
	Start int   `xml:"opensearch:startIndex"`
	Page  int   `xml:"opensearch:itemsPerPage"`
	Query query `xml:"opensearch:Query"`
}

type query struct {
	Role  string `xml:"role,attr"`
	Terms string `xml:"searchTerms,attr"`
}

// found returns nil, and no name space, for what is no search.
func (f *Feed) found() (*found, string) {
	if f.Search == nil {
		return nil, ""
	}
	return &found{f.Search.Total, 1, len(f.Entries), query{"request", line(f.Search.Terms)}}, openSearch
}
