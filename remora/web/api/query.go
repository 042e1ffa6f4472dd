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
	maxText      = 200     // letters of a value
	defaultLimit = 20
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
	one          bool   // lang is said: texts are wanted in that language only
	sugar        remora.Number
	facets       bool
	experimental bool
	verdicts     bool // of a Sugar or of those who ask for experimental versions
}

// ask reads the query of an address of t. Everything that is wrong is in the problem. A parameter
// without a value counts as not given, as forms send those that nobody filled in.
func ask(raw string, t *route) (a asked, p *problem) {
	known := t.params
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
			if !utf8.ValidString(name) || len(name) > maxText {
				name = "?"
			}
			if len(known) == 0 {
				say(name, "This address takes no parameters.")
			} else {
				say(name, "There is no such parameter here; there are %s.", strings.Join(known, ", "))
			}
		case len(values) > 1:
			say(name, "It is given %d times.", len(values))
		case value == "":
		case !utf8.ValidString(value):
			say(name, "It is not UTF-8.")
		case name != "after" && utf8.RuneCountInString(value) > maxText:
			say(name, "It has more than %d letters.", maxText)
		default:
			if fault := a.set(name, value, t.most); fault != "" {
				say(name, "%s", fault)
			}
		}
	}
	if a.text != "" && a.query.Get("sort") != "" {
		say("sort", "What is found for q comes best first; leave one of the two out.")
	}
	if len(errs) > 0 {
		return a, bad("The query has parameters that cannot be taken; errors says which and why.")
	}
	return a, nil
}

// set takes one parameter. It returns what is wrong with the value, "" if nothing is.
func (a *asked) set(name, value string, most int) (fault string) {
	var err error
	switch name {
	case "q":
		a.text = strings.TrimSpace(value)
	case "after":
		a.after = value
	case "limit":
		a.limit, err = strconv.Atoi(value)
		if err != nil || a.limit < 1 || a.limit > most || strconv.Itoa(a.limit) != value {
			return fmt.Sprintf("It must be a number from 1 to %d.", most)
		}
	case "lang":
		if a.lang = remora.NormalizeLocale(value); a.lang == "und" {
			return noLanguage
		}
		a.one = true
	case "facets":
		a.facets, fault = flag(value)
	case "experimental":
		a.experimental, fault = flag(value)
		a.verdicts = true
	case "sort":
		if a.sort, err = remora.ParseSort(value); err != nil {
			return remora.MessageOf(err)
		}
	case "sugar":
		if a.sugar, err = remora.ParseSugar(value); err != nil {
			return remora.MessageOf(err)
		}
		a.verdicts = true
		// What is for the newest release we know is for later ones, as far as anybody can tell.
		if a.filter[live.FacetSugar] = a.sugar.String(); a.sugar.Compare(remora.NewestSugar) > 0 {
			a.filter[live.FacetSugar] = remora.NewestSugar.String()
		}
	case "language":
		base, _, _ := strings.Cut(remora.NormalizeLocale(value), "-")
		if base == "und" {
			return noLanguage
		}
		a.filter[live.FacetLanguage] = base
	case "interpreter":
		if _, err := remora.ParseInterpreter(value); err != nil {
			return remora.MessageOf(err)
		}
		a.filter[live.FacetInterpreter] = value
	case "network":
		if value != remora.NetworkNone.String() && value != remora.NetworkNeeded.String() {
			return fmt.Sprintf("It must be %s or %s.", remora.NetworkNone, remora.NetworkNeeded)
		}
		a.filter[live.FacetNetwork] = value
	case "size":
		if !slices.Contains(live.Sizes[:], value) {
			return fmt.Sprintf("It must be one of %s.", strings.Join(live.Sizes[:], ", "))
		}
		a.filter[live.FacetSize] = value
	case "author":
		if _, ok := parseID(value); !ok {
			return "It must be the id of an author, a number."
		}
		a.filter[live.FacetAuthor] = value
	case "category":
		a.filter[live.FacetCategory] = value
	case "license":
		a.filter[live.FacetLicense] = value
	case "tag":
		a.filter[live.FacetTag] = value
	}
	return fault
}

const noLanguage = "It is no language tag such as es or pt-BR."

// parseID reads an id as we write it.
func parseID(s string) (id int64, ok bool) {
	id, err := strconv.ParseInt(s, 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == s
}

func flag(value string) (on bool, fault string) {
	if value != "0" && value != "1" {
		return false, "It must be 1 or 0."
	}
	return value == "1", ""
}
