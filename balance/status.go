package balance

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// Stats counts what has happened since [New]. Requests that the cache answers alone are not in it.
type Stats struct {
	Requests uint64 `json:"requests"`  // given to at least one backend
	Retries  uint64 `json:"retries"`   // attempts after the first one of a request
	Refused  uint64 `json:"refused"`   // requests that no backend might take
	Failed   uint64 `json:"failed"`    // requests that no backend has answered; clients that went away too
	Cut      uint64 `json:"cut"`       // answers that a backend broke off
	FailOpen uint64 `json:"fail_open"` // attempts at unhealthy backends for want of others

	Queue QueueStats `json:"queue"`
}

type counters struct {
	requests, retries, refused, failures, cut, failOpen atomic.Uint64
}

// Stats returns the counters. They are read one after the other: sums may be off by those requests
// that happen meanwhile.
func (b *Balancer) Stats() Stats {
	return Stats{
		Requests: b.requests.Load(), Retries: b.retries.Load(), Refused: b.refused.Load(),
		Failed: b.failures.Load(), Cut: b.cut.Load(), FailOpen: b.failOpen.Load(),
		Queue: b.queue.snapshot(),
	}
}

// Status is what is known of a backend.
type Status struct {
	Name string `json:"name"`
	// URL is "" for a Handler.
	URL         string `json:"url,omitempty"`
	Weight      int    `json:"weight"`
	MaxInFlight int    `json:"max_in_flight,omitempty"`
	InFlight    int    `json:"in_flight"`
	Draining    bool   `json:"draining"`
	// Health is "healthy", "unhealthy", or "unknown" when no check has judged.
	Health string `json:"health"`
	// Since is when Health became what it is.
	Since time.Time `json:"since"`
	// Reason is what the last health check said; "" if it passed.
	Reason string `json:"reason,omitempty"`
	// Requests counts the attempts at this backend; Failures those without an answer, and answers
	// that broke off.
	Requests uint64 `json:"requests"`
	Failures uint64 `json:"failures"`
}

// Snapshot returns the status of all backends in the order they were given.
func (b *Balancer) Snapshot() []Status {
	members := b.pool.Load().members
	list := make([]Status, 0, len(members))
	for _, e := range members {
		s := e.state
		s.mu.Lock()
		since, reason := s.since, s.reason
		s.mu.Unlock()
		list = append(list, Status{
			Name: e.Name, URL: e.URL, Weight: e.Weight, MaxInFlight: e.MaxInFlight,
			InFlight: int(s.inFlight.Load()), Draining: s.draining.Load(),
			Health: health(s.health.Load()).String(), Since: since.UTC(), Reason: reason,
			Requests: s.requests.Load(), Failures: s.failures.Load(),
		})
	}
	return list
}

func (h health) String() string {
	switch h {
	case up:
		return "healthy"
	case down:
		return "unhealthy"
	}
	return "unknown"
}

// StatusHandler returns a page for people that shows [Balancer.Snapshot] and [Balancer.Stats]: as JSON,
// HTML without scripts, or text, as Accept asks for. It shows addresses, so it belongs where strangers do not come.
func (b *Balancer) StatusHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			explain(w, r, http.StatusMethodNotAllowed, "The status can only be read: use GET.")
			return
		}
		page := statusPage{Backends: b.Snapshot(), Stats: b.Stats()}
		kind := preferred(r.Header.Values("Accept"), "text/plain", "text/html", "application/json")
		var body strings.Builder
		var err error
		switch kind {
		case "application/json":
			err = json.NewEncoder(&body).Encode(page)
		case "text/html":
			err = statusTemplate.Execute(&body, page)
		default:
			err = page.text(&body)
		}
		if err != nil {
			b.o.Logger.Error("the status page cannot be written", "error", err)
			explain(w, r, http.StatusInternalServerError, "The status cannot be shown; the log says why.")
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Vary", "Accept")
		h.Set("Content-Type", kind+"; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Content-Length", strconv.Itoa(body.Len()))
		if r.Method == http.MethodGet {
			io.WriteString(w, body.String()) // who has gone needs no status
		}
	})
}

