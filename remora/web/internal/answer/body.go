// Package answer sends content that many people ask for: its entity tag and its compressed forms
// are made once, not for every request.
package answer

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A Body is the content of an answer with status 200. It is immutable and safe for concurrent use.
type Body struct {
	tag   string // of the plain form, without quotes
	plain form
	zip   [encodings]struct {
		once sync.Once
		form form
	}
}

// A form is the content in one encoding. The fields are header values, ready to be sent.
type form struct {
	content  []byte
	etag     []string
	length   []string
	encoding []string // nil: identity
}

type encoding uint8

const (
	encodingGzip encoding = iota
	encodingZstd
	encodings
	identity
)

// names are the codings' names in headers, and behind the entity tags of what they made: a strong
// tag names exactly one sequence of bytes (RFC 9110, section 8.8.3).
var names = [encodings]string{"gzip", "zstd"}

// minZipped is how many bytes are worth compressing: less fits one packet as it is.
const minZipped = 512

// New returns a Body of content, which must not be changed any more.
func New(content []byte) *Body {
	sum := sha256.Sum256(content)
	b := &Body{tag: base64.RawURLEncoding.EncodeToString(sum[:15])}
	b.plain = b.newForm(content, "", nil)
	return b
}

func (b *Body) newForm(content []byte, suffix string, encoding []string) form {
	return form{content, []string{`"` + b.tag + suffix + `"`}, []string{strconv.Itoa(len(content))}, encoding}
}

// Size returns how many bytes the Body may come to hold, all forms together.
func (b *Body) Size() int { return 2*len(b.plain.content) + 512 }

// Content returns the plain content, which must not be changed.
func (b *Body) Content() []byte { return b.plain.content }

var varyEncoding = "Accept-Encoding"

// Serve answers r with the Body in the best form that the client takes, with 304 where it has that
// content already (RFC 9110, section 13.1.2), and with the header alone for HEAD. Content-Type and
// what else there is must be set before. The error is that of writing: the client went away.
func (b *Body) Serve(w http.ResponseWriter, r *http.Request) error {
	f := &b.plain
	header := w.Header()
	if len(b.plain.content) >= minZipped {
		header.Add("Vary", varyEncoding)
		if e := accepted(r.Header["Accept-Encoding"], encodingGzip, encodingZstd); e != identity {
			f = b.form(e)
		}
	}
	header["Etag"] = f.etag
	if matches(r.Header["If-None-Match"], b.tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header["Content-Length"] = f.length
	if f.encoding != nil {
		header["Content-Encoding"] = f.encoding
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(f.content)
	return err
}

// form returns the Body in an encoding, made when it is first asked for.
func (b *Body) form(e encoding) *form {
	z := &b.zip[e]
	z.once.Do(func() {
		z.form = b.newForm(compress(e, b.plain.content), "-"+names[e], []string{names[e]})
	})
	return &z.form
}

var gzips = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// zstds encodes one at a time without goroutines of its own. New options cannot fail: they are ours.
var zstds = sync.OnceValue(func() *zstd.Encoder {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		panic("answer: " + err.Error())
	}
	return z
})

func compress(e encoding, content []byte) []byte {
	if e == encodingZstd {
		return zstds().EncodeAll(content, nil)
	}
	var out bytes.Buffer
	z := gzips.Get().(*gzip.Writer)
	defer gzips.Put(z)
	z.Reset(&out)
	// A bytes.Buffer takes everything, so that neither call fails.
	_, _ = z.Write(content)
	_ = z.Close()
	return out.Bytes()
}

// accepted returns which of the encodings there are to use for the fields of an Accept-Encoding (RFC
// 9110, section 12.5.3): that with the greatest weight, of several zstd, which is the smaller.
func accepted(fields []string, of ...encoding) encoding {
	best, most := identity, 0.0
	for _, field := range fields {
		for item := range strings.SplitSeq(field, ",") {
			coding, parameter, _ := strings.Cut(item, ";")
			var e encoding
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "zstd":
				e = encodingZstd
			case "gzip", "x-gzip":
				e = encodingGzip
			default:
				continue
			}
			if !slices.Contains(of, e) {
				continue
			}
			if q := weight(parameter); q > most || q == most && q > 0 && e > best && best != identity {
				best, most = e, q
			}
		}
	}
	return best
}

// weight reads "q=0.5"; without it the weight is 1, and of one that cannot be read 0.
func weight(parameter string) float64 {
	name, value, found := strings.Cut(strings.TrimSpace(parameter), "=")
	if !found || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}

// matches reports whether an If-None-Match names the entity tag, as it is or as a compressed form
// of the same content has it.
func matches(fields []string, tag string) bool {
	for _, field := range fields {
		for each := range strings.SplitSeq(field, ",") {
			each = strings.TrimPrefix(strings.TrimSpace(each), "W/")
			if each == "*" {
				return true
			}
			if len(each) < 2 || each[0] != '"' || each[len(each)-1] != '"' {
				continue
			}
			each = each[1 : len(each)-1]
			for _, name := range names {
				each = strings.TrimSuffix(each, "-"+name)
			}
			if each == tag {
				return true
			}
		}
	}
	return false
}
