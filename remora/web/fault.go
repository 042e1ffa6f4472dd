package web

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/sugarlabs/beamrider/remora"
)

// A fault is a page that says why there is no other.
type fault uint8

const (
	faultInternal fault = iota
	faultNotFound
	faultMethod
	faultNotReady
	faultQuery
	faultSort
	faultSugar
	faultPlace
)

// retryAfter is how long, in seconds, to wait for a library that has nothing to serve yet.
const retryAfter = "5"

// faultOf returns the page for what was wrong with a question.
func faultOf(err error) fault {
	e, ok := errors.AsType[*remora.Error](err)
	if !ok || e.Kind != remora.KindInvalid {
		return faultInternal
	}
	switch e.Code {
	case "sort.unknown":
		return faultSort
	case "sugar.syntax":
		return faultSugar
	case "place.syntax":
		return faultPlace
	}
	return faultQuery
}

// status returns the status of a fault's answer.
func (f fault) status() int {
	switch f {
	case faultNotFound:
		return http.StatusNotFound
	case faultMethod:
		return http.StatusMethodNotAllowed
	case faultNotReady:
		return http.StatusServiceUnavailable
	case faultQuery, faultSort, faultSugar, faultPlace:
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// say returns what a fault's page says: what is the matter, and what to do.
func (f fault) say(l *tongue) (title, text string) {
	switch f {
	case faultNotFound:
		return l.t("This page is not here"), l.t("The address may be mistyped, or the activity has been withdrawn. Search for it by name, or browse the whole library.")
	case faultMethod:
		return l.t("That cannot be done here"), l.t("Pages of the library can be read and nothing else. Follow a link or search instead.")
	case faultNotReady:
		return l.t("The library is opening"), l.t("It has just been started and is still reading its catalog. Try again in a few seconds.")
	case faultQuery:
		return l.t("This address cannot be read"), l.t("What stands behind the question mark is damaged. Start again from the first page or search.")
	case faultSort:
		return l.t("There is no such order"), l.t("Activities can be listed by last update, newest first, by name or by downloads.")
	case faultSugar:
		return l.t("That is not a Sugar version"), l.t("A Sugar version is two numbers with a dot between them, such as 0.120. Go back and choose one from the list.")
	case faultPlace:
		return l.t("This place in the list is not there"), l.t("The address is damaged or of another list. Start at the first page of the list.")
	}
	return l.t("Something went wrong on our side"), l.t("It is not your fault and has been noted. Try again; if it happens again, tell the people who run this library.")
}

// A faultPage is the content of fault.html.
type faultPage struct {
	Status      int
	Title, Text string
	Search      searchBox
	Browse      string
}

// fail answers with the page of a fault.
func (h *Handler) fail(w http.ResponseWriter, v *visit, f fault) {
	header := w.Header()
	header.Del("ETag")
	header.Set("Cache-Control", "no-store")
	if v.guessed {
		header.Set("Vary", "Accept-Language, Cookie")
	}
	if f == faultNotReady {
		header.Set("Retry-After", retryAfter)
	}
	title, text := f.say(v.tongue)
	frame := v.newFrame(title, nil)
	frame.NoIndex, frame.BigSearch = true, true
	frame.Body = faultPage{Status: f.status(), Title: title, Text: text, Search: searchBox{Action: frame.Search}, Browse: frame.Browse}
	var buf bytes.Buffer
	if err := h.pages[v.tongue.tag]["fault"].Execute(&buf, frame); err != nil {
		h.log.ErrorContext(v.request.Context(), "the page of a fault cannot be rendered", "error", err)
		http.Error(w, text, f.status())
		return
	}
	h.write(w, v, f.status(), withoutControls(buf.Bytes()))
}
