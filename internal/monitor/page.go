package monitor

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"time"
)

// Handler serves the report of [Monitor.Report] for people, as a page without scripts and styles,
// and for programs: as JSON with ?format=json or an Accept header that asks for it, as text with
// ?format=text. The status is 200 whatever the report says; "level" tells. It holds names of machines
// and texts of errors, so it is not for everybody: who mounts it decides who may see it.
func (m *Monitor) Handler() http.Handler { return pageHandler(m.Report) }

func pageHandler(report func() Report) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		h.Set("Vary", "Accept")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "This page is only read: use GET.", http.StatusMethodNotAllowed)
			return
		}
		format := r.URL.Query().Get("format")
		if format == "" && strings.Contains(r.Header.Get("Accept"), "application/json") {
			format = "json"
		}
		var body bytes.Buffer
		var err error
		switch format {
		case "", "html":
			h.Set("Content-Type", "text/html; charset=utf-8")
			err = page.Execute(&body, report())
		case "json":
			h.Set("Content-Type", "application/json")
			e := json.NewEncoder(&body)
			e.SetIndent("", "  ")
			err = e.Encode(report())
		case "text":
			h.Set("Content-Type", "text/plain; charset=utf-8")
			err = report().Text(&body, &TextOptions{Detail: true})
		default:
			http.Error(w, "The format is html, json or text.", http.StatusBadRequest)
			return
		}
		if err != nil { // only a fault of the template can be the reason
			http.Error(w, "The report cannot be shown. The fault is ours.", http.StatusInternalServerError)
			return
		}
		if _, err := w.Write(body.Bytes()); err != nil {
			return // the client went away
		}
	})
}

// page is plain: without styles it is read on the narrowest screen and by any reader. Long words may
// be broken where they have a slash, a comma or a colon.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"upper": func(l Level) string { s := l.String(); return strings.ToUpper(s[:1]) + s[1:] },
	"span":  func(at, since time.Time) string { return span(at.Sub(since)) },
	"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"soft": func(s string) template.HTML {
		return template.HTML(soft.Replace(template.HTMLEscapeString(s)))
	},
}).Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{upper .Level}}: the state of this library</title>
</head>
<body>
<main>
<h1>The state of this library</h1>
<p><strong>{{.Headline}}</strong> At <time datetime="{{stamp .At}}">{{clock .At}}</time>.</p>
{{- range .Results}}
<section>
<h2>{{upper .Level}}: {{soft .Name}}</h2>
<p>{{soft .Summary}}{{if not .Since.IsZero}} For {{span $.At .Since}}.{{end}}{{if .Suspect}} The last probe failed.{{end}}</p>
{{- if .Next}}
<p>Next: <code>{{soft .Next}}</code></p>
{{- end}}
{{- if .Detail}}
<dl>
{{- range .Detail}}
<dt>{{soft .Key}}</dt><dd>{{soft .Value}}</dd>
{{- end}}
</dl>
{{- end}}
</section>
{{- end}}
</main>
</body>
</html>
`))

// soft allows a break behind what separates the parts of paths, addresses and lists.
var soft = strings.NewReplacer("/", "/<wbr>", ",", ",<wbr>", ":", ":<wbr>", "=", "=<wbr>")
