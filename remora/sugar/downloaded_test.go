package sugar

import (
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDownloadedElsewhere: a proxy of our own may say that a client has got a bundle there; strangers may
// not, and a HEAD alone is no download.
func TestDownloadedElsewhere(t *testing.T) {
	r := newRig(t, rigOptions{})
	for _, tt := range []struct {
		name, peer, method, said string
		want                     []string
	}{
		{"a proxy", "127.0.0.1:1", "HEAD", "1", []string{"updater 192.0.2.9 3"}},
		{"a stranger", "192.0.2.7:1", "HEAD", "1", nil},
		{"nothing said", "127.0.0.1:1", "HEAD", "", nil},
		{"the download itself", "127.0.0.1:1", "GET", "1", []string{"updater 192.0.2.9 3"}},
	} {
		q := httptest.NewRequest(tt.method, "/downloads/file/1003", nil)
		q.RemoteAddr = tt.peer
		q.Header.Set("X-Forwarded-For", "192.0.2.9")
		q.Header.Set("User-Agent", "Sugar/0.112")
		if tt.said != "" {
			q.Header.Set(HeaderDownloaded, tt.said)
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		if w.Code != 200 {
			t.Errorf("%s: status %d", tt.name, w.Code)
		}
		if diff := cmp.Diff(tt.want, r.counts.take()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
	}
}
