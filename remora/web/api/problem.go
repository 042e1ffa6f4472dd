package api

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// A problem is an answer that says what went wrong (RFC 9457). Type is about:blank: the status and
// the code say which problem it is.
type problem struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Code   string  `json:"code"` // stable, for programs
	Detail string  `json:"detail"`
	Errors []wrong `json:"errors,omitempty"`
}

// A wrong is a parameter that cannot be taken.
type wrong struct {
	Parameter string `json:"parameter"`
	Detail    string `json:"detail"`
}

var (
	notFound = problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is nothing at this address. /api/v1/openapi.json says what there is."}
	noMethod = problem{Status: http.StatusMethodNotAllowed, Code: "method", Detail: "The library can be read and nothing else: use GET, HEAD or OPTIONS."}
	notReady = problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Detail: "The library has just been started and is still reading its catalog. Try again in a few seconds."}
	internal = problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "Something went wrong on our side. It has been noted."}
)

// unknown says that what an address names is not in the library.
func unknown(what string) *problem {
	return &problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is no such " + what + " here."}
}

// retryAfter is how long, in seconds, to wait for a library that has nothing to serve yet.
const retryAfter = 5

func (h *Handler) fail(w http.ResponseWriter, r *http.Request, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	body, err := json.Marshal(p)
	if err != nil {
		h.log.ErrorContext(r.Context(), "a problem cannot be written", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if p.Status == http.StatusServiceUnavailable {
		header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	_, err = w.Write(body)
	h.sent(err, r)
}
