package balance

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// StatusHandler returns a page for people that shows [Balancer.Summary], [Balancer.Snapshot],
// [Balancer.Stats] and [Balancer.Timings]: as JSON, HTML without scripts, or text, as Accept asks for. With ?refresh=5 a browser asks anew every 5
// seconds (1 to 3600). It shows addresses, so it belongs where strangers do not come.
func (b *Balancer) StatusHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			explain(w, r, http.StatusMethodNotAllowed, "The status can only be read: use GET.")
			return
		}
		page := b.statusPage()
		kind := preferred(r.Header.Values("Accept"), "text/plain", "text/html", "application/json")
		var body strings.Builder
		var err error
		switch kind {
		case "application/json":
			err = json.NewEncoder(&body).Encode(page)
		case "text/html":
			if n, err := strconv.Atoi(r.URL.Query().Get("refresh")); err == nil && n >= 1 && n <= 3600 {
				page.Refresh = n
			}
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
		h.Set("Content-Security-Policy", statusPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Content-Length", strconv.Itoa(body.Len()))
		if r.Method == http.MethodGet {
			io.WriteString(w, body.String()) // who has gone needs no status
		}
	})
}

type statusPage struct {
	Summary  string   `json:"summary"`
	Backends []Status `json:"backends"`
	Stats    Stats    `json:"stats"`
	Timings  Timings  `json:"timings"`
	Extra    []Extra  `json:"extra,omitempty"`
	Refresh  int      `json:"-"`
	now      time.Time
}

func (b *Balancer) statusPage() *statusPage {
	p := &statusPage{Backends: b.Snapshot(), Stats: b.Stats(), Timings: b.Timings(), now: time.Now()}
	p.Summary = p.summary()
	if b.o.Operations.Extra != nil {
		p.Extra = b.o.Operations.Extra()
	}
	return p
}

// Summary says in plain words how the pool is: how many backends serve, and of each other one why it
// does not.
func (b *Balancer) Summary() string {
	return (&statusPage{Backends: b.Snapshot(), Stats: b.Stats(), now: time.Now()}).summary()
}

// summary is what an administrator wants to know first.
func (p *statusPage) summary() string {
	serving, troubled := 0, []string{}
	for _, s := range p.Backends {
		if s.State == "healthy" || s.State == "unknown" {
			serving++
			continue
		}
		what := s.Name + " is " + s.State
		if !s.Until.IsZero() && p.now.Before(s.Until) {
			what += " for another " + p.span(s.Until.Sub(p.now))
		}
		if s.Reason != "" {
			what += ": " + oneLine(s.Reason)
		}
		troubled = append(troubled, what)
	}
	var b strings.Builder
	switch {
	case len(p.Backends) == 0:
		b.WriteString("There are no backends: every request is refused.")
	case serving == len(p.Backends):
		b.WriteString(plural(serving, "The backend serves.", "All %d backends serve."))
	case serving == 0:
		b.WriteString(plural(len(p.Backends), "The only backend is not well. Unless it is draining it is used all the same.", "None of %d backends is well. Those that are not draining are used all the same."))
	default:
		fmt.Fprintf(&b, "%d of %d backends serve.", serving, len(p.Backends))
	}
	for _, t := range troubled {
		b.WriteString(" " + t + ".")
	}
	if q := p.Stats.Queue; q.Waiting > 0 {
		fmt.Fprintf(&b, " %d requests wait for a backend, the next of them since %s.", q.Waiting, p.span(q.Age))
	}
	return b.String()
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

func oneLine(s string) string { return strings.TrimSuffix(strings.Join(strings.Fields(s), " "), ".") }

func (p *statusPage) span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + " days"
	case d >= time.Minute:
		return d.Truncate(time.Second).String()
	case d >= time.Second:
		return d.Truncate(100 * time.Millisecond).String()
	}
	if d < time.Millisecond {
		return d.Truncate(time.Microsecond).String()
	}
	return d.Truncate(100 * time.Microsecond).String()
}

// For is how long a backend has been in its state.
func (p *statusPage) For(s Status) string { return p.span(p.now.Sub(s.Since)) }

