package answer

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func unpack(t *testing.T, encoding string, content []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(content)
	switch encoding {
	case "":
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case "zstd":
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	default:
		t.Fatalf("encoding %q", encoding)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func TestServe(t *testing.T) {
	text := strings.Repeat("Things to make, explore and learn with. ", 100)
	b := New([]byte(text))
	etags := map[string]string{}
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "zstd": "zstd", "x-gzip": "gzip", "br": "", "*": "",
		"gzip, deflate, br, zstd": "zstd", "gzip, deflate": "gzip", "zstd, gzip": "zstd",
		"gzip;q=0": "", "zstd;q=0.5, gzip;q=0.8": "gzip", "gzip;q=nonsense": "", "GZIP ; Q=1": "gzip",
		"zstd;q=0, gzip;q=0": "", "gzip;q=2": "",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r := httptest.NewRequest(method, "/", nil)
			if accept != "" {
				r.Header.Set("Accept-Encoding", accept)
			}
			w := httptest.NewRecorder()
			if err := b.Serve(w, r); err != nil {
				t.Fatal(err)
			}
			header := w.Result().Header
			if got := header.Get("Content-Encoding"); got != want {
				t.Errorf("%s with %q: Content-Encoding %q, want %q", method, accept, got, want)
			}
			if header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%q: Vary is %q", accept, header.Get("Vary"))
			}
			if method == http.MethodGet {
				if got := unpack(t, want, w.Body.Bytes()); got != text {
					t.Errorf("%q: the content is another: %.40q", accept, got)
				}
				if got := header.Get("Content-Length"); got != strconv.Itoa(w.Body.Len()) {
					t.Errorf("%q: Content-Length %s of %d bytes", accept, got, w.Body.Len())
				}
			} else if w.Body.Len() > 0 || header.Get("Content-Length") == "" {
				t.Errorf("HEAD with %q: %d bytes, Content-Length %q", accept, w.Body.Len(), header.Get("Content-Length"))
			}
			etag := header.Get("Etag")
			if other, ok := etags[want]; ok && other != etag {
				t.Errorf("%q has two tags, %s and %s", want, etag, other)
			}
			etags[want] = etag
		}
	}
	if etags[""] == etags["gzip"] || etags["gzip"] == etags["zstd"] || len(etags) != 3 {
		t.Errorf("different bytes have one tag: %v", etags)
	}
	for _, match := range []string{etags[""], etags["gzip"], etags["zstd"], "W/" + etags[""], `"x", ` + etags["gzip"], "*"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("If-None-Match", match)
		w := httptest.NewRecorder()
		if err := b.Serve(w, r); err != nil {
			t.Fatal(err)
		}
		if w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("Etag") != etags[""] {
			t.Errorf("If-None-Match %s: %d with %d bytes, tag %s", match, w.Code, w.Body.Len(), w.Header().Get("Etag"))
		}
	}
	for _, match := range []string{`"x"`, etags[""][1:], strings.Trim(etags[""], `"`), `""`, `"`, ""} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("If-None-Match", match)
		w := httptest.NewRecorder()
		if err := b.Serve(w, r); err != nil {
			t.Fatal(err)
		}
		if w.Code != http.StatusOK {
			t.Errorf("If-None-Match %s: %d", match, w.Code)
		}
	}
}

// TestSmall: what fits a packet is sent as it is.
func TestSmall(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	if err := New([]byte("small")).Serve(w, r); err != nil {
		t.Fatal(err)
	}
	if w.Header().Get("Content-Encoding") != "" || w.Header().Get("Vary") != "" || w.Body.String() != "small" {
		t.Errorf("%v %q", w.Header(), w.Body)
	}
}

func TestCompressedOnce(t *testing.T) {
	b := New(bytes.Repeat([]byte("a page "), 1000))
	first := b.form(encodingGzip)
	if again := b.form(encodingGzip); &again.content[0] != &first.content[0] {
		t.Error("the page was compressed twice")
	}
}
