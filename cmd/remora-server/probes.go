package main

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
)

// probes answer machines that ask how we are. They read state that is known already: a probe that
// asked the database itself would take every front end down with it at once.
type probes struct {
	library  *live.Library
	draining atomic.Bool
}

func plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client may be gone, which is nobody's fault
}

// livez says that the process runs.
func (p *probes) livez(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") }

// readyz says whether requests are welcome: there is something to serve, be it old, and no stop
// was asked for.
func (p *probes) readyz(w http.ResponseWriter, _ *http.Request) {
	switch s := p.library.Status(); {
	case p.draining.Load():
		plain(w, http.StatusServiceUnavailable, "draining\n")
	case !s.Ready:
		plain(w, http.StatusServiceUnavailable, "loading\n")
	case s.Stale:
		plain(w, http.StatusOK, "ok, from a saved view\n")
	default:
		plain(w, http.StatusOK, "ok\n")
	}
}

// monitor is the old site's health page: a line for each check, status 500 when one failed.
func (p *probes) monitor(w http.ResponseWriter, _ *http.Request) {
	s := p.library.Status()
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

// inside answers only this machine and the proxies in front: metrics are nobody else's business.
func inside(st *site.Site, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !st.Inside(r) {
			plain(w, http.StatusForbidden, "Metrics are for this machine and the networks in site.proxies only.\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}
