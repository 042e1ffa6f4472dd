// Package probe answers machines that ask how a front end is. It reads state that is known already:
// a probe that asked the database itself would take every front end down with it at once.
package probe

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
)

// Probes speak of one front end.
type Probes struct {
	Library  *live.Library
	Draining atomic.Bool // a stop was asked for
}

// Handle adds the probes to a mux: /livez, /readyz and the old site's /services/monitor.php.
func (p *Probes) Handle(mux *http.ServeMux) {
	mux.HandleFunc("GET /livez", Live)
	mux.HandleFunc("GET /readyz", p.readyz)
	mux.HandleFunc("GET /services/monitor.php", p.monitor)
}

// Plain writes a short text that no cache may keep.
func Plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client may be gone, which is nobody's fault
}

// Live says that the process runs.
func Live(w http.ResponseWriter, _ *http.Request) { Plain(w, http.StatusOK, "ok\n") }

// readyz says whether requests are welcome: there is something to serve, be it old, and no stop
// was asked for.
func (p *Probes) readyz(w http.ResponseWriter, _ *http.Request) {
	switch s := p.Library.Status(); {
	case p.Draining.Load():
		Plain(w, http.StatusServiceUnavailable, "draining\n")
	case !s.Ready:
		Plain(w, http.StatusServiceUnavailable, "loading\n")
	case s.Stale:
		Plain(w, http.StatusOK, "ok, from a saved view\n")
	default:
		Plain(w, http.StatusOK, "ok\n")
	}
}

// monitor is the old site's health page: a line for each check, status 500 when one failed.
func (p *Probes) monitor(w http.ResponseWriter, _ *http.Request) {
	s := p.Library.Status()
	status, body := http.StatusOK, ""
	check := func(name string, good bool) {
		verdict := "success"
		if !good {
			verdict, status = `<b style="color:red">FAILED</b>`, http.StatusInternalServerError
		}
		body += fmt.Sprintf("%s: %s<br />\n", name, verdict)
	}
	check("catalog database", !s.Stale)
	check("catalog view", s.Ready)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client may be gone, which is nobody's fault
}

// Inside answers only this machine and those in site.proxies: what machines tell each other is
// nobody else's business.
func Inside(st *site.Site, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !st.Inside(r) {
			Plain(w, http.StatusForbidden, "This page is for this machine and the networks in site.proxies only.\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}
