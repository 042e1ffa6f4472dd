package sugar

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// sugarApp is the id under which Sugar is an application in update documents.
const sugarApp = "{3ca105e0-2280-4897-99a0-c277d1b733d2}"

// firstSugar is what an open minimum is written as: no activity format is older.
var firstSugar = remora.InferRange(remora.InterpreterNative).Min

const (
	rdfHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<RDF:RDF xmlns:RDF="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:em="http://www.mozilla.org/2004/em-rdf#">` + "\n"
	rdfTail = "</RDF:RDF>\n"
)

// The document that says "nothing for you".
var (
	rdfNone     = []byte(rdfHead + rdfTail)
	rdfNoneETag = etagOf(rdfNone)
)

// A document is an update document that was made, kept because laptops have the same few hundred
// activities and ask the same questions about them. It is right for one position of the catalog.
type document struct {
	at       remora.Position
	body     []byte
	modified time.Time
	values   [3]string // of ETag, Last-Modified and Content-Length
}

// A documentKey is what a document depends on besides the catalog.
type documentKey struct{ base, query string }

// Bounds of what is kept, in bytes. A long query is no laptop's.
const (
	documentsMax = 16 << 20
	maxKeptQuery = 200
)

func newDocumentCache() (*otter.Cache[documentKey, *document], error) {
	return otter.New(&otter.Options[documentKey, *document]{
		MaximumWeight: documentsMax,
		Weigher: func(k documentKey, d *document) uint32 {
			return uint32(len(k.base)+len(k.query)+len(d.body)) + 400 // with what holds it
		},
	})
}

// serveUpdate answers the updater of Sugar (jarabe.model.update.aslo): which version of one
// activity is the best for this Sugar. No suitable one is a document without a Description.
func (h *Handler) serveUpdate(w http.ResponseWriter, r *http.Request) {
	view := h.library.View()
	key := documentKey{h.site.ClientBase(r), r.URL.RawQuery}
	keep := len(key.query) <= maxKeptQuery
	var d *document
	if keep {
		d, _ = h.documents.GetIfPresent(key)
	}
	if d == nil || d.at != view.Position() {
		d = newDocument(view, key)
		// Questions without an answer are as many as anybody likes, and cost little.
		if keep && len(d.body) > len(rdfNone) {
			h.documents.Set(documentKey{strings.Clone(key.base), strings.Clone(key.query)}, d)
		}
	}
	d.serve(w, r)
}

func newDocument(view *live.View, key documentKey) *document {
	d := &document{at: view.Position(), body: rdfNone}
	d.values[0] = rdfNoneETag
	if id, _ := parameter(key.query, "id", false); id != "" {
		if a := view.ByBundleID(id); a != nil {
			d.modified = a.Updated.Time()
			if client, ok := updateClient(key.query); ok {
				if v := a.Select(client); v != nil {
					d.body = slices.Clone(appendUpdate(make([]byte, 0, 2<<10), a, v, key.base)) // no larger than it is
					d.values[0] = etagOf(d.body)
				}
			}
		}
	}
	if !d.modified.IsZero() {
		d.values[1] = d.modified.UTC().Format(http.TimeFormat)
	}
	d.values[2] = strconv.Itoa(len(d.body))
	return d
}

// serve is writeBody without anything left to work out.
func (d *document) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header["Cache-Control"] = cacheHour
	header["Etag"] = d.values[0:1:1]
	if d.values[1] != "" {
		header["Last-Modified"] = d.values[1:2:2]
	}
	if unchanged(r, d.values[0], d.modified) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header["Content-Type"] = xmlType
	header["Content-Length"] = d.values[2:3:3]
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return
	}
	// Nobody is left to tell when the client has gone.
	_, _ = w.Write(d.body)
}

// updateClient reads what the client says of itself; ok is false when it names a Sugar that is
// none, which nothing is suitable for.
func updateClient(query string) (c remora.Client, ok bool) {
	if exp, _ := parameter(query, "experimental", false); exp != "" && exp != "0" {
		c.Experimental = true
	}
	app, _ := parameter(query, "appVersion", false)
	if app == "" {
		return c, true
	}
	n, err := remora.ParseSugar(app)
	c.Sugar = n
	return c, err == nil
}

