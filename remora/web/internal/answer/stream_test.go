package answer

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestStream(t *testing.T) {
	text := strings.Repeat("One address after another. ", 10_000)
	written := 0
	write := func(w io.Writer) error {
		written++
		_, err := io.WriteString(w, text)
		return err
	}
	for accept, want := range map[string]string{"": "", "gzip": "gzip", "zstd, gzip;q=0.5": "gzip", "zstd": "", "gzip;q=0": "", "br": ""} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		if err := Stream(w, r, "t1", write); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get("Content-Encoding"); got != want || unpack(t, got, w.Body.Bytes()) != text {
			t.Errorf("%q: encoding %q, or another text", accept, got)
		}
		if w.Header().Get("ETag") != `W/"t1"` || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: headers %v", accept, w.Header())
		}
	}
	written = 0
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("If-None-Match", `W/"t1"`)
	w := httptest.NewRecorder()
	if err := Stream(w, r, "t1", write); err != nil || w.Code != http.StatusNotModified || w.Body.Len() != 0 || written != 0 {
		t.Errorf("known content: %v, status %d, %d bytes, written %d times", err, w.Code, w.Body.Len(), written)
	}
	w = httptest.NewRecorder()
	if err := Stream(w, httptest.NewRequest(http.MethodHead, "/", nil), "t1", write); err != nil || w.Code != http.StatusOK || w.Body.Len() != 0 || written != 0 {
		t.Errorf("HEAD: %v, status %d, %d bytes, written %d times", err, w.Code, w.Body.Len(), written)
	}
}

type away struct{ http.ResponseWriter }

func (away) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestStreamToNobody(t *testing.T) {
	for _, accept := range []string{"", "gzip"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", accept)
		err := Stream(away{httptest.NewRecorder()}, r, "t1", func(w io.Writer) error {
			_, err := io.WriteString(w, strings.Repeat("x", 1<<20))
			return err
		})
		if err == nil {
			t.Errorf("%q: no error", accept)
		}
	}
}
