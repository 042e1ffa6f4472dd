package sugar

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/remora"
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

// buffers are for documents made for one answer. Large ones are not kept.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

const maxPooled = 64 << 10

// serveUpdate answers the updater of Sugar (jarabe.model.update.aslo): which version of one
// activity is the best for this Sugar. No suitable one is a document without a Description.
func (h *Handler) serveUpdate(w http.ResponseWriter, r *http.Request) {
	query := r.URL.RawQuery
	id, _ := parameter(query, "id", false)
	client, ok := updateClient(query)
	var a *remora.Activity
	if id != "" {
		a = h.library.View().ByBundleID(id)
	}
	header := w.Header()
	header["Content-Type"] = xmlType
	header["Cache-Control"] = cacheHour
	if a == nil {
		writeBody(w, r, rdfNone, rdfNoneETag, time.Time{})
		return
	}
	var v *remora.Version
	if ok {
		v = a.Select(client)
	}
	if v == nil {
		writeBody(w, r, rdfNone, rdfNoneETag, a.Updated.Time())
		return
	}
	buf := buffers.Get().(*[]byte)
	body := appendUpdate((*buf)[:0], a, v, h.site.ClientBase(r))
	writeBody(w, r, body, etagOf(body), a.Updated.Time())
	if cap(body) <= maxPooled {
		*buf = body
		buffers.Put(buf)
	}
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
