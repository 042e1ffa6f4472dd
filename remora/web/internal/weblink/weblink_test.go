package weblink

import (
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"https://example.org/a?b=c#d": "https://example.org/a?b=c#d",
		"http://example.org":          "http://example.org",
		"HTTPS://example.org/":        "https://example.org/",
		"":                            "", "example.org": "", "//example.org/": "", "javascript:alert(1)": "", "mailto:a@example.org": "",
		"https://": "", "https://a:b@example.org/": "", "https://exa mple.org/": "", "https://example.org/" + strings.Repeat("a", 3000): "",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%.40q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("https://example.org/")
	f.Add("javascript:alert(1)")
	f.Add("http://[::1%25eth0]/")
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if got != "" && !strings.HasPrefix(got, "http://") && !strings.HasPrefix(got, "https://") {
			t.Fatalf("%q leads to %q", s, got)
		}
	})
}
