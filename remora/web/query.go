package web

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// Bounds of what a reader can ask, so that an address never makes us work without end.
const (
	maxQuery  = 4 << 10 // bytes of the whole query
	maxSearch = 200     // letters searched for; the rest is not read
	maxValue  = 200     // bytes of a value by which a list is narrowed
)

// A question is the query of an address, read and checked. Parameters we do not know are ignored,
// of those given twice the first counts.
type question struct {
	search string
	filter live.Filter
	sort   remora.Sort
	after  string
	sugar  remora.Number // zero: not said
}

// parseQuery reads the query of an address. The error is of KindInvalid and its code says which
// parameter is wrong: "query.syntax", "sort.unknown" or "sugar.syntax".
func parseQuery(raw string) (question, error) {
	var q question
	if len(raw) > maxQuery {
		return q, remora.Errorf(remora.KindInvalid, "query.syntax", "The query has more than %d bytes.", maxQuery)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, &remora.Error{Kind: remora.KindInvalid, Code: "query.syntax", Message: "The query cannot be read.", Err: err}
	}
	q.search = searchText(values.Get("q"))
	for f := range q.filter {
		value := strings.TrimSpace(values.Get(live.Facet(f).String()))
		if len(value) > maxValue || !utf8.ValidString(value) {
			return q, remora.Errorf(remora.KindInvalid, "query.syntax", "The value of %s is none that anything has.", live.Facet(f))
		}
		q.filter[f] = value
	}
	q.after = values.Get("after")
	if s := values.Get("sort"); s != "" {
		if q.sort, err = remora.ParseSort(s); err != nil {
			return q, err
		}
	}
	if s := strings.TrimSpace(values.Get("sugar")); s != "" {
		if q.sugar, err = remora.ParseSugar(s); err != nil {
			return q, err
		}
		q.filter[live.FacetSugar] = q.sugar.String()
	}
	return q, nil
}

// searchText makes one line of valid text, at most maxSearch letters, of what somebody typed.
func searchText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) > maxSearch {
		s = strings.TrimSpace(string([]rune(s)[:maxSearch]))
	}
	return s
}
