package sugar

import (
	"net/http"
	"strings"
)

// serveOpenSearch sends browsers that ask for the old description of the search to the present one.
func (h *Handler) serveOpenSearch(w http.ResponseWriter, r *http.Request) {
	h.moved(w, r, oldPath{}, "/opensearch.xml")
}

// splitLines returns the lines of a text that have something in them.
func splitLines(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
}
