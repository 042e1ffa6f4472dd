package sugar

import (
	"bytes"
	"crypto/sha256"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

func TestPreview(t *testing.T) {
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	sum := remora.Digest(sha256.Sum256(picture.Bytes()))
	evil := []byte("<script>alert(1)</script>")
	html := remora.Digest(sha256.Sum256(evil))
	large := remora.Digest(sha256.Sum256([]byte("large")))
	r := newRig(t, rigOptions{})
	for name, data := range map[string][]byte{
		remora.ImageName(sum): picture.Bytes(), remora.ImageName(html): evil, remora.ImageName(large): make([]byte, maxPreview+1),
	} {
		if err := r.files.Put(t.Context(), name, bytes.NewReader(data), 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	target := "/preview/" + sum.String() + ".png"
	w := r.do("GET", target)
	if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), picture.Bytes()) {
		t.Errorf("status %d, %d bytes", w.Code, w.Body.Len())
	}
	for name, want := range map[string]string{
		"Content-Type": "image/png", "Cache-Control": cacheForever, "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": iconPolicy, "Etag": `"` + sum.String() + `"`,
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if same := r.do("GET", target, "If-None-Match", w.Header().Get("Etag")); same.Code != 304 {
		t.Errorf("status %d, want 304", same.Code)
	}
	if head := r.do("HEAD", target); head.Code != 200 || head.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", head.Code, head.Body.Len())
	}
	for target, status := range map[string]int{
		"/preview/" + sum.String() + ".jpg":                  404, // it is a PNG
		"/preview/" + sum.String():                           404,
		"/preview/" + strings.ToUpper(sum.String()) + ".png": 404,
		"/preview/" + html.String() + ".png":                 404,
		"/preview/x.png":                                     404,
		"/preview/" + strings.Repeat("ab", 32) + ".png":      404,
		"/preview/" + large.String() + ".png":                503,
	} {
		w := r.do("GET", target)
		if w.Code != status || strings.HasPrefix(w.Header().Get("Content-Type"), "image/") || strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, %v", target, w.Code, w.Header())
		}
	}
}

// TestOldPreviews: the old site's addresses of screenshots, small (t) and large (p), lead to them.
func TestOldPreviews(t *testing.T) {
	r := newRig(t, rigOptions{})
	sum := remora.Digest(sha256.Sum256([]byte("picture")))
	a := *r.library.View().Activity(4024)
	a.Screenshots = []remora.Image{{ID: 77, SHA256: sum, Media: "image/jpeg"}, {ID: 78, SHA256: sum, Media: "image/tiff"}}
	r.feed.put(a)
	if err := r.library.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		"/en-US/sugar/images/t/77/1159459234": "/preview/" + sum.String() + ".jpg",
		"/images/p/77/1?x=1":                  "/preview/" + sum.String() + ".jpg?x=1",
		"/images/p/78/1":                      "",
		"/images/p/79/1":                      "",
		"/images/p/x/1":                       "",
	} {
		w := r.do("GET", target)
		if got := w.Header().Get("Location"); got != want || (want == "") != (w.Code == 404) {
			t.Errorf("%s: %d to %q, want %q", target, w.Code, got, want)
		}
	}
	// A new version of the activity has other pictures.
	a.Screenshots = nil
	r.feed.put(a)
	if err := r.library.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := r.do("GET", "/images/p/77/1"); w.Code != 404 {
		t.Errorf("a picture that was taken away: %d", w.Code)
	}
}
