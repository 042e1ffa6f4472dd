package sitetest

import (
	"net/http"
	"strings"
	"testing"
)

// TestFaults asks for what is not there or cannot be done: those answers are held to the same rules,
// and nobody may keep them.
func TestFaults(t *testing.T) {
	r := newMadeUp(t, 30, "http")
	sum := strings.Repeat("0", 64)
	for _, tt := range []struct {
		method, address string
		status          int
		page            bool // a page in the reader's language, not a sentence for programs
	}{
		{"GET", "/en/nothing", 404, true},
		{"GET", "/nothing", 404, true},
		{"GET", "/en/activity/1", 404, true},
		{"GET", "/en/activity/100001/versions/1", 404, true},
		{"GET", "/en/collection/none", 404, true},
		{"GET", "/en/browse?sort=best", 400, true},
		{"GET", "/en/browse?after=***", 400, true},
		{"GET", "/en/search?q=%zz", 400, true},
		{"GET", "/en/" + strings.Repeat("x/", 500), 404, true},
		{"GET", "/static/0/style.css", 404, true},
		{"POST", "/en/", 405, true},
		{"PUT", "/en/activity/100001", 405, true},
		{"GET", "/b/" + sum + "/none.xo", 404, false},
		{"GET", "/activities/100001/none.xo", 404, false},
		{"GET", "/en/sugar/downloads/file/1", 404, false},
		{"GET", "/icon/" + sum + "/red-blue.svg", 404, false},
		{"GET", "/api/v1/updates", 405, false},
		{"POST", "/api/v1/updates", 400, false},
		{"GET", "/services/micro-format.php", 400, false},
		{"POST", "/services/update-aslo.php", 405, false},
	} {
		a := r.ask(t, tt.method, tt.address)
		if a.status != tt.status || a.isPage() != tt.page {
			t.Errorf("%s %.60s answers %d, %s; want %d, a page: %v", tt.method, tt.address, a.status, a.media(), tt.status, tt.page)
			continue
		}
		for _, p := range a.headerProblems() {
			if p == "there is no header Cache-Control" && (a.status == http.StatusBadRequest || tt.method == http.MethodPost) {
				continue // caches keep those only where they are told to (RFC 9110, sections 9.3.3 and 15.1)
			}
			t.Errorf("%s %.60s: %s", tt.method, tt.address, p)
		}
		if tt.page {
			for _, p := range pageProblems(a.body) {
				t.Errorf("%s %.60s: %s", tt.method, tt.address, p)
			}
			if c := a.header.Get("Cache-Control"); c != "no-store" {
				t.Errorf("%s %.60s may be kept: %q", tt.method, tt.address, c)
			}
		}
		if tt.status == http.StatusMethodNotAllowed && a.header.Get("Allow") == "" {
			t.Errorf("%s %.60s does not say what can be done", tt.method, tt.address)
		}
	}
}