type statusPage struct {
	Backends []Status `json:"backends"`
	Stats    Stats    `json:"stats"`
}

func (p *statusPage) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BACKEND\tHEALTH\tSINCE\tDRAINING\tIN FLIGHT\tLIMIT\tWEIGHT\tREQUESTS\tFAILURES\tADDRESS\tREASON")
	for _, s := range p.Backends {
		draining, limit, address := "no", "none", "this process"
		if s.Draining {
			draining = "yes"
		}
		if s.MaxInFlight > 0 {
			limit = strconv.Itoa(s.MaxInFlight)
		}
		if s.URL != "" {
			address = s.URL
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%d\t%s\t%s\n", s.Name, s.Health, s.Since.Format(time.RFC3339),
			draining, s.InFlight, limit, s.Weight, s.Requests, s.Failures, address, strings.Join(strings.Fields(s.Reason), " "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nrequests %d, retries %d, refused %d, failed %d, cut %d, fail open %d\n",
		p.Stats.Requests, p.Stats.Retries, p.Stats.Refused, p.Stats.Failed, p.Stats.Cut, p.Stats.FailOpen)
	return err
}

var statusTemplate = template.Must(template.New("status").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Backends</title></head>
<body>
<h1>Backends</h1>
<table border="1">
<thead><tr><th scope="col">Backend</th><th scope="col">Health</th><th scope="col">Since</th><th scope="col">Draining</th><th scope="col">In flight</th><th scope="col">Limit</th><th scope="col">Weight</th><th scope="col">Requests</th><th scope="col">Failures</th><th scope="col">Address</th><th scope="col">Reason</th></tr></thead>
<tbody>
{{range .Backends}}<tr><th scope="row">{{.Name}}</th><td>{{.Health}}</td><td>{{.Since.Format "2006-01-02 15:04:05Z07:00"}}</td><td>{{if .Draining}}yes{{else}}no{{end}}</td><td>{{.InFlight}}</td><td>{{if .MaxInFlight}}{{.MaxInFlight}}{{else}}none{{end}}</td><td>{{.Weight}}</td><td>{{.Requests}}</td><td>{{.Failures}}</td><td>{{if .URL}}{{.URL}}{{else}}this process{{end}}</td><td>{{.Reason}}</td></tr>
{{else}}<tr><td colspan="11">There are no backends.</td></tr>
{{end}}</tbody>
</table>
<p>Requests: {{.Stats.Requests}}; retries: {{.Stats.Retries}}; refused: {{.Stats.Refused}}; failed: {{.Stats.Failed}}; cut: {{.Stats.Cut}}; fail open: {{.Stats.FailOpen}}.</p>
</body>
</html>
`))

// preferred returns the one of the media types that the Accept fields like best, the first of them
// when they do not care. It is lenient: what it does not understand counts as not said.
func preferred(accept []string, types ...string) string {
	best, bestQ := types[0], 0.0
	for _, t := range types {
		group, _, _ := strings.Cut(t, "/")
		q, exact := 0.0, 0
		for item := range strings.SplitSeq(strings.Join(accept, ","), ",") {
			fields := strings.Split(item, ";")
			level := 0
			switch strings.ToLower(strings.TrimSpace(fields[0])) {
			case t:
				level = 3
			case group + "/*":
				level = 2
			case "*/*":
				level = 1
			}
			if level <= exact {
				continue
			}
			exact, q = level, 1
			for _, p := range fields[1:] {
				if v, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(p)), "q="); ok {
					if f, err := strconv.ParseFloat(v, 64); err == nil && f >= 0 && f <= 1 {
						q = f
					}
				}
			}
		}
		if q > bestQ {
			best, bestQ = t, q
		}
	}
	return best
}
