package filehttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// answers is a transport that gives what a mirror might that is broken, or means harm.
type answers func(*http.Request) *http.Response

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }

// FuzzRemote: whatever a mirror says, who reads a file in order whose sum is known gets that file or an
// error, after a bounded number of requests.
func FuzzRemote(f *testing.F) {
	good := []byte("what is in the file")
	sum := sumOf(good)
	tag := fmt.Sprintf(`"%x"`, sum)
	f.Add(200, int64(len(good)), tag, 206, tag, "bytes 0-18/19", good)
	f.Add(200, int64(len(good)), "", 206, "", "bytes 0-18/19", good)
	f.Add(200, int64(len(good)), tag, 206, tag, "bytes 0-18/19", []byte("what is in the vile"))
	f.Add(200, int64(len(good)), tag, 200, tag, "", good)
	f.Add(200, int64(1<<62), `W/"x"`, 206, `"`, "bytes 0-65535/4611686018427387904", good)
	f.Add(200, int64(0), "", 206, "", "", []byte(nil))
	f.Add(404, int64(-1), tag, 500, tag, "bytes */*", []byte(nil))
	f.Fuzz(func(t *testing.T, headStatus int, length int64, headTag string, status int, tag, span string, body []byte) {
		requests := 0
		client := &http.Client{Transport: answers(func(r *http.Request) *http.Response {
			requests++
			if r.Method == http.MethodHead {
				return &http.Response{StatusCode: headStatus, Status: "head", ContentLength: length, Header: http.Header{"Etag": {headTag}}, Body: http.NoBody}
			}
			return &http.Response{StatusCode: status, Status: "get", ContentLength: int64(len(body)), Header: http.Header{"Etag": {tag}, "Content-Range": {span}}, Body: io.NopCloser(bytes.NewReader(body))}
		}), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		r, err := NewRemote(&RemoteOptions{Client: client}, "http://mirror/")
		if err != nil {
			t.Fatal(err)
		}
		file, err := r.OpenSum(t.Context(), "a", sum)
		if err != nil {
			return
		}
		defer file.Close()
		var got bytes.Buffer
		_, err = io.CopyBuffer(&got, struct{ io.Reader }{io.LimitReader(file, 1<<20)}, make([]byte, 32<<10))
		if err == nil && got.Len() < 1<<20 && !bytes.Equal(got.Bytes(), good) {
			t.Errorf("%d bytes of something else are taken for the file", got.Len())
		}
		if err != nil && !errors.Is(err, nfsstore.ErrUnavailable) && !errors.Is(err, nfsstore.ErrCorrupt) && !errors.Is(err, nfsstore.ErrChanged) && !strings.Contains(err.Error(), "mirror") {
			t.Errorf("an error that tells nothing: %v", err)
		}
		if requests > 1<<20/pieceSize+2*inAll {
			t.Errorf("%d requests", requests)
		}
	})
}