// appendUpdate appends the RDF document that offers v. Distribution scripts read it with grep and
// sed, so that there is one element on each line.
func appendUpdate(b []byte, a *remora.Activity, v *remora.Version, base string) []byte {
	b = append(b, rdfHead...)
	b = append(b, `<RDF:Description about="urn:mozilla:extension:`...)
	b = appendXML(b, a.BundleID)
	b = append(b, "\">\n<em:updates>\n<RDF:Seq>\n<RDF:li resource=\"urn:mozilla:extension:"...)
	b = appendXML(b, a.BundleID)
	b = append(b, ':')
	b = appendXML(b, v.Number.String())
	b = append(b, "\"/>\n</RDF:Seq>\n</em:updates>\n</RDF:Description>\n<RDF:Description about=\"urn:mozilla:extension:"...)
	b = appendXML(b, a.BundleID)
	b = append(b, ':')
	b = appendXML(b, v.Number.String())
	b = append(b, "\">\n<em:version>"...)
	b = appendXML(b, v.Number.String())
	b = append(b, "</em:version>\n<em:targetApplication>\n<RDF:Description>\n<em:id>"+sugarApp+"</em:id>\n<em:minVersion>"...)
	oldest, newest := writtenRange(v.Range)
	b = append(b, oldest.String()...)
	b = append(b, "</em:minVersion>\n<em:maxVersion>"...)
	b = append(b, newest.String()...)
	b = append(b, "</em:maxVersion>\n<em:updateLink>"...)
	b = appendXML(b, base)
	b = appendBundlePath(b, a, v)
	b = append(b, "</em:updateLink>\n<em:updateSize>"...)
	b = strconv.AppendInt(b, kibibytes(v.Size), 10)
	b = append(b, "</em:updateSize>\n"...)
	if len(v.Notes) > 0 {
		b = append(b, "<em:updateInfoURL>"...)
		b = appendXML(b, base)
		b = append(b, "/versions/updateInfo/"...)
		b = strconv.AppendInt(b, v.ID, 10)
		b = append(b, "/%APP_LOCALE%/</em:updateInfoURL>\n"...)
	}
	if !v.SHA256.IsZero() {
		b = append(b, "<em:updateHash>sha256:"...)
		b = hex.AppendEncode(b, v.SHA256[:])
		b = append(b, "</em:updateHash>\n"...)
	}
	return append(b, "</RDF:Description>\n</em:targetApplication>\n</RDF:Description>\n"+rdfTail...)
}

// kibibytes is what em:updateSize counts in: the client multiplies it by 1024. Rounding down would
// promise a smaller download than there is, and 0 reads as nothing.
func kibibytes(size int64) int64 { return max(1, size/1024+min(1, size%1024)) }

// writtenRange replaces open ends, which the format has no way to say.
func writtenRange(r remora.Range) (oldest, newest remora.Number) {
	oldest, newest = r.Min, r.Max
	if oldest.IsZero() {
		oldest = firstSugar
	}
	if newest.IsZero() {
		newest = remora.NewestSugar
		if newest.Compare(oldest) < 0 {
			newest = oldest
		}
	}
	return oldest, newest
}

// bundlePath returns the address of a version's bundle that every client can use: its last element
// is the file's name, by which Sugar knows what it is.
func bundlePath(a *remora.Activity, v *remora.Version) string {
	return string(appendBundlePath(nil, a, v))
}

func appendBundlePath(b []byte, a *remora.Activity, v *remora.Version) []byte {
	b = append(b, "/activities/"...)
	b = strconv.AppendInt(b, a.ID, 10)
	b = append(b, '/')
	return append(b, pathElement(v.Filename)...)
}

// pathElement escapes a file name for a path inside XML, HTML or a header alike; the names we make
// need nothing and cost nothing.
func pathElement(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '.' && r != '_' && r != '~'
	}) {
		return strings.ReplaceAll(url.PathEscape(s), "&", "%26")
	}
	return s
}
