package xo

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPlainText(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"Two lines\nas they stand, 1 < 2 & 3 > 2.", "Two lines\nas they stand, 1 < 2 & 3 > 2."},
		{"<p>One\nparagraph,</p>\n<p>and another.</p>", "One paragraph,\n\nand another."},
		{"Do:<ul>\n<li>this</li>\n<li>and <b>that</b></li></ul> Done.", "Do:\n• this\n• and that\n\nDone."},
		{"<P CLASS=\"x\">Upper</P>", "Upper"},
		{"a<br/>b<br>c", "a\nb\nc"},
		{"<p>5 &lt; 6 &amp; caf&eacute;</p>", "5 < 6 & café"},
		{"<p>x < y", "x < y"},
		{"<p>a<script>alert(1)</script></p>", "a<script>alert(1)</script>"},
		{"<" + strings.Repeat("p ", 400) + ">", "<" + strings.Repeat("p ", 400) + ">"},
	} {
		if got := plainText(tt.in); got != tt.want {
			t.Errorf("%q:\n got %q\nwant %q", tt.in, got, tt.want)
		}
	}
}

func FuzzPlainText(f *testing.F) {
	f.Add("<p>One</p><ul><li>two</li></ul>")
	f.Add("1 < 2 <p")
	f.Fuzz(func(t *testing.T, s string) {
		got := plainText(s)
		if utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Errorf("%q became %q, which is not UTF-8", s, got)
		}
		if len(got) > 4*len(s)+8 {
			t.Errorf("%d bytes became %d", len(s), len(got))
		}
	})
}