// Latency is a latency in words.
func (p *statusPage) Latency(s Status) string {
	if s.Latency == 0 {
		return "not known"
	}
	return p.span(s.Latency)
}

// Limit is a limit in words.
func (p *statusPage) Limit(s Status) string {
	if s.MaxInFlight == 0 {
		return "none"
	}
	return strconv.Itoa(s.MaxInFlight)
}

// Address is where a backend is.
func (p *statusPage) Address(s Status) string {
	if s.URL == "" {
		return "this process"
	}
	return s.URL
}

// Count is a counter with its name.
type Count struct {
	Name  string
	Value uint64
}

// Counts are the counters that people look at.
func (p *statusPage) Counts() []Count {
	s := &p.Stats
	return []Count{
		{"requests", s.Requests}, {"retries", s.Retries}, {"refused", s.Refused}, {"failed", s.Failed}, {"cut", s.Cut}, {"fail open", s.FailOpen},
		{"ejections", s.Ejections}, {"stalls", s.Stalls}, {"queued", s.Queue.Queued},
	}
}

// Now is when this was so.
func (p *statusPage) Now() time.Time { return p.now.UTC() }

// A column is one of the table.
type column struct {
	Name   string
	Number bool
}

// Columns are those of the table.
func (p *statusPage) Columns() []column {
	return []column{
		{"Backend", false}, {"State", false}, {"For", false}, {"Why", false}, {"In flight", true}, {"Limit", true}, {"Weight", true}, {"Latency", true},
		{"Requests", true}, {"Failures", true}, {"Last error", false}, {"Address", false},
	}
}

// Figures are those of the whole pool that need a line each.
func (p *statusPage) Figures() []Extra {
	list := []Extra{{"Answers", listed(classNames[:], p.Stats.Answers[:])}, {"Ends", listed(endNames[:], p.Stats.Ends[:])}}
	for _, t := range []struct {
		name string
		of   Histogram
	}{{"First byte, 2xx", p.Timings.FirstByte[2]}, {"Total, 2xx", p.Timings.Total[2]}, {"Total, 5xx", p.Timings.Total[5]}, {"In the queue, 2xx", p.Timings.Queue[2]}} {
		if t.of.Count > 0 {
			list = append(list, Extra{t.name, fmt.Sprintf("half below %s, 99 of 100 below %s, longest %s", p.span(t.of.Quantile(0.5)), p.span(t.of.Quantile(0.99)), p.span(t.of.Max))})
		}
	}
	return append(list, p.Extra...)
}

// listed names what has happened at all.
func listed(names []string, counts []uint64) string {
	var parts []string
	for i, n := range counts {
		if n > 0 {
			parts = append(parts, strconv.FormatUint(n, 10)+" "+names[i])
		}
	}
	if parts == nil {
		return "none yet"
	}
	return strings.Join(parts, ", ")
}

// Error is the last thing that went wrong at a backend.
func (p *statusPage) Error(s Status) string {
	if s.LastError == "" {
		return ""
	}
	return p.span(p.now.Sub(s.Erred)) + " ago: " + oneLine(s.LastError)
}

func (p *statusPage) text(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", p.Summary); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BACKEND\tSTATE\tFOR\tIN FLIGHT\tLIMIT\tWEIGHT\tLATENCY\tREQUESTS\tFAILURES\tADDRESS\tREASON")
	for _, s := range p.Backends {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%d\t%s\t%d\t%d\t%s\t%s\n", s.Name, s.State, p.For(s), s.InFlight, p.Limit(s), s.Weight,
			p.Latency(s), s.Requests, s.Failures, p.Address(s), oneLine(s.Reason))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i, c := range p.Counts() {
		sep := ", "
		if i == 0 {
			sep = "\n"
		}
		if _, err := fmt.Fprintf(w, "%s%s %d", sep, c.Name, c.Value); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	for _, f := range p.Figures() {
		if _, err := fmt.Fprintf(w, "%s: %s\n", f.Name, f.Value); err != nil {
			return err
		}
	}
	return nil
}

