package web

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/web/internal/answer"
)

// A visit is one request being answered: everything is taken once, so that a page is of one moment.
type visit struct {
	handler *Handler
	request *http.Request
	view    *witness
	status  live.Status
	stale   string // the notice that the catalog may be out of date, "" while it is not
	tongue  *tongue
	guessed bool // the language is not in the address
	query   question
}

// A frame is what every page has around its own content. Body is the page's own data.
type frame struct {
	Lang, Dir   string
	Title       string   // of the page; "" on the home page
	Site        string   // name of the site
	Styles      []string // addresses of the style sheets
	Icon        string   // address of the favicon
	Home        string   // addresses of the pages every page leads to
	Browse      string
	Search      string
	OpenSearch  string // address of the description of the search
	Categories  string
	Collections string
	Query       string // what stands in the search box
	BigSearch   bool   // the page has a search box of its own, so the head has none
	Canonical   string // absolute address of this page
	Next        string // address of the next page of a list, relative
	NoIndex     bool   // not for search engines
	Languages   []languageLink
	Feeds       []feedLink // of what is on the page
	Foot        []footLink // at the foot of every page
	Stale       string     // a notice that the catalog may be out of date
	Body        any
}

// A languageLink leads to the same page in another language.
type languageLink struct {
	Tag, Dir, Name, Href, URL string
	Current                   bool
}

// loadPages parses the templates: for each language and page the layout, the shared parts (files
// whose name begins with _) and the page, with the language's messages bound in.
func loadPages(files fs.FS, tongues []*tongue) (map[string]map[string]*template.Template, error) {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	byTag := map[string]map[string]*template.Template{}
	for _, l := range tongues {
		shared := template.New("").Funcs(template.FuncMap{"t": l.t, "tn": l.n})
		if shared, err = shared.ParseFS(files, "templates/_*.html"); err != nil {
			return nil, err
		}
		pages := map[string]*template.Template{}
		for _, name := range names {
			base := path.Base(name)
			if strings.HasPrefix(base, "_") {
				continue
			}
			page, err := shared.Clone()
			if err == nil {
				page, err = page.ParseFS(files, name)
			}
			if err != nil {
				return nil, err
			}
			if page = page.Lookup("layout"); page == nil {
				return nil, fmt.Errorf("no template defines the layout")
			}
			pages[strings.TrimSuffix(base, ".html")] = page
		}
		byTag[l.tag] = pages
	}
	return byTag, nil
}

// newFrame returns the frame of the present page.
func (v *visit) newFrame(title string, body any) *frame {
	h, l := v.handler, v.tongue
	root := "/" + l.tag + "/"
	f := &frame{
		Lang: l.tag, Dir: l.dir, Title: title, Site: h.name,
		Styles: []string{h.assets["style.css"].path}, Icon: h.assets["favicon.svg"].path,
		Home: root, Browse: root + "browse", Search: l.searchPath(nil),
		Body: body, Stale: v.stale, Foot: l.footLinks(),
		OpenSearch: l.path("opensearch.xml"), Categories: l.path("categories"), Collections: l.path("collections"),
	}
	for _, other := range h.tongues {
		f.Languages = append(f.Languages, languageLink{Tag: other.tag, Dir: other.dir, Name: other.own, Href: "/" + other.tag + "/", Current: other == l})
	}
	return f
}

// A footLink leads from the foot of every page to one about the library itself.
type footLink struct{ Name, Href string }

func (l *tongue) footLinks() []footLink {
	return []footLink{
		{l.t("About"), l.path("about")}, {l.t("For schools"), l.path("school")}, {l.t("For developers"), l.path("developers")},
		{l.t("Statistics"), l.path("statistics")}, {l.t("Feeds"), l.path("feeds")}, {l.t("Privacy"), l.path("privacy")}, {l.t("Contact"), l.path("contact")},
	}
}

// with adds a style sheet that not every page has.
func (f *frame) with(h *Handler, sheet string) { f.Styles = append(f.Styles, h.assets[sheet].path) }

