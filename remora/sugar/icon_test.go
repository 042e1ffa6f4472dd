package sugar

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

func TestIcon(t *testing.T) {
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg"><path fill="FILL" stroke="STROKE"/></svg>`)
	calls := 0
	r := newRig(t, rigOptions{change: func(c *Config) {
		c.Recolor = func(icon []byte, stroke, fill string) ([]byte, error) {
			calls++
			if stroke == "#bad000" {
				return nil, errors.New("no")
			}
			icon = bytes.ReplaceAll(icon, []byte("FILL"), []byte(fill))
			return bytes.ReplaceAll(icon, []byte("STROKE"), []byte(stroke)), nil
		}
	}})
	sum := remora.Digest(sha256.Sum256(svg))
	large := remora.Digest(sha256.Sum256([]byte("large")))
	for name, data := range map[string][]byte{remora.IconName(sum): svg, remora.IconName(large): make([]byte, maxIcon+1)} {
		if err := r.files.Put(t.Context(), name, bytes.NewReader(data), 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	target := "/icon/" + sum.String() + "/ff8f00-00a0ff.svg"
	for range 2 {
		w := r.do("GET", target)
		if w.Code != 200 || w.Body.String() != `<svg xmlns="http://www.w3.org/2000/svg"><path fill="#00a0ff" stroke="#ff8f00"/></svg>` {
			t.Errorf("status %d, %s", w.Code, w.Body)
		}
		for name, want := range map[string]string{
			"Content-Type": "image/svg+xml", "Cache-Control": cacheForever, "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if same := r.do("GET", target, "If-None-Match", w.Header().Get("Etag")); same.Code != 304 {
			t.Errorf("status %d, want 304", same.Code)
		}
	}
	if calls != 1 {
		t.Errorf("coloured %d times", calls)
	}
	if head := r.do("HEAD", target); head.Code != 200 || head.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", head.Code, head.Body.Len())
	}
	for _, test := range []struct {
		target string
		status int
	}{
		{"/icon/" + sum.String() + "/FF8F00-00a0ff.svg", 404},
		{"/icon/" + sum.String() + "/ff8f00-00a0ff", 404},
		{"/icon/" + sum.String() + "/ff8f0-000a0ff.svg", 404},
		{"/icon/" + sum.String() + "/url(x-)00000.svg", 404},
		{"/icon/" + sum.String() + "/ff8f00.svg", 404},
		{"/icon/" + strings.ToUpper(sum.String()) + "/ff8f00-00a0ff.svg", 404},
		{"/icon/xyz/ff8f00-00a0ff.svg", 404},
		{"/icon/" + strings.Repeat("ab", 32) + "/ff8f00-00a0ff.svg", 404},
		{"/icon/" + large.String() + "/ff8f00-00a0ff.svg", 503},
		{"/icon/" + sum.String() + "/bad000-00a0ff.svg", 503},
	} {
		w := r.do("GET", test.target)
		if w.Code != test.status || strings.HasPrefix(w.Header().Get("Content-Type"), "image/") || strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, %v", test.target, w.Code, w.Header())
		}
	}
	plain := newRig(t, rigOptions{change: func(c *Config) { c.Files = r.files }})
	if w := plain.do("GET", target); w.Body.String() != string(svg) {
		t.Errorf("without Recolor: %s", w.Body)
	}
}

func FuzzColors(f *testing.F) {
	f.Add("ff8f00-00a0ff")
	f.Add("FF8F00-00a0ff")
	f.Add("------\x00------")
	f.Fuzz(func(t *testing.T, s string) {
		got := parseColors(s)
		if got != "" && (got != s || strings.Trim(got, "0123456789abcdef-") != "" || got[6] != '-' || strings.Count(got, "-") != 1) {
			t.Errorf("%q is accepted as %q", s, got)
		}
	})
}
