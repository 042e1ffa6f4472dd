package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// Bounds of what can be asked.
const (
	maxQuery     = 4 << 10 // bytes of the whole query
	maxText      = 200     // letters searched for
	maxValue     = 200     // bytes of any other value
	defaultLimit = 20
	maxLimit     = 100
)

// asked are the query parameters of a call, read and checked.
type asked struct {
	query        url.Values
	text         string
	filter       live.Filter
	sort         remora.Sort
	limit        int
	after        string
	lang         string // "en" unless said
	sugar        remora.Number
	facets       bool
	experimental bool
}

// ask reads a query that may have the parameters known. Everything that is wrong is in the problem.
func ask(raw string, known []string) (a asked, p *problem) {
	a = asked{limit: defaultLimit, lang: "en"}
	var errs []wrong
	say := func(parameter, format string, args ...any) {
		errs = append(errs, wrong{parameter, fmt.Sprintf(format, args...)})
	}
	bad := func(detail string) *problem {
		return &problem{Status: http.StatusBadRequest, Code: "query", Detail: detail, Errors: errs}
	}
	if len(raw) > maxQuery {
		return a, bad(fmt.Sprintf("The query has more than %d bytes.", maxQuery))
	}
	var err error
	if a.query, err = url.ParseQuery(raw); err != nil {
		return a, bad("The query cannot be read: a percent sign or a semicolon in it is not encoded.")
	}
	names := make([]string, 0, len(a.query))
	for name := range a.query {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := a.query[name]
		value := values[0]
		switch {
		case !slices.Contains(known, name):
			if !utf8.ValidString(name) || len(name) > maxValue {
				name = "?"
			}
			if len(known) == 0 {
				say(name, "This address takes no parameters.")
			} else {
				say(name, "There is no such parameter here; there are %s.", strings.Join(known, ", "))
			}
		case len(values) > 1:
			say(name, "It is given %d times.", len(values))
		case !utf8.ValidString(value):
			say(name, "It is not UTF-8.")
		case name == "q" && utf8.RuneCountInString(value) > maxText:
			say(name, "It has more than %d letters.", maxText)
		case name != "q" && name != "after" && len(value) > maxValue:
			say(name, "It has more than %d bytes.", maxValue)
		default:
			if fault := a.set(name, value); fault != "" {
				say(name, "%s", fault)
			}
		}
	}
	if a.text != "" && a.query.Has("sort") {
		say("sort", "What is found for q comes best first; leave one of the two out.")
	}
	if len(errs) > 0 {
		return a, bad("The query has parameters that cannot be taken; errors says which and why.")
	}
	return a, nil
}

// set takes one parameter. It returns what is wrong with the value, "" if nothing is.
func (a *asked) set(name, value string) (fault string) {
	var err error
	switch name {
	case "q":
		a.text = strings.TrimSpace(value)
	case "after":
		a.after = value
	case "limit":
		a.limit, err = strconv.Atoi(value)
		if err != nil || a.limit < 1 || a.limit > maxLimit || strconv.Itoa(a.limit) != value {
			return fmt.Sprintf("It must be a number from 1 to %d.", maxLimit)
		}
	case "lang":
		if a.lang = remora.NormalizeLocale(value); a.lang == "und" {
			return "It is no language tag such as es or pt-BR."
		}
	case "facets":
		a.facets, fault = flag(value)
	case "experimental":
		a.experimental, fault = flag(value)
	case "sort":
		if a.sort, err = remora.ParseSort(value); err != nil {
			return remora.MessageOf(err)
		}
	case "sugar":
		if a.sugar, err = remora.ParseSugar(value); err != nil {
			return remora.MessageOf(err)
		}
		a.filter[live.FacetSugar] = a.sugar.String()
	default:
		for f := range a.filter {
			if live.Facet(f).String() == name {
				a.filter[f] = value
			}
		}
	}
	return fault
}

func flag(value string) (on bool, fault string) {
	if value != "0" && value != "1" {
		return false, "It must be 1 or 0."
	}
	return value == "1", ""
}