const statusStyle = `
:root{color-scheme:light dark;--line:#8886;--good:#1a7f37;--bad:#b3261e;--soso:#8a5a00;--dim:#555}
@media (prefers-color-scheme:dark){:root{--good:#5fd07a;--bad:#ff8a80;--soso:#ffc46b;--dim:#bbb}}
body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:80rem}
h1{font-size:1.4rem;line-height:1.2;margin:0 0 .5rem}h2,caption{font-size:1.1rem;font-weight:bold;margin:1.5rem 0 .5rem;text-align:start}.sum{font-size:1.1rem;overflow-wrap:anywhere}
a:focus-visible{outline:3px solid;outline-offset:2px}
table{border-collapse:collapse;width:100%}
th,td{text-align:start;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
thead th{overflow-wrap:normal}td.n,thead .n{text-align:end;font-variant-numeric:tabular-nums}td.n{overflow-wrap:normal}td[data-of=State],td[data-of=For]{white-space:nowrap}
.healthy{color:var(--good)}.unhealthy,.ejected{color:var(--bad)}.draining,.disabled,.on,.unknown{color:var(--soso)}
dl{margin:0 0 1rem}dt{color:var(--dim)}dd{margin:0 0 .3rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}.counts{display:flex;flex-wrap:wrap;gap:.5rem 2rem}
@media (max-width:64rem){table,caption,tbody{display:block}thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
tbody tr{display:block;border-bottom:2px solid var(--line);padding:.5rem 0}
tbody th,td,td.n{display:flex;gap:1rem;text-align:start;border:0;padding:.1rem 0}tbody th{font-size:1.1rem}td::before{content:attr(data-of);flex:0 0 6rem;color:var(--dim)}td.none{display:none}}
`

var statusPolicy = onlyStyle(statusStyle)

// The roles are said again because browsers forget them where the parts of a table are laid out as blocks.
var statusTemplate = template.Must(template.New("status").Funcs(template.FuncMap{"style": func() template.CSS { return statusStyle }}).Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Backends</title>
{{- if .Refresh}}<meta http-equiv="refresh" content="{{.Refresh}}">{{end}}<style>{{style}}</style></head>
<body>
<main>
<h1>Backends</h1>
<p class="sum">{{.Summary}}</p>
<p>As of {{.Now.Format "2006-01-02 15:04:05"}} UTC. {{if .Refresh}}Asked anew every {{.Refresh}} s. <a href="?">Stop that</a>{{else}}<a href="?refresh=5">Ask anew every 5 s</a>{{end}}</p>
{{if .Backends}}<table role="table">
<caption>What each of them does</caption>
<thead role="rowgroup"><tr role="row">{{range .Columns}}<th scope="col" role="columnheader"{{if .Number}} class="n"{{end}}>{{.Name}}</th>{{end}}</tr></thead>
<tbody role="rowgroup">
{{range .Backends}}<tr role="row"><th scope="row" role="rowheader">{{.Name}}</th><td role="cell" data-of="State" class="{{.State}}">{{.State}}</td><td role="cell" data-of="For" title="since {{.Since.Format "2006-01-02 15:04:05Z07:00"}}">{{$.For .}}</td><td role="cell" data-of="Why"{{if not .Reason}} class="none"{{end}}>{{.Reason}}</td><td role="cell" data-of="In flight" class="n">{{.InFlight}}</td><td role="cell" data-of="Limit" class="n">{{$.Limit .}}</td><td role="cell" data-of="Weight" class="n">{{.Weight}}</td><td role="cell" data-of="Latency" class="n">{{$.Latency .}}</td><td role="cell" data-of="Requests" class="n">{{.Requests}}</td><td role="cell" data-of="Failures" class="n">{{.Failures}}</td><td role="cell" data-of="Last error"{{if not .LastError}} class="none"{{end}}>{{$.Error .}}</td><td role="cell" data-of="Address">{{$.Address .}}</td></tr>
{{end}}</tbody>
</table>
{{end}}<h2>Since the start</h2>
<dl class="counts">
{{range .Counts}}<div><dt>{{.Name}}</dt><dd>{{.Value}}</dd></div>
{{end}}</dl>
<dl>
{{range .Figures}}<div><dt>{{.Name}}</dt><dd>{{.Value}}</dd></div>
{{end}}</dl>
</main>
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