// at says where the page is, with the parameters that make it another page: the addresses that
// search engines are told, and those of the same page in the other languages.
func (f *frame) at(v *visit, rest string, params url.Values) {
	place := rest
	if query := params.Encode(); query != "" {
		rest += "?" + query
	}
	base := v.handler.site.Base(v.request)
	f.Canonical = base + "/" + f.Lang + "/" + rest
	f.Feeds = v.tongue.feedsOf(place, params)
	for i := range f.Languages {
		f.Languages[i].Href = "/" + f.Languages[i].Tag + "/" + rest
		f.Languages[i].URL = base + f.Languages[i].Href
	}
}

func (v *visit) staleNotice() string {
	l := v.tongue
	if v.status.Contact.IsZero() {
		return l.t("The library's database does not answer just now. You see the library as it was when it was last saved; everything here can be read and downloaded.")
	}
	day := l.day(remora.TimeOf(v.status.Contact))
	// Translators: the first is a date, the second a time of day.
	return l.t("The library's database does not answer just now. You see the library as it was on %s at %s UTC; everything here can be read and downloaded.", day.Text, l.clock(v.status.Contact))
}

// offerVary is the Vary of pages that show which version a reader is offered.
const offerVary = "User-Agent"

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keptBuffer is the largest buffer that is used again.
const keptBuffer = 256 << 10

// show renders a page that is made of the catalog alone, answers with it and keeps it.
func (h *Handler) show(w http.ResponseWriter, v *visit, name string, f *frame, vary string) {
	h.showAs(w, v, name, f, manner{vary: vary, cache: "public, max-age=60", keep: true})
}

// A manner is how a page may be kept: cache is its Cache-Control, and keep says that we keep it, for
// as long as the catalog answers as it does now.
type manner struct {
	vary, cache string
	keep        bool
}

// showAs renders a page and answers with it. Nothing is sent before all is rendered, so that a
// fault is a page of its own and never half of one.
func (h *Handler) showAs(w http.ResponseWriter, v *visit, name string, f *frame, m manner) {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= keptBuffer {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	if err := h.pages[v.tongue.tag][name].Execute(buf, f); err != nil {
		h.log.ErrorContext(v.request.Context(), "a page cannot be rendered", "page", name, "path", v.request.URL.Path, "error", err)
		h.fail(w, v, faultInternal)
		return
	}
	body := answer.New(bytes.Clone(withoutControls(buf.Bytes())))
	fields := [][2]string{
		{"Content-Type", "text/html; charset=utf-8"}, {"Content-Language", v.tongue.tag},
		{"Cache-Control", m.cache},
	}
	if m.vary != "" {
		fields = append(fields, [2]string{"Vary", m.vary})
	}
	if m.keep {
		h.keep(v, fields, body, m.vary == offerVary)
	}
	h.serveBody(w, v, fields, body)
}

// serveBody answers with a body, and a header besides what all have.
func (h *Handler) serveBody(w http.ResponseWriter, v *visit, fields [][2]string, body *answer.Body) {
	header := w.Header()
	for _, field := range fields {
		header.Add(field[0], field[1])
	}
	h.sent(body.Serve(w, v.request), v.request)
}

// withoutControls takes out, in place, what HTML has no place for, broken UTF-8 included, and the
// characters that steer the direction of what follows them. Texts of the catalog may hold both: a
// name must not turn round what stands behind it. What is encoded in addresses stays.
func withoutControls(body []byte) []byte {
	at := 0
	for i := 0; i < len(body); {
		r, size := rune(body[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(body[i:])
		}
		if broken := r == utf8.RuneError && size == 1; !broken && !noPlace(r) {
			if at < i {
				copy(body[at:], body[i:i+size])
			}
			at += size
		}
		i += size
	}
	return body[:at]
}

// noPlace reports whether r is a control character or noncharacter, which are parse errors in HTML, or
// an embedding, override or isolate (UAX #9), for which HTML has dir and bdi.
func noPlace(r rune) bool {
	switch {
	case r < ' ':
		return r != '\n' && r != '\t'
	case r < 0x7f:
		return false
	case r < 0xa0:
		return true
	case r < 0x202a:
		return false
	}
	return r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe
}

func (h *Handler) write(w http.ResponseWriter, v *visit, status int, body []byte) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", v.tongue.tag)
	if v.request.Method == http.MethodHead {
		header.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		return
	}
	w.WriteHeader(status)
	_, err := w.Write(body)
	h.sent(err, v.request)
}
