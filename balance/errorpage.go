package balance

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// OperationsOptions are for those who run a balancer and want it to look like the rest of their site.
type OperationsOptions struct {
	// ErrorPage, if not nil, answers in the balancer's place when it has to answer itself: no backend may
	// take a request, or none has answered. Retry-After and Cache-Control are set already and may be
	// changed. It must write the header with e.Status, and no body for HEAD. It is called concurrently.
	// nil: one sentence, as text or as HTML, as the client likes.
	ErrorPage func(w http.ResponseWriter, e ErrorInfo)
	// Extra, if not nil, says what else the status page shows, such as the figures of a cache. It is
	// called for each view of the page and must not block.
	Extra func() []Extra
}

// Extra is a line of the status page.
type Extra struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ErrorInfo is what an error page is made of.
type ErrorInfo struct {
	// Status is that of the answer, and End why there is no other.
	Status int
	End    End
	// Sentence says in English what has happened and what to do. It names no backend.
	Sentence string
	// RetryAfter is when the client may come again, in whole seconds; 0: that is not known.
	RetryAfter time.Duration
	// ID tells this request from others, in the log too: that of [Record].
	ID string
	// Method, Host and Path are those of the request.
	Method, Host, Path string
	// Accept and AcceptLanguage are what the client would like.
	Accept, AcceptLanguage string
}

// answer answers a request in the place of a backend.
func (b *Balancer) answer(w http.ResponseWriter, r *http.Request, in Info, status int, sentence string, retry time.Duration) {
	e := ErrorInfo{
		Status: status, Sentence: sentence, RetryAfter: retry, Method: in.Method, Host: in.Host, Path: in.Path,
		Accept: strings.Join(in.Values("Accept"), ", "), AcceptLanguage: strings.Join(in.Values("Accept-Language"), ", "),
	}
	v, _ := w.(*visit)
	if of, ok := w.(*writer); ok {
		v = of.visit
	}
	if v != nil {
		if v.ID == "" {
			v.ID = rand.Text()
		}
		e.ID, e.End = v.ID, v.why
	}
	if retry > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(retry/time.Second), 10))
	}
	w.Header().Set("Cache-Control", "no-store")
	if page := b.o.Operations.ErrorPage; page != nil {
		page(w, e)
		return
	}
	w.Header().Add("Vary", "Accept")
	if preferred([]string{e.Accept}, "text/plain", "text/html") == "text/html" {
		htmlError(w, e)
		return
	}
	explain(w, r, status, sentence)
}

// errorStyle is that of the page, which loads nothing.
const errorStyle = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:40rem;padding:1rem;overflow-wrap:anywhere}h1{font-size:1.4rem;line-height:1.2}`

// onlyStyle is a Content-Security-Policy that allows the style and nothing else.
func onlyStyle(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

var errorPolicy = onlyStyle(errorStyle)

var errorTemplate = template.Must(template.New("error").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title><style>` + errorStyle + `</style></head>
<body>
<main>
<h1>{{.Title}}</h1>
<p>{{.Sentence}}</p>
<p>Error {{.Status}}{{if .ID}}. If you report it, give this number: {{.ID}}{{end}}</p>
</main>
</body>
</html>
`))

// htmlError writes the page for people. The sentence is in English, as the page says.
func htmlError(w http.ResponseWriter, e ErrorInfo) {
	var body strings.Builder
	title := "This page cannot be shown now"
	if e.Status < 500 {
		title = "This request cannot be answered"
	}
	err := errorTemplate.Execute(&body, struct {
		ErrorInfo
		Title string
	}{e, title})
	if err != nil {
		panic(err) // strings do not fail
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", errorPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(e.Status)
	if e.Method != http.MethodHead {
		io.WriteString(w, body.String()) // who has gone needs no page
	}
}
